"""Goods that perish: days by hand, conservation, and who wastes more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InputError
from envs.batch import random_actions
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.events import evenly_aged, expire, expiring, issue, waste_ahead
from tests.envs.supply_chain.perishable_days import DAYS
from tests.supply_chain_worlds import make, one_world, perishable_or_waiting


def one_store(demand, store, on_hand=0.0, **parameters):
    """Return one store whose warehouse is never short, on days of given demand."""
    own = {"lead_time": 1, "holding_cost": 1, "stockout_cost": 5, "unit_cost": 3, "waste_cost": 7}
    own["order_units"] = [float(q) for q in range(11)]
    return one_world(
        np.array(demand, float)[:, None],
        stores=[{"initial_on_hand": on_hand}],
        store={**own, **store},
        warehouse={"initial_on_hand": float("inf")},
        horizon=len(demand),
        **{"objective": "cost", **parameters},
    )


@pytest.mark.parametrize("case", DAYS, ids=lambda case: case["name"])
def test_days_by_hand(case):
    """Every day of a golden trajectory: stock by age next morning, the report and the reward."""
    batch = one_store(case["demand"], case["store"])
    for order, demand, sales, wasted, held, ages in case["days"]:
        batch.step(np.array([[order, 0, 0]]))
        report = {name: v.item() for name, v in batch.reports()["store_1"].items()}
        assert (report["demand"], report["sales"]) == (demand, sales)
        assert (report["wasted"], report["on_hand"]) == (wasted, held)
        assert report["waste_cost"] == 7 * wasted
        assert batch.ages[0, 0].tolist() == ages
        assert batch.sites["on_hand"].item() == sum(ages)
        assert batch.rewards[0, 0] == -(3 * order + held + 5 * (demand - sales) + 7 * wasted)
    days = np.array([day[:5] for day in case["days"]], float)
    totals = {name: values.item() for name, values in batch.episode_totals().items()}
    assert totals["units_wasted"] == days[:, 3].sum()
    assert totals["waste_cost"] == 7 * days[:, 3].sum()
    assert totals["ordering_cost"] == 3 * days[:, 0].sum()
    assert totals["waste_cost_per_day"] == pytest.approx(7 * days[:, 3].mean())
    parts = ("holding", "stockout", "ordering", "waste")
    spent = sum(totals[f"{part}_cost_per_day"] for part in parts)
    assert totals["cost_per_day"] == pytest.approx(spent)


def test_reconciliation_weighs_waste():
    rewards = []
    for waste_cost in (0.0, 4.0):
        store = {"shelf_life": 1, "waste_cost": waste_cost}
        batch = one_store([1], store, 3.0, objective="reconciliation")
        batch.step(np.array([[0, 0, 0]]))
        rewards.append(batch.rewards[0, 0])
    assert rewards == [10.0, 10.0 - 4.0 * 2.0]


def test_goods_of_one_day_of_a_store_without_lead_time():
    batch = one_store([4, 6], {"shelf_life": 1, "lead_time": 0})
    rewards = [batch.step(np.array([[5, 0, 0]])).reward[0, 0] for _ in range(2)]
    assert rewards == [-(15 + 7), -(15 + 5)]
    assert batch.sites["on_hand"].item() == 0


def test_older_customers_are_served_from_stock_by_age():
    """Three are owed; five come in, of which two are left for the demand of the day, one."""
    store = {"shelf_life": 1, "unmet_demand": "backlog"}
    batch = one_store([3, 1], store)
    batch.step(np.array([[5, 0, 0]]))
    assert (batch.sites["owed"].item(), batch.ages[0, 0].tolist()) == (3, [5])
    batch.step(np.array([[0, 0, 0]]))
    assert (batch.sites["owed"].item(), batch.sites["wasted"].item()) == (0, 1)
    assert batch.sites["on_hand"].item() == 0


def test_the_first_stock_is_of_all_ages():
    batch = one_store([0], {"shelf_life": 3}, on_hand=8.0)
    assert batch.ages[0, 0].tolist() == [2, 3, 3]
    lanes = batch._of.lanes
    ages = evenly_aged(lanes, np.zeros(1, np.int64), np.array([[4.5]]), 3)
    assert ages[0, 0] == pytest.approx([1.5, 1.5, 1.5])


def test_stores_see_their_stock_by_age_and_what_they_will_waste():
    """Of 2 oldest units 2 are left if 0 are asked for; the mean is 1."""
    sku = {"base_demand": 1, "seasonality_amplitude": 0}
    batch = one_store([0, 0], {"shelf_life": 3}, 7.0, observation="full", sku=sku)
    names = batch.observation_names["store"]
    assert names[-4:] == ("expires_1", "expires_2", "expires_3", "expected waste")
    assert batch.observation()[0, len(names) - 4 : len(names)].tolist() == [2, 2, 3, 1]
    batch.step(np.array([[4, 0, 0]]))
    assert batch.observation()[0, len(names) - 4 : len(names)].tolist() == [2, 3, 4, 1]
    assert "expires_1" not in one_store([0], {}, observation="full").observation_names["store"]


def test_waste_ahead_counts_what_is_under_way():
    stock, coming = np.array([2.0, 3.0]), np.array([4.0])
    assert waste_ahead(stock, coming, 1.0, 2, 0, False) == 0
    assert waste_ahead(stock, coming, 1.0, 2, 1, False) == 1
    assert waste_ahead(stock, coming, 1.0, 2, 2, False) == 1 + 2
    assert waste_ahead(stock, coming, 1.0, 2, 3, False) == 1 + 2 + 3
    assert waste_ahead(stock, coming, 1.0, 2, 2, True) == 2 + 2  # the newer ones go first


@pytest.mark.parametrize("issuing", ["fifo", "lifo"])
def test_a_state_goes_on_as_it_would_have(issuing):
    p = make(store={"shelf_life": 3, "issuing": issuing, "waste_cost": 2}, horizon=12)
    batch, other = (SupplyChainBatch(p, 2, rng=np.random.default_rng(s)) for s in (1, 2))
    batch.reset()
    rng = np.random.default_rng(0)
    for _ in range(5):
        batch.step(random_actions(batch, rng))
    other.set_state(batch.get_state())
    for _ in range(7):
        actions = random_actions(batch, rng)
        np.testing.assert_array_equal(batch.step(actions).reward, other.step(actions).reward)
        np.testing.assert_array_equal(batch.ages, other.ages)
        np.testing.assert_array_equal(batch.observation(), other.observation())


def test_expected_rewards_know_of_waste():
    """Mean of the realised rewards over the law of demand, from the same stock."""
    from scipy import stats

    law = stats.poisson.pmf(np.arange(40), 5)
    for issuing in ("fifo", "lifo"):
        store = {"shelf_life": 2, "issuing": issuing}
        sku = {"demand_model": "poisson", "base_demand": 5, "seasonality_amplitude": 0}
        p = one_store([0], store, 9.0, sku=sku).parameters
        expected = SupplyChainBatch(p, 1, expected_reward=True)
        expected.reset()
        got = expected.step(np.array([[2, 0, 0]])).reward[0, 0]
        realised = [
            one_store([d], store, 9.0, sku=sku).step(np.array([[2, 0, 0]])).reward[0, 0]
            for d in range(40)
        ]
        assert got == pytest.approx(law @ realised, abs=1e-9)


def test_shelf_life_stays_what_it_is_over_the_stages_of_a_run():
    with pytest.raises(InputError, match="the shelf life cannot change"):
        make().check_stage(make(store={"shelf_life": 3}))


@pytest.mark.parametrize("wrong", [{"shelf_life": 0}, {"issuing": "random"}, {"waste_cost": -1}])
def test_what_no_shelf_can_be(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        make(store=wrong)


whole = st.integers(0, 12).map(float)


@given(ages=st.lists(whole, min_size=1, max_size=5), demand=whole, lifo=st.booleans())
def test_issuing_and_expiring_conserve_units(ages, demand, lifo):
    stock = np.array(ages)
    oldest, newer, before = stock[0], stock[1:].sum(), stock.sum()
    short = issue(stock, demand, lifo)
    left = stock.sum()
    assert before - left == demand - short
    assert short == max(0.0, demand - before)
    expected = expiring(left, oldest, newer, lifo)
    assert expire(stock) == expected
    assert stock.sum() == left - expected
    assert stock[-1] == 0
    assert (stock >= 0).all()


worlds = perishable_or_waiting(
    shelf_life=st.integers(1, 4),
    issuing=st.sampled_from(["fifo", "lifo"]),
    unmet_demand=st.sampled_from(["lost", "backlog"]),
)


@given(parameters=worlds, seed=st.integers(0, 2**32 - 1))
def test_received_is_sold_wasted_or_on_hand(parameters, seed):
    """And no unit outlives its shelf life: what came in m days ago is gone, sold or wasted."""
    p = make(**parameters, horizon=12)
    batch = SupplyChainBatch(p, 3, rng=np.random.default_rng(seed))
    batch.reset()
    rng, life, lead_time = np.random.default_rng(seed), p.store.shelf_life, p.store.lead_time
    level, arrivals = batch.sites["on_hand"].copy(), [batch.ages[..., -1].copy()]
    for _ in range(p.horizon):
        before, back = batch.pipelines[..., 0].copy(), batch.sites["backorders"].copy()
        batch.step(random_actions(batch, rng))
        s = batch.sites
        shipped = back + s["order"] - s["backorders"]
        comes = shipped if lead_time == 1 else before * (lead_time > 1)
        level += comes + (shipped if lead_time == 0 else 0.0)
        level -= s["wasted"] + (s["demand"] if p.backlog else s["sales"])
        assert s["on_hand"] - s["owed"] == pytest.approx(level, abs=1e-6)
        assert batch.ages.sum(axis=2) == pytest.approx(s["on_hand"], abs=1e-6)
        assert min(batch.ages.min(), s["wasted"].min(), s["left"].min()) >= 0
        arrivals.append(np.broadcast_to(comes, level.shape))
        for k, came in enumerate(arrivals[: -life - 1 : -1]):
            if lead_time > 0 and k < len(arrivals) - 1:  # the first stock was of all ages
                assert (batch.ages[..., life - 1 - k] <= came + 1e-6).all()
        assert np.isfinite(batch.observation()).all()


@given(
    orders=st.lists(st.integers(0, 10), min_size=12, max_size=12),
    demand=st.lists(st.integers(0, 10), min_size=12, max_size=12),
    life=st.integers(1, 5),
    lead_time=st.integers(0, 3),
)
def test_oldest_first_never_wastes_more(orders, demand, life, lead_time):
    """On the same orders and demand, by the evening of every day."""
    wasted = []
    for issuing in ("fifo", "lifo"):
        store = {"shelf_life": life, "issuing": issuing, "lead_time": lead_time}
        batch = one_store(demand, store, on_hand=6.0)
        rows = []
        for order in orders:
            batch.step(np.array([[order, 0, 0]]))
            rows.append(batch.sites["total_wasted"].item())
        wasted.append(np.array(rows))
    assert (wasted[0] <= wasted[1]).all()
