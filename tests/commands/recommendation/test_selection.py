"""The choice among candidates: the simplest that is not surely dearer than the cheapest."""

import datetime as dt

import numpy as np
import pytest

from agents.config import resolve
from baselines.rule_choice import Difference
from commands.recommendation.selection import MANY, Candidates, periods_of, usual_rule
from evaluation.business.service_levels import ServiceRecord
from evaluation.replay import Replay
from tests.commands.test_recommend import day_after, write

DAYS = 91


def played(cost):
    whole = np.asarray(cost, np.float64)[:, None, None]
    return Replay(dt.date(2022, 1, 3), whole, *[np.ones_like(whole)] * 4)


def candidates(**costs):
    """Return candidates by their daily costs over three periods; the agent has no values."""
    found = Candidates()
    for name, daily in costs.items():
        found.folds[name] = [played(part) for part in np.split(daily, 3)]
        if name != "ppo":
            tuned = {"cover": 1.0, "safety_factor": 1.0} if name.startswith("tuned") else {}
            found.values[name] = tuned
    return found


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(0, 10, 3 * DAYS)


def test_what_is_cheaper_by_chance_is_not_taken_for_better(noise):
    usual = np.full(3 * DAYS, 100.0)
    found = candidates(
        newsvendor_weekday=usual,
        tuned_smoothing=usual + noise - noise.mean() - 0.2,
        ppo=usual + noise - noise.mean() - 0.3,
    )
    assert found.cheapest == "ppo"
    assert found.choice == "newsvendor_weekday"


def test_of_rules_as_simple_the_cheapest_is_chosen_though_another_is_not_surely_dearer(noise):
    usual, much = np.full(3 * DAYS, 100.0), 20 * (noise - noise.mean()) + 0.5
    found = candidates(
        tuned_smoothing=usual - 1.0, newsvendor_tsb=usual, newsvendor_weekday=usual + much
    )
    assert found.dearer("newsvendor_weekday", "tuned_smoothing").is_chance
    assert not found.dearer("newsvendor_tsb", "tuned_smoothing").is_chance
    costs = found.costs()
    assert costs["newsvendor_tsb"] < costs["newsvendor_weekday"]
    assert found.choice == "newsvendor_tsb"


def test_a_rule_that_misses_more_than_service_levels_allow_is_not_chosen():
    usual = np.full(3 * DAYS, 100.0)
    found = candidates(newsvendor_weekday=usual - 30, newsvendor_tsb=usual, ppo=usual + 10)
    assert found.choice == "newsvendor_weekday"
    units = {"newsvendor_weekday": 70.0, "newsvendor_tsb": 24.0, "ppo": 20.0}
    found.service = {name: ServiceRecord(1000.0, n, 20.0) for name, n in units.items()}
    assert found.serving(found.folds) == ["newsvendor_tsb", "ppo"]
    assert found.choice == found.cheapest == "newsvendor_tsb"
    # where all miss more than is allowed, those count that miss about as little as any
    found.service = {name: ServiceRecord(1000.0, 50.0 + n, 20.0) for name, n in units.items()}
    assert found.choice == "newsvendor_tsb"


def test_service_in_the_periods_that_choose_is_added_up():
    found, once = Candidates(), ServiceRecord.of(played(np.ones(7)), np.full((1, 1), 0.9))
    for _ in range(2):
        found.add("a", played(np.ones(7)), once)
    assert found.service["a"] == once + once
    assert found.service["a"].allowed == pytest.approx(2 * once.allowed)


@pytest.mark.parametrize(
    ("split", "origins", "firsts"),
    [
        (340, 1, [255]),  # 340 / 4 = 85 days
        (340, 3, [214, 256, 298]),  # 340 / 8 = 42
        (336, 8, [112 + 28 * k for k in range(8)]),  # 28 days at least, after 112
    ],
)
def test_periods_that_choose_are_as_long_as_half_the_days_before_the_split_allow(
    tmp_path, split, origins, firsts
):
    day = day_after(split)
    run = resolve({"algo": "ppo", "demand": write(tmp_path / "sales.csv"), "split": str(day)})
    found = periods_of(run, origins)
    assert (found.origins, found.split) == (tuple(map(day_after, firsts)), day)


