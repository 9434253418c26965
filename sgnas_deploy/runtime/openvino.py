"""Files of the format `openvino`, by OpenVINO on the CPU, set as they were timed."""

from __future__ import annotations

from typing import Any, Final, final

import numpy as np

from sgnas_deploy.models import ExportFile
from sgnas_deploy.runtime.model import Floats
from sgnas_profilers.backends import openvino as backend

WARNING: Final = ""


@final
class OpenVinoEngine:
    """A compiled model of OpenVINO."""

    def __init__(self, compiled: Any, name: str) -> None:
        self.name = name
        self._request = compiled.create_infer_request()
        self._output = compiled.outputs[0]

    def run(self, images: Floats) -> Floats:
        """Logits of a batch."""
        found = self._request.infer({0: images})
        return np.array(found[self._output], np.float32)

    def close(self) -> None:
        """Drop the model."""
        self._request = None


def open_engine(artefact: bytes, description: ExportFile, threads: int) -> OpenVinoEngine:
    """Compile the file for this CPU.

    Raises:
        EnvironmentProblem: OpenVINO is not installed.
        BadInput: it refuses the file.
    """
    del description
    runtime = backend.load_runtime()
    compiled = backend.compile_model(runtime, artefact, threads)
    return OpenVinoEngine(compiled, f"openvino {runtime.__version__}")
