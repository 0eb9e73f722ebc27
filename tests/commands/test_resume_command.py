"""Stopping, killing and resuming as a user does it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import evaluate
import train

ROOT = Path(__file__).parents[2]
SMALL = (
    "--set",
    "evaluation.every=1000",
    "--set",
    "evaluation.episodes=5",
    "--set",
    "net_arch=[8]",
)
RUN = ("--algo", "ppo", "--quiet", *SMALL, "--checkpoint-every", 2000)


def start(*arguments, cwd):
    command = [sys.executable, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.fixture
def finished(run_command, tmp_path):
    done = run_command(train.main, *RUN, "--timesteps", 3200, "--run-dir", tmp_path / "run")
    assert done.status == 0, done.stderr
    return tmp_path / "run"


def test_a_finished_run_is_one_line(finished, run_command):
    done = run_command(train.main, "--resume", finished)
    assert done.status == 0
    said = " ".join(done.stderr.split())
    assert said == f"{finished} is finished; --timesteps makes it longer"
    longer = run_command(train.main, "--resume", finished, "--timesteps", 6400, "--quiet")
    assert longer.status == 0, longer.stderr
    assert "trained 6,400 steps" in longer.stderr


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--algo", "dqn"), "--algo"),
        (("--stores", 3), "--stores"),
        (("--set", "gamma=1"), "--set"),
        (("--checkpoint-every", 5), "--checkpoint-every"),
        (("--from", "elsewhere"), "--from"),
        (("--seed", 0), "--seed"),
    ],
)
def test_an_option_that_would_change_the_run_is_refused(options, named, run_command, tmp_path):
    done = run_command(train.main, "--resume", tmp_path, *options)
    assert done.status == 2
    assert done.stderr.startswith(f"error: {named}: --resume goes on with the run's own")
    assert done.stderr.count("\n") == 1


def test_evaluation_does_not_mind_checkpoints(finished, run_command):
    quick = ("--episodes", 20, "--json", "--baselines", "none")
    done = run_command(evaluate.main, "--checkpoint", finished, *quick)
    assert done.status == 0, done.stderr
    (checkpoint, *_) = (finished / "checkpoints").iterdir()
    for path in (checkpoint, checkpoint.parent, checkpoint / "0_best_model.zip"):
        done = run_command(evaluate.main, "--checkpoint", path, *quick)
        assert done.status == 2
        assert done.stderr.count("\n") == 1


def test_killed_at_random_moments_it_ends_with_the_same_weights(tmp_path):
    kinds = ("dqn", "phases")
    process = start("-m", "tests.soak.kill_resume", 2, *kinds, cwd=tmp_path)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    assert out.count("2 kills") == len(kinds)
