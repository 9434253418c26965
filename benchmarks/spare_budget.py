"""What should be done with what is left of a budget? Nothing, more operations, or more latency?

    python -m benchmarks.spare_budget --data digits --space tiny --images 180 --probes 720

Supernets often like networks best that need less than the budget. `sgnas generate` spends what is
left on operations. Here the networks that probes think best (no generator) are compared for ten
budgets: with nothing spent (`nothing`), with operations as the bonus (`operations`), and with the
options' own cost as the bonus, which fills the budget at the least loss of worth (`latency`).
Accuracy in the supernet is on held-out images that nothing was chosen on. Where the last two
differ, both networks are trained from scratch with one recipe, and all held-out images answer.

Takes the flags of `benchmarks.quality` and goes on with its --workdir. Prints JSON last.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from benchmarks import quality
from benchmarks.quality_parts import figures, proposals, retrained
from benchmarks.quality_parts.judge import Options
from benchmarks.quality_parts.setting import Setting
from sgnas_deploy import files
from sgnas_deploy.architectures import Architecture
from sgnas_deploy.errors import BadInput
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.generator.scale import option_macs
from sgnas_deploy.training import process

WAYS: Final = ("nothing", "operations", "latency")


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Compare on one seed."""
    asked = quality.flags().parse_args(arguments)
    process.prepare()
    setting = quality.setting_of(asked)
    if not len(setting.unseen):
        raise BadInput("all held-out images are looked at", "leave some unseen: --images 180")
    recipe = Recipe(taught_by="probes", probes=asked.probes)
    networks = ways(setting, recipe)
    result = {
        "benchmark": "spare_budget",
        "data": setting.name,
        "space": setting.space.id,
        "seed": setting.seed,
        "supernet_sha256": setting.supernet.weights_sha256,
        "probes": recipe.probes,
        "budgets_ms": [1e3 * float(b) for b in setting.budgets_s],
        "ways": in_supernet(setting, networks),
    }
    if asked.retrain:
        result["retrained"] = trained(setting, networks, asked.retrain_epochs, asked.retrain_batch)
    if asked.out is not None:
        files.write_text(asked.out, json.dumps(result, indent=1) + "\n")
    print(json.dumps(result), flush=True)
    return result


def ways(setting: Setting, recipe: Recipe) -> dict[str, list[Options]]:
    """One network a budget, for each way to spend what is left."""
    worth, _ = proposals.probed(setting, recipe)
    scores = proposals.alike(setting, [-own for own in worth.losses])
    bonuses = (None, option_macs(setting.space), setting.model.option_costs)
    return {
        way: proposals.solved(setting, scores, bonus)
        for way, bonus in zip(WAYS, bonuses, strict=True)
    }


def in_supernet(setting: Setting, networks: Mapping[str, Sequence[Options]]) -> dict[str, Any]:
    """Means over the budgets, and points against `operations`."""
    correct = quality.judged(setting, networks)["unseen"]
    return {
        way: {
            "accuracy_percent": float(100 * correct[way].mean()),
            "minus_operations": figures.difference(correct[way], correct["operations"]),
            "used": float(np.mean([setting.model.predict_s(o) for o in own] / setting.budgets_s)),
            "macs": float(np.mean([Architecture(setting.space.id, o).macs for o in own])),
            "networks": [list(o) for o in own],
        }
        for way, own in networks.items()
    }


def trained(
    setting: Setting, networks: Mapping[str, Sequence[Options]], epochs: int, batch: int
) -> dict[str, Any]:
    """Accuracy after training, where `operations` and `latency` differ."""
    pairs = zip(networks["operations"], networks["latency"], strict=True)
    differ = [(i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1]]
    picked = [
        retrained.Picked(options, i, way)
        for i, pair in differ
        for way, options in zip(("operations", "latency"), pair, strict=True)
    ]
    accuracies = 100 * np.array(retrained.train(setting, picked, epochs, batch)).reshape(-1, 2)
    gains = accuracies[:, 0] - accuracies[:, 1]
    rows = [
        {
            "budget": i,
            "operations_percent": float(own[0]),
            "latency_percent": float(own[1]),
            "macs": [Architecture(setting.space.id, options).macs for options in pair],
        }
        for (i, pair), own in zip(differ, accuracies, strict=True)
    ]
    return {
        "epochs": epochs,
        "batch": batch,
        "rows": rows,
        "operations_minus_latency_points": float(gains.mean()) if len(gains) else None,
        "standard_error_over_budgets": (
            float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else None
        ),
    }


if __name__ == "__main__":
    main()
