"""One generator for many devices: what does a device lose that never had a generator of its own?

    python -m benchmarks.many_devices --train A.json B.json --held-out C.json D.json \
        --data digits --seed 0 --out docs/results/many_devices

On one trained supernet, for ten budgets of each held-out device, the accuracy in the supernet of

* `own`: the device's own generator, trained on its table;
* `reading`: a generator that reads tables, trained on those of `--train` and on random devices, and
  shown the held-out table for the first time;
* `blind`: the same one, shown the first table of `--train` instead: what reading brings;
* `elsewhere`: the first table's own generator, with the held-out table's solver;
* `macs`: the solver alone, with operations as scores.

All have the same solver and the same hard budgets on the held-out table's predictions, without a
margin. Held out are measured tables, and `--random` devices that are drawn like those of the
training, from another seed. Images are held out from all trainings. What was done is kept in
`--workdir`: run the same command again to go on. Prints JSON last.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, cast, final

import numpy as np
import numpy.typing as npt

from benchmarks.quality_parts.figures import difference
from benchmarks.quality_parts.scoring import Source
from sgnas_deploy import data, files, generator, spaces, tables
from sgnas_deploy.data import DataSet
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import NullReporter
from sgnas_deploy.generator import GeneratorFile, TrainedOn, perturbed
from sgnas_deploy.generator.base import Generator
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.generator.scale import LatencyModel, Scale, option_macs, scale_of
from sgnas_deploy.generator.within import Kept, best_within
from sgnas_deploy.pipeline.train_generator import PERTURBED
from sgnas_deploy.pipeline.train_supernet import TrainSupernetRequest, train_supernet
from sgnas_deploy.spaces import Space
from sgnas_deploy.training import process
from sgnas_deploy.training.jobs import generator_job

Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]

METHODS: Final = ("own", "reading", "blind", "elsewhere", "macs")
HELD_OUT_SEED: Final = 1_000_003
"""Of the held-out random devices: no training draws its devices from it."""


@final
@dataclass(frozen=True)
class Device:
    """A device to generate for.

    Attributes:
        name: of its table.
        sha256: of its table, or of its costs.
        model: its predictor.
        scale: its feasible range.
    """

    name: str
    sha256: str
    model: LatencyModel
    scale: Scale


@final
@dataclass(frozen=True)
class Setting:
    """What everything is trained on.

    Attributes:
        space: of all tables.
        spec: what `data.load` takes.
        data: the images.
        supernet: its weights.
        recipe: of every generator; the one that reads adds to it.
        reading_epochs: of the one that reads.
        random: random devices in its training.
        folder: where generators are kept.
        seed: decides all of them.
    """

    space: Space
    spec: str
    data: DataSet
    supernet: Path
    recipe: Recipe
    reading_epochs: int
    random: int
    folder: Path
    seed: int

    def own(self, device: Device) -> tuple[Generator, GeneratorFile]:
        """A device's own generator; trained now where there is none."""
        return self._trained(device.name, (device,), self.recipe)

    def reading(self, devices: Sequence[Device]) -> tuple[Generator, GeneratorFile]:
        """A generator that reads tables, trained on all of these."""
        more = {"epochs": self.reading_epochs, "reads_tables": True, "perturbed": self.random}
        return self._trained("reading", devices, self.recipe.model_copy(update=more))

    def _trained(
        self, name: str, devices: Sequence[Device], recipe: Recipe
    ) -> tuple[Generator, GeneratorFile]:
        first, *others = devices
        job = generator_job.Job(
            space=self.space,
            model=first.model,
            table=first.name,
            table_sha256=first.sha256,
            percentile=50.0,
            supernet=self.supernet,
            data=self.data,
            spec=self.spec,
            recipe=recipe,
            seed=self.seed,
            more=tuple(
                generator_job.Further(one.model, TrainedOn(table=one.name, table_sha256=one.sha256))
                for one in others
            ),
        )
        config = {
            # What is as usual is left out: a new setting does not make everything anew.
            "recipe": recipe.model_dump(mode="json", exclude_defaults=True),
            "tables": [one.sha256 for one in devices],
            "supernet_sha256": files.sha256_of(self.supernet),
            "data_fingerprint": self.data.fingerprint,
            "seed": self.seed,
        }
        key = _hash(json.dumps(config, sort_keys=True).encode())[:12]
        weights = self.folder / f"{name}-{key}.safetensors"
        kept = weights.with_suffix(".json").is_file()
        if not kept or generator.read_file(weights).recipe != recipe:
            said(f"training the generator {name}")
            started = time.monotonic()
            generator_job.run(
                job, weights, config, "python -m benchmarks.many_devices", NullReporter()
            )
            said(f"trained {name} in {time.monotonic() - started:.0f} s")
        described = generator.read_file(weights)
        return generator.load(weights, self.space, described), described


def said(text: str) -> None:
    """A line for whoever watches."""
    print(text, file=sys.stderr, flush=True)


