"""Equally likely futures of the coming days."""

import numpy as np

from demand.likely_demand import likely_demand


def test_the_chances_of_a_day_are_the_same_however_many_days_are_asked_for():
    training = np.random.default_rng(0).poisson(5.0, 200).astype(np.float64)
    expected = np.full(24, 5.0)
    every = likely_demand(expected, training, np.ones(200), 5.0)
    for days in (1, 8, 15):
        fewer = likely_demand(expected[:days], training, np.ones(200), 5.0)
        np.testing.assert_allclose(fewer[:, : every.shape[1]], every[:days], rtol=1e-12)
    usual = np.array([training[28 - 7 * k] for k in range(1, 5)]).mean()  # of the first future
    np.testing.assert_allclose(every[0, 0], 5.0 * training[28] / usual)


def test_what_is_known_of_training_days_is_no_error_of_the_forecast():
    days = np.arange(200)
    week = np.array([40.0, 20, 20, 30, 30, 60, 20])[days % 7]
    effects = np.where(days % 9 == 4, 2.0, 1.0)
    effects[days % 31 == 7] = 0.0  # closed, which is no reason to expect less on other days
    expected = np.array([40.0, 0.0, 9.0])
    futures = likely_demand(expected, week * effects, effects, 30.0)
    np.testing.assert_allclose(futures, np.broadcast_to(expected[:, None], futures.shape))
