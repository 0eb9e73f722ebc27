import datetime as dt

import numpy as np
import pytest

from common.errors import InputError, validated
from demand import reader
from demand.history import StoreDemand, digest_of_days, store_history
from demand.known_demand import KNOWN_DAYS, KnownDemand
from envs.batch import random_actions
from envs.problems import PROBLEMS
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.trace import check_trace, draw_trace

FIRST, SPLIT, VALIDATION = "2020-01-01", "2021-01-01", "2020-10-01"
DAYS = np.arange(FIRST, "2021-07-01", dtype="datetime64[D]")
CUT = int((np.datetime64(SPLIT) - DAYS[0]).astype(int))


@pytest.fixture
def write(tmp_path):
    """Return a function that writes demand of shape (days, SKUs, 2) and gives parameters."""

    def do(demand, **options):
        path = tmp_path / "sales.csv"
        rows = ["date,store,sku,demand"]
        rows += [
            f"{day},{store},k{k},{demand[d, k, n]}"
            for d, day in enumerate(DAYS)
            for k in range(demand.shape[1])
            for n, store in enumerate(("north", "south"))
        ]
        path.write_text("\n".join(rows))
        source = {"file": path, "split": SPLIT, "validation": VALIDATION, **options}
        given = {"demand_data": source, "observation": "full", "objective": "cost"}
        return validated(SupplyChainParameters, {**given, "horizon": 14})

    return do


@pytest.fixture
def numbered(write):
    """Two SKUs; demand tells the day, the SKU and the store."""
    lanes = np.arange(4).reshape(1, 2, 2) / 8
    return write(np.arange(DAYS.size)[:, None, None] + 1 + lanes)


def test_stores_skus_and_scales_come_from_the_file(numbered):
    p = numbered
    cut = int((np.datetime64(VALIDATION) - DAYS[0]).astype(int))
    mean = 1 + (cut - 1) / 2 + np.arange(4).reshape(2, 2) / 8
    assert (p.num_stores, len(p.sku), p.history.table.stores) == (2, 2, ("north", "south"))
    np.testing.assert_allclose(p.mean_demand(), mean)
    np.testing.assert_allclose(p.initial_on_hand(), 4 * mean, rtol=1e-12)
    assert np.isinf(p.warehouse.initial_on_hand)
    means, stds = p.demand_moments()
    assert means.shape == stds.shape == (2, 14, 2)
    for mode in ("python", "json"):
        assert validated(SupplyChainParameters, p.model_dump(mode=mode)) == p
    assert hash(p) is not None


