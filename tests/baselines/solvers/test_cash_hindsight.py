"""The clairvoyant's optimum: enumeration, dominance over policies, real demand."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.policy import Policy, RandomPolicy
from baselines.rollout import run_episodes
from baselines.rules.cash import BaseStock, BuyBuyConvert
from baselines.solvers.cash import hindsight as cash_hindsight
from baselines.solvers.cash.dynamic_program import solve_cash
from baselines.solvers.cash.hindsight import hindsight_reference, hindsight_values
from common.errors import InputError
from envs.batch import Trace
from envs.cash.batch import CashBatch
from envs.cash.parameters import CashParameters
from envs.cash.price_history import DemandFile
from envs.problems import PROBLEMS
from tests.baselines.solvers.cash_enumeration import best_of_all_sequences

CASH = PROBLEMS["cash"]
DATA = Path(__file__).parents[3] / "data" / "bakery_3stores.csv"
LOTS = {"buy_lots": [1, 5, 20], "convert_lots": [1, 5, 10]}
BAKERY = {
    "max_steps": 28,
    "buy_lots": [200, 400, 800],
    "convert_lots": [100, 200, 400],
    "initial_cash": 20_000,
}


def returns(policy: Policy, parameters: CashParameters, trace: Trace) -> np.ndarray:
    batch = CashBatch(parameters, trace["raw_price"].size)
    policy.bind(batch)
    return run_episodes(batch, policy, trace)["return"]


@given(
    demand=st.floats(0, 2),
    spread=st.floats(0, 1),
    whole=st.booleans(),
    price_std=st.floats(0, 3),
    objective=st.sampled_from(["shaped", "profit"]),
    lots=st.sampled_from(
        [((1,), (1,)), ((1, 3), (1, 2)), ((2,), (2, 4)), ((200, 400), (100, 200))]
    ),
    raw_per_product=st.integers(1, 3),
    bonus=st.floats(0, 10),
    holding=st.floats(0, 1),
    penalty=st.floats(0, 5),
    seed=st.integers(0, 1000),
)
def test_with_cash_enough_it_is_the_best_of_all_sequences(
    demand,
    spread,
    whole,
    price_std,
    objective,
    lots,
    raw_per_product,
    bonus,
    holding,
    penalty,
    seed,
):
    scale = lots[1][0]
    parameters = CashParameters(
        max_steps=7 if len(lots[0]) + len(lots[1]) == 2 else 5,
        initial_cash=1e6,
        demand_mean=demand * scale,
        demand_std=spread * scale,
        price_std=price_std,
        objective=objective,
        buy_lots=lots[0],
        convert_lots=lots[1],
        raw_per_product=raw_per_product,
        conversion_bonus=bonus,
        holding_cost=holding,
        stockout_penalty=penalty,
    )
    trace = CASH.traces(parameters, "evaluation", seed, 2)
    if whole:
        trace["demand"] = np.round(trace["demand"])
    best = best_of_all_sequences(parameters, trace)
    assert hindsight_values(parameters, trace) == pytest.approx(best, rel=1e-6, abs=1e-6)


@given(
    steps=st.integers(1, 40),
    demand=st.floats(0, 15),
    spread=st.floats(0, 5),
    price_std=st.sampled_from([0.0, 0.2, 2.0]),
    objective=st.sampled_from(["shaped", "profit"]),
    lots=st.sampled_from([{}, LOTS, {"buy_lots": [3, 6], "convert_lots": [2]}]),
    cash=st.sampled_from([5.0, 20.0, 1000.0]),
    seed=st.integers(0, 1000),
)
def test_no_policy_beats_it_on_any_trace(
    steps, demand, spread, price_std, objective, lots, cash, seed
):
    parameters = CashParameters(
        max_steps=steps,
        demand_mean=demand,
        demand_std=spread,
        price_std=price_std,
        objective=objective,
        initial_cash=cash,
        **lots,
    )
    trace = CASH.traces(parameters, "evaluation", seed, 20)
    bound = hindsight_values(parameters, trace)
    for policy in (
        RandomPolicy(seed),
        BuyBuyConvert(stop_before_end=min(2, steps)),
        BaseStock(product_level=demand, raw_level=2 * demand),
    ):
        assert (returns(policy, parameters, trace) <= bound + 1e-7 * (1 + abs(bound))).all()


@pytest.mark.parametrize("extra", [{}, {"objective": "profit"}, LOTS], ids=["", "profit", "lots"])
def test_it_lies_above_the_optimum_on_every_trace(extra):
    parameters = CashParameters(**extra)
    trace = CASH.traces(parameters, "evaluation", 3, 100)
    best = returns(solve_cash(parameters).policy(), parameters, trace)
    gap = hindsight_values(parameters, trace) - best
    assert gap.min() >= -1e-9
    assert 0 < gap.mean() < 40  # knowing the future is worth something, but not much


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_where_bankruptcy_pays_it_is_still_a_bound(seed):
    parameters = CashParameters(max_steps=8, initial_cash=20, price_std=0)
    trace = CASH.traces(parameters, "evaluation", seed, 1)
    best = best_of_all_sequences(parameters, trace)
    assert hindsight_values(parameters, trace) >= best


@pytest.mark.parametrize("objective", ["shaped", "profit"])
def test_real_demand(objective):
    source = DemandFile(file=DATA, column="store_37", split="2018-06-01")
    parameters = CashParameters(**BAKERY, objective=objective, demand_data=source)
    trace = CASH.traces(parameters, "evaluation", 0, 300)
    bound = hindsight_values(parameters, trace)
    reference = hindsight_reference(parameters, trace)
    assert reference.kind == "hindsight"
    assert reference.value == pytest.approx(bound.mean())
    for policy in (
        RandomPolicy(),
        BuyBuyConvert(buy_lot=800, convert_lot=400),
        BaseStock(product_level=400, raw_level=1600, stop_before_end=2),
    ):
        assert (returns(policy, parameters, trace) <= bound * (1 + 1e-9)).all()


def test_a_trace_with_too_many_states_is_refused(monkeypatch):
    monkeypatch.setattr(cash_hindsight, "_all_episodes", lambda *_: np.array([np.nan]))
    parameters = CashParameters(max_steps=2)
    with pytest.raises(InputError, match="reduce max_steps"):
        hindsight_values(parameters, CASH.traces(parameters, "evaluation", 0, 1))
