"""Reporters that remember what a job says, or stop it."""

from __future__ import annotations

from dataclasses import dataclass, field

from sgnas_deploy.events import Event, Note, StageAdvanced, StageStarted, Warned


@dataclass
class Listener:
    """Keeps what a job says."""

    events: list[Event] = field(default_factory=list)

    def event(self, event: Event) -> None:
        self.events.append(event)

    @property
    def notes(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Note)]

    @property
    def warnings(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Warned)]

    @property
    def stages(self) -> list[str]:
        return [event.name for event in self.events if isinstance(event, StageStarted)]


class Interrupts:
    """Presses Ctrl-C when a stage whose name has `stage` in it says that it has got this far."""

    def __init__(self, done: float, stage: str = "training") -> None:
        self._done = done
        self._stage = stage

    def event(self, event: Event) -> None:
        # A sum of steps may be a hair below its epoch.
        if (
            isinstance(event, StageAdvanced)
            and self._stage in event.name
            and event.done >= self._done - 1e-6
        ):
            raise KeyboardInterrupt
