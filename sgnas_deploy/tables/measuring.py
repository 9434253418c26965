"""Measuring a table: what is measured in which order, and what of it is already known.

Passes and launches alternate, each a fresh process: in a pass it measures every block once, in a
launch every calibration network, in random order and with one model open at a time. So blocks and
networks see the same minutes of the machine, and the networks, measured again and again over the
sitting, show how it drifts. (A process of its own for every network was tried: on a quiet CPU the
low quantiles agreed within 0.3 %, and it took three times as long.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias, TypedDict, TypeVar, final

import numpy as np

from sgnas_deploy import spaces
from sgnas_deploy.emitter import DEFAULT_FORM, FORMS, emit_block, emit_network
from sgnas_deploy.errors import EnvironmentProblem
from sgnas_deploy.events import Note, Reporter, stage
from sgnas_deploy.spaces import Space
from sgnas_deploy.tables.calibration import Options, calibration_networks, form_networks
from sgnas_deploy.tables.codec import rounded
from sgnas_deploy.tables.journal import (
    BlockRecord,
    FormRecord,
    Journal,
    NetworkRecord,
)
from sgnas_deploy.tables.noise import BLOCK_GAP, unsteady
from sgnas_deploy.tables.partial import Partial
from sgnas_deploy.tables.plans import Effort
from sgnas_deploy.tables.predictor import costs_of, macs_costs
from sgnas_deploy.tables.statistics import (
    Statistic,
    block_cost_s,
    repeat_gap,
    spans,
)
from sgnas_profilers.backends import RunOptions
from sgnas_profilers.timing import TimingPlan
from sgnas_profilers.transports import Agent, Hello, Measurement, Transport

RETRIES: Final = 3
"""So often is measured once more what stays noisy."""

FORM_ADVANTAGE: Final = 0.01
"""A graph form must be that much faster than the default to be chosen."""

_CACHE_BYTES: Final = 192 * 2**20

Key: TypeAlias = tuple[int, str]
T = TypeVar("T")


@final
class Bench:
    """A device with one setting; every process on it must say that the setting is still the same.

    Attributes:
        hello: what the first process said.
    """

    def __init__(self, transport: Transport, backend: str, threads: int) -> None:
        self._transport = transport
        self._backend = backend
        self._options = RunOptions(threads=threads)
        self._waiting: Agent | None = self._start()
        self.hello: Hello = self._waiting.hello

    @contextmanager
    def process(self) -> Iterator[Agent]:
        """A fresh process on the device.

        Raises:
            EnvironmentProblem: machine or settings are not what they were at the beginning.
        """
        agent, self._waiting = self._waiting or self._start(), None
        try:
            for what, then, now in (
                ("settings", self.hello.backend, agent.hello.backend),
                ("environment", self.hello.machine, agent.hello.machine),
            ):
                if changed := differing(then, now):
                    name, before, after = changed[0]
                    raise EnvironmentProblem(
                        f"the device's {what} changed while it was measured: {name} was "
                        f"{before!r} and is {after!r}",
                        "restore it and run the same command again, or start anew with --fresh",
                    )
            yield agent
        finally:
            agent.close()

    def close(self) -> None:
        """End a process that was started and not used."""
        if self._waiting is not None:
            self._waiting.close()
            self._waiting = None

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _start(self) -> Agent:
        return self._transport.start(self._backend, self._options)


def differing(
    first: Mapping[str, str], second: Mapping[str, str]
) -> tuple[tuple[str, str, str], ...]:
    """Names whose values differ, with both values."""
    missing = "(nothing)"
    return tuple(
        (name, first.get(name, missing), second.get(name, missing))
        for name in sorted({*first, *second})
        if first.get(name, missing) != second.get(name, missing)
    )


@final
@dataclass(frozen=True)
class Job:
    """What a sitting is about.

    Attributes:
        space: whose blocks.
        batch: images a run.
        form: a graph form, None to try them.
        effort: how much.
        statistic: what stands for a block.
        seed: of every random order and choice.
        precision: of the models.
        backend: what executes them: decides the kind of integers of int8.
        partial: which blocks are measured and what the others cost; None for all of them.
        networks: the calibration networks; None to choose them by the first pass.
    """

    space: Space
    batch: int
    form: str | None
    effort: Effort
    statistic: Statistic
    seed: int
    precision: str = "fp32"
    backend: str = "onnxruntime"
    partial: Partial | None = None
    networks: tuple[Options, ...] | None = None


@final
class Sitting:
    """Measures a job on a bench into a journal, leaving out what the journal has.

    Attributes:
        job: what is measured.
        resumed: keys of blocks that an earlier run has measured, at least in part.
    """

    def __init__(self, job: Job, bench: Bench, journal: Journal, reporter: Reporter) -> None:
        self.job = job
        self._bench = bench
        self._journal = journal
        self._reporter = reporter
        self._blocks: dict[Key, BlockRecord] = {}
        self._networks: dict[tuple[int, Options], NetworkRecord] = {}
        self._forms: dict[tuple[int, str, Options], FormRecord] = {}
        for record in journal.records:
            if isinstance(record, BlockRecord):
                self._blocks.setdefault((record.number, record.key), record)
            elif isinstance(record, NetworkRecord):
                self._networks.setdefault((record.number, record.options), record)
            else:
                self._forms.setdefault((record.number, record.form, record.options), record)
        self.resumed: Final = frozenset(key for _, key in self._blocks)
        self._catalogue = {block.key: block for block in spaces.all_blocks(job.space)}
        self._chosen: tuple[Options, ...] | None = None
        self._models: dict[tuple[str, str], bytes] = {}
        self._models_bytes = 0

    def run(self) -> str:
        """Measure all that is missing; returns the graph form."""
        effort = self.job.effort
        form = self.job.form or self._choose_form()
        keys = self.keys
        for number in range(effort.passes):
            self._pass(f"blocks, pass {number + 1} of {effort.passes}", number, keys, form)
            networks = self.networks
            title = f"networks, launch {number + 1} of {effort.passes}"
            self._launch(title, number, networks, form)
        for round_ in range(RETRIES):
            number = effort.passes + round_
            often = "once more" if round_ == 0 else f"once more, {round_ + 1} of {RETRIES}"
            again = [key for key in keys if self._block_gap(key, number) > BLOCK_GAP]
            self._pass(f"noisy blocks {often}", number, again, form)
            again_networks = [o for o in self.networks if self._unsteady(o, number)]
            self._launch(f"noisy networks {often}", number, again_networks, form)
        return form

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the blocks that are measured."""
        return tuple(self._catalogue) if self.job.partial is None else self.job.partial.keys

    @property
    def networks(self) -> tuple[Options, ...]:
        """The calibration networks; known when the first pass is."""
        job = self.job
        if job.networks is not None:
            return job.networks
        if self._chosen is None:
            first = {
                key: block_cost_s([self._blocks[0, key].samples_s], job.statistic)
                for key in self.keys
            }
            costs = costs_of(job.space, job.partial.complete(first) if job.partial else first)
            self._chosen = calibration_networks(job.space, costs, job.effort.networks, job.seed)
        return self._chosen

    def block_records(self, key: str) -> tuple[BlockRecord, ...]:
        """What is known of a block, in the order of the passes."""
        found = (self._blocks.get((n, key)) for n in range(self.job.effort.passes + RETRIES))
        return tuple(record for record in found if record is not None)

    def network_records(self, options: Options) -> tuple[NetworkRecord, ...]:
        """What is known of a network, in the order of the launches."""
        found = (self._networks.get((n, options)) for n in range(self.job.effort.passes + RETRIES))
        return tuple(record for record in found if record is not None)

    def form_records(self) -> tuple[FormRecord, ...]:
        """What is known of the graph forms, in the order of form, network and round."""
        order = {form: i for i, form in enumerate(FORMS)}
        return tuple(
            sorted(
                self._forms.values(),
                key=lambda record: (order[record.form], record.options, record.number),
            )
        )

    # A run that goes on with another must ask the same question: of what came before a round only.

    def _block_gap(self, key: str, before: int) -> float:
        known = (self._blocks.get((number, key)) for number in range(before))
        samples = [record.samples_s for record in known if record is not None]
        return repeat_gap([block_cost_s([part], self.job.statistic) for part in samples])

    def _unsteady(self, options: Options, before: int) -> bool:
        known = (self._networks.get((number, options)) for number in range(before))
        return unsteady([record.samples_s for record in known if record is not None])

    def _pass(self, title: str, number: int, keys: Sequence[str], form: str) -> None:
        missing = [key for key in keys if (number, key) not in self._blocks]
        if not missing:
            return
        self._rng("pass", number).shuffle(missing)
        with (
            stage(self._reporter, title, len(missing), "blocks") as progress,
            self._bench.process() as agent,
        ):
            for key in missing:
                found = agent.measure(self._block_model(key, form), self.job.effort.block)
                record = BlockRecord(key=key, number=number, **_content(found))
                self._journal.append(record)
                self._blocks[number, key] = record
                progress.advance(note=key)

    def _launch(self, title: str, number: int, networks: Sequence[Options], form: str) -> None:
        missing = [options for options in networks if (number, options) not in self._networks]
        if not missing:
            return
        self._rng("launch", number).shuffle(missing)
        with (
            stage(self._reporter, title, len(missing), "networks") as progress,
            self._bench.process() as agent,
        ):
            for options in missing:
                model = job_model(self.job, options, form)
                found = agent.measure(model, self.job.effort.network)
                record = NetworkRecord(options=options, number=number, **_content(found))
                self._journal.append(record)
                self._networks[number, options] = record
                progress.advance()

    def _choose_form(self) -> str:
        job = self.job
        networks = form_networks(job.space, macs_costs(job.space), job.seed)
        trials = [
            (number, form, options)
            for number in range(job.effort.form_rounds)
            for form, options in _shuffled(
                [(form, options) for form in FORMS for options in networks],
                self._rng("form", number),
            )
        ]
        missing = [trial for trial in trials if trial not in self._forms]
        plan = _shorter(job.effort.network)
        if missing:
            with (
                stage(self._reporter, "trying graph forms", len(missing), "runs") as progress,
                self._bench.process() as agent,
            ):
                for number, form, options in missing:
                    model = job_model(job, options, form)
                    content = _content(agent.measure(model, plan))
                    record = FormRecord(form=form, options=options, number=number, **content)
                    self._journal.append(record)
                    self._forms[number, form, options] = record
                    progress.advance(note=form)
        chosen, ratios = choose_form(self.form_records())
        text = ", ".join(f"{form} {ratio:.2f}" for form, ratio in ratios.items())
        self._reporter.event(Note(f"graph form {chosen} (time relative to {DEFAULT_FORM}: {text})"))
        return chosen

    def _block_model(self, key: str, form: str) -> bytes:
        found = self._models.get((form, key))
        if found is None:
            job = self.job
            found = emit_block(self._catalogue[key], form, job.batch, job.precision, job.backend)
            if self._models_bytes + len(found) < _CACHE_BYTES:
                self._models[form, key] = found
                self._models_bytes += len(found)
        return found

    def _rng(self, what: str, number: int) -> np.random.Generator:
        return np.random.default_rng([self.job.seed, number, *what.encode()])


