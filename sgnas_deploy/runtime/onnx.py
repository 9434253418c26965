"""ONNX files, by ONNX Runtime on the CPU."""

from __future__ import annotations

from typing import Any, Final, final

import numpy as np

from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.models import ExportFile
from sgnas_deploy.runtime.model import Floats

WARNING: Final = ""


@final
class OnnxEngine:
    """A session of ONNX Runtime."""

    def __init__(self, session: Any, name: str) -> None:
        self.name = name
        self._session = session
        (source,) = session.get_inputs()
        self._input: str = source.name
        # What a whole network in half precision may ask for.
        self._type = np.float16 if source.type == "tensor(float16)" else np.float32

    def run(self, images: Floats) -> Floats:
        """Logits of a batch."""
        (logits,) = self._session.run(None, {self._input: images.astype(self._type)})
        return np.asarray(logits, np.float32)

    def close(self) -> None:
        """Drop the session."""
        self._session = None


def open_engine(artefact: bytes, description: ExportFile, threads: int) -> OnnxEngine:
    """Load an ONNX file.

    Raises:
        EnvironmentProblem: ONNX Runtime is not installed.
        BadInput: it refuses the file.
    """
    try:
        import onnxruntime
    except (ImportError, OSError) as error:
        raise EnvironmentProblem(
            f"running ONNX files needs ONNX Runtime ({error})", "pip install 'sgnas-deploy[cpu]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            artefact, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # the runtime's exceptions have no base of their own
        raise BadInput(
            f"onnxruntime cannot open {description.name}: {error}",
            "make it anew with: sgnas export",
        ) from error
    return OnnxEngine(session, f"onnxruntime {onnxruntime.__version__}")
