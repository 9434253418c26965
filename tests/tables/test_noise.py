from __future__ import annotations

import pytest

from sgnas_deploy.tables.noise import causes, noise_warnings, too_noisy, unsteady
from tests.tables import synthetic

QUIET = [(1.0, 1.01, 1.02)] * 4


@pytest.mark.parametrize(
    ("conditions", "environment", "said"),
    [
        ({"governor": "powersave"}, {}, "governor is powersave"),
        ({}, {"governor": "ondemand"}, "governor is ondemand"),
        ({"cpu_share_others": "0.01..0.45"}, {}, "up to 45%"),
        ({"cpu_share_stolen": "0..0.047619"}, {}, "hypervisor took up to 5%"),
        ({"throttled_core": "3..9"}, {}, "slowed down 6 times (throttled_core)"),
        ({"throttled_quota": "0..2"}, {}, "slowed down 2 times (throttled_quota)"),
        ({"over_current_oc1": "0..1"}, {}, "over_current_oc1"),
        ({"cpu_mhz": "1200..2600"}, {}, "between 1200 and 2600 MHz"),
        ({"gpu_mhz": "306..1020"}, {}, "gpu_mhz"),
        ({"temperature_soc_c": "60..91.5"}, {}, "91.5 degrees"),
        (
            {},
            {"gpu_min_mhz": "306", "gpu_max_mhz": "1020", "power_mode": "15W"},
            "not locked (306 to 1020 MHz, nvpmodel power mode 15W)",
        ),
    ],
)
def test_causes_are_named(
    conditions: dict[str, str], environment: dict[str, str], said: str
) -> None:
    (found,) = causes(conditions, environment)
    assert said in found


def test_a_quiet_machine_has_no_causes() -> None:
    conditions = {
        "governor": "performance",
        "cpu_share_others": "0..0.02",
        "cpu_share_stolen": "0",
        "throttled_core": "7",
        "cpu_mhz": "2590..2600",
        "temperature_soc_c": "41..55",
        "load_1min": "0.1..9",
        "denormals_flushed": "yes",
        "odd": "1..2..3",
        "worse": "..",
        "1.merged": "a, b",
    }
    assert causes(conditions, {"gpu_min_mhz": "900", "gpu_max_mhz": "900"}) == ()


def test_causes_are_only_looked_for_where_something_is_wrong() -> None:
    busy = {"cpu_share_others": "0.1..0.9"}
    quiet = synthetic.table(noise=0.001).model_copy(update={"conditions": busy})
    assert noise_warnings(quiet) == ()
    loud = synthetic.table(noise=0.3).model_copy(update={"conditions": busy})
    found = noise_warnings(loud)
    assert found[-1].startswith("what may explain it: other processes used up to 90%")


def test_throttling_is_told_in_any_case() -> None:
    table = synthetic.table(noise=0.001).model_copy(
        update={"conditions": {"throttled_package": "1..4"}}
    )
    assert noise_warnings(table) == ("the machine was slowed down 3 times (throttled_package)",)


def test_unsteady_networks() -> None:
    assert not unsteady(QUIET)
    # No second launch near the best.
    assert unsteady([(1.0, 1.0), (1.05, 1.05), (1.06, 1.06)])
    # Two launches bear each other out, but others pull the median away.
    assert unsteady([(1.0,) * 5, (1.01,) * 5, (1.3,) * 20])
    assert not unsteady([(1.0,) * 5, (1.01,) * 5, (1.3,) * 2])
    assert not unsteady([(1.0, 1.0)])


def test_too_noisy_is_told_from_noisy() -> None:
    assert not too_noisy(synthetic.table(noise=0.01))
    assert too_noisy(synthetic.table(noise=0.3))