@pytest.mark.parametrize("split", ["training", "tuning", "validation", "evaluation"])
def test_windows_are_consecutive_days_of_one_period(numbered, split):
    trace = PROBLEMS["stores"].traces(numbered, split, 1, 4000)
    both = np.concatenate([trace["past"], trace["demand"]], axis=1)
    played_once = split == "evaluation"  # of 168 windows and 2 SKUs, fewer than 4,000 episodes
    count = 336 if played_once else 4000
    assert both.shape == (count, KNOWN_DAYS + 14, 2)
    if played_once:
        assert len(np.unique(np.stack([trace["start"], trace["sku"]]), axis=1).T) == count
    assert (np.diff(both, axis=1) == 1).all()
    np.testing.assert_array_equal((both[:, 0, 0] - both[:, 0, 0] // 1) * 8, 2 * trace["sku"])
    day = trace["demand"][..., 0].astype(int) - 1
    np.testing.assert_array_equal(DAYS.astype(int)[day[:, 0]] + 719163, trace["start"])
    low, high = {"validation": (VALIDATION, SPLIT), "evaluation": (SPLIT, "2021-07-01")}.get(
        split, ("2020-01-29", VALIDATION)
    )
    played = DAYS[day]
    assert played.min() == np.datetime64(low)
    assert played.max() == np.datetime64(high) - 1
    assert np.bincount(trace["sku"]).tolist() == [count / 2, count / 2]


@pytest.mark.parametrize("augment", ["none", "bootstrap", "parametric"])
def test_nothing_of_the_evaluation_reaches_training(write, augment):
    rng = np.random.default_rng(0)
    demand = rng.poisson(20, (DAYS.size, 2, 2))
    other = demand.copy()
    other[CUT:] = rng.poisson(90, other[CUT:].shape)
    seen = []
    for values in (demand, other):
        p = write(values, augment=augment)
        batch = SupplyChainBatch(p, 16)
        batch.reset()
        batch.step(random_actions(batch, np.random.default_rng(1)))
        traces = [PROBLEMS["stores"].traces(p, s, 1, 50) for s in ("training", "tuning")]
        moments = p.demand_moments()
        seen.append((p.mean_demand(), *moments, batch.observation(), batch.rewards, *traces))
    for one, two in zip(*seen, strict=True):
        if isinstance(one, dict):
            assert all(np.array_equal(one[name], two[name]) for name in one)
        else:
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("augment", ["bootstrap", "parametric"])
@pytest.mark.parametrize("unit", [1.0, 0.3])
def test_augmented_days_are_like_those_of_training(write, augment, unit):
    rng = np.random.default_rng(0)
    week = np.array([1.0, 0.5, 0.8, 1.0, 1.2, 2.0, 0.5])[np.arange(DAYS.size) % 7]
    mean = 30 * week[:, None, None] * np.linspace(2, 1, DAYS.size)[:, None, None]
    demand = rng.negative_binomial(20, 20 / (20 + mean), (DAYS.size, 1, 2)) * unit
    real, made = write(demand), write(demand, augment=augment)
    some = [draw_trace(p, np.random.default_rng(2), 4000) for p in (real, made)]
    assert not np.array_equal(some[0]["demand"], some[1]["demand"])
    for at in range(7):
        days = [t["demand"][(t["start"] + 3) % 7 == at][:, 3].ravel() for t in some]
        assert days[1].mean() == pytest.approx(days[0].mean(), rel=0.07)
        assert days[1].std() == pytest.approx(days[0].std(), rel=0.2)
    for split in ("validation", "tuning", "evaluation"):
        one, two = (PROBLEMS["stores"].traces(p, split, 1, 20)["demand"] for p in (real, made))
        np.testing.assert_array_equal(one, two)


def test_expected_rewards_are_the_mean_of_realised_ones(write):
    """On the first day every world is in the same state, and only its demand is drawn."""
    rng = np.random.default_rng(0)
    p = write(rng.negative_binomial(20, 1 / 3, (DAYS.size, 1, 2)), augment="bootstrap")
    p = p.model_copy(update={"warmup_days": 0})
    episodes, ordinal = 20_000, p.history.table.first_day.toordinal()
    days = np.broadcast_to(100 + np.arange(-KNOWN_DAYS, p.horizon), (episodes, KNOWN_DAYS + 14))
    zero = np.zeros(episodes, np.int64)
    values = p.history.resampled.bootstrap(np.random.default_rng(0), days, zero)
    trace = {
        "demand": values[:, KNOWN_DAYS:],
        "supplier_ok": np.ones((episodes, p.horizon), np.bool_),
        "sku": zero,
        "past": np.broadcast_to(values[0, :KNOWN_DAYS], values[:, :KNOWN_DAYS].shape),
        "start": np.full(episodes, ordinal + 100),
    }
    realised = SupplyChainBatch(p, episodes)
    expected = SupplyChainBatch(p, 1, expected_reward=True)
    realised.reset(trace)
    expected.reset({name: values[:1] for name, values in trace.items()})
    for batch in (realised, expected):
        batch.sites["on_hand"] = [30.0, 55.0]
    act = np.array([[1, 2, 0, 0]])
    mean = realised.step(np.repeat(act, episodes, axis=0)).reward
    one = expected.step(act).reward[0]
    errors = mean[:, :2].std(axis=0) / np.sqrt(episodes)
    assert (errors > 0).all()
    np.testing.assert_allclose(one[:2], mean[:, :2].mean(axis=0), atol=float(5 * errors.max()))


def test_expected_rewards_are_of_training_days_only(write):
    p = write(np.ones((DAYS.size, 1, 2)), augment="bootstrap")
    for trace in (
        PROBLEMS["stores"].traces(p, "evaluation", 1, 3),
        {"demand": np.ones((3, 14, 2)), "supplier_ok": np.ones((3, 14), bool)},
    ):
        batch = SupplyChainBatch(p, 3, expected_reward=True)
        batch.reset(trace)
        with pytest.raises(InputError, match="expected rewards are of training days"):
            batch.step(np.zeros((3, 4), np.int64))


def test_what_is_known_is_what_was_before():
    horizon, rng = 20, np.random.default_rng(0)
    demand = rng.uniform(1, 9, (KNOWN_DAYS + horizon, 3, 2))
    start = np.array([737791, 737792, 737793])
    whole = KnownDemand(demand, start, np.ones((3, 2)))
    for day in (0, 3, 19):
        cut = demand.copy()
        cut[KNOWN_DAYS + day :] = np.nan
        known = KnownDemand(cut, start, np.ones((3, 2)))
        for lead_time in (0, 2, 9):
            entries = known.entries(day, lead_time)
            assert np.isfinite(entries).all(), (day, lead_time)
            np.testing.assert_array_equal(entries, whole.entries(day, lead_time))
    same = [demand[KNOWN_DAYS + 5 + 1 - 7 * m] for m in (1, 2, 3, 4)]
    np.testing.assert_allclose(whole.same_weekday(5, 3)[1], np.mean(same, axis=0))
    np.testing.assert_array_equal(whole.last_week(5, 9)[8], demand[KNOWN_DAYS + 5 + 1 - 7])
    mean, std = whole.recent(5, 7)
    np.testing.assert_allclose(mean, demand[KNOWN_DAYS - 2 : KNOWN_DAYS + 5].mean(axis=0))
    np.testing.assert_allclose(std, demand[KNOWN_DAYS - 2 : KNOWN_DAYS + 5].std(axis=0))
    monday = dt.date.fromordinal(737793).weekday()
    week, year = whole.calendar(4)[:2, 2], whole.calendar(4)[2:, 2]
    assert np.arctan2(*week) % (2 * np.pi) == pytest.approx(2 * np.pi * ((monday + 5) % 7) / 7)
    np.testing.assert_allclose([week @ week, year @ year], 1)


def test_what_is_known_does_not_hang_on_when_the_episode_ends():
    demand = np.random.default_rng(1).uniform(1, 9, (KNOWN_DAYS + 30, 4, 2))
    start, usual = np.full(4, 737791), np.ones((4, 2))
    short, long = (KnownDemand(demand[: KNOWN_DAYS + days], start, usual) for days in (10, 30))
    for day in range(11):
        np.testing.assert_array_equal(short.entries(day, 7), long.entries(day, 7))


def test_the_view_is_the_same_for_a_store_of_any_size(write):
    demand = np.random.default_rng(0).poisson(20, (DAYS.size, 1, 2)) + 1
    seen = []
    for size in (1, 10):
        batch = SupplyChainBatch(write(demand * size), 5)
        batch.reset()
        for _ in range(3):
            outcome = batch.step(np.tile([1, 2, 0, 0], (5, 1)))
        rows = batch.by_tier(batch.observation())["store"]
        names = batch.observation_names["store"]
        assert rows.shape == (5, 2, len(names))
        seen.append((rows, outcome.reward[:, :2]))
        np.testing.assert_allclose(
            batch.sites["forecast"], np.mean(batch.past.demand[KNOWN_DAYS - 4 : KNOWN_DAYS + 3], 0)
        )
    np.testing.assert_allclose(seen[0][0], seen[1][0], rtol=1e-5)
    np.testing.assert_allclose(seen[0][1], seen[1][1])  # training rewards are in days of demand


def test_a_state_goes_on_where_it_was(numbered):
    one, two = (SupplyChainBatch(numbered, 4, split="validation") for _ in range(2))
    one.reset()
    one.step(np.ones((4, 4), np.int64))
    two.set_state(one.get_state())
    for batch in (one, two):
        batch.step(np.ones((4, 4), np.int64))
    np.testing.assert_array_equal(one.observation(), two.observation())


def test_traces_from_outside_are_checked(numbered):
    trace = draw_trace(numbered, np.random.default_rng(0), 3)
    checked = check_trace(trace, numbered)
    assert all(np.array_equal(checked[name], trace[name]) for name in trace)
    without = {k: v for k, v in trace.items() if k not in ("past", "start")}
    SupplyChainBatch(numbered, 3).reset(without)
    for wrong in (np.ones(3), -trace["past"], "many"):
        with pytest.raises(InputError, match="trace 'past'"):
            check_trace({**trace, "past": wrong}, numbered)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stores": 3}, "stores = 3: sales.csv has 2; leave it out"),
        ({"stores": [{}]}, "stores: sales.csv has 2, not 1"),
        ({"sku": [{}, {}]}, "sku has 2 entries: sales.csv says which products there are"),
        ({"scenario": "spike"}, "scenario = spike: scenarios need synthetic demand"),
        ({"demand_data": {}}, "demand_data.file is missing"),
        ({"demand_data": "sales.csv"}, "demand_data = 'sales.csv': must be a mapping of names"),
        ({"demand_data": {"file": "x.csv"}}, "demand_data.file .*no such file"),
        ({"demand_data": None, "sku": {"demand_model": "empirical"}}, "need one another"),
        ({"demand_data.split": "2030-01-01"}, "split = 2030-01-01: must lie after 2020-01-01"),
        ({"demand_data.validation": "2021-02-01"}, "before the split 2021-01-01"),
        ({"demand_data.augment": "more"}, "augment = 'more'"),
    ],
)
def test_what_does_not_fit_is_refused(write, changes, message):
    values = write(np.ones((DAYS.size, 1, 2))).model_dump()
    for name, value in changes.items():
        if name == "stores" or value is None:
            values = {k: v for k, v in values.items() if k not in ("sku", "stores")}
        inner = name.partition(".")[2]
        given = {**values["demand_data"], inner: value} if inner else value
        values[name.partition(".")[0]] = given
    with pytest.raises(InputError, match=message) as refused:
        validated(SupplyChainParameters, values)
    assert "\n" not in str(refused.value)


