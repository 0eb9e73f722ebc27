"""The exact optimum of the cash problem: SPEC's figures, simulation, enumeration, dominance."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.policy import Policy, RandomPolicy
from baselines.rollout import run_episodes
from baselines.rules.cash import BaseStock, BuyBuyConvert
from baselines.solvers.cash.dynamic_program import CashOptimum, solve_cash
from baselines.solvers.cash.grid import Resolution, price_law, price_nodes, sale_weights, start_law
from common.errors import InputError
from demand.laws import NormalDemand, expected_sales
from envs.cash.batch import CashBatch
from envs.cash.dynamics import sell
from envs.cash.parameters import CashParameters
from envs.cash.price_history import DemandFile
from envs.cash.trace import trace_covariates
from envs.problems import PROBLEMS
from tests.baselines.solvers.cash_enumeration import best_of_all_sequences

CASH = PROBLEMS["cash"]
LOTS = {"buy_lots": [1, 5, 20], "convert_lots": [1, 5, 10]}
PROFIT = {"objective": "profit"}


def play(policy: Policy, parameters: CashParameters, episodes: int, seed: int = 1):
    trace = CASH.traces(parameters, "evaluation", seed, episodes)
    batch = CashBatch(parameters, episodes, split="evaluation")
    policy.bind(batch)
    return run_episodes(batch, policy, trace), trace


def estimate(policy: Policy, parameters: CashParameters, episodes: int = 20_000):
    """Return the mean return and its standard error, the trace's share of the noise removed."""
    totals, trace = play(policy, parameters, episodes)
    design = np.column_stack([np.ones(episodes), trace_covariates(parameters, trace)])
    fit = np.linalg.lstsq(design, totals["return"], rcond=None)[0]
    return fit[0], np.std(totals["return"] - design @ fit) / math.sqrt(episodes)


def confirmed(solved: CashOptimum) -> bool:
    """Whether the policy earns what was announced, within 3 standard errors (and rounding)."""
    mean, error = estimate(solved.policy(), solved.parameters)
    return abs(mean - solved.reference.value) < 3 * error + 1e-6 * abs(mean)


# ---- figures ----


@pytest.mark.parametrize("demand_mean", [10.0, 1e8])
def test_what_lies_ahead_in_any_case_leaves_digits_for_what_is_decided(demand_mean):
    parameters = CashParameters(max_steps=20, demand_mean=demand_mean)
    solved, simple = solve_cash(parameters), BuyBuyConvert(stop_before_end=2)
    best, rule = (
        play(policy, parameters, 200)[0]["return"] for policy in (solved.policy(), simple)
    )
    assert (best - rule).mean() > -1e-3


def test_defaults_reach_the_value_of_the_specification():
    solved = solve_cash(CashParameters())
    assert solved.reference.kind == "optimum"
    assert solved.reference.value == pytest.approx(-1944.9, abs=0.1)
    totals, _ = play(solved.policy(), solved.parameters, 20_000)
    assert totals["return"].std() == pytest.approx(107, abs=3)
    assert totals["final_cash"].mean() == pytest.approx(1160, abs=1.5)
    assert confirmed(solved)


@pytest.mark.parametrize(
    ("settings_", "value", "tolerance"),
    [(PROFIT, 155.2, 0.1), (LOTS, 6166.75, 0.1), ({**LOTS, **PROFIT}, 2422.97, 0.2)],
    ids=["profit", "lots", "lots_profit"],
)
def test_other_figures_are_confirmed_by_simulation(settings_, value, tolerance):
    solved = solve_cash(CashParameters(**settings_))
    assert solved.reference.kind == "optimum"
    assert solved.reference.value == pytest.approx(value, abs=tolerance)
    assert confirmed(solved)


def test_the_optimum_buys_twice_converts_and_ends_without_raw_stock():
    parameters = CashParameters()
    policy, batch = solve_cash(parameters).policy(), CashBatch(parameters, 1)
    batch.reset()
    policy.bind(batch)
    taken = []
    for _ in range(50):
        taken.append(int(policy.predict(None)[0][0]))
        batch.step(np.array(taken[-1:]))
    assert [action for action in taken if action] == [1, 1, 2] * 16  # and waits twice, anywhere


@pytest.mark.parametrize("objective", ["shaped", "profit"])
def test_long_episodes_are_solved_too(objective):
    solved = solve_cash(CashParameters(max_steps=500, objective=objective, initial_cash=1e5))
    mean, error = estimate(solved.policy(), solved.parameters, 4000)
    assert solved.reference.value == pytest.approx(mean, abs=3 * error)


