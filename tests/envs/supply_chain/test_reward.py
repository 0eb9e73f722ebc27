import numpy as np
import pytest

from demand.laws import POINTS
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.constants import lane_constants
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.reward import service_level, store_reward, supplier_reward, warehouse_reward
from envs.supply_chain.trace import draw_trace

LAWS = ["normal", "poisson", "negative_binomial", "gamma"]


def constants(**parameters):
    return lane_constants(SupplyChainParameters(**parameters))[0, 0]


def test_service_level():
    assert service_level(30.0, 40.0) == 0.75
    assert service_level(0.0, 0.0) == 1.0


@pytest.mark.parametrize(
    ("on_hand", "sales", "demand", "reward"),
    [
        (400.0, 50.0, 50.0, 10 - 0.1 * 40),
        (620.0, 50.0, 50.0, 10 - 0.1 * 62 - 0.05 * 120),
        (0.0, 30.0, 40.0, 7.5 - 5 * 100),
        (0.0, 0.0, 0.0, 10.0),
    ],
)
def test_reward_of_a_store(on_hand, sales, demand, reward):
    assert store_reward(constants(), on_hand, sales, demand) == pytest.approx(reward)


def test_reward_of_the_warehouse():
    assert warehouse_reward(constants(), 0.9, 200.0, 2.0) == pytest.approx(4.5 - 10 - 6)


@pytest.mark.parametrize(
    ("rate", "delayed", "reward"), [(1, 0, 2), (0.8, 0, 1.6), (1, 1, 1), (0, 0, 0), (0, 1, -1)]
)
def test_reward_of_the_supplier(rate, delayed, reward):
    assert supplier_reward(constants(), rate, delayed) == pytest.approx(reward)


def test_weights_and_costs_are_the_parameters():
    c = constants(
        weights={
            "store": dict.fromkeys(
                ["service_level", "holding_cost", "stockout_penalty", "excess_inventory"], 2.0
            ),
            "warehouse": {"service_level": 8.0, "holding_cost": 1.0, "stockout_count": 0.5},
            "supplier": {"fulfillment_rate": 6.0, "delay_penalty": 4.0},
        },
        store={"holding_cost": 0.5, "stockout_cost": 3.0, "excess_threshold": 10.0},
    )
    assert store_reward(c, 14.0, 6.0, 8.0) == pytest.approx(2 * (0.75 - 7 - 6 - 4))
    assert warehouse_reward(c, 0.5, 3.0, 2.0) == pytest.approx(4 - 3 - 1)
    assert supplier_reward(c, 0.5, 1.0) == pytest.approx(3 - 4)


def test_with_the_cost_objective_only_money_counts():
    c = constants(objective="cost")
    assert store_reward(c, 600.0, 30.0, 40.0) == pytest.approx(-(60 + 100))
    assert warehouse_reward(c, 0.9, 200.0, 2.0) == -200
    assert supplier_reward(c, 0.5, 1.0) == 0


@pytest.mark.parametrize("objective", ["reconciliation", "cost"])
@pytest.mark.parametrize("model", LAWS)
def test_expected_reward_is_the_mean_over_the_law_of_demand(model, objective):
    """Many worlds in one state, each with its own demand: realised rewards average to it."""
    n = 100_000
    p = SupplyChainParameters(
        horizon=1,
        objective=objective,
        stores=[
            {"initial_on_hand": 52.0},
            {"demand_multiplier": 1.2, "initial_on_hand": 75.0},
            {"demand_multiplier": 1.5, "initial_on_hand": 60.0},
        ],
        store={"lead_time": 0, "excess_threshold": 5.0, "stockout_cost": 0.5},
    )
    p = p.model_copy(update={"sku": (p.sku[0].model_copy(update={"demand_model": model}),)})
    trace = draw_trace(p, np.random.default_rng(0), n)
    realised, expected = SupplyChainBatch(p, n), SupplyChainBatch(p, 1, expected_reward=True)
    realised.reset(trace)
    expected.reset({name: values[:1] for name, values in trace.items()})
    action = np.array([[0, 0, 1, 0, 0]])
    rewards = realised.step(np.repeat(action, n, axis=0)).reward
    one = expected.step(action).reward[0]
    error = 4 * rewards.std(axis=0) / np.sqrt(n)
    coarse = 3 * 3.0 / (2 * POINTS)  # a stockout of three stores weighs 3, to half a point
    assert (np.abs(one - rewards.mean(axis=0)) <= error + coarse).all()
    assert rewards.std(axis=0)[:3].min() > 0.2
    totals = expected.episode_totals()
    assert totals["return"][0] == realised.episode_totals()["return"][0]  # totals stay realised
    assert totals["return"][0] != pytest.approx(one[:3].mean())


def test_expected_rewards_are_of_the_day():
    """On a day of the spike more is asked for, and more is lost."""
    p = SupplyChainParameters(scenario="spike", objective="cost", sku={"seasonality_amplitude": 0})
    batch = SupplyChainBatch(p, 1, expected_reward=True)
    batch.reset({"demand": np.zeros((90, 3)), "supplier_ok": np.ones(90, bool)})
    batch.sites["on_hand"] = 75.0
    rewards = [batch.step(np.zeros((1, 5), np.int64)).reward[0, 0] for _ in range(34)]
    assert rewards[29] == pytest.approx(rewards[33])
    assert rewards[30] < rewards[29] - 100
