"""Is the generator as good as a search? On one supernet and table, under the same hard budgets.

    python -m benchmarks.quality --data digits --space tiny --seed 0 --out RESULT.json

For several budgets evenly over a table's feasible range: the generator, random search, evolution,
the solver on operations alone, the solver on logits that were trained without a generator, and the
generator without the solver, which is the published inference. The budget is on predicted latency,
without a margin, for all alike. Searches look at a fixed part of the held-out images; every final
network is also judged on the others, which nothing was trained or chosen on. A few networks are
trained from scratch, to see what accuracy in the supernet is worth.

What was done is kept in --workdir: run the same command again to go on. Prints JSON last.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.nasbench201 import Lines
from benchmarks.quality_parts import figures, picture, proposals, retrained, searches, summary
from benchmarks.quality_parts.judge import Judge, Options
from benchmarks.quality_parts.scoring import Scores
from benchmarks.quality_parts.searches import Evolution, Settings
from benchmarks.quality_parts.setting import Setting, mixed
from sgnas_deploy import files, tables
from sgnas_deploy.architectures import Architecture
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.generator.scale import option_macs
from sgnas_deploy.training import process

BY_PROBES: Final = ("probes", "random probes", "no entropy")
VARIANTS: Final = (*BY_PROBES, "mixture", "sharp", "paper", "published")
"""Ways to train a generator; what they are stands in `proposals.recipes_of`."""

ALSO: Final = ("random probes", "no entropy", "mixture", "sharp", "paper")

Bools = npt.NDArray[np.bool_]


def flags() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", default="digits", help="digits, or a folder")
    parser.add_argument("--name", help="what the images are, for the result; default: --data")
    parser.add_argument("--space", default="tiny")
    parser.add_argument("--lut", help="default: the shipped table of the space, else a new one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workdir", type=Path, default=Path("quality-work"))
    parser.add_argument("--out", type=Path, help="a JSON file; pictures and a page stand beside it")
    parser.add_argument("--budgets", type=int, default=10)
    parser.add_argument("--images", type=int, default=1000, help="that searches look at")
    parser.add_argument("--population", type=int, default=50)
    parser.add_argument("--generations", type=int, default=20)
    parser.add_argument("--epochs", type=int, help="of the supernet")
    parser.add_argument("--batch", type=int, help="of the supernet")
    parser.add_argument("--generator", choices=VARIANTS, default="probes")
    parser.add_argument("--also", default=",".join(ALSO), help="further generators")
    parser.add_argument("--generator-epochs", type=int, help="default: what a quarter pays for")
    parser.add_argument("--probes", type=int, default=Recipe().probes)
    parser.add_argument("--retrain", type=int, default=12, help="networks; 0 for none")
    parser.add_argument("--retrain-epochs", type=int, default=6)
    parser.add_argument("--retrain-batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    return parser


def setting_of(asked: argparse.Namespace) -> Setting:
    """What the flags ask for."""
    space = mixed(asked.space)
    return Setting(
        spec=asked.data,
        name=asked.name or asked.data,
        space=space,
        workdir=asked.workdir / f"{Path(asked.data).name}-{space.id}-seed{asked.seed}",
        lut=asked.lut,
        seed=asked.seed,
        budgets=asked.budgets,
        images=asked.images,
        epochs=asked.epochs,
        batch=asked.batch,
        workers=asked.workers,
        reporter=Lines(),
    )


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Run one seed."""
    asked = flags().parse_args(arguments)
    process.prepare()
    setting = setting_of(asked)
    space = setting.space
    print(f"table {setting.table}, supernet accuracy {setting.supernet.accuracy:.2%}", flush=True)
    settings = Settings(asked.population, asked.generations)
    looks = settings.looks * len(setting.looked_at)
    epochs = asked.generator_epochs or proposals.affordable_epochs(
        len(setting.apart[1]), Recipe().batch, looks
    )
    recipes = proposals.recipes_of(epochs)
    own: dict[str, int] = {"probes": asked.probes}
    if asked.generator_epochs:
        own["epochs"] = asked.generator_epochs
    for name in BY_PROBES:
        recipes[name] = recipes[name].model_copy(update=own)
    found, solver, costs = propose(setting, recipes, asked.generator, asked.also)
    with setting.scores() as scores:
        searched = search(setting, settings, scores)
        costs |= search_costs(scores, searched)
    found |= {name: [one.options for one in own] for name, own in searched.items()}
    correct = judged(setting, found)
    result = {
        "benchmark": "quality",
        "data": setting.name,
        "space": space.id,
        "seed": setting.seed,
        "table": setting.table.stem,
        "table_sha256": tables.sha256(setting.table),
        "supernet": described_supernet(setting),
        "images": {"looked_at": len(setting.looked_at), "unseen": len(setting.unseen)},
        "budgets_ms": [1e3 * float(b) for b in setting.budgets_s],
        "generator": asked.generator,
        "recipes": {
            name: recipes[name].model_dump(mode="json")
            for name in (asked.generator, *_words(asked.also))
        },
        "evolution": {"population": settings.population, "generations": settings.generations},
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "methods": {
            name: described(setting, name, networks, correct, costs)
            for name, networks in found.items()
        },
        "searches": {
            name: [{"looked": one.looked, "history": one.history} for one in own]
            for name, own in searched.items()
        },
        "solver": solver | solver_costs(correct),
        "cost_ratio": cost_ratio(costs),
    }
    if asked.retrain:
        result["retrained"] = compared(
            setting, found, asked.retrain, asked.retrain_epochs, asked.retrain_batch
        )
    if asked.out is not None:
        write(result, asked.out)
    print(json.dumps(result), flush=True)
    return result


