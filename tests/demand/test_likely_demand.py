"""Equally likely futures of the coming days."""

import numpy as np

from demand.likely_demand import likely_demand


def test_the_chances_of_a_day_are_the_same_however_many_days_are_asked_for():
    training = np.random.default_rng(0).poisson(5.0, 200).astype(np.float64)
    expected = np.full(24, 5.0)
    every = likely_demand(expected, training, 5.0)
    for days in (1, 8, 15):
        fewer = likely_demand(expected[:days], training, 5.0)
        np.testing.assert_allclose(fewer[:, : every.shape[1]], every[:days], rtol=1e-12)
    usual = np.array([training[28 - 7 * k] for k in range(1, 5)]).mean()  # of the first future
    np.testing.assert_allclose(every[0, 0], 5.0 * training[28] / usual)
