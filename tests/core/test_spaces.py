from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnas_deploy import spaces
from sgnas_deploy.architectures import Architecture
from sgnas_deploy.errors import BadInput
from sgnas_deploy.spaces.mixed import MixedSpace


def mixed(identifier: str) -> MixedSpace:
    space = spaces.load(identifier)
    assert isinstance(space, MixedSpace)
    return space


def test_the_published_spaces_are_as_published() -> None:
    imagenet, cifar = mixed("imagenet"), mixed("cifar")
    for space in (imagenet, cifar):
        assert len(space.layers) == 19
        assert set(space.option_counts) == {83}
        assert len(set(space.shapes)) == 11
        assert len(spaces.all_blocks(space)) == 11 * 83 + 2
    assert [shape.c_out for shape in imagenet.shapes] == (
        [32] * 2 + [40] * 4 + [80] * 4 + [96] * 4 + [192] * 4 + [320]
    )
    assert [i for i, shape in enumerate(imagenet.shapes) if shape.stride == 2] == [0, 2, 6, 14]
    assert [i for i, shape in enumerate(cifar.shapes) if shape.stride == 2] == [2, 6, 14]
    assert imagenet.shapes[0].size == 112
    assert cifar.shapes[0].size == 32
    assert (imagenet.classes, cifar.classes) == (1000, 10)


@pytest.mark.parametrize("budget", [(1, 0, 0), (0, 0, 6)])
def test_the_extremes_bracket_random_networks(budget: tuple[int, int, int]) -> None:
    space = mixed("imagenet")
    extreme = Architecture(space.id, (space.multisets.index(budget),) * 19).macs
    rng = np.random.default_rng(0)
    others = [Architecture(space.id, space.sample(rng)).macs for _ in range(50)]
    assert extreme <= min(others) if sum(budget) == 1 else extreme >= max(others)
    assert max(others) > 2 * min(others)


def test_the_paper_variant_never_has_one_sub_block() -> None:
    space = mixed("tiny+paper")
    assert min(sum(counts) for counts in space.multisets) == 2
    assert len(space.multisets) == 80
    rng = np.random.default_rng(0)
    for _ in range(50):
        assert all(sum(space.multisets[option]) >= 2 for option in space.sample(rng))


VARIANTS = st.fixed_dictionaries(
    {
        "r": st.none() | st.integers(16, 512),
        "c": st.none() | st.integers(2, 5000),
        "words": st.sets(st.sampled_from(["hswish", "se", "paper"])),
    }
)


@given(st.sampled_from(["cifar", "imagenet", "tiny"]), VARIANTS, st.randoms(use_true_random=False))
def test_an_identifier_has_one_spelling(name: str, variant: dict[str, object], random) -> None:  # type: ignore[no-untyped-def]
    words = [f"{k}{variant[k]}" for k in "rc" if variant[k] is not None]
    words += sorted(variant["words"])  # type: ignore[call-overload]
    random.shuffle(words)
    space = spaces.load("+".join([name, *words]))
    assert spaces.load(space.id) == space
    assert spaces.load(space.id).id == space.id


@pytest.mark.parametrize(
    "identifier",
    [
        "",
        "mnist",
        "mixed",
        "tiny+",
        "tiny+x",
        "tiny+se+se",
        "tiny+r64+r32",
        "tiny+r0",
        "tiny+c1",
        "tiny+r8",
        "tiny+c",
        "tiny+rr",
        "tiny+c-3",
        "../tiny",
        "tiny.py",
    ],
)
def test_other_identifiers_are_refused(identifier: str) -> None:
    with pytest.raises(BadInput):
        spaces.load(identifier)


@pytest.mark.parametrize("options", [(), (0,) * 5, (0,) * 7, (83,) + (0,) * 5, (-1,) + (0,) * 5])
def test_options_are_checked(options: tuple[int, ...]) -> None:
    with pytest.raises(BadInput):
        Architecture("tiny", options)
    with pytest.raises(BadInput):
        spaces.load("tiny").network_blocks(options)


def test_labels_tell_the_kernels() -> None:
    space = mixed("tiny")
    assert space.option_label(0, space.multisets.index((2, 0, 1))) == "3x2 7x1"
