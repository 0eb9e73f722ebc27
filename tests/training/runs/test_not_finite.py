"""NaN and infinity in every place, by every kind of algorithm, on both problems."""

import re

import pytest
import torch

import train
from agents import checkpoints
from agents import checkpoints as checkpoint_files
from agents.weights import read_tensors
from envs.cash.batch import CashBatch
from envs.supply_chain.batch import SupplyChainBatch
from training.learners.load import load_agent

WORLDS = {"cash": CashBatch, "stores": SupplyChainBatch}
OFF = ("timesteps=400", "learning_starts=40", "buffer_size=300", "n_envs=8", "batch_size=16")
ON = ("timesteps=800", "n_envs=8", "n_steps=10", "batch_size=40")
COMMON = (
    *("evaluation.every=80", "evaluation.episodes=2", "net_arch=[8]", "checkpoint.every=80"),
    *("observation.normalize=fixed", "reward.shift=0", "reward.scale=1", "learning_rate=2e-3"),
)
OWN = {
    "cash": ("--problem", "cash", "--set", "max_steps=12"),
    "stores": ("--stores", 2, "--set", "horizon=8", "--set", "evaluation.pictures=0"),
}


def armed(patch):
    """Return a list that is empty until the second checkpoint is written."""
    write, written = checkpoints.write, []

    def counted(*arguments):
        write(*arguments)
        written.append(arguments)

    patch.setattr(checkpoint_files, "write", counted)
    return lambda: len(written) >= 2


def spoil(place, problem, patch):
    """Let something that is not finite come up in a place, once there are good models."""
    late, nan = armed(patch), float("nan")
    if place == "losses":
        for name in ("mse_loss", "smooth_l1_loss"):
            change(
                torch.nn.functional, name, lambda loss, *_: loss * nan if late() else loss, patch
            )
    elif place == "weights":
        change(torch.optim.Adam, "step", lambda _, adam: blow_up(adam) if late() else None, patch)
    else:
        name, spoilt = {
            "observations": ("observation", lambda seen: seen * nan),
            "rewards": ("step", lambda out: out._replace(reward=out.reward + float("inf"))),
        }[place]
        change(
            WORLDS[problem],
            name,
            lambda out, batch, *_: spoilt(out) if late() and batch.split == "training" else out,
            patch,
        )


def change(owner, name, changed, patch):
    """Let a function or method return what `changed` makes of its result and arguments."""
    real = getattr(owner, name)
    patch.setattr(owner, name, lambda *a, **k: changed(real(*a, **k), *a))


def blow_up(adam):
    with torch.no_grad():
        adam.param_groups[0]["params"][0].fill_(float("inf"))


@pytest.mark.parametrize("place", ["observations", "rewards", "losses", "weights"])
@pytest.mark.parametrize("algo", ["dqn", "ppo", "maskable_ppo"])
@pytest.mark.parametrize("problem", WORLDS)
def test_training_stops_and_keeps_good_models(
    problem, algo, place, run_command, tmp_path, monkeypatch
):
    settings = [x for s in (*COMMON, *(OFF if algo == "dqn" else ON)) for x in ("--set", s)]
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        spoil(place, problem, patch)
        arguments = ("--quiet", "--algo", algo, *OWN[problem], *settings, "--run-dir", run)
        done = run_command(train.main, *arguments)
    assert done.status == 3, done.stderr
    assert done.stderr.startswith("error: training")
    assert done.stderr.count("\n") == 1
    said = {"losses": ("loss is", "weights"), "weights": ("weights", "loss is")}
    said["observations"] = ("NaN in the observations",)
    assert any(words in done.stderr for words in said.get(place, (f"in the {place}",)))
    assert re.search(r"look at .*learning_rate = 0.002, not 0.0003", done.stderr)
    assert "keeps the best and the last good model" in done.stderr
    assert checkpoints.found(run)
    for name in ("best_model.zip", "model.zip"):
        load_agent(run, name)
        weights = read_tensors((run / name).read_bytes(), name, 1_000_000).values()
        assert all(bool(torch.isfinite(weight).all()) for weight in weights)