def test_finer_grids_and_higher_caps_change_hardly_anything():
    parameters = CashParameters(**LOTS, max_steps=20)
    value = solve_cash(parameters).reference.value
    fine = solve_cash(parameters, resolution=Resolution(product_nodes=12, price_nodes=65))
    high = solve_cash(parameters, caps=(100.0, 60.0))
    assert high.grid.caps == (100.0, 60.0)
    assert fine.reference.value == pytest.approx(value, abs=0.01)
    assert high.reference.value == pytest.approx(value, abs=0.01)


# ---- by hand and by enumeration ----


def test_one_and_two_steps_can_only_wait():
    demand = NormalDemand(10, 3).expected
    for steps in (1, 2):
        value = solve_cash(CashParameters(max_steps=steps)).reference.value
        assert value == pytest.approx(-5 * steps * demand, abs=1e-5)
        assert solve_cash(CashParameters(max_steps=steps, **PROFIT)).reference.value == 0.0


def test_three_steps_buy_buy_convert():
    demand, sold = NormalDemand(10, 3).expected, expected_sales(1.0, 10.0, 3.0)
    holding = 0.1 * (1 + 2 + (1 - sold))
    value = solve_cash(CashParameters(max_steps=3)).reference.value
    assert value == pytest.approx(-5 * 3 * demand + 10 + (20 + 5) * sold - holding, abs=1e-4)


@pytest.mark.parametrize("objective", ["shaped", "profit"])
@pytest.mark.parametrize("demand", [0.0, 0.5, 1.25, 2.0, 10.0])
def test_without_chance_it_is_the_best_of_all_sequences(objective, demand):
    parameters = CashParameters(
        max_steps=5,
        demand_mean=demand,
        demand_std=0,
        price_std=0,
        objective=objective,
        buy_lots=[1, 4],
        convert_lots=[1, 2],
        initial_cash=10_000,
    )
    trace = CASH.traces(parameters, "evaluation", 0, 1)
    solved = solve_cash(parameters)
    best = best_of_all_sequences(parameters, trace)
    assert solved.reference.kind == "optimum"
    assert solved.reference.value == pytest.approx(best[0], abs=1e-4)
    assert play(solved.policy(), parameters, 1)[0]["return"] == pytest.approx(best, abs=1e-4)


# ---- what no policy can beat ----


@given(
    steps=st.integers(3, 15),
    demand=st.floats(0, 12),
    spread=st.floats(0.2, 4),
    price_std=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    objective=st.sampled_from(["shaped", "profit"]),
    lots=st.sampled_from([((1,), (1,)), ((1, 4), (1, 2)), ((6,), (3,))]),
    bonus=st.floats(0, 10),
    holding=st.floats(0, 2),
    penalty=st.floats(0, 5),
    cash=st.sampled_from([20.0, 1000.0]),
)
@settings(max_examples=25)
def test_no_policy_beats_it(
    steps, demand, spread, price_std, objective, lots, bonus, holding, penalty, cash
):
    parameters = CashParameters(
        max_steps=steps,
        demand_mean=demand,
        demand_std=spread,
        price_std=price_std,
        objective=objective,
        buy_lots=lots[0],
        convert_lots=lots[1],
        conversion_bonus=bonus,
        holding_cost=holding,
        stockout_penalty=penalty,
        initial_cash=cash,
    )
    solved = solve_cash(parameters, checked_episodes=500)
    value = solved.reference.value
    allowed = 0.005 * abs(value) + 0.05  # linear interpolation
    for policy in (
        RandomPolicy(),
        BuyBuyConvert(stop_before_end=2),
        BaseStock(product_level=demand, raw_level=2 * demand),
        solved.policy(),
    ):
        mean, error = estimate(policy, parameters, 1000)
        assert mean < value + 4 * error + allowed
    if solved.reference.kind == "optimum":  # and its own policy, the last, reaches it
        assert mean > value - 4 * error - allowed


def test_where_cash_binds_the_value_is_called_a_bound():
    solved = solve_cash(CashParameters(initial_cash=6))
    assert solved.reference.kind == "upper_bound"
    assert "cash" in solved.reference.note
    assert estimate(solved.policy(), solved.parameters, 500)[0] < solved.reference.value