def propose(
    setting: Setting, recipes: Mapping[str, Recipe], main_one: str, also: str
) -> tuple[dict[str, list[Options]], dict[str, Any], dict[str, dict[str, float]]]:
    """Networks of all methods that do not search, what the solver changed, and costs."""
    found: dict[str, list[Options]] = {}
    costs: dict[str, dict[str, float]] = {}
    solver: dict[str, Any] = {}
    macs = option_macs(setting.space)
    for variant in dict.fromkeys((main_one, *_words(also))):
        network = proposals.trained(setting, variant, recipes[variant])
        scores = network.option_scores(proposals.shares_of(setting))
        name = "generator" if variant == main_one else f"generator, {variant}"
        found[name] = proposals.solved(setting, scores, macs)
        costs[name] = setting.cost(variant)
        if variant == main_one:
            found["nothing spent"] = proposals.solved(setting, scores, None)
            costs["nothing spent"] = costs[name]
            argmax = proposals.most_probable(network, setting)
            found["argmax"] = argmax
            costs["argmax"] = costs[name]
            own = np.array(found[name])
            predicted_s = np.array([setting.model.predict_s(o) for o in argmax])
            solver = {
                "overrode_most_probable_choices": float((own != np.array(argmax)).mean()),
                "overrode_most_probable_options": float(
                    (own != np.array(proposals.best_options(scores))).mean()
                ),
                "argmax_over_budget": float((predicted_s > setting.budgets_s).mean()),
                "argmax_mean_of_budget": float((predicted_s / setting.budgets_s).mean()),
            }
    free = proposals.trained_free(setting, recipes["mixture"])
    scores = free.option_scores(proposals.shares_of(setting))
    found["free"] = proposals.solved(setting, scores, macs)
    costs["free"] = setting.cost("free")
    worth, images = proposals.probed(setting, recipes["probes"])
    scores = tuple(proposals.alike(setting, [-own for own in worth.losses]))
    found["probes alone"] = proposals.solved(setting, scores, None)
    costs["probes alone"] = {"images": images}
    solver["probes_explained"] = worth.explained
    found["macs"] = proposals.solved(setting, proposals.alike(setting, macs), None)
    costs["macs"] = {"images": 0}
    return found, solver, costs


def search(setting: Setting, settings: Settings, scores: Scores) -> dict[str, list[searches.Found]]:
    """Random search and evolution for every budget."""
    budgets_s = [float(budget) for budget in setting.budgets_s]
    samples = searches.random_samples(
        setting.space, setting.model, budgets_s, settings.looks, [setting.seed, 1]
    )
    print("random search", flush=True)
    scores.right([options for own in samples for options in own])
    print(f"evolution; {len(scores.journal.right)} networks are known", flush=True)
    evolutions = [
        Evolution(setting.space, setting.model, budget_s, settings, [setting.seed, 2, number])
        for number, budget_s in enumerate(budgets_s)
    ]
    return {
        "random": [searches.best_sample(own, setting.model, scores) for own in samples],
        "evolution": searches.evolve(evolutions, settings, scores),
    }


def search_costs(
    scores: Scores, searched: Mapping[str, Sequence[searches.Found]]
) -> dict[str, dict[str, float]]:
    """What one search takes, and all of them; a network's time is the mean over all."""
    per_network_s = scores.journal.cpu_s / max(len(scores.journal.right), 1)
    found = {}
    for name, own in searched.items():
        looked = float(np.mean([one.looked for one in own]))
        found[name] = {
            "images": looked * scores.images,
            "cpu_s": looked * per_network_s,
            "images_all_budgets": looked * scores.images * len(own),
        }
    return found


