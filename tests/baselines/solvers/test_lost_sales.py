"""Lost sales: published optima, simulation of the policies, and what no policy may undercut."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.solvers.store import lost_sales, reorder_point
from baselines.solvers.store.lost_sales import (
    base_stock_cost,
    best_base_stock,
    best_capped_base_stock,
    reorder_cost,
    solve_lost_sales,
    spared,
)
from baselines.solvers.store.lost_sales_problem import (
    LostSales,
    negative_binomial,
    order_limits,
    poisson,
)
from baselines.solvers.store.lost_sales_size import is_quick, is_solvable, sooner_store
from common.errors import InputError


def poisson_store(lead_time, stockout_cost):
    return LostSales(poisson(5), lead_time, holding_cost=1, stockout_cost=stockout_cost)


def simulate(store, orders_of, days=300, worlds=4000, skipped=60):
    """Return the mean cost of a day and its standard error; `orders_of(x, pipeline)`."""
    rng = np.random.default_rng(3)
    # slot k arrives k mornings from now; slot 0 has arrived
    on_hand, pipeline = np.zeros(worlds, int), np.zeros((worlds, store.lead_time + 1), int)
    costs = np.zeros(worlds)
    for day in range(days):
        q = orders_of(on_hand, pipeline[:, 1 : max(1, store.lead_time)])
        pipeline[:, store.lead_time] += q
        if store.lead_time == 0:
            on_hand, pipeline[:, 0] = on_hand + q, 0
        demand = rng.choice(store.law.size, worlds, p=store.law)
        left, lost = np.maximum(on_hand - demand, 0), np.maximum(demand - on_hand, 0)
        if day >= skipped:
            costs += store.holding_cost * left + store.stockout_cost * lost
            costs += store.fixed_cost * (q > 0)
        pipeline = np.roll(pipeline, -1, axis=1)
        on_hand, pipeline[:, [0, -1]] = left + pipeline[:, 0], 0
    costs /= days - skipped
    return costs.mean(), costs.std() / np.sqrt(worlds)


@st.composite
def stores(draw):
    weights = np.array(draw(st.lists(st.integers(0, 9), min_size=2, max_size=5)), float)
    weights[:2] += 1.0
    fixed = draw(st.sampled_from([0.0, 0.0, 2.0]))
    most = 4 if fixed else 20
    return LostSales(
        weights / weights.sum(),
        draw(st.integers(0, 2 if fixed else 3)),
        holding_cost=1,
        stockout_cost=draw(st.integers(1, most)),
        fixed_cost=fixed,
    )


# ---- published figures ----


def test_lots_that_last_for_months_are_not_solved_in_a_minute():
    assert is_quick(LostSales(poisson(5), 1, 0.1, 10, fixed_cost=20))
    assert not is_quick(LostSales(poisson(5), 2, 0.1, 10, fixed_cost=100))
    assert not is_quick(LostSales(poisson(5), 0, 0.01, 5, fixed_cost=5))


def test_what_costs_next_to_nothing_has_the_same_best_levels():
    cheap = LostSales(poisson(5), 2, holding_cost=1e-4, stockout_cost=4e-4)
    level, cost = best_base_stock(cheap)
    assert (level, 1e4 * cost.value) == (16, pytest.approx(4.6386, abs=1e-4))
    assert best_capped_base_stock(cheap)[:2] == (17, 5)
    assert 1e4 * solve_lost_sales(cheap).cost.value == pytest.approx(4.395295, abs=1e-6)
    cheapest = LostSales(poisson(5), 2, holding_cost=1e-8, stockout_cost=4e-8)
    usual = spared(poisson_store(2, 4), 4.395295)
    assert 1e8 * spared(cheapest, 4.395295e-8) == pytest.approx(usual, rel=1e-4)


@pytest.mark.parametrize(
    ("stockout_cost", "lead_time", "level", "cost"),
    [
        *((4, 1, 12, 4.1628), (4, 2, 16, 4.6386), (4, 3, 20, 4.9750), (4, 4, 25, 5.1978)),
        *((19, 1, 15, 6.7278), (19, 2, 21, 7.8422), (19, 3, 26, 8.6045), (19, 4, 31, 9.2319)),
    ],
)
def test_best_base_stock_poisson_5(stockout_cost, lead_time, level, cost):
    found, average = best_base_stock(poisson_store(lead_time, stockout_cost))
    assert found == level
    assert average.value == pytest.approx(cost, abs=1e-4)


@pytest.mark.parametrize(
    ("stockout_cost", "lead_time", "level", "cap", "cost"),
    [
        *((4, 1, 12, 6, 4.0654), (4, 2, 17, 5, 4.4057), (4, 3, 21, 5, 4.6308)),
        *((4, 4, 26, 5, 4.7979), (19, 1, 15, 8, 6.6878), (19, 2, 21, 7, 7.7209)),
        *((19, 3, 26, 6, 8.4010), (19, 4, 31, 6, 8.9544)),
    ],
)
def test_best_capped_base_stock_poisson_5(stockout_cost, lead_time, level, cap, cost):
    found = best_capped_base_stock(poisson_store(lead_time, stockout_cost))
    assert found[:2] == (level, cap)
    assert found[2].value == pytest.approx(cost, abs=2e-4)


@pytest.mark.parametrize(("lead_time", "fixed_cost"), [(0, 3), (1, 3), (2, 1)])
def test_with_a_fixed_cost_the_best_base_stock_is_the_best_of_all_levels(lead_time, fixed_cost):
    """Lost sales may be cheaper than any level above 0, though one above it is dearer yet."""
    store = LostSales([0.3, 0.25, 0.2, 0.25], lead_time, 0.5, 1, fixed_cost)
    costs = [base_stock_cost(store, level).value for level in range(12)]
    level, cost = best_base_stock(store)
    assert level == np.argmin(costs)
    assert cost.value == pytest.approx(min(costs), abs=1e-5)
    assert best_capped_base_stock(store)[2].value <= min(costs) + 1e-5


def test_lead_time_0_is_the_newsvendor():
    store = poisson_store(0, 19)
    level, cost = best_base_stock(store)
    assert level == 9  # P(D <= 8) < 0.95 <= P(D <= 9)
    assert cost.value == pytest.approx(solve_lost_sales(store).cost.value, abs=1e-6)
    assert cost.value == pytest.approx(store.day_costs(20).min(), abs=1e-6)


# ---- policies played ----


@pytest.mark.parametrize(
    ("lead_time", "fixed_cost"), [(0, 0), (1, 0), (2, 0), (3, 0), (5, 0), (0, 5), (1, 5), (2, 5)]
)
def test_the_optimal_policy_earns_what_was_announced(lead_time, fixed_cost):
    store = LostSales(poisson(5), lead_time, 1, 9, fixed_cost)
    solved = solve_lost_sales(store)
    cost = solved.cost  # of what is published: tests/commands/test_textbook.py
    assert cost.lower <= cost.value <= cost.upper <= cost.lower + 1e-6
    mean, error = simulate(store, solved.order)
    assert mean == pytest.approx(cost.value, abs=4 * error)
    assert error < 0.02 * mean


@pytest.mark.parametrize(("lead_time", "cap"), [(0, 4), (1, 6), (2, None), (3, 5), (4, 6)])
def test_the_cost_of_a_base_stock_is_what_simulation_finds(lead_time, cap):
    store, level = poisson_store(lead_time, 9), 5 * lead_time + 8

    def orders_of(on_hand, pipeline):
        wanted = level - on_hand - pipeline.sum(axis=1)
        return np.clip(wanted, 0, cap)

    mean, error = simulate(store, orders_of)
    assert mean == pytest.approx(base_stock_cost(store, level, cap).value, abs=4 * error)


def test_the_policy_orders_nothing_where_it_never_goes():
    solved = solve_lost_sales(poisson_store(3, 4))
    stock = np.array([500, 5, 0])
    under_way = np.array([[0, 0], [99, 99], [0, 0]])
    orders = solved.order(stock, under_way)
    assert orders[:2].tolist() == [0, 0]
    assert 0 < orders[2] <= solved.limits[0]


# ---- properties ----


@given(stores(), st.integers(0, 12), st.integers(0, 6))
def test_no_base_stock_undercuts_the_optimum(store, level, cap):
    bound = solve_lost_sales(store).cost.lower
    assert base_stock_cost(store, level).upper >= bound
    assert base_stock_cost(store, level, cap).upper >= bound


@given(stores(), st.integers(0, 8), st.integers(1, 6))
def test_no_reorder_point_undercuts_the_optimum(store, point, more):
    bound = solve_lost_sales(store).cost.lower
    assert reorder_cost(store, point, point + more).upper >= bound


@given(stores())
def test_larger_orders_than_the_limits_are_of_no_use(store):
    near, far = solve_lost_sales(store), solve_lost_sales(store, slack=2)
    assert far.cost.value == pytest.approx(near.cost.value, abs=1e-5)


@given(stores())
def test_limits_grow_with_the_days_and_with_the_fixed_cost(store):
    limits = order_limits(store)
    assert (np.diff(limits) >= 0).all()
    dearer = LostSales(store.pmf, store.lead_time, 1, store.stockout_cost, store.fixed_cost + 1)
    assert (order_limits(dearer) >= limits).all()


def test_a_longer_lead_time_costs_more():
    costs = [solve_lost_sales(poisson_store(lead_time, 9)).cost.value for lead_time in range(5)]
    assert (np.diff(costs) > 0).all()


def backorder_cost(store, stockout_cost):
    """Return the least cost of the same store if its customers waited."""
    law = np.ones(1)
    for _ in range(store.lead_time + 1):
        law = np.convolve(law, store.law)
    costs = {"holding_cost": store.holding_cost, "stockout_cost": stockout_cost, "fixed_cost": 0}
    return reorder_point.best_base_stock(law, **costs)[1]


@pytest.mark.parametrize(
    ("lead_time", "stockout_cost"), [*itertools.product((1, 3), (4, 9, 19, 39)), (5, 4)]
)
@pytest.mark.parametrize("law", [poisson(5), negative_binomial(5, 30**0.5)])
def test_between_two_stores_whose_customers_wait(law, stockout_cost, lead_time):
    """Janakiraman, Seshadri and Shanthikumar (2007), Operations Research 55(5).

    Lost sales cost at most what waiting costs at the same penalty, and at least what it costs at
    the penalty over L + 1. From lead times of 3 days on a sooner store bounds them more closely.
    """
    store = LostSales(law, lead_time, 1, stockout_cost)
    cost = solve_lost_sales(store).cost.value
    sooner = solve_lost_sales(sooner_store(store, is_quick)).cost.value
    least = backorder_cost(store, stockout_cost / (lead_time + 1))
    assert max(least, sooner) < cost < backorder_cost(store, stockout_cost)
    assert lead_time < 3 or least < sooner


@given(stores())
def test_a_sooner_store_spends_no_more(store):
    if store.lead_time > 0:
        sooner = sooner_store(store, lambda _: True)
        assert sooner.lead_time == store.lead_time - 1
        assert solve_lost_sales(sooner).cost.lower <= solve_lost_sales(store).cost.upper


def test_where_holding_is_dear_the_store_holds_nothing():
    store = LostSales([0.5, 0.5], 2, holding_cost=5, stockout_cost=1)
    assert solve_lost_sales(store).cost.value == pytest.approx(0.5)


# ---- bad input ----


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pmf": [0.5, 0.6]}, "pmf"),
        ({"pmf": [1.0]}, "always be 0"),
        ({"lead_time": -1}, "lead_time"),
        ({"holding_cost": 0.0}, "holding_cost"),
        ({"stockout_cost": float("nan")}, "stockout_cost"),
        ({"fixed_cost": -1.0}, "fixed_cost"),
    ],
)
def test_bad_parameters_are_named(changes, said):
    good = {"pmf": [0.5, 0.5], "lead_time": 1, "holding_cost": 1.0, "stockout_cost": 4.0}
    with pytest.raises(InputError, match=said):
        LostSales(**{**good, **changes})


def test_the_cost_of_a_slow_rule_is_known_soon(monkeypatch):
    store = poisson_store(2, 39)  # a cap at the mean demand: the stock hardly returns to its mean
    found = base_stock_cost(store, 40, cap=5)
    assert found.upper - found.lower < 1e-6
    monkeypatch.setattr(lost_sales, "MAX_SWEEPS", 100)
    soon = base_stock_cost(store, 40, cap=5)
    assert soon.upper - soon.lower < 1e-3
    assert soon.lower <= found.value <= soon.upper


@pytest.mark.parametrize("case", [(1, 1, 1, 14), (2, 0, 0, 19), (2, 1, 2, 27), (3, 1, 1, 29)])
def test_the_cost_of_a_rule_that_orders_now_and_then_is_exact(case):
    mean, lead_time, point, level = case
    store = LostSales(poisson(mean), lead_time, holding_cost=1, stockout_cost=9, fixed_cost=5)
    cost = reorder_cost(store, point, level)
    assert cost.upper - cost.lower <= 1e-6


def test_what_is_too_large_is_refused():
    with pytest.raises(InputError, match="too many states"):
        solve_lost_sales(LostSales(poisson(50), 4, 1, 9))
    geometric = negative_binomial(5, 30**0.5)
    assert is_solvable(LostSales(geometric, 6, 1, 9))
    large = LostSales(geometric, 6, 1, 19)
    assert not is_solvable(large)
    assert sooner_store(large, is_solvable).lead_time == 5
    with pytest.raises(InputError, match="too many states"):
        sooner_store(large, lambda _: False)
    with pytest.raises(InputError, match="mean"):
        poisson(-1)
    with pytest.raises(InputError, match="level"):
        base_stock_cost(poisson_store(1, 4), -1)
