"""What lies in a run's folder: links out of it, remains of a beginning, a disk that fails."""

import json
import os
import re
import shutil
from contextlib import suppress

import numpy as np
import pytest

import evaluate
import train
from agents import checkpoints, run_files, run_folder
from agents import checkpoints as checkpoint_files
from common.errors import FrozenModel, InputError
from common.files import write_whole
from tests.agents.small_run import SMALL, train_small
from tests.soak import break_disk
from tests.soak.faults import Disk, failing
from training import logger

RANDOM = "0123456789abcdef.tmp"
COMMAND = ("--quiet", "--algo", "ppo", *(part for text in SMALL for part in ("--set", text)))


def refused(done):
    assert done.status == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_no_link_in_a_run_folder_is_followed_in_writing(finished, run_command, tmp_path):
    """Each file and folder in turn lies elsewhere, and a link leads there."""
    every = sorted(path.relative_to(finished) for path in finished.rglob("*"))
    assert len(every) > 12
    for number, name in enumerate(every):
        run, precious = tmp_path / f"run {number}", tmp_path / f"precious {number}"
        shutil.copytree(finished, run)
        (run / name).rename(precious)
        (run / name).symlink_to(precious)
        before = contents(precious)
        message = refused(run_command(train.main, "--resume", run, "--timesteps", 160, "--quiet"))
        assert "symbolic link" in message
        assert contents(precious) == before, name


def contents(path):
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {file: file.read_bytes() for file in files}


def test_a_lock_or_a_log_that_is_a_link_is_not_written_through(tmp_path, run_command):
    precious = tmp_path / "precious"
    precious.write_text("a" * 1000)
    run = tmp_path / "new"
    run.mkdir()
    (run / run_files.LOCK).symlink_to(precious)
    assert "symbolic link; remove it" in refused(
        run_command(train.main, *COMMAND, "--run-dir", run)
    )
    event = "events.out.tfevents.1"
    for name in (run_files.PROGRESS, event):
        (run / name).symlink_to(precious)
    logger.open_log(run, b"a,b\n", {event: 10}).close()
    (run / run_files.CHECKPOINTS).symlink_to(tmp_path)
    (tmp_path / ".other").mkdir()
    with pytest.raises(NotADirectoryError):
        checkpoints.write(run, 5, {}, {})
    assert (tmp_path / ".other").is_dir()
    assert precious.read_text() == "a" * 1000


def test_no_result_goes_through_a_link(run, run_command, tmp_path, monkeypatch):
    monkeypatch.setattr("commands.report.build", lambda *_: ("page", {"a.png": b"picture"}))
    precious, elsewhere = tmp_path / "precious", tmp_path / "elsewhere"
    precious.write_text("a")
    elsewhere.mkdir()
    for name in ("evaluation.json", "report.html"):
        (run / name).symlink_to(precious)
    (run / "report").symlink_to(elsewhere)
    options = ("--checkpoint", run, "--episodes", 5, "--baselines", "none", "--report", "--json")
    for name in ("evaluation.json", "report", "report.html"):
        assert f"{name}: is a symbolic link" in refused(run_command(evaluate.main, *options))
        (run / name).unlink()
    done = run_command(evaluate.main, *options)
    assert done.status == 0, done.stderr
    assert precious.read_text() == "a"
    assert not list(elsewhere.iterdir())
    assert (run / "report.html").read_text() == "page"


@pytest.mark.parametrize(
    "left", [["start", "players"], ["phase_1.yaml"], [f".config.yaml.{RANDOM}"]]
)
def test_a_run_that_was_stopped_before_it_began_begins_anew(left, run_command, tmp_path):
    run = tmp_path / "run"
    for name in (".lock", *left):
        place = run / name if "." in name else run / name / "config.yaml"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("")
    message = refused(run_command(train.main, "--resume", run))
    assert f"use the command that began it once more, with --run-dir {run}" in message
    done = run_command(train.main, *COMMAND, "--run-dir", run)
    assert done.status == 0, done.stderr
    assert not any((run / name).exists() for name in left)


@pytest.mark.parametrize(
    "kept", [["notes.txt"], [".lock", "notes.txt"], ["start"], [".lock", "a.tmp"]]
)
def test_a_folder_with_anything_else_in_it_is_left_alone(kept, run_command, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    for name in kept:
        (run / name).write_text("")
    message = refused(run_command(train.main, *COMMAND, "--run-dir", run))
    assert "exists and is not an empty folder; choose another" in message
    assert sorted(path.name for path in run.iterdir()) == sorted(kept)


def test_the_manifest_and_the_configuration_are_the_first_files_of_a_run(tmp_path):
    disk = Disk(tmp_path / "run")
    with failing(disk):
        train_small(disk.folder)
    written = [call for call in disk.calls if call.startswith(("open", "rename", "replace"))]
    names = dict.fromkeys(re.sub(r"\.[0-9a-f]{16}\.tmp", "", call) for call in written)
    first = [".lock", ".manifest.lock", ".manifest.json", ".config.yaml"]
    assert [name.split()[1] for name in names if name.startswith("open")][:4] == first


def test_what_was_half_written_goes_when_the_run_goes_on(run, run_command):
    left = [run / f".config.yaml.{RANDOM}", run / "players" / "store" / f".best_model.zip.{RANDOM}"]
    kept = [run / f".evaluation.json.{RANDOM}", run / "my.tmp"]
    left[1].parent.mkdir(parents=True)
    for path in left + kept:
        path.write_text("")
    assert run_command(train.main, "--resume", run).status == 0
    assert [path.exists() for path in left + kept] == [False, False, True, True]


def test_a_run_that_is_killed_while_it_is_made_longer_is_not_finished(
    run, monkeypatch, run_command
):
    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_files, "write", after_one(run_files.write, die))
        done = run_command(train.main, "--resume", run, "--timesteps", 160, "--quiet")
        assert done.status == 130
    assert not run_folder.is_finished(run)
    done = run_command(train.main, "--resume", run, "--timesteps", 160, "--quiet")
    assert "trained 160 steps" in done.stderr