def judged(setting: Setting, found: Mapping[str, Sequence[Options]]) -> dict[str, Any]:
    """Right answers of every final network: per images and method, shape (budgets, images)."""
    every = sorted({options for networks in found.values() for options in networks})
    index = {options: number for number, options in enumerate(every)}
    correct: dict[str, Any] = {}
    for name, indices in (("looked_at", setting.looked_at), ("unseen", setting.unseen)):
        if not len(indices):
            continue
        judge: Judge = setting.source(indices).judge()
        right = judge.correct(every)
        correct[name] = {
            method: right[[index[options] for options in networks]]
            for method, networks in found.items()
        }
    return correct


def described(
    setting: Setting,
    name: str,
    networks: Sequence[Options],
    correct: Mapping[str, Mapping[str, Bools]],
    costs: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    """A method's networks, means, and the difference to evolution."""
    rows = [
        {
            "budget_ms": 1e3 * float(budget_s),
            "predicted_ms": 1e3 * setting.model.predict_s(options),
            "macs": Architecture(setting.space.id, options).macs,
            "options": options,
            "accuracy": {images: float(own[name][i].mean()) for images, own in correct.items()},
        }
        for i, (budget_s, options) in enumerate(zip(setting.budgets_s, networks, strict=True))
    ]
    return {
        "mean_accuracy": {images: float(own[name].mean()) for images, own in correct.items()},
        "minus_evolution": {
            images: figures.difference(own[name], own["evolution"])
            for images, own in correct.items()
        },
        "cost": dict(costs[name]),
        "rows": rows,
    }


def solver_costs(correct: Mapping[str, Mapping[str, Bools]]) -> dict[str, Any]:
    """Accuracy of the solver's networks minus that of the generator's own choices."""
    return {
        "solved_minus_argmax": {
            images: figures.difference(own["generator"], own["argmax"])
            for images, own in correct.items()
        }
    }


def cost_ratio(costs: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The generator for all budgets over one evolution for one of them."""
    own, rival = costs["generator"], costs["evolution"]
    return {key: own[key] / rival[key] for key in ("images", "cpu_s")}


def described_supernet(setting: Setting) -> dict[str, Any]:
    """How the supernet was trained, and what that took."""
    found = setting.supernet
    return {
        "sha256": found.weights_sha256,
        "recipe": found.recipe,
        "epochs": found.epochs,
        "mean_accuracy_of_random_networks": found.accuracy,
        "cost": setting.cost("supernet"),
    }


def compared(
    setting: Setting, found: Mapping[str, Sequence[Options]], count: int, epochs: int, batch: int
) -> dict[str, Any]:
    """Accuracy in the supernet and of operations, beside accuracy after a training from scratch."""
    picked = retrained.pick(setting, found, count)
    accuracies = np.array(retrained.train(setting, picked, epochs, batch))
    judge = setting.source(np.arange(len(setting.data.val))).judge()
    in_supernet = judge.correct([one.options for one in picked]).mean(1)
    macs = np.array([Architecture(setting.space.id, o.options).macs for o in picked], np.float64)
    latency = np.array([setting.model.predict_s(one.options) for one in picked])
    bands = np.array([one.band for one in picked])
    return {
        "epochs": epochs,
        "batch": batch,
        "cost": retrained.cost(setting, picked),
        "networks": [
            {
                "by": one.by,
                "band": one.band,
                "options": one.options,
                "predicted_ms": 1e3 * float(latency[i]),
                "macs": int(macs[i]),
                "in_supernet": float(in_supernet[i]),
                "retrained": float(accuracies[i]),
            }
            for i, one in enumerate(picked)
        ],
        "supernet_ranks_retrained": figures.correlation(in_supernet, accuracies, bands),
        "macs_rank_retrained": figures.correlation(macs, accuracies, bands),
        "latency_ranks_retrained": figures.correlation(latency, accuracies, bands),
    }


def write(result: Mapping[str, Any], out: Path) -> None:
    """The result, a picture for each part of the images, and the page of all results beside it."""
    files.write_text(out, json.dumps(result, indent=1) + "\n")
    title = f"{result['data']}, {result['space']}, seed {result['seed']}"
    methods = cast(Mapping[str, Any], result["methods"])
    for images, words in (("looked_at", "the searches' images"), ("unseen", "other images")):
        if images in methods["generator"]["mean_accuracy"]:
            drawn = picture.draw(methods, images, f"{title}: {words}")
            files.write_text(out.with_name(f"{out.stem}-{images}.svg"), drawn + "\n")
    summary.write(out.parent)


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


if __name__ == "__main__":
    main()
