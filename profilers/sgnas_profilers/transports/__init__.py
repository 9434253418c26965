"""Where models are measured. A transport starts the agent on a device and speaks with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Mapping, Optional, Protocol

from sgnas_profilers.backends import Option, RunOptions
from sgnas_profilers.errors import EnvironmentProblem
from sgnas_profilers.timing import Timing, TimingPlan


@dataclass(frozen=True)
class Hello:
    """How an agent introduces itself.

    Attributes:
        protocol: version of the protocol that it speaks.
        agent_version: version of `sgnas_profilers` on the device.
        machine: `machine.fingerprint` of the device.
        backend: `Backend.describe` of the backend that was asked for.
    """

    protocol: int
    agent_version: str
    machine: Mapping[str, str]
    backend: Mapping[str, str]


@dataclass(frozen=True)
class Measurement:
    """What an agent found out about one model.

    Attributes:
        timing: all samples.
        state: `machine.state` just after the last sample, and `OtherLoad.shares`.
        peak_rss_bytes: largest resident memory of the agent since it was started, whichever model
            caused it: a model's own in a fresh agent.
    """

    timing: Timing
    state: Mapping[str, float | str]
    peak_rss_bytes: int


@dataclass(frozen=True)
class Built:
    """What an agent has built.

    Attributes:
        artefact: the file's bytes.
        facts: what the backend says of it.
    """

    artefact: bytes
    facts: Mapping[str, str]


class ConnectionLost(EnvironmentProblem):
    """The way to a device that had answered before is gone; it may come back (exit code 4)."""


OnProgress = Optional[Callable[[str, float], None]]
"""Called with a phase and the share of it that is done, 0 to 1."""


class Agent(Protocol):
    """A process on the device, fresh when it is handed out; a context manager."""

    @property
    def hello(self) -> Hello:
        """What the agent said at the start."""

    def measure(self, model: bytes, plan: TimingPlan) -> Measurement:
        """Open a model, time it, close it.

        Raises:
            BadInput: the model cannot be measured; the agent can go on with others.
            EnvironmentProblem: the agent died or fell silent; it is closed.
        """

    def build(
        self, model: bytes, options: Mapping[str, Option], on_progress: OnProgress = None
    ) -> Built:
        """Let the backend build an artefact for the device.

        Args:
            model: an ONNX file.
            options: as the backend names them.
            on_progress: called meanwhile; what it raises ends the agent.

        Raises:
            BadInput: the backend builds nothing, or not this; the agent can go on.
            EnvironmentProblem: the agent died or fell silent; it is closed.
        """

    def close(self) -> None:
        """End the process; closing twice is harmless."""

    def __enter__(self) -> Agent: ...

    def __exit__(self, *exception: object) -> None: ...


class Transport(Protocol):
    """A way to a device."""

    @property
    def name(self) -> str:
        """Short name: "local", "ssh"."""

    def start(self, backend: str, options: RunOptions) -> Agent:
        """Start a fresh agent.

        Raises:
            BadInput: there is no such backend, or the device has fewer CPUs than threads.
            EnvironmentProblem: the device or the backend's runtime cannot be used.
        """