def job_model(job: Job, options: Options, form: str) -> bytes:
    """A network of a job as it is timed."""
    return network_model(job.space, options, form, job.batch, job.precision, job.backend)


def network_model(
    space: Space,
    options: Options,
    form: str,
    batch: int,
    precision: str = "fp32",
    backend: str = "onnxruntime",
) -> bytes:
    """A network as it is timed, with arbitrary weights."""
    model = emit_network(space, options, form, batch, precision=precision, backend=backend)
    return bytes(model.SerializeToString())


def choose_form(records: Sequence[FormRecord]) -> tuple[str, dict[str, float]]:
    """The fastest form, and each form's time relative to the default.

    A form's time on a network is the median over the rounds of each round's median; over networks
    the ratios are averaged geometrically.
    """
    medians: dict[str, dict[Options, list[float]]] = {}
    for record in records:
        rounds = medians.setdefault(record.form, {}).setdefault(record.options, [])
        rounds.append(float(np.median(record.samples_s)))
    default = medians[DEFAULT_FORM]
    ratios = {
        form: float(
            np.exp(
                np.mean(
                    [
                        np.log(np.median(rounds) / np.median(default[options]))
                        for options, rounds in by_network.items()
                    ]
                )
            )
        )
        for form, by_network in medians.items()
    }
    fastest = min(ratios, key=lambda form: ratios[form])
    return (fastest if ratios[fastest] < 1 - FORM_ADVANTAGE else DEFAULT_FORM), ratios


