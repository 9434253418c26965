"""The workspace: a folder with fixed names, so that the next command finds what it needs.

* `workspace.json`: default space, and what each step made last
* `luts/TABLE.json`: latency tables, named SPACE--DEVICE--BACKEND-PRECISION-bN-tN
* `supernet/SPACE.*`: trained supernets
* `generator/TABLE.*`: trained generators, by the table they were trained on
* `generator/SPACE--any-device.*`: those that read tables
* `architectures/NAME.json`: generated architectures
* `fit/NAME.*`: files with arbitrary weights that `fit` measured, and its journals
* `models/NAME.*`: retrained weights, exported files
* `reports/NAME.*`: verdicts and other reports
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeAlias, final

from pydantic import Field

from sgnas_deploy import files, shipped
from sgnas_deploy.errors import BadInput

Step: TypeAlias = Literal["profile", "supernet", "generator", "generate", "retrain", "export"]

DEFAULT_ROOT = Path("sgnas-work")


class _State(files.FrozenModel):
    kind: Literal["sgnas-workspace"] = "sgnas-workspace"
    schema_version: Literal[1] = 1
    space: str | None = None
    last: dict[Step, tuple[str, ...]] = Field(default_factory=dict)


@final
class Workspace:
    """A folder of artefacts; nothing is created before something is written."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def luts(self) -> Path:
        """Latency tables."""
        return self.root / "luts"

    @property
    def supernet(self) -> Path:
        """Trained supernets."""
        return self.root / "supernet"

    @property
    def generator(self) -> Path:
        """Trained generators."""
        return self.root / "generator"

    @property
    def architectures(self) -> Path:
        """Generated architectures."""
        return self.root / "architectures"

    @property
    def fit(self) -> Path:
        """Files that `fit` measured, and its journals."""
        return self.root / "fit"

    @property
    def models(self) -> Path:
        """Retrained weights and exported files."""
        return self.root / "models"

    @property
    def reports(self) -> Path:
        """Verdicts and reports."""
        return self.root / "reports"

    def _state(self) -> _State:
        path = self.root / "workspace.json"
        if not path.exists():
            return _State()
        return files.read_model(path, _State, "workspace file")

    @property
    def space(self) -> str | None:
        """The space the last profile or training was for."""
        return self._state().space

    def remember(self, step: Step, names: Iterable[str], space: str | None = None) -> None:
        """Note what a step made, for the next step's defaults."""
        state = self._state()
        changed = state.model_copy(
            update={"space": space or state.space, "last": {**state.last, step: tuple(names)}}
        )
        files.write_model(self.root / "workspace.json", changed)

    def last(self, step: Step) -> tuple[str, ...]:
        """Names of what a step made last; empty when it never ran."""
        return self._state().last.get(step, ())

    def tables(self) -> tuple[Path, ...]:
        """The tables of the workspace, then the shipped ones."""
        return (*sorted(self.luts.glob("*.json")), *shipped.tables())

    def table_of(self, sha256: str) -> Path:
        """The latency table of that hash, in the workspace or among the shipped ones.

        Raises:
            BadInput: it is gone, or was changed since.
        """
        for path in self.tables():
            if files.sha256_of(path, "latency table") == sha256:
                return path
        raise BadInput(
            f"the latency table that the architecture was generated from (SHA-256 "
            f"{sha256[:12]}...) is not in {self.luts}",
            f"copy it there, or measure and generate anew: "
            f"sgnas profile --device cpu --workdir {self.root}",
        )

    def find_table(self, lut: str | None, space: str | None = None) -> Path:
        """The one table that fits.

        Args:
            lut: a path, or a table's name in the workspace or among the shipped ones; None to
                find the only one in the workspace.
            space: identifier of a space that the table must be for, None for any.

        Raises:
            BadInput: none fits, or more than one does.
        """
        if lut is not None:
            for path in (Path(lut), self.luts / lut, self.luts / f"{lut}.json"):
                if path.is_file():
                    return path
            for path in shipped.tables():
                if lut in (path.name, path.stem):
                    return path
            raise BadInput(
                f"there is no table {lut!r}, neither as a path nor in {self.luts}",
                "list what there is with: sgnas lut show",
            )
        prefix = f"{space}--" if space else ""
        found = sorted(self.luts.glob(f"{prefix}*.json"))
        if not found:
            which = f" for space {space}" if space else ""
            raise BadInput(
                f"there is no latency table{which} in {self.luts}",
                f"run: sgnas profile --device cpu{f' --space {space}' if space else ''}",
            )
        if len(found) > 1:
            names = ", ".join(path.stem for path in found)
            raise BadInput(f"more than one table fits: {names}", "name one with --lut")
        return found[0]

    def find(
        self, step: Literal["generate", "retrain", "export"], named: Iterable[str]
    ) -> tuple[Path, ...]:
        """The files a step works on: the named ones, or all that the step before made.

        Args:
            step: which step made them.
            named: paths or names in the workspace; empty for all of the last run of `step`.

        Raises:
            BadInput: a name that is not there, or nothing was made yet.
        """
        folder, suffixes, command = {
            "generate": (self.architectures, (".json",), "sgnas generate --count 3"),
            "retrain": (self.models, (".safetensors",), "sgnas retrain"),
            "export": (self.models, (".onnx", ".plan"), "sgnas export --format onnx"),
        }[step]
        wanted = tuple(named) or self.last(step)
        if not wanted:
            raise BadInput(f"nothing in {folder} to work on", f"run first: {command}")
        found = []
        for name in wanted:
            ends = (folder / f"{name}{suffix}" for suffix in suffixes)
            for path in (Path(name), folder / name, *ends):
                if path.is_file() and path.suffix in suffixes:
                    found.append(path)
                    break
            else:
                raise BadInput(
                    f"there is no {name!r}, neither as a path nor in {folder}",
                    f"make it with: {command}",
                )
        return tuple(found)
