"""Errors of series, drawn towards those of all."""

import numpy as np
import pytest

from demand.forecasts.errors import LEAST_OPEN, OWN_SHAPE, PooledErrors, forecast_errors
from demand.forecasts.forecast import make_forecast
from demand.history import StoreDemand, store_history
from demand.known_demand import KNOWN_DAYS

SHARES = np.array([0.95])


def own_quantiles(errors):
    return np.nanquantile(errors, SHARES[0], axis=0)


def pooled(errors, overlap=1.0, new=None, mean=1.0):
    """Return quantiles of SKUs' errors, of shape (SKUs, windows, N)."""
    new = np.zeros((errors.shape[0], errors.shape[2]), np.bool_) if new is None else new
    pool = PooledErrors(new, np.full(new.shape, 1.0) * mean)
    for sku, some in enumerate(errors):
        pool.add(sku, some, overlap)
    every = (pool.quantiles(k, own_quantiles(some), SHARES) for k, some in enumerate(errors))
    return np.array(list(every))


def test_a_single_series_has_its_own_quantiles():
    errors = np.random.default_rng(0).gamma(2, size=(1, 90, 1))
    np.testing.assert_allclose(pooled(errors)[0], own_quantiles(errors[0]))


def test_the_fewer_windows_share_no_day_the_more_a_series_is_like_the_others():
    errors = np.random.default_rng(1).normal(size=(1, 60, 40))
    own, surely = own_quantiles(errors[0]), 1.645
    away = [np.abs(pooled(errors, overlap)[0] - surely).mean() for overlap in (1, 4, 12)]
    assert away[2] < away[1] < away[0] < np.abs(own - surely).mean()


def test_series_keep_their_sizes():
    sizes = np.array([0.1, 1.0, 5.0])
    errors = np.random.default_rng(2).normal(size=(1, 400, 3)) * sizes
    np.testing.assert_allclose(pooled(errors)[0], 1.645 * sizes, rtol=0.25)


def test_a_new_series_has_errors_of_the_usual_size_and_says_nothing_of_others():
    errors = np.random.default_rng(3).normal(size=(2, 300, 2))
    errors[1, :, 1] = np.nan
    errors[1, -5:, 1] = 1000.0
    new = np.array([[False, False], [False, True]])
    found = pooled(errors, new=new)
    np.testing.assert_allclose(found, 1.645, rtol=0.2)
    none_else = pooled(errors[1:, :, 1:], new=np.ones((1, 1), np.bool_))
    assert none_else == pytest.approx(1000)  # with nobody else to ask


def test_a_new_series_is_like_those_that_sell_most():
    sizes, mean = np.array([3.0, 3.0, 0.5, 1.0]), np.array([1.0, 1.0, 500.0, 0.1])
    errors = np.random.default_rng(8).normal(size=(1, 400, 4)) * sizes
    new = np.array([[False, False, False, True]])
    found = pooled(errors, new=new, mean=mean)
    assert found[0, 3] == pytest.approx(1.645 * 0.5, rel=0.2)
    equally = pooled(errors, new=new)
    assert equally[0, 3] > 2 * found[0, 3]
    np.testing.assert_array_equal(equally[0, :3], found[0, :3])


def test_own_quantiles_win_with_many_windows():
    rng = np.random.default_rng(4)
    count = int(50 * OWN_SHAPE)
    errors = np.stack([rng.normal(size=(count, 1)), rng.gamma(0.2, 2, size=(count, 1))])
    np.testing.assert_allclose(pooled(errors)[:, 0], own_quantiles(errors[..., 0].T), rtol=0.06)


def test_what_an_opening_was_off_by_is_no_error(tmp_path):
    rng = np.random.default_rng(5)
    sales = rng.poisson(100, size=400).astype(float)
    sales[:200] = 0.0
    days = np.arange("2020-01-01", "2021-02-04", dtype="datetime64[D]")
    path = tmp_path / "opened.csv"
    old = rng.poisson(80, size=400)
    rows = [f"{day},{x},{y}" for day, x, y in zip(days, sales, old, strict=True)]
    path.write_text("\n".join(["date,new,old", *rows]))
    history = store_history(StoreDemand(file=path, split="2021-01-01"))
    errors, _ = forecast_errors(history, 0, 2, make_forecast("weekday", history, 2))
    began = 200 - KNOWN_DAYS  # the first of errors is of the first day with a past
    assert np.isnan(errors[: began + LEAST_OPEN, 0]).all()
    assert np.nanmax(np.abs(errors[:, 0])) < 1
    assert not np.isnan(errors[:, 1]).any()


@pytest.fixture
def many(tmp_path):
    """Return the history of three SKUs, and errors that are found on every day of it."""
    rng = np.random.default_rng(6)
    days = np.arange("2020-01-01", "2021-02-04", dtype="datetime64[D]")
    rows = [
        f"{day},s,{k},{x}" for k in "abc" for day, x in zip(days, rng.poisson(20, 400), strict=True)
    ]
    path = tmp_path / "many.csv"
    path.write_text("\n".join(["date,store,sku,demand", *rows]))
    history = store_history(StoreDemand(file=path, split="2021-01-01"))
    return history, [
        forecast_errors(history, sku, 2, make_forecast("weekday", history, 2)) for sku in range(3)
    ]


def test_of_many_series_errors_are_those_of_every_few_days(many, monkeypatch):
    history, every = many
    monkeypatch.setattr("demand.forecasts.errors.MOST_ERRORS", 2 * history.training.size // 13)
    seen = []
    for sku, (errors, weekdays) in enumerate(every):
        some, theirs = forecast_errors(history, sku, 2, make_forecast("weekday", history, 2))
        np.testing.assert_array_equal(some, errors[sku::8])  # a week would be one weekday alone
        np.testing.assert_array_equal(theirs, weekdays[sku::8])
        seen += [*np.arange(len(errors))[sku::8]]
    assert len(set(seen)) == len(seen)


def test_days_apart_share_fewer_days():
    errors = np.random.default_rng(7).normal(size=(60, 40))
    found = [PooledErrors(np.zeros((1, 40), np.bool_), np.ones((1, 40)), apart) for apart in (1, 4)]
    for pool, overlap in zip(found, (1.0, 4.0), strict=True):
        pool.add(0, errors, overlap)
    own = own_quantiles(errors)
    of_each = [pool.quantiles(0, own, SHARES) for pool in found]
    np.testing.assert_array_equal(*of_each)
