import numpy as np
import pytest

from baselines.registry import HISTORY_BASELINES, installed, make_baselines
from baselines.rollout import Observer, rollout, run_episodes
from baselines.rules import families as supply_chain_families
from baselines.rules.rolling_newsvendor import RollingNewsvendor
from common.errors import InputError, validated
from demand.forecasts.errors import forecast_errors
from demand.forecasts.forecast import make_forecast
from demand.forecasts.smoothing import smoothing
from demand.history import StoreDemand, store_history
from demand.known_demand import KNOWN_DAYS, KnownDemand
from envs.batch import Futures
from envs.problems import PROBLEMS
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters

DAYS = np.arange("2020-01-01", "2021-07-01", dtype="datetime64[D]")
WEEK = np.array([40, 10, 20, 30, 30, 60, 20])


@pytest.fixture
def weekly(tmp_path):
    """Two stores, whose demand hangs on the weekday, one with chance."""
    rng = np.random.default_rng(0)
    usual = WEEK[np.arange(DAYS.size) % 7]
    path = tmp_path / "sales.csv"
    rows = [f"{day},{u},{x}" for day, u, x in zip(DAYS, usual, rng.poisson(2 * usual), strict=True)]
    path.write_text("\n".join(["date,sure,chancy", *rows]))
    given = {"demand_data": {"file": path, "split": "2021-01-01"}, "objective": "cost"}
    grid = {"order_units": list(range(0, 400, 2)), "lead_time": 1}
    return validated(SupplyChainParameters, {**given, "store": grid, "horizon": 14})


def test_forecasts_are_of_the_days_until_the_next_order_can_arrive(weekly):
    batch = SupplyChainBatch(weekly, 50, split="evaluation")
    batch.reset()
    days, sku = np.full(50, 2), np.zeros(50, np.int64)
    forecast = {
        name: make_forecast(name, weekly.history, 2) for name in ("average", "weekday", "smoothing")
    }
    for day in range(12):
        ahead = batch.past.demand[KNOWN_DAYS + day :][:2, :, 0].sum(axis=0)
        for name in ("weekday", "smoothing"):
            forecasts = forecast[name](batch.past, day, days, sku)
            np.testing.assert_allclose(forecasts[:, 0], ahead)
        average = forecast["average"](batch.past, day, days, sku)
        np.testing.assert_allclose(average[:, 0], 2 * WEEK.mean())


@pytest.mark.parametrize("name", ["average", "weekday", "smoothing"])
def test_forecasts_know_nothing_of_the_days_to_come(weekly, name):
    batch = SupplyChainBatch(weekly, 20, split="evaluation")
    batch.reset()
    past, days, sku = batch.past, np.full(20, 2), np.zeros(20, np.int64)
    forecast = make_forecast(name, weekly.history, 2)
    changed = past.demand.copy()
    changed[KNOWN_DAYS + 5 :] += 1000
    other = KnownDemand(changed, past.start, batch.parameters.mean_demand()[0])
    np.testing.assert_array_equal(forecast(other, 5, days, sku), forecast(past, 5, days, sku))
    assert (forecast(other, 12, days, sku) > forecast(past, 12, days, sku)).all()


