"""The bound of one store: figures, enumeration, simulated policies below it, laws of demand."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.solvers.chain.demand_points import DemandPoints, demand_points
from baselines.solvers.chain.store_bound import store_bound
from baselines.solvers.store.lost_sales_problem import poisson
from baselines.solvers.store.reorder_point import best_base_stock, newsvendor
from common.errors import InputError
from demand.laws import draw_demand
from envs.supply_chain.reward import STORE_WEIGHTS, cost_weights, store_reward

STORES = ((1.0, 500.0), (1.2, 600.0), (1.5, 750.0))
MODELS = ["normal", "poisson", "negative_binomial", "gamma"]


def rewards(**changes):
    defaults = {
        "store_service_level": 10.0,
        "store_holding_cost": 0.1,
        "store_stockout_penalty": 5.0,
        "store_excess_inventory": 0.05,
        "holding_cost": 0.1,
        "stockout_cost": 10.0,
        "excess_threshold": 500.0,
    }
    weights = np.zeros(1, STORE_WEIGHTS)
    for name, value in {**defaults, **changes}.items():
        weights[name] = value
    return weights


def season(multiplier, days):
    return 50.0 * multiplier * (1.0 + 0.2 * np.sin(2.0 * np.pi * np.arange(days) / 30.0))


def simulate(model, mean, std, weights, lead_time, initial_on_hand, extra, warmup_days=0):
    """Return the mean total reward of a base stock on the known mean, and its standard error."""
    worlds, days, w = 2000, len(mean), weights[0]
    rng = np.random.default_rng(5)
    on_hand = np.full(worlds, initial_on_hand)
    pipeline, total = np.zeros((worlds, days + lead_time + 1)), np.zeros(worlds)
    reward = np.vectorize(lambda left, sold, asked: store_reward(w, left, sold, asked))
    for t in range(days):
        on_hand = on_hand + pipeline[:, t]
        position = on_hand + pipeline[:, t + 1 :].sum(axis=1)
        q = np.maximum(0.0, mean[t : t + lead_time + 1].sum() + extra - position)
        if t + lead_time < days:
            pipeline[:, t + lead_time] += q
        on_hand = on_hand + (q if lead_time == 0 else 0.0)
        demand = draw_demand(rng, model, mean[t : t + 1], std, (worlds,))
        sales = np.minimum(on_hand, demand)
        on_hand = on_hand - sales
        if t >= warmup_days:
            total += reward(on_hand, sales, demand)
    return total.mean(), total.std() / np.sqrt(worlds)


# ---- figures ----


@pytest.mark.parametrize(("days", "figure"), [(30, 254.8), (90, 815.7)])
def test_mean_of_the_three_default_stores(days, figure):
    bounds = [
        store_bound(
            demand_points("normal", season(multiplier, days), 10.0),
            rewards(),
            lead_time=2,
            initial_on_hand=stock,
        )
        for multiplier, stock in STORES
    ]
    assert np.mean([bound.value for bound in bounds]) == pytest.approx(figure, abs=0.05)
    assert max(bound.tolerance for bound in bounds) < 0.05


def test_it_is_tight():
    mean, weights = season(1.0, 30), rewards()
    bound = store_bound(
        demand_points("normal", mean, 10.0), weights, lead_time=2, initial_on_hand=500.0
    )
    played, error = simulate("normal", mean, 10.0, weights, 2, 500.0, 60.0)
    assert bound.value - 1.0 < played < bound.value + 4 * error


def test_a_single_day_is_the_newsvendor():
    best = newsvendor(50, 8, holding_cost=0.18, stockout_cost=0.70)
    bound = store_bound(
        demand_points("normal", [50.0], 8.0),
        cost_weights(0.18, 0.70),
        lead_time=0,
        initial_on_hand=0.0,
    )
    assert bound.value - bound.tolerance <= -best.cost <= bound.value
    assert bound.tolerance < 0.01


@pytest.mark.parametrize("lead_time", [0, 1, 2])
@pytest.mark.parametrize("stockout_cost", [4.0, 9.0, 19.0])
def test_the_best_order_between_two_nodes_is_not_missed(lead_time, stockout_cost):
    best = newsvendor(50, 10, holding_cost=1.0, stockout_cost=stockout_cost)
    bound = store_bound(
        demand_points("normal", np.full(lead_time + 1, 50.0), 10.0),
        cost_weights(1.0, stockout_cost),
        lead_time=lead_time,
        initial_on_hand=0.0,
    )
    exact = -best.cost - 50.0 * stockout_cost * lead_time  # nothing is there to sell before
    assert bound.value - bound.tolerance <= exact <= bound.value + 1e-4
    assert bound.tolerance < 0.2


@pytest.mark.parametrize("mean", [0.3, 0.7, 2.0, 5.0])
def test_whole_demand_has_the_exact_value(mean):
    costs = {"holding_cost": 1.0, "stockout_cost": 19.0}
    _, cost = best_base_stock(poisson(mean), fixed_cost=0.0, **costs)
    law = demand_points("poisson", np.full(6, mean), 0.0)
    bound = store_bound(law, cost_weights(*costs.values()), lead_time=0, initial_on_hand=0.0)
    assert bound.value == pytest.approx(-6 * cost, abs=1e-5)


# ---- enumeration ----


def best_on_integers(points, chances, weights, lead_time, initial_on_hand, most):
    """Return the value of the best integer orders by plain recursion."""
    w, days = weights[0], len(points)

    @cache
    def value(t, on_hand, pipeline):
        return 0.0 if t == days else max(after(t, on_hand, pipeline, q) for q in range(most + 1))

    def after(t, on_hand, pipeline, q):
        arriving = (*pipeline, q)
        if lead_time == 0:
            on_hand, arriving = on_hand + q, (0,)
        total = 0.0
        for demand, chance in zip(points[t], chances[t], strict=True):
            sales = min(on_hand, demand)
            left = on_hand - sales
            earned = store_reward(w, float(left), float(sales), float(demand))
            total += chance * (earned + value(t + 1, left + arriving[0], arriving[1:]))
        return total

    return value(0, initial_on_hand, (0,) * (lead_time - 1))


@settings(max_examples=25)
@given(st.data())
def test_the_grid_of_integers_has_the_value_of_the_best_integer_orders(data):
    days, lead_time = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 2))
    number = st.integers(0, 3)
    points = data.draw(st.lists(st.tuples(number, number), min_size=days, max_size=days))
    chances = [
        (c, 1 - c) for c in data.draw(st.lists(st.floats(0, 1), min_size=days, max_size=days))
    ]
    initial = data.draw(st.integers(0, 4))
    weights = rewards(excess_threshold=3.0, holding_cost=data.draw(st.sampled_from([0.1, 9.0])))
    demand = DemandPoints(np.array(points, float), np.array(chances))
    bound = store_bound(demand, weights, lead_time=lead_time, initial_on_hand=initial, unit=2.0)
    exact = best_on_integers(points, chances, weights, lead_time, initial, 3 if lead_time else 9)
    assert bound.unit == 1.0
    assert bound.value - bound.tolerance == pytest.approx(exact, abs=1e-6)


# ---- a bound ----


@settings(max_examples=15)
@given(st.data())
def test_no_base_stock_earns_more(data):
    model = data.draw(st.sampled_from(MODELS))
    scale = data.draw(st.sampled_from([1.0, 10.0]))
    mean = scale * np.array(data.draw(st.lists(st.floats(1, 5), min_size=2, max_size=6)))
    std = np.sqrt(mean.max()) * data.draw(st.floats(1.1, 2.0))
    lead_time, warmup_days = data.draw(st.integers(0, 4)), data.draw(st.integers(0, 1))
    initial, extra = scale * data.draw(st.floats(0, 20)), scale * data.draw(st.floats(-2, 6))
    weights = rewards(
        excess_threshold=5.0 * scale,
        stockout_cost=data.draw(st.floats(0.0, 1.0)),
        holding_cost=data.draw(st.floats(0.0, 1.0)),
        cost=data.draw(st.booleans()),
    )
    bound = store_bound(
        demand_points(model, mean, std),
        weights,
        lead_time=lead_time,
        initial_on_hand=initial,
        warmup_days=warmup_days,
    )
    played, error = simulate(model, mean, std, weights, lead_time, initial, extra, warmup_days)
    assert played <= bound.value + 4 * error + 1e-9


def test_finer_grids_approach_the_value_from_below_and_halving_quarters_the_error():
    demand, weights = demand_points("normal", season(1.0, 20), 10.0), rewards()
    found = [
        store_bound(demand, weights, lead_time=2, initial_on_hand=200.0, unit=unit)
        for unit in (10.0, 5.0, 2.5)
    ]
    values = [bound.value - bound.tolerance for bound in found]
    errors = np.diff(values)
    assert 0 < errors[1] < errors[0] / 3
    assert found[0].value > found[1].value > found[2].value > values[2]


def test_a_shorter_lead_time_earns_more_and_a_longer_one_has_the_bound_of_two_days():
    demand = demand_points("normal", season(1.0, 20), 10.0)
    values = [
        store_bound(demand, rewards(), lead_time=lead_time, initial_on_hand=200.0).value
        for lead_time in range(5)
    ]
    assert values[0] > values[1] > values[2] == values[3] == values[4]


@pytest.mark.parametrize("initial", [120.0, 400.0])
def test_demand_that_does_not_vary_is_met_from_orders_on_its_day(initial):
    mean = season(1.0, 15)
    bound = store_bound(
        demand_points("normal", mean, 0.0), rewards(), lead_time=2, initial_on_hand=initial
    )
    left = np.maximum(0.0, initial - np.cumsum(mean))
    exact = 15 * 10.0 - 0.1 * 0.1 * left.sum()
    assert exact <= bound.value < exact + 0.2
    assert bound.value - bound.tolerance <= exact + 1e-9


def test_days_of_warm_up_earn_nothing():
    demand = demand_points("normal", np.full(5, 50.0), 10.0)
    bound = store_bound(demand, rewards(), lead_time=2, initial_on_hand=0.0, warmup_days=5)
    assert bound.value == 0.0
    bound = store_bound(demand, rewards(), lead_time=2, initial_on_hand=0.0, warmup_days=2)
    assert 3 * 9.0 < bound.value < 3 * 10.0


# ---- laws of demand ----


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("mean", [0.5, 5.0, 50.0, 5000.0])
def test_strata_have_the_law_s_mean_and_deviation(model, mean):
    std = 1.5 * np.sqrt(mean)
    law = demand_points(model, [mean], [std])
    drawn = draw_demand(np.random.default_rng(1), model, np.array([mean]), std, (400_000,))
    found = (law.points * law.chances).sum()
    spread = np.sqrt((law.chances * (law.points - found) ** 2).sum())
    assert law.chances.sum() == pytest.approx(1.0)
    assert found == pytest.approx(drawn.mean(), abs=5 * drawn.std() / 632)
    assert spread == pytest.approx(drawn.std(), rel=0.01)
    assert (law.points >= 0).all()


def test_whole_demand_stays_whole():
    law = demand_points("poisson", [5.0], [0.0])
    some = law.chances > 0
    assert np.abs(law.points - np.round(law.points))[some][:-1].max() < 1e-5
    assert law.chances[law.points == 0].sum() == pytest.approx(np.exp(-5))


def test_demand_without_spread_is_its_mean():
    law = demand_points("gamma", [7.0, 0.0], 0.0)
    assert (law.points * law.chances).sum(axis=1).tolist() == [7.0, 0.0]


# ---- bad input ----


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lead_time": -1}, "lead_time"),
        ({"initial_on_hand": np.inf}, "initial_on_hand"),
        ({"unit": 0.0}, "unit"),
        ({"weights": np.zeros(1, [("cost", "?")])}, "holding_cost"),
    ],
)
def test_bad_arguments_are_named(changes, said):
    good = {"weights": rewards(), "lead_time": 2, "initial_on_hand": 5.0}
    with pytest.raises(InputError, match=said):
        store_bound(demand_points("normal", [5.0], [1.0]), **{**good, **changes})


def test_unknown_laws_are_refused():
    with pytest.raises(InputError, match="normal"):
        demand_points("norml", [5.0], [1.0])
