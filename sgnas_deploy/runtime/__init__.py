"""Use what was exported: load the file, classify an image.

    from sgnas_deploy import runtime

    model = runtime.load("sgnas-work/models/tiny-0.2365ms.onnx")
    for guess in model.classify("seven.png", top=3):
        print(guess.label, guess.probability)

`load` reads the description beside the file (`NAME.onnx.json`), compares the file's hash with it
before anything opens the file, and picks the runtime by the description's format. An engine of
TensorRT must also be that of the trained network and the ONNX file beside it, where they are there
(`sgnas_deploy.artefacts`), and for this machine. An image goes through the same resizing and
normalising as in training's evaluation. No torch is imported; the base installation and the
format's runtime suffice (for ONNX: `pip install 'sgnas-deploy[cpu]'`), and Pillow for image files.

One format, one file of this folder.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Protocol, cast

from sgnas_deploy import artefacts, files, models
from sgnas_deploy.errors import BadInput
from sgnas_deploy.events import Reporter, Warned
from sgnas_deploy.fitting.artefact import is_untrained
from sgnas_deploy.models import ExportFile
from sgnas_deploy.runtime.model import Engine, Model, Prediction

__all__ = ["Model", "Prediction", "load", "names"]

_SHARED = frozenset({"model"})


class _Format(Protocol):
    """What each file of this folder but `model` has."""

    WARNING: str
    """What to know before trusting what it says; empty for nothing."""

    def open_engine(self, artefact: bytes, description: ExportFile, threads: int) -> Engine:
        """Load the artefact."""


def names() -> list[str]:
    """Names of the formats that can be run."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in found if name not in _SHARED)


def load(path: str | Path, threads: int = 1, reporter: Reporter | None = None) -> Model:
    """Load an exported network.

    Args:
        path: the exported file; its description stands beside it.
        threads: that a run may use, where the runtime asks for it.
        reporter: is warned before the file is opened, where its format has not yet run on hardware.

    Raises:
        BadInput: no such file, no description, another file than it was written for, a format that
            cannot be run, an engine that is stale or for another device, or a file that its
            runtime refuses.
        EnvironmentProblem: the runtime is not installed, or there is no such device here.
    """
    artefact = Path(path)
    if threads < 1:
        raise BadInput(f"a run needs 1 thread or more, not {threads}")
    if not artefact.is_file():
        raise BadInput(f"there is no exported file {artefact}", "make one with: sgnas export")
    if is_untrained(artefact):
        raise BadInput(
            f"{artefact} has arbitrary weights: it was written to measure latency",
            "train and export the network: sgnas retrain, then sgnas export",
        )
    description = models.read_export_file(artefact)
    if description.format not in names():
        raise BadInput(
            f"files of the format {description.format} cannot be run here",
            f"export to one of {', '.join(names())}",
        )
    artefacts.check_fresh(artefact, description)
    module = cast(_Format, importlib.import_module(f"{__name__}.{description.format}"))
    if reporter is not None and module.WARNING:
        reporter.event(Warned(f"{artefact.name}: {module.WARNING}"))
    data = files.read_bytes(artefact, "exported network")
    return Model(description, module.open_engine(data, description, threads))
