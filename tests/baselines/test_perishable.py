"""Goods that perish: published orders, exact costs, bounds, and rules that count on waste."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.average_cost import average_cost, average_optimum, solved_rules
from baselines.average_perishable import perishable_store, two_day_orders
from baselines.references import find_reference
from baselines.registry import baselines_of, make_baselines
from baselines.rollout import rollout
from baselines.rules.perishable import CountingWaste, LowStockLevels, OneDayNewsvendor
from baselines.rules.reference import reference_team
from baselines.rules.stock_rule import StockLevels
from baselines.solvers.chain.demand_points import rounded_gamma
from baselines.solvers.perishable.bound import perishable_bound
from baselines.solvers.perishable.value_iteration import (
    PerishableStore,
    base_stock_orders,
    best_base_stock,
    orders_cost,
    solve_perishable,
    spared,
)
from baselines.solvers.store.lost_sales_problem import poisson
from baselines.tuned_rules import TunedRule
from commands import textbook
from common.errors import InputError, validated
from envs.problems import PROBLEMS
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters

COSTS = {"holding_cost": 1, "stockout_cost": 5, "waste_cost": 7, "unit_cost": 3}
NAMES = [name for name in textbook.names() if name.startswith("perishable_")]
STORES = PROBLEMS["stores"]


def one_store(**parameters):
    """Return the parameters of one store, its supply without limit, Poisson demand of mean 3."""
    store = {**COSTS, "lead_time": 1, "shelf_life": 2, "order_units": list(range(7))}
    sku = {"demand_model": "poisson", "base_demand": 3, "seasonality_amplitude": 0}
    given = {
        "stores": [{"initial_on_hand": 0}],
        "warehouse": {"initial_on_hand": float("inf")},
        "objective": "cost",
        "horizon": 300,
        "warmup_days": 100,
        **parameters,
    }
    given["sku"] = {**sku, **given.get("sku", {})}
    given["store"] = {**store, **given.get("store", {})}
    return validated(SupplyChainParameters, given)


def mean_return(parameters, rule, episodes=200):
    """Return what stores earn by a rule in an episode, and its standard error."""
    trace = STORES.traces(parameters, "evaluation", 0, episodes)
    returns = rollout(STORES, parameters, reference_team(store=rule), trace)["return"]
    return returns.mean(), returns.std() / np.sqrt(episodes)


@pytest.mark.parametrize("experiment", [1, 2])
def test_published_orders_of_de_moor_gijsbrechts_and_boute_2022(experiment):
    """Goods that keep two days, cell by cell: all units of both ages from 0 to 8."""
    run, published = textbook.load(f"perishable_m2_exp{experiment}")
    assert published.discount == 0.99
    assert len(published.orders) == len(published.orders[0]) == 9
    assert two_day_orders(run.parameters, 0.99, 9) == published.orders


def test_there_is_a_file_for_every_experiment():
    experiments = [(m, e) for m in (2, 3, 4, 5) for e in range(1, 9)]
    assert [f"perishable_m{m}_exp{e}" for m, e in experiments] == NAMES
    for (m, e), name in zip(experiments, NAMES, strict=True):
        store = perishable_store(textbook.load(name)[0].parameters)
        assert store.shape == (11, m + (1 if e <= 4 else 2) - 1, m)
        assert store.lifo == (e % 2 == 1)
        assert store.waste_cost == (10 if e in (3, 4, 7, 8) else 7)
        assert store.law @ np.arange(store.law.size) == pytest.approx(4, abs=2e-4)


def test_experiments_play_as_they_are_solved():
    for name in ("perishable_m2_exp2", "perishable_m3_exp5"):
        found = textbook.check(name, episodes=100, seed=3)
        assert found.agrees
        optimum, base_stock = found.played
        assert optimum.exact < base_stock.exact


def test_value_iteration_agrees_with_enumerated_days():
    """Newsvendor: goods of one day have the cost of a single one, whatever the lead time."""
    law, units = poisson(3), np.arange(12)
    points = np.arange(law.size)
    short = np.maximum(points - units[:, None], 0) @ law
    over = np.maximum(units[:, None] - points, 0) @ law
    best = (3 * units + 5 * short + 7 * over).min()
    for lead_time in (1, 2, 3):
        solved = solve_perishable(PerishableStore(law, 1, lead_time, 11, **COSTS))
        assert solved.cost.value == pytest.approx(best, abs=1e-5)


def test_goods_that_keep_for_long_cost_about_what_goods_that_never_perish_do():
    """Nearly all units are sold in six days; free waste spares some holding, dear waste costs."""
    from baselines.solvers.store.lost_sales import solve_lost_sales
    from baselines.solvers.store.lost_sales_problem import LostSales

    law, costs = poisson(1), {"holding_cost": 1, "stockout_cost": 9}
    usual = solve_lost_sales(LostSales(law, 1, **costs)).cost.value
    low, high = (
        solve_perishable(PerishableStore(law, 6, 1, 5, waste_cost=w, **costs)).cost.value
        for w in (0, 50)
    )
    assert 0.97 * usual < low < usual < high


def test_a_discount_near_one_is_an_average():
    store = PerishableStore(rounded_gamma(4, 2), 3, 1, 10, lifo=True, **COSTS)
    average = solve_perishable(store)
    found = solve_perishable(store, discount=0.999)
    assert found.values is not None
    assert 0.001 * found.values.mean() == pytest.approx(average.cost.value, rel=5e-3)
    assert found.cost.value >= average.cost.lower - 1e-6


@pytest.mark.parametrize("money", [1e-8, 1e8])
def test_the_unit_of_money_changes_no_order_and_no_level(money):
    law = rounded_gamma(4, 2)
    plain = PerishableStore(law, 2, 1, 10, **COSTS)
    other = PerishableStore(law, 2, 1, 10, **{name: money * x for name, x in COSTS.items()})
    for discount in (1.0, 0.99):
        expected = solve_perishable(plain, discount=discount)
        found = solve_perishable(other, discount=discount)
        np.testing.assert_array_equal(found.orders, expected.orders)
        assert found.cost.value == pytest.approx(money * expected.cost.value, rel=1e-6)
        assert found.cost.upper - found.cost.lower <= 1e-6 * found.cost.upper
    assert best_base_stock(other)[0] == best_base_stock(plain)[0]
    assert spared(other, 15 * money) == pytest.approx(money * spared(plain, 15), rel=1e-3)


@pytest.mark.parametrize("fixed_cost", [0, 2, 20])
def test_the_best_base_stock_is_the_best_of_all_levels(fixed_cost):
    """Where orders cost 20, lost sales are cheaper than any level above 0 (20 a day, not 35)."""
    store = PerishableStore(rounded_gamma(4, 2), 2, 1, 10, fixed_cost=fixed_cost, **COSTS)
    costs = [orders_cost(store, base_stock_orders(store, level)).cost.value for level in range(31)]
    level, cost = best_base_stock(store)
    assert cost.value == pytest.approx(min(costs), rel=1e-6)
    assert cost.value == pytest.approx(costs[level], rel=1e-6)


def test_a_policy_costs_what_it_does_from_an_empty_store_on():
    """Bread of one day, two days under way: 6 loaves every third day, never 2 on each."""
    store = PerishableStore(poisson(3), 1, 2, 6, **COSTS)
    found = orders_cost(store, base_stock_orders(store, 6)).cost
    law = poisson(3)
    points = np.arange(law.size)
    short, over = np.maximum(points - 6, 0) @ law, np.maximum(6 - points, 0) @ law
    by_hand = (3 * 6 + 5 * short + 7 * over + 2 * 5 * 3) / 3
    assert found.value == pytest.approx(by_hand, rel=1e-6)
    assert found.upper - found.lower < 1e-5


def test_newest_first_and_dearer_waste_cost_more():
    def cost(**changes):
        return solve_perishable(PerishableStore(poisson(3), 2, 1, 8, **{**COSTS, **changes})).cost

    assert cost().value < cost(lifo=True).value
    assert cost().value < cost(waste_cost=10).value
    level, base_stock = best_base_stock(PerishableStore(poisson(3), 2, 1, 8, **COSTS))
    assert cost().value < base_stock.value
    assert level > 0


@settings(max_examples=15)
@given(
    life=st.integers(1, 3),
    lead_time=st.integers(1, 2),
    lifo=st.booleans(),
    waste=st.sampled_from([0.0, 4.0, 20.0]),
    seed=st.integers(0, 100),
)
def test_no_policy_beats_the_optimum_and_no_optimum_the_bound(life, lead_time, lifo, waste, seed):
    issuing = "lifo" if lifo else "fifo"
    own = {"shelf_life": life, "lead_time": lead_time, "issuing": issuing, "waste_cost": waste}
    p = one_store(store=own)
    store = perishable_store(p)
    best = solve_perishable(store)
    orders = np.random.default_rng(seed).integers(0, 7, store.states)
    level = int(np.random.default_rng(seed).integers(0, 15))
    for policy in (orders, base_stock_orders(store, level)):
        assert orders_cost(store, policy, tolerance=1e-4).cost.upper >= best.cost.lower - 1e-6
    shorter = solve_perishable(
        PerishableStore(poisson(3), life, 1, 6, **(COSTS | {"waste_cost": waste}), lifo=lifo)
    )
    assert shorter.cost.lower <= best.cost.upper + 1e-6  # a bound where the states are too many
    trace = STORES.traces(p, "evaluation", 0, 1)
    days = p.horizon - p.warmup_days
    least = days * best.cost.lower - spared(store, best.cost.lower)
    assert perishable_bound(p, trace).value >= -days * best.cost.value
    assert least <= days * best.cost.value


@settings(max_examples=10, deadline=None)
@given(
    stores=st.integers(1, 3),
    objective=st.sampled_from(["reconciliation", "cost"]),
    life=st.integers(1, 4),
    lead_time=st.integers(0, 3),
    issuing=st.sampled_from(["fifo", "lifo"]),
    threshold=st.sampled_from([0.0, 0.4, 500.0]),
    days=st.floats(0.5, 4.0),
)
def test_no_rule_beats_the_bound_of_a_chain(
    stores, objective, life, lead_time, issuing, threshold, days
):
    store = {"shelf_life": life, "lead_time": lead_time, "issuing": issuing, "waste_cost": 2}
    store |= {"unit_cost": 1, "excess_threshold": threshold}
    p = validated(SupplyChainParameters, {"stores": stores, "objective": objective, "store": store})
    team = make_baselines("stores", p, ["reference_rules", "newsvendor"])
    trace = STORES.traces(p, "evaluation", 0, 60)
    bound = find_reference("stores", p).reference(trace)
    assert bound.kind == "upper_bound"
    for policy in team.values():
        returns = rollout(STORES, p, policy, trace)["return"]
        assert returns.mean() - 4 * returns.std() / np.sqrt(60) <= bound.value


def test_the_reference_of_a_small_store_is_its_optimum():
    p = one_store(horizon=20_100)
    reference = find_reference("stores", p).reference(STORES.traces(p, "evaluation", 0, 1))
    assert reference.kind == "optimum"
    optimum = average_optimum(p)
    assert reference.value == pytest.approx(-20_000 * optimum.cost)
    got, se = mean_return(p, optimum.rule, episodes=20)
    assert got == pytest.approx(reference.value, abs=4 * se)


def test_more_stock_than_can_be_ordered_is_no_state_of_the_optimum():
    few = {"shelf_life": 5, "order_units": [0, 1], "holding_cost": 0, "waste_cost": 0}
    p = one_store(stores=[{"initial_on_hand": 60}], horizon=5, warmup_days=0, store=few)
    source = find_reference("stores", p)
    played, error = mean_return(p, StockLevels(0))  # all days are sold from the first morning
    assert played <= source.reference(STORES.traces(p, "evaluation", 0, 10)).value + 4 * error
    assert average_optimum(p.model_copy(update={"horizon": 30, "warmup_days": 5})) is not None


def test_demand_too_large_to_be_solved_is_bounded():
    p = one_store(sku={"base_demand": 2000}, horizon=5, warmup_days=0)
    source = find_reference("stores", p)
    assert source.reference(STORES.traces(p, "evaluation", 0, 10)).kind == "upper_bound"


def test_exact_costs_of_base_stock_policies():
    p = one_store()
    best, base_stock = solved_rules(p)
    assert isinstance(base_stock.rule, StockLevels)
    assert average_cost(p, base_stock.rule) == pytest.approx(base_stock.cost, abs=1e-4)
    assert best.cost < base_stock.cost < average_cost(p, StockLevels(9))


def test_the_newsvendor_of_one_day_is_optimal():
    for lead_time in (1, 2):
        p = one_store(store={"shelf_life": 1, "lead_time": lead_time})
        got, se = mean_return(p, OneDayNewsvendor())
        cost = solve_perishable(perishable_store(p)).cost.value
        assert got == pytest.approx(-200 * cost, abs=4 * se)
    at_once = one_store(store={"shelf_life": 1, "lead_time": 0})
    got, se = mean_return(at_once, OneDayNewsvendor())
    assert got == pytest.approx(-200 * cost, abs=4 * se)
    policies = make_baselines("stores", at_once, ["newsvendor", "newsvendor_one_day"])
    returns = [
        rollout(STORES, at_once, policy, STORES.traces(at_once, "evaluation", 0, 5))["return"]
        for policy in policies.values()
    ]
    np.testing.assert_array_equal(*returns)  # without lead time the one is the other
    with pytest.raises(InputError, match="shelf_life=1"):
        SupplyChainBatch(p2 := one_store(), 1) and OneDayNewsvendor().bind(SupplyChainBatch(p2, 1))


def test_rules_order_what_will_be_wasted_by_hand():
    """4 old units and 2 fresh ones, mean demand 3: of the old ones 1 is expected to expire."""
    p = one_store(store={"order_units": list(range(13))})
    batch = SupplyChainBatch(p, 1)
    batch.reset()
    batch.ages[0, 0], batch.sites["on_hand"] = [4, 2], 6

    def order(rule):
        rule.bind(batch)
        return rule.predict(batch.observation())[0].item()

    assert order(StockLevels(9)) == 3
    assert order(CountingWaste(StockLevels(9))) == 4
    assert order(LowStockLevels(9, 2, 0)) == 4  # without a threshold that is BSP-EW
    assert order(LowStockLevels(9, 4, 12)) == 2  # half of the way below: 2 less
    batch.ages[0, 0], batch.sites["on_hand"] = [0, 0], 0
    assert order(LowStockLevels(9, 4, 12)) == 5  # S1
    assert batch.expected_waste().item() == 0


def test_newest_first_more_is_expected_to_be_wasted():
    batch = SupplyChainBatch(one_store(store={"issuing": "lifo"}), 1)
    batch.reset()
    batch.ages[0, 0], batch.sites["on_hand"] = [4, 2], 6
    assert batch.expected_waste().item() == 3


def test_baselines_of_goods_that_perish():
    names = set(baselines_of("stores", one_store()))
    more = {"tuned_level_ew", "tuned_seasonal_ew", "tuned_low_level_ew", "tuned_level_ew_free"}
    assert more <= names
    assert "newsvendor_one_day" not in names
    assert "newsvendor_one_day" in baselines_of("stores", one_store(store={"shelf_life": 1}))
    usual = set(baselines_of("stores", one_store(store={"shelf_life": None})))
    assert not any(name.endswith(("_ew", "_one_day")) for name in usual)


def test_tuned_rules_that_count_on_waste_are_better():
    """On experiment 2 for goods of two days: no worse than a quarter percent above the best."""
    p = textbook.load("perishable_m2_exp2")[0].parameters
    best = solved_rules(p)[0].cost
    policies = make_baselines("stores", p, ["tuned_level", "tuned_level_ew", "tuned_low_level_ew"])
    trace = STORES.traces(p, "evaluation", 5, 60)
    days = p.horizon - p.warmup_days
    played = {n: -rollout(STORES, p, q, trace)["return"].mean() / days for n, q in policies.items()}
    assert played["tuned_level_ew"] < played["tuned_level"]
    assert played["tuned_low_level_ew"] <= played["tuned_level_ew"] + 0.01
    assert played["tuned_low_level_ew"] < 1.01 * best


def test_every_tuned_rule_binds():
    p = one_store(horizon=10, warmup_days=0)
    for name, one in baselines_of("stores", p).items():
        if name.endswith("_ew") and isinstance(one, TunedRule):
            family = one.family(p)
            policy = family.make(**{k: np.array(v[:1] * 2) for k, v in family.grid.items()})
            text = repr(family.make(**{k: v[0] for k, v in family.grid.items()}))
            batch = SupplyChainBatch(p, 2)
            batch.reset()
            policy.bind(batch)
            assert policy.predict(batch.observation())[0].shape == (2, 3)
            assert "counting on waste" in text or "LowStockLevels" in text
