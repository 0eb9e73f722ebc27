"""Chunks of episodes merged: what all episodes at once come to, whoever played them."""

import csv
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import evaluate
from baselines import chunks
from baselines.chunks import Play, check_episodes
from baselines.policy import RandomPolicy, Rule, of_chunk
from baselines.references import find_reference
from baselines.rules.cash import BuyBuyConvert
from baselines.rules.reference import RandomTier, reference_team
from baselines.solvers.cash.hindsight import hindsight_reference
from baselines.solvers.reference import Reference
from common.errors import InputError
from envs.cash.parameters import CashParameters
from envs.problems import PROBLEMS
from envs.supply_chain.parameters import SupplyChainParameters
from evaluation.comparison import AGENT_NAME, compare, gap_interval
from evaluation.estimators import estimator_for
from evaluation.merging.moments import Moments, merge, merged_mean
from evaluation.merging.samples import HeldEpisodes, Tail
from evaluation.statistics import plain_mean, regression_mean, worst_mean
from evaluation.tiers import MEASURES, tier_results

CASH = PROBLEMS["cash"]
SHORT = CashParameters(max_steps=6)
RULES = {AGENT_NAME: BuyBuyConvert(stop_before_end=2), "buy_buy_convert": BuyBuyConvert()}
COLUMNS = arrays(np.float64, (23, 4), elements=st.floats(-1e3, 1e3))


@pytest.fixture
def small_chunks(monkeypatch):
    """Let chunks be of 50 episodes."""
    monkeypatch.setattr(chunks, "CHUNK", 50)


@given(COLUMNS, st.integers(1, 22))
def test_moments_do_not_depend_on_where_rows_are_cut(columns, cut):
    whole, parts = (
        Moments.of(columns),
        merge([Moments.of(columns[:cut]), Moments.of(columns[cut:])]),
    )
    assert parts.count == 23
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(parts.cross, whole.cross, rtol=1e-9, atol=1e-5)
    np.testing.assert_array_equal(parts.low, columns.min(axis=0))
    np.testing.assert_array_equal(parts.high, columns.max(axis=0))


def test_a_regression_on_moments_is_that_on_values():
    rng = np.random.default_rng(3)
    covariates = rng.normal(size=(200, 3)) * [1.0, 1e-3, 50.0]
    covariates = np.column_stack([covariates, covariates[:, 0] - covariates[:, 1]])  # of rank 3
    values = 7.0 + covariates @ [1.0, 200.0, 0.0, 0.0] + rng.normal(size=200)
    known = Moments.of(np.column_stack([covariates, values]))
    own, wanted = merged_mean(known.column(-1), np.arange(4)), regression_mean(values, covariates)
    assert own.mean == pytest.approx(wanted.mean, rel=1e-10)
    assert own.se == pytest.approx(wanted.se, rel=1e-8)
    assert own.dof == wanted.dof == 200 - 4


def test_combinations_are_values_that_nobody_holds():
    first, second = np.random.default_rng(0).normal(3.0, 2.0, (2, 90))
    known = Moments.of(np.column_stack([first, second]))
    one, other = known.column(0), known.column(1)
    share = np.float64(0.25)
    values, combined = (5.0 - first) - share * (5.0 - second), (5.0 - one) - share * (5.0 - other)
    assert combined.size == 90
    assert combined.mean() == pytest.approx(values.mean(), rel=1e-12)
    assert combined.std(ddof=1) == pytest.approx(values.std(ddof=1), rel=1e-12)
    assert plain_mean(combined).se == pytest.approx(plain_mean(values).se, rel=1e-12)


@given(
    arrays(np.float64, st.integers(2, 300), elements=st.floats(-1e6, 1e6)),
    st.integers(1, 40),
    st.sampled_from([0.05, 0.3, 1.0]),
)
def test_the_worst_share_of_a_stream_is_that_of_all_values(values, size, share):
    tail = Tail(values.size, share)
    for begin in range(0, values.size, size):
        tail.add(values[begin : begin + size])
    assert tail.mean() == pytest.approx(worst_mean(values, share), rel=1e-12, abs=1e-9)


