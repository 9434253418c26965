from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnas_deploy import blocks, spaces
from sgnas_deploy.blocks import Block
from sgnas_deploy.blocks.head import Head
from sgnas_deploy.blocks.mb import MixedMBConv
from sgnas_deploy.blocks.stem import Stem
from sgnas_deploy.errors import BadInput

SIZES = st.integers(1, 600)
CHANNELS = st.integers(1, 2000)
STRIDES = st.sampled_from([1, 2])
ACTIVATIONS = st.sampled_from(["relu6", "hswish"])
COUNTS = st.tuples(*[st.integers(0, 6)] * 3).filter(lambda counts: sum(counts) >= 1)
BLOCKS: st.SearchStrategy[Block] = st.one_of(
    st.builds(Stem, SIZES, CHANNELS, CHANNELS, CHANNELS, STRIDES, ACTIVATIONS),
    st.builds(Head, SIZES, CHANNELS, CHANNELS, CHANNELS, ACTIVATIONS),
    st.builds(MixedMBConv, SIZES, CHANNELS, CHANNELS, STRIDES, COUNTS, ACTIVATIONS, st.booleans()),
)


@given(BLOCKS)
def test_a_key_parses_back_to_its_block(block: Block) -> None:
    assert blocks.parse(block.key) == block


@given(BLOCKS, BLOCKS)
def test_different_blocks_have_different_keys(first: Block, second: Block) -> None:
    assert (first == second) == (first.key == second.key)


@given(st.text(max_size=40) | BLOCKS.map(lambda block: block.key + "x"))
def test_any_other_text_is_refused_in_one_way(text: str) -> None:
    with pytest.raises(BadInput):
        blocks.parse(text)


@pytest.mark.parametrize(
    "key",
    [
        "mb_i28_c40-40_s1_n0-0-0_relu6",
        "mb_i28_c40-40_s1_n1-0-0",
        "mb_i28_c40-40_s1_n1-0-0_relu6_hswish",
        "mb_i28_c40-40_s1_n1-0-0_se_relu6",
        "mb_i028_c40-40_s1_n1-0-0_relu6",
        "mb_i28_i28_c40-40_s1_n1-0-0_relu6",
        "stem_i32_c3-16_s1_relu6",
        "__init___x",
    ],
)
def test_near_misses_are_refused(key: str) -> None:
    with pytest.raises(BadInput):
        blocks.parse(key)


def test_operations_of_a_layer_by_hand() -> None:
    block = MixedMBConv(28, 40, 80, 2, (2, 0, 1), "relu6")
    expand = 28 * 28 * 40 * 120
    depthwise = 14 * 14 * (80 * 9 + 40 * 49)
    project = 14 * 14 * 120 * 80
    assert blocks.macs(block) == expand + depthwise + project
    assert blocks.params(block) == (
        (40 * 120 + 120) + (80 * 9 + 80) + (40 * 49 + 40) + (120 * 80 + 80)
    )
    assert block.branches == ((3, 80), (7, 40))
    assert not block.residual


def test_squeeze_and_excitation_is_counted() -> None:
    plain = MixedMBConv(28, 40, 40, 1, (1, 0, 0), "hswish")
    with_se = MixedMBConv(28, 40, 40, 1, (1, 0, 0), "hswish", se=True)
    assert blocks.params(with_se) - blocks.params(plain) == 2 * 40 * 10 + 10 + 40


@pytest.mark.parametrize("name", spaces.names())
def test_maps_fit_together_through_a_network(name: str) -> None:
    space = spaces.load(name)
    named = space.network_blocks(space.sample(np.random.default_rng(0)))
    for (_, before), (_, after) in itertools.pairwise(named):
        assert before.output_shape == after.input_shape
    for _, block in named:
        size = block.input_shape[-1]
        first = block.convs[0]
        assert first.c_in == block.input_shape[0]
        assert first.size_out == -(-size // first.stride)
