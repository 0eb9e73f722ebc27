"""The exact cost of any policy of a store with lost sales."""

import numpy as np
import pytest

from baselines.average_cost import exact_cost, lost_sales_store, solved_rules
from baselines.policy import RandomPolicy
from baselines.rules.reference import reference_team
from baselines.rules.stock_rule import StockLevels
from baselines.rules.store import ForecastBaseStock
from baselines.solvers.store.lost_sales import (
    base_stock_cost,
    best_capped_base_stock,
    policy_cost,
    reorder_cost,
)
from baselines.solvers.store.lost_sales_problem import LostSales, poisson
from commands import textbook
from common.errors import InputError, validated
from envs.supply_chain.parameters import SupplyChainParameters


@pytest.mark.parametrize("lead_time", [1, 2, 3])
def test_a_policy_costs_what_it_costs_as_a_rule(lead_time):
    store = LostSales(poisson(3), lead_time, holding_cost=1, stockout_cost=9)
    level, cap, known = best_capped_base_stock(store)

    def capped(on_hand, pipelines):
        return np.clip(level - on_hand - pipelines.sum(axis=1), 0, cap)

    def point(on_hand, pipelines):
        position = on_hand + pipelines.sum(axis=1)
        return np.where(position <= 5, level - position, 0)

    found, other = policy_cost(store, capped), policy_cost(store, point)
    assert found.value == pytest.approx(known.value, abs=2e-6)
    assert other.value == pytest.approx(reorder_cost(store, 5, level).value, abs=2e-6)


def test_orders_beyond_all_use_are_followed_too():
    store = LostSales(poisson(2), 1, holding_cost=1, stockout_cost=2)
    far = 14

    def much(on_hand, pipelines):
        del pipelines
        return np.maximum(far - on_hand, 0)

    found = policy_cost(store, much)
    assert found.value == pytest.approx(base_stock_cost(store, far).value, abs=2e-6)
    assert policy_cost(store, much, states=5) is None


def test_a_policy_that_stops_ordering_nowhere_is_not_followed_for_ever():
    store, seen = LostSales(poisson(2), 1, holding_cost=1, stockout_cost=2), []

    def always(on_hand, pipelines):
        del pipelines
        seen.append(int(on_hand.max()))
        return np.full_like(on_hand, 5)

    assert policy_cost(store, always) is None
    assert 5 < max(seen) < 200


def test_rules_as_policies_and_the_optimum_itself():
    run, _ = textbook.load("lost_sales_p4_L2")
    optimum, base_stock, *_ = solved_rules(run.parameters)
    for solved in (optimum, base_stock):
        found = exact_cost(run.parameters, reference_team(store=solved.rule))
        assert found.value == pytest.approx(solved.cost, abs=1e-5)


def test_what_decides_by_more_than_stock_has_no_such_cost():
    run, _ = textbook.load("lost_sales_p4_L1")
    forecasts = reference_team(store=ForecastBaseStock(2.0, 1.0))
    assert exact_cost(run.parameters, forecasts) is None
    assert exact_cost(run.parameters, RandomPolicy(np.random.default_rng(0))) is None
    steady = reference_team(store=StockLevels(12))
    assert exact_cost(run.parameters, steady) is not None
    assert exact_cost(run.parameters, steady, states=5) is None
    backlog, _ = textbook.load("reorder_point")
    assert lost_sales_store(backlog.parameters) is None
    assert exact_cost(backlog.parameters, steady) is None


def with_store(name, **changes):
    p = textbook.load(name)[0].parameters
    store = {**p.store.model_dump(), **changes}
    return validated(SupplyChainParameters, {**p.model_dump(), "store": store})


def test_an_optimum_that_is_not_on_offer_says_what_must_be():
    few = with_store("lost_sales_p4_L1", order_units=[0, 1, 2])
    with pytest.raises(
        InputError, match=r"^store\.order_units: must hold 0, 1, \.\.\., \d+ or more"
    ):
        solved_rules(few)


@pytest.mark.parametrize(
    "change", [{"shelf_life": 3}, {"unit_cost": 1.0}, {"lead_time": 1}, {"fixed_cost": 2.0}]
)
def test_the_newsvendor_is_of_one_day_without_anything_else(change):
    (solved,) = solved_rules(with_store("newsvendor"))
    assert solved.cost == pytest.approx(1.9976, abs=5e-5)
    with pytest.raises(InputError, match="no textbook instance that is solved here"):
        solved_rules(with_store("newsvendor", **change))
