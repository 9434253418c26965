"""Batches in parts: who has which images, what is summed, and the rule for running statistics."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.training import feed, ranks
from sgnas_deploy.training.parts import Part, Parts
from sgnas_deploy.training.ranks import Rank


class OneOf:
    """A process among several whose sums are those of this process times their number."""

    def __init__(self, number: int, world: int, difference: float = 0.0) -> None:
        self._rank = Rank(number, world, number, world)
        self._difference = difference

    @property
    def rank(self) -> Rank:
        return self._rank

    def add(self, tensors: list[torch.Tensor]) -> None:
        for tensor in tensors:
            tensor.mul_(self._rank.world).add_(self._difference)

    def copy(self, tensors: object) -> None:
        raise AssertionError("nothing to copy")

    def told(self, make: object) -> str:
        raise AssertionError("nothing to tell")


def batch(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(n)
    return torch.randn(n, 3, 4, 4), torch.arange(n) % 3


def all_parts(n: int, count: int, world: int) -> list[Part]:
    """The parts of all processes, in the order of the processes."""
    images, labels = batch(n)
    found = []
    for number in range(world):
        own = feed.share(n, (number, world))
        cut = Parts(count, n, OneOf(number, world))  # type: ignore[arg-type]
        found += list(cut.of(images[own], labels[own]))
    return found


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 9))
def test_parts_are_the_batch_cut_alike_by_any_number_of_processes(
    world: int, each: int, more: int
) -> None:
    count = world * each
    n = 2 * count + more
    images, labels = batch(n)
    found = all_parts(n, count, world)
    assert len(found) == count
    assert torch.equal(torch.cat([part.images for part in found]), images)
    assert torch.equal(torch.cat([part.labels for part in found]), labels)
    assert sum(part.weight for part in found) == pytest.approx(1)
    sizes = [len(part.images) for part in found]
    assert max(sizes) - min(sizes) <= 1
    alone = all_parts(n, count, 1)
    assert [part.first for part in alone] == [part.first for part in found]
    assert sizes == [len(part.images) for part in alone]


def test_gradients_of_parts_add_up_to_that_of_the_batch() -> None:
    images, labels = batch(7)

    def gradient(count: int) -> tuple[torch.Tensor, float]:
        torch.manual_seed(0)
        linear = nn.Linear(48, 3)
        total = torch.zeros(())
        cut = Parts(count)
        for part in cut.of(images, labels, linear):
            logits = linear(part.images.flatten(1))
            loss = functional.cross_entropy(logits, part.labels) * part.weight
            torch.autograd.backward(loss)
            total += loss.detach()
        assert linear.weight.grad is not None
        cut.gather([linear.weight.grad, total])
        return linear.weight.grad, float(total)

    whole, loss = gradient(1)
    parts, same = gradient(3)
    torch.testing.assert_close(parts, whole)
    assert same == pytest.approx(loss)


class Normalised(nn.Module):
    """Two normalisations, one of which is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.used = nn.BatchNorm2d(3)
        self.unused = nn.BatchNorm2d(3)
        assert self.unused.running_mean is not None
        self.unused.running_mean.fill_(1 / 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.used(x)  # type: ignore[no-any-return]


def test_running_statistics_are_the_mean_of_what_parts_make_of_them() -> None:
    images, labels = batch(7)
    network = Normalised().train()
    cut = Parts(3)
    for _ in range(2):  # two steps, two passes each
        before = {name: b.clone() for name, b in network.used.named_buffers()}
        expected = torch.zeros(3)
        for part in cut.of(images, labels, network):
            for _ in range(2):
                network(part.images)
            own = before["running_mean"]
            for _ in range(2):
                own = 0.9 * own + 0.1 * part.images.mean((0, 2, 3))
            expected += own * part.weight
        cut.gather([torch.zeros(1)])
        torch.testing.assert_close(network.used.running_mean, expected)
    # Two passes a step: parts do not count.
    assert network.used.num_batches_tracked == 4
    assert network.unused.running_mean is not None
    assert torch.equal(network.unused.running_mean, torch.full((3,), 1 / 3))


def test_one_part_is_the_usual_rule_to_the_bit() -> None:
    images, labels = batch(6)
    usual, ours = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    usual(images)
    cut = Parts()
    for part in cut.of(images, labels, ours):
        assert part.images is images
        ours(part.images)
    cut.gather([torch.zeros(1)])
    for name, tensor in usual.state_dict().items():
        assert torch.equal(tensor, ours.state_dict()[name])


def test_what_a_part_draws_depends_on_step_and_part_alone() -> None:
    images, labels = batch(8)

    def drawn(world: int, seed: int = 0) -> list[float]:
        found = []
        for number in range(world):
            torch.manual_seed(seed)
            own = feed.share(8, (number, world))
            cut = Parts(4, 8, OneOf(number, world))  # type: ignore[arg-type]
            found += [float(torch.rand(())) for _ in cut.of(images[own], labels[own])]
        return found

    assert drawn(1) == drawn(2) == drawn(4)
    assert len(set(drawn(1))) == 4
    assert drawn(1) != drawn(1, seed=1)


@pytest.mark.parametrize(("batch_", "count"), [(5, 3), (1, 2), (7, 4)])
def test_parts_that_are_too_small(batch_: int, count: int) -> None:
    with pytest.raises(BadInput, match=f"{batch_} images cannot be computed in {count} parts") as e:
        Parts(count, batch_)
    assert "--accumulate" in (e.value.cure or "")


def test_parts_that_processes_cannot_share() -> None:
    assert ranks.micro_batches(None, 1, 4) == 4
    assert ranks.micro_batches(None, 6, 4) == 8
    assert ranks.micro_batches(None, 3, 1) == 3
    assert ranks.micro_batches(8, 1, 4) == 8
    with pytest.raises(BadInput, match="--accumulate 6 does not fit 4 processes") as refused:
        ranks.micro_batches(6, 1, 4)
    assert refused.value.cure == "use a multiple of 4"
    with pytest.raises(ValueError, match="3 parts"):
        Parts(3, 12, OneOf(0, 2))  # type: ignore[arg-type]


def test_processes_that_have_drawn_different_things_are_stopped() -> None:
    images, labels = batch(4)
    cut = Parts(2, 8, OneOf(0, 2, difference=1.0))  # type: ignore[arg-type]
    assert len(list(cut.of(images, labels))) == 1
    with pytest.raises(EnvironmentProblem, match="drawn different"):
        cut.gather([torch.zeros(1)], drawn=[1, 2, 3])


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Rank()),
        ({"RANK": "3"}, Rank()),
        ({"RANK": "1", "WORLD_SIZE": "2"}, Rank(1, 2, 1, 2)),
        (
            {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"},
            Rank(5, 8, 1, 4),
        ),
    ],
)
def test_a_process_knows_which_one_it_is(environment: dict[str, str], expected: Rank) -> None:
    assert ranks.here(environment) == expected


@pytest.mark.parametrize(
    "environment",
    [
        {"WORLD_SIZE": "2"},
        {"RANK": "2", "WORLD_SIZE": "2"},
        {"RANK": "x", "WORLD_SIZE": "2"},
        {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "1"},
    ],
)
def test_an_environment_that_makes_no_sense(environment: dict[str, str]) -> None:
    with pytest.raises(BadInput, match="WORLD_SIZE") as refused:
        ranks.here(environment)
    assert "torchrun" in (refused.value.cure or "")
