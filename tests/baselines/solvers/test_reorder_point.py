"""Backlog: published figures, and enumeration of (s, S) policies."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from baselines.rollout import rollout
from baselines.rules.reference import reference_team
from baselines.rules.stock_rule import StockLevels
from baselines.solvers.chain.backlog_bound import _value, backlog_bound
from baselines.solvers.chain.chain_bound import chain_bound
from baselines.solvers.chain.demand_points import demand_points
from baselines.solvers.store.lost_sales_problem import poisson
from baselines.solvers.store.reorder_point import best_reorder_policy, newsvendor
from common.errors import InputError
from envs.problems import PROBLEMS
from envs.supply_chain.constants import lane_constants
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.reward import cost_weights


def average_cost(law, s, up_to, holding_cost, stockout_cost, fixed_cost):
    """Return the cost of an (s, S) policy from the stationary law of its position."""
    levels = np.arange(s + 1, up_to + 1)
    moves, orders = np.zeros((levels.size, levels.size)), np.zeros(levels.size)
    for i, level in enumerate(levels):
        for demand, chance in enumerate(law):
            low = level - demand <= s
            moves[i, -1 if low else level - demand - s - 1] += chance
            orders[i] += chance * low
    balance = np.vstack([moves.T - np.eye(levels.size), np.ones(levels.size)])
    stationary = np.linalg.lstsq(balance, np.eye(levels.size + 1)[-1], rcond=None)[0]
    left = levels[:, None] - np.arange(law.size)
    days = (holding_cost * np.maximum(left, 0) + stockout_cost * np.maximum(-left, 0)) @ law
    return stationary @ (days + fixed_cost * orders)


def test_best_policy_of_zheng_and_federgruen_1991_poisson_6():
    best = best_reorder_policy(poisson(6), holding_cost=1, stockout_cost=4, fixed_cost=5)
    assert (best.reorder_point, best.order_up_to_level) == (4, 10)
    assert best.cost == pytest.approx(8.03411, abs=1e-5)


def test_newsvendor_of_snyder_and_shen_example_4_3():
    best = newsvendor(50, 8, holding_cost=0.18, stockout_cost=0.70)
    assert best.base_stock_level == pytest.approx(56.604, abs=5e-4)
    assert best.cost == pytest.approx(1.9976, abs=5e-5)


@settings(max_examples=15)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=4),
    st.integers(1, 15),
    st.sampled_from([0.0, 0.5, 3.0, 10.0]),
)
def test_no_other_s_and_level_is_cheaper(weights, stockout_cost, fixed_cost):
    law = np.array([1.0, *weights]) + np.eye(len(weights) + 1)[1]
    law /= law.sum()
    costs = {"holding_cost": 1, "stockout_cost": stockout_cost, "fixed_cost": fixed_cost}
    best = best_reorder_policy(law, **costs)
    here = best.reorder_point, best.order_up_to_level
    assert average_cost(law, *here, **costs) == pytest.approx(best.cost, abs=1e-9)
    for s, up_to in itertools.product(range(-6, 8), range(-2, 14)):
        if s < up_to:
            assert average_cost(law, s, up_to, **costs) >= best.cost - 1e-9


def test_without_fixed_cost_it_is_the_newsvendor():
    best = best_reorder_policy(poisson(6), holding_cost=1, stockout_cost=4, fixed_cost=0)
    assert (best.reorder_point, best.order_up_to_level) == (7, 8)


# ---- the bound of a store whose customers wait ----


@settings(max_examples=15)
@given(
    st.sampled_from(["normal", "gamma", "poisson"]),
    st.integers(0, 3),
    st.floats(0, 60),
    st.floats(0.1, 5),
    st.booleans(),
)
def test_four_times_finer_grids_stay_below_the_bound(model, lead_time, first, stockout, cost):
    law = demand_points(model, [8.0, 10.0, 6.0, 9.0, 12.0], 4.0)
    objective = "cost" if cost else "reconciliation"
    weights = lane_constants(SupplyChainParameters(objective=objective))[:, 0]
    weights["stockout_cost"] = stockout
    weights["backlog"] = True
    bound = backlog_bound(law, weights, lead_time=lead_time, initial_on_hand=first)
    finer = _value(law, weights, lead_time, first, 0, bound.unit / 4)
    assert bound.value - 2 * bound.tolerance - 0.01 <= finer <= bound.value + 1e-9


@pytest.mark.parametrize("lead_time", [0, 1, 3])
def test_the_bound_is_the_newsvendor_of_every_day(lead_time):
    """On the first days there is no stock, later the best level of lead time and day counts."""
    days, units = 8, np.arange(120)
    bound = backlog_bound(
        demand_points("poisson", [5.0] * days, 0.0),
        cost_weights(1, 9),
        lead_time=lead_time,
        initial_on_hand=0,
    )

    def cost(level, mean):
        left = level - units
        return stats.poisson(mean).pmf(units) @ (np.maximum(left, 0) + 9 * np.maximum(-left, 0))

    exact = sum(cost(0, 5 * (t + 1)) for t in range(lead_time))
    exact += (days - lead_time) * min(cost(y, 5 * (lead_time + 1)) for y in range(60))
    assert bound.value - bound.tolerance - 1e-9 <= -exact <= bound.value + 1e-9
    assert bound.tolerance < 1e-9  # whole demand lies on nodes


def test_the_bound_of_the_reward_of_reconciliation_is_nearly_reached():
    p = SupplyChainParameters(
        stores=[{"initial_on_hand": 150}],
        sku={"seasonality_amplitude": 0},
        store={"unmet_demand": "backlog"},
        warehouse={"initial_on_hand": np.inf},
    )
    bound = chain_bound(p)
    trace = PROBLEMS["stores"].traces(p, "evaluation", 1, 2000)
    played = [
        rollout(
            PROBLEMS["stores"], p, reference_team(store=StockLevels(level).in_any_quantity()), trace
        )
        for level in (210, 220, 230)
    ]
    best = max(totals["return"].mean() for totals in played)
    assert bound.value[0] - 2 < best < bound.value[0] + 1
    assert "as customers wait" in bound.reference(trace).note


def test_bad_input_is_named():
    with pytest.raises(InputError, match="pmf"):
        best_reorder_policy([0.2], holding_cost=1, stockout_cost=4, fixed_cost=0)
    with pytest.raises(InputError, match="holding_cost"):
        best_reorder_policy([0.5, 0.5], holding_cost=0, stockout_cost=4, fixed_cost=0)
    with pytest.raises(InputError, match="fixed_cost"):
        best_reorder_policy([0.5, 0.5], holding_cost=1, stockout_cost=4, fixed_cost=-1)
    with pytest.raises(InputError, match="std"):
        newsvendor(5, -1, holding_cost=1, stockout_cost=4)