def test_periods_without_demand_or_room_are_refused(write):
    demand = np.ones((DAYS.size, 1, 2))
    p = validated(SupplyChainParameters, {**write(demand).model_dump(), "horizon": 200})
    with pytest.raises(InputError, match="evaluation period has 181 of the 200 days"):
        draw_trace(p, np.random.default_rng(0), 1, "evaluation")
    with pytest.raises(InputError, match="needs the law of demand, which days of a file"):
        SupplyChainBatch(p, 1, expected_reward=True)
    demand[:CUT] = 0
    with pytest.raises(InputError, match="no demand at all up to 2020-09-30"):
        write(demand)


def test_a_lane_that_was_never_sold_has_a_small_scale(write):
    demand = np.ones((DAYS.size, 2, 2)) * 50
    demand[:CUT, 1] = 0
    p = write(demand)
    assert p.mean_demand()[1].tolist() == [0.5, 0.5]
    assert store_history(p.demand_data) is p.history
    assert isinstance(p.demand_data, StoreDemand)


def test_the_start_follows_the_lead_time_and_is_not_counted(write):
    p = write(np.full((DAYS.size, 1, 2), 5.0))
    assert (p.warmup_days, p.initial_on_hand().tolist()) == (3, [[20.0, 20.0]])
    given = {**p.model_dump(exclude={"stores", "warmup_days", "sku"}), "horizon": 30}
    long = {**given, "store": {"lead_time": 9, "review_days": ["mon"]}}
    p = validated(SupplyChainParameters, long)
    assert (p.warmup_days, p.initial_on_hand().tolist()) == (
        15,
        [[85.0, 85.0]],
    )  # 9 + 7, half of 30
    own = {**given, "sku": {"store": {"lead_time": 5}}, "warmup_days": 0}
    own["demand_data"] = {**given["demand_data"], "initial_days": 2}
    p = validated(SupplyChainParameters, own)
    assert (p.warmup_days, p.initial_on_hand().tolist()) == (0, [[10.0, 10.0]])
    p = validated(SupplyChainParameters, {**own, "demand_data": given["demand_data"]})
    assert p.initial_on_hand().tolist() == [[35.0, 35.0]]


def test_few_episodes_of_an_evaluation_are_drawn(numbered):
    trace = PROBLEMS["stores"].traces(numbered, "evaluation", 1, 335)
    assert len(trace["start"]) == 335


def test_a_file_is_read_once_whatever_its_products_cost(tmp_path, monkeypatch):
    path, read = tmp_path / "once.csv", []
    path.write_text("date,north\n" + "".join(f"2022-01-{k:02d},{k}\n" for k in range(1, 32)))
    parsed = reader._parsed
    monkeypatch.setattr(reader, "_parsed", lambda *given: read.append(given) or parsed(*given))
    first = StoreDemand(file=path, split="2022-01-20")
    history = store_history(first)
    costs = first.model_copy(update={"service_costs": (1.0,), "initial_days": 3.0})
    assert digest_of_days(costs, history) == digest_of_days(first, history)
    assert len(read) == 1
