"""Forecasts of series that have just begun, and of any history at all."""

import datetime as dt
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from demand.forecasts.errors import LEAST_OPEN, forecast_errors
from demand.forecasts.forecast import COVARIATES, MOST_TIMES, make_forecast
from demand.forecasts.intermittent import intermittent
from demand.forecasts.smoothing import smoothing
from demand.history import StoreDemand, StoreHistory
from demand.known_ahead.covariates import Covariate, Covariates
from demand.known_demand import KNOWN_DAYS, KnownDemand, open_days_before
from demand.table import DemandTable

FIRST = dt.date(2022, 1, 3)
NAMES = [
    f"{name}{form}" for name in ("average", "weekday", "smoothing") for form in ("", COVARIATES)
] + ["tsb"]
if importlib.util.find_spec("lightgbm") is not None:
    NAMES += ["boosting", f"boosting{COVARIATES}"]


def history(demand, period="day", **columns):
    """Return the history of demand of shape (days, stores), the last 30 of which evaluate."""
    days, stores = demand.shape
    parts = tuple(Covariate(n, np.float32(x)[:, None, None]) for n, x in columns.items())
    table = DemandTable(
        "sales.csv",
        "long",
        FIRST,
        tuple(map(str, range(stores))),
        ("a",),
        np.ascontiguousarray(demand[:, None, :], np.float64),
        "",
        period=period,
    )
    day = {name: table.date(days - k) for name, k in (("split", 30), ("validation", 31))}
    source = StoreDemand.model_construct(file=Path("sales.csv"), until=None, augment="none", **day)
    known = table.demand[: days - 31]
    covariates = Covariates(FIRST, parts) if parts else None
    mean = np.maximum(known.mean(axis=0), 0.01 * known.mean())
    return StoreHistory(table, source, mean, known.std(axis=0), covariates)


def forecast_on(past, row, name, days=7):
    """Return the forecast of the morning of a row, shape (stores,)."""
    demand = past.table.demand[row - KNOWN_DAYS : row + 1]
    start = np.array([FIRST.toordinal() + row])
    seen = past.known_demand(demand, start, np.array([0]), days)
    assert isinstance(seen, KnownDemand)
    return make_forecast(name, past, days)(seen, 0, np.array([days]), np.array([0]))[0]


amounts = st.one_of(st.just(0.0), st.floats(0.01, 1e4), st.integers(0, 50).map(float))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    arrays(np.float64, (120, 2), elements=amounts),
    arrays(np.bool_, 120),
    arrays(np.float64, 120, elements=st.floats(0.01, 1000)),
)
def test_forecasts_of_any_history_stay_within_reason(demand, promotion, price):
    demand[0] = np.maximum(demand[0], 0.5)
    past = history(demand, promotion=promotion, price=price)
    for name in NAMES:
        if name.endswith(COVARIATES) and past.effects is None:
            continue
        forecast = forecast_on(past, 100, name)
        assert np.isfinite(forecast).all()
        assert (forecast >= 0).all()
        assert (forecast <= 7 * MOST_TIMES * demand[:100].max(axis=0)).all(), name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("since", [3, 9, 20])
def test_a_series_that_has_just_begun_is_forecast_from_then_on(name, since):
    rng = np.random.default_rng(0)
    demand = rng.poisson(50.0, (150, 2)) * 1.0
    demand[: 119 - since, 1] = 0.0  # training ends on day 119
    promotion = np.arange(150) % 10 == 0
    forecast = forecast_on(history(demand, promotion=promotion), 119, name)
    np.testing.assert_allclose(forecast, 7 * 50, rtol=0.25)


@pytest.mark.parametrize("name", ["average", "weekday", "smoothing", "tsb"])
def test_worlds_forecast_together_each_have_days_of_their_own(name):
    past = history(np.random.default_rng(0).poisson(50.0, (150, 2)) * 1.0)
    demand = np.repeat(past.table.demand[100 - KNOWN_DAYS : 101], 3, axis=1)
    start, sku = np.full(3, FIRST.toordinal() + 100), np.zeros(3, np.intp)
    days, forecast = np.array([9, 1, 4]), make_forecast(name, past, 7)
    found = forecast(past.known_demand(demand, start, sku, 9), 0, days, sku)
    seen = past.known_demand(demand[:, :1], start[:1], sku[:1], 9)
    alone = [forecast(seen, 0, np.array([n]), sku[:1])[0] for n in days]
    np.testing.assert_allclose(found, alone)
    assert (np.diff(found[[1, 2, 0]], axis=0) > 60).all()


def test_days_count_from_an_opening_on():
    rng = np.random.default_rng(1)
    steady = rng.poisson(5.0, 40) + 1.0
    closed, sundays = steady.copy(), steady.copy()
    closed[20:32] = 0.0
    sundays[::7] = 0.0
    demand = np.stack([steady, closed, sundays, np.zeros(40)], axis=1)[:, None]
    nothing = np.zeros((1, 4, 2))
    assert open_days_before(demand, 40, nothing).tolist() == [[28, 8, 28, 28]]
    assert open_days_before(demand, 32, nothing)[0, 1] == 28  # nobody knows that it opens again


def test_two_sales_of_a_slow_mover_in_a_row_are_no_opening():
    demand = np.zeros((150, 2))
    demand[5:110:27] = 4.0
    demand[115:117] = 4.0
    past = history(demand)
    for name in ("average", "smoothing", "tsb"):
        assert (forecast_on(past, 117, name) < 7 * 3.5).all(), name  # 7 * 4 if it had just opened
    np.testing.assert_allclose(past.selling[0, 0], [20 * 108 / 114, 20 * 6 / 114])


def test_errors_are_of_days_on_which_a_series_had_begun():
    demand = np.random.default_rng(2).poisson(50.0, (200, 2)) * 1.0
    demand[:100, 1] = 0.0
    past = history(demand)
    errors, _ = forecast_errors(past, 0, 2, make_forecast("smoothing", past, 2))
    assert not np.isnan(errors[:, 0]).any()
    assert np.isnan(errors[:, 1]).sum() == 100 - KNOWN_DAYS + LEAST_OPEN
    assert np.nanquantile(errors[:, 1], 0.9) < 2 * np.quantile(errors[:, 0], 0.9)


def test_levels_that_move_are_followed_faster_than_those_that_stay():
    rng = np.random.default_rng(0)
    steady = rng.poisson(2.0, (400, 1)) * 1.0
    moving = rng.poisson(np.where(np.arange(400) // 20 % 2, 0.2, 9.0))[:, None] * 1.0
    assert intermittent(history(steady), 3).gain < 0.05 < intermittent(history(moving), 3).gain
    assert smoothing(history(steady), 3).discount > 0.9 > smoothing(history(moving), 3).discount
