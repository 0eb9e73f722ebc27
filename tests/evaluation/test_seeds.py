"""Statistics over seeds, against numbers worked out by hand."""

import csv
import io
import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import trim_mean

from baselines.rules.cash import BuyBuyConvert
from baselines.solvers.reference import Reference
from envs.cash.parameters import CashParameters
from envs.problems import PROBLEMS
from evaluation.comparison import compare
from evaluation.output import Results
from evaluation.seeds import (
    COVERED,
    Seed,
    few_seeds_note,
    interquartile_mean,
    over_seeds,
    stratified_bootstrap,
)
from evaluation.statistics import share_better, worst_mean

OPTIMUM = Reference("optimum", -1944.9, "Exact.")


@pytest.fixture(scope="module")
def comparison():
    policies = {
        "seed_0": BuyBuyConvert(),
        "seed_1": BuyBuyConvert(stop_before_end=2),
        "seed_2": BuyBuyConvert(stop_before_end=10),
        "buy_buy_convert": BuyBuyConvert(),
    }
    return compare(PROBLEMS["cash"], CashParameters(), policies, OPTIMUM, episodes=400, seed=1)


def some_seeds(*failed):
    return tuple(
        Seed(f"seed_{i}", f"runs/{i}", i, "damaged" if i in failed else None) for i in range(4)
    )


@pytest.fixture(scope="module")
def results(comparison):
    return Results(comparison, over_seeds(comparison, some_seeds(3)))


@pytest.mark.parametrize(
    ("scores", "middle"),
    [
        ([7.0], 7.0),
        ([1.0, 2.0, 6.0], 3.0),  # a quarter of 3, rounded down, is none
        ([-100.0, 1.0, 2.0, 900.0], 1.5),
        ([8.0, 1.0, 7.0, 2.0, 6.0, 3.0, 5.0, 4.0], 4.5),
    ],
)
def test_the_interquartile_mean_by_hand(scores, middle):
    assert interquartile_mean(np.array(scores)) == middle
    assert interquartile_mean(np.array(scores)) == pytest.approx(trim_mean(scores, 0.25))


def test_the_bootstrap_of_two_seeds_by_hand():
    interval = stratified_bootstrap(np.array([0.0, 1.0]))
    assert interval.value == 0.5
    assert interval.ci95 == (0.0, 1.0)  # both ends have a chance of 1/4


def test_the_bootstrap_agrees_with_all_ways_to_draw():
    scores = np.array([3.0, 10.0, 11.0, 12.0, 30.0])
    ways = np.array(list(itertools.product(scores, repeat=5)))
    exact = np.quantile(interquartile_mean(ways), (0.025, 0.975))
    assert stratified_bootstrap(scores).ci95 == pytest.approx(exact, abs=0.35)
    assert stratified_bootstrap(scores) == stratified_bootstrap(scores)


@pytest.mark.parametrize("count", [*COVERED, 5])
def test_intervals_of_few_seeds_hold_as_often_as_is_said(count):
    assert bool(few_seeds_note(count)) == (count < 5)
    scores = np.random.default_rng(1).normal(size=(1000, count))
    drawn = np.random.default_rng(0).integers(0, count, (1000, count))
    low, high = np.quantile(interquartile_mean(scores[:, drawn]), (0.025, 0.975), axis=1)
    held = 100 * np.mean((low <= 0) & (high >= 0))
    assert held == pytest.approx(COVERED.get(count, 90), abs=4)


def test_tasks_are_strata():
    # between the tasks lies a world of difference, within each none: nothing is left to chance
    scores = np.array([[0.0, 100.0]] * 4)
    assert stratified_bootstrap(scores).ci95 == (50.0, 50.0)
    assert stratified_bootstrap(scores.reshape(-1)).ci95 != (50.0, 50.0)


def test_one_seed_has_no_interval():
    assert stratified_bootstrap(np.array([4.0])).ci95 is None


def test_worst_mean_by_hand():
    values = np.arange(100.0)[::-1]
    assert worst_mean(values) == 2.0  # of 0, 1, 2, 3, 4
    assert worst_mean(values[:10]) == values[:10].min()


def test_ties_count_half():
    assert share_better(np.array([1.0, 1.0, 2.0]), np.array([1.0, 0.0, 3.0])) == 0.5