def test_service_is_that_of_the_items_that_ask_for_it():
    shape = 10, 2, 2
    demand = np.full(shape, 10.0)
    sales = demand * np.array([[0.5, 0.9], [1.0, 0.8]])
    one = Replay(dt.date(2022, 1, 3), demand, demand, sales, demand, demand)
    record = ServiceRecord.of(one, np.array([[np.nan, 0.95], [0.9, np.nan]]))
    assert record == ServiceRecord(200.0, pytest.approx(10.0), pytest.approx(15.0))
    assert str(record + record) == "95.0%, asked for 92.5%"
    assert str(ServiceRecord.of(one, np.full((2, 2), np.nan))) == ""


def test_what_is_surely_cheaper_is_chosen_however_many_parameters_it_has(noise):
    usual = np.full(3 * DAYS, 100.0)
    found = candidates(
        newsvendor_weekday=usual, tuned_smoothing=usual + noise - 5, ppo=usual + noise - 10
    )
    assert found.choice == "ppo"
    assert [found.parameters(name) for name in found.folds] == [0, 2, MANY]
    found.same_as["ppo"] = "newsvendor_weekday"  # without evidence on all days
    assert found.choice == "newsvendor_weekday"
    del found.folds["ppo"]
    assert found.choice == "tuned_smoothing"


def test_of_equally_simple_ones_the_cheapest_is_chosen(noise):
    usual = np.full(3 * DAYS, 100.0)
    known = usual + noise - noise.mean() - 0.1
    found = candidates(newsvendor_average=usual, newsvendor_weekday_covariates=known)
    assert found.choice == "newsvendor_weekday_covariates"


def test_one_dear_week_is_a_large_error_and_not_a_difference():
    usual = np.full(3 * DAYS, 100.0)
    unlucky = usual - 1.0
    unlucky[40:47] += 100.0
    found = candidates(newsvendor_smoothing=unlucky, tuned_smoothing=usual)
    difference = found.dearer("newsvendor_smoothing", "tuned_smoothing")
    assert difference.mean == pytest.approx(700 / 273 - 1)
    assert difference.standard_error == pytest.approx(700 / 273, rel=0.1)
    assert found.choice == "newsvendor_smoothing"


def test_the_standard_error_is_that_of_a_mean_over_blocks():
    sums = np.random.default_rng(1).normal(28.0, 5.0, 40)
    found = Difference.of(sums, np.full(40, 28))
    assert found.mean == pytest.approx(sums.mean() / 28)
    assert found.standard_error == pytest.approx(sums.std(ddof=1) / np.sqrt(40) / 28)
    assert Difference.of(np.array([3.0]), np.array([10])) == Difference(0.3, 0.0)


def test_what_multiplies_a_safety_stock_counts_for_nothing(noise):
    usual = np.full(3 * DAYS, 100.0)
    name, dearer = "tuned_newsvendor_smoothing", usual + noise - noise.mean() + 0.1
    found = candidates(tuned_smoothing=usual, newsvendor_average=dearer + 0.1, **{name: dearer})
    found.values[name] = {"safety_multiplier": 0.8}
    assert [found.parameters(one) for one in found.folds] == [2, 0, 0]
    assert found.cheapest == "tuned_smoothing"
    assert found.choice == name


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ("store.lead_time=1", "tuned_base_stock"),
        ("store.fixed_cost=80", "tuned_reorder_point"),
        ("store.order_multiple=900", "tuned_reorder_point"),
    ],
)
def test_savings_are_against_what_a_shop_would_do_with_such_orders(demand_file, setting, rule):
    flags = {"algo": "ppo", "demand": demand_file["file"], "split": demand_file["split"]}
    p = resolve(flags, assignments=(setting,)).parameters
    assert usual_rule(p, {"tuned_base_stock", "tuned_reorder_point"}) == rule
    assert usual_rule(p, {"tuned_base_stock", "newsvendor_smoothing"}) == "tuned_base_stock"
