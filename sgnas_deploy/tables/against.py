"""Whether a precision pays: one network in it and in single precision, measured in turns."""

from __future__ import annotations

from typing import Final

import numpy as np

from sgnas_deploy.events import Note, Reporter, Warned, stage
from sgnas_deploy.tables.calibration import Options
from sgnas_deploy.tables.measuring import Bench, Job, network_model

ROUNDS: Final = 3
WORTH: Final = 0.97
"""A precision is called faster from this share of single precision's time on."""


def against_fp32(bench: Bench, job: Job, form: str, options: Options, reporter: Reporter) -> float:
    """Time of a network as a share of its time in single precision; reported as a finding.

    Args:
        bench: the device.
        job: the sitting's: its precision is not fp32.
        form: the graph form.
        options: the network.
        reporter: told what came out.

    Returns:
        The median over the rounds of the ratio of both medians.
    """
    models = [
        network_model(job.space, options, form, job.batch, precision, job.backend)
        for precision in (job.precision, "fp32")
    ]
    ratios: list[float] = []
    title = f"comparing {job.precision} with fp32"
    with stage(reporter, title, ROUNDS, "rounds") as progress, bench.process() as agent:
        for _ in range(ROUNDS):
            own, single = (
                float(np.median(agent.measure(model, job.effort.network).timing.samples_s))
                for model in models
            )
            ratios.append(own / single)
            progress.advance()
    ratio = float(np.median(ratios))
    if ratio > WORTH:
        text = f"{job.precision} is not faster here: {ratio:.2f} of the time of fp32"
        reporter.event(Warned(f"{text}, on one network"))
    else:
        reporter.event(
            Note(f"{job.precision} takes {ratio:.2f} of the time of fp32, on one network")
        )
    return ratio
