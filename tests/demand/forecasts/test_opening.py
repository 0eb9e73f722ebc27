"""Series that have just opened: their weekdays, and how uncertain their forecasts are."""

import numpy as np
import pytest

from demand.forecasts.forecast import make_forecast
from demand.forecasts.opening import AFTER, opening_growth
from demand.forecasts.smoothing import smoothing
from demand.known_demand import KNOWN_DAYS
from tests.demand.forecasts.test_forecast import FIRST, forecast_on, history

USUAL = np.array([1.0, 1.0, 1.0, 1.0, 1.2, 1.8, 0.0])  # Monday first
SUNDAYS = np.array([0.5, 0.5, 0.5, 0.5, 0.5, 1.0, 3.5])
DAYS = 400
TRAINING = DAYS - 31


def chain(opened, stores=6, mean=80.0, seed=0):
    """Return the history of stores that sell as `USUAL`, and of one that opens, as `SUNDAYS`."""
    rng = np.random.default_rng(seed)
    weekdays = np.arange(DAYS) % 7  # FIRST is a Monday
    of_stores = [np.roll(USUAL, k % 3) for k in range(stores)]
    demand = (
        np.stack([rng.poisson(mean * w[weekdays]) for w in (*of_stores, SUNDAYS)], axis=1) * 1.0
    )
    demand[:opened, -1] = 0.0
    return history(demand)


def known(past, row):
    demand = past.table.demand[row - KNOWN_DAYS : row + 1]
    return past.known_demand(demand, np.array([FIRST.toordinal() + row]), np.array([0]), 7)


@pytest.mark.parametrize("name", ["smoothing", "boosting"])
def test_a_new_store_learns_its_own_weekdays(name):
    if name == "boosting":
        pytest.importorskip("lightgbm")
    opened = TRAINING - 10
    past = chain(opened)
    sunday = TRAINING + (6 - TRAINING % 7)
    own = 80.0 * SUNDAYS[6]
    off = [abs(forecast_on(past, sunday + 7 * k, name, 1)[-1] - own) for k in (0, 3)]
    assert off[0] > 0.25 * own  # one Sunday was seen
    assert off[1] < 0.2 * own
    fitted = smoothing(past, 1)
    established = fitted.fit(known(past, sunday), 0, np.array([0])).factors[0, :, :-1]
    np.testing.assert_array_equal(established, fitted.factors[0, :, :-1])


def test_where_little_is_sold_others_say_more_of_weekdays():
    off = {}
    for mean in (0.5, 80.0):
        past = chain(TRAINING - 28, mean=mean)
        fitted = smoothing(past, 1)
        learned = fitted.fit(known(past, TRAINING), 0, np.array([0])).factors[0, :, -1]
        off[mean] = np.abs(learned - fitted.factors[0, :, -1]).mean()
    assert off[0.5] < 0.6 * off[80.0]


def test_the_first_sale_of_a_new_store_is_an_opening_unless_others_sell_seldom():
    often = chain(TRAINING + 2)
    first = known(often, TRAINING + 3)
    assert first.open_days(0)[0].tolist() == [KNOWN_DAYS] * 6 + [1]
    seldom = chain(TRAINING + 2, mean=0.05)
    seldom.table.demand[TRAINING + 2, 0, -1] = 1.0
    assert known(seldom, TRAINING + 3).open_days(0)[0, -1] == KNOWN_DAYS


def test_forecasts_of_a_new_store_are_the_more_uncertain_the_later_it_opened():
    past = chain(TRAINING - 3)
    forecast = make_forecast("smoothing", past, 2)
    growth = opening_growth(past, 2, forecast, forecast.as_if_new())
    assert (np.diff(growth) <= 0).all()
    assert growth[AFTER[0]] > 1.5 > 1.3 > growth[KNOWN_DAYS] >= 1
    for row in (TRAINING, TRAINING + 15):
        of_day, sku = np.full((1, 7), 80.0), np.array([0])
        scale = forecast.scale(known(past, row), 0, sku, of_day)
        plain = forecast.as_if_new().scale(known(past, row), 0, sku, of_day)
        opened = row - (TRAINING - 3)
        np.testing.assert_allclose((scale / plain)[0, -1], growth[opened], rtol=1e-6)
        assert scale[0, 0] == plain[0, 0]


def test_without_new_series_nothing_is_learned_of_openings():
    past = chain(0)
    assert not past.new.any()
    assert make_forecast("smoothing", past, 2).growth is None
    everyone = chain(0)
    everyone.table.demand[: TRAINING - 20] = 0.0
    assert everyone.new.all()
    assert make_forecast("smoothing", everyone, 2).growth is None


def test_a_week_in_which_a_store_opened_is_no_whole_one():
    rng = np.random.default_rng(0)
    demand = rng.poisson(70.0, (150, 3)) * 1.0
    demand[:114, 2] = 0.0
    demand[114, 2] = 10.0  # it opened on a Sunday
    weekly = history(demand, period="week")
    opened = [known(weekly, row).open_days(0)[0, 2] for row in (115, 116, 117, 120)]
    assert opened == [1, 1, 2, 5]
    for name in ("average", "smoothing"):
        np.testing.assert_allclose(forecast_on(weekly, 117, name, 1)[2], 70.0, rtol=0.25)
    daily = history(demand)
    assert known(daily, 117).open_days(0)[0, 2] == 3


@pytest.mark.parametrize("name", ["average", "smoothing"])
def test_what_is_known_of_new_series_is_of_training_days_alone(name):
    one, other = chain(TRAINING - 3), chain(TRAINING - 3)
    other.table.demand[TRAINING:] *= 7.0
    found = [make_forecast(name, past, 2) for past in (one, other)]
    np.testing.assert_array_equal(found[0].growth, found[1].growth)
    np.testing.assert_array_equal(one.selling, other.selling)
    asked = known(one, TRAINING), 0, np.array([2]), np.array([0])
    np.testing.assert_array_equal(found[0](*asked), found[1](*asked))


@pytest.mark.parametrize("mean", [0.15, 0.3])
def test_openings_that_are_not_seen_do_not_count_for_established_series(mean):
    past = chain(TRAINING - 3, mean=mean)  # most days without a sale: few openings are seen
    forecast = make_forecast("smoothing", past, 2)
    assert opening_growth(past, 2, forecast, forecast.as_if_new())[KNOWN_DAYS] < 1.5
