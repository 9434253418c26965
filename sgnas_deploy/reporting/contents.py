"""What a report shows: gathered from a workspace, whatever of it is there.

A file that is missing is named with the command that makes it; a file that cannot be read is named
with the reason, and the report goes on without it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeAlias, TypeVar, final

from sgnas_deploy import architectures, files, tables
from sgnas_deploy.architectures import ArchitectureFile
from sgnas_deploy.errors import BadInput
from sgnas_deploy.fitting.artefact import architecture_of
from sgnas_deploy.fitting.report import FitResult
from sgnas_deploy.generator import GeneratorFile
from sgnas_deploy.models import ModelFile
from sgnas_deploy.supernet import SupernetFile
from sgnas_deploy.tables import LatencyTable, Predictor
from sgnas_deploy.tables.predictor import measured_s
from sgnas_deploy.training import history
from sgnas_deploy.verdict import Verdict
from sgnas_deploy.verdict.results import VerdictReport, name_of
from sgnas_deploy.workspace import Workspace

AccuracyOf: TypeAlias = Literal["exported file", "trained network", "sub-network of the supernet"]

M = TypeVar("M")

_VERDICT: Final = ".verdict.json"


@final
@dataclass(frozen=True)
class Missing:
    """Something that the workspace has not yet, and the command that makes it."""

    what: str
    command: str


@final
@dataclass(frozen=True)
class Network:
    """All that is known of one network.

    Attributes:
        letter: short name within the report.
        architecture: what was generated, or written by hand.
        model: its training, None where it was not trained.
        report: its verdict, None where it was not measured.
        stale: whether the verdict is of another file than the one that was exported last.
        base: name of what was generated and trained; that of an engine's verdict is longer.
    """

    letter: str
    architecture: ArchitectureFile
    model: ModelFile | None = None
    report: VerdictReport | None = None
    stale: bool = False
    base: str = ""

    @property
    def name(self) -> str:
        """Its name in the workspace."""
        return self.architecture.name

    @property
    def verdict(self) -> Verdict | None:
        """PASS, FAIL or UNDECIDED, None where it was not measured."""
        return None if self.report is None else self.report.result.verdict

    @property
    def budget_s(self) -> float | None:
        """What it was held against, or generated for."""
        if self.report is not None:
            return self.report.result.budget_s
        return None if self.architecture.budgeted is None else self.architecture.budgeted.budget_s

    @property
    def percentile(self) -> float:
        """The percentile of a hot run that all of its latencies speak of."""
        if self.report is not None:
            return self.report.result.percentile
        return 50.0 if self.architecture.budgeted is None else self.architecture.budgeted.percentile

    @property
    def measured_s(self) -> float | None:
        """Measured by `validate`."""
        if self.report is None:
            return None
        result = self.report.result
        return result.p50_s if result.measured_s is None else result.measured_s

    @property
    def predicted_s(self) -> float | None:
        """Promised by the table."""
        if self.report is not None and self.report.result.predicted_s is not None:
            return self.report.result.predicted_s
        promise = self.architecture.budgeted
        return None if promise is None else promise.predicted_s

    @property
    def accuracy(self) -> tuple[float, AccuracyOf] | None:
        """The best founded top-1 there is, and what it was measured on."""
        if self.report is not None and self.report.result.accuracy is not None:
            return self.report.result.accuracy, "exported file"
        if self.model is not None:
            return self.model.accuracy, "trained network"
        if self.architecture.supernet_accuracy is not None:
            return self.architecture.supernet_accuracy, "sub-network of the supernet"
        return None


@final
@dataclass(frozen=True)
class Contents:
    """Everything that a report shows.

    Attributes:
        name: of the workspace's folder.
        table: the table that the networks came from.
        table_sha256: of its file.
        predictor: of that table, at the networks' percentile.
        calibration: (predicted, measured) of each calibration network, predicted without it,
            seconds.
        networks: by budget, then by name.
        supernet: description of the trained supernet.
        generator: description of the trained generator.
        fit: what `sgnas fit` found.
        histories: name, and the lines of the training.
        missing: what the workspace has not yet.
        troubles: what could not be read.
    """

    name: str
    table: LatencyTable | None = None
    table_sha256: str | None = None
    predictor: Predictor | None = None
    calibration: tuple[tuple[float, float], ...] = ()
    networks: tuple[Network, ...] = ()
    supernet: SupernetFile | None = None
    generator: GeneratorFile | None = None
    fit: FitResult | None = None
    histories: tuple[tuple[str, tuple[dict[str, float], ...]], ...] = ()
    missing: tuple[Missing, ...] = ()
    troubles: tuple[str, ...] = ()


def gather(workspace: Workspace) -> Contents:
    """Read a workspace.

    Raises:
        BadInput: there is no such folder, or nothing in it to report.
    """
    if not workspace.root.is_dir():
        raise BadInput(
            f"there is no workspace {workspace.root}",
            f"name one with --workdir, or make one with: sgnas demo --workdir {workspace.root}",
        )
    troubles: list[str] = []
    networks = _networks(workspace, troubles)
    found = _table(workspace, networks, troubles)
    table, sha256 = found or (None, None)
    predictor = None
    calibration: tuple[tuple[float, float], ...] = ()
    if table is not None:
        percentiles = Counter(network.percentile for network in networks)
        percentile = percentiles.most_common(1)[0][0] if percentiles else 50.0
        model = _tried(lambda: tables.predictor(table, percentile), troubles)
        if model is not None:
            predictor = model
            calibration = tuple(
                (float(measured) / (1 + residual), float(measured))
                for measured, residual in zip(
                    measured_s(table, percentile), model.residuals, strict=True
                )
            )
    contents = Contents(
        name=workspace.root.resolve().name,
        table=table,
        table_sha256=sha256,
        predictor=predictor,
        calibration=calibration,
        networks=networks,
        supernet=_only(workspace.supernet, SupernetFile, "supernet description", troubles),
        generator=_generator(workspace, sha256, troubles),
        fit=_fit(workspace, troubles),
        histories=_histories(workspace, networks, troubles),
        troubles=tuple(troubles),
    )
    if contents.table is None and not networks and contents.supernet is None and not troubles:
        raise BadInput(
            f"there is nothing to report in {workspace.root}",
            f"run first: sgnas profile --device cpu --workdir {workspace.root}",
        )
    return _with_missing(contents)


def _tried(read: Callable[[], M], troubles: list[str]) -> M | None:
    try:
        return read()
    except BadInput as error:
        troubles.append(error.message)
        return None


def _networks(workspace: Workspace, troubles: list[str]) -> tuple[Network, ...]:
    described: dict[str, ArchitectureFile] = {}
    models: dict[str, ModelFile] = {}
    reports: dict[str, VerdictReport] = {}
    bases: dict[str, str] = {}
    for path in sorted(workspace.architectures.glob("*.json")):
        one = _tried(partial(architectures.read, path), troubles)
        if one is not None:
            described[path.stem] = one
    for path in sorted(workspace.models.glob("*.safetensors")):
        beside = path.with_suffix(".json")
        model = _tried(
            partial(files.read_model, beside, ModelFile, "model description"),
            troubles,
        )
        if model is not None:
            models[path.stem] = model
            described.setdefault(path.stem, model.architecture)
    for path in sorted(workspace.reports.glob(f"*{_VERDICT}")):
        report = _tried(
            partial(files.read_model, path, VerdictReport, "verdict"),
            troubles,
        )
        if report is not None:
            name = path.name.removesuffix(_VERDICT)
            reports[name] = report
            base = bases[name] = _base(name, report)
            described.setdefault(name, described.get(base) or architecture_of(report.export))
    # What has a verdict on an engine or the like, and none on the plain file, is shown once.
    for name, base in bases.items():
        if base != name and base not in reports:
            described.pop(base, None)
    order = sorted(described, key=lambda name: (_budget(described[name], reports.get(name)), name))
    return tuple(
        Network(
            letter=letters(index),
            architecture=described[name].model_copy(update={"name": name}),
            model=models.get(bases.get(name, name)),
            report=reports.get(name),
            stale=_stale(workspace, name, reports.get(name)),
            base=bases.get(name, name),
        )
        for index, name in enumerate(order)
    )


def _base(name: str, report: VerdictReport) -> str:
    """Name of the network of which `name` is one file: `net` of `net.plan`, `net.ov`, `net.fit`."""
    base = report.export.name
    return base if name.startswith(f"{base}.") else name


def letters(index: int) -> str:
    """`A`, `B`, ... `Z`, `A2`, ...: short names in a picture."""
    rounds, letter = divmod(index, 26)
    return f"{chr(ord('A') + letter)}{rounds + 1 if rounds else ''}"


def _budget(architecture: ArchitectureFile, report: VerdictReport | None) -> float:
    if report is not None:
        return report.result.budget_s
    return float("inf") if architecture.budgeted is None else architecture.budgeted.budget_s


def _stale(workspace: Workspace, name: str, report: VerdictReport | None) -> bool:
    if report is None:
        return False
    # Older versions left out the suffix of an engine too.
    names = [path for path in workspace.models.glob("*") if name in (path.stem, path.name)]
    of_fit = workspace.fit / f"{report.export.name}.onnx"
    if of_fit.is_file() and name == name_of(of_fit):
        names.append(of_fit)
    exported = [path for path in names if path.with_name(f"{path.name}.json").is_file()]
    return bool(exported) and all(
        files.sha256_of(path) != report.result.artefact_sha256 for path in exported
    )


def _table(
    workspace: Workspace, networks: Sequence[Network], troubles: list[str]
) -> tuple[LatencyTable, str] | None:
    """The table of most networks, else the one that was measured last, else the first."""
    asked = Counter(
        network.architecture.budgeted.table_sha256
        for network in networks
        if network.architecture.budgeted is not None
    )
    for sha256, _ in asked.most_common():
        path = _tried(partial(workspace.table_of, sha256), troubles)
        table = None if path is None else _tried(partial(tables.read, path), troubles)
        if table is not None:
            return table, sha256
    own = sorted(workspace.luts.glob("*.json"))
    last = [path for path in own if path.stem in workspace.last("profile")]
    for path in (*last, *own):
        table = _tried(partial(tables.read, path), troubles)
        if table is not None:
            return table, tables.sha256(path)
    return None


def _only(
    folder: Path, kind: type[SupernetFile], what: str, troubles: list[str]
) -> SupernetFile | None:
    for path in sorted(folder.glob("*.json")):
        found = _tried(partial(files.read_model, path, kind, what), troubles)
        if found is not None:
            return found
    return None


def _generator(
    workspace: Workspace, table_sha256: str | None, troubles: list[str]
) -> GeneratorFile | None:
    """The generator of the table, else the first one."""
    found = []
    for path in sorted(workspace.generator.glob("*.json")):
        one = _tried(
            partial(files.read_model, path, GeneratorFile, "generator description"),
            troubles,
        )
        if one is not None:
            found.append(one)
    found.sort(key=lambda one: one.table_sha256 != table_sha256)
    return found[0] if found else None


def _fit(workspace: Workspace, troubles: list[str]) -> FitResult | None:
    path = workspace.reports / "fit.json"
    if not path.is_file():
        return None
    return _tried(lambda: files.read_model(path, FitResult, "report of sgnas fit"), troubles)


def _histories(
    workspace: Workspace, networks: Sequence[Network], troubles: list[str]
) -> tuple[tuple[str, tuple[dict[str, float], ...]], ...]:
    letter = {network.base: network.letter for network in reversed(networks)}
    found = []
    for folder, title in (
        (workspace.supernet, "supernet"),
        (workspace.generator, "generator"),
        (workspace.models, "retrained"),
    ):
        for path in sorted(folder.glob("*.history.jsonl")):
            lines = _tried(partial(history.read, path), troubles)
            if lines:
                name = path.name.removesuffix(".history.jsonl")
                if title == "retrained":
                    name = letter.get(name, name)
                found.append((f"{title} {name}", tuple(lines)))
    return tuple(found)


def _with_missing(contents: Contents) -> Contents:
    """Name what the next commands would bring, in their order."""
    missing = []
    if contents.table is None:
        missing.append(Missing("latency table", "sgnas profile --device cpu"))
    if contents.supernet is None:
        missing.append(Missing("trained supernet", "sgnas train supernet --data DATA"))
    if contents.generator is None:
        missing.append(Missing("trained generator", "sgnas train generator"))
    if not contents.networks:
        missing.append(Missing("networks", "sgnas generate --count 3"))
    elif not any(network.model is not None for network in contents.networks):
        missing.append(Missing("trained networks", "sgnas retrain"))
    if not contents.histories:
        missing.append(Missing("training curves", "sgnas train supernet --data DATA"))
    unjudged = [network.name for network in contents.networks if network.report is None]
    if contents.networks and unjudged:
        some = "verdicts" if len(unjudged) == len(contents.networks) else "some verdicts"
        missing.append(Missing(some, "sgnas export, then: sgnas validate"))
    elif contents.networks and not any(
        network.report is not None and network.report.result.accuracy is not None
        for network in contents.networks
    ):
        missing.append(Missing("accuracy of the exported files", "sgnas validate --data DATA"))
    return replace(contents, missing=tuple(missing))
