"""Forged checkpoints, a few: ``python -m tests.fuzz.forge_checkpoints`` takes thousands."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
import torch

import evaluate
import train
from agents import run_files
from agents.weights import read_tensors
from tests.fuzz import forge_checkpoints as forgery


@pytest.mark.parametrize("kind", forgery.KINDS)
def test_nothing_forged_crashes_hangs_or_ends_in_a_traceback(kind, tmp_path):
    outcomes, wrong = forgery.attack(kind, 12, tmp_path)
    assert not wrong, "\n".join(wrong)
    assert outcomes["refused"] > 2


def test_with_a_key_nothing_forged_is_taken_up(tmp_path, monkeypatch):
    monkeypatch.setenv(run_files.KEY, "secret")
    outcomes, wrong = forgery.attack("dqn", 8, tmp_path)
    assert not wrong, "\n".join(wrong)
    assert outcomes == {"refused": 8}


def test_a_child_that_spins_is_called_a_hang(tmp_path, monkeypatch):
    def spin(*_, **__):
        while True:
            pass

    monkeypatch.setattr(forgery, "SECONDS", 1)
    monkeypatch.setattr(forgery, "resume", spin)
    assert forgery.outcome(tmp_path) == "hang"


def find(value, key):
    if isinstance(value, dict):
        for name, part in value.items():
            if name == key:
                yield part
            yield from find(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from find(part, key)


@pytest.fixture(scope="module")
def cash(tmp_path_factory):
    return forgery.make("dqn", tmp_path_factory.mktemp("forged") / "run")


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("exp_avg", lambda old: old.reshape(-1)[:1]),
        ("worlds", lambda old: np.where(old == old, 1e9, old)),
        ("worlds", lambda old: np.where(old == old, -1e9, old)),
        ("demand", lambda old: old[:, :1]),
        ("actions", lambda old: old + 1000),
    ],
    ids=["moments", "steps", "steps below 0", "a short trace", "actions"],
)
def test_what_compiled_code_would_trust_is_refused(key, change, cash, tmp_path):
    run = shutil.copytree(cash, tmp_path / "run")
    folder = forgery.newest(run)
    state = json.loads((folder / run_files.STATE).read_bytes())
    place = next(find(state, key))
    number = (place.get("$array") or place.get("$tensor")) if isinstance(place, dict) else None
    with np.load(folder / run_files.ARRAYS) as file:
        arrays = dict(file)
    arrays[number] = change(arrays[number])
    made = io.BytesIO()
    np.savez(made, **arrays)
    forgery._put(folder, run_files.ARRAYS, made.getvalue())
    assert forgery.outcome(run) == "refused"


@pytest.mark.parametrize("command", ["evaluate", "train from it"])
def test_weights_whose_outputs_overflow_end_with_status_3(command, cash, run_command, tmp_path):
    """Finite weights of 3e38 make Q infinite or NaN, of which an argmax is an action like any."""
    run = shutil.copytree(cash, tmp_path / "run")
    for name in (run_files.BEST, run_files.FINAL):
        _fill_weights(run / name, 3e38)
    if command == "evaluate":
        arguments = ("--checkpoint", run, "--episodes", 2, "--baselines", "none")
        done = run_command(evaluate.main, *arguments)
    else:
        arguments = ("--from", run, "--config", run / run_files.CONFIG, "--quiet")
        done = run_command(train.main, *arguments, "--run-dir", tmp_path / "new")
    assert done.status == 3, done
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert not done.stdout


def _fill_weights(path, value):
    """Forge a model: its digest in the manifest fits."""
    content = path.read_bytes()
    weights = read_tensors(content, path.name, 1_000_000)
    made, forged = io.BytesIO(), io.BytesIO()
    torch.save({name: torch.full_like(weight, value) for name, weight in weights.items()}, made)
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(forged, "w") as new:
        for member in old.namelist():
            is_weights = member == run_files.WEIGHTS
            new.writestr(member, made.getvalue() if is_weights else old.read(member))
    run_files.write(path, forged.getvalue())
