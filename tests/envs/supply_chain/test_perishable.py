"""Goods that perish, through every face of the supply chain."""

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test

from baselines.rules.reference import reference_team
from common.errors import validated
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.env import SupplyChainEnv
from envs.supply_chain.parameters import SupplyChainParameters
from tests.envs.supply_chain.perishable_days import DAYS
from wrappers.single_agent import ControlledAgents
from wrappers.vec_env import BatchVecEnv

COSTS = {"lead_time": 1, "holding_cost": 1, "stockout_cost": 5, "unit_cost": 3, "waste_cost": 7}


def parameters_of(case):
    return {
        "stores": [{"initial_on_hand": 0}],
        "store": {**COSTS, **case["store"], "order_units": list(range(11))},
        "warehouse": {"initial_on_hand": float("inf")},
        "horizon": len(case["demand"]),
        "objective": "cost",
        "observation": "full",
        "sku": {"base_demand": 2, "seasonality_amplitude": 0},
    }


def trace_of(case):
    days = len(case["demand"])
    return {"demand": np.array(case["demand"], float)[:, None], "supplier_ok": np.ones(days, bool)}


@pytest.mark.parametrize("case", DAYS, ids=lambda case: case["name"])
def test_golden_days_through_pettingzoo(case):
    env = SupplyChainEnv(**parameters_of(case))
    env.reset(options={"trace": trace_of(case)})
    for order, demand, sales, wasted, held, ages in case["days"]:
        actions = {"store_1": order, "warehouse": 0, "supplier": 0}
        observations, rewards, _, _, infos = env.step(actions)
        assert rewards["store_1"] == -(3 * order + held + 5 * (demand - sales) + 7 * wasted)
        assert infos["store_1"]["wasted"] == wasted
        assert observations["store_1"][-len(ages) - 1 : -1].tolist() == [x / 2 for x in ages]


@pytest.mark.parametrize("case", DAYS, ids=lambda case: case["name"])
def test_golden_days_through_the_vectorised_environment(case):
    p = validated(SupplyChainParameters, parameters_of(case))
    batch = ControlledAgents(SupplyChainBatch(p, 2), "store", reference_team())
    env = BatchVecEnv(batch)
    env.reset()
    both = {name: np.stack([values] * 2) for name, values in trace_of(case).items()}
    batch.chain.reset(both)
    for order, demand, sales, wasted, held, _ in case["days"]:
        _, rewards, _, _ = env.step(np.array([order, order]))
        assert rewards.tolist() == [-(3 * order + held + 5 * (demand - sales) + 7 * wasted)] * 2
    assert batch.finished_metrics["store/wasted"] == sum(day[3] for day in case["days"])


@pytest.mark.parametrize("observation", ["compact", "full"])
def test_pettingzoo_finds_nothing_wrong(observation):
    parallel_api_test(SupplyChainEnv(store={"shelf_life": 2}, observation=observation))


def test_products_with_and_without_a_shelf_life_share_a_batch():
    """Each has the days that it has alone."""
    sku = [{"store": {"shelf_life": 2, "waste_cost": 3}}, {"base_demand": 20}]
    rewards = []
    demand = np.random.default_rng(0).uniform(0, 100, (2, 30, 3))
    actions = np.random.default_rng(1).integers(0, 3, (30, 5))
    for rows, skus in ((slice(0, 2), sku), (slice(0, 1), sku[:1]), (slice(1, 2), sku[1:])):
        p = validated(SupplyChainParameters, {"sku": skus})
        batch = SupplyChainBatch(p, len(skus))
        batch.reset({"demand": demand[rows], "supplier_ok": np.ones((len(skus), 30), bool)})
        rewards.append([batch.step(np.stack([a] * len(skus))).reward for a in actions])
    np.testing.assert_array_equal(np.array(rewards[0])[:, :1], rewards[1])
    np.testing.assert_array_equal(np.array(rewards[0])[:, 1:], rewards[2])
