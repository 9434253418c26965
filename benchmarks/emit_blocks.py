"""How long it takes to emit every block of a space: prints JSON.

Usage: python benchmarks/emit_blocks.py [--space imagenet] [--form concat] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import platform
import time

import onnx

from sgnas_deploy import emitter, spaces
from sgnas_profilers import protocol


def main() -> None:
    """Emit and serialise each block, `rounds` times over; the shared pool is made beforehand."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--space", default="imagenet")
    parser.add_argument("--form", default=emitter.DEFAULT_FORM, choices=emitter.FORMS)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()

    blocks = spaces.all_blocks(spaces.load(given.space))
    started = time.perf_counter()
    emitter.emit_block(blocks[0], given.form, 1)
    first_s = time.perf_counter() - started
    seconds = []
    size = 0
    for _ in range(given.rounds):
        started = time.perf_counter()
        size = sum(len(emitter.emit_block(block, given.form, 1)) for block in blocks)
        seconds.append(time.perf_counter() - started)
    sent = sum(len(protocol.pack(emitter.emit_block(block, given.form, 1))) for block in blocks)
    print(
        json.dumps(
            {
                "space": given.space,
                "form": given.form,
                "blocks": len(blocks),
                "bytes": size,
                "bytes_over_ssh": sent,
                "first_block_s": first_s,
                "all_blocks_s": seconds,
                "onnx": onnx.__version__,
                "python": platform.python_version(),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
