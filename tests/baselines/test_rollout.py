"""Roll-outs: one episode per trace, counted once, whatever the batch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import baselines.rollout as module
from baselines.policy import RandomPolicy
from baselines.rollout import Observer, rollout, run_episodes
from baselines.rules.cash import BuyBuyConvert
from envs.batch import Trace
from envs.cash.parameters import CashParameters
from envs.problems import PROBLEMS

CASH = PROBLEMS["cash"]


class AlwaysBuy:
    """Buys until the money is gone; keeps what it is shown and its memory."""

    def __init__(self) -> None:
        self.starts: list[np.ndarray] = []
        self.shapes: set[tuple[int, ...]] = set()
        self.bound = 0

    def bind(self, batch: Any) -> None:
        self.worlds, self.bound = batch.num_worlds, self.bound + 1

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        assert deterministic
        self.starts.append(episode_start.copy())
        self.shapes.add(observation.shape)
        assert (state is None) == bool(episode_start.all() and len(self.starts) == 1)
        return np.ones(self.worlds, np.int64), len(self.starts)


def bankrupt() -> tuple[CashParameters, Trace]:
    """Prices stand still, so 10 buy two units at 5: world 0 is out of money after step 2.

    World 1 pays 4 a unit, is left with 2 and plays on to the end.
    """
    parameters = CashParameters(initial_cash=10, price_std=0, demand_std=0, max_steps=6)
    trace = CASH.traces(parameters, "evaluation", 0, 2)
    trace["raw_price"][1] = 4.0
    return parameters, trace


def test_a_world_that_ends_early_is_counted_once():
    parameters, trace = bankrupt()
    totals = rollout(CASH, parameters, AlwaysBuy(), trace)
    assert totals["length"].tolist() == [2, 6]
    assert totals["final_cash"].tolist() == [0, 2]
    assert totals["invalid_actions"].tolist() == [0, 4]
    assert totals["unmet_demand"].tolist() == [20, 60]
    # each step 5 per unit unmet and 0.1 per raw unit; -100 at the end of the money
    assert totals["return"][0] == pytest.approx(-2 * 50 - 0.1 - 0.2 - 100)
    assert totals["return"][1] == pytest.approx(-6 * 50 - 0.1 - 5 * 0.2 - 4 * 2)


def test_the_roll_out_stops_when_every_world_has_ended():
    parameters, trace = bankrupt()
    policy = AlwaysBuy()
    rollout(CASH, parameters, policy, {name: values[:1] for name, values in trace.items()})
    assert len(policy.starts) == 2


def test_recurrent_policies_learn_of_new_episodes():
    parameters, trace = bankrupt()
    policy = AlwaysBuy()
    rollout(CASH, parameters, policy, trace, observe_step=True)
    assert [start.tolist() for start in policy.starts[:4]] == [
        [True, True],
        [False, False],
        [True, False],  # world 0 went bankrupt in the second step
        [False, False],
    ]
    assert policy.shapes == {(2, 7)}


def test_all_totals_of_the_batch_are_returned():
    trace = CASH.traces(CashParameters(), "evaluation", 0, 3)
    totals = rollout(CASH, CashParameters(), BuyBuyConvert(), trace)
    names = "return length final_cash units_sold unmet_demand fill_rate invalid_actions"
    assert " ".join(totals) == names
    assert all(values.shape == (3,) for values in totals.values())


@settings(max_examples=20, deadline=None)
@given(episodes=st.integers(1, 9), chunk=st.integers(1, 9), cash=st.sampled_from([12.0, 1000.0]))
def test_a_roll_out_of_n_equals_n_of_one(episodes, chunk, cash):
    parameters = CashParameters(max_steps=9, initial_cash=cash)
    trace = CASH.traces(parameters, "evaluation", 5, episodes)
    seen: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        together = rollout(CASH, parameters, BuyBuyConvert(), trace, progress=seen.append)
    assert len(seen) == -(-episodes // chunk)
    assert seen[-1] == 1
    for i in range(episodes):
        row = {name: values[i : i + 1] for name, values in trace.items()}
        alone = rollout(CASH, parameters, BuyBuyConvert(), row)
        for name, values in alone.items():
            assert values[0] == together[name][i]


def test_chunks_do_not_repeat_the_random_actions(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 10)
    trace = CASH.traces(CashParameters(), "evaluation", 0, 10)
    twice = {name: np.concatenate([values, values]) for name, values in trace.items()}
    returns = rollout(CASH, CashParameters(), RandomPolicy(), twice)["return"]
    assert not np.isclose(returns[:10], returns[10:]).any()


class Recorder(Observer):
    """Keeps what it is shown, and may stop."""

    def __init__(self, last: int = 1000) -> None:
        self.last, self.actions, self.rewards = last, [], []

    def start(self, batch: Any) -> None:
        self.worlds, self.finished = batch.num_worlds, False

    @property
    def stops(self) -> bool:
        return len(self.rewards) == self.last

    def before_step(self, observation: Any, actions: np.ndarray) -> None:
        del observation
        self.actions.append(actions)

    def after_step(self, outcome: Any, running: np.ndarray) -> None:
        self.rewards.append(np.where(running, outcome.reward, 0.0))

    def finish(self) -> None:
        self.finished = True


def test_an_observer_sees_every_step_of_the_first_episodes_and_changes_nothing():
    parameters, trace = bankrupt()
    seen = Recorder()
    totals = rollout(CASH, parameters, AlwaysBuy(), trace, observer=seen)
    np.testing.assert_allclose(np.sum(seen.rewards, axis=0), totals["return"])
    assert len(seen.actions) == 6
    assert seen.finished
    np.testing.assert_equal(totals, rollout(CASH, parameters, AlwaysBuy(), trace))


def test_an_observer_may_end_the_episodes():
    parameters, trace = bankrupt()
    batch, policy, seen = CASH.make_batch(parameters, 2), AlwaysBuy(), Recorder(last=1)
    policy.bind(batch)
    run_episodes(batch, policy, trace, observer=seen)
    assert len(policy.starts) == 1
    assert batch.episode_totals()["length"].tolist() == [1, 1]


def test_the_first_chunk_is_observed(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 3)
    seen, trace = Recorder(), CASH.traces(CashParameters(max_steps=4), "evaluation", 0, 6)
    rollout(CASH, CashParameters(max_steps=4), BuyBuyConvert(), trace, observer=seen)
    assert (seen.worlds, len(seen.rewards)) == (3, 4)


def test_steps_are_taken_in_one_place():
    """Besides the faces of a problem, the forks that DCL compares, and the timing of one step."""
    root = Path(__file__).parents[2]
    rooms = ("baselines", "wrappers", "evaluation", "agents", "training", "commands", "studies")
    files = [path for room in rooms for path in (root / room).rglob("*.py")]
    steps = {p.relative_to(root).as_posix() for p in files if "batch.step(" in p.read_text()}
    forks = {"agents/dcl/rollouts.py", "agents/dcl/offset_rollouts.py"}
    assert steps == {"baselines/rollout.py", "wrappers/vec_env.py", *forks}
