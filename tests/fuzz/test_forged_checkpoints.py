"""Forged checkpoints, a few: ``python -m tests.fuzz.forge_checkpoints`` takes thousands."""

import io
import json
import shutil

import numpy as np
import pytest

from agents import run_files
from tests.fuzz import forge_checkpoints as forgery


@pytest.mark.parametrize("kind", forgery.KINDS)
def test_nothing_forged_crashes_hangs_or_ends_in_a_traceback(kind, tmp_path):
    outcomes, wrong = forgery.attack(kind, 12, tmp_path)
    assert not wrong, "\n".join(wrong)
    assert outcomes["refused"] > 2


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
