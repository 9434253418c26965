from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sgnas_deploy import files
from sgnas_deploy.bench.report import spearman
from sgnas_deploy.bench.scores import SupernetScores, read, smoothed
from sgnas_deploy.errors import BadInput
from sgnas_deploy.spaces.cell import canonical_networks
from tests.nasbench201 import synthetic

NETWORKS = canonical_networks()


def test_smoothing_takes_the_noise_of_few_images_out() -> None:
    truth = synthetic.supernet_scores(noise=0.0)
    noisy = np.random.default_rng(0).binomial(256, truth) / 256
    found = smoothed(noisy, NETWORKS)
    assert np.abs(found - truth).mean() < 0.35 * np.abs(noisy - truth).mean()
    before, after = spearman(noisy, truth), spearman(found, truth)
    assert before is not None
    assert after is not None
    assert after > max(before, 0.98)


def test_smoothing_keeps_what_pairs_of_edges_say() -> None:
    truth = 0.5 + 0.1 * ((NETWORKS[:, 0] == 3) & (NETWORKS[:, 5] == 2))
    assert np.abs(smoothed(truth, NETWORKS) - truth).max() < 0.01


def test_equal_accuracies_stay_equal() -> None:
    assert np.ptp(smoothed(np.full(len(NETWORKS), 0.5), NETWORKS)) < 1e-9


def test_scores_are_read_back_and_must_be_one_for_each_network(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    whole = SupernetScores(
        space="nasbench201+n1",
        supernet_sha256="0" * 64,
        data="invented",
        images=4,
        right=(1,) * len(NETWORKS),
    )
    files.write_model(path, whole)
    assert read(path) == whole
    assert read(path).accuracy.tolist() == [0.25] * len(NETWORKS)
    files.write_model(path, whole.model_copy(update={"right": (1, 2)}))
    with pytest.raises(BadInput, match="2 scores"):
        read(path)
    files.write_model(path, whole.model_copy(update={"space": "tiny"}))
    with pytest.raises(BadInput, match="not one for each"):
        read(path)
