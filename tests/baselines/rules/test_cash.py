"""The fixed rules of the cash problem, and the roll-out below them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.policy import Policy, RandomPolicy
from baselines.rollout import run_episodes
from baselines.rules.cash import BaseStock, BuyBuyConvert, CashRule
from common.errors import InputError
from envs.cash.batch import CashBatch
from envs.cash.kernels import PRODUCT, RAW, STEP
from envs.cash.parameters import CashParameters
from envs.problems import PROBLEMS

CASH = PROBLEMS["cash"]
LOTS = {"buy_lots": [1, 5, 20], "convert_lots": [1, 5, 10]}


def play(policy: Policy, parameters: CashParameters, episodes: int) -> dict[str, np.ndarray]:
    trace = CASH.traces(parameters, "evaluation", 1, episodes)
    batch = CashBatch(parameters, episodes, split="evaluation")
    policy.bind(batch)
    return run_episodes(batch, policy, trace)


def actions_of(policy: Policy, parameters: CashParameters) -> list[int]:
    batch = CashBatch(parameters, 1)
    batch.reset()
    policy.bind(batch)
    taken = []
    for _ in range(parameters.max_steps):
        action, _ = policy.predict(batch.observation())
        taken.append(int(action[0]))
        batch.step(np.asarray(action))
    return taken


def test_random_actions_return_what_the_specification_says():
    returns = play(RandomPolicy(), CashParameters(), 20_000)["return"]
    assert returns.mean() == pytest.approx(-2272.6, abs=3)
    assert returns.std() == pytest.approx(122, abs=3)


def test_the_cycle_loses_the_unsold_purchases_of_the_end():
    """The optimum is -1944.9; the endless pattern loses 0.3, on every trace the same."""
    parameters = CashParameters()
    endless = play(BuyBuyConvert(), parameters, 4000)
    stopped = play(BuyBuyConvert(stop_before_end=2), parameters, 4000)
    np.testing.assert_allclose(stopped["return"] - endless["return"], 0.3)
    assert endless["return"].mean() == pytest.approx(-1945.2, abs=6)
    assert stopped["final_cash"].mean() == pytest.approx(1160, abs=0.5)


def test_cash_of_the_endless_pattern_after_500_steps():
    cash = play(BuyBuyConvert(), CashParameters(max_steps=500), 8000)["final_cash"]
    assert cash.mean() == pytest.approx(2595, abs=40)  # its standard error is 10


def test_the_cycle_is_buy_buy_convert():
    assert actions_of(BuyBuyConvert(), CashParameters(max_steps=7)) == [1, 1, 2, 1, 1, 2, 1]
    stop = BuyBuyConvert(stop_before_end=1)
    assert actions_of(stop, CashParameters(max_steps=7)) == [1, 1, 2, 1, 1, 2, 0]


def test_the_cycle_uses_the_lots_chosen():
    parameters = CashParameters(max_steps=6, initial_cash=10_000, **LOTS)
    assert actions_of(BuyBuyConvert(5, 5), parameters) == [2, 2, 5, 2, 2, 5]
    assert actions_of(BuyBuyConvert(20, 10), parameters) == [3, 6, 3, 6, 3, 6]


def test_waits_without_cash():
    parameters = CashParameters(initial_cash=1, max_steps=4)
    for policy in (BuyBuyConvert(), BaseStock(10, 10)):
        assert actions_of(policy, parameters) == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("product", "raw", "expected"),
    [
        (0, 0, 3),  # raw gap 30: the largest lot within it
        (0, 20, 6),  # product gap 12: 10 at once
        (0, 12, 5),  # raw for 6: 5
        (11, 20, 4),  # product gap 1
        (11.5, 20, 4),  # a gap below every lot: the smallest
        (12, 20, 2),  # product level reached, raw gap 10
        (12, 30, 0),  # both reached
        (0, 1, 3),  # raw for none
    ],
)
def test_base_stock_takes_the_lot_that_fits_the_gap(product, raw, expected):
    batch = CashBatch(CashParameters(**LOTS), 1)
    batch.reset()
    batch.rows[[PRODUCT, RAW], 0] = product, raw
    policy = BaseStock(12, 30)
    policy.bind(batch)
    assert policy.predict(None)[0].tolist() == [expected]


def test_base_stock_buys_no_more_than_can_still_be_sold():
    batch = CashBatch(CashParameters(**LOTS), 1)
    batch.reset()
    batch.rows[[STEP, PRODUCT], 0] = 45, 18
    for rate, expected in ((np.inf, 3), (4.0, 1), (3.6, 0)):  # 5 steps left: 20 and 18 products
        policy = BaseStock(12, 30, run_out_rate=rate)
        policy.bind(batch)
        assert policy.predict(None)[0].tolist() == [expected]


@settings(max_examples=25, deadline=None)
@given(
    product=st.floats(0, 50),
    raw=st.floats(0, 100),
    stop=st.integers(0, 20),
    rate=st.sampled_from([1.0, 10.0, np.inf]),
    cash=st.sampled_from([1.0, 30.0, 1000.0]),
)
def test_no_rule_ever_takes_an_invalid_action(product, raw, stop, rate, cash):
    parameters = CashParameters(initial_cash=cash, max_steps=20, **LOTS)
    for policy in (BaseStock(product, raw, stop, rate), BuyBuyConvert(5, 5, stop)):
        assert not play(policy, parameters, 20)["invalid_actions"].any()


def test_candidates_stacked_in_one_batch_act_as_alone():
    parameters = CashParameters(objective="profit", **LOTS)
    trace = CASH.traces(parameters, "tuning", 0, 10)
    stacked = {name: np.concatenate([values, values]) for name, values in trace.items()}
    levels = np.repeat([[5.0, 10.0], [20.0, 40.0]], 10, axis=0).T
    batch, alone = CashBatch(parameters, 20), CashBatch(parameters, 10)
    both = BaseStock(*levels)
    both.bind(batch)
    together = run_episodes(batch, both, stacked)["return"].reshape(2, 10)
    for row, (product, raw) in zip(together, [(5, 10), (20, 40)], strict=True):
        policy = BaseStock(product, raw)
        policy.bind(alone)
        np.testing.assert_array_equal(run_episodes(alone, policy, trace)["return"], row)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BaseStock(-1, 2), "product_level = -1.0: must be a number of at least 0"),
        (lambda: BaseStock(1, np.nan), "raw_level = nan"),
        (lambda: BuyBuyConvert(7).bind(CashBatch(CashParameters(**LOTS), 1)), "allowed: 1, 5, 20"),
        (lambda: BaseStock([1, 2], 3).bind(CashBatch(CashParameters(), 1)), r"shape \(2,\)"),
        (lambda: BaseStock(1, 2).bind(object()), "problem 'cash'"),  # type: ignore[arg-type]
    ],
)
def test_bad_values_are_refused_in_one_line(make, message):
    with pytest.raises(InputError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_rule_tells_its_parameters():
    assert (
        repr(BuyBuyConvert(5, stop_before_end=2)) == "BuyBuyConvert(buy_lot=5, stop_before_end=2)"
    )
    assert isinstance(BaseStock(1, 2), CashRule)
