"""What executes a model. A backend is one file of this folder; its name is the file's name.

Nothing of a runtime is imported before a backend is asked to describe itself or to open a model.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Callable, Mapping, Protocol, Sequence, Union, cast

from sgnas_profilers.errors import BadInput
from sgnas_profilers.timing import Clock

MAX_THREADS = 1024

ARTEFACTS = ("onnx", "plan")
"""What a model may be: an ONNX file, or a TensorRT engine that was built for this device."""

Option = Union[None, bool, int, float, str, Sequence[Union[bool, int, float, str]]]
"""A value that `build` takes: what JSON has without objects."""


@dataclass(frozen=True)
class RunOptions:
    """How a backend is to run models.

    Attributes:
        threads: how many threads work on one model.
        artefact: what the models are, one of `ARTEFACTS`.

    Raises:
        BadInput: not a number of threads, or no such artefact.
    """

    threads: int
    artefact: str = "onnx"

    def __post_init__(self) -> None:
        if not 1 <= self.threads <= MAX_THREADS:
            raise BadInput(
                f"the number of threads must be between 1 and {MAX_THREADS}, not {self.threads}"
            )
        if self.artefact not in ARTEFACTS:
            raise BadInput(
                f"there is no artefact {self.artefact!r}", f"choose one of: {', '.join(ARTEFACTS)}"
            )


class Session(Protocol):
    """An opened model with its inputs bound: deterministic, well-scaled, never all zero."""

    def time_s(self, loops: int, clock: Clock) -> float:
        """Seconds that `loops` consecutive hot runs took together.

        Raises:
            BadInput: the runtime cannot run this model.
        """

    def close(self) -> None:
        """Free what the session holds; closing twice is harmless."""


class Backend(Protocol):
    """One runtime.

    It may have two members more: `artefacts`, a sequence of those of `ARTEFACTS` that it opens
    (without it: ONNX only), and the method of `Builder`.
    """

    def describe(self, options: RunOptions) -> dict[str, str]:
        """Runtime, version, provider and session options: all that must agree within a table.

        Raises:
            EnvironmentProblem: the runtime is not installed or does not load.
        """

    def open(self, model: bytes, options: RunOptions) -> Session:
        """Load a model and bind its inputs. Only one session should be open at a time.

        Raises:
            BadInput: the model is damaged, not supported, or has an input of no fixed shape.
            EnvironmentProblem: the runtime is not installed or does not load.
        """


class Builder(Protocol):
    """A backend that makes what it executes."""

    def build(
        self,
        model: bytes,
        options: Mapping[str, Option],
        progress: Callable[[str, float], None],
    ) -> tuple[bytes, dict[str, str]]:
        """Build an artefact for this device.

        Args:
            model: an ONNX file.
            options: as the backend names them; an unknown one is refused.
            progress: called with a phase and the share of it that is done; what it raises ends
                the build.

        Returns:
            The artefact, and facts about it: runtime, version, device, precision.

        Raises:
            BadInput: the model or an option cannot be used.
            EnvironmentProblem: the runtime is not installed, does not load, or fails.
        """


def artefacts_of(backend: Backend) -> Sequence[str]:
    """What the backend opens."""
    return cast("Sequence[str]", getattr(backend, "artefacts", ("onnx",)))


def builder_of(name: str, backend: Backend) -> Builder:
    """The same backend, as one that builds.

    Raises:
        BadInput: it builds nothing.
    """
    if not hasattr(backend, "build"):
        raise BadInput(
            f"the backend {name!r} builds nothing: it executes ONNX files as they are",
            "export to the format onnx, or choose a backend that builds, such as tensorrt",
        )
    return cast(Builder, backend)


def names() -> list[str]:
    """Names of all backends, sorted, whether or not their runtime is installed."""
    return sorted(
        module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")
    )


def load(name: str) -> Backend:
    """Return the backend called `name`.

    Raises:
        BadInput: there is none of that name.
    """
    if name not in names():
        raise BadInput(f"there is no backend {name!r}", f"choose one of: {', '.join(names())}")
    return cast(Backend, importlib.import_module(f"{__name__}.{name}").backend())
