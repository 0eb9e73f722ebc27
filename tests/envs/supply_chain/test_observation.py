import numpy as np
import pytest

from envs.supply_chain.batch import SupplyChainBatch
from tests.supply_chain_worlds import AGENTS, make, one_world, some_actions


def test_forecast_of_the_last_days():
    demand = np.arange(1.0, 13.0)[:, None] ** 2
    batch = one_world(demand, horizon=12, forecast_window=3)
    assert batch.sites["forecast"][0, 0] == 50.0
    assert batch.sites["forecast_std"][0, 0] == 10.0
    for day in range(12):
        batch.step(np.zeros((1, 3), np.int64))
        seen = demand[max(0, day - 2) : day + 1, 0]
        assert batch.sites["forecast"][0, 0] == pytest.approx(seen.mean())
        deviation = seen.std() if len(seen) > 1 else 10.0
        assert batch.sites["forecast_std"][0, 0] == pytest.approx(deviation)


def test_the_full_observation_by_its_names():
    """In days of mean demand: 50 and 150 units, and 200 for the warehouse."""
    batch = one_world(
        np.full((8, 2), 25.0),
        horizon=8,
        stores=[
            {"demand_multiplier": 1.0, "initial_on_hand": 100.0},
            {"demand_multiplier": 3.0, "initial_on_hand": 0.0},
        ],
        observation="full",
        store={"order_units": [0, 75.0]},
        warehouse={"initial_on_hand": 90.0, "order_units": [0, 400.0]},
        supplier={"lead_time": 3},
        sku={"seasonality_period": 4.0},
    )
    batch.step(np.array([[1, 1, 1, 0]]))  # 45 of 75 units are shipped to either
    tiers, names = batch.by_tier(batch.observation()), batch.observation_names
    one, two = (dict(zip(names["store"], row, strict=True)) for row in tiers["store"][0])
    assert one == pytest.approx(
        {
            "on_hand": 75 / 50,
            "pipeline_1": 45 / 50,
            "pipeline_2": 0,
            "backorders": 30 / 50,
            "forecast": 25 / 50,
            "demand_std observed": 10 / 50,  # of one day there is no deviation
            "demand_std": 10 / 50,
            "season sine": 1,
            "season cosine": 0,
            "warehouse on_hand": 0,
        },
        abs=1e-6,
    )
    assert two["pipeline_1"] == pytest.approx(45 / 150)
    assert two["on_hand"] == 0
    warehouse = dict(zip(names["warehouse"], tiers["warehouse"][0], strict=True))
    assert warehouse == pytest.approx(
        {
            "on_hand": 0,
            **{f"inbound_{k}": 0 for k in (1, 2, 3)},
            "order on desk": 400 / 200,
            "stores' inventory position": (75 + 45 + 30 + 0 + 45 + 30) / 200,
            "backorders": 60 / 200,
            "demand": 50 / 200,
            "forecast": 50 / 200,
            "service_level": 0.5,
            "season sine": 1,
            "season cosine": 0,
        },
        abs=1e-6,
    )
    batch.step(np.array([[0, 0, 0, 2]]))  # a day late: in the second morning from now
    tiers = batch.by_tier(batch.observation())
    warehouse = dict(zip(names["warehouse"], tiers["warehouse"][0], strict=True))
    assert [warehouse[f"inbound_{k}"] for k in (1, 2, 3)] == [0, 2, 0]
    assert tiers["supplier"][0].tolist() == pytest.approx([0, 1, 0.3, 0, 2])


def test_reports_match_rewards_and_totals():
    p = make(warmup_days=4, horizon=25, warehouse={"initial_on_hand": 400.0})
    batch = SupplyChainBatch(p, 7, rng=np.random.default_rng(0))
    batch.reset()
    sums = dict.fromkeys(["units_sold", "unmet_demand", "holding_cost", "warehouse_return"], 0.0)
    returns = np.zeros((7, AGENTS))
    for day, actions in enumerate(some_actions(batch, 3, 25)):
        rewards = batch.step(actions).reward
        returns += rewards
        reports = batch.reports()
        stores = [reports[f"store_{i + 1}"] for i in range(3)]
        if day < 4:
            assert (rewards == 0).all()
            continue
        for i, r in enumerate(stores):
            reward = 10 * r["service_level"] - 0.1 * r["holding_cost"]
            reward -= 5 * r["stockout_penalty"] + 0.05 * r["excess_inventory"]
            np.testing.assert_allclose(rewards[:, i], reward)
        sums["units_sold"] += sum(r["sales"] for r in stores)
        sums["unmet_demand"] += sum(r["lost_sales"] for r in stores)
        sums["holding_cost"] += sum(r["holding_cost"] for r in stores) / 3
        sums["warehouse_return"] += rewards[:, 3]
    totals = batch.episode_totals()
    for name, expected in sums.items():
        np.testing.assert_allclose(totals[name], expected, err_msg=name)
    np.testing.assert_allclose(totals["return"], returns[:, :3].mean(axis=1))
    np.testing.assert_allclose(totals["system_return"], returns.sum(axis=1))
    assert (totals["length"] == 25).all()


def test_cost_is_the_money_spent():
    batch = SupplyChainBatch(make(objective="cost"), 5, rng=np.random.default_rng(0))
    batch.reset()
    for actions in some_actions(batch, 0, 30):
        rewards, reports = batch.step(actions).reward, batch.reports()
        store = reports["store_2"]
        spent = store["holding_cost"] + store["stockout_penalty"]
        np.testing.assert_allclose(rewards[:, 1], -spent)
        np.testing.assert_allclose(rewards[:, 3], -reports["warehouse"]["holding_cost"])
        assert (rewards[:, 4] == 0).all()
