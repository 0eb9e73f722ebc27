"""Outliers, level shifts and new series are named, the largest first, and left as they are."""

import datetime as dt

import numpy as np
import pytest

from demand.quality.anomalies import describe_anomalies, describe_new, level_shifts, outliers
from demand.reader import DemandSource
from demand.summary import describe_demand
from demand.table import DemandTable

START = dt.date(2021, 3, 1)


def table_of(demand, period="day"):
    """Return a table of one SKU with a column of demand for every store."""
    names = tuple("abcdefg"[: demand.shape[1]])
    units = demand[:, None].astype(float)
    return DemandTable("sales.csv", "wide", START, names, ("all",), units, "", period=period)


def test_outliers_and_level_shifts_are_named_and_left_as_they_are():
    rng = np.random.default_rng(0)
    demand = rng.poisson(20, (400, 1, 2)).astype(float)
    demand[150, 0, 1] = 400
    demand[250:, 0, 0] *= 3
    table = DemandTable("sales.csv", "wide", START, ("a", "b"), ("all",), demand, "columns: a, b")
    assert [found[:2] for found in outliers(demand.reshape(400, 2))] == [(150, 1)]
    ((row, place, after, before),) = level_shifts(table)
    assert place == 0
    assert abs(row - 250) <= 3
    assert after > 2.5 * before
    words = describe_demand(table, DemandSource(file=__file__))
    assert (
        f"outliers, left as they are: {START + dt.timedelta(days=150)} b (400, 20 usual)" in words
    )
    assert "level shifts, left as they are: 2021-11-" in words


def test_an_opening_and_what_sells_seldom_are_no_outliers():
    rng = np.random.default_rng(0)
    demand = rng.poisson(100, (72, 2)).astype(float)
    demand[:60, 0] = 0.0  # it opens
    demand[rng.random(72) < 0.7, 1] = 0.0  # it sells in one period of three
    assert outliers(demand) == []
    demand[65, 0] = 900.0
    assert [found[:2] for found in outliers(demand)] == [(65, 0)]


def test_new_series_are_named_with_their_first_sale():
    demand = np.full((400, 1, 3), 20.0)
    demand[:340, 0, 1] = 0.0
    demand[:390, 0, 2] = 0.0
    names = ("a", "b", "c")
    table = DemandTable("sales.csv", "wide", START, names, ("all",), demand, "columns: a, b, c")
    opened = START + dt.timedelta(days=340)
    source = DemandSource(file=__file__, validation="2022-03-15", split="2022-03-16")
    assert (
        f"until their own sales tell: b (since {opened}); c (no sales on training days)\n"
        in describe_demand(table, source)
    )
    every = DemandTable("sales.csv", "wide", START, names[:1], ("all",), demand[..., :1], "")
    assert "new" not in describe_demand(every, source)


@pytest.mark.parametrize(
    ("usual", "largest"),
    [
        ((16, 16), 16 + 8 * (np.sqrt(16) + 1)),  # steady: no less than what chance makes
        ((10, 30), 20 + 8 * 1.4826 * 10),
    ],
)
def test_an_outlier_lies_eight_robust_deviations_above_the_median(usual, largest):
    demand = np.tile(usual, 42).astype(float)[:, None]
    demand[41] = np.floor(largest)
    assert outliers(demand) == []
    demand[41] += 1
    assert outliers(demand) == [(41, 0, demand[41, 0], np.mean(usual))]


def test_what_sold_as_much_in_the_weeks_before_is_no_outlier():
    demand = np.full((56, 1), 100.0)
    demand[28:] = 1.0
    demand[40] = 100.0
    assert outliers(demand) == []


def test_the_largest_outliers_come_first_and_the_others_are_counted():
    demand = np.full((84, 5), 16.0)
    for store, (row, value) in enumerate([(10, 116), (20, 916), (30, 516), (40, 216), (50, 316)]):
        demand[row, store] = value
    assert [(row, value) for row, _, value, _ in outliers(demand)] == [
        *((20, 916), (30, 516), (50, 316), (40, 216), (10, 116)),
    ]
    (line,) = describe_anomalies(table_of(demand))
    assert line == (
        "outliers, left as they are: 2021-03-21 b (916, 16 usual); 2021-03-31 c (516, 16 usual); "
        "2021-04-20 e (316, 16 usual) and 2 more"
    )


def shifting(before, after, around, width=56):
    """Return a level, then another, each with values as far above it as below it by turns."""
    wave = np.where(np.arange(2 * width) % 2, around, -around)
    return np.repeat([before, after], width) + wave


@pytest.mark.parametrize(
    ("before", "after", "around", "found"),
    [
        (12, 20, 5, True),  # 8 / sqrt(2 * 5**2 / 56) = 8.5 standard errors
        (12, 20, 6, False),  # 7.1 of them
        (20, 12, 5, True),
        (20, 12, 6, False),
        (12, 19, 1, False),  # a factor of 1.58
    ],
)
def test_a_level_shift_is_large_beside_its_level_and_its_error(before, after, around, found):
    table = table_of(shifting(before, after, around)[:, None])
    assert level_shifts(table) == ([(56, 0, after, before)] if found else [])


def test_the_surest_level_shift_comes_first():
    series = shifting(12, 20, 5), shifting(12, 20, 1)
    assert [place for _, place, *_ in level_shifts(table_of(np.stack(series, axis=1)))] == [1, 0]


@pytest.mark.parametrize(("period", "width"), [("week", 13), ("month", 6)])
def test_weeks_and_months_shift_within_fewer_periods(period, width):
    table = table_of(shifting(10, 20, 0, width)[:, None], period)
    assert level_shifts(table) == [(width, 0, 20, 10)]


def test_where_all_series_are_new_none_is_said_to_be():
    demand = np.zeros((400, 2))
    demand[390:] = 20.0
    assert list(describe_new(table_of(demand), 395)) == []
    demand[:, 0] = 20.0
    assert len(list(describe_new(table_of(demand), 395))) == 1