def test_chunks_come_to_what_all_their_episodes_come_to(small_chunks):
    reference = find_reference("cash", SHORT).reference
    merged = compare(CASH, SHORT, RULES, reference, episodes=230, seed=3, hold=True)
    assert merged.episodes == 230
    play = Play(CASH, SHORT, RULES, 230, 3)
    traces = [play.trace(chunk) for chunk in range(5)]
    trace = {name: np.concatenate([one[name] for one in traces]) for name in traces[0]}
    estimator, variates, _ = estimator_for(CASH, SHORT, trace)
    totals = {name: result.totals for name, result in merged.policies.items()}
    held = HeldEpisodes(totals, reference(trace), estimator)
    assert merged.control_variates == variates != ()
    for name, result in merged.policies.items():
        returns = held.returns(name)
        wanted = held.estimate(returns)
        assert result.estimate.mean == pytest.approx(wanted.mean, rel=1e-9)
        assert result.estimate.se == pytest.approx(wanted.se, rel=1e-6)
        assert result.plain.mean == pytest.approx(returns.mean(), rel=1e-12)
        assert result.std == pytest.approx(returns.std(ddof=1), rel=1e-9)
        assert result.worst == pytest.approx(held.worst(name), rel=1e-12)
        assert result.metrics["units_sold"] == pytest.approx(totals[name]["units_sold"].mean())
        for other, difference in result.paired.items():
            assert result.better[other] == held.better(name, other)
            apart = held.estimate(returns - held.returns(other))
            assert difference.mean == pytest.approx(apart.mean, rel=1e-9, abs=1e-9)
            assert difference.se == pytest.approx(apart.se, rel=1e-6)
    alone = compare(CASH, SHORT, RULES, reference, episodes=50, seed=3)
    for name, result in alone.policies.items():  # the first chunk is what it would be alone
        np.testing.assert_array_equal(result.returns, merged.policies[name].returns[:50])


def test_a_bound_in_hindsight_is_that_of_all_chunks(small_chunks):
    tight = CashParameters(max_steps=5, objective="profit", demand_mean=4.0)
    bound = partial(hindsight_reference, tight)
    merged = compare(CASH, tight, RULES, bound, episodes=120, seed=0, hold=True)
    play = Play(CASH, tight, RULES, 120, 0)
    traces = [play.trace(chunk) for chunk in range(3)]
    known = np.concatenate([bound(trace).values for trace in traces])
    assert merged.reference.kind == "hindsight"
    assert merged.reference.value == pytest.approx(known.mean(), rel=1e-12)
    agent = merged.policies[AGENT_NAME]
    low, high = agent.gap_ci95
    assert low < agent.gap < high
    trace = {name: np.concatenate([one[name] for one in traces]) for name in traces[0]}
    totals = {name: result.totals for name, result in merged.policies.items()}
    reference = Reference("hindsight", float(known.mean()), "", known)
    held = HeldEpisodes(totals, reference, estimator_for(CASH, tight, trace)[0])
    assert (low, high) == pytest.approx(gap_interval(held, AGENT_NAME, agent.gap), rel=1e-6)


def test_tiers_are_merged_too(small_chunks):
    chain, parameters = PROBLEMS["stores"], SupplyChainParameters(stores=2, horizon=4)
    stages = {"rules": reference_team(), "random": reference_team(store=RandomTier("store"))}
    found = tier_results(chain, parameters, stages, episodes=120, seed=2, observe_step=False)
    play = Play(chain, parameters, stages, 120, 2)
    parts = [play.totals(play.trace(chunk), chunk) for chunk in range(3)]
    for tier, total in MEASURES.items():
        before, after = (np.concatenate([part[stage][total] for part in parts]) for stage in stages)
        assert found.estimates["rules"][tier].mean == pytest.approx(before.mean(), rel=1e-9)
        change = plain_mean(after - before)
        assert found.changes["random"][tier].se == pytest.approx(change.se, rel=1e-9, abs=1e-9)
    assert found.episodes == 120


