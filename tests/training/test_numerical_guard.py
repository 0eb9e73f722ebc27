"""Numbers that are not finite end training, and the message says where and why."""

import pytest

import train as script
from agents.config import resolve
from common.errors import NumericalError
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
