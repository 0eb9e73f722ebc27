"""Customers who wait, and what an order costs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InputError
from demand.laws import law_points
from envs.batch import random_actions
from envs.supply_chain.batch import SupplyChainBatch
from tests.supply_chain_worlds import make, one_world, perishable_or_waiting


def one_store(demand, on_hand=0.0, store=None, **parameters):
    """Return one store whose warehouse is never short, on days of given demand."""
    own = {"lead_time": 1, "holding_cost": 1, "stockout_cost": 4, "order_units": [0, 5, 10]}
    return one_world(
        np.array(demand, float)[:, None],
        stores=[{"initial_on_hand": on_hand}],
        store={**own, **(store or {})},
        warehouse={"initial_on_hand": float("inf")},
        horizon=len(demand),
        **{"objective": "cost", **parameters},
    )


def days(batch, *orders):
    """Play some days; return the store's reward and report of each."""
    rows = []
    for action in orders:
        batch.step(np.array([[action, 0, 0]]))
        report = {name: v.item() for name, v in batch.reports()["store_1"].items()}
        rows.append((batch.rewards[0, 0], report))
    return rows


def test_days_of_a_backlog_by_hand():
    """6 on hand, demand 4, 5, 0, 6; 10 ordered on day 1 arrive on day 2 and serve the 3 first."""
    batch = one_store([4, 5, 0, 6], on_hand=6.0, store={"unmet_demand": "backlog"})
    rows = days(batch, 0, 2, 0, 0)
    assert [reward for reward, _ in rows] == [-2, -4 * 3, -7, -1]
    expected = [(4, 2, 0, 1.0), (2, 0, 3, 0.4), (0, 7, 0, 1.0), (6, 1, 0, 1.0)]
    for (_, report), (sales, left, owed, service) in zip(rows, expected, strict=True):
        assert (report["sales"], report["on_hand"], report["owed"]) == (sales, left, owed)
        assert report["service_level"] == pytest.approx(service)
        assert report["lost_sales"] == 0
        assert report["stockout_penalty"] == 4 * owed
    totals = {name: values.item() for name, values in batch.episode_totals().items()}
    assert totals["return"] == -22
    assert totals["stockout_penalty"] == 12
    assert totals["owed"] == 0.75
    assert (totals["units_sold"], totals["unmet_demand"]) == (12, 3)
    assert totals["fill_rate"] == pytest.approx(12 / 15)


def test_who_waits_longer_costs_more():
    """3 units are owed on three days; demand of the second day comes on top."""
    batch = one_store([3, 2, 0, 0], store={"unmet_demand": "backlog", "lead_time": 3})
    rows = days(batch, 1, 0, 0, 0)
    assert [reward for reward, _ in rows] == [-12, -20, -20, 0]
    assert [report["service_level"] for _, report in rows] == [0, 0, 1, 1]
    assert [report["owed"] for _, report in rows] == [3, 5, 5, 0]


def test_what_is_lost_is_not_owed():
    batch = one_store([3, 2, 0, 0], store={"lead_time": 3})
    rows = days(batch, 1, 0, 0, 0)
    assert [reward for reward, _ in rows] == [-12, -8, 0, -5]
    assert all("owed" not in report for _, report in rows)
    assert "owed" not in batch.episode_totals()


@pytest.mark.parametrize("lead_time", [0, 2])
def test_every_order_has_its_fixed_cost(lead_time):
    batch = one_store([0] * 4, store={"fixed_cost": 7.0, "lead_time": lead_time}, warmup_days=1)
    rewards = [reward for reward, _ in days(batch, 1, 0, 1, 2)]
    on_hand = [5, 5, 10, 20] if lead_time == 0 else [0, 0, 5, 5]
    assert rewards == [0, -on_hand[1], -on_hand[2] - 7, -on_hand[3] - 7]
    totals = batch.episode_totals()
    assert totals["ordering_cost"].item() == 14  # that of the warm-up is not counted
    assert totals["return"].item() == sum(rewards)


def test_reconciliation_reports_fixed_costs_but_does_not_count_them():
    sums = []
    for fixed_cost in (0.0, 7.0):
        store = {"fixed_cost": fixed_cost, "lead_time": 0}
        batch = one_store([3] * 4, store=store, objective="reconciliation")
        rewards = [reward for reward, _ in days(batch, 1, 0, 1, 2)]
        sums.append((sum(rewards), batch.episode_totals().get("ordering_cost", np.zeros(1)).item()))
    assert sums[0][0] == sums[1][0]
    assert [cost for _, cost in sums] == [0, 21]