def test_random_play_draws_other_actions_in_every_chunk():
    assert of_chunk(RandomPolicy(4), 0)._seed == 4
    batch = CASH.make_batch(SHORT, 30)
    drawn = []
    for chunk in (0, 1, 1, 2):
        policy = of_chunk(RandomPolicy(4), chunk)
        policy.bind(batch)
        drawn.append(policy.actions().tolist())
    assert drawn[1] == drawn[2]
    assert len(set(map(str, drawn))) == 3


def test_reports_number_the_episodes_of_all_chunks(small_chunks, run_command, tmp_path):
    options = ("--problem", "cash", "--set", "parameters.max_steps=3", "--baselines", "none")
    files = ("--reports", "reports.csv", "--episodes-file", "episodes.csv")
    done = run_command(evaluate.main, *options, "--episodes", 120, *files)
    assert done.status == 0, done.stderr
    rows, episodes = (
        list(csv.DictReader((tmp_path / name).read_text().splitlines()))
        for name in ("reports.csv", "episodes.csv")
    )
    assert [int(row["episode"]) for row in rows] == [e for e in range(1, 121) for _ in range(3)]
    own = [row for row in episodes if row["policy"] == episodes[0]["policy"]]
    totals = {int(row["episode"]): float(row["return"]) for row in own}
    for episode in (1, 50, 51, 120):
        earned = sum(float(row["reward"]) for row in rows if int(row["episode"]) == episode)
        assert earned == pytest.approx(totals[episode], abs=1e-6)


def test_two_processes_print_the_same_bytes(run_command):
    options = ("--problem", "cash", "--set", "parameters.max_steps=4", "--episodes", "2.1e4")
    rules = ("--baselines", "buy_buy_convert", "--json")
    one, two = (run_command(evaluate.main, *options, *rules, "--workers", n) for n in (1, 2))
    assert one.status == two.status == 0, two.stderr
    assert one.stdout == two.stdout
    assert '"episodes": 21000' in one.stdout


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--episodes", "1"), "--episodes 1: must be from 2 to"),
        (("--episodes", "many"), "must be a whole number, such as 1000 or 1e5"),
        (("--episodes", "1e999999999"), "--episodes '1e999999999': must have at most 18 digits"),
        (("--episodes", 10**18), "--episodes '1000000000000000000': must have at most 18 digits"),
        (
            ("--episodes", "2e6", "--episodes-file", "x.csv"),
            "--episodes 2000000: at most 1,000,000",
        ),
    ],
)
def test_too_many_episodes_are_one_line(run_command, options, line):
    done = run_command(evaluate.main, "--problem", "cash", *options)
    assert done.status == 2
    assert line in done.stderr


def test_days_of_a_file_are_one_chunk(demand_file):
    parameters = CashParameters(demand_data=demand_file, max_steps=29)
    assert Play(CASH, parameters, {}, 50_000, 0).chunks == 1
    with pytest.raises(InputError, match="days of a file are few"):
        check_episodes(parameters, 2_000_000, hold=False)


class Sampler(Rule):
    """Draws its actions as agents do that sample them."""

    def actions(self):
        return torch.randint(0, self._batch.num_actions, (self._batch.num_worlds,)).numpy()


def test_agents_that_sample_draw_the_same_whoever_plays_the_chunk(small_chunks):
    play = Play(CASH, SHORT, {"sampler": Sampler()}, 150, 3, deterministic=False)
    trace = play.trace(1)
    torch.manual_seed(9)
    first, again, other = (
        play.totals(trace, chunk)["sampler"]["return"].tolist() for chunk in (1, 1, 2)
    )
    assert first == again != other
