"""Intervals that cover as often as they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from baselines.policy import RandomPolicy
from baselines.rollout import rollout
from baselines.rules.cash import BuyBuyConvert
from envs.cash.parameters import CashParameters
from envs.problems import PROBLEMS
from evaluation.statistics import plain_mean, regression_mean, usable_covariates, window_mean

CASH = PROBLEMS["cash"]


def coverage(hits: list[bool]) -> float:
    return float(np.mean(hits))


def holds(estimate, truth: float) -> bool:
    low, high = estimate.ci95
    return bool(low <= truth <= high)


def test_plain_interval_is_students():
    values = np.random.default_rng(0).normal(5, 2, 12)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert plain_mean(values).ci95 == pytest.approx((expected.low, expected.high))


def test_plain_interval_covers_95_percent():
    rng = np.random.default_rng(1)
    hits = [holds(plain_mean(rng.normal(3, 2, 8)), 3) for _ in range(2000)]
    assert coverage(hits) == pytest.approx(0.95, abs=0.02)


def test_control_variates_are_unbiased_and_their_interval_covers():
    rng = np.random.default_rng(2)
    estimates = []
    for _ in range(1000):
        columns = rng.normal(size=(40, 2)) * [1.0, 50.0]
        values = 7 + columns @ [3.0, -0.1] + rng.normal(size=40)
        estimates.append(regression_mean(values, columns))
    means = np.array([estimate.mean for estimate in estimates])
    assert means.mean() == pytest.approx(7, abs=4 * means.std() / 1000**0.5)
    assert means.std() == pytest.approx(np.mean([e.se for e in estimates]), rel=0.1)
    assert means.std() < 0.2  # 1 / sqrt(40) = 0.16; the plain mean has 0.9
    assert coverage([holds(e, 7) for e in estimates]) == pytest.approx(0.95, abs=0.025)


def test_control_variates_match_the_regression_of_the_textbook():
    """Intercept and standard error of simple regression (Law 2015, 11.4: linear controls)."""
    rng = np.random.default_rng(3)
    column = rng.normal(size=30)
    values = 2 * column + rng.normal(size=30)
    line = stats.linregress(column, values)
    estimate = regression_mean(values, column[:, None])
    assert (estimate.mean, estimate.se) == pytest.approx((line.intercept, line.intercept_stderr))
    assert estimate.dof == 28


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.sampled_from([1e-6, 1.0, 1e6]))
def test_the_difference_of_means_is_the_mean_of_differences(seed, scale):
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(50, 3)) * [scale, 1.0, 0.0]
    a, b = rng.normal(size=(2, 50)) + columns[:, 1]
    difference = regression_mean(a, columns).mean - regression_mean(b, columns).mean
    assert regression_mean(a - b, columns).mean == pytest.approx(difference, abs=1e-9)


def test_columns_that_cannot_help_are_left_out():
    values = np.random.default_rng(4).normal(size=20)
    constant, copy = np.full((20, 1), 3.0), np.repeat(values[:, None] - 1, 2, axis=1)
    assert regression_mean(values, np.empty((20, 0))) == plain_mean(values)
    assert regression_mean(values, constant) == plain_mean(values)
    assert regression_mean(values[:5], copy[:5]) == plain_mean(values[:5])  # too few episodes
    assert usable_covariates(np.hstack([constant, copy]), 20).tolist() == [1, 2]
    assert usable_covariates(copy[:13], 13).tolist() == [0, 1]  # 10 degrees of freedom are left
    assert usable_covariates(copy[:12], 12).tolist() == []
    twice = regression_mean(values, copy)  # collinear, and it explains everything
    assert twice.mean == pytest.approx(1)
    assert twice.se == pytest.approx(0, abs=1e-9)


def test_control_variates_take_out_the_demand_that_no_action_meets():
    """An episode of the cycle varies by 107, nearly all from demand; without it by 13 or less."""
    parameters = CashParameters()
    trace = CASH.traces(parameters, "evaluation", 1, 4000)
    covariates = CASH.covariates(parameters, trace)
    cycle = rollout(CASH, parameters, BuyBuyConvert(), trace)["return"]
    random = rollout(CASH, parameters, RandomPolicy(), trace)["return"]
    assert plain_mean(cycle).se * 4000**0.5 == pytest.approx(107, abs=4)
    assert regression_mean(cycle, covariates).se * 4000**0.5 < 14
    assert regression_mean(cycle, covariates).mean == pytest.approx(-1945.2, abs=1)
    assert regression_mean(random, covariates).mean == pytest.approx(-2272.6, abs=4)
    shifted = random + 5 * (trace["demand"][:, 1:].sum(axis=1) - 500)
    assert regression_mean(random, covariates).se < 1.02 * plain_mean(shifted).se


@pytest.mark.parametrize(("correlation", "noise"), [(0.0, 0.0), (0.5, 1.0)])
def test_windows_of_a_history_cover_other_histories(correlation, noise):
    """The plain interval of overlapping windows says nothing on other years; this one does."""
    rng = np.random.default_rng(5)
    days, length, episodes = 365, 31, 500
    starts = days - length + 1
    honest, plain = [], []
    for _ in range(300):
        daily = rng.normal(size=days)
        for t in range(1, days):
            daily[t] += correlation * daily[t - 1]
        totals = np.convolve(daily, np.ones(length), "valid")
        start = rng.integers(0, starts, episodes)
        values = totals[start] + noise * rng.normal(size=episodes)
        honest.append(holds(window_mean(values, start, starts / length), 0.0))
        plain.append(holds(plain_mean(values), 0.0))
    assert coverage(honest) >= 0.93
    assert coverage(plain) < 0.5


def test_windows_without_repeats_count_all_variance_as_the_history():
    values = np.random.default_rng(6).normal(size=20)
    estimate = window_mean(values, np.arange(20), 5.0)
    assert estimate.se**2 == pytest.approx(values.var(ddof=1) * (1 / 4 + 1 / 20))


def test_noise_within_windows_is_told_from_that_between_them():
    rng = np.random.default_rng(7)
    start = np.repeat(np.arange(100), 5)
    values = rng.normal(size=100)[start] + rng.normal(size=500)
    within, total = values.reshape(100, 5).var(axis=1, ddof=1).mean(), values.var(ddof=1)
    history, drawing = (total - within) / 11, total / 500
    estimate = window_mean(values, start, 12.0)
    assert estimate.se**2 == pytest.approx(history + drawing)
    dof = (history + drawing) ** 2 / (history**2 / 11 + drawing**2 / 499)
    assert estimate.dof == pytest.approx(dof)


def test_equal_values_have_an_interval_of_no_width():
    same = np.full(20, 3.0)
    column = np.arange(20.0)[:, None]
    for estimate in (plain_mean(same), window_mean(same, np.arange(20), 4.0)):
        assert estimate.ci95 == (3.0, 3.0)
    assert regression_mean(same, column).ci95 == pytest.approx((3.0, 3.0))


def test_all_windows_of_a_history_are_not_drawn_but_still_a_sample_of_other_days():
    days = np.random.default_rng(0).normal(0, 1, 300)
    values = np.array([days[t : t + 10].sum() for t in range(291)])
    start, windows = np.arange(291), 29.1
    every = window_mean(values, start, windows, drawn=False)
    assert every.mean == values.mean()
    assert every.dof == pytest.approx(28.1)
    assert every.se == pytest.approx(values.std(ddof=1) / np.sqrt(28.1))
    many = np.random.default_rng(1).integers(0, 291, 200_000)
    assert window_mean(values[many], many, windows).se == pytest.approx(every.se, rel=0.01)
    twice = np.concatenate([values + 5.0, values - 5.0])  # two SKUs: their difference is no chance
    both = window_mean(twice, np.tile(start, 2), windows, drawn=False)
    assert (both.mean, both.se) == (pytest.approx(every.mean), pytest.approx(every.se))
