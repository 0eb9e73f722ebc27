"""Stores that order any quantity: the same law of motion, and what it is worth."""

import numpy as np
import pytest

from baselines.rollout import rollout, run_episodes
from baselines.rules.reference import reference_team
from baselines.rules.store import ConstantOrder, ReorderQuantity, SeasonalBaseStock
from envs.problems import PROBLEMS
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters

STORES = PROBLEMS["stores"]
TWO = {"sku": [{"base_demand": 20}, {"base_demand": 90}], "stores": 2, "horizon": 8}


def test_quantities_on_offer_give_the_same_world_as_their_actions():
    p = SupplyChainParameters.model_validate(TWO)
    by_action, by_quantity = SupplyChainBatch(p, 5), SupplyChainBatch(p, 5)
    trace = STORES.traces(p, "tuning", 0, 5)
    by_action.reset(trace)
    by_quantity.reset(trace)
    rng = np.random.default_rng(0)
    for _ in range(p.horizon):
        actions = np.array([rng.integers(0, count, 5) for count in by_action.num_actions]).T
        orders = by_quantity.store_orders()
        by_quantity.order_units(np.take_along_axis(orders, actions[:, :2, None], 2)[..., 0])
        mixed = actions.copy()
        mixed[:, :2] = 0
        rewards = [b.step(a).reward for b, a in ((by_action, actions), (by_quantity, mixed))]
        np.testing.assert_array_equal(*rewards)
    np.testing.assert_array_equal(by_action.sites, by_quantity.sites)


def test_an_order_of_units_is_for_one_day_alone():
    p = SupplyChainParameters(stores=1, horizon=3)
    batch = SupplyChainBatch(p, 1)
    batch.reset()
    batch.order_units(np.array([[123.4]]))
    wait = np.zeros((1, 3), np.int64)
    batch.step(wait)
    assert batch.sites["order"] == 123.4
    batch.step(wait)
    assert batch.sites["order"] == batch.store_orders()[0, 0, 0] == 0
    batch.order_units(np.array([[5.0]]))
    batch.reset()
    batch.step(wait)
    assert batch.sites["order"] == 0


@pytest.mark.parametrize("wrong", [[[np.nan, 1.0]], [[np.inf, 1.0]], [[1.0]]])
def test_orders_of_units_are_finite_and_complete(wrong):
    batch = SupplyChainBatch(SupplyChainParameters(stores=2), 1)
    with pytest.raises(ValueError, match="finite"):
        batch.order_units(np.array(wrong))


def test_a_base_stock_that_may_order_any_quantity_is_at_its_level():
    p = SupplyChainParameters(stores=2, warehouse={"initial_on_hand": float("inf")}, horizon=20)
    batch = SupplyChainBatch(p, 30)
    team = reference_team(store=SeasonalBaseStock(3.0).in_any_quantity())
    team.bind(batch)
    earned = run_episodes(batch, team, STORES.traces(p, "tuning", 0, 30))["return"]
    assert "in any quantity" in repr(team)
    on_offer = rollout(
        STORES, p, reference_team(store=SeasonalBaseStock(3.0)), STORES.traces(p, "tuning", 0, 30)
    )["return"]
    assert earned.mean() > on_offer.mean()


def test_a_free_constant_order_is_constant():
    p = SupplyChainParameters(stores=2, horizon=4)
    batch = SupplyChainBatch(p, 2)
    team = reference_team(store=ConstantOrder(0.77).in_any_quantity())
    team.bind(batch)
    for _ in range(4):
        batch.step(team.predict(None)[0])
        np.testing.assert_allclose(batch.sites["order"], [0.77 * p.mean_demand()[0]] * 2)


def test_batches_bring_the_position_above_the_reorder_point_and_not_further():
    p = SupplyChainParameters(stores=3, horizon=30)
    batch = SupplyChainBatch(p, 50)
    team = reference_team(store=ReorderQuantity(4.0, 0.6).in_any_quantity())
    team.bind(batch)
    mean = p.mean_demand()
    for _ in range(30):
        before = position(batch)
        batch.step(team.predict(None)[0])
        order = batch.sites["order"]
        after = before + order
        assert (after > 4.0 * mean - 1e-9).all()
        np.testing.assert_array_equal(order > 0, before <= 4.0 * mean)
        assert (after[order > 0] <= (4.6 * mean + 0 * after)[order > 0] + 1e-9).all()


def position(batch: SupplyChainBatch) -> np.ndarray:
    sites = batch.sites
    return sites["on_hand"] - sites["owed"] + batch.pipelines.sum(axis=2) + sites["backorders"]
