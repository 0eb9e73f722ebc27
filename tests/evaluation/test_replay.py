"""A period played once, beside forty lines of numpy that know nothing of the project."""

import datetime as dt
import gc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from agents.config import resolve
from baselines.registry import rules_in_units
from baselines.rules.families import with_free_orders
from baselines.rules.forecast import RollingBaseStock
from baselines.rules.reference import reference_team
from baselines.rules.rolling_reorder_point import RollingReorderPoint
from common.errors import InputError, validated
from envs.supply_chain.parameters import SupplyChainParameters
from evaluation.replay import (
    ARRAYS,
    PARTS,
    Interval,
    Opening,
    Replay,
    check_replayed,
    days_before,
    mean_cost,
    played_parameters,
    replay,
    saved_per_year,
)

DAYS = np.arange("2022-01-01", "2023-10-01", dtype="datetime64[D]")
SPLIT, LEAD_TIME, HOLDING, STOCKOUT = "2023-03-01", 2, 0.3, 4.0
CUT = int((np.datetime64(SPLIT) - DAYS[0]).astype(int))
TRAINING = round(CUT * 0.85)
INITIAL_DAYS, BEFORE = LEAD_TIME + 2, 28 + LEAD_TIME + 1


def demand():
    """Two products in three stores, shape (days, SKUs, stores)."""
    week = np.array([20, 10, 15, 20, 25, 40, 10])[np.arange(DAYS.size) % 7]
    size = np.array([[1.0, 3.0, 0.3], [0.5, 0.1, 2.0]])
    return np.random.default_rng(0).poisson(week[:, None, None] * size).astype(float)


# An independent account of the same days: plain arrays, one series, one day after the other.


def base_stock_average(past):
    return 3 * past[-7:].mean() * 1.1 + 1.5 * np.sqrt(3) * past[-28:].std()


def base_stock_weekday(past):
    coming = sum(np.mean([past[j - 7 * k] for k in (1, 2, 3, 4)]) for j in range(3))
    return coming + 2.0 * np.sqrt(3) * past[-28:].std()


def reorder_point(past):
    return 3.47 * past[-28:].mean(), 6.03 * past[-28:].mean()


def independent(sold, rule, first=CUT - BEFORE, on_hand=None, under_way=(0.0,)):
    """Return cost per day, demand met and stock of an evaluation period and days before it."""
    mean = sold[:TRAINING].mean()
    on_hand = INITIAL_DAYS * mean if on_hand is None else on_hand
    under_way, days = list(under_way), []
    for t in range(first, len(sold)):
        past = sold[:t]
        level = rule(past)
        position = on_hand + sum(under_way)
        if isinstance(level, tuple):
            wanted = level[1] - position if position < min(level) else 0.0
        else:
            wanted = level - position
        under_way.append(max(np.floor(wanted + 0.5), 0.0))
        sales = min(on_hand, sold[t])
        left = on_hand - sales
        days.append((HOLDING * left + STOCKOUT * (sold[t] - sales), sales, left, under_way[-1]))
        on_hand = left + under_way.pop(0)
    return np.array(days)


RULES = {
    "average": (base_stock_average, RollingBaseStock("average", 1.1, 1.5)),
    "weekday": (base_stock_weekday, RollingBaseStock("weekday", 1.0, 2.0)),
    "reorder point": (reorder_point, RollingReorderPoint(3.47, 6.03)),
}


