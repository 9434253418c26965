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
        help="tiny, cifar, imagenet or nasbench201, with variants such as "
        "imagenet+r192+hswish+se. "
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
        help="cpu: this machine with ONNX Runtime. gpu, jetson: TensorRT (not yet run on "
        "hardware). NAME: one of `sgnas devices`.",
    ),
]
Host = Annotated[
    str | None,
    typer.Option("--host", metavar="USER@HOST", help="Reach the device over SSH."),
]
Backend = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="BACKEND",
        help="What executes the blocks: onnxruntime, openvino; null executes nothing and tests the "
        "harness; tensorrt, trtexec (not yet run on hardware). [default: the device's]",
    ),
]
PrecisionName: TypeAlias = Literal["fp32", "fp16", "int8"]
Precision = Annotated[
    PrecisionName, typer.Option("--precision", help="Number format of weights and activations.")
]
PrecisionOrTables = Annotated[
    PrecisionName | None,
    typer.Option(
        "--precision",
        help="Number format of weights and activations. [default: the table's]",
    ),
]
ExportBatch = Annotated[
    str | None,
    typer.Option(
        "--batch",
        metavar="N|dynamic",
        help="Images a run, or dynamic for any number. [default: the table's]",
    ),
]
CalibrationData = Annotated[
    str | None,
    typer.Option(
        "--calibration",
        metavar="DATA",
        help="Images that the ranges of int8 are taken from. [default: those it was trained on]",
    ),
]
MaxDrop = Annotated[
    float | None,
    typer.Option(
        "--max-drop",
        metavar="SHARE",
        help="Largest loss of top-1 accuracy. [default: 0.005 for fp16, 0.02 for int8]",
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
MaxBlocks = Annotated[
    int | None,
    typer.Option(
        "--max-blocks",
        metavar="N",
        min=1,
        help="Measure only N blocks, chosen to tell most, and predict the others from them; the "
        "stated error goes into the margin. For slow devices. [default: all]",
    ),
]
TransferFrom = Annotated[
    list[str] | None,
    typer.Option(
        "--transfer-from",
        metavar="TABLE",
        help="Measure only a few samples and predict the rest from this table of another device "
        "or setting, repeatable: the one that fits best is taken.",
    ),
]
Samples = Annotated[
    int | None,
    typer.Option(
        "--samples",
        metavar="N",
        min=1,
        help="With --transfer-from: so many blocks and networks at most. [default: 20]",
    ),
]
TargetError = Annotated[
    float | None,
    typer.Option(
        "--target-error",
        metavar="SHARE",
        callback=_within(0, 1),
        help="With --transfer-from: stop as soon as predictions of networks err by no more. "
        "[default: 0.02]",
    ),
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
TrainingLuts = Annotated[
    list[str] | None,
    typer.Option(
        "--lut",
        metavar="TABLE",
        help="A latency table: a file, or a name in the workspace; repeatable but for --one-table. "
        "[default: all of the space; with --one-table the only one that fits]",
    ),
]
AnyDevice = Annotated[
    bool | None,
    typer.Option(
        "--any-device/--one-table",
        help="Train one that reads the table, so that it also serves tables to come; or one that "
        "knows one table by heart, as published. [default: --any-device where probes teach]",
    ),
]
Perturbed = Annotated[
    int | None,
    typer.Option(
        "--perturbed",
        metavar="N",
        min=0,
        help="But for --one-table: train on N random devices beside the tables. [default: 512]",
    ),
]
Budgets = Annotated[
    int | None,
    typer.Option(
        "--budgets",
        metavar="N",
        min=1,
        help="How many budgets each step trains on. [default: the recipe's]",
    ),
]
Recipe = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="FILE|SPACE",
        help="Settings of the training: a TOML file that says what differs from the space's own, "
        "or another space. Flags come last. [default: the space's own]",
    ),
]
Logs = Annotated[
    list[str] | None,
    typer.Option(
        "--log",
        metavar="csv|tensorboard",
        help="Also write such a log beside the weights, repeatable. [default: the history alone]",
    ),
]
EvaluateEvery = Annotated[
    int | None,
    typer.Option(
        "--evaluate-every",
        metavar="N",
        min=0,
        help="Measure accuracy on held-out images every N epochs; 0: only in the end. "
        "[default: ten times, from 50 epochs on]",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=0,
        help="Processes that decode image files. [default: one per core, at most 8]",
    ),
]
TrainingPrecision = Annotated[
    Literal["fp32", "bf16", "fp16"] | None,
    typer.Option(
        "--precision",
        help="Of forward and backward passes; bf16 is faster where the processor has it, fp16 is "
        "for GPUs (not yet run on hardware). [default: the recipe's]",
    ),
]
Accumulate = Annotated[
    int | None,
    typer.Option(
        "--accumulate",
        metavar="N",
        min=1,
        help="Compute each batch in N parts, one after another or shared by processes: less "
        "memory, batch normalisation over a part. [default: the recipe's; one part a process]",
    ),
]
Compile = Annotated[
    bool,
    typer.Option("--compile", help="Use torch.compile; it needs a C++ compiler, on a GPU triton."),
]
CheckpointSeconds = Annotated[
    float,
    typer.Option(
        "--checkpoint-seconds",
        metavar="S",
        callback=_within(0, float("inf"), low_fits=True),
        help="Keep a checkpoint that often, beside the one after each epoch.",
    ),
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

# fit
Budget = Annotated[
    list[str] | None,
    typer.Option("--latency-ms", metavar="MS", help="A latency budget in ms, repeatable."),
]
Rounds = Annotated[
    int,
    typer.Option(
        "--rounds", metavar="N", min=1, max=10, help="Generate and measure at most that often."
    ),
]
HeadRoom = Annotated[
    float | None,
    typer.Option(
        "--margin",
        callback=_within(0, 1, low_fits=True),
        metavar="SHARE",
        help="Share of a budget to keep free for a later verdict. "
        "[default: what noise and drift ask for]",
    ),
]

# export and validate
Format = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="onnx|openvino|tensorrt",
        help="What to write. tensorrt: an engine for one kind of GPU (not yet run on hardware).",
    ),
]
FlavourName: TypeAlias = Literal["auto", "tensorrt", "rtx"]
Flavour = Annotated[
    FlavourName | None,
    typer.Option(
        "--flavour",
        help="Of an engine: TensorRT (not yet run on hardware), or TensorRT for RTX, which builds "
        "without a GPU and never for a Jetson. [default: the one that is installed]",
    ),
]
EngineDevice = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="gpu|jetson|NAME",
        help="Build the engine on this device and fetch it (not yet run on hardware). "
        "[default: this machine]",
    ),
]
WorkspaceMib = Annotated[
    int | None,
    typer.Option(
        "--workspace-mib",
        metavar="MIB",
        min=1,
        help="Scratch memory that a layer of an engine may take. [default: all]",
    ),
]
OptimisationLevel = Annotated[
    int | None,
    typer.Option(
        "--optimisation-level",
        metavar="0-5",
        min=0,
        max=5,
        help="0 builds an engine fast, 5 builds a fast engine; not for rtx. [default: TensorRT's]",
    ),
]
HardwareCompatibility = Annotated[
    Literal["none", "ampere_plus", "same_compute_capability"] | None,
    typer.Option(
        "--hardware-compatibility",
        help="Other GPUs that an engine must run on; not for rtx. [default: none]",
    ),
]
ComputeCapability = Annotated[
    list[str] | None,
    typer.Option(
        "--compute-capability",
        metavar="X.Y",
        help="GPUs to build an engine for, repeatable; rtx only. [default: a portable engine]",
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
        help="Where to measure: cpu; gpu, jetson (not yet run on hardware); or one of "
        "`sgnas devices`. "
        "[default: the table's device]",
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
Optimised = Annotated[
    int,
    typer.Option(
        "--optimised",
        metavar="N",
        min=0,
        help="How many networks optimised against the table are measured too, and reported apart.",
    ),
]
MigratedOut = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Where to write it. [default: over the old file]"),
]
ExportedOut = Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write.")]
TablePart = Annotated[
    Literal["layers", "blocks", "networks"],
    typer.Option(
        "--what",
        help="layers: each option of each layer. blocks: each distinct block. networks: those "
        "that calibrate.",
    ),
]
FileForm = Annotated[Literal["csv", "json"], typer.Option("--format", help="Of the file.")]
MergedOut = Annotated[
    Path, typer.Option("--out", metavar="FILE", help="Where to write the joined table.")
]

# report and run
ReportOut = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE.html",
        help="Where to write the page. [default: reports/report.html in the workspace]",
    ),
]
Top = Annotated[
    int, typer.Option("--top", metavar="K", min=1, help="How many classes of an image are told.")
]
