"""Stock of the coming days: by hand, and as the simulator has it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.stock_projection import StockRows, days_of_cover, stock_after_days
from common.errors import validated
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters


def rows(ages, due, *, life, lifo=False):
    ages = np.array([ages], np.float64)
    return StockRows(
        ages.sum(axis=1), ages, np.array([life]), np.array([lifo]), np.array([due], np.float64)
    )


def test_what_expires_is_missing_on_the_days_after_by_hand():
    arriving, demand = np.array([0.0, 4.0, 0.0]), np.array([[2.0], [3.0], [3.0]])
    left, short = stock_after_days(np.array([5.0, 1.0]), False, arriving, demand)
    # 2 of the 5 old ones are sold and 3 expire; 1 is left, then 4 arrive and 3 are asked for
    assert left[:, 0].tolist() == [1, 2, 0]
    assert short[:, 0].tolist() == [False, False, True]
    kept, never = stock_after_days(np.empty(0), False, np.array([6.0, 4.0, 0.0]), demand)
    assert kept[:, 0].tolist() == [4, 5, 2]
    assert not never.any()


units = st.integers(0, 9)


@given(
    ages=st.lists(units, min_size=3, max_size=3),
    due=st.lists(units, min_size=2, max_size=2),
    demand=st.lists(units, min_size=6, max_size=6),
    lifo=st.booleans(),
    perishes=st.booleans(),
)
def test_stock_is_projected_as_the_simulator_moves_it(ages, due, demand, lifo, perishes):
    store = {"lead_time": 2, "order_units": [0, 1]}
    if perishes:
        store |= {"shelf_life": 3, "issuing": "lifo" if lifo else "fifo"}
    sites = [{"initial_on_hand": sum(ages)}]
    given = {"stores": sites, "horizon": 6, "store": store, "warehouse": {"initial_on_hand": "inf"}}
    batch = SupplyChainBatch(validated(SupplyChainParameters, given), 1)
    batch.reset({"demand": np.array(demand, np.float64)[None, :, None], **quiet(6)})
    batch.pipelines[0, 0, :2] = due
    if perishes:
        batch.ages[0, 0] = ages
    simulated = []
    for _ in range(6):
        batch.step(np.zeros((1, 3), np.int64))
        simulated.append((batch.sites["left"][0, 0], batch.sites["service"][0, 0] < 1))
    first = 0 if perishes else sum(ages)
    arriving = np.array([first, *due, 0, 0, 0], np.float64)
    shelf = np.array(ages if perishes else [], np.float64)
    left, short = stock_after_days(shelf, lifo, arriving, np.array(demand, np.float64)[:, None])
    assert left[:, 0].tolist() == [one for one, _ in simulated]
    assert short[:, 0].tolist() == [one for _, one in simulated]


def quiet(days):
    return {"supplier_ok": np.ones((1, days), np.bool_), "sku": np.zeros(1, np.int64)}


@pytest.mark.parametrize(
    ("ages", "days"),
    [
        ((0, 0, 8), 3.5),  # with the 6 that are due all of it is sold
        ((8, 0, 0), 2.5),  # 4 of the oldest expire this evening
    ],
)
def test_days_of_cover_count_what_is_sold(ages, days):
    assert days_of_cover(rows(ages, [6], life=3), np.zeros(1), np.array([4.0])) == [days]
    keeps = StockRows(
        np.array([8.0]), np.empty((1, 0)), np.array([0]), np.array([False]), np.ones((1, 1))
    )
    assert days_of_cover(
        keeps,
        np.ones(1),
        np.array(
            [
                4.0,
            ]
        ),
    ) == [2.5]
    assert days_of_cover(keeps, np.ones(1), np.zeros(1)) == [None]


def test_an_order_that_comes_too_late_to_be_sold_is_no_cover():
    cover = days_of_cover(rows((0, 4), [0], life=2), np.array([40.0]), np.array([4.0]))
    assert cover == [3.0]  # today's 4 and two days of 4 of the 40
