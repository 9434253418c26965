"""The benchmark on invented tables: what may be known when, and whether the figures are right."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from sgnas_deploy.bench import csvs, nasbench201, rivals
from sgnas_deploy.bench.nasbench201 import Answer, Question
from sgnas_deploy.bench.proposals import Proposals
from sgnas_deploy.errors import BadInput
from sgnas_deploy.spaces.cell import canonical_networks, from_string
from tests.nasbench201 import synthetic
from tests.nasbench201.synthetic import EVERY, Likes, Options


def ask(
    folder: Path,
    latencies: Mapping[Options, float],
    samples: int = 40,
    budgets: int = 5,
    **metrics: Mapping[Options, float],
) -> Answer:
    table = csvs.Latencies(latencies, samples)
    path = synthetic.write_accuracies(
        folder / "accuracies.csv", **(metrics or {"top1": synthetic.accuracies()})
    )
    question = Question(table, path, samples, budgets, seed=0)
    answer = nasbench201.run(question, Likes(), synthetic.supernet_scores())
    assert table.looked_up == answer.looked_up <= samples
    return answer


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    return ask(tmp_path_factory.mktemp("bench"), synthetic.latencies(False))


def test_budgets_cover_the_range_and_are_kept(answer: Answer) -> None:
    truth = synthetic.latencies(False)
    budgets = [report.budget_s for report in answer.budgets]
    assert len(budgets) == 5
    assert budgets == sorted(budgets)
    assert answer.fastest_s < budgets[0]
    assert budgets[-1] == pytest.approx(answer.slowest_s)
    for method in answer.methods:
        assert method.kept == 1.0, "one per cent of noise is within the margin"
        assert method.unused is not None
        assert 0 <= method.unused < 0.5
        assert method.missing == 0
    for report in answer.budgets:
        for pick in report.picks.values():
            assert pick.latency_s == truth[from_string(pick.arch)]
            assert pick.kept == (pick.latency_s <= report.budget_s)
            assert pick.unused == pytest.approx(1 - pick.latency_s / report.budget_s)


def test_accuracies_are_those_of_the_table(answer: Answer) -> None:
    truth = synthetic.accuracies()
    by_name = {method.method: method for method in answer.methods}
    for name in nasbench201.METHODS:
        own = [report.picks[name].accuracy["top1"] for report in answer.budgets]
        assert own == [truth[from_string(r.picks[name].arch)] for r in answer.budgets]
        assert by_name[name].accuracy["top1"] == pytest.approx(np.mean(np.array(own, float)))
        regret = by_name[name].regret["top1"]
        assert regret is not None
        assert regret >= 0


def test_the_oracle_is_the_best_there_is(answer: Answer) -> None:
    latency, accuracy = synthetic.latencies(False), synthetic.accuracies()
    for report in answer.budgets:
        best = report.oracle["top1"]
        assert best is not None
        within = [o for o in EVERY if latency[o] <= report.budget_s]
        assert best.accuracy["top1"] == max(accuracy[o] for o in within)
        assert best.kept


def test_looks_into_the_supernet_are_counted(answer: Answer) -> None:
    looks = {method.method: method.evaluations for method in answer.methods}
    assert looks["generator"] == 0
    assert looks["generator, reranked"] <= nasbench201.RERANKED
    assert looks["random search"] == looks["evolution"] <= nasbench201.EVALUATIONS
    assert looks["supernet, exhaustive"] > looks["evolution"]


def test_rerank_and_exhaustive_look_at_the_supernet_only(answer: Answer) -> None:
    for report in answer.budgets:
        scores = {m: p.supernet_accuracy or 0.0 for m, p in report.picks.items()}
        assert scores["generator, reranked"] >= scores["generator"]
        assert scores["supernet, exhaustive"] == max(scores.values())


@pytest.mark.parametrize("dead_edges", [True, False])
def test_the_predictor_is_judged_on_the_rest(dead_edges: bool, tmp_path: Path) -> None:
    found = ask(tmp_path, synthetic.latencies(dead_edges))
    assert found.dead_edges == ("executed" if dead_edges else "removed")
    assert found.rest == len(EVERY) - 40
    own, flops, constant = found.predictors
    assert (own.name, flops.name, constant.name) == ("sgnas", "flops", "constant")
    assert own.median_error < 0.02 < flops.median_error < constant.median_error
    assert constant.spearman is None


def test_nothing_depends_on_accuracies_before_the_report(tmp_path: Path, answer: Answer) -> None:
    other = {o: -value for o, value in synthetic.accuracies().items()}
    found = ask(tmp_path, synthetic.latencies(False), top1=other)
    assert [r.budget_s for r in found.budgets] == [r.budget_s for r in answer.budgets]
    for first, second in zip(found.budgets, answer.budgets, strict=True):
        assert {m: p.arch for m, p in first.picks.items()} == {
            m: p.arch for m, p in second.picks.items()
        }


def test_accuracies_are_read_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    class Watched(Likes):
        def option_scores(self, shares: np.ndarray) -> tuple[np.ndarray, ...]:
            order.append("generated")
            return super().option_scores(shares)

    real, unlock = csvs.read_accuracies, csvs.Latencies.unlock

    def reading(path: Path) -> dict[str, dict[Options, float]]:
        order.append("accuracies")
        return real(path)

    def unlocking(table: csvs.Latencies) -> Mapping[Options, float]:
        order.append("latencies")
        return unlock(table)

    monkeypatch.setattr(csvs, "read_accuracies", reading)
    monkeypatch.setattr(csvs.Latencies, "unlock", unlocking)
    path = synthetic.write_accuracies(tmp_path / "a.csv", top1=synthetic.accuracies())
    table = csvs.Latencies(synthetic.latencies(True), 20)
    nasbench201.run(Question(table, path, 20, 3, 0), Watched(), synthetic.supernet_scores())
    assert order.index("latencies") > max(i for i, w in enumerate(order) if w == "generated")
    assert order[-2:] == ["latencies", "accuracies"]


def test_missing_rows_are_counted_and_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    some = {o: v for o, v in synthetic.latencies(True).items() if rng.random() < 0.5}
    half = {o: v for o, v in synthetic.accuracies().items() if rng.random() < 0.5}
    found = ask(tmp_path, some, budgets=12, top1=half, other=synthetic.accuracies())
    assert found.metrics == ("top1", "other")
    assert found.rest == len(some) - 40
    for method in found.methods:
        picks = [report.picks[method.method] for report in found.budgets]
        lacking = [p for p in picks if p.latency_s is None or p.accuracy["top1"] is None]
        assert method.missing == len(lacking)
        assert all((p.kept is None) == (p.latency_s is None) for p in picks)
        known = [float(bool(p.kept)) for p in picks if p.kept is not None]
        assert method.kept == pytest.approx(np.mean(known))
    assert sum(method.missing for method in found.methods) > 0
    for report in found.budgets:
        best = report.oracle["top1"]
        assert best is None or best.latency_s is not None


def test_a_handful_of_latencies_is_refused(tmp_path: Path) -> None:
    few = dict(list(synthetic.latencies(True).items())[:3])
    with pytest.raises(BadInput, match="too few"):
        ask(tmp_path, few)


@pytest.mark.parametrize("evaluations", [1, 30, 10_000])
def test_rivals_keep_the_budget(evaluations: int) -> None:
    networks, scores = canonical_networks(), synthetic.supernet_scores()
    allowed = np.zeros(len(networks), np.bool_)
    allowed[::7] = True
    rng = np.random.default_rng(0)
    count = min(evaluations, 400)
    chance = rivals.random_search(scores, allowed, count, rng)
    assert allowed[chance]
    assert allowed[rivals.evolution(networks, scores, allowed, count, rng)]


def test_evolution_beats_chance_at_equal_cost() -> None:
    networks, scores = canonical_networks(), synthetic.supernet_scores()
    allowed = np.ones(len(networks), np.bool_)
    found: dict[str, list[float]] = {"random": [], "evolved": []}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        found["random"].append(scores[rivals.random_search(scores, allowed, 150, rng)])
        found["evolved"].append(scores[rivals.evolution(networks, scores, allowed, 150, rng)])
    assert np.mean(found["evolved"]) > np.mean(found["random"])


def test_evolution_can_see_everything() -> None:
    networks, scores = canonical_networks(), synthetic.supernet_scores()
    allowed = np.zeros(len(networks), np.bool_)
    allowed[::100] = True
    rng = np.random.default_rng(0)
    found = rivals.evolution(networks, scores, allowed, int(allowed.sum()), rng)
    assert scores[found] == scores[allowed].max()


def test_proposals_keep_the_target_and_use_it_up() -> None:
    networks = canonical_networks()
    operations = np.array([sum(o == 3 for o in own) + 0.1 * sum(o == 2 for o in own)
                           for own in networks.tolist()])  # fmt: skip
    latency = 1 + operations + 0.01 * (networks == 4).sum(axis=1)
    proposals = Proposals(Likes(), networks, operations)
    for target in (1.0, 2.3, 4.0, 6.9, 9.0):
        top = proposals.top(0.0, latency, target, 10)
        assert (latency[top] <= target).all()
        assert len(set(top.tolist())) == len(top) <= 10
        # The generator does not care here: what is left is less than a 3x3 convolution.
        assert latency[top[0]] >= min(target, latency.max()) - 1.0
    shares = (latency - latency.min()) / np.ptp(latency)
    swept = proposals.sweep(shares, 0.5)
    assert (shares[swept] <= 0.5).all()
    assert len(set(swept.tolist())) == len(swept)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'arch'"),
        ("arch\n", "no column 'latency_ms'"),
        ("arch,latency_ms\n", "no latencies"),
        ("arch,latency_ms\nx,1\n", "line 2: .*no cell"),
        ("arch,latency_ms\n{0},0\n", "line 2: a latency of 0"),
        ("arch,latency_ms\n{0},fast\n", "line 2: 'fast' is no number"),
        ("arch,latency_ms\n{0},nan\n", "no finite number"),
        ("arch,latency_ms\n{0},1\n{0},2\n", "line 3: the cell stands there twice"),
    ],
)
def test_bad_latencies_are_refused_by_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    cell = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    path.write_text(text.format(cell))
    with pytest.raises(BadInput, match=message):
        csvs.read_latencies(path, 10)


def test_bad_accuracies_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("arch\n")
    with pytest.raises(BadInput, match="no column besides"):
        csvs.read_accuracies(path)
    with pytest.raises(BadInput, match="cannot read"):
        csvs.read_accuracies(tmp_path / "nothing.csv")
