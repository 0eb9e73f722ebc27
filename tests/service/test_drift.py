import datetime as dt
from types import SimpleNamespace

import numpy as np
import pytest

from demand.dates import Periods
from service.drift import Drift

PLACES = np.stack([np.zeros(2000, np.intp), np.arange(2000)], axis=1)


def drift_of(days):
    """Return the drift of 2,000 stores that were known for so many days."""
    training = np.random.default_rng(0).poisson(20, (days, 1, len(PLACES))).astype(float)
    table = SimpleNamespace(periods=Periods("day", dt.date(2020, 1, 1)))
    return Drift(SimpleNamespace(training=training, table=table))


@pytest.fixture(scope="module")
def drift():
    return drift_of(900)


def recent(given, mean):
    """Return demand of which so many days are known; those before only repeat the last of them."""
    days = np.random.default_rng(1).poisson(mean, (len(PLACES), given)).astype(float)
    return np.tile(days, 28 // given)


@pytest.mark.parametrize("days", [50, 76, 200, 900])
@pytest.mark.parametrize("given", [7, 14, 28])
def test_days_like_those_of_training_are_seldom_drift(days, given):
    found = drift_of(days).of(recent(given, 20), PLACES, given)
    assert np.mean([bool(text) for text in found]) < 0.02


@pytest.mark.parametrize("given", [7, 14, 28])
def test_what_is_said_is_of_the_days_that_are_known(drift, given):
    higher = drift.of(recent(given, 60), PLACES, given)
    assert all(
        text.startswith(f"demand of {given} days higher than in training") for text in higher
    )
    assert any("forecast errors" in text for text in higher) == (given == 28)
    assert set(drift.of(recent(given, 2), PLACES, given)) == {
        f"demand of {given} days lower than in training"
    }
