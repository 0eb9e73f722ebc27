"""Phases: what they refuse, what they say, and where a signal ends them."""

import os
import re
import signal

import pytest

from agents import run_files, run_folder
from agents.config import resolve
from common.errors import InputError
from training.phases import check_tuned_together, go_through, resolve_phases, train_phases

SMALL = (
    *("timesteps=24", "n_envs=6", "horizon=3", "n_steps=3", "batch_size=18", "net_arch=[4]"),
    *("evaluation.every=24", "evaluation.episodes=2", "evaluation.pictures=0", "team.turns=2"),
)
FLAGS = {"algo": "ppo", "stores": 2}


def configs(*numbers):
    return resolve_phases(numbers, FLAGS, assignments=SMALL)


@pytest.mark.parametrize(
    ("flags", "assignments", "message"),
    [
        ({"learn": "store"}, (), "--learn: the phases say who learns; use --learn or --phases"),
        ({}, ("team.learn=all",), "--set team.learn: the phases say who learns; leave it out"),
    ],
)
def test_who_learns_is_said_by_the_phases_alone(flags, assignments, message):
    with pytest.raises(InputError) as refused:
        resolve_phases((1, 2), {**FLAGS, **flags}, assignments=assignments)
    assert str(refused.value) == message


def test_what_models_keep_when_they_are_tuned_together_cannot_be_set():
    run = resolve({**FLAGS, "learn": "all"})
    for kept in ("gamma=0.5", "hyperparameters.n_steps=7", "reward.scale=1", "net_arch=[8]"):
        with pytest.raises(
            InputError, match=r"--set .*: learn = all goes on with models that have"
        ):
            check_tuned_together(run, ("horizon=9", kept))
        check_tuned_together(resolve(FLAGS), (kept,))
    taken = ("learning_rate=1e-3", "observation.step=true", "team.goal=system", "horizon=9")
    check_tuned_together(run, taken)


def test_what_a_file_says_in_vain_of_models_that_are_tuned_together_is_noted(tmp_path):
    (own := tmp_path / "own.yaml").write_text(
        "problem: stores\nhyperparameters: {gamma: 0.5, learning_rate: 1e-4}\nreward: {scale: 1}\n"
        "observation: {step: true}\nparameters: {horizon: 9}\n"
    )
    run = resolve({**FLAGS, "learn": "all"}, config=own)
    said = "own.yaml: hyperparameters.gamma, reward.scale: not used, as learn = all goes on with"
    assert said in check_tuned_together(run, (), own)
    assert check_tuned_together(resolve(FLAGS, config=own), (), own) == ""
    (whole := tmp_path / "config.yaml").write_text(run.to_yaml())
    assert check_tuned_together(resolve({}, config=whole), (), whole) == ""


def test_fine_tuning_needs_models_to_begin_with(tmp_path):
    with pytest.raises(InputError, match="--phases 4: fine-tunes models; name a run that has them"):
        train_phases((4,), configs(4), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_gap_that_a_later_phase_cannot_know_is_refused_before_the_first(tmp_path):
    phases = resolve_phases((1, 2), FLAGS, assignments=(*SMALL, "stop.gap=0.1"))
    with pytest.raises(InputError, match="no optimum or bound of warehouse_return is known"):
        train_phases((1, 2), phases, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_every_phase_is_announced(tmp_path, capsys):
    train_phases((1, 2), configs(1, 2), tmp_path / "run", quiet=False)
    said = "".join(capsys.readouterr())
    assert re.findall(r"^phase .*", said, re.MULTILINE) == [
        "phase 1: learn store",
        "phase 2: learn warehouse",
    ]


def test_the_share_that_is_reported_is_that_of_all_phases(tmp_path):
    shares = []
    train_phases((1, 2), configs(1, 2), tmp_path / "run", report=shares.append)
    first_step = 6 / 24 / 2
    assert shares == sorted(shares)
    assert shares[0] == first_step
    assert 0.5 + first_step in shares
    assert shares[-1] <= 1.0


def test_a_signal_in_a_phase_ends_the_run_before_the_next(tmp_path):
    def stop(share):
        os.kill(os.getpid(), signal.SIGTERM)

    root, (stopped,) = train_phases((1, 2), configs(1, 2), tmp_path / "run", report=stop)
    assert stopped.interrupted
    assert stopped.status == 143
    assert not run_folder.is_finished(root / "phase_1")
    assert not run_files.phase_folder(root, 2).exists()
    with run_files.hold_lock(root):
        done = go_through(root)
    assert [trained.folder.name for trained in done] == ["phase_1", "phase_2"]
