"""The log of a learner: what a forged checkpoint may not put there, and what others say."""

import importlib
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from stable_baselines3.common.logger import Logger

from common.errors import InputError
from training.logger import load_log_state, log_state, silent_writers, wandb_run


def filled(home):
    log = Logger(str(home), [])
    log.record("train/loss", 0.5)
    log.record_mean("rollout/length", 3.0)
    log.record("note", "calm", exclude="csv")
    return log


def test_what_was_not_written_is_taken_up(tmp_path):
    state, again = log_state(filled(tmp_path)), Logger(str(tmp_path), [])
    load_log_state(again, state)
    assert log_state(again) == state
    again.record_mean("rollout/length", 5.0)
    assert again.name_to_value["rollout/length"] == 4.0


@pytest.mark.parametrize(
    ("forged", "message"),
    [
        ({"values": {"train/loss": "0.5"}}, "holds what is no number"),
        ({"values": {"train/loss": [0.5]}}, "holds what is no number"),
        ({"values": {3: 0.5}}, "holds what is no number"),
        ({"counts": {"rollout/length": -1}}, "a count of the log"),
        ({"excluded": {"note": ("csv", "elsewhere")}}, "excludes an unknown output"),
        ({"excluded": {"note": "csv"}}, "excludes an unknown output"),
    ],
)
def test_a_forged_log_is_refused_before_any_of_it_is_taken(tmp_path, forged, message):
    state, log = log_state(filled(tmp_path)), Logger(str(tmp_path), [])
    with pytest.raises(ValueError, match=message):
        load_log_state(log, {**state, **forged})
    assert not log.name_to_value
    assert not log.name_to_count


def test_writers_are_silent_about_files_alone(monkeypatch):
    said = []
    monkeypatch.setattr(threading, "excepthook", lambda what: said.append(what.exc_type))

    def fail(error):
        raise error

    with silent_writers():
        for error in (OSError("no space left"), KeyError("a mistake")):
            writer = threading.Thread(target=fail, args=(error,))
            writer.start()
            writer.join()
    assert said == [KeyError]


def client(monkeypatch, init):
    """Let there be a client of Weights & Biases that begins runs so."""
    found = importlib.import_module
    stand_in = {"wandb": SimpleNamespace(init=init)}
    monkeypatch.setattr(importlib, "import_module", lambda name: stand_in.get(name) or found(name))


def test_a_run_of_wandb_lasts_as_long_as_training(monkeypatch):
    seen = []

    @contextmanager
    def run(**options):
        seen.append(options)
        yield
        seen.append("finished")

    client(monkeypatch, run)
    with wandb_run("shop"):
        assert seen == [{"project": "shop", "sync_tensorboard": True}]
    assert seen[1:] == ["finished"]


def test_a_run_of_wandb_that_cannot_begin_is_one_line(monkeypatch):
    def refuse(**_):
        raise RuntimeError("no API key")

    client(monkeypatch, refuse)
    with pytest.raises(InputError, match=r"^--wandb shop: no API key; or set WANDB_MODE=offline$"):
        wandb_run("shop").__enter__()
