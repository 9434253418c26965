from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnas_deploy import blocks, spaces
from sgnas_deploy.architectures import Architecture, describe
from sgnas_deploy.blocks import Block, edge
from sgnas_deploy.blocks.cell import EDGES, OPERATIONS, Cell, live_edges
from sgnas_deploy.blocks.convbn import ConvNormStem
from sgnas_deploy.blocks.edge import Edge
from sgnas_deploy.blocks.meanhead import MeanHead
from sgnas_deploy.blocks.reduction import Reduction
from sgnas_deploy.errors import BadInput
from sgnas_deploy.spaces.cell import canonical, canonical_networks, from_string, to_string

CELLS = st.tuples(*[st.integers(0, 4)] * 6)
CANONICAL = st.sampled_from([tuple(o) for o in canonical_networks().tolist()])
SIZES, CHANNELS = st.integers(1, 99), st.integers(1, 500)
BLOCKS: st.SearchStrategy[Block] = st.one_of(
    st.builds(Cell, SIZES, CHANNELS, CANONICAL.map(lambda own: tuple(OPERATIONS[o] for o in own))),
    st.builds(Edge, SIZES, CHANNELS, st.sampled_from(edge.BLOCKS), st.integers(1, 9)),
    st.builds(ConvNormStem, SIZES, CHANNELS, CHANNELS),
    st.builds(Reduction, SIZES.map(lambda size: 2 * size), CHANNELS, CHANNELS),
    st.builds(MeanHead, SIZES, CHANNELS, CHANNELS),
)
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""Edges of every path from node 0 to node 3."""


@given(CELLS)
def test_live_edges_are_those_on_a_path(options: tuple[int, ...]) -> None:
    operations = tuple(OPERATIONS[o] for o in options)
    open_paths = [p for p in PATHS if all(options[e] != 0 for e in p)]
    expected = {edge for path in open_paths for edge in path}
    assert {e for e, alive in enumerate(live_edges(operations)) if alive} == expected


def test_the_paths_of_this_test_are_paths() -> None:
    for path in PATHS:
        ends = [EDGES[e] for e in path]
        assert ends[0][0] == 0
        assert ends[-1][1] == 3
        assert all(a[1] == b[0] for a, b in itertools.pairwise(ends))


@given(CELLS)
def test_strings_go_both_ways(options: tuple[int, ...]) -> None:
    assert from_string(to_string(options)) == options


def test_the_benchmarks_own_example() -> None:
    text = (
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
        "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    )
    assert from_string(text) == (3, 3, 3, 1, 3, 3)
    assert to_string((3, 3, 3, 1, 3, 3)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "|none~0|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~3|",
        "|conv~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "none~0+none~0|none~1+none~0|none~1|none~2",
        "|none~0|+|none~0|none~1|none~0|+|none~1|none~2|",
    ],
)
def test_other_strings_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="no cell of NAS-Bench-201"):
        from_string(text)


@given(CELLS)
def test_a_canonical_cell_has_one_spelling(options: tuple[int, ...]) -> None:
    found = canonical(options)
    if found is not None:
        assert canonical(found) == found
        assert all(own in (0, o) for own, o in zip(found, options, strict=True))
    else:
        assert not [p for p in PATHS if all(options[e] != 0 for e in p)]


def test_the_networks_are_all_canonical_cells_once() -> None:
    every = {canonical(o) for o in itertools.product(range(5), repeat=6)} - {None}
    found = [tuple(o) for o in canonical_networks().tolist()]
    assert len(found) == len(set(found)) == len(every)
    assert set(found) == every


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((0,) * 6, "no path"),
        ((3, 0, 0, 0, 0, 3), "no path"),
        ((3, 0, 0, 1, 0, 0), "edges that nothing uses"),
        ((3,) * 5, "has 6 options, not 5"),
        ((3, 3, 3, 3, 3, 5), "options 0..4, not 5"),
    ],
)
def test_other_options_are_refused(options: tuple[int, ...], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Architecture("nasbench201", options)
    with pytest.raises(BadInput, match=message):
        spaces.load("nasbench201").network_blocks(options)


@given(BLOCKS)
def test_a_key_parses_back_to_its_block(block: Block) -> None:
    assert blocks.parse(block.key) == block


@given(BLOCKS, BLOCKS)
def test_different_blocks_have_different_keys(first: Block, second: Block) -> None:
    assert (first == second) == (first.key == second.key)


@pytest.mark.parametrize(
    "key",
    [
        "cell_i32_c16_o3-0-0-1-0-0",  # a dead edge
        "cell_i32_c16_o0-0-0-0-0-0",
        "cell_i32_c16_o3-3-3-3-3",
        "cell_i32_c16_o3-3-3-3-3-5",
        "edge_i32_c16_o0_n5",
        "edge_i32_c16_o3_n0",
        "edge_i32_c16_o3",
        "reduction_i31_c16-32",
        "meanhead_i8_c64-10_relu",
        "convbn_i32_c3-16_s1",
    ],
)
def test_near_misses_are_refused(key: str) -> None:
    with pytest.raises(BadInput):
        blocks.parse(key)


def test_operations_of_the_largest_cell_by_hand() -> None:
    """Three stages of five cells of six 3x3 convolutions: 220.1 million, 1.53 million weights."""
    own = Architecture("nasbench201", (3,) * 6)
    convolution = 9 * 16 * 16 * 32 * 32  # the same in every stage: half the side, twice the width
    reductions = 2 * ((9 * 16 * 32 + 9 * 32 * 32 + 16 * 32) * 16 * 16)
    stem = 9 * 3 * 16 * 32 * 32
    head = 64 * 8 * 8 + 64 * 10
    assert own.macs == 3 * 5 * 6 * convolution + reductions + stem + head
    assert own.macs == pytest.approx(220.12e6, rel=1e-3)
    assert own.params == pytest.approx(1.53e6, rel=1e-2)


def test_dead_edges_cost_nothing_and_the_sum_over_edges_is_the_network() -> None:
    space = spaces.load("nasbench201")
    rng = np.random.default_rng(0)
    fixed = sum(blocks.macs(block) for block in space.fixed_blocks())
    for _ in range(20):
        options = space.sample(rng)
        edges = sum(
            blocks.macs(block) for d, o in enumerate(options) for block in space.option_blocks(d, o)
        )
        assert Architecture(space.id, options).macs == fixed + edges


def test_a_table_has_few_blocks() -> None:
    assert len(spaces.all_blocks(spaces.load("nasbench201"))) == 3 * 3 + 4


def test_labels_are_the_string() -> None:
    found = describe("x", Architecture("nasbench201", (3, 1, 2, 4, 3, 1)))
    assert set(to_string(found.options).replace("+", "").strip("|").split("|")) >= set(found.labels)
    assert found.labels[0] == "nor_conv_3x3~0"


@given(st.integers(0, 2**32))
def test_samples_are_architectures(seed: int) -> None:
    options = spaces.load("nasbench201").sample(np.random.default_rng(seed))
    assert canonical(options) == options


def test_variants_have_one_spelling() -> None:
    space = spaces.load("nasbench201+n2+w8+c100+r16")
    assert space.id == "nasbench201+r16+c100+w8+n2"
    assert spaces.load(space.id) == space
    assert spaces.load("nasbench201+r32+c10+w16+n5").id == "nasbench201"


@pytest.mark.parametrize("word", ["r17", "r12", "c1", "w0", "n0", "se", "n2+n2", "x"])
def test_other_variants_are_refused(word: str) -> None:
    with pytest.raises(BadInput):
        spaces.load(f"nasbench201+{word}")


def test_the_family_is_no_space() -> None:
    with pytest.raises(BadInput):
        spaces.load("cell")
