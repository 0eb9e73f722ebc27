"""Numbers that are not finite end training, and the message says where and why."""

import numpy as np
import pytest
import torch

import train as script
from agents import checkpoints
from agents.config import resolve
from common.errors import NumericalError
from envs.cash.batch import CashBatch
from training.learners import load_agent
from training.numerical_guard import suspects
from training.resume import resume
from training.trainer import train

SMALL = ("evaluation.every=300", "evaluation.episodes=5", "max_steps=12", "net_arch=[8]")
OWN = {
    "dqn": ("timesteps=1280", "learning_starts=200", "buffer_size=600", "n_envs=16"),
    "ppo": ("timesteps=1920", "n_envs=16", "n_steps=10", "batch_size=40"),
}
WILD = ("learning_rate=1e6", "max_grad_norm=1e6", "net_arch=[64, 64]", "reward.scale=1e9")


def small_run(algo, *more):
    return resolve({"algo": algo}, assignments=(*SMALL, *OWN[algo], "checkpoint.every=200", *more))


def finite(folder, name):
    _, policy = load_agent(folder, name)
    return all(bool(torch.isfinite(w).all()) for w in policy._model.policy.parameters())


def spoil_after(monkeypatch, method, calls, change):
    """Let a method of the worlds return something else from its so-many-th call in training on."""
    original, count = getattr(CashBatch, method), [0]

    def spoiled(self, *arguments):
        result = original(self, *arguments)
        count[0] += self.split == "training"
        return change(result) if count[0] > calls and self.split == "training" else result

    monkeypatch.setattr(CashBatch, method, spoiled)


@pytest.mark.parametrize("algo", ["dqn", "ppo"])
@pytest.mark.parametrize(
    ("method", "change", "said"),
    [
        ("observation", lambda seen: seen * np.float32(np.nan), "NaN in the observations"),
        ("step", lambda out: out._replace(reward=out.reward + np.inf), "in the rewards"),
    ],
)
def test_the_worlds_return_what_is_not_finite(algo, method, change, said, tmp_path, monkeypatch):
    more = ("observation.normalize=fixed", "reward.shift=0", "reward.scale=1")
    with monkeypatch.context() as patch:
        spoil_after(patch, method, 40, change)
        with pytest.raises(NumericalError, match=said) as stopped:
            train(small_run(algo, *more), tmp_path / "run")
    assert "\n" not in str(stopped.value)
    assert "keeps the best and the last good model" in str(stopped.value)
    assert checkpoints.found(tmp_path / "run")
    assert finite(tmp_path / "run", "model.zip")
    assert finite(tmp_path / "run", "best_model.zip")


def test_a_learning_rate_that_is_far_too_high(tmp_path):
    with pytest.raises(NumericalError, match=r"look at learning_rate = 1e\+06, not 0.0003"):
        train(small_run("ppo", *WILD), tmp_path / "run")


def test_the_command_exits_with_status_3(run_command, tmp_path):
    settings = (*SMALL, *OWN["ppo"], *WILD)
    options = [part for value in settings for part in ("--set", value)]
    where = ("--run-dir", tmp_path / "run")
    done = run_command(script.main, "--quiet", "--algo", "ppo", *options, *where)
    assert done.status == 3
    assert done.stderr.startswith("error: training stopped at step ")
    assert done.stderr.count("\n") == 1


def test_what_stopped_for_a_reason_stops_again(tmp_path):
    config = small_run("ppo", *WILD, "checkpoint.every=100")
    with pytest.raises(NumericalError) as first:
        train(config, tmp_path / "run")
    with pytest.raises(NumericalError) as second:
        resume(tmp_path / "run")
    assert str(second.value) == str(first.value)


def test_suspects_are_what_is_farthest_from_its_default():
    named = suspects(small_run("ppo", "holding_cost=1e4", "learning_rate=1e-9"))
    assert named[:2] == ["learning_rate = 1e-09, not 0.0003", "holding_cost = 10000, not 0.1"]
