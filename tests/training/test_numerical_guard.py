"""Numbers that are not finite end training, and the message says where and why."""

import numpy as np
import pytest
import torch

import train as script
from agents.config import resolve
from common.errors import NumericalError
from training.learner_session import LearnerSession
from training.learners.build import build_learners
from training.numerical_guard import suspects
from training.resume import resume
from training.trainer import train

SMALL = (
    *("evaluation.every=300", "evaluation.episodes=5", "max_steps=12", "net_arch=[8]"),
    *("timesteps=1920", "n_envs=16", "n_steps=10", "batch_size=40"),
)
WILD = ("learning_rate=1e6", "max_grad_norm=1e6", "net_arch=[64, 64]", "reward.scale=1e9")


def small_run(*more):
    return resolve({"algo": "ppo"}, assignments=(*SMALL, "checkpoint.every=200", *more))


def test_a_learning_rate_that_is_far_too_high(run_command, tmp_path):
    settings = (*SMALL, *WILD)
    options = [part for value in settings for part in ("--set", value)]
    where = ("--run-dir", tmp_path / "run")
    done = run_command(script.main, "--quiet", "--algo", "ppo", *options, *where)
    assert done.status == 3
    assert done.stderr.startswith("error: training stopped at step ")
    assert "look at learning_rate = 1e+06, not 0.0003" in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_stopped_for_a_reason_stops_again(tmp_path):
    config = small_run(*WILD, "checkpoint.every=100")
    with pytest.raises(NumericalError) as first:
        train(config, tmp_path / "run")
    with pytest.raises(NumericalError) as second:
        resume(tmp_path / "run")
    assert str(second.value) == str(first.value)


def test_suspects_are_what_is_farthest_from_its_default():
    named = suspects(small_run("holding_cost=1e4", "learning_rate=1e-9"))
    assert named[:2] == ["learning_rate = 1e-09, not 0.0003", "holding_cost = 10000, not 0.1"]


def test_what_is_infinite_is_farthest_of_all():
    settings = ("learning_rate=1e-12", "warehouse.initial_on_hand=.inf")
    assert suspects(resolve({"problem": "stores", "algo": "ppo"}, assignments=settings))[:2] == [
        "warehouse.initial_on_hand = inf, not 5000",
        "learning_rate = 1e-12, not 0.0003",
    ]


@pytest.fixture
def guard(tmp_path):
    """The guard of a learner that has not begun, and its model."""
    (learner,) = build_learners(small_run("holding_cost=1e4")).learners
    learner.env.reset()
    return LearnerSession(learner, tmp_path).guard, learner.model


def test_an_error_that_speaks_of_nan_is_explained_in_one_line(guard):
    error = ValueError("expected logits to be real:\n    tensor([[NaN]])")
    with pytest.raises(NumericalError) as explained:
        guard[0].explain(error)
    assert str(explained.value).startswith(
        "training stopped at step 0: expected logits to be real: tensor([[NaN]]); "
        "look at holding_cost = 10000, not 0.1"
    )


def test_an_error_of_another_kind_is_left_as_it_is(guard):
    assert guard[0].explain(ValueError("another kind")) is None


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda model: torch.nn.init.constant_(model.policy.action_net.bias, float("inf")),
            "weights action_net.bias are not finite",
        ),
        (
            lambda model: setattr(model, "_last_obs", np.array([1.0, np.inf])),
            "infinity in the observations",
        ),
        (
            lambda model: setattr(model, "_last_original_obs", np.array([np.nan, np.inf])),
            "NaN in the observations",
        ),
    ],
    ids=["weights", "observations", "observations before they are scaled"],
)
def test_an_error_is_explained_by_what_is_not_finite(spoil, message, guard):
    spoil(guard[1])
    with pytest.raises(NumericalError, match=f"stopped at step 0: {message}; look at"):
        guard[0].explain(ValueError("another kind"))


def test_large_numbers_whose_sum_overflows_are_finite(guard):
    guard[1]._last_obs = np.full(4, 3e38, np.float32)
    torch.nn.init.constant_(guard[1].policy.action_net.bias, 3e38)
    assert guard[0].explain(ValueError("another kind")) is None
