"""How much is measured at each quality. One protocol for table, calibration, check and verdict.

After a switch of models a network starts slow and settles only after 15-20 runs, so a different
warm-up between table and test looks like an error of the prediction: whoever times a network that
is compared with a table takes `network_plan`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from sgnas_profilers.timing import TimingPlan

Quality: TypeAlias = Literal["quick", "normal", "careful"]


def block_plan(sample_s: float, samples: int) -> TimingPlan:
    """Timing of an isolated block: a sample is the mean of enough hot runs to fill `sample_s`."""
    return TimingPlan(warmup_runs=8, warmup_s=sample_s, sample_s=sample_s, samples=samples)


def network_plan(samples: int) -> TimingPlan:
    """Timing of a whole network: after 20 runs and 30 ms, every sample is one hot run."""
    return TimingPlan(warmup_runs=20, warmup_s=0.03, sample_s=0.0, samples=samples)


@final
@dataclass(frozen=True)
class Effort:
    """What a quality means.

    Attributes:
        passes: times that every block is measured, and launches of every calibration network.
        networks: calibration networks.
        form_rounds: times that every graph form is tried with `--form auto`.
        block: timing of a block in a pass.
        network: timing of a network in a launch.
    """

    passes: int
    networks: int
    form_rounds: int
    block: TimingPlan
    network: TimingPlan


EFFORTS: Final[dict[Quality, Effort]] = {
    "quick": Effort(2, 8, 2, block_plan(0.0003, 3), network_plan(40)),
    "normal": Effort(4, 9, 3, block_plan(0.0003, 3), network_plan(60)),
    "careful": Effort(8, 10, 5, block_plan(0.001, 5), network_plan(100)),
}
