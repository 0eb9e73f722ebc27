import numpy as np
import pytest

from baselines.rollout import run_episodes
from baselines.rules.reference import (
    RandomTier,
    ShipInFull,
    StoreReorder,
    WarehouseReorder,
    nearest_order,
    reference_team,
    reorder_note,
)
from common.errors import validated
from common.random_streams import random_stream
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.trace import draw_trace


def bound(policy, worlds=1, **parameters):
    batch = SupplyChainBatch(validated(SupplyChainParameters, parameters), worlds)
    batch.reset()
    policy.bind(batch)
    return batch


def test_the_reference_rules_earn_what_they_should():
    """Mean rewards of 4,000 episodes of 30 days."""
    p, n = SupplyChainParameters(), 4000
    batch, team = SupplyChainBatch(p, n), reference_team()
    team.bind(batch)
    totals = run_episodes(batch, team, draw_trace(p, random_stream(0, "evaluation"), n))
    stores = batch.sites["total_return"].mean(axis=0)
    assert stores == pytest.approx([225.0, 222.8, 208.8], abs=1.0)
    assert totals["return"].mean() == pytest.approx(stores.mean())
    assert totals["warehouse_return"].mean() == pytest.approx(-65.4, abs=1.0)
    assert totals["supplier_return"].mean() == pytest.approx(59.6, abs=1.0)


@pytest.mark.parametrize(
    ("wanted", "multiple"),
    [(-5, 0), (0, 0), (1e-9, 0.5), (0.74, 0.5), (0.75, 1), (1.24, 1), (1.25, 1.5), (99, 1.5)],
)
@pytest.mark.parametrize("grid", [(0, 0.5, 1, 1.5), (1.5, 0, 1, 0.5)])
def test_the_nearest_order_among_multiples_of_the_forecast(wanted, multiple, grid):
    orders = 40.0 * np.array([grid])
    assert orders[0, nearest_order(orders, np.array([40.0 * wanted]))].item() == 40 * multiple


def test_the_nearest_order_among_few():
    assert nearest_order(np.array([[7.0]]), np.array([3.0])).tolist() == [0]
    assert nearest_order(np.array([[0.0, 7.0]]), np.array([3.0])).tolist() == [1]
    assert nearest_order(np.array([[0.0, 7.0]]), np.array([0.0])).tolist() == [0]


def test_a_store_below_its_reorder_point_orders_up_to_its_level():
    rule = StoreReorder()
    batch = bound(rule, stores=4, store={"order_up_to_level": 350.0})
    batch.sites["on_hand"][0] = [299.0, 300.0, 275.0, 0.0]
    batch.sites["forecast"][0] = [100.0, 100.0, 60.0, 100.0]
    # wants 51 (half of the forecast), nothing, 75 (1.25 times the forecast), 350
    assert rule.predict(None)[0].tolist() == [1, 0, 3, 3]


def test_stores_have_levels_of_their_own_and_a_note_says_so():
    rule = StoreReorder()
    sites = [{}, {"reorder_point": 100.0}, {"order_up_to_level": 360.0}]
    batch = bound(rule, worlds=2, stores=sites, sku=[{}, {"store": {"reorder_point": 50.0}}])
    batch.sites["on_hand"], batch.sites["forecast"] = 299.0, 100.0
    # wants 401, nothing as 299 is above 100, 61 (half of the forecast); nobody is below 50
    assert rule.predict(None)[0].tolist() == [3, 0, 1, 0, 0, 0]
    batch.sites["on_hand"] = 99.0
    assert rule.predict(None)[0].tolist() == [3, 3, 3, 0, 3, 0]  # what a store has, holds for all
    assert reorder_note({"reference_rules": reference_team()}, batch.parameters) == (
        "Stores' reference rule: below s order up to S, s, S = 300, 700 units "
        "(store_2 100, 700; store_3 300, 360).",
    )
    assert reorder_note({"agent": reference_team(store=ShipInFull())}, batch.parameters) == ()


def test_skus_have_levels_of_their_own():
    rule = StoreReorder()
    sku = [{"store": {"reorder_point": 10.0}}, {}]
    batch = bound(rule, worlds=4, stores=1, sku=sku)
    batch.sites["on_hand"] = 50.0
    assert rule.predict(None)[0].tolist() == [0, 3, 0, 3]


@pytest.mark.parametrize(
    ("on_hand", "service", "units"),
    [
        (2000, 1.0, 0),
        (2000, 0.95, 0),
        (2000, 0.949, 500),
        (1999, 1.0, 500),
        (1200, 1.0, 500),
        (1199, 1.0, 1000),
        (500, 1.0, 1000),
        (499, 0.5, 1500),
    ],
)
@pytest.mark.parametrize("stores", [3, 12])
def test_the_warehouses_rule(on_hand, service, units, stores):
    rule = WarehouseReorder()
    batch = bound(rule, stores=stores)
    batch.hubs["on_hand"], batch.hubs["service"] = on_hand * stores / 3, service
    ordered = batch.warehouse_orders()[0, rule.predict(None)[0]]
    assert ordered.item() == units * stores / 3


@pytest.mark.parametrize("grid", [[0.0], [0.0, 10.0], [0.0, 10.0, 20.0]])
def test_the_warehouses_rule_on_any_grid(grid):
    rule = WarehouseReorder()
    batch = bound(rule, warehouse={"order_units": grid, "initial_on_hand": 0.0})
    assert rule.predict(None)[0].tolist() == [len(grid) - 1]
    batch.hubs["on_hand"] = np.inf
    assert rule.predict(None)[0].tolist() == [0]


def test_the_supplier_ships_in_full():
    rule = ShipInFull()
    bound(rule, worlds=3)
    assert rule.predict(None)[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(("tier", "rows", "count"), [("store", 600, 4), ("supplier", 200, 3)])
def test_random_actions_of_a_tier(tier, rows, count):
    rule = RandomTier(tier, seed=3)
    batch = bound(rule, worlds=200)
    first = rule.predict(None)[0]
    assert first.shape == (rows,)
    assert set(first.tolist()) == set(range(count))
    rule.bind(batch)
    np.testing.assert_array_equal(rule.predict(None)[0], first)


def test_a_player_of_ones_own_takes_the_tiers_place():
    team = reference_team(supplier=RandomTier("supplier"), store_2=RandomTier("store"))
    team.players["store_2"].predict = lambda *_: (np.full(50, 3), None)
    batch = bound(team, worlds=50)
    actions, _ = team.predict(batch.observation())
    assert actions.shape == (50, 5)
    assert (actions[:, 0] == 0).all()  # 500 units are above the reorder point
    assert (actions[:, 1] == 3).all()
    assert set(actions[:, 4].tolist()) == {0, 1, 2}