def team_of(rule):
    return with_free_orders(reference_team(store=rule), whole=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("replay") / "sales.csv"
    lines = ["date,store,sku,demand"]
    for day, units in zip(DAYS, demand(), strict=True):
        lines += [f"{day},s{n},p{k},{units[k, n]:.0f}" for k in range(2) for n in range(3)]
    path.write_text("\n".join(lines) + "\n")
    costs = (f"store.lead_time={LEAD_TIME}", f"store.holding_cost={HOLDING}")
    flags = {"algo": "ppo", "demand": path, "split": SPLIT}
    return resolve(flags, assignments=(*costs, f"store.stockout_cost={STOCKOUT}"))


@pytest.mark.parametrize("name", RULES)
def test_a_replay_is_what_forty_lines_of_numpy_say(run, name):
    plain, rule = RULES[name]
    played = replay(run.problem, run.parameters, team_of(rule))
    sold = demand()
    expected = np.stack(
        [[independent(sold[:, k, n], plain) for n in range(3)] for k in range(2)]
    )  # (SKUs, stores, days, figures)
    expected = np.moveaxis(expected, 2, 0)[BEFORE:]
    for place, figures in enumerate((played.cost, played.sales, played.on_hand, played.orders)):
        np.testing.assert_allclose(figures, expected[..., place], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(played.demand, sold[CUT:])
    assert str(played.first_day) == SPLIT
    a_year = 365 * expected[..., 0].sum() / len(expected)
    assert played.cost_per_year == pytest.approx(a_year, abs=1e-6)
    by_sku = 365 * expected[..., 0].sum(axis=0) / len(expected)
    np.testing.assert_allclose(played.by_sku(), by_sku)
    np.testing.assert_allclose(played.by_store(), by_sku.sum(axis=0))
    _, sales, left, placed = np.moveaxis(expected, -1, 0)
    assert played.fill_rate == pytest.approx(sales.sum() / sold[CUT:].sum())
    assert played.mean_on_hand == pytest.approx(left.sum(axis=(1, 2)).mean())
    assert played.orders_per_year == pytest.approx(365 * (placed > 0).sum() / len(placed))
    assert played.mean_order == pytest.approx(placed[placed > 0].mean())
    parts = {name: played.part_per_year(name) for name in PARTS}
    assert sum(parts.values()) == pytest.approx(a_year)
    assert parts["holding"] == pytest.approx(HOLDING * 365 * played.on_hand.sum() / played.days)


@pytest.mark.parametrize("name", RULES)
def test_a_replay_begins_with_what_a_shop_had(run, name):
    plain, rule = RULES[name]
    rng = np.random.default_rng(1)
    on_hand, due = rng.integers(0, 90, (2, 3)) * 1.0, rng.integers(0, 60, (2, 3, 1)) * 1.0
    played = replay(run.problem, run.parameters, team_of(rule), opening=Opening(on_hand, due))
    sold = demand()
    for k, n in ((0, 0), (1, 2)):
        plainly = independent(sold[:, k, n], plain, CUT, on_hand[k, n], due[k, n])
        found = (played.cost, played.sales, played.on_hand, played.orders)
        for place, figures in enumerate(found):
            np.testing.assert_allclose(figures[:, k, n], plainly[:, place], rtol=0, atol=1e-9)


def test_a_policy_that_has_played_keeps_no_days_of_the_file(run):
    batches = []

    class Watched(RollingBaseStock):
        def bind(self, batch):
            batches.append(weakref.ref(batch))
            super().bind(batch)

    policies = [reference_team(store=Watched("average", 1.0, cover)) for cover in (1.0, 2.0)]
    for policy in policies:
        replay(run.problem, run.parameters, policy)
    gc.collect()
    assert [batch() for batch in batches] == [None, None]


def changed(run, *assignments):
    flags = {"algo": "ppo", "demand": run.parameters.demand_data.file, "split": SPLIT}
    return resolve(flags, assignments=assignments)


def test_what_is_under_way_arrives_on_its_own_morning(run):
    plain, rule = RULES["reorder point"]
    slow = changed(run, "store.lead_time=4")
    on_hand, due = np.full((2, 3), 30.0), np.tile([70.0, 0.0, 50.0], (2, 3, 1))
    played = replay(slow.problem, slow.parameters, team_of(rule), opening=Opening(on_hand, due))
    plainly = independent(demand()[:, 0, 0], plain, CUT, 30.0, due[0, 0])
    np.testing.assert_allclose(played.on_hand[:, 0, 0], plainly[:, 2], rtol=0, atol=1e-9)


def test_what_a_shop_had_is_taken_to_be_of_all_ages_alike(run):
    """Of 900 units that keep for three days, 300 go every day, sold or not; none is ordered."""
    perishes = changed(run, "store.shelf_life=3", "store.waste_cost=2")
    opening = Opening(np.full((2, 3), 900.0), np.zeros((2, 3, 1)))
    rule = team_of(RollingReorderPoint(0.0, 0.0))
    played = replay(perishes.problem, perishes.parameters, rule, opening=opening)
    sold = demand()[CUT:]
    np.testing.assert_array_equal(played.sales[:3], sold[:3])
    assert not played.sales[3:].any()
    assert not played.orders.any()
    assert played.mean_order == 0
    assert [np.unique(day).tolist() for day in played.on_hand[:4]] == [[600], [300], [0], [0]]
    wasted = 2 * (6 * 900 - sold[:3].sum())
    assert played.part_per_year("waste") == pytest.approx(365 * wasted / len(sold))


def test_products_are_played_alike_however_many_at_once(run, monkeypatch):
    policy = rules_in_units(run.parameters)["newsvendor_weekday"].make(run.parameters, 0)
    whole = replay(run.problem, run.parameters, policy)
    monkeypatch.setattr("evaluation.replay.CHUNK", 1)
    parts = replay(run.problem, run.parameters, policy)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    assert parts.to_json() == whole.to_json()


@pytest.mark.parametrize(("start", "days"), [(400, 28 + 2 + 7), (50, 22), (28, 0), (20, 0)])
def test_a_policy_plays_no_day_before_those_that_it_must_know(start, days):
    """28 of them, two until an order arrives, and seven from one order to the next."""
    history = SimpleNamespace(starts=lambda *_: range(start, 900))
    stores = SimpleNamespace(history=history, longest_lead_time=2, longest_review_gap=7)
    assert days_before(stores) == days


@pytest.mark.parametrize(("warmup", "skipped"), [(10, 31), (60, 60), (500, 31 + 213)])
def test_of_days_that_a_file_warms_up_one_is_left_to_count(run, warmup, skipped):
    """Of 31 days before a period of 214."""
    given = {**run.parameters.model_dump(), "warmup_days": warmup, "horizon": 600}
    p = played_parameters(validated(SupplyChainParameters, given), 31, start_up=True)
    assert (p.horizon, p.warmup_days) == (31 + 214, skipped)


def test_sums_over_all_stores_cost_the_same_and_take_little_room(run):
    policy = rules_in_units(run.parameters)["newsvendor_average"].make(run.parameters, 0)
    own = replay(run.problem, run.parameters, policy)
    all_of_it = own.together()
    assert all_of_it.cost.shape == (own.days, 1, 1)
    assert all_of_it.cost_per_year == pytest.approx(own.cost_per_year, rel=1e-12)
    assert all_of_it.fill_rate == pytest.approx(own.fill_rate, rel=1e-12)
    assert all_of_it.part_per_year("holding") == pytest.approx(own.part_per_year("holding"))


def test_intervals_are_of_days_and_the_same_for_all_pairs(run):
    rules = rules_in_units(run.parameters)
    one, other = (
        replay(run.problem, run.parameters, rules[name].make(run.parameters, 0))
        for name in ("newsvendor_weekday", "newsvendor_average")
    )
    saved = saved_per_year([one], [other])
    assert saved.mean == pytest.approx(other.cost_per_year - one.cost_per_year)
    assert saved.low < saved.mean < saved.high
    back = saved_per_year([other], [one])
    assert (back.low, back.high) == pytest.approx((-saved.high, -saved.low))
    nothing = saved_per_year([one, other], [one, other])
    assert (nothing.mean, nothing.low, nothing.high) == (0, 0, 0)


def test_an_interval_turns_with_its_sign_and_may_be_chance_where_it_holds_zero():
    assert Interval(-3.0, -5.0, 1.0).unsigned() == Interval(3.0, -1.0, 5.0)
    assert Interval(3.0, -1.0, 5.0).unsigned() == Interval(3.0, -1.0, 5.0)
    bounds = [(-5.0, 1.0), (0.0, 1.0), (-1.0, 0.0), (1.0, 2.0), (-2.0, -1.0)]
    found = [Interval(0.0, low, high).may_be_chance for low, high in bounds]
    assert found == [True, True, True, False, False]


@pytest.mark.parametrize("days", [82, 120, 400])
def test_intervals_cover_what_they_should(days):
    """Days that hang together for weeks: of 200 pasts, about 190 hold the true mean."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        noise = np.convolve(rng.normal(size=days + 20), np.ones(7) / 7, "valid")[:days]
        held += _interval(5.0 + noise)
    assert 184 <= held <= 198


def costing(daily, period="day"):
    """Return a replay of one product in one store that costs so much a day and does nothing."""
    zero = np.zeros((daily.size, 1, 1))
    day = dt.date(2024, 1, 1)
    return Replay(day, daily[:, None, None], zero, zero, zero, zero, period)


def _interval(daily):
    saved = saved_per_year([costing(0.0 * daily)], [costing(daily)])
    return saved.low <= 365 * 5.0 <= saved.high


@pytest.mark.parametrize(
    ("sizes", "period", "block", "quantile"),
    [
        ((40,), "day", 10, 3.182),  # in quarters: t of 3 degrees of freedom
        ((112, 112), "day", 28, 2.447),  # of 6
        ((52, 104), "week", 4, 2.0281),  # of 36
    ],
)
def test_an_interval_is_that_of_the_variance_between_blocks(sizes, period, block, quantile):
    rng = np.random.default_rng(2)
    pasts = [rng.normal(50.0, 9.0, size) for size in sizes]
    variance = 0.0
    for daily in pasts:
        sums = [np.roll(daily, -k)[:block].sum() for k in range(daily.size)]
        blocks = daily.size / block
        variance += blocks * np.var(sums) * blocks / (blocks - 1)
    own, others = ([costing(size * one, period) for one in pasts] for size in (0.0, 1.0))
    saved = saved_per_year(own, others)
    a_year = {"day": 365, "week": 365 / 7}[period] / sum(sizes)
    assert saved.mean == pytest.approx(a_year * np.concatenate(pasts).sum())
    half = a_year * quantile * np.sqrt(variance)
    assert (saved.high - saved.low) / 2 == pytest.approx(half, rel=0.08)
    assert (saved.high + saved.low) / 2 == pytest.approx(saved.mean, abs=0.1 * half)


@pytest.mark.parametrize("daily", [[5.0], [5.0, 7.0], [5.0, 7.0, 3.0]])
def test_a_few_days_have_a_mean_and_bounds(daily):
    saved = saved_per_year([costing(np.zeros(len(daily)))], [costing(np.array(daily))])
    assert saved.mean == pytest.approx(365 * np.mean(daily))
    assert -np.inf < saved.low <= saved.mean <= saved.high < np.inf


@pytest.mark.parametrize(("period", "a_year"), [("day", 365), ("week", 365 / 7), ("month", 12)])
def test_long_periods_weigh_more_in_a_mean_cost(period, a_year):
    played = [costing(np.full(10, 1.0), period), costing(np.full(30, 3.0), period)]
    assert mean_cost({"rule": played}) == pytest.approx({"rule": a_year * (10 + 90) / 40})
    assert played[0].fill_rate == 1  # of nothing


def test_what_cannot_be_replayed_is_refused(run):
    with pytest.raises(InputError, match="--replay: plays the days of a demand file"):
        check_replayed(validated(SupplyChainParameters, {}))
    other = {**run.parameters.model_dump(), "objective": "reconciliation"}
    with pytest.raises(InputError, match="--replay: counts money; say --set objective=cost"):
        check_replayed(validated(SupplyChainParameters, other))
