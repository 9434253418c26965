"""What a training or an export leaves beside an engine: the same cases for all that opens one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgnas_deploy import files, models

NEW = "1" * 64
"""Weights of a later training."""


@dataclass(frozen=True)
class Beside:
    """Files beside an engine.

    Attributes:
        trained: weights that `NAME.json` tells of; None for no such file, empty for the engine's.
        onnx: weights that `NAME.onnx.json` tells of, likewise.
        same_file: whether `NAME.onnx` is the file that the engine was built from.
        fields: what else the ONNX file's description says otherwise.
        refusal: what is said of the engine; empty where it passes.
    """

    trained: str | None = None
    onnx: str | None = None
    same_file: bool = True
    fields: tuple[tuple[str, Any], ...] = ()
    refusal: str = ""

    def put(self, plan: Path, source: bytes) -> None:
        """Write them; `source` is what the engine was built from."""
        engine = models.read_export_file(plan)
        made_of = engine.model
        plan.with_suffix(".json").unlink(missing_ok=True)
        if self.trained is not None:
            trained = made_of.model_copy(
                update={"weights_sha256": self.trained or made_of.weights_sha256}
            )
            files.write_model(plan.with_suffix(".json"), trained)
        onnx = plan.with_suffix(".onnx")
        for path in (onnx, models.sidecar(onnx)):
            path.unlink(missing_ok=True)
        if self.onnx is None:
            return
        data = source if self.same_file else source + b"\0"
        files.write_bytes(onnx, data)
        changes = {
            "format": "onnx",
            "artefact_sha256": hashlib.sha256(data).hexdigest(),
            "artefact_bytes": len(data),
            "source_sha256": None,
            "runtime": {},
            "model": made_of.model_copy(
                update={"weights_sha256": self.onnx or made_of.weights_sha256}
            ),
            **dict(self.fields),
        }
        files.write_model(models.sidecar(onnx), engine.model_copy(update=changes))


_OLD, _NOW = "0{12}\\.\\.\\.", "1{12}\\.\\.\\."
STALE = {
    "trained anew": Beside(
        trained=NEW, refusal=rf"net\.plan is stale: .* weights {_OLD}, .* are now {_NOW}"
    ),
    "trained and exported anew": Beside(
        trained=NEW, onnx=NEW, same_file=False, refusal=rf"is stale: .* {_OLD}, .* {_NOW}"
    ),
    "an ONNX file of other weights": Beside(
        onnx=NEW, same_file=False, refusal=rf"may be stale: .* the weights {_OLD}, .* of {_NOW}"
    ),
    "another ONNX file of the same weights": Beside(
        trained="",
        onnx="",
        same_file=False,
        refusal=r"may be stale: .* the ONNX file [0-9a-f]{12}\.\.\., .* of [0-9a-f]{12}\.\.\.",
    ),
}
FRESH = {
    "alone": Beside(),
    "its network": Beside(trained=""),
    "its network and its ONNX file": Beside(trained="", onnx=""),
    "its ONNX file": Beside(onnx=""),
    "an ONNX file from before": Beside(trained="", onnx=NEW, same_file=False),
    "an ONNX file of another batch": Beside(onnx="", same_file=False, fields=(("batch", 8),)),
    "an ONNX file in another precision": Beside(
        onnx="", same_file=False, fields=(("precision", "fp16"),)
    ),
}
