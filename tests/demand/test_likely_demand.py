"""Equally likely futures of the coming days."""

import numpy as np
import pytest

from demand.likely_demand import level_of, likely_demand

EVENLY = np.ones(7)


def futures_of(training, expected, *, effects=None, weekdays=EVENLY, first=1):
    sold = training > 0
    sale = training[sold].mean()
    every = (training.size - sold.argmax()) / sold.sum()
    effects = np.ones(training.size) if effects is None else effects
    found = likely_demand(np.array(expected), training, effects, weekdays, first, sale, every)
    return found, sale, every


def test_the_chances_of_a_day_are_the_same_however_many_days_are_asked_for():
    training = np.random.default_rng(0).poisson(5.0, 200).astype(np.float64)
    training[0] = 5.0
    expected = np.full(24, 5.0)
    whole, sale, every = futures_of(training, expected)
    for days in (1, 8, 15):
        fewer = futures_of(training, expected[:days])[0]
        np.testing.assert_allclose(fewer[:, : whole.shape[1]], whole[:days], rtol=1e-12)
    usual = (training[:28].sum() + sale) / (28 + every)  # of the first future
    np.testing.assert_allclose(whole[0, 0], 5.0 * training[28] / usual)


@pytest.mark.parametrize("first", [1, 4])  # a Monday, and a Thursday
def test_what_is_known_of_training_days_is_no_error_of_the_forecast(first):
    days = np.arange(200)
    weekdays = np.array([40.0, 20, 20, 30, 30, 60, 10]) / 30
    effects = np.where(days % 9 == 4, 2.0, 1.0)
    effects[days % 31 == 7] = 0.0  # closed, which is no reason to expect less on other days
    effects[-3:] = 0.0  # nor is it at the end, where the last day that was open stands for it
    training = 30.0 * weekdays[(first - 1 + days) % 7] * effects
    expected = [40.0, 0.0, 9.0]
    found, *_ = futures_of(training, expected, effects=effects, weekdays=weekdays, first=first)
    np.testing.assert_allclose(
        found, np.broadcast_to(np.array(expected)[:, None], found.shape), 0.03
    )


@pytest.mark.parametrize("mean", [0.05, 0.3, 2.0])
@pytest.mark.parametrize("unit", [1.0, 1e-3])
def test_demand_that_comes_seldom_is_as_likely_as_it_was(mean, unit):
    rng = np.random.default_rng(1)
    training = unit * rng.negative_binomial(2, 2 / (2 + mean), 1500).astype(np.float64)
    told, seen, thresholds = [], [], unit * np.array([0.5, 1.5, 3 * mean + 3])
    for _ in range(300):
        recent, coming = (
            unit * rng.negative_binomial(2, 2 / (2 + mean), n).astype(np.float64) for n in (28, 3)
        )
        _, sale, every = futures_of(training, [1.0])
        level = level_of(recent.sum(), 28.0, sale, every)
        total = futures_of(training, np.full(3, level))[0].sum(axis=0)
        told.append([total.mean(), *(total > thresholds[:, None]).mean(axis=1)])
        seen.append([coming.sum(), *(coming.sum() > thresholds)])
    said, was = np.mean(told, axis=0), np.mean(seen, axis=0)
    assert said[0] == pytest.approx(3 * mean * unit, rel=0.3)
    np.testing.assert_allclose(said[1:], was[1:], atol=0.08)


def test_days_before_a_series_began_to_sell_are_no_futures_of_it():
    late = np.zeros(400)
    late[300:] = 10.0
    found, *_ = futures_of(late, [10.0, 10.0])
    assert found.shape == (2, 400 - 300 - 28 - 1)
    np.testing.assert_allclose(found, 10.0)
    new = np.zeros(400)
    new[380:] = 10.0
    assert futures_of(new, [10.0, 10.0])[0].min() > 9.0
