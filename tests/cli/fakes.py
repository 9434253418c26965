"""The pipeline replaced by samples: what the command line alone does."""

from __future__ import annotations

import importlib
from typing import Any, final

import pytest

from sgnas_deploy.events import Note, Reporter
from tests.cli import samples


@final
class FakePipeline:
    """Answers every call with a sample and remembers it.

    Attributes:
        calls: name of the function ("profile", "lut.show") and its arguments, without reporters.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self._patch = patch
        for name, result in samples.RESULTS.items():
            self.answer(name, result)
        for name, result in {
            "lut.show": samples.SHOW_ONE,
            "lut_check.check": samples.CHECK,
            "lut.export": samples.EXPORTED,
            "lut.migrate": samples.MIGRATED,
            "lut.diff": samples.DIFF,
            "lut.merge": samples.MERGE,
            "devices.list_devices": samples.DEVICES,
            "devices.add": samples.SHELF,
            "devices.remove": samples.SHELF,
            "devices.test": samples.ANSWERS,
        }.items():
            self.answer(name, result)

    def answer(self, name: str, result: object) -> None:
        """Let a function return a result, or raise it if it is an exception."""

        def call(*arguments: Any) -> object:
            given = list(arguments)
            if given and hasattr(given[-1], "event"):
                reporter: Reporter = given.pop()
                reporter.event(Note(f"{name} speaks"))
            self.calls.append((name, tuple(given)))
            if isinstance(result, BaseException):
                raise result
            return result

        module, _, function = name.partition(".")
        self._patch.setattr(
            importlib.import_module(f"sgnas_deploy.pipeline.{module}"), function or module, call
        )
