"""Signals, what is printed without a terminal, and the columns of the log."""

import csv
import os
import signal
from types import SimpleNamespace

import pytest

from agents import models
from agents.config import resolve
from common.errors import InputError
from training import callbacks
from training.resume import resume
from training.stopping import CheckpointSchedule, RolloutBoundary, Stopped, StopSignals
from training.trainer import train

SMALL = (
    *("timesteps=1600", "n_envs=4", "max_steps=5", "net_arch=[4]", "demand_std=0"),
    *("evaluation.every=400", "evaluation.episodes=2"),
)
OWN = {
    "ppo": ("n_steps=5", "batch_size=20", "n_epochs=1"),
    "dqn": ("learning_starts=1200",),
}
STATUS = {signal.SIGHUP: 129, signal.SIGINT: 130, signal.SIGTERM: 143}


def config(algo="ppo"):
    return resolve({"algo": algo}, assignments=(*SMALL, *OWN[algo]))


@pytest.mark.parametrize("number", STATUS)
def test_a_signal_saves_and_the_run_goes_on(number, tmp_path, monkeypatch):
    monkeypatch.setattr(
        callbacks.BestModel, "evaluate", signal_once(callbacks.BestModel.evaluate, number)
    )
    former = signal.signal(number, signal.default_int_handler)  # these tests may run under nohup
    try:
        stopped = train(config(), tmp_path / "run")
    finally:
        signal.signal(number, former)
    assert stopped.status == STATUS[number]
    assert stopped.steps < 1600
    _, (done,) = resume(tmp_path / "run")
    assert done.steps == 1600


def test_a_signal_that_is_ignored_stays_so(tmp_path, monkeypatch):
    """As nohup asks for."""
    monkeypatch.setattr(
        callbacks.BestModel, "evaluate", signal_once(callbacks.BestModel.evaluate, signal.SIGHUP)
    )
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert train(config(), tmp_path / "run").steps == 1600
    finally:
        signal.signal(signal.SIGHUP, former)


def test_a_second_signal_stops_at_once_and_both_are_given_back():
    def former(*_):
        pytest.fail("this is not the one to ask")

    real = signal.signal(signal.SIGINT, former)
    try:
        with StopSignals() as signals:
            os.kill(os.getpid(), signal.SIGINT)
            assert signals.status == 130
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == former
    finally:
        signal.signal(signal.SIGINT, real)


@pytest.fixture
def boundary():
    """Return a boundary between rollouts, and the steps at which it has saved."""

    def made(every, status=0):
        steps, saved = [0], []
        schedule = CheckpointSchedule(every)
        schedule.begin(0)
        signals = SimpleNamespace(status=status)
        return (
            steps,
            saved,
            RolloutBoundary(lambda: saved.append(steps[0]), lambda: steps[0], schedule, signals),
        )

    return made


def test_checkpoints_are_at_the_first_rollout_after_each_so_many_steps(boundary):
    steps, saved, between = boundary(every=50)
    for steps[0] in range(0, 220, 20):
        between._on_rollout_start()
    assert saved == [60, 100, 160, 200]
    longer = CheckpointSchedule(50)
    longer.begin(120)
    assert [longer.due(at) for at in (120, 149, 150)] == [False, False, True]


def test_a_signal_saves_whatever_is_due(boundary):
    _, saved, between = boundary(every=50, status=130)
    with pytest.raises(Stopped):
        between._on_rollout_start()
    assert saved == [0]


def test_checkpoints_are_as_far_apart_as_they_are_dear(monkeypatch):
    """A twentieth of the time so far, of 1 to 60 seconds, and 50 times what the last one took."""
    now = [0.0]
    monkeypatch.setattr("training.stopping.time", SimpleNamespace(perf_counter=lambda: now[0]))
    schedule = CheckpointSchedule("auto")
    schedule.begin(0)

    def due(*moments):
        for now[0] in moments:
            yield schedule.due(0)

    assert list(due(0.9, 1.0)) == [False, True]
    schedule.saved(0, seconds=0.5)
    assert list(due(25.9, 26.0)) == [False, True]
    now[0] = 1000.0
    schedule.saved(0, seconds=0.1)
    assert list(due(1052.0, 1053.0)) == [False, True]  # after 52.6
    now[0] = 10_000.0
    schedule.saved(0, seconds=0.1)
    assert list(due(10_059.0, 10_060.0)) == [False, True]


def signal_once(real, number):
    left = [number]

    def called(*arguments):
        if left:
            os.kill(os.getpid(), left.pop())
        return real(*arguments)

    return called


def test_without_a_terminal_there_is_a_line_now_and_then(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(callbacks, "LINE_SECONDS", 0.0)
    train(config(), tmp_path / "run", quiet=False)
    lines = [line for line in capsys.readouterr().err.splitlines() if "/1,600 " in line]
    assert len(lines) > 10
    assert all("/s" in line for line in lines)


@pytest.mark.parametrize("algo", ["dqn", "ppo"])
def test_the_log_has_rows_by_time_and_fixed_columns(algo, tmp_path, monkeypatch):
    count = {}
    for seconds in (1e9, 0.0):
        monkeypatch.setattr(models, "LOG_SECONDS", seconds)
        folder = train(config(algo), tmp_path / str(seconds)).folder
        with (folder / "progress.csv").open() as file:
            table = csv.reader(file)
            columns, *rows = table
        assert columns == sorted(columns)
        count[seconds] = len(rows)
    assert count[0.0] >= count[1e9]


@pytest.mark.parametrize("problem", ["cash", "stores"])
def test_phases_are_not_a_setting_of_a_plain_run(problem, tmp_path):
    run = resolve({"problem": problem, "algo": "ppo"}, assignments=("phases=[1,2]",))
    with pytest.raises(InputError, match="trained with --phases"):
        train(run, tmp_path / "run")
    assert not (tmp_path / "run").exists()


TWO = (
    *("timesteps=240", "n_envs=4", "n_steps=3", "batch_size=12", "net_arch=[4]", "horizon=3"),
    *("reward.expected=false", "evaluation.episodes=2", "team.turns=5"),
)


@pytest.mark.parametrize(
    ("stop", "told", "steps"),
    [(("stop.step=90",), None, 96), (("stop.gap=1e9",), None, 48), ((), 100, 144)],
)
def test_learners_that_take_turns_stop_after_one(stop, told, steps, tmp_path):
    """A turn of both is two rollouts each, of 12 steps."""
    run = resolve({"algo": "ppo", "stores": 2, "policy": "independent"}, assignments=(*TWO, *stop))
    done = train(run, tmp_path / "run", scored=told and (lambda step, _: step >= told))
    assert done.steps == steps
    assert resume(tmp_path / "run")[1] == []


def test_no_gap_stops_training_where_none_is_known(tmp_path):
    run = resolve({"algo": "ppo", "stores": 2, "learn": "warehouse"}, assignments=("stop.gap=0.1",))
    with pytest.raises(
        InputError, match=r"stop\.gap = 0\.1: no optimum or bound of warehouse_return"
    ):
        train(run, tmp_path / "run")
    assert not (tmp_path / "run").exists()
