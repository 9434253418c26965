"""What executes a model. A backend is one file of this folder; its name is the file's name.

Nothing of a runtime is imported before a backend is asked to describe itself or to open a model.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Protocol, cast

from sgnas_profilers.errors import BadInput
from sgnas_profilers.timing import Clock

MAX_THREADS = 1024


@dataclass(frozen=True)
class RunOptions:
    """How a backend is to run models.

    Attributes:
        threads: how many threads work on one model.

    Raises:
        BadInput: not a number of threads.
    """

    threads: int

    def __post_init__(self) -> None:
        if not 1 <= self.threads <= MAX_THREADS:
            raise BadInput(
                f"the number of threads must be between 1 and {MAX_THREADS}, not {self.threads}"
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
    """One runtime."""

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
