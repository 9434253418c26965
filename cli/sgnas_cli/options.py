"""The flags, each written once: type, help and range. Light to import: no toolchain here.

Defaults stand in the commands' signatures and equal those of the requests in
`sgnas_deploy.pipeline`, which are too heavy to import for `--help`; a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import typer

WORKDIR: Final = Path("sgnas-work")


def examples(*commands: str) -> str:
    """The end of a command's help: command lines that work."""
    title = "Example:" if len(commands) == 1 else "Examples:"
    # \b keeps the lines as they are; without it they would be filled into a paragraph.
    return "\b\n" + "\n".join([title, *(f"  {command}" for command in commands)])


def _within(
    low: float, high: float, low_fits: bool = False
) -> Callable[[float | None], float | None]:
    """A check that a number lies in (low, high), or in [low, high) with `low_fits`; no NaN."""

    def check(value: float | None) -> float | None:
        if value is None or low < value < high or (low_fits and value == low):
            return value
        ends = f"above {low:g}" if high == float("inf") else f"between {low:g} and {high:g}"
        raise typer.BadParameter(f"{value:g} is not {ends}")

    return check


Workdir = Annotated[Path, typer.Option("--workdir", metavar="DIR", help="The workspace.")]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object on stdout; progress and talk go to stderr."),
]
Space = Annotated[
    str | None,
    typer.Option(
        "--space",
        metavar="SPACE",
        help="tiny, cifar or imagenet, with variants such as imagenet+r192+hswish+se. "
        "[default: the workspace's, else imagenet]",
    ),
]
Lut = Annotated[
    str | None,
    typer.Option(
        "--lut",
        metavar="TABLE",
        help="The latency table: a file, or a name in the workspace. "
        "[default: the only one that fits]",
    ),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Start anew instead of going on where it was stopped.")
]
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", min=0, help="Seed of all random choices.")
]
Epochs = Annotated[
    int | None,
    typer.Option("--epochs", metavar="N", min=1, help="Epochs in all. [default: the recipe's]"),
]
ImagesAStep = Annotated[
    int | None,
    typer.Option("--batch", metavar="N", min=1, help="Images a step. [default: the recipe's]"),
]
Percentile = Annotated[
    float,
    typer.Option(
        "--percentile",
        metavar="P",
        callback=_within(0, 100),
        help="Which percentile of a hot run must keep the budget.",
    ),
]
PercentileOrArchitectures = Annotated[
    float | None,
    typer.Option(
        "--percentile",
        metavar="P",
        callback=_within(0, 100),
        help="Which percentile of a hot run must keep the budget. "
        "[default: the one it was generated for]",
    ),
]

# profile
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="cpu|gpu|jetson|NAME",
        help="cpu: this machine with ONNX Runtime. gpu, jetson: TensorRT (not built yet). "
        "NAME: one of `sgnas devices`.",
    ),
]
Host = Annotated[
    str | None,
    typer.Option("--host", metavar="USER@HOST", help="Reach the device over SSH. (not built yet)"),
]
Backend = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="BACKEND",
        help="What executes the blocks: onnxruntime; null executes nothing and tests the "
        "harness; tensorrt, trtexec (not built yet). [default: the device's]",
    ),
]
PrecisionName: TypeAlias = Literal["fp32", "fp16", "int8"]
Precision = Annotated[
    PrecisionName, typer.Option("--precision", help="Number format. fp16, int8: (not built yet).")
]
PrecisionOrTables = Annotated[
    PrecisionName | None,
    typer.Option(
        "--precision",
        help="Number format. fp16, int8: (not built yet). [default: the table's]",
    ),
]
Batch = Annotated[int, typer.Option("--batch", metavar="N", min=1, help="Images a run.")]
Resolution = Annotated[
    int | None,
    typer.Option(
        "--resolution",
        min=16,
        metavar="R",
        help="Side of the input image; short for the space's variant rR. [default: the space's]",
    ),
]
Threads = Annotated[
    int, typer.Option("--threads", metavar="N", min=1, help="Threads of the runtime.")
]
Form = Annotated[
    str,
    typer.Option(
        "--form",
        metavar="FORM",
        help="Graph form of a mixed block: concat, sum, padded or split; auto tries a few "
        "networks and takes the fastest. It stands in the table, and export uses it.",
    ),
]
QualityName: TypeAlias = Literal["quick", "normal", "careful"]
Quality = Annotated[
    QualityName, typer.Option("--quality", help="How many samples are taken, so how long it takes.")
]
TableOut = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="Where to write the table. [default: the workspace]"
    ),
]

# training
Data = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="digits|DIR",
        help="Images to train on: scikit-learn's handwritten digits, or a folder, either "
        "train/CLASS/* and val/CLASS/*, or CIFAR-10's binary version.",
    ),
]
DataOrSupernets = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="digits|DIR",
        help="Images to train on. [default: those of the supernet]",
    ),
]
DataToReport = Annotated[
    str | None,
    typer.Option("--data", metavar="digits|DIR", help="Also measure accuracy on these images."),
]
Budgets = Annotated[
    int, typer.Option("--budgets", metavar="N", min=1, help="How many budgets each step trains on.")
]
Inherit = Annotated[
    bool,
    typer.Option("--inherit", help="Start from the supernet's weights instead of from scratch."),
]

# generate
LatencyOrMax = Annotated[
    list[str] | None,
    typer.Option(
        "--latency-ms",
        metavar="MS|max",
        help="A latency budget in milliseconds, repeatable; max: the best network, no budget.",
    ),
]
Count = Annotated[
    int | None,
    typer.Option("--count", min=1, metavar="N", help="N budgets, evenly over the feasible range."),
]
ScoresName: TypeAlias = Literal["generator", "macs"]
Scores = Annotated[
    ScoresName,
    typer.Option("--scores", help="What the solver maximises; macs needs no training."),
]
Margin = Annotated[
    float | None,
    typer.Option(
        "--margin",
        callback=_within(0, 1, low_fits=True),
        metavar="SHARE",
        help="Safety margin, a share of the budget. [default: the table's own]",
    ),
]

# export and validate
Format = Annotated[
    str,
    typer.Option(
        "--format", metavar="onnx|tensorrt", help="What to write. tensorrt: (not built yet)."
    ),
]
Latency = Annotated[
    list[str] | None,
    typer.Option(
        "--latency-ms",
        metavar="MS",
        help="The budget in milliseconds: one for all networks, or one for each. "
        "[default: what each was generated for]",
    ),
]
DeviceOrTables = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="Where to measure. gpu, jetson: (not built yet). [default: the table's device]",
    ),
]
Confidence = Annotated[
    float,
    typer.Option(
        "--confidence",
        metavar="P",
        callback=_within(0, 1),
        help="1 minus the largest tolerated probability of a wrong PASS (or FAIL).",
    ),
]
MaxSeconds = Annotated[
    float,
    typer.Option(
        "--max-seconds",
        metavar="S",
        callback=_within(0, float("inf")),
        help="Call a network UNDECIDED after that long.",
    ),
]

# lut
Networks = Annotated[
    int,
    typer.Option("--networks", metavar="N", min=2, help="How many fresh networks are measured."),
]
MergedOut = Annotated[
    Path, typer.Option("--out", metavar="FILE", help="Where to write the joined table.")
]
