"""Waiting until a shared machine has the speed again that it had in the loop.

A verdict is about the machine as it is, and a machine that others use may be 10 to 45 % slower for
a quarter of an hour. To ask about the networks, and not about such a quarter, `fit_budgets.py judge
--when-settled MINUTES` launches neighbours of the network that is to be judged, and begins when
they take what they took in the loop, within 1.5 %, faster or slower, twice in a row. The network
itself is never launched before its only verdict.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, final

WITHIN: Final = 0.015
"""Relative difference to the loop's speed that counts as the same; faster is as wrong as slower."""
LAUNCHES: Final = 6
"""Fresh processes of each neighbour, for one look."""
TWICE: Final = 2
"""Looks in a row that must agree."""
PAUSE_S: Final = 10.0
"""Between two looks."""


@final
class Settled:
    """Waits for the loop's speed.

    Args:
        fitted: the loop's networks, by their budgets: each with `artefact`,
            `artefact_sha256` and `measured_s`.
        seconds: longest time to wait, over all networks; after that nothing is waited for.
        launch: one fresh process of an artefact; its latency in seconds.
        sleep: waits so many seconds.
        clock: seconds since some fixed moment.
    """

    def __init__(
        self,
        fitted: Sequence[dict[str, Any]],
        seconds: float,
        launch: Callable[[str], float],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fitted = fitted
        self._left_s = seconds
        self._launch = launch
        self._sleep = sleep
        self._clock = clock

    def wait(self, number: int) -> dict[str, Any]:
        """Wait before the network at a position; what was seen last, and how long it took.

        Where no other network is beside it, nothing can be seen, and nothing is waited for.
        """
        beside = self._beside(number)
        if not beside:
            return {"settled": False, "speed_off": None, "waited_s": 0.0}
        began, agreed = self._clock(), 0
        while True:
            off = self._off(beside)
            agreed = agreed + 1 if abs(off) <= WITHIN else 0
            waited_s = self._clock() - began
            if agreed == TWICE or waited_s >= self._left_s:
                break
            self._sleep(PAUSE_S)
        self._left_s = max(0.0, self._left_s - waited_s)
        return {"settled": agreed == TWICE, "speed_off": off, "waited_s": waited_s}

    def _beside(self, number: int) -> list[dict[str, Any]]:
        """The networks of the budgets beside it; not the same file under another name."""
        mine = self._fitted[number]["artefact_sha256"]
        beside = (self._fitted[max(0, number - 1) : number], self._fitted[number + 1 : number + 2])
        return [one for side in beside for one in side if one["artefact_sha256"] != mine]

    def _off(self, beside: Sequence[dict[str, Any]]) -> float:
        """How much slower these networks are than in the loop, relative."""
        found: dict[str, list[float]] = {one["artefact"]: [] for one in beside}
        for _ in range(LAUNCHES):
            for artefact, taken in found.items():
                taken.append(self._launch(artefact))
        logs = [
            math.log(statistics.median(found[one["artefact"]]) / one["measured_s"])
            for one in beside
        ]
        return math.expm1(statistics.mean(logs))


def launcher(workdir: Path) -> Callable[[str], float]:
    """Launches of artefacts as `sgnas validate` makes them."""
    from sgnas_deploy import targets
    from sgnas_deploy.events import NullReporter
    from sgnas_deploy.pipeline.validate import ValidateRequest
    from sgnas_deploy.verdict.jobs import Job, jobs_of
    from sgnas_deploy.workspace import Workspace
    from sgnas_profilers.backends import RunOptions

    jobs: dict[str, Job] = {}

    def launch(artefact: str) -> float:
        job = jobs.get(artefact)
        if job is None:
            request = ValidateRequest(workdir, (artefact,))
            (job,) = jobs_of(request, Workspace(workdir), NullReporter())
            jobs[artefact] = job
        options = RunOptions(job.settings.threads, "onnx")
        with targets.transport(job.target).start(job.settings.backend, options) as agent:
            found = agent.measure(job.model, job.settings.plan)
        return math.exp(job.test.level(found.timing.samples_s))

    return launch
