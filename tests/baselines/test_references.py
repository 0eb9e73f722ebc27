"""What the stores are measured against: which bound it is, and that no rule beats it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines import references as module
from baselines.references import find_reference
from baselines.rollout import rollout
from baselines.rules.reference import reference_team
from baselines.rules.store import CappedBaseStock, Newsvendor, ReorderPoint
from baselines.solvers.chain.chain_bound import chain_bound
from common.errors import InputError
from envs.cash.parameters import CashParameters
from envs.problems import PROBLEMS
from envs.supply_chain.parameters import SupplyChainParameters
from tests.baselines.solvers.test_chain_hindsight import chains

STORES = PROBLEMS["stores"]
SHORT = {"initial_on_hand": 300, "order_units": [0, 50, 100, 150]}


def reference_of(p, episodes=50):
    trace = STORES.traces(p, "evaluation", 1, episodes)
    return find_reference("stores", p).reference(trace)


@pytest.mark.parametrize(
    ("parameters", "kind"),
    [
        ({}, "upper_bound"),
        ({"objective": "cost", "store": {"fixed_cost": 10}}, "upper_bound"),
        ({"sku": [{"base_demand": 20}, {"demand_std": 5}]}, "upper_bound"),
        ({"scenario": "high_variability"}, "upper_bound"),
        ({"warehouse": SHORT, "stores": [{"initial_on_hand": 50}]}, "hindsight"),
        ({"horizon": 2000}, "hindsight"),
        ({"store": {"unmet_demand": "backlog"}}, "upper_bound"),
        (
            {
                "warehouse": SHORT,
                "stores": [{"initial_on_hand": 50}],
                "store": {"unmet_demand": "backlog"},
            },
            "hindsight",
        ),
    ],
)
def test_which_bound_it_is(parameters, kind):
    p = SupplyChainParameters(**{"stores": 1, "horizon": 12, **parameters})
    assert reference_of(p).kind == kind


@pytest.mark.parametrize("measure", ["warehouse_return", "supplier_return", "system_return"])
def test_of_other_tiers_no_bound_is_known(measure):
    assert find_reference("stores", SupplyChainParameters(), measure).reference is None


def test_demand_of_a_file_is_judged_in_hindsight(bakery):
    p = SupplyChainParameters(demand_data=bakery)
    reference = reference_of(p)
    assert reference.kind == "hindsight"
    assert reference.value > rollout_mean(reference_team(), p)
    assert "short" not in reference.note  # the warehouse is never short


@pytest.fixture
def bakery():
    return {"file": "data/bakery_3stores.csv", "split": "2018-07-01"}


def rollout_mean(policy, p, episodes=50):
    trace = STORES.traces(p, "evaluation", 1, episodes)
    return rollout(STORES, p, policy, trace)["return"].mean()


def test_a_scarce_warehouse_lowers_the_bound_and_programmes_are_solved_for_that_alone(monkeypatch):
    p = SupplyChainParameters(horizon=12)
    scarce = SupplyChainParameters(horizon=12, warehouse=SHORT)
    assert reference_of(scarce).value < reference_of(p).value - 10
    few = []
    honest = module.chain_hindsight
    monkeypatch.setattr(module, "chain_hindsight", lambda *a, **k: few.append(k) or honest(*a, **k))
    reference_of(p)
    assert [set(k) for k in few] == [{"store_days"}]


@pytest.mark.parametrize("cost", ["fixed_cost", "unit_cost"])
@pytest.mark.parametrize("warehouse", [{}, SHORT])
def test_a_bound_that_leaves_the_cost_of_orders_out_says_so(cost, warehouse):
    given = {"stores": 1, "horizon": 5, "objective": "cost", "warehouse": warehouse}
    plain = SupplyChainParameters(**given)
    paid = SupplyChainParameters(**given, store={cost: 2.0})
    said = "What orders cost is left out"
    assert said in reference_of(paid).note
    assert said not in reference_of(plain).note


def test_skus_count_as_often_as_they_are_played():
    skus = [{"base_demand": 20.0}, {"base_demand": 60.0}]
    p = SupplyChainParameters(stores=1, horizon=5, sku=skus)
    bound = chain_bound(p)
    assert bound.value[0] != bound.value[1]
    three = bound.reference(STORES.traces(p, "evaluation", 1, 3)).value
    assert three == pytest.approx((2 * bound.value[0] + bound.value[1]) / 3)
    alone = SupplyChainParameters(stores=1, horizon=5, sku=skus[1])
    assert bound.value[1] == pytest.approx(chain_bound(alone).value[0])


@settings(max_examples=10)
@given(chains(), st.integers(0, 1000), st.floats(-1, 3), st.floats(0, 8))
def test_no_rule_beats_the_bound(p, seed, safety, days):
    for store in (
        Newsvendor(),
        CappedBaseStock(safety, cap_days=days).in_any_quantity(),
        ReorderPoint(days, 2 * days).in_any_quantity(),
    ):
        earned, bound = earned_and_bound(p, store, seed, 200)
        if np.isclose(earned, np.median(earned)).mean() > 0.8:  # what counts is seldom: play on
            earned, bound = earned_and_bound(p, store, seed, 20_000)
        error = earned.std() / np.sqrt(earned.size)
        assert earned.mean() <= bound + 4.5 * error + 1e-6 * (1 + abs(bound))


def earned_and_bound(p, store, seed, episodes):
    trace = STORES.traces(p, "evaluation", seed, episodes)
    bound = find_reference("stores", p).reference(trace).value
    return rollout(STORES, p, reference_team(store=store), trace)["return"], bound


def test_a_cash_problem_too_large_to_solve_is_judged_in_hindsight():
    large = {"buy_lots": [1, 5000], "convert_lots": [1, 2500], "demand_mean": 2500}
    p = CashParameters(**large, objective="profit", max_steps=1)
    source = find_reference("cash", p)
    assert source.policy is None
    reference = source.reference(PROBLEMS["cash"].traces(p, "evaluation", 1, 3))
    assert reference.kind == "hindsight"
    assert reference.values.shape == (3,)


def test_a_cash_problem_too_large_for_that_too_says_what_to_reduce():
    large = {"buy_lots": [1, 50_000], "convert_lots": [1, 25_000], "demand_mean": 25_000}
    p = CashParameters(**large, objective="profit", max_steps=3)
    message = r"needs over [\d,]+ states a step, or [\d,]+ after an action; reduce max_steps \(3\)"
    with pytest.raises(InputError, match=message):
        find_reference("cash", p).reference(PROBLEMS["cash"].traces(p, "evaluation", 1, 3))
