"""(s, S) policies on demand of a file, where orders cost something or have to be large."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.registry import LOT_BASELINES, baselines_of
from baselines.rollout import Observer, run_episodes
from baselines.rules.families import with_free_orders
from baselines.rules.newsvendor_costs import SHARES
from baselines.rules.reference import reference_team
from baselines.rules.rolling_newsvendor import RollingNewsvendor
from baselines.rules.rolling_reorder_point import (
    ForecastReorderPoint,
    RollingReorderPoint,
    cycle_levels,
    lot_days,
    reorder_point_family,
    rolling_reorder_family,
)
from baselines.solvers.perishable.value_iteration import PerishableStore, solve_perishable
from baselines.solvers.store.lost_sales_problem import poisson
from baselines.solvers.store.reorder_point import best_reorder_policy
from common.errors import InputError, validated
from envs.problems import PROBLEMS
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.order_limits import store_positions
from envs.supply_chain.parameters import SupplyChainParameters
from evaluation.replay import replay

STORES = PROBLEMS["stores"]
MEAN = 20.0


def write_sales(path, mean):
    """Write a file of five years in four stores with the same law of demand on all days."""
    days = np.arange("2015-01-01", "2020-01-01", dtype="datetime64[D]")
    units = np.random.default_rng(0).poisson(mean, (days.size, 4))
    rows = [f"{day},{','.join(map(str, row))}" for day, row in zip(days, units, strict=True)]
    path.write_text("\n".join(["date,a,b,c,d", *rows]))
    return path


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return shop_of(write_sales(tmp_path_factory.mktemp("lots") / "sales.csv", MEAN))


@pytest.fixture(scope="module")
def seldom(tmp_path_factory):
    return shop_of(write_sales(tmp_path_factory.mktemp("lots") / "sales.csv", 3.0))


def shop_of(sales):
    def make(objective="cost", **store):
        data = {"file": sales, "split": "2018-01-01"}
        own = {"holding_cost": 1.0, "stockout_cost": 9.0, "lead_time": 1, **store}
        return validated(
            SupplyChainParameters,
            {"demand_data": data, "objective": objective, "store": own, "horizon": 28},
        )

    return make


def play(parameters, rule):
    return replay(STORES, parameters, with_free_orders(reference_team(store=rule)))


class Positions(Observer):
    """Writes down what was on hand and on order in the mornings, and what was wanted."""

    def __init__(self, rule):
        self.rule, self.days, self.orders = rule, [], []

    def start(self, batch):
        self.chain = batch
        self.rule.bind(batch)

    def before_step(self, observation, actions):
        del observation, actions
        self.days.append(store_positions(self.chain.sites, self.chain.pipelines).copy())
        self.orders.append(self.rule.wanted(self.chain))


@given(
    st.lists(st.floats(-5, 5), min_size=SHARES.size, max_size=SHARES.size),
    st.floats(0.0, 20.0),
    st.floats(0.02, 0.98),
)
def test_levels_from_s_on_are_enough_as_often_as_asked(quantiles, lot, fractile):
    own = np.sort(np.array(quantiles))
    (level,) = cycle_levels(own[None], np.array([lot]), np.array([fractile]))
    if lot < 0.5:  # a step between two quantiles may be larger than that
        assert own[0] - lot - 1e-9 <= level <= own[-1] + 1e-9
    else:
        levels = level + lot * (np.arange(20_000) + 0.5) / 20_000
        enough = np.interp(levels, own + 1e-12 * np.arange(own.size), SHARES).mean()
        assert enough == pytest.approx(fractile, abs=2e-3)


def test_without_a_lot_a_level_is_the_quantile():
    own = np.random.default_rng(0).normal(size=(3, 5000))
    quantiles = np.quantile(own, SHARES, axis=1).T
    level = cycle_levels(quantiles, np.zeros(1), np.array([0.5, 0.9, 0.99]))
    expected = [np.quantile(x, q) for x, q in zip(own, (0.5, 0.9, 0.99), strict=True)]
    np.testing.assert_allclose(level, expected, atol=0.02)


@pytest.mark.parametrize("store", [{"order_multiple": 60.0}, {"minimum_order": 90.0}])
def test_packs_and_least_orders_are_ordered_before_half_of_one_is_missing(shop, store):
    p = shop(**store)
    lots, plain = (play(p, make("smoothing")) for make in (ForecastReorderPoint, RollingNewsvendor))
    assert lots.cost.mean() < 0.9 * plain.cost.mean()
    assert lots.fill_rate > plain.fill_rate
    ordered = lots.orders[lots.orders > 0]
    assert ordered.min() >= max(store.values())
    assert (lots.orders > 0).mean() == pytest.approx(MEAN / ordered.mean(), rel=0.05)


@pytest.mark.parametrize("fixed_cost", [0.0, 1e-9])
def test_where_an_order_costs_next_to_nothing_it_is_the_newsvendor(shop, fixed_cost):
    p = shop(fixed_cost=fixed_cost)
    lots, plain = (play(p, make("smoothing")) for make in (ForecastReorderPoint, RollingNewsvendor))
    np.testing.assert_allclose(lots.orders, plain.orders, atol=1e-9, rtol=0.02)


def test_it_orders_a_lot_once_a_level_is_passed_and_nothing_before(shop):
    p = shop(fixed_cost=200.0)
    rule = ForecastReorderPoint("average").in_any_quantity()
    seen = Positions(ForecastReorderPoint("average"))
    batch = SupplyChainBatch(p, 8, split="evaluation")
    policy = reference_team(store=rule)
    policy.bind(batch)
    run_episodes(batch, policy, STORES.traces(p, "evaluation", 0, 8), observer=seen)
    positions, wanted = np.array(seen.days), np.array(seen.orders)
    ordered = wanted > 0
    assert 0.1 < ordered.mean() < 0.4  # about every fourth day
    lot = np.sqrt(2 * 200.0 * MEAN) - 0.5 * MEAN
    assert np.median(wanted[ordered]) == pytest.approx(lot + 0.5 * MEAN, rel=0.15)
    assert wanted[ordered].min() > 0.7 * lot
    assert np.median(positions[ordered]) < np.median(positions[~ordered])
    played = play(p, ForecastReorderPoint("average"))
    usual = MEAN / np.sqrt(2 * 200.0 * MEAN)
    assert (played.orders > 0).mean() == pytest.approx(usual, rel=0.1)


@pytest.mark.parametrize(
    "rule", [ForecastReorderPoint("average"), RollingReorderPoint(1.5, 6.0)], ids=["lots", "days"]
)
def test_higher_levels_call_for_a_lot_too(shop, rule):
    p = shop(fixed_cost=200.0)
    batch = SupplyChainBatch(p, 2, split="evaluation")
    batch.reset(STORES.traces(p, "evaluation", 0, 2))
    rule.bind(batch)
    assert (rule.wanted(batch) <= 0).all()  # nothing on the first morning
    more = np.array([0.0, 0.0, 3.0, 6.0]) * MEAN
    wanted = rule.wanted(batch, more)
    assert (wanted[:, :2] <= 0).all()
    assert (wanted[:, 3] > 2.0 * MEAN).all()
    newsvendor = RollingNewsvendor("average")
    newsvendor.bind(batch)
    np.testing.assert_array_equal(newsvendor.wanted(batch, more), newsvendor.wanted(batch) + more)


def test_a_pack_is_ordered_below_a_reorder_point_though_less_than_half_of_it_is_missing(shop):
    rule = RollingReorderPoint(2.0, 3.0)
    played = {pack: play(shop(order_multiple=pack), rule) for pack in (10.0, 300.0)}
    assert played[300.0].orders.max() == 300.0
    assert played[300.0].fill_rate > played[10.0].fill_rate > 0.9


def test_an_order_lasts_for_the_economic_order_quantity(shop):
    p = shop(fixed_cost=200.0)
    for gap in (1, 4):  # by which a position is below s on average, over two
        np.testing.assert_allclose(
            lot_days(p, gap) + 0.5 * gap, np.sqrt(2 * 200.0 / MEAN), rtol=0.02
        )
    assert lot_days(shop(fixed_cost=200.0, holding_cost=0.0), 1).max() + 0.5 == 365.0
    packs = lot_days(shop(fixed_cost=200.0, order_multiple=200.0), 1)
    np.testing.assert_allclose(packs, 200.0 / MEAN, rtol=0.02)


def test_a_product_that_was_never_sold_before_is_ordered_in_the_lots_of_others(tmp_path):
    days = np.arange("2017-01-01", "2019-07-01", dtype="datetime64[D]")
    units = np.random.default_rng(0).poisson(MEAN, (days.size, 3))
    units[days < np.datetime64("2019-01-15"), 2] = 0
    rows = [f"{day},{','.join(map(str, row))}" for day, row in zip(days, units, strict=True)]
    (tmp_path / "sales.csv").write_text("\n".join(["date,a,b,c", *rows]))
    given = {"demand_data": {"file": tmp_path / "sales.csv", "split": "2019-01-01"}}
    store = {"holding_cost": 1.0, "stockout_cost": 9.0, "lead_time": 1, "fixed_cost": 200.0}
    p = validated(SupplyChainParameters, {**given, "objective": "cost", "store": store})
    np.testing.assert_allclose(lot_days(p, 1), np.sqrt(2 * 200.0 / MEAN) - 0.5, rtol=0.05)
    played = play(p, ForecastReorderPoint("smoothing"))
    sold, asked = played.sales[60:, 0], played.demand[60:, 0]
    assert (sold.sum(axis=0) / asked.sum(axis=0)).min() > 0.93
    orders = (played.orders[60:, 0] > 0).mean(axis=0)
    assert orders[2] == pytest.approx(orders[:2].mean(), rel=0.25)


@pytest.mark.parametrize("fixed_cost", [50.0, 200.0])
def test_it_comes_near_the_optimum_of_a_law_that_nobody_told_it(shop, fixed_cost):
    p = shop(fixed_cost=fixed_cost, unmet_demand="backlog", lead_time=0)
    costs = {"holding_cost": 1.0, "stockout_cost": 9.0, "fixed_cost": fixed_cost}
    least = best_reorder_policy(poisson(MEAN), **costs).cost
    own, newsvendor = (
        play(p, make("smoothing")).cost.mean() for make in (ForecastReorderPoint, RollingNewsvendor)
    )
    assert own < 1.05 * least
    assert newsvendor > 1.2 * least


@pytest.mark.parametrize(("shelf_life", "fixed_cost"), [(2, 15.0), (3, 30.0)])
def test_goods_that_perish_are_ordered_in_lots_that_are_sold(seldom, shelf_life, fixed_cost):
    costs = {"holding_cost": 0.2, "stockout_cost": 8.0, "waste_cost": 3.0, "fixed_cost": fixed_cost}
    store = PerishableStore(poisson(3.0), shelf_life, 1, 16, **costs)
    least = solve_perishable(store, tolerance=0.001).cost.lower
    p = seldom(shelf_life=shelf_life, **costs)
    own, newsvendor = (
        play(p, make("smoothing")).cost.mean() for make in (ForecastReorderPoint, RollingNewsvendor)
    )
    assert least < own < 1.1 * least
    assert newsvendor > 1.3 * least


def test_what_sells_seldom_is_ordered_in_lots_by_how_often_and_how_much(tmp_path):
    rng = np.random.default_rng(0)
    days = np.arange("2015-01-01", "2020-01-01", dtype="datetime64[D]")
    units = (rng.random((days.size, 4)) < 0.08) * (1 + rng.poisson(4.0, (days.size, 4)))
    rows = [f"{day},{','.join(map(str, row))}" for day, row in zip(days, units, strict=True)]
    (path := tmp_path / "sales.csv").write_text("\n".join(["date,a,b,c,d", *rows]))
    costs = {"holding_cost": 0.05, "stockout_cost": 20.0, "fixed_cost": 15.0}
    law = 0.08 * np.concatenate([[0.0], poisson(4.0)])
    law[0] = 0.92
    least = best_reorder_policy(law, **costs).cost
    p = shop_of(path)(**costs, lead_time=0, unmet_demand="backlog")
    own, smoothed, newsvendor = (
        play(p, rule).cost.mean()
        for rule in (*map(ForecastReorderPoint, ("tsb", "smoothing")), RollingNewsvendor("tsb"))
    )
    assert own < 1.1 * least
    assert min(smoothed, newsvendor) > 1.3 * least


def test_tuning_may_reach_lots_as_long_as_they_pay(shop):
    usual, lots = (rolling_reorder_family(shop(fixed_cost=k)) for k in (0.0, 500.0))
    cycle = lot_days(shop(fixed_cost=500.0), 1).max()
    assert max(usual.grid["gap_days"]) < 0.5 * cycle
    assert max(lots.grid["gap_days"]) > 1.5 * cycle
    assert set(usual.grid["gap_days"]) < set(lots.grid["gap_days"])
    family = reorder_point_family("smoothing", lots=True)
    assert family.admits({"safety_multiplier": 1.0, "lot_multiplier": 1.4})
    assert not family.admits({"safety_multiplier": 1.0, "lot_multiplier": 9.0})


def test_there_are_such_rules_where_orders_cost_something_or_have_to_be_large(shop):
    def names(p):
        return set(baselines_of("stores", p))

    assert set(LOT_BASELINES) < names(shop(fixed_cost=10.0))
    assert set(LOT_BASELINES) < names(shop(order_multiple=50.0))
    assert set(LOT_BASELINES) < names(shop(objective="reconciliation", minimum_order=50.0))
    assert not set(LOT_BASELINES) & names(shop(order_multiple=5.0))
    assert not set(LOT_BASELINES) & names(shop())
    assert not set(LOT_BASELINES) & names(shop(objective="reconciliation", fixed_cost=10.0))
    assert set(LOT_BASELINES) < names(shop(fixed_cost=10.0, shelf_life=3))
    assert not set(LOT_BASELINES) & names(shop(shelf_life=3))


def test_its_values_are_checked(shop):
    rule = ForecastReorderPoint("smoothing", 1.0, 1.0)
    assert "lot_multiplier=1" in repr(rule)
    with pytest.raises(InputError, match="lot_multiplier = nan"):
        rule.with_values(safety_multiplier=1.0, lot_multiplier=float("nan"))
    with pytest.raises(InputError, match=r"lot_multiplier = -1\.0: must be at least 0"):
        ForecastReorderPoint("smoothing", 1.0, -1.0)
