"""Sales that empty shelves cut off: demand there is estimated, and never from later periods."""

import datetime as dt

import numpy as np
import pytest

from agents.config import resolve
from common.errors import InputError
from demand.quality.censored import estimated_demand
from demand.reader import DemandSource, read_demand
from demand.summary import describe_demand

START, TODAY, DAYS = dt.date(2021, 3, 1), dt.date(2023, 3, 1), 420


def cut_sales(seed=0, capacity=12):
    """Return Poisson demand, and what is sold of it from a shelf that is filled every morning."""
    rng = np.random.default_rng(seed)
    demand = rng.poisson(10, (DAYS, 2, 1)).astype(float)
    sales = np.minimum(demand, capacity)
    return demand, sales, sales >= capacity


def test_estimates_have_the_mean_that_demand_has_where_it_was_cut_off():
    demand, sales, cut = cut_sales()
    found = estimated_demand(sales, cut, DAYS, 7)
    assert (found >= sales).all()
    np.testing.assert_array_equal(found[~cut], sales[~cut])
    seen = rising_seen(demand)
    sales, cut = np.minimum(demand, seen), demand > seen
    found = estimated_demand(sales, cut, DAYS, 7)
    assert sales.mean() < 0.97 * demand.mean()
    assert found.mean() == pytest.approx(demand.mean(), rel=0.02)


def rising_seen(demand):
    """Return shelves of different size, so that the whole law is seen on some days."""
    return np.random.default_rng(1).choice([8.0, 12.0, 30.0], demand.shape)


@pytest.mark.parametrize(
    ("mean", "shelves", "most"),
    [
        (0.3, (0, 9, 9, 9), 1.1),
        (1.0, (0, 9), 1.05),
        (1.0, (1, 2, 3, 4), 1.05),
        (3.0, range(1, 10), 1.03),
    ],
)
def test_few_units_a_day_are_estimated_at_no_more_than_they_are(mean, shelves, most):
    rng = np.random.default_rng(0)
    demand = rng.poisson(mean, (DAYS, 1, 8)).astype(float)
    shelf = rng.choice(list(shelves), demand.shape)
    found = estimated_demand(np.minimum(demand, shelf), shelf <= demand, DAYS, 7)
    assert 0.97 < found.sum() / demand.sum() < most
    assert (found % 1 == 0).all()


def test_what_is_missed_depends_on_the_weekday():
    rng = np.random.default_rng(0)
    usual = np.array([5.0, 5, 5, 5, 5, 20, 20])[np.arange(DAYS) % 7, None, None]
    demand = rng.poisson(usual, (DAYS, 1, 2)).astype(float)
    shelf = np.where(rng.random(demand.shape) < 0.3, 0.8 * usual, 99.0)
    found = estimated_demand(np.minimum(demand, shelf), shelf <= demand, DAYS, 7)
    for days in (usual[:, 0, 0] == 5, usual[:, 0, 0] == 20):
        assert found[days].mean() == pytest.approx(demand[days].mean(), rel=0.06)


def test_a_series_that_was_seen_often_enough_has_a_law_of_its_own():
    rng = np.random.default_rng(0)
    steady, wild = rng.poisson(50, (DAYS, 1, 1)), rng.choice([1, 200], (DAYS, 1, 1))
    cut = np.zeros((DAYS, 2, 1), bool)
    cut[200:400:20, 0] = True
    both = np.concatenate([steady, wild], axis=1).astype(float)
    alone = estimated_demand(both[:, :1], cut[:, :1], DAYS, 7)
    assert (alone > both[:, :1]).any()
    np.testing.assert_array_equal(estimated_demand(both, cut, DAYS, 7)[:, :1], alone)


def test_periods_before_the_first_sale_tell_nothing_of_demand():
    demand, sales, cut = cut_sales()
    launched, flags = sales.copy(), cut.copy()
    launched[:300, 0], flags[:300, 0] = 0.0, False
    alone = estimated_demand(sales[300:, :1], cut[300:, :1], DAYS - 300, 7)
    found = estimated_demand(launched, flags, DAYS, 7)
    np.testing.assert_array_equal(found[300:, :1], alone)
    np.testing.assert_array_equal(found[:, 1:], estimated_demand(sales, cut, DAYS, 7)[:, 1:])
    assert found[300:, 0].mean() < 1.2 * demand[300:, 0].mean()


def test_later_periods_have_no_influence_on_training_days():
    demand, sales, cut = cut_sales()
    other, without = sales.copy(), cut.copy()
    other[300:] = 3 * demand[300:]
    without[300:] = False
    own, others = (
        estimated_demand(s, c, 300, 7)[:300] for s, c in ((sales, cut), (other, without))
    )
    np.testing.assert_array_equal(own, others)


def write(path, in_stock, name="in_stock"):
    rows = [f"date,store,demand,{name}"]
    for k in range(200):
        rows.append(f"{START + dt.timedelta(days=k)},a,{10 + k % 5},{in_stock(k)}")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(
    ("name", "said"),
    [("in_stock", "no"), ("Available", "0"), ("availability", "0.5"), ("closing_stock", "0")],
)
def test_a_column_marks_days_on_which_goods_ran_out(tmp_path, name, said):
    there = "25" if name == "closing_stock" else "1"
    path = write(tmp_path / "sales.csv", lambda k: said if k % 10 == 0 else there, name)
    table = read_demand(DemandSource(file=path), TODAY)
    assert np.flatnonzero(table.cut_off[:, 0, 0]).tolist() == list(range(0, 200, 10))
    assert table.columns == f"columns: date, store, demand, {name}"
    history = resolve({"algo": "ppo", "demand": path}).parameters.history
    assert (history.table.demand[::10] > table.demand[::10]).all()
    assert "20 of 200 values; demand there is estimated" in describe_demand(
        history.table, DemandSource(file=path)
    )


def test_what_is_neither_yes_nor_no_is_refused_with_its_row(tmp_path):
    path = write(tmp_path / "sales.csv", lambda k: "perhaps" if k == 3 else "1")
    with pytest.raises(InputError, match=r"row 5: in_stock = 'perhaps': must be yes or no, 1 or 0"):
        read_demand(DemandSource(file=path), TODAY)
