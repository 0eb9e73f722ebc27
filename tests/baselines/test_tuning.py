"""Tuning on traces of its own, and the baselines by name."""

import numpy as np
import pytest

from baselines.registry import make_baselines
from baselines.rules.cash import BaseStock, BuyBuyConvert, base_stock_family, cycle_family
from baselines.tuning import Family, Search, tune
from common.errors import InputError
from envs.cash.batch import CashBatch
from envs.cash.parameters import CashParameters
from envs.problems import PROBLEMS

CASH = PROBLEMS["cash"]
LOTS = {"buy_lots": [1, 5, 20], "convert_lots": [1, 5, 10]}


def real(demand_file) -> CashParameters:
    return CashParameters(
        initial_cash=20_000,
        demand_data=demand_file,
        buy_lots=[200, 400, 800],
        convert_lots=[100, 200, 400],
        objective="profit",
    )


def test_the_tuned_cycle_stops_buying_where_profit_counts():
    tuned = tune(CASH, CashParameters(objective="profit"), cycle_family(CashParameters()))
    assert tuned.values["stop_before_end"] == 2
    assert tuned.score == pytest.approx(155, abs=3)  # the optimum is about 155
    assert isinstance(tuned.policy, BuyBuyConvert)


def test_tuned_rules_come_near_the_optimum_with_lots():
    parameters = CashParameters(**LOTS)
    for family in (cycle_family(parameters), base_stock_family(parameters)):
        assert tune(CASH, parameters, family).score == pytest.approx(6167, abs=25)


def test_the_score_is_what_the_rule_earns_on_the_tuning_traces():
    parameters = CashParameters(objective="profit", max_steps=20, **LOTS)
    family = Family(BaseStock, {"product_level": (5.0, 20.0), "raw_level": (10.0, 40.0)})
    tuned = tune(CASH, parameters, family, Search(50), seed=3)
    trace = CASH.traces(parameters, "tuning", 3, 50)
    batch = CashBatch(parameters, 50)
    best = -np.inf
    for product in (5.0, 20.0):
        for raw in (10.0, 40.0):
            policy = BaseStock(product, raw)
            policy.bind(batch)
            batch.reset(trace)
            for _ in range(20):
                batch.step(policy.predict(None)[0])
            best = max(best, float(batch.state["return"].mean()))
    assert tuned.candidates == 4
    assert tuned.score == pytest.approx(best)


def test_refinement_finds_a_level_between_those_of_the_grid():
    parameters = CashParameters(objective="profit", demand_mean=5, **LOTS)
    grid = {"product_level": (0.0, 100.0), "raw_level": (0.0, 200.0)}
    coarse = tune(CASH, parameters, Family(BaseStock, grid), Search(100))
    names = ("product_level", "raw_level")
    fine = tune(CASH, parameters, Family(BaseStock, grid, refined=names), Search(100))
    assert fine.score > coarse.score + 10


def test_tuning_twice_gives_the_same(demand_file):
    parameters = real(demand_file)
    family = base_stock_family(parameters)
    first, second = (tune(CASH, parameters, family, Search(50)) for _ in range(2))
    assert (first.values, first.score) == (second.values, second.score)


def test_the_tuned_rules_of_a_real_shop_earn_more_than_a_simple_one(demand_file):
    parameters = real(demand_file)
    policies = make_baselines("cash", parameters, ["tuned"])
    trace = CASH.traces(parameters, "evaluation", 1, 500)
    earned = {}
    for name, policy in {**policies, "simple": BuyBuyConvert()}.items():
        batch = CashBatch(parameters, 500, split="evaluation")
        policy.bind(batch)
        batch.reset(trace)
        for _ in range(parameters.max_steps):
            batch.step(policy.predict(None)[0])
        earned[name] = batch.state["return"].mean()
    assert earned["tuned_base_stock"] > earned["tuned_cycle"] > 2 * earned["simple"]


def test_groups_of_baselines():
    parameters = CashParameters()
    assert make_baselines("cash", parameters, ["none"]) == {}
    assert make_baselines("cash", parameters, []) == {}
    both = make_baselines("cash", parameters, ["buy_buy_convert", "random", "random"])
    assert list(both) == ["random", "buy_buy_convert"]


def test_tuned_rules_take_part_by_default():
    parameters = CashParameters(max_steps=3)
    names = ["random", "buy_buy_convert", "tuned_cycle", "tuned_base_stock"]
    assert list(make_baselines("cash", parameters, ["default"])) == names
    assert list(make_baselines("cash", CashParameters(max_steps=1), ["all"])) == names


def test_zero_demand_can_be_tuned_too():
    parameters = CashParameters(demand_mean=0, demand_std=0, objective="profit", max_steps=5)
    assert tune(CASH, parameters, base_stock_family(parameters), Search(10)).score <= 0


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'tuned_cycle'"):
        make_baselines("cash", CashParameters(), ["tuned_cycles"])
    with pytest.raises(InputError, match="unknown problem"):
        make_baselines("bank", CashParameters(), [])
    empty = Family(BuyBuyConvert, {"buy_lot": ()})
    with pytest.raises(InputError, match="at least one value"):
        tune(CASH, CashParameters(), empty)
