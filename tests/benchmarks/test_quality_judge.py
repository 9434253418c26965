from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from sgnas_deploy import spaces
from sgnas_deploy.errors import BadInput
from sgnas_deploy.spaces.mixed import MixedSpace

torch = pytest.importorskip("torch")

from benchmarks.quality_parts.judge import Judge  # noqa: E402
from benchmarks.quality_parts.scoring import Journal  # noqa: E402
from sgnas_deploy import supernet  # noqa: E402
from sgnas_deploy.supernet.mixed import MixedSupernet  # noqa: E402

SPACE = cast(MixedSpace, spaces.load("tiny+r16"))


@pytest.fixture(scope="module")
def network() -> MixedSupernet:
    """A supernet whose statistics are those of some batches, so that nothing is trivial."""
    torch.manual_seed(0)
    made = cast(MixedSupernet, supernet.build(SPACE))
    sampler = made.sampler(0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        made.train()
        for _ in range(8):
            made(torch.randn(16, 3, 16, 16), sampler.draw())
    made.freeze()
    return made


def test_answers_are_those_of_the_supernet(network: MixedSupernet) -> None:
    images = torch.randn(150, 3, 16, 16)
    rng = np.random.default_rng(0)
    networks = [SPACE.sample(rng) for _ in range(12)]
    # Some with a common beginning, one twice.
    networks += [(*networks[0][:4], *networks[1][4:]), (*networks[0][:5], 3), networks[2]]
    labels, sure = torch.randint(0, 10, (150,)), []
    with torch.inference_mode():
        expected = []
        for options in networks:
            logits = network(images, network.choice_of(options))
            top = logits.topk(2, dim=1).values
            sure.append(((top[:, 0] - top[:, 1]) > 1e-4).numpy())
            expected.append((logits.argmax(1) == labels).numpy())
    found = Judge(network, images, labels).correct(networks)
    assert found.shape == (15, 150)
    # Rounding may decide where two classes are equally likely.
    decided = np.stack(sure)
    assert decided.mean() > 0.98
    assert (found == np.stack(expected))[decided].all()
    assert 0 < found.mean() < 1


def test_the_order_of_networks_does_not_matter(network: MixedSupernet) -> None:
    judge = Judge(network, torch.randn(40, 3, 16, 16), torch.randint(0, 10, (40,)))
    rng = np.random.default_rng(1)
    networks = [SPACE.sample(rng) for _ in range(9)]
    together = judge.correct(networks)
    for options, row in zip(networks, together, strict=True):
        assert (judge.correct([options])[0] == row).all()


KEY = {"supernet": "a", "images": [1, 2]}


def test_a_journal_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "right.jsonl"
    journal = Journal(path, KEY)
    journal.add([(1, 2), (3, 4)], [7, 8], 0.5)
    journal.close()
    again = Journal(path, KEY)
    assert again.right == {(1, 2): 7, (3, 4): 8}
    again.add([(5, 6)], [9], 0.25)
    again.close()
    last = Journal(path, KEY)
    assert last.right[5, 6] == 9
    assert last.cpu_s == 0.75
    last.close()


def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "right.jsonl"
    journal = Journal(path, KEY)
    journal.add([(1,)], [7], 0.5)
    journal.add([(2,)], [8], 0.5)
    journal.close()
    path.write_bytes(path.read_bytes()[:-9])
    again = Journal(path, KEY)
    assert again.right == {(1,): 7}
    again.add([(3,)], [9], 0.5)
    again.close()
    whole = Journal(path, KEY)
    assert whole.right == {(1,): 7, (3,): 9}
    whole.close()


def test_a_journal_of_another_supernet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "right.jsonl"
    Journal(path, KEY).close()
    with pytest.raises(BadInput, match="other questions"):
        Journal(path, {**KEY, "supernet": "b"})


def test_two_writers_are_one_too_many(tmp_path: Path) -> None:
    first = Journal(tmp_path / "right.jsonl", KEY)
    with pytest.raises(BadInput, match="another process"):
        Journal(tmp_path / "right.jsonl", KEY)
    first.close()
    Journal(tmp_path / "right.jsonl", KEY).close()