def measured(path: Path) -> Device:
    """The device of a table."""
    table = tables.read(path)
    model = tables.predictor(table)
    return Device(path.stem, tables.sha256(path), model, scale_of(model, spaces.load(table.space)))


def invented(space: Space, known: Sequence[Device], count: int) -> tuple[Device, ...]:
    """Held-out random devices."""
    devices, scales = perturbed.draw(space, [one.model for one in known], count, HELD_OUT_SEED)
    return tuple(
        Device(f"random-{i}", _hash(np.stack(model.option_costs).tobytes()), model, scale)
        for i, (model, scale) in enumerate(zip(devices, scales, strict=True))
    )


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def proposed(
    setting: Setting,
    known: Sequence[Device],
    device: Device,
    targets_s: Floats,
) -> dict[str, tuple[Kept, ...]]:
    """What each method generates for the budgets of a held-out device."""
    operations = option_macs(setting.space)
    shares, found = device.scale.share(targets_s), {}
    for method in METHODS:
        spending: Sequence[Floats] | None = operations
        if method == "macs":
            scores: Sequence[Floats] = [np.tile(m, (len(shares), 1)) for m in operations]
            spending = None
        else:
            shown = known[0] if method == "blind" else device
            if method in ("reading", "blind"):
                network, _ = setting.reading(known)
                network.turn_to(shown.model, shown.scale)
            else:
                network, _ = setting.own(known[0] if method == "elsewhere" else device)
            scores = network.option_scores(shares)
        found[method] = best_within(device.model, device.scale, scores, targets_s, spending)
    return found


def compared(
    device: Device,
    targets_s: Floats,
    kept: dict[str, tuple[Kept, ...]],
    correct: dict[str, Bools],
) -> dict[str, Any]:
    """One held-out device's row of the results."""
    return {
        "device": device.name,
        "sha256": device.sha256,
        "budgets_ms": [1e3 * float(target) for target in targets_s],
        "accuracy": {m: float(100 * c.mean()) for m, c in correct.items()},
        "by_budget": {m: [float(100 * a) for a in c.mean(1)] for m, c in correct.items()},
        "beside_own": {m: difference(c, correct["own"]) for m, c in correct.items() if m != "own"},
        "unused": {
            m: float(np.mean([1 - k.predicted_s / t for k, t in zip(own, targets_s, strict=True)]))
            for m, own in kept.items()
        },
        "same_network_as_own": {
            m: float(np.mean([a.options == b.options for a, b in zip(k, kept["own"], strict=True)]))
            for m, k in kept.items()
        },
        "networks": {m: [list(k.options) for k in own] for m, own in kept.items()},
    }


def run(flags: argparse.Namespace) -> dict[str, Any]:
    """One seed."""
    known = [measured(path) for path in flags.train]
    held_out = [measured(path) for path in flags.held_out]
    names = {tables.read(path).space for path in (*flags.train, *flags.held_out)}
    if len(names) != 1:
        raise BadInput(f"the tables are of different spaces: {', '.join(sorted(names))}")
    if {one.sha256 for one in known} & {one.sha256 for one in held_out}:
        raise BadInput("a table is trained on and held out")
    space = spaces.load(names.pop())
    held_out += invented(space, known, flags.random)
    recipe = Recipe(taught_by=flags.taught_by, epochs=flags.epochs)
    setting = Setting(
        space=space,
        spec=flags.data,
        data=data.load(flags.data, space.resolution),
        supernet=_supernet(flags, space),
        recipe=recipe,
        reading_epochs=flags.reading_epochs or flags.epochs,
        random=flags.perturbed,
        folder=flags.workdir / f"generators-seed{flags.seed}",
        seed=flags.seed,
    )
    images = len(setting.data.val)
    judge = Source(setting.supernet, space.id, flags.data, tuple(range(images))).judge()
    process.prepare()
    rows, everything = [], []
    for device in held_out:
        ends = (device.scale.fastest_s, device.scale.slowest_s)
        targets_s = np.linspace(*ends, flags.budgets + 2)[1:-1]
        kept = proposed(setting, known, device, targets_s)
        networks = sorted({one.options for own in kept.values() for one in own})
        right = dict(zip(networks, judge.correct(networks), strict=True))
        correct = {m: np.stack([right[k.options] for k in own]) for m, own in kept.items()}
        rows.append(compared(device, targets_s, kept, correct))
        everything.append(correct)
        beside = rows[-1]["beside_own"]["reading"]
        said(f"{device.name}: {rows[-1]['accuracy']}, reading beside own {beside}")
    _, reading = setting.reading(known)
    return {
        "benchmark": "many_devices",
        "space": space.id,
        "data": flags.name or flags.data,
        "images": images,
        "seed": flags.seed,
        "supernet_sha256": reading.supernet_sha256,
        "trained_on": [{"table": one.name, "sha256": one.sha256} for one in known],
        "random_devices": reading.recipe.perturbed,
        "recipe": reading.recipe.model_dump(mode="json"),
        "epochs_of_own": flags.epochs,
        "rows": rows,
        "measured": together(everything[: len(flags.held_out)]),
        "random": together(everything[len(flags.held_out) :]),
    }


