"""A page with the tables of all results in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sgnas_deploy import files

Result = Mapping[str, Any]


def write(folder: Path) -> None:
    """Write `README.md` from the results beside it."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    results = [one for one in found if one.get("benchmark") == "quality"]
    lines = [
        "# Quality: generator and searches under the same budgets",
        "",
        "Written by `python -m benchmarks.quality`; what it does stands in `docs/quality.md`.",
        "Accuracies are those in the supernet, means over the budgets; *minus evolution* is in",
        "points, with its standard error over images. Searches have chosen their networks by the",
        "*looked at* images, so that their accuracy there is too high; nothing was trained or",
        "chosen on the *unseen* ones. Cost is images sent forward (a backward pass counts as two",
        "more), for all budgets together; evolution and random search pay for each budget anew.",
        "",
    ]
    for result in results:
        lines += [f"## {_title(result)}", "", *_setting(result), "", *_methods(result), ""]
        lines += [*_solver(result), ""]
        if "retrained" in result:
            lines += [*_retrained(result["retrained"]), ""]
    files.write_text(folder / "README.md", "\n".join(lines).rstrip() + "\n")


def _title(result: Result) -> str:
    return f"{result['data']}, `{result['space']}`, seed {result['seed']}"


def _setting(result: Result) -> list[str]:
    budgets, supernet, images = result["budgets_ms"], result["supernet"], result["images"]
    sizes = result["evolution"]
    unseen = f", {images['unseen']:,} unseen" if images["unseen"] else ", no others"
    return [
        f"{len(budgets)} budgets from {budgets[0]:.3f} to {budgets[-1]:.3f} ms; supernet of "
        f"{supernet['epochs']} epochs ({supernet['mean_accuracy_of_random_networks']:.1%} on "
        f"random networks); {images['looked_at']:,} images looked at{unseen}; evolution with "
        f"population {sizes['population']} and {sizes['generations']} generations.",
    ]


def _methods(result: Result) -> list[str]:
    parts = [name for name in ("looked_at", "unseen") if result["images"][name]]
    heads = [f"{part.replace('_', ' ')}, % | minus evolution" for part in parts]
    lines = [
        f"| method | {' | '.join(heads)} | images, all budgets | CPU s |",
        "|---" * (3 + 2 * len(parts)) + "|",
    ]
    for name, method in result["methods"].items():
        cells = [name]
        for part in parts:
            difference = method["minus_evolution"][part]
            cells.append(f"{100 * method['mean_accuracy'][part]:.2f}")
            error = difference["standard_error"]
            cells.append(
                "" if name == "evolution" else f"{difference['points']:+.2f} ± {error:.2f}"
            )
        cost = method["cost"]
        budgets = len(result["budgets_ms"])
        searched = "images_all_budgets" in cost
        cells.append(f"{cost.get('images_all_budgets', cost['images']):,.0f}")
        seconds = cost.get("cpu_s")
        cells.append("" if seconds is None else f"{seconds * (budgets if searched else 1):.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _solver(result: Result) -> list[str]:
    solver, ratio = result["solver"], result["cost_ratio"]
    costs = [
        f"{own['points']:+.2f} ± {own['standard_error']:.2f} ({part.replace('_', ' ')})"
        for part, own in solver["solved_minus_argmax"].items()
    ]
    return [
        f"The generator for all budgets costs {ratio['images']:.3f} of one evolution for one "
        f"budget in images, {ratio['cpu_s']:.2f} in CPU seconds. The published inference "
        f"(`argmax`) is over budget for {solver['argmax_over_budget']:.0%} of the budgets, at "
        f"{solver['argmax_mean_of_budget']:.1%} of them on average. The solver changed "
        f"{solver['overrode_most_probable_choices']:.0%} of its layers, and "
        f"{solver['overrode_most_probable_options']:.0%} of the generator's most probable options; "
        f"solved minus argmax, points: {', '.join(costs)}. A sum over layers explains "
        f"{solver['probes_explained']:.0%} of the variance of the probes' losses (each left out).",
    ]


def _retrained(own: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{len(own['networks'])} networks trained from scratch, {own['epochs']} epochs, one seed; "
        "ranks with 95 % intervals over networks (bootstrap):",
        "",
        "| ranked by | Kendall | Spearman | Kendall within a band of latency |",
        "|---|---|---|---|",
    ]
    names = {
        "supernet_ranks_retrained": "accuracy in the supernet",
        "macs_rank_retrained": "operations",
        "latency_ranks_retrained": "predicted latency",
    }
    for key, name in names.items():
        found = own[key]
        within = found["kendall_within_bands"]
        lines.append(
            f"| {name} | {found['kendall']:.2f} {_interval(found['kendall_interval'])} "
            f"| {found['spearman']:.2f} {_interval(found['spearman_interval'])} "
            f"| {'' if within is None else f'{within:.2f}'} |"
        )
    lines += [
        "",
        "| by | band | ms | MMACs | in the supernet, % | trained, % |",
        "|---|---|---|---|---|---|",
    ]
    for one in own["networks"]:
        lines.append(
            f"| {one['by']} | {one['band']} | {one['predicted_ms']:.3f} | {one['macs'] / 1e6:.2f} "
            f"| {100 * one['in_supernet']:.2f} | {100 * one['retrained']:.2f} |"
        )
    return lines


def _interval(ends: Sequence[float]) -> str:
    return f"({ends[0]:.2f} to {ends[1]:.2f})"