def test_statistics_over_seeds_follow_from_the_rows(comparison):
    summary = over_seeds(comparison, some_seeds()[:3])
    policies = comparison.policies
    own = [policies[f"seed_{i}"] for i in range(3)]
    assert summary.iqm.value == pytest.approx(np.mean([r.estimate.mean for r in own]))
    assert summary.iqm_finished is None
    assert summary.worst == pytest.approx(worst_mean(np.concatenate([r.returns for r in own])))
    rival = summary.rivals["buy_buy_convert"]
    same = [share_better(r.returns, policies["buy_buy_convert"].returns) for r in own]
    assert same[0] == 0.5
    assert rival.better_episodes.value == pytest.approx(np.mean(same))
    assert rival.better_seeds == 0.5  # one equal, one above, one below
    assert rival.difference.value == pytest.approx(
        summary.iqm.value - policies["buy_buy_convert"].estimate.mean
    )
    assert set(summary.rivals) == {"random", "buy_buy_convert"}


@pytest.mark.parametrize("count", [1, 3])
def test_seeds_that_agree_are_as_sure_as_their_episodes(comparison, count):
    """Of seeds alone the interval would be a point, and any difference a proven one."""
    policies, rule = comparison.policies, "buy_buy_convert"
    rows = {f"seed_{i}": policies["seed_2"] for i in range(count)}
    ours = {f"seed_{i}": policies[rule].paired["seed_2"] for i in range(count)}
    rival = replace(policies[rule], paired=policies[rule].paired | ours)
    same = replace(comparison, policies={**policies, **rows, rule: rival})
    found = over_seeds(same, some_seeds()[:count]).rivals[rule].difference
    assert found.ci95 == pytest.approx(policies["seed_2"].paired[rule].ci95)


def test_a_failed_seed_counts_as_random_play(comparison, results):
    summary, policies = results.seeds, comparison.policies
    means = [policies[n].estimate.mean for n in ("seed_0", "seed_1", "seed_2", "random")]
    assert summary.iqm.value == pytest.approx(np.mean(sorted(means)[1:3]))
    assert summary.iqm.ci95[0] < summary.iqm.value
    assert summary.iqm_finished.value == pytest.approx(np.mean(means[:3]))
    assert summary.rivals["random"].better_seeds == 0.875
    assert summary.gap == pytest.approx((-1944.9 - summary.iqm.value) / (-1944.9 - means[3]))


def test_the_table_shows_every_seed_and_why_one_failed(results):
    console = Console(width=80, file=io.StringIO())
    results.show(console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 80
    for part in ("seed_0 ", "seed_2 ", "interquartile mean of 4 seeds, 1 failed"):
        assert part in text
    assert re.search(r"^seed_3 +failed *$", text, re.MULTILINE)
    assert "seed_3 failed: damaged" in text
    assert "counts as random play" in text
    assert "without the failed" in text


def test_json_and_csv_hold_the_same_numbers(results):
    report = json.loads(results.text())
    assert report["seeds"]["failed"] == 1
    assert report["seeds"]["runs"][3] == {
        "name": "seed_3",
        "run": "runs/3",
        "seed": 3,
        "failed": "damaged",
    }
    rows = {row["policy"]: row for row in csv.DictReader(io.StringIO(results.to_csv()))}
    assert list(rows) == [
        *("seed_0", "seed_1", "seed_2", "seed_3", "interquartile_mean"),
        *("buy_buy_convert", "random", "optimum (solved)"),
    ]
    for name, policy in report["policies"].items():
        assert float(rows[name]["return_mean"]) == policy["return_mean"]
        assert float(rows[name]["return_ci95_low"]) == policy["return_ci95"][0]
        assert float(rows[name]["final_cash"]) == policy["final_cash"]
    assert rows["seed_3"]["failed"] == "damaged"
    assert rows["seed_3"]["return_mean"] == ""
    assert float(rows["interquartile_mean"]["return_mean"]) == report["seeds"]["iqm"]["value"]
    rival = report["seeds"]["rivals"]["random"]
    assert float(rows["random"]["difference"]) == rival["difference"]["value"]
    assert float(rows["random"]["better_episodes"]) == rival["better_episodes"]["value"]
