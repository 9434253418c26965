"""NAS-Bench-201 from images to strings: supernet, generator, architectures for a range of budgets.

    python -m benchmarks.nasbench201 --data cifar-10-batches-bin --seed 0

The supernet is that of a small variant of the space (see `SUPERNET`), which a 2-core CPU trains in
under an hour; the generator is trained on the shipped CPU table of the full space. No accuracy of
the benchmark is used anywhere: what chooses is the generator, and accuracy in the supernet on
training images that the supernet has not seen. What was done already is kept: run the same command
again to go on. `--ship FOLDER` also writes what `sgnas bench nasbench201` needs.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from sgnas_deploy import data, files, generator, spaces, supernet, tables
from sgnas_deploy.architectures import Architecture
from sgnas_deploy.bench.judging import ManyJudge
from sgnas_deploy.bench.proposals import Proposals
from sgnas_deploy.bench.scores import SupernetScores
from sgnas_deploy.events import Event, Reporter, StageAdvanced, stage
from sgnas_deploy.generator import GeneratorFile
from sgnas_deploy.generator.recipe import Recipe
from sgnas_deploy.generator.scale import scale_of
from sgnas_deploy.pipeline import train_supernet
from sgnas_deploy.spaces.cell import to_string
from sgnas_deploy.training import process
from sgnas_deploy.training.jobs import generator_job
from sgnas_deploy.training.requirements import checkpoint_path
from sgnas_deploy.workspace import Workspace

SPACE: Final = "nasbench201"
SUPERNET: Final = "nasbench201+r16+n1"
"""Half the resolution, one cell a stage instead of five, the full width."""
TABLE: Final = "nasbench201--cpu--onnxruntime-fp32-b1-t1"
DATA: Final = "CIFAR-10"
RECIPE: Final = Recipe(epochs=6, temperature=3.0, temperature_decay=0.6)
"""Few epochs, on a small map; by the last the gates are nearly choices."""
BUDGETS: Final = 10
IMAGES: Final = 2048
"""Images, of those kept apart, that proposed networks are compared on in the supernet."""
SCORED: Final = 256
"""Images that every network of the space is scored on, for `sgnas bench`."""
RERANKED: Final = 10


class Lines(Reporter):
    """A line for every unit of a stage, at most one a second."""

    def __init__(self) -> None:
        self._said = 0.0

    def event(self, event: Event) -> None:
        """Print it."""
        if not isinstance(event, StageAdvanced):
            print(event, flush=True)
        elif time.monotonic() - self._said > 10:
            self._said = time.monotonic()
            print(event.name, f"{event.done:.2f}", event.note, flush=True)


@dataclass(frozen=True)
class Chosen:
    """One string, and why."""

    arch: str
    predicted_ms: float
    supernet_accuracy: float
    supernet_test_accuracy: float
    macs: int


def main() -> None:
    """Run one seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder with CIFAR-10's binary version")
    parser.add_argument("--name", default=DATA, help="what the images are, for the files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workdir", type=Path, default=Path("nasbench201-work"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/nasbench201"))
    parser.add_argument("--ship", type=Path, help="score every network too, for the benchmark")
    parser.add_argument("--stage", choices=("supernet", "generator", "all"), default="all")
    asked = parser.parse_args()
    workdir: Path = asked.workdir / f"seed{asked.seed}"
    lines = Lines()
    weights = supernet.weights_path(workdir / "supernet", spaces.load(SUPERNET))
    if not weights.is_file() or checkpoint_path(weights).exists():
        request = train_supernet.TrainSupernetRequest(
            data=asked.data, workdir=workdir, space=SUPERNET, seed=asked.seed
        )
        train_supernet.train_supernet(request, lines)
    if asked.stage == "supernet":
        return
    trained = workdir / "generator" / f"{TABLE}.safetensors"
    described = _generator(trained, weights, asked.data, asked.seed, lines)
    if asked.stage == "generator":
        return
    result = _choose(trained, described, weights, asked.data, asked.seed, asked.name)
    files.write_text(asked.out / f"seed{asked.seed}.json", json.dumps(result, indent=1) + "\n")
    _summarise(asked.out)
    if asked.ship is not None:
        _copy(weights, asked.out / "supernet.safetensors", asked.name)
        _copy(trained, asked.ship / "generator.safetensors", asked.name)
        scores = _scores(weights, asked.data, asked.name, workdir, lines)
        files.write_text(asked.ship / "scores.json", scores.model_dump_json() + "\n")


def _table() -> Path:
    return Workspace(Path()).find_table(TABLE)


def _generator(trained: Path, weights: Path, spec: str, seed: int, lines: Lines) -> GeneratorFile:
    path = _table()
    if trained.is_file():
        found = generator.read_file(trained)
        if found.table_sha256 == tables.sha256(path) and found.recipe == RECIPE:
            return found
    small = spaces.load(SUPERNET)
    job = generator_job.Job(
        space=spaces.load(SPACE),
        model=tables.predictor(tables.read(path)),
        table=TABLE,
        table_sha256=tables.sha256(path),
        percentile=50.0,
        supernet=weights,
        data=data.load(spec, small.resolution),
        spec=spec,
        recipe=RECIPE,
        seed=seed,
        supernet_space=small,
    )
    config = {
        "table_sha256": job.table_sha256,
        "supernet_sha256": files.sha256_of(weights),
        "data_fingerprint": job.data.fingerprint,
        "recipe": RECIPE.model_dump(mode="json"),
        "seed": seed,
    }
    _, described = generator_job.run(
        job, trained, config, "python -m benchmarks.nasbench201", lines
    )
    return described


def _judge(weights: Path, spec: str, images: int, test: bool = False) -> ManyJudge:
    """Judges on training images that the supernet has not seen, or on test images."""
    small = spaces.load(SUPERNET)
    network, described = supernet.load(weights, small)
    loaded = data.load(spec, small.resolution)
    if test:
        source, indices = loaded.val, np.arange(len(loaded.val))
    else:
        source = loaded.train
        _, indices = data.split(source.labels, described.held_apart, described.split_seed)
    chosen = np.random.default_rng(0).permutation(indices)[:images]
    return ManyJudge(network, source, chosen, loaded.preprocessing)


def _choose(
    trained: Path, described: GeneratorFile, weights: Path, spec: str, seed: int, name: str
) -> dict[str, Any]:
    """Strings without a budget and for ten budgets, by the generator, and reranked."""
    process.prepare()
    space = spaces.load(SPACE)
    model = tables.predictor(tables.read(_table()))
    scale = scale_of(model, space)
    network = generator.load(trained, space, described)
    networks = space.networks()
    assert networks is not None  # this space lists them
    every = [tuple(options) for options in networks.tolist()]
    macs = [Architecture(SPACE, options).macs for options in every]
    proposals = Proposals(network, networks, np.array(macs, np.float64) / 1e6)
    latency = np.array([model.predict_s(options) for options in every])
    share = scale.share(latency)
    judge = _judge(weights, spec, IMAGES)
    checking = _judge(weights, spec, IMAGES, test=True)

    @functools.cache
    def accuracy(index: int) -> float:
        return judge.accuracy(every[index])

    @functools.cache
    def checked(index: int) -> float:
        return checking.accuracy(every[index])

    def told(index: int) -> Chosen:
        text = to_string(every[index])
        own = (accuracy(index), checked(index))
        return Chosen(text, float(latency[index] * 1e3), *own, macs[index])

    budgets_s = np.linspace(scale.fastest_s, scale.slowest_s, BUDGETS + 2)[1:-1]
    rows = []
    for budget in budgets_s.tolist():
        asked = float(scale.share(np.array([budget]))[0])
        top = proposals.top(asked, latency, budget, RERANKED)
        below = proposals.sweep(share, asked)
        best = int(top[0])
        rows.append(
            {
                "budget_ms": float(budget * 1e3),
                "generator": asdict(told(best)),
                "reranked": asdict(told(max(top.tolist(), key=accuracy))),
                "swept": asdict(told(max(below.tolist(), key=accuracy))),
            }
        )
    # Without a budget nothing is spent: the generator's own scores alone.
    top = np.argsort(-proposals.scores(np.ones(1))[0], kind="stable")[:RERANKED]
    swept = proposals.sweep(share, 1.0)
    return {
        "kind": "sgnas-nasbench201-architectures",
        "seed": seed,
        "space": SPACE,
        "supernet": SUPERNET,
        "data": name,
        "supernet_sha256": described.supernet_sha256,
        "generator_sha256": described.weights_sha256,
        "table_sha256": described.table_sha256,
        "images": judge.images,
        "without_budget": {
            "generator": asdict(told(int(top[0]))),
            "reranked": asdict(told(max(top.tolist(), key=accuracy))),
            "swept": asdict(told(max(swept.tolist(), key=accuracy))),
        },
        "budgets": rows,
    }


def _summarise(out: Path) -> None:
    """Write a page with the strings of every seed that is there."""
    seeds = [json.loads(path.read_text()) for path in sorted(out.glob("seed*.json"))]
    first = seeds[0]
    lines = [
        "# NAS-Bench-201: generated cells",
        "",
        "Written by `python -m benchmarks.nasbench201`. The supernet is that of",
        f"`{first['supernet']}`, trained on 40,000 of the training images ({first['data']});",
        "latencies are those that the shipped CPU table of the full space predicts.",
        "",
        f"`generator` is the generator's first choice, `reranked` the best of its first {RERANKED}",
        "by accuracy in the supernet, `swept` the best by that accuracy of what it proposes for",
        "budgets up to this one. With a budget, the generator's scores get a bonus for operations,",
        "as little as it takes to use the budget up. Accuracies are those in the supernet on",
        f"{first['images']:,} other training images (and on as many test images), the networks",
        "themselves were not trained. No accuracy of the benchmark was used, or is known here.",
        "",
    ]
    for result in seeds:
        lines += [f"## Seed {result['seed']}", ""]
        rows = [("none", result["without_budget"])]
        rows += [(f"{row['budget_ms']:.3f}", row) for row in result["budgets"]]
        lines += ["| budget, ms | by | cell | ms | in the supernet, % |", "|---|---|---|---|---|"]
        for budget, row in rows:
            for by in ("generator", "reranked", "swept"):
                own = row[by]
                cell = own["arch"].replace("|", "\\|")
                here, test = (
                    f"{100 * own[key]:.1f}"
                    for key in ("supernet_accuracy", "supernet_test_accuracy")
                )
                lines.append(
                    f"| {budget} | {by} | {cell} | {own['predicted_ms']:.3f} | {here} ({test}) |"
                )
        lines.append("")
    files.write_text(out / "README.md", "\n".join(lines))


def _scores(weights: Path, spec: str, name: str, workdir: Path, lines: Lines) -> SupernetScores:
    """Score every network in the supernet, in portions that are kept."""
    space = spaces.load(SPACE)
    networks = space.networks()
    assert networks is not None  # this space lists them
    every = [tuple(options) for options in networks.tolist()]
    sha256 = files.sha256_of(weights)
    part = workdir / f"scores-{hashlib.sha256(f'{sha256}{SCORED}'.encode()).hexdigest()[:12]}.json"
    right: list[int] = json.loads(part.read_text()) if part.is_file() else []
    process.prepare()
    judge = _judge(weights, spec, SCORED)
    with stage(lines, "scoring every network", len(every), "networks") as progress:
        progress.advance(len(right))
        for found in judge.right(every[len(right) :]):
            right.append(found)
            progress.advance()
            if len(right) % 200 == 0:
                files.write_text(part, json.dumps(right))
    files.write_text(part, json.dumps(right))
    return SupernetScores(
        space=SUPERNET,
        supernet_sha256=sha256,
        data=name,
        images=judge.images,
        right=tuple(right),
    )


def _copy(weights: Path, to: Path, name: str) -> None:
    """Copy weights and description, which is told what the data is, not where it lay."""
    files.write_bytes(to, weights.read_bytes())
    described = json.loads(weights.with_suffix(".json").read_text())
    described["data"] = name
    files.write_text(to.with_suffix(".json"), json.dumps(described, indent=1) + "\n")


if __name__ == "__main__":
    main()
