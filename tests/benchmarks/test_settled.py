"""The wait for the loop's speed: on a machine whose speed is known at every second."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.settled import PAUSE_S, WITHIN, Settled

FITTED: list[dict[str, Any]] = [
    {"artefact": f"{number}.onnx", "artefact_sha256": str(number), "measured_s": number * 1e-3}
    for number in (1, 2, 3)
]


class Machine:
    """One launch takes a second; `speed` says how much longer everything takes then."""

    def __init__(self, speed: Callable[[float], float]) -> None:
        self.speed = speed
        self.time_s = 0.0
        self.launched: list[str] = []

    def launch(self, artefact: str) -> float:
        self.launched.append(artefact)
        self.time_s += 1
        return float(artefact.removesuffix(".onnx")) * 1e-3 * self.speed(self.time_s)

    def sleep(self, seconds: float) -> None:
        self.time_s += seconds

    def settled(self, seconds: float) -> Settled:
        return Settled(FITTED, seconds, self.launch, self.sleep, lambda: self.time_s)


def test_a_machine_at_its_speed_is_looked_at_twice_and_never_by_the_judged_network() -> None:
    machine = Machine(lambda _: 1.0)
    seen = machine.settled(600).wait(1)
    assert seen["settled"]
    assert seen["speed_off"] == pytest.approx(0)
    assert set(machine.launched) == {"1.onnx", "3.onnx"}
    assert seen["waited_s"] == len(machine.launched) + PAUSE_S


@pytest.mark.parametrize("speed", [1.3, 1 / 1.3])
def test_another_speed_is_waited_out_be_it_slower_or_faster(speed: float) -> None:
    machine = Machine(lambda now: speed if now < 200 else 1.0)
    seen = machine.settled(600).wait(0)
    assert seen["settled"]
    assert machine.time_s > 200
    assert abs(seen["speed_off"]) <= WITHIN
    assert set(machine.launched) == {"2.onnx"}


def test_the_time_to_wait_is_for_all_networks_together() -> None:
    machine = Machine(lambda _: 1.1)
    settled = machine.settled(100)
    first = settled.wait(0)
    assert not first["settled"]
    assert first["speed_off"] == pytest.approx(0.1)
    assert 100 <= first["waited_s"] < 120
    second = settled.wait(1)
    assert not second["settled"]
    assert second["waited_s"] < 20  # one look


def test_one_look_that_agrees_is_not_enough() -> None:
    machine = Machine(lambda now: 1.0 if now < 5 or now > 60 else 1.2)
    seen = machine.settled(600).wait(0)
    assert seen["settled"]
    assert machine.time_s > 60


def test_the_neighbours_common_speed_counts() -> None:
    """What one of them has more and the other less is theirs, not the machine's."""
    machine = Machine(lambda _: 1.0)
    odd = {"1.onnx": math.exp(0.03), "3.onnx": math.exp(-0.03)}
    settled = Settled(
        FITTED,
        600,
        lambda artefact: machine.launch(artefact) * odd[artefact],
        machine.sleep,
        lambda: machine.time_s,
    )
    seen = settled.wait(1)
    assert seen["settled"]
    assert seen["speed_off"] == pytest.approx(0)


def test_the_same_file_for_another_budget_is_no_neighbour() -> None:
    machine = Machine(lambda _: 1.0)
    same = {**FITTED[0], "artefact_sha256": FITTED[1]["artefact_sha256"]}
    beside_itself = Settled(
        [same, *FITTED[1:]], 600, machine.launch, machine.sleep, lambda: machine.time_s
    )
    assert beside_itself.wait(1)["settled"]
    assert set(machine.launched) == {"3.onnx"}


def test_a_network_alone_is_not_said_to_have_settled() -> None:
    machine = Machine(lambda _: 1.0)
    alone = Settled(FITTED[:1], 600, machine.launch, machine.sleep, lambda: machine.time_s)
    assert alone.wait(0) == {"settled": False, "speed_off": None, "waited_s": 0.0}
    assert machine.launched == []