def after_one(real, then):
    calls = []

    def called(*arguments):
        calls.append(arguments)
        return real(*arguments) if len(calls) == 1 else then()

    return called


def test_a_length_that_cannot_be_leaves_the_run_as_it_is(run, run_command):
    before = (run / "config.yaml").read_bytes()
    message = refused(run_command(train.main, "--resume", run, "--timesteps", 10**13))
    assert "timesteps = 10000000000000" in message
    assert (run / "config.yaml").read_bytes() == before
    assert run_folder.is_finished(run)


def test_results_are_printed_before_a_folder_that_cannot_be_written_is(run, run_command):
    disk = Disk(run, at=1, lasting=True)
    with failing(disk):
        options = ("--checkpoint", run, "--episodes", 5, "--baselines", "none", "--json")
        done = run_command(evaluate.main, *options)
    assert "evaluation.json" in refused(done)
    assert "No space left on device; fix that and try again" in done.stderr
    assert json.loads(done.stdout)


def test_versions_that_were_altered_are_refused(run):
    assert run_folder.is_finished(run)
    (run / run_files.VERSIONS).write_text("[" * 100_000)
    with pytest.raises(InputError, match="was altered"):
        run_folder.read_versions(run)
    (run / run_files.VERSIONS).unlink()
    os.mkfifo(run / run_files.VERSIONS)  # and not waited for
    with pytest.raises(InputError, match="not a regular file"):
        run_folder.read_versions(run)


def test_a_folder_that_is_gone_is_not_said_to_hold_a_checkpoint(tmp_path, monkeypatch):
    write = checkpoints.write

    def write_and_remove(*arguments):
        write(*arguments)
        shutil.rmtree(tmp_path / "run")

    monkeypatch.setattr(checkpoint_files, "write", write_and_remove)
    with pytest.raises(InputError, match="the folder is gone, so train anew"):
        train_small(tmp_path / "run")


def broken_at_each_call(folder, write):
    """Carry out `write` with a disk that fails at each of its calls; return how many there are."""
    disk = Disk(folder)
    with failing(disk):
        write()
    for at in range(1, len(disk.calls) + 1):
        for lasting in (False, True):
            with failing(Disk(folder, at, lasting=lasting)), suppress(OSError):
                write()
            yield disk.calls[at - 1]


def test_a_file_is_the_old_one_or_the_new_one(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    count = 0
    for call in broken_at_each_call(tmp_path, lambda: write_whole(path, b"new" * 9999)):
        assert path.read_bytes() in (b"old", b"new" * 9999), call
        path.write_bytes(b"old")
        count += 1
    assert count > 10


# before numpy 2.3, `savez` leaves its archive open where the disk fails
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_checkpoint_is_whole_or_not_there(tmp_path):
    """And with it, one that was there before is whole."""
    state, files = {"a": np.arange(5)}, {"file": b"content"}
    checkpoints.write(tmp_path, 1, state, files)
    last = tmp_path / run_files.CHECKPOINTS / "2"
    shutil.rmtree(last, ignore_errors=True)
    count = 0
    for call in broken_at_each_call(tmp_path, lambda: checkpoints.write(tmp_path, 2, state, files)):
        saved, wrong = checkpoints.newest(tmp_path, FrozenModel)
        assert saved is not None, call
        assert saved.steps == (2 if last.exists() else 1), call
        assert not wrong, (call, wrong)
        shutil.rmtree(last, ignore_errors=True)
        count += 1
    assert count > 30


@pytest.mark.parametrize("lasting", [False, True])
def test_a_disk_that_fails_at_any_call_costs_no_more_than_that(lasting, tmp_path):
    """A sample of the calls; ``python -m tests.soak.break_disk`` takes them all."""
    calls, expected = break_disk.undisturbed("ppo", tmp_path / "whole")
    for at in range(3 + lasting, len(calls), len(calls) // 4):
        error = break_disk.ERRORS[at % len(break_disk.ERRORS)]
        wrong = break_disk.attempt("ppo", Disk(tmp_path / "run", at, error, lasting), expected)
        assert not wrong, (calls[at - 1], wrong)