def test_where_bankruptcy_pays_the_bound_still_holds():
    parameters = CashParameters(max_steps=8, initial_cash=20, demand_std=0, price_std=0)
    best = best_of_all_sequences(parameters, CASH.traces(parameters, "evaluation", 0, 1))
    solved = solve_cash(parameters)
    assert best[0] == pytest.approx(-301.0)  # four purchases spend the last cent
    assert solved.reference.kind == "upper_bound"
    assert solved.reference.value >= best[0]


# ---- the laws on the grid ----


def test_a_price_move_keeps_mean_and_variance_on_any_spacing():
    nodes = np.unique(np.concatenate([price_nodes(20.0, 0.2, 50, 17), [19.3, 20.1]]))
    law = price_law(nodes, 0.2)
    assert law.sum(axis=1) == pytest.approx(1.0)
    assert law[4:-4] @ nodes == pytest.approx(nodes[4:-4])
    variance = law[4:-4] @ nodes**2 - nodes[4:-4] ** 2
    assert variance == pytest.approx(0.04)


def test_near_the_floor_a_price_rises_on_average():
    nodes = price_nodes(1.0, 0.5, 50, 65)
    assert nodes[0] == 0.1
    mean = price_law(nodes, 0.5) @ nodes
    assert mean[0] == pytest.approx(0.1 + 0.5 / math.sqrt(2 * math.pi), rel=0.02)
    start = start_law(nodes, 1.0, 0.5) @ nodes
    assert start == pytest.approx(0.1 + expected_sales(np.inf, 0.9, 0.5), rel=1e-3)


@pytest.mark.parametrize(("mean", "std"), [(10, 3), (0.5, 1.0), (2.0, 0.0), (0.0, 0.3)])
def test_the_weights_of_demand_are_those_of_the_sale(mean, std):
    unit, nodes = 0.5, 40
    weights, empty = sale_weights(mean, std, unit, nodes)
    demand = NormalDemand(mean, std).draw(np.random.default_rng(3), 1, 20_000)[0]
    levels = unit * np.arange(nodes)
    for i in (0, 1, 7, 39):
        row = np.concatenate([[empty[i]], weights[:i][::-1]])
        assert row.sum() == pytest.approx(1.0)
        left = np.array([sell(i * unit, 0.0, 1.0, d)[1] for d in demand])
        for moment in (levels[: i + 1], np.cos(levels[: i + 1])):
            simulated = np.interp(left, levels[: i + 1], moment)
            error = simulated.std() / math.sqrt(demand.size)
            assert row @ moment == pytest.approx(simulated.mean(), abs=4 * error + 1e-9)


# ---- the policy's contract, and what is refused ----


def test_the_policy_acts_alike_on_any_batch_and_only_in_valid_ways():
    parameters = CashParameters(**LOTS, initial_cash=60, max_steps=20)
    policy = solve_cash(parameters, checked_episodes=100).policy()
    batch = CashBatch(parameters, 50)
    batch.reset()
    policy.bind(batch)
    for _ in range(20):
        actions, state = policy.predict(batch.observation())
        assert state is None
        assert batch.action_masks()[np.arange(50), actions].all()
        batch.step(actions)
    assert (policy.predict(None)[0] == 0).all()  # nothing left to do


def test_another_problem_is_refused():
    policy = solve_cash(CashParameters(max_steps=5)).policy()
    policy.bind(CashBatch(CashParameters(max_steps=5, initial_cash=3), 2))
    with pytest.raises(InputError, match="max_steps = 5, the batch has 6"):
        policy.bind(CashBatch(CashParameters(max_steps=6), 2))


def test_demand_from_a_file_is_refused(tmp_path):
    file = tmp_path / "days.csv"
    days = np.arange("2020-01-01", "2020-07-01", dtype="datetime64[D]")
    file.write_text("\n".join(["date,units", *(f"{day},1" for day in days)]))
    source = DemandFile(file=file, column="units", split="2020-04-01")
    with pytest.raises(InputError, match="hindsight"):
        solve_cash(CashParameters(demand_data=source))


def test_too_large_a_problem_is_refused_in_one_line():
    large = {"buy_lots": [1, 5000], "convert_lots": [1, 2500], "demand_mean": 2500}
    with pytest.raises(InputError, match=r"too large to solve: .* reduce") as refusal:
        solve_cash(CashParameters(**large, **PROFIT))
    assert "\n" not in str(refusal.value)