worlds = perishable_or_waiting(unmet_demand=st.just("backlog"))


@given(parameters=worlds, seed=st.integers(0, 2**32 - 1))
def test_demand_that_waits_is_conserved(parameters, seed):
    """Inventory position: what was there and was ordered, less all demand; none is ever lost."""
    p = make(**parameters, horizon=12)
    batch = SupplyChainBatch(p, 3, rng=np.random.default_rng(seed))
    batch.reset()
    rng, position = np.random.default_rng(seed), batch.sites["on_hand"].copy()
    for _ in range(p.horizon):
        batch.step(random_actions(batch, rng))
        sites = batch.sites
        position += sites["order"] - sites["demand"]
        under_way = batch.pipelines.sum(axis=2) + sites["backorders"]
        assert sites["on_hand"] - sites["owed"] + under_way == pytest.approx(position, abs=1e-6)
        assert min(sites[name].min() for name in ("on_hand", "owed", "sales", "left")) >= 0
        assert (sites["sales"] <= sites["demand"]).all()
        assert (np.minimum(sites["left"], sites["owed"]) == 0).all()  # nobody waits beside stock
        assert ((sites["service"] >= 0) & (sites["service"] <= 1)).all()
        assert np.isfinite(batch.observation()).all()


@given(parameters=worlds, seed=st.integers(0, 2**32 - 1))
def test_with_stock_for_all_demand_waiting_or_losing_is_the_same(parameters, seed):
    stores = [{"initial_on_hand": 1e5} for _ in range(parameters["stores"])]
    rewards = []
    for unmet in ("backlog", "lost"):
        store = {**parameters["store"], "unmet_demand": unmet}
        p = make(**{**parameters, "store": store, "stores": stores}, horizon=6)
        batch = SupplyChainBatch(p, 2, rng=np.random.default_rng(seed))
        batch.reset()
        rng = np.random.default_rng(seed)
        rewards.append([batch.step(random_actions(batch, rng)).reward for _ in range(6)])
    np.testing.assert_array_equal(*rewards)


@pytest.mark.parametrize("unmet", ["backlog", "lost"])
def test_expected_rewards_are_exact_for_poisson_demand(unmet):
    """By hand from the law, for a store with 4 on hand, or owing 3."""
    from scipy import stats

    sku = {"base_demand": 5, "seasonality_amplitude": 0, "demand_model": "poisson"}
    p = make(
        stores=[{}],
        sku=sku,
        objective="cost",
        warehouse={"initial_on_hand": float("inf")},
        store={"unmet_demand": unmet, "holding_cost": 1, "stockout_cost": 19, "fixed_cost": 2}
        | {"order_units": [0, 1]},
    )
    batch = SupplyChainBatch(p, 2, expected_reward=True)
    batch.reset()
    level = np.array([4.0, -3.0] if unmet == "backlog" else [4.0, 0.0])
    batch.sites["on_hand"][:, 0], batch.sites["owed"][:, 0] = np.maximum(level, 0), -level
    batch.sites["owed"] = np.maximum(batch.sites["owed"], 0)
    reward = batch.step(np.array([[1, 0, 0], [0, 0, 0]])).reward[:, 0]
    demand, law = np.arange(80), stats.poisson.pmf(np.arange(80), 5)
    left, short = np.maximum(level[:, None] - demand, 0), np.maximum(demand - level[:, None], 0)
    assert reward == pytest.approx(-((left + 19 * short) @ law) - [2, 0], abs=1e-9)


def test_points_of_a_small_poisson_law_are_its_values():
    means = np.array([5.0, 0.0, 2.0])[None, :, None]
    points, chances = law_points(["poisson"], means, np.ones_like(means))
    assert points.shape == chances.shape
    law = chances / points.shape[-1]
    assert law.sum(axis=-1) == pytest.approx(1.0)
    assert (law * points).sum(axis=-1) == pytest.approx(means)
    assert law[0, 1, 0, 0] == 1.0
    points, chances = law_points(["poisson"], 50 * means, np.ones_like(means))
    assert (points.shape[-1], chances.shape[-1]) == (40, 0)


def test_unmet_demand_stays_what_it_is_over_the_stages_of_a_run():
    with pytest.raises(InputError, match="unmet demand cannot change"):
        make().check_stage(make(store={"unmet_demand": "backlog"}))


def test_observations_of_a_backlog_have_no_lower_bound():
    batch = one_store([30, 0], store={"unmet_demand": "backlog"}, observation="full")
    days(batch, 0)
    assert batch.observation_low == -np.inf
    assert batch.observation()[0, 0] == pytest.approx(-30 / 50)
