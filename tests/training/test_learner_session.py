"""What a learner depends on goes into another of the same run, and into none of another run."""

import copy
import random

import numpy as np
import pytest
import torch

from agents.config import resolve
from training.learner_session import (
    generators_state,
    learner_state,
    load_generators_state,
    load_learner_state,
)
from training.learners.build import build_learners

SMALL = ("n_envs=4", "max_steps=5", "net_arch=[4]", "demand_std=0")
ON = ("n_steps=5", "batch_size=20")
RUNS = {
    "dqn": ("buffer_size=60", "learning_starts=8", "batch_size=4"),
    "ppo": (*ON, "observation.normalize=running", "reward.normalize=running"),
    "recurrent_ppo": ON,
}


def learner(algo):
    run = resolve({"algo": algo}, assignments=(*SMALL, *RUNS[algo]))
    (built,) = build_learners(run).learners
    return built


@pytest.fixture(scope="module")
def states():
    """What learners of each kind depend on after a few steps; a test changes copies."""
    taken = {}
    for algo in RUNS:
        one = learner(algo)
        one.model.learn(20)
        taken[algo] = copy.deepcopy(learner_state(one.model, one.env))
    return taken


def load(algo, state):
    one = learner(algo)
    load_learner_state(one.model, one.env, state, [one.config.parameters])
    return one


def changed(state, path, value):
    """Return a state with one part of it changed."""
    state = copy.deepcopy(state)
    *way, last = path
    part = state
    for key in way:
        part = part[key]
    part[last] = value(part[last]) if callable(value) else value
    return state


@pytest.mark.parametrize("algo", RUNS)
def test_another_learner_goes_on_with_the_same_actions(algo, states):
    one, other = (load(algo, copy.deepcopy(states[algo])) for _ in range(2))
    assert one.model.num_timesteps == 20
    for name in ("_last_obs", "_last_episode_starts"):
        np.testing.assert_array_equal(getattr(one.model, name), states[algo]["last"][name])
    generators = generators_state()
    for built in (one, other):
        load_generators_state(generators)
        built.model.learn(40, reset_num_timesteps=False)
    weights = [list(built.model.policy.state_dict().values()) for built in (one, other)]
    assert all(torch.equal(*pair) for pair in zip(*weights, strict=True))
    was = states[algo]["policy"].values()
    assert not all(torch.equal(*p) for p in zip(was, weights[0], strict=True))


def test_the_memory_of_a_recurrent_policy_comes_back(states):
    state = states["recurrent_ppo"]
    kept = load("recurrent_ppo", copy.deepcopy(state)).model._last_lstm_states
    expected = state["last"]["_last_lstm_states"]
    assert any(part.any() for part in expected.pi)
    for name in ("pi", "vf"):
        assert all(map(torch.equal, getattr(kept, name), getattr(expected, name)))


@pytest.mark.parametrize(
    ("algo", "path", "value", "message"),
    [
        ("ppo", ("counters",), {}, "it has other counters"),
        ("ppo", ("counters", "num_timesteps"), -1, "num_timesteps is no whole number from 0"),
        ("dqn", ("counters", "exploration_rate"), 1.5, "exploration_rate is no number"),
        ("ppo", ("last",), {}, "it remembers other things"),
        ("ppo", ("last", "_last_obs"), lambda seen: seen[:2], "_last_obs is an array of another"),
        ("ppo", ("seeds",), [None] * 3, "its worlds have other seeds"),
        ("ppo", ("seeds",), (None,) * 4, "its worlds have other seeds"),
        ("ppo", ("seeds",), [0, 1, 2, 2**32], "a seed of its worlds is no whole number"),
        ("dqn", ("replay",), None, "it has another replay buffer"),
        ("dqn", ("replay", "actions"), lambda old: old + 1000, "actions has entries out of range"),
        ("dqn", ("replay", "pos"), 60, "pos is no whole number from 0 to"),
        ("ppo", ("replay",), {"pos": 0}, "it has another replay buffer"),
        ("ppo", ("statistics",), None, "it has other statistics"),
        ("dqn", ("statistics",), {"moments": {}}, "it has other statistics"),
        ("ppo", ("statistics", "old_reward"), np.zeros(3), "last rewards are of another kind"),
        ("ppo", ("statistics", "old_reward"), np.zeros(4, int), "last rewards are of another"),
        ("ppo", ("potential",), np.zeros(4), "the potential is of another type"),
        ("ppo", ("episodes",), [{"r": 1.0}], "its episodes has other parts"),
    ],
)
def test_a_state_of_another_run_is_refused(algo, path, value, message, states):
    with pytest.raises(ValueError, match=message):
        load(algo, changed(states[algo], path, value))


def test_the_memory_of_a_recurrent_policy_has_its_size(states):
    shorter = lambda old: type(old)(*(tuple(t[:, :2] for t in pair) for pair in old))  # noqa: E731
    path = ("last", "_last_lstm_states")
    with pytest.raises(ValueError, match="array of another kind"):
        load("recurrent_ppo", changed(states["recurrent_ppo"], path, shorter))


def test_generators_go_on_where_they_were():
    state = generators_state()
    first = random.random(), np.random.random(), torch.rand(1).item()  # noqa: S311
    load_generators_state(state)
    assert (random.random(), np.random.random(), torch.rand(1).item()) == first  # noqa: S311
    with pytest.raises(ValueError, match="generator"):
        load_generators_state({**state, "torch": state["torch"][:5]})
