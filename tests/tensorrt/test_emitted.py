"""What the emitter writes for a device with TensorRT is really a network that TensorRT builds."""

from __future__ import annotations

import pytest

from sgnas_deploy import emitter, spaces
from sgnas_profilers.trt.build import build
from sgnas_profilers.trt.load import Runtime
from sgnas_profilers.trt.options import BuildOptions


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("form", emitter.FORMS)
def test_blocks_of_each_form_and_precision(rtx: Runtime, form: str, precision: str) -> None:
    space = spaces.load("tiny+r16+hswish+se")
    blocks = spaces.all_blocks(space)
    # Stem, a mixed block, head.
    for block in (blocks[0], blocks[len(blocks) // 2], blocks[-1]):
        model = emitter.emit_block(block, form, 1, precision=precision, backend="tensorrt")
        engine = build(model, BuildOptions(flavour="rtx", precision=precision))
        assert engine.audit.share(precision) == 1, (block.key, str(engine.audit))
