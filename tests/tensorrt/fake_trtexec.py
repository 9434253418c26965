# ruff: noqa: T201 - it is a program that prints
"""A trtexec that times nothing: it prints and writes what the real one does, in its exact shape.

Run as a program. What it plays is told by the environment: FAKE_TRTEXEC_VERSION (such as 100300),
FAKE_TRTEXEC (a failure), FAKE_TRTEXEC_LOG (a file that its arguments are appended to).
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from pathlib import Path

FLAGS = {
    "--onnx", "--saveEngine", "--loadEngine", "--stronglyTyped", "--skipInference",
    "--useCudaGraph", "--noDataTransfers", "--useSpinWait", "--warmUp", "--duration",
    "--iterations", "--exportTimes", "--memPoolSize", "--builderOptimizationLevel",
    "--hardwareCompatibilityLevel", "--minShapes", "--optShapes", "--maxShapes", "--help",
}  # fmt: skip
QUERIES = 120


def install(folder: Path) -> Path:
    """Put it into a folder as a program called trtexec."""
    program = folder / "trtexec"
    command = f"{shlex.quote(sys.executable)} -I -S {shlex.quote(__file__)}"
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    program.chmod(0o755)
    return program


def main() -> int:
    version = os.environ.get("FAKE_TRTEXEC_VERSION", "100300")
    failure = os.environ.get("FAKE_TRTEXEC", "")
    print(f"&&&& RUNNING TensorRT.trtexec [TensorRT v{version}] [b26] # trtexec", *sys.argv[1:])
    given = dict(argument.partition("=")[::2] for argument in sys.argv[1:])
    if "FAKE_TRTEXEC_LOG" in os.environ:
        with Path(os.environ["FAKE_TRTEXEC_LOG"]).open("a") as log:
            log.write(json.dumps(sys.argv[1:]) + "\n")
    known = FLAGS | ({"--noCudaGraph"} if version >= "110000" else set())
    for flag in given:
        if flag not in known or failure == f"unknown {flag}":
            return fail(f"Unknown option: {flag}")
    if "--help" in given:
        return 0
    if failure == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if failure == "memory":
        return fail("Error Code 2: OutOfMemory (Requested size was 4096 bytes.)")
    if failure == "no gpu":
        return fail("Cuda failure: no CUDA-capable device is detected")
    if failure == "bad model":
        return fail("Failed to parse onnx file")
    model = Path(given.get("--onnx") or given["--loadEngine"]).read_bytes()
    if "--saveEngine" in given and failure != "no engine":
        Path(given["--saveEngine"]).write_bytes(b"engine of " + model[:8])
    if "--useCudaGraph" in given and failure == "no graph":
        print(
            "[11/24/2026-10:00:00] [W] CUDA graph capture failed: run without it",
            file=sys.stderr,
        )
    if "--exportTimes" in given and failure != "no times":
        text = json.dumps([query(number) for number in range(QUERIES)])
        Path(given["--exportTimes"]).write_text("[{" if failure == "cut times" else text)
    print("&&&& PASSED TensorRT.trtexec")
    return 0


def query(number: int) -> dict[str, float]:
    """One query: the fields of TensorRT 8.5 and later."""
    begin, compute = 10.0 * number, 1.0 + number / 1000
    return {
        "startEnqMs": begin, "endEnqMs": begin + 0.02, "startH2dMs": begin, "endH2dMs": begin,
        "startComputeMs": begin, "endComputeMs": begin + compute,
        "startD2hMs": begin + compute, "endD2hMs": begin + compute,
        "h2dMs": 0.0, "computeMs": compute, "d2hMs": 0.0, "latencyMs": compute,
    }  # fmt: skip


def fail(why: str) -> int:
    print(f"[11/24/2026-10:00:00] [E] {why}", file=sys.stderr)
    print("&&&& FAILED TensorRT.trtexec")
    return 1


if __name__ == "__main__":
    sys.exit(main())
