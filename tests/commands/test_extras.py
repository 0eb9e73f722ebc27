"""What needs an extra that is not installed says in one line what to install."""

import importlib.util

import pytest

import evaluate
import train
import tune

CLUSTER = "--cluster needs Ray; pip install -e '.[cluster]'"


@pytest.mark.parametrize(
    ("extra", "command", "options", "line"),
    [
        ("ray", train, ("--algo", "ppo", "--seeds", "0-1", "--cluster", "auto"), CLUSTER),
        ("ray", train, ("--algo", "dcl", "--cluster", "auto"), CLUSTER),
        ("ray", evaluate, ("--problem", "cash", "--cluster", "auto"), CLUSTER),
        ("ray", tune, ("--problem", "cash", "--cluster", "auto"), CLUSTER),
        ("ray", tune, ("--algo", "ppo", "--cluster", "auto"), CLUSTER),
        ("optuna", tune, ("--algo", "ppo"), "--algo needs Optuna; pip install -e '.[tune]'"),
    ],
)
def test_one_line_says_what_to_install(run_command, monkeypatch, extra, command, options, line):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name == extra else find(name, *more),
    )
    done = run_command(command.main, *options)
    assert done.status == 2
    assert done.stderr.splitlines() == [f"error: {line}"]
    assert not done.stdout


def test_workers_that_have_nothing_to_share_out_are_refused(run_command):
    done = run_command(train.main, "--algo", "ppo", "--workers", 2)
    assert done.status == 2
    assert "--workers: shares out the seeds of --seeds and the labels of --algo dcl" in done.stderr