@final
@dataclass(frozen=True)
class Fresh:
    """What was measured of networks that are in no table.

    Attributes:
        samples_s: of each network, the hot runs of each launch, seconds.
        conditions: what was read of the machine meanwhile, as in a table.
    """

    samples_s: dict[Options, list[tuple[float, ...]]]
    conditions: dict[str, str]


def measure_networks(
    bench: Bench,
    model: Callable[[Options], bytes],
    networks: Sequence[Options],
    launches: int,
    plan: TimingPlan,
    seed: int,
    reporter: Reporter,
) -> Fresh:
    """Measure networks by the protocol of a table's calibration networks.

    A launch is one fresh process, in random order; what stays unsteady is measured once more,
    `RETRIES` times at most.
    """
    found: dict[Options, list[tuple[float, ...]]] = {options: [] for options in networks}
    states: list[Mapping[str, float | str]] = []
    for number in range(launches + RETRIES):
        title, wanted = f"fresh networks, launch {number + 1} of {launches}", list(networks)
        if number >= launches:
            wanted = [options for options in networks if unsteady(found[options])]
            title = f"noisy networks once more, {number - launches + 1} of {RETRIES}"
        if not wanted:
            break
        rng = np.random.default_rng([seed, number])
        with stage(reporter, title, len(wanted), "networks") as progress, bench.process() as agent:
            for options in _shuffled(wanted, rng):
                measured = agent.measure(model(options), plan)
                samples = tuple(rounded(sample) for sample in measured.timing.samples_s)
                found[options].append(samples)
                states.append(measured.state)
                progress.advance()
    return Fresh(found, spans(states))


def _shuffled(items: list[T], rng: np.random.Generator) -> list[T]:
    return [items[int(i)] for i in rng.permutation(len(items))]


def _shorter(plan: TimingPlan) -> TimingPlan:
    """A third of the samples: a trial needs no percentiles."""
    return TimingPlan(plan.warmup_runs, plan.warmup_s, plan.sample_s, max(8, plan.samples // 3))


class _Content(TypedDict):
    samples_s: tuple[float, ...]
    inner_loops: int
    warmup_runs: int
    state: dict[str, float | str]


def _content(found: Measurement) -> _Content:
    return {
        "samples_s": tuple(rounded(sample) for sample in found.timing.samples_s),
        "inner_loops": found.timing.inner_loops,
        "warmup_runs": found.timing.warmup_runs,
        "state": dict(found.state),
    }
