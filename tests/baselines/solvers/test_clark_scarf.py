"""Serial systems: published levels, sampled costs, the chain's own simulator."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.references import find_reference
from baselines.rollout import rollout
from baselines.serial_chain import serial_chain
from baselines.solvers.store.clark_scarf import SerialSystem, echelon_cost, solve_serial
from baselines.solvers.store.reorder_point import newsvendor
from common.errors import InputError
from envs.problems import PROBLEMS
from envs.supply_chain.parameters import SupplyChainParameters

STORES = PROBLEMS["stores"]
COSTS = {"holding_costs": (7, 4, 2), "lead_times": (1, 1, 2), "stockout_cost": 37.12}
TWO = SerialSystem((2.0, 0.5), (1, 3), 9.0, "poisson", 4.0)


def sampled(system, levels, draws=400_000):
    """Return the mean cost of levels and its standard error, stage by stage down the line."""
    rng = np.random.default_rng(7)
    daily = system.review == "daily"
    costs = (*system.holding_costs, 0.0)
    total, level = np.zeros(draws), np.full(draws, np.inf)
    for j in reversed(range(len(levels))):
        days = system.lead_times[j] + (daily and j == 0)
        if system.model == "poisson":
            demand = rng.poisson(system.mean * days, draws)
        else:
            demand = rng.normal(system.mean * days, system.std * np.sqrt(days), draws)
        level = np.minimum(level, levels[j]) - demand
        shown = level - (system.mean if daily and j else 0.0)
        total += (costs[j] - costs[j + 1]) * shown
    total += (system.stockout_cost + costs[0]) * np.maximum(0.0, -level)
    return total.mean(), total.std() / np.sqrt(draws)


# ---- published figures ----


def test_example_6_1_of_snyder_and_shen():
    best = solve_serial(SerialSystem(**COSTS, model="normal", mean=5, std=1, review="continuous"))
    assert best.levels == pytest.approx((6.49, 12.02, 22.71), abs=0.005)
    assert best.cost == pytest.approx(47.65, abs=0.02)


def test_its_levels_with_poisson_demand():
    """As the test suite of stockpyl 1.0.2 has them, whose cost leaves out a tail."""
    best = solve_serial(SerialSystem(**COSTS, model="poisson", mean=5, review="continuous"))
    assert best.levels == (9, 15, 26)
    assert best.cost == pytest.approx(72.04, abs=0.01)


def test_a_single_stage_is_the_newsvendor():
    found = solve_serial(SerialSystem((0.18,), (0,), 0.70, "normal", 50, 8))
    best = newsvendor(50, 8, holding_cost=0.18, stockout_cost=0.70)
    assert found.levels[0] == pytest.approx(best.base_stock_level, abs=0.05)
    assert found.cost == pytest.approx(best.cost, abs=1e-4)


# ---- properties ----


@st.composite
def systems(draw):
    stages = draw(st.integers(1, 3))
    steps = draw(st.lists(st.floats(0.1, 2), min_size=stages, max_size=stages))
    model = draw(st.sampled_from(["normal", "poisson"]))
    return SerialSystem(
        tuple(np.cumsum(steps)[::-1].tolist()),
        tuple(draw(st.lists(st.integers(0, 3), min_size=stages, max_size=stages))),
        draw(st.floats(0.5, 30)),
        model,
        draw(st.floats(3, 8)),
        draw(st.floats(0.3, 1)) if model == "normal" else 0.0,
        draw(st.sampled_from(["continuous", "daily"])),
    )


@settings(max_examples=20)
@given(systems(), st.data())
def test_a_cost_is_what_sampling_finds_and_no_levels_undercut_the_best(system, data):
    best = solve_serial(system)
    shifts = st.floats(-4, 4)
    levels = tuple(level + data.draw(shifts) for level in best.levels)
    found = echelon_cost(system, levels)
    assert found.cost >= best.cost - 1e-7 * (1 + abs(best.cost))
    mean, error = sampled(system, found.levels)
    assert abs(mean - found.cost) <= 4.5 * error + 1e-3


@given(systems())
def test_the_best_levels_cost_what_was_announced(system):
    best = solve_serial(system)
    assert echelon_cost(system, best.levels).cost == pytest.approx(best.cost, rel=1e-9)


# ---- the chain ----


def chain(**changes):
    units = list(range(30))
    return {
        "stores": [{"initial_on_hand": 20}],
        "horizon": 700,
        "warmup_days": 100,
        "objective": "cost",
        "sku": {"demand_model": "poisson", "base_demand": 4, "seasonality_amplitude": 0},
        "store": {
            "lead_time": 1,
            "holding_cost": 2.0,
            "stockout_cost": 9.0,
            "unmet_demand": "backlog",
            "order_units": units,
        },
        "warehouse": {"initial_on_hand": 20, "holding_cost": 0.5, "order_units": units},
        "supplier": {"lead_time": 3, "reliability": 1.0},
        **changes,
    }


@pytest.mark.parametrize("shift", [(0, 0), (2, -5), (-2, 3)])
def test_the_simulator_plays_what_is_solved(shift):
    p = SupplyChainParameters(**chain())
    serial = serial_chain(p)
    assert serial.system == TWO
    levels = np.array(serial.solved().levels) + shift
    exact = echelon_cost(TWO, levels).cost - TWO.under_way
    trace = STORES.traces(p, "evaluation", 1, 300)
    spent = -rollout(STORES, p, serial.team(*levels), trace)["system_return"] / 600
    assert abs(spent.mean() - exact) < 3 * spent.std(ddof=1) / np.sqrt(300)
    assert spent.std() / np.sqrt(300) < 0.01 * exact


def test_all_agents_together_are_measured_against_it():
    p = SupplyChainParameters(**chain())
    measure = find_reference("stores", p, "system_return")
    trace = STORES.traces(p, "evaluation", 2, 300)
    reference = measure.reference(trace)
    assert reference.kind == "optimum"
    earned = rollout(STORES, p, measure.policy, trace)["system_return"]
    assert abs(earned.mean() - reference.value) < 3 * earned.std(ddof=1) / np.sqrt(300)
    full = {"warehouse": {**chain()["warehouse"], "initial_on_hand": 5000}}
    for unlike in ({"horizon": 150}, {"warmup_days": 0}, full):
        brief = SupplyChainParameters(**chain(**unlike))
        assert find_reference("stores", brief, "system_return").reference is None


@pytest.mark.parametrize(
    "changes",
    [
        {"stores": 2},
        {"objective": "reconciliation"},
        {"supplier": {"lead_time": 3, "reliability": 0.9}},
        {"supplier": {"reliability": 1.0, "production_capacity": 5}},
        {"warehouse": {"initial_on_hand": np.inf}},
        {"warehouse": {**chain()["warehouse"], "order_units": [0, 5]}},
        {"warehouse": {**chain()["warehouse"], "holding_cost": 3.0}},
        {"store": {**chain()["store"], "unmet_demand": "lost"}},
        {"store": {**chain()["store"], "fixed_cost": 1.0}},
        {"store": {**chain()["store"], "order_multiple": 2}},
        {"sku": {"demand_model": "poisson", "base_demand": 4}},
    ],
)
def test_other_chains_are_no_serial_systems(changes):
    assert serial_chain(SupplyChainParameters(**chain(**changes))) is None


# ---- bad input ----


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"holding_costs": ()}, "one entry per stage"),
        ({"holding_costs": (1, 2, 3)}, "must fall"),
        ({"stockout_cost": 0}, "stockout_cost"),
        ({"lead_times": (1, 1, -2)}, "lead_times"),
        ({"mean": np.nan}, "mean"),
        ({"std": 0.0}, "std"),
        ({"std": 1e-4}, "larger units"),
    ],
)
def test_bad_parameters_are_named(changes, said):
    good = {**COSTS, "model": "normal", "mean": 5, "std": 1}
    with pytest.raises(InputError, match=said):
        solve_serial(SerialSystem(**{**good, **changes}))


def test_bad_levels_are_named():
    with pytest.raises(InputError, match="levels"):
        echelon_cost(TWO, (5.0,))