def together(found: Sequence[dict[str, Bools]]) -> dict[str, Any] | None:
    """Means over devices, all budgets alike; None without a device."""
    if not found:
        return None
    joined = {m: np.concatenate([one[m] for one in found]) for m in METHODS}
    return {
        "accuracy": {m: float(100 * c.mean()) for m, c in joined.items()},
        "beside_own": {m: difference(c, joined["own"]) for m, c in joined.items() if m != "own"},
    }


def _supernet(flags: argparse.Namespace, space: Space) -> Path:
    if flags.supernet is not None:
        return cast(Path, flags.supernet)
    workdir = flags.workdir / f"supernet-seed{flags.supernet_seed}"
    said("training the supernet, unless that is done")
    request = TrainSupernetRequest(
        data=flags.data, workdir=workdir, space=space.id, seed=flags.supernet_seed
    )
    return train_supernet(request, NullReporter()).checkpoint


def summary(out: Path) -> dict[str, Any]:
    """Regrets over all seeds that are there, and a page that shows them."""
    seeds = [json.loads(path.read_text()) for path in sorted(out.glob("*.json"))]
    lines = [
        "# One generator for many devices: results",
        "",
        "Written by `python -m benchmarks.many_devices`. Accuracy in the supernet on held-out",
        "images, in %, mean over the budgets; beside it the difference to the device's own",
        "generator in points, with the standard error over images.",
        "",
    ]
    overall = []
    for one in seeds:
        taught, epochs = one["recipe"]["taught_by"], one["recipe"]["epochs"]
        lines += [
            f"## Seed {one['seed']}, {one['space']}, {one['data']}, taught by {taught}",
            "",
            f"{one['images']} images, {len(one['rows'][0]['budgets_ms'])} budgets a device. Own: "
            f"{one['epochs_of_own']} epochs. Reading: {epochs} epochs on "
            f"{len(one['trained_on'])} tables and {one['random_devices']} random devices.",
            "",
            "| device | " + " | ".join(METHODS) + " |",
            "|---" * (len(METHODS) + 1) + "|",
        ]
        groups = [(row["device"], row) for row in one["rows"]]
        groups += [(f"all {kind}", one[kind]) for kind in ("measured", "random") if one[kind]]
        lines += [f"| {name} | {' | '.join(_cells(row))} |" for name, row in groups]
        lines.append("")
        for kind in ("measured", "random"):
            if one[kind]:
                beside = {m: d["points"] for m, d in one[kind]["beside_own"].items()}
                overall.append({"seed": one["seed"], "taught_by": taught, "kind": kind, **beside})
    files.write_text(out / "README.md", "\n".join(lines))
    return {"benchmark": "many_devices", "points_beside_own": overall, "means": _means(overall)}


def _cells(row: dict[str, Any]) -> list[str]:
    cells = [f"{row['accuracy']['own']:.2f}"]
    for method in METHODS[1:]:
        beside = row["beside_own"][method]
        points, error = beside["points"], beside["standard_error"]
        cells.append(f"{row['accuracy'][method]:.2f} ({points:+.2f} ± {error:.2f})")
    return cells


def _means(overall: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over seeds, with their standard errors where there are several seeds."""
    found = []
    for taught, kind in sorted({(one["taught_by"], one["kind"]) for one in overall}):
        own = [o for o in overall if (o["taught_by"], o["kind"]) == (taught, kind)]
        entry: dict[str, Any] = {"taught_by": taught, "kind": kind, "seeds": len(own)}
        for method in METHODS[1:]:
            values = np.array([one[method] for one in own])
            error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else None
            entry[method] = {
                "points": float(values.mean()),
                "standard_error_over_seeds": None if error is None else float(error),
            }
        found.append(entry)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a seed, and print what all seeds say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=Path, nargs="+", required=True, help="tables to train on")
    parser.add_argument("--held-out", type=Path, nargs="*", default=[], help="tables to judge on")
    parser.add_argument("--random", type=int, default=2, help="held-out random devices")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--name", help="what the images are, for the files")
    parser.add_argument("--supernet", type=Path, help="a trained one; default: trained here")
    parser.add_argument("--supernet-seed", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0, help="of the generators")
    parser.add_argument("--budgets", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=Recipe().epochs)
    parser.add_argument("--reading-epochs", type=int, help="default: those of --epochs")
    parser.add_argument("--perturbed", type=int, default=PERTURBED)
    parser.add_argument("--taught-by", choices=("mixture", "probes"), default=Recipe().taught_by)
    parser.add_argument("--workdir", type=Path, default=Path("many-devices-work"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/many_devices"))
    parser.add_argument("--label", help="name of the results' file; default: from the flags")
    flags = parser.parse_args(arguments)
    result = run(flags)
    label = flags.label or f"{result['space']}-{flags.taught_by}-seed{flags.seed}"
    files.write_text(flags.out / f"{label}.json", json.dumps(result, indent=1) + "\n")
    print(json.dumps(summary(flags.out)))


if __name__ == "__main__":
    main()
