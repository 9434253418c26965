from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sgnas_deploy import spaces, tables
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_deploy.pipeline import lut_check as lut
from sgnas_deploy.tables.checking import (
    LOW,
    Reading,
    compare,
    fresh_networks,
    optimised_networks,
    paired_bootstrap,
)
from sgnas_deploy.tables.predictor import macs_costs
from sgnas_deploy.tables.statistics import Errors
from tests.fakes.device import Disturbance, FakeDevice
from tests.fakes.reporters import Listener
from tests.tables import synthetic
from tests.tables.conftest import NOISY, Profiled

NAME = "tiny--cpu--onnxruntime-fp32-b1-t1"


@pytest.fixture(scope="module")
def checked(profiled: Profiled) -> lut.CheckResult:
    device = FakeDevice(disturbance=NOISY, seed=9)
    request = lut.CheckRequest(workdir=profiled.workdir, networks=24, optimised=6)
    return lut.check(request, Listener(), device)


def test_check_of_a_good_table_passes(profiled: Profiled, checked: lut.CheckResult) -> None:
    found = checked
    assert found.passed
    assert not found.too_noisy
    assert len(found.networks) == len(found.low.points) == len(found.asked.points) == 24
    for reading in (found.low, found.asked):
        assert reading.table.mape < 0.02
        assert reading.table.spearman > 0.97
        assert reading.table.mape < reading.macs.mape < reading.constant.mape
        assert reading.constant.spearman == 0
        assert 0 < reading.repeat.mape < 0.02
        low, high = reading.table_less_macs
        assert low <= reading.table.mape - reading.macs.mape <= high < 0
    measured = [m for _, m in found.asked.points]
    low, high = profiled.result.fastest_s, profiled.result.slowest_s
    assert min(measured) < low + 0.15 * (high - low)
    assert max(measured) > low + 0.85 * (high - low)


def test_the_low_reading_is_lower(checked: lut.CheckResult) -> None:
    assert (checked.low.percentile, checked.low.best_launch) == (10.0, True)
    assert (checked.asked.percentile, checked.asked.best_launch) == (50.0, False)
    for (_, low), (_, median) in zip(checked.low.points, checked.asked.points, strict=True):
        assert low < median


def test_optimised_networks_are_reported_apart(checked: lut.CheckResult) -> None:
    assert len(checked.optimised) == len(checked.asked.optimised_points) == 6
    assert not set(checked.optimised) & set(checked.networks)
    assert checked.asked.optimised is not None
    assert checked.asked.optimised.mape < 0.05
    assert checked.asked.optimised_over <= 1


def test_check_of_a_device_that_became_slower_fails(profiled: Profiled, listener: Listener) -> None:
    slow = FakeDevice(disturbance=Disturbance(throttle_after_s=0.0, throttle_factor=1.5))
    request = lut.CheckRequest(workdir=profiled.workdir, lut=NAME, networks=4, optimised=0)
    found = lut.check(request, listener, slow)
    assert not found.passed
    assert not found.too_noisy
    assert found.asked.table.bias == pytest.approx(-1 / 3, abs=0.03)
    assert any("bias" in text for text in found.low.missed)
    assert (found.optimised, found.asked.optimised) == ((), None)


def test_too_noisy_is_neither_yes_nor_no(profiled: Profiled, listener: Listener) -> None:
    loud = FakeDevice(disturbance=Disturbance(sigma=0.6, process_sigma=0.4))
    request = lut.CheckRequest(workdir=profiled.workdir, networks=8, optimised=0)
    found = lut.check(request, listener, loud)
    assert found.too_noisy
    assert not found.passed
    assert found.low.out_of_reach
    assert any("stayed unsteady" in text for text in found.warnings)


def test_check_never_uses_calibration_networks(profiled: Profiled) -> None:
    table = profiled.table
    found = fresh_networks(table, 60, seed=1)
    assert len(set(found)) == 60
    used = {network.options for network in table.networks}
    assert not set(found) & used
    assert found == fresh_networks(table, 60, seed=1)
    optimised = optimised_networks(table, 12, found)
    assert len(set(optimised)) == len(optimised) > 6
    assert not set(optimised) & ({*found} | used)


def test_optimised_networks_have_more_operations_than_others(profiled: Profiled) -> None:
    table = profiled.table
    model, operations = tables.predictor(table), macs_costs(spaces.load("tiny"))
    others = fresh_networks(table, 60, seed=1)
    latency = np.array([model.predict_s(options) for options in others])
    usual = np.array([operations.total(options) for options in others])
    order = np.argsort(latency)
    for options in optimised_networks(table, 12, others):
        expected = np.interp(model.predict_s(options), latency[order], usual[order])
        assert operations.total(options) > 0.95 * expected


