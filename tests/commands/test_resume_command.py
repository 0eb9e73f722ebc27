"""Stopping, killing and resuming as a user does it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import evaluate
import train
from agents import checkpoints

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


def wait_for(what):
    deadline = time.monotonic() + 120
    while not what() and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.fixture
def finished(run_command, tmp_path):
    done = run_command(train.main, *RUN, "--timesteps", 3200, "--run-dir", tmp_path / "run")
    assert done.status == 0, done.stderr
    return tmp_path / "run"


def test_sigterm_saves_a_checkpoint_and_a_second_process_is_refused(tmp_path, run_command):
    run = tmp_path / "run"
    script = (ROOT / "train.py", *RUN, "--timesteps", 10**8, "--run-dir", run)
    process = start(*script, cwd=tmp_path)
    wait_for(lambda: checkpoints.found(run))
    refused = run_command(train.main, "--resume", run)
    assert refused.status == 2
    assert "another process is training in it" in refused.stderr
    assert refused.stderr.count("\n") == 1
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    facts = json.loads((run / "versions.json").read_text())
    assert checkpoints.found(run)[-1] == facts["steps"]
    assert not facts["finished"]
    assert (run / "model.zip").is_file()


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