@pytest.mark.parametrize("name", ["smoothing", "boosting"])
@pytest.mark.parametrize("anew", [False, True])
def test_copies_that_meet_the_same_days_are_forecast_once(weekly, name, anew, request):
    if name == "boosting":
        request.getfixturevalue("boosting")
    source = weekly.demand_data.model_copy(update={"augment": "bootstrap"})
    resampled = weekly.model_copy(update={"demand_data": source})
    batch = SupplyChainBatch(resampled, 5, split="training" if anew else "evaluation")
    assert batch.memoryless == anew
    batch.reset()
    future = np.repeat(np.arange(10), 4)
    futures = Futures(np.random.default_rng(0), future) if anew else None
    copies = batch.fork(future // 2, futures).batch
    assert copies.past.distinct.first.size == (10 if anew else 5)
    rule = RollingNewsvendor(name)
    for _ in range(4):
        rule.bind(copies)
        wanted, few = rule.wanted(copies), copies.past.distinct
        copies.past.distinct = None
        np.testing.assert_array_equal(rule.wanted(copies), wanted)
        copies.past.distinct = few
        copies.step(copies.rng.integers(0, 3, (copies.num_worlds, 4)))
    copies.reset()
    assert copies.past.distinct is None  # every world meets days of its own


def test_smoothing_forgets_as_fast_as_the_level_moves(tmp_path):
    rng = np.random.default_rng(1)
    usual = WEEK[np.arange(DAYS.size) % 7]
    moving = np.exp(np.cumsum(rng.normal(0, 0.15, DAYS.size)))
    steady = rng.gamma(4, 0.25, DAYS.size)
    chosen = {}
    for name, factor in (("moving", moving), ("steady", steady)):
        path = tmp_path / f"{name}.csv"
        rows = [f"{day},{x}" for day, x in zip(DAYS, usual * factor, strict=True)]
        path.write_text("\n".join(["date,shop", *rows]))
        history = store_history(StoreDemand(file=path, decimal="."))
        chosen[name] = smoothing(history, 2)
        error = {
            other: np.square(
                forecast_errors(history, 0, 2, make_forecast(other, history, 2))[0]
            ).mean()
            for other in ("average", "weekday", "smoothing")
        }
        assert error["smoothing"] == min(error.values())
    assert chosen["moving"].discount < chosen["steady"].discount


def test_errors_of_forecasts_are_those_of_the_training_days(weekly):
    def quantile(name, q):
        forecast = make_forecast(name, weekly.history, 2)
        return np.quantile(forecast_errors(weekly.history, 0, 2, forecast)[0], q, axis=0)

    np.testing.assert_allclose(quantile("weekday", 0.5)[0], 0, atol=1e-12)
    assert quantile("average", 0.99)[0] == pytest.approx((90 - 60) / 30)  # Fridays and Saturdays
    assert abs(quantile("weekday", 0.5)[1]) < 0.2
    assert 0.3 < quantile("weekday", 0.99)[1] < 0.8
    assert quantile("smoothing", 0.99)[1] < quantile("weekday", 0.99)[1]


def test_the_newsvendor_on_weekdays_orders_what_is_needed(weekly):
    trace = PROBLEMS["stores"].traces(weekly, "evaluation", 0, 200)
    batch = SupplyChainBatch(weekly, len(trace["demand"]), split="evaluation")
    costs = {}
    for name in ("newsvendor_average", "newsvendor_weekday"):
        policy = make_baselines("stores", weekly, [name])[name]
        policy.bind(batch)
        batch.reset(trace)
        for _ in range(14):
            batch.step(policy.predict(batch.observation())[0])
        costs[name] = -batch.sites["total_return"].mean(axis=0)
    assert (costs["newsvendor_weekday"] < costs["newsvendor_average"]).all()
    # what lies overnight is the next day's demand, for it is ordered a day before
    assert batch.sites["total_stockout_penalty"][:, 0].max() < 10  # a unit, for orders are even


@pytest.mark.parametrize("lead_time", [0, 1, 2])
def test_the_newsvendor_of_one_day_orders_for_the_day_of_arrival_alone(weekly, lead_time):
    changes = {"shelf_life": 1, "lead_time": lead_time, "waste_cost": 7, "unit_cost": 3}
    store = {**weekly.store.model_dump(), **changes, "stockout_cost": 5}
    p = validated(SupplyChainParameters, {**weekly.model_dump(), "store": store, "horizon": 28})
    batch = SupplyChainBatch(p, 300, split="evaluation")
    policy = make_baselines("stores", p, ["newsvendor_weekday"])["newsvendor_weekday"]
    policy.bind(batch)
    batch.reset()
    served, wasted = [], []
    for day in range(28):
        batch.step(policy.predict(batch.observation())[0])
        if day >= max(lead_time, 1):  # what the first morning holds is not of its doing
            served.append(batch.sites["service"].copy())
            wasted.append(batch.sites["wasted"].copy())
    assert np.min(served, axis=(0, 1))[0] == 1  # a store whose demand is known
    assert np.max(wasted, axis=(0, 1))[0] == 0
    short = np.mean(np.array(served)[..., 1] < 1)  # the fractile is (5 - 3) / (5 + 7) = 1/6
    assert short == pytest.approx(5 / 6, abs=0.06)


def test_rivals_of_a_file_are_tuned_on_its_training_days(weekly, monkeypatch):
    monkeypatch.setattr(supply_chain_families, "WORK", 20_000)
    monkeypatch.setattr(supply_chain_families, "EPISODES", (5, 10))
    store = weekly.store.model_copy(update={"order_units": None})
    weekly = weekly.model_copy(update={"store": store})
    made = make_baselines("stores", weekly, ["default"], seed=1)
    assert list(made) == list(installed(HISTORY_BASELINES))
    assert "RollingBaseStock('weekday', cover=" in repr(made["tuned_weekday"])
    assert "RollingNewsvendor('average')" in repr(made["newsvendor_average"])
    counted = RollingNewsvendor("average").in_any_quantity(whole=True)
    assert repr(counted) == "RollingNewsvendor('average'), in whole units"
    with pytest.raises(InputError, match="unknown baseline 'tuned_capped'"):
        make_baselines("stores", weekly, ["tuned_capped"])


def test_a_rule_for_files_needs_a_file():
    batch = SupplyChainBatch(validated(SupplyChainParameters, {}), 2)
    with pytest.raises(InputError, match="needs demand of a file; set demand_data"):
        RollingNewsvendor("average").bind(batch)


def test_the_newsvendor_on_seldom_demand_is_cheaper_where_demand_is_seldom(tmp_path):
    rng = np.random.default_rng(4)
    often, much = rng.uniform(0.05, 0.3, 12), rng.uniform(2, 8, 12)
    units = rng.binomial(1, often, (DAYS.size, 12)) * (1 + rng.poisson(much, (DAYS.size, 12)))
    path = tmp_path / "sales.csv"
    rows = [f"{day},{','.join(map(str, x))}" for day, x in zip(DAYS, units, strict=True)]
    path.write_text("\n".join([f"date,{','.join(f'shop {i}' for i in range(12))}", *rows]))
    given = {"demand_data": {"file": path, "split": "2021-01-01"}, "objective": "cost"}
    p = validated(SupplyChainParameters, {**given, "store": {"lead_time": 2}, "horizon": 60})
    trace = PROBLEMS["stores"].traces(p, "evaluation", 1, 60)
    names = [f"newsvendor_{how}_free" for how in ("average", "smoothing", "tsb")]
    average, smoothing, tsb = (
        rollout(PROBLEMS["stores"], p, policy, trace)["cost_per_day"].mean()
        for policy in make_baselines("stores", p, names).values()
    )
    assert tsb < 0.9 * min(average, smoothing)


@pytest.mark.parametrize("pattern", ["rare", "most days nothing", "season"])
def test_newsvendors_order_with_measure_where_demand_is_seldom(tmp_path, pattern):
    rng = np.random.default_rng(3)
    day = np.arange(DAYS.size)
    sold = {
        "rare": rng.random(day.size) < 0.02,
        "most days nothing": rng.random(day.size) < 0.2,
        "season": day % 200 < 40,
    }[pattern]
    demand = np.where(sold, rng.poisson(9, day.size) + 1, 0)
    path = tmp_path / "sales.csv"
    rows = [f"{date},{units}" for date, units in zip(DAYS, demand, strict=True)]
    path.write_text("\n".join(["date,shop", *rows]))
    given = {"demand_data": {"file": path, "split": "2021-01-01"}, "objective": "cost"}
    p = validated(SupplyChainParameters, {**given, "store": {"lead_time": 1}, "horizon": 28})
    trace = PROBLEMS["stores"].traces(p, "evaluation", 1, 100)
    penalty = p.lanes()[0].store.stockout_cost
    idle = penalty * demand[day >= 366].mean()  # what is lost if nothing is ever ordered
    names = [f"newsvendor_{how}_free" for how in ("average", "weekday", "smoothing", "tsb")]
    for name, policy in make_baselines("stores", p, names).items():
        cost = rollout(PROBLEMS["stores"], p, policy, trace)["cost_per_day"].mean()
        assert cost < 1.5 * idle + 4.0, name


@pytest.mark.parametrize("name", ["newsvendor_smoothing", "newsvendor_weekday"])
def test_a_store_that_opens_after_training_is_stocked_like_the_others(tmp_path, name):
    rng = np.random.default_rng(0)
    units = rng.poisson(WEEK[np.arange(DAYS.size) % 7][:, None] * np.ones(2)).astype(float)
    opened = np.datetime64("2021-01-05")
    units[opened > DAYS, 1] = 0
    path = tmp_path / "sales.csv"
    rows = [f"{day},{a:.0f},{b:.0f}" for day, (a, b) in zip(DAYS, units, strict=True)]
    path.write_text("\n".join(["date,old,new", *rows]))
    given = {"demand_data": {"file": path, "split": "2021-01-01"}, "objective": "cost"}
    p = validated(SupplyChainParameters, {**given, "store": {"lead_time": 1}, "horizon": 120})
    rule = make_baselines("stores", p, [f"{name}_free"])[f"{name}_free"]
    trace = PROBLEMS["stores"].traces(p, "evaluation", 0, 1)
    trace = {key: values[:1] for key, values in trace.items()}
    batch = SupplyChainBatch(p, 1, split="evaluation")
    rule.bind(batch)
    served = []
    run_episodes(batch, rule, trace, observer=_Sales(served))
    late = np.array(served)[60:]
    assert late[:, 1].sum() > 0.97 * batch._demand[60:, 0, 1].sum()


class _Sales(Observer):
    def __init__(self, days):
        self._days = days

    def start(self, batch):
        self._batch = batch

    def after_step(self, outcome, running):
        del outcome, running
        self._days.append(self._batch.sites["sales"][0].copy())