def test_targets_are_named_where_they_are_missed() -> None:
    targets = LOW.targets
    assert targets is not None
    assert targets.missed(Errors(mape=0.02, maximum=0.05, bias=-0.01, spearman=0.99)) == ()
    found = targets.missed(Errors(mape=0.021, maximum=0.051, bias=-0.011, spearman=0.98))
    assert [text.split()[0] for text in found] == ["mean", "largest", "bias", "rank"]
    assert Reading(95.0).targets is None
    median = Reading(50.0).targets
    assert median is not None
    assert median.missed(Errors(mape=0.03, maximum=0.08, bias=-0.03, spearman=0.5)) == ()


def test_the_paired_bootstrap_sees_what_is_there_and_nothing_else() -> None:
    rng = np.random.default_rng(3)
    measured = np.exp(rng.uniform(0, 1, 60))
    good, poor, alike = (
        measured * (1 + spread * rng.standard_normal(60)) for spread in (0.01, 0.03, 0.01)
    )
    low, high = paired_bootstrap(good, poor, measured)
    assert -0.03 < low < high < 0
    low, high = paired_bootstrap(good, alike, measured)
    assert low < 0 < high


def test_the_floor_is_one_half_against_the_other() -> None:
    table = synthetic.table(noise=0.0)
    samples = {n.options: [(1.0, 1.0), (1.1, 1.1), (1.0, 1.0), (1.1, 1.1)] for n in table.networks}
    found = compare(table, samples, Reading(50.0))
    assert found.repeat_errors.mape == pytest.approx(1 - 1 / 1.1)
    assert found.reading.level([(2.0, 3.0), (1.0, 9.0)], 50.0) == 2.5
    assert LOW.level([(2.0, 3.0), (1.0, 9.0)], 50.0) == 2.5
    assert LOW.level([(2.0, 2.0), (1.0, 9.0)], 50.0) == 2.0


def test_multiply_accumulates_near_the_floor_are_told() -> None:
    table = synthetic.table(noise=0.0)
    networks = fresh_networks(table, 10, 1)
    samples = {n: [(synthetic.network_s(spaces.load("tiny"), n),)] * 4 for n in networks}
    found = compare(table, samples, Reading(50.0))
    assert dataclasses.replace(found, macs=found.measured * 1.004).macs_near_floor
    assert not dataclasses.replace(found, macs=found.measured * 1.006).macs_near_floor


@pytest.mark.parametrize(
    ("device", "named"),
    [
        (FakeDevice(machine={"cpu": "other", "kernel": "1"}), "cpu (fake then, other now)"),
        (FakeDevice(settings={"runtime": "fake", "spin": "0"}), "spin ((nothing) then, 0 now)"),
    ],
)
def test_check_on_another_machine_is_refused(
    profiled: Profiled, device: FakeDevice, named: str
) -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        lut.check(lut.CheckRequest(workdir=profiled.workdir, networks=2), Listener(), device)
    assert named in caught.value.message


def test_check_refuses_what_cannot_be(tmp_path: Path) -> None:
    tables.write(tmp_path / "luts" / f"{NAME}.json", synthetic.table())
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"networks": 1}, "--networks"),
        ({"optimised": -1}, "--optimised"),
        ({"percentile": 0.0}, "percentile"),
    )
    for changes, said in wrong:
        request = dataclasses.replace(lut.CheckRequest(workdir=tmp_path), **changes)
        with pytest.raises(BadInput, match=said):
            lut.check(request, Listener(), FakeDevice())
    gone = synthetic.table().model_copy(update={"device": "shelf"})
    tables.write(tmp_path / "luts" / f"{gone.name}.json", gone)
    with pytest.raises(BadInput, match="more than one"):
        lut.check(lut.CheckRequest(workdir=tmp_path), Listener())
    with pytest.raises(BadInput, match="shelf"):
        lut.check(lut.CheckRequest(workdir=tmp_path, lut=gone.name), Listener())


def test_check_takes_the_host_of_the_table_s_device(profiled: Profiled) -> None:
    """This machine is on no other host; where a registered device is, `targets` tests."""
    request = lut.CheckRequest(workdir=profiled.workdir, lut=NAME, host="me@there")
    with pytest.raises(BadInput, match="not on another host"):
        lut.check(request, Listener())


def test_results_are_json(checked: lut.CheckResult) -> None:
    assert lut.CheckResult.model_validate_json(checked.model_dump_json()) == checked
