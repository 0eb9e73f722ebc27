"""Measures of reliability, against numbers worked out by hand and by brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from evaluation.reliability import (
    aggregates,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)

SCORES = np.array([[0.1, 0.9], [0.4, 0.8], [0.4, 0.2]])  # 3 runs, 2 tasks


def test_a_profile_by_hand():
    found = performance_profile(SCORES, np.array([0.0, 0.1, 0.3, 0.4, 0.85, 0.9]))
    assert found.share == pytest.approx([1, 5 / 6, 4 / 6, 2 / 6, 1 / 6, 0])
    assert found.low[[0, -1]].tolist() == found.high[[0, -1]].tolist() == [1, 0]
    assert (found.low <= found.share).all()
    assert (found.share <= found.high).all()


def test_the_band_of_a_profile_is_that_of_all_resamples():
    """Two runs: both, the first twice or the second twice; a quarter, a half, a quarter."""
    found = performance_profile(np.array([0.2, 0.6]), np.array([0.4]))
    assert (found.share[0], found.low[0], found.high[0]) == (0.5, 0.0, 1.0)
    alone = performance_profile(np.array([0.2]), np.array([0.1, 0.4]))
    assert alone.low.tolist() == alone.high.tolist() == alone.share.tolist() == [1, 0]


def test_the_probability_of_improvement_by_hand():
    ours, theirs = np.array([3.0, 1.0]), np.array([2.0, 1.0, 0.0])
    found = probability_of_improvement(ours, theirs)
    assert found.value == pytest.approx((3 + 1.5) / 6)  # 3 beats all; 1 beats 0 and ties with 1
    low, high = found.ci95
    assert 0 <= low < found.value < high <= 1
    assert probability_of_improvement(np.array([1.0]), np.array([2.0])).ci95 is None
    tasks = probability_of_improvement(SCORES, np.array([[0.2, 0.85]]))
    assert tasks.value == pytest.approx((2 / 3 + 1 / 3) / 2)


@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=6),
    st.lists(st.integers(0, 5), min_size=2, max_size=6),
)
def test_the_probability_of_improvement_is_mann_and_whitneys(ours, theirs):
    x, y = np.array(ours, float), np.array(theirs, float)
    found = probability_of_improvement(x, y)
    assert found.value == pytest.approx(mannwhitneyu(x, y).statistic / (x.size * y.size))
    assert probability_of_improvement(y, x).value == pytest.approx(1 - found.value)
    assert found.ci95[0] <= found.value + 1e-12
    assert found.value <= found.ci95[1] + 1e-12


def test_aggregates_by_hand():
    scores = np.array([0.0, 0.5, 0.8, 1.2])
    found = aggregates(scores)
    wanted = {"median": 0.65, "interquartile mean": 0.65, "mean": 0.625}
    assert {name: found[name].value for name in wanted} == pytest.approx(wanted)
    assert found["optimality gap"].value == pytest.approx((1 + 0.5 + 0.2 + 0) / 4)
    assert optimality_gap(scores, target=0.5) == pytest.approx(0.125)
    means = [np.mean(c) for c in itertools.product(scores, repeat=4)]
    assert found["mean"].ci95 == pytest.approx(np.quantile(means, (0.025, 0.975)), abs=0.05)
