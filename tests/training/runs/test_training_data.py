"""What a run keeps of its data and its settings: fingerprint, range of observations, ``auto``."""

import json

import numpy as np
import pytest

import decide
import evaluate
from agents import run_files, run_folder
from agents.config import from_dict, parse_mapping, resolve
from common.errors import InputError
from training import observation_range
from training.resume import resume
from training.trainer import train

DAYS = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")
SMALL = (
    *("timesteps=80", "horizon=4", "n_steps=4", "batch_size=16", "evaluation.pictures=0"),
    *("evaluation.every=80", "evaluation.episodes=2", "net_arch=[4]", "n_envs=4"),
    *("reward.scale=auto", "reward.shift=auto"),
)
STOCK = "store,on_hand,due_1\nnorth,5,0\nsouth,2,1\n"


@pytest.fixture
def run(tmp_path):
    write(tmp_path / "sales.csv", DAYS)
    flags = {"algo": "ppo", "demand": tmp_path / "sales.csv", "split": "2024-02-20"}
    return train(resolve(flags, assignments=SMALL), tmp_path / "run").folder


def write(path, days, changed=()):
    rows = [f"{day},{n % 7 + 1 + 50 * (n in changed)},{n % 5 + 2}" for n, day in enumerate(days)]
    path.write_text("\n".join(["date,north,south", *rows]) + "\n")


def commands(run, run_command):
    (run.parent / "stock.csv").write_text(STOCK)
    rule = ("--baseline", "newsvendor_weekday")
    few = ("--episodes", 2, "--baselines", "none")
    state = ("--state", run.parent / "stock.csv", "--date", "2024-03-01", "--allow")
    yield run_command(decide.main, "--checkpoint", run, *state, *rule)
    yield run_command(evaluate.main, "--checkpoint", run, *few)


def test_days_that_training_used_must_be_the_same_to_train_on(run, run_command):
    write(run.parent / "sales.csv", DAYS, changed=[10])
    with pytest.raises(InputError, match=r"sales.csv: the days that .* was trained on have chang"):
        resume(run, timesteps=160)
    for done in commands(run, run_command):
        assert done.status == 0, done.stderr
        assert "was trained on have changed; the policy knows the former ones" in done.stderr


def test_days_that_come_later_change_nothing(run, run_command):
    write(run.parent / "sales.csv", [*DAYS, *(DAYS[-1] + np.arange(1, 9))], changed=[58])
    for done in commands(run, run_command):
        assert done.status == 0, done.stderr
        assert "have changed" not in done.stderr
    resume(run, timesteps=160)


def test_the_range_of_observations_is_kept_and_not_played_again(run, run_command, monkeypatch):
    kept = json.loads((run / run_files.RANGES).read_text())
    assert all(low <= high for low, high in zip(kept["low"], kept["high"], strict=True))
    with monkeypatch.context() as patch:
        patch.setattr(observation_range, "_played", lambda *_: pytest.fail("played again"))
        assert next(commands(run, run_command)).status == 0
    run_files.remove(run / run_files.RANGES)  # training was killed before it came to this
    assert next(commands(run, run_command)).status == 0


def test_auto_and_what_it_came_to_are_kept(run):
    config = run_folder.read_config(run)
    reward = config.settings.reward
    assert isinstance(reward.scale, float)
    assert set(config.settings.asked) == {"reward.scale", "reward.shift", "reward.expected"}
    again = from_dict(parse_mapping(config.to_yaml().encode()))
    assert again.settings == config.settings
    own = resolve({}, config=run / "config.yaml")  # taken as it stands
    assert (own.settings.reward, own.settings.asked) == (reward, {})
