"""Find TensorRT.

`tensorrt` comes from NVIDIA or with JetPack. TensorRT for RTX comes as Python bindings without
their libraries; the libraries lie in the wheel of ONNX Runtime's execution provider. Loaded first,
by their real files, they satisfy the bindings: no LD_LIBRARY_PATH is needed. The provider itself
is never imported, because it writes links into its folder and changes the environment.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgnas_profilers.errors import BadInput, EnvironmentProblem

FLAVOURS = ("auto", "tensorrt", "rtx")
OLDEST = (10, 3)
"""Of `tensorrt`: what JetPack 6 has. Older ones lack parts of the interface."""

_MODULES = {"tensorrt": ("tensorrt",), "rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings")}
_CURES = {
    "tensorrt": "install TensorRT 10.3 or newer from NVIDIA: pip install 'sgnas-deploy[tensorrt]'; "
    "on a Jetson it comes with JetPack for the system's Python, so make the environment with: "
    "python3 -m venv --system-site-packages",
    "rtx": "pip install 'sgnas-deploy[rtx]'",
}
_RTX_LIBRARIES = "onnxruntime_ep_nv_tensorrt_rtx"
# The parser needs the first. The others in that folder need a driver, and we do not need them.
_RTX_PATTERNS = ("libtensorrt_rtx.so.*", "libtensorrt_onnxparser_rtx.so.*")


@dataclass(frozen=True)
class Runtime:
    """A TensorRT that was found.

    Attributes:
        module: its Python module. Neither flavour has type information that could be used.
        flavour: `tensorrt` or `rtx`.
        version: of the library.
    """

    module: Any
    flavour: str
    version: str


def load(flavour: str = "auto") -> Runtime:
    """Import TensorRT.

    Args:
        flavour: one of `FLAVOURS`; `auto` is `tensorrt` where it is installed, else `rtx`.

    Raises:
        BadInput: no such flavour.
        EnvironmentProblem: not installed, or it does not load; the message tells all that was
            tried.
    """
    if flavour not in FLAVOURS:
        raise BadInput(
            f"there is no TensorRT flavour {flavour!r}", f"choose one of: {', '.join(FLAVOURS)}"
        )
    flavours = ("tensorrt", "rtx") if flavour == "auto" else (flavour,)
    tried = []
    for candidate in flavours:
        for name in _MODULES[candidate]:
            try:
                if candidate == "rtx":
                    _preload_rtx()
                module = importlib.import_module(name)
            except (ImportError, OSError) as error:  # OSError: a library that does not load
                tried.append(f"{name}: {(str(error).splitlines() or ['?'])[0].rstrip('.')}")
                continue
            version = str(getattr(module, "__version__", "0"))
            if candidate == "tensorrt" and numbers(version)[:2] < OLDEST:
                tried.append(f"{name}: version {version} is older than 10.3")
                continue
            return Runtime(module, candidate, version)
    raise EnvironmentProblem(
        f"no TensorRT can be loaded ({'; '.join(tried)})",
        ", or ".join(_CURES[candidate] for candidate in flavours),
    )


def numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version: "10.16.2.10" is (10, 16, 2, 10)."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _preload_rtx() -> None:
    """Load the libraries that the bindings of PyPI lack; without them nothing is done."""
    spec = importlib.util.find_spec(_RTX_LIBRARIES)
    if spec is None or not spec.submodule_search_locations:
        return
    folder = Path(next(iter(spec.submodule_search_locations)))
    for pattern in _RTX_PATTERNS:
        # Links there may dangle: the provider writes them when it is imported.
        for library in sorted(path for path in folder.glob(pattern) if not path.is_symlink()):
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
