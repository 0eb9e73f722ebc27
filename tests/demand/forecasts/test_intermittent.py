"""TSB: how often there is demand and how much, carried from day to day."""

import numpy as np
import pytest

from demand.forecasts.intermittent import (
    DAYS,
    FREQUENCY,
    SALES,
    SIZE,
    VARIANCE,
    carried_on,
    states_of,
)


def recursion(demand, gain):
    """Return p and z as Teunter, Syntetos and Babai (2011), equation 1, have them, from a sale."""
    (first, *_) = np.flatnonzero(demand)
    often, much = 1.0, demand[first]
    for n, (size, sold) in enumerate(
        zip(demand[first + 1 :], np.cumsum(demand[first:] > 0)[1:], strict=True), 2
    ):
        often += max(gain, 1 / n) * ((size > 0) - often)
        much += max(gain, 1 / sold) * (size - much) * (size > 0)
    return often, much


@pytest.mark.parametrize("gain", [0.02, 0.1])
def test_states_are_those_of_the_published_recursion(gain):
    rng = np.random.default_rng(0)
    demand = rng.binomial(1, 0.2, (300, 1, 3)) * rng.poisson(5.0, (300, 1, 3)) * 1.0
    states = states_of(demand, gain)[-1, 0]
    for i in range(3):
        expected = recursion(demand[:, 0, i], gain)
        np.testing.assert_allclose(states[i, [FREQUENCY, SIZE]], expected, rtol=1e-5)


def test_the_first_states_are_plain_means_and_before_a_sale_there_is_nothing():
    demand = np.array([0.0, 0.0, 4.0, 0.0, 0.0, 8.0])[:, None, None]
    states = states_of(demand, 0.01)[:, 0, 0]
    assert (states[:3] == 0).all()
    assert states[-1, DAYS] == 4
    assert states[-1, SALES] == 2
    np.testing.assert_allclose(states[-1, [FREQUENCY, SIZE, VARIANCE]], [0.5, 6.0, 8.0])


def test_demand_that_fades_is_forecast_to_fade():
    demand = np.ones((200, 1, 1))
    demand[100:] = 0.0
    states = states_of(demand, 0.05)
    assert states[100, 0, 0, FREQUENCY] == pytest.approx(1.0)
    assert states[200, 0, 0, FREQUENCY] == pytest.approx(0.95**100)


def test_days_taken_in_later_lead_to_the_same_state():
    demand = np.random.default_rng(1).binomial(3, 0.2, (90, 2, 2)) * 1.0
    states = states_of(demand, 0.05)
    later = carried_on(states[50], demand[50:], 40, 0.05)
    np.testing.assert_allclose(later, states[90], rtol=1e-5)
