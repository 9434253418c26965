"""Draws are strictly fair, repeatable, and go on after a stop."""

from __future__ import annotations

import json
from collections import Counter
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgnas_deploy import spaces
from sgnas_deploy.spaces.mixed import SUB_BLOCKS, MixedSpace
from sgnas_deploy.supernet.sampling import SKIP, FairSampler


def space_of(identifier: str = "tiny") -> MixedSpace:
    return cast(MixedSpace, spaces.load(identifier))


@pytest.mark.parametrize(("identifier", "least"), [("tiny", 1), ("tiny+paper", 2)])
@given(draws=st.integers(1, 60), seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_fair_at_any_moment(identifier: str, least: int, draws: int, seed: int) -> None:
    space = space_of(identifier)
    sampler = FairSampler(space, seed)
    drawn = [sampler.draw() for _ in range(draws)]
    for layer in range(len(space.layers)):
        widths = Counter(sum(k != SKIP for k in choice[layer]) for choice in drawn)
        counts = [widths[width] for width in range(least, SUB_BLOCKS + 1)]
        assert sum(counts) == draws
        assert max(counts) - min(counts) <= 1
        for sub_block in range(SUB_BLOCKS):
            kernels = Counter(choice[layer][sub_block] for choice in drawn)
            used = [kernels[kernel] for kernel in range(3)]
            assert max(used) - min(used) <= 1
        assert all(choice[layer][0] != SKIP for choice in drawn)


def test_other_sub_blocks_are_all_used() -> None:
    sampler = FairSampler(space_of(), 0)
    drawn = [sampler.draw()[0] for _ in range(60)]
    for sub_block in range(1, SUB_BLOCKS):
        active = sum(kernels[sub_block] != SKIP for kernels in drawn)
        assert 15 < active < 50  # half of the draws are expected


def test_same_seed_same_draws_other_seed_others() -> None:
    first, second, third = (FairSampler(space_of(), seed) for seed in (1, 1, 2))
    a, b, c = ([sampler.draw() for _ in range(5)] for sampler in (first, second, third))
    assert a == b
    assert a != c


@given(before=st.integers(0, 20))
@settings(max_examples=10, deadline=None)
def test_goes_on_from_its_state(before: int) -> None:
    sampler = FairSampler(space_of(), 3)
    for _ in range(before):
        sampler.draw()
    state = json.loads(json.dumps(sampler.state()))
    expected = [sampler.draw() for _ in range(7)]
    other = FairSampler(space_of(), 99)
    other.restore(state)
    assert [other.draw() for _ in range(7)] == expected
