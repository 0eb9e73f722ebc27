import numpy as np
import pytest

from baselines.rules.rolling_newsvendor import RollingNewsvendor
from common.errors import validated
from demand.known_demand import KNOWN_DAYS
from envs.batch import random_actions
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.observation import FORECAST_ENTRIES
from envs.supply_chain.parameters import SupplyChainParameters

DAYS = np.arange("2020-01-01", "2021-07-01", dtype="datetime64[D]")
WEEK = np.array([40, 10, 20, 30, 30, 60, 20])
LEAD_TIME = 2


@pytest.fixture
def play(tmp_path):
    """Return a function that plays some days of a file with a sure store and a chancy one."""
    usual = WEEK[np.arange(DAYS.size) % 7]
    chancy = np.random.default_rng(0).poisson(2 * usual)
    path = tmp_path / "sales.csv"
    rows = [f"{day},{u},{x}" for day, u, x in zip(DAYS, usual, chancy, strict=True)]
    path.write_text("\n".join(["date,sure,chancy", *rows]))

    def do(days, **store):
        source = {"file": path, "split": "2021-01-01"}
        given = {"demand_data": source, "observation": "full", "horizon": 14}
        store = {"lead_time": LEAD_TIME, **store}
        batch = SupplyChainBatch(validated(SupplyChainParameters, {**given, "store": store}), 20)
        batch.reset()
        for _ in range(days):
            batch.step(random_actions(batch, np.random.default_rng(1)))
        return batch

    return do


def seen(batch):
    """Return what stores see of the forecast, by entry."""
    names, stores = batch.observation_names["store"], batch.by_tier(batch.observation())["store"]
    return {name: stores[..., names.index(name)] for name in FORECAST_ENTRIES}


def positions(batch):
    return batch.sites["on_hand"] + batch.pipelines.sum(axis=2)


@pytest.mark.parametrize("days", [0, 1, 8])
@pytest.mark.parametrize("reviews", [{}, {"review_days": ["mon", "thu"]}])
def test_stores_see_the_demand_until_the_next_order_arrives(play, days, reviews):
    batch = play(days, **reviews)
    observed, level = seen(batch), batch.past.level[:, 0]
    for world, gap in enumerate(batch.review_gap()):
        first = KNOWN_DAYS + days
        coming = batch.past.demand[first : first + LEAD_TIME + gap, world, 0].sum()
        missing = coming - positions(batch)[world, 0]
        entries = [observed[name][world, 0] for name in FORECAST_ENTRIES]
        expected = [coming, 0, WEEK.mean(), missing]
        np.testing.assert_allclose(
            np.array(entries[:4]) * level[world], expected, rtol=5e-3, atol=1e-3
        )
        shares = np.clip(missing / batch.sites["forecast"][world, 0], -10, 10)
        assert entries[4] == pytest.approx(shares, rel=1e-4, abs=1e-4)


def test_stores_see_what_the_newsvendor_orders_by(play):
    batch = play(5)
    rule = RollingNewsvendor("smoothing")
    rule.bind(batch)
    missing = seen(batch)["forecast less inventory position"] * batch.past.level
    safety = rule._wanted(batch, positions(batch)) - missing
    scale = rule._scale(batch, rule._coming(batch) / rule._days(batch)[:, None])
    share = safety / scale  # a quantile of errors, the same for all
    np.testing.assert_allclose(share, np.broadcast_to(share[:1], share.shape), atol=1e-3)
    assert (share[:, 1] > 0.1).all()


def test_the_deviation_seen_is_that_of_chance(play):
    entries = seen(play(3))["deviation around the smoothed level"]
    assert (entries[:, 1] > 0.05).all()
    assert (entries[:, 1] < 0.4).all()


def test_what_is_seen_knows_nothing_of_the_days_to_come(play):
    one, two = play(4), play(4)
    state = two.get_state()
    state["_demand"][4:] += 100
    state["_known"][KNOWN_DAYS + 4 :] += 100
    two.set_state(state)
    np.testing.assert_array_equal(one.observation(), two.observation())
    actions = random_actions(one, np.random.default_rng(2))
    one.step(actions)
    two.step(actions)
    assert (seen(two)["smoothed level"] > seen(one)["smoothed level"]).all()


def test_stock_far_too_large_is_seen_within_limits(play):
    batch = play(2)
    batch.sites["on_hand"] = 1e9
    entries = seen(batch)
    assert (entries["the same in shares of an order's unit"] == -10).all()
    assert np.isfinite(batch.observation()).all()
    assert batch.observation_low == -np.inf
