"""The manifest of a run: what was altered, added or taken away is refused, signed or not."""

import hashlib
import json
import re
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from agents import checkpoints, run_files, run_folder
from common.errors import FrozenModel, InputError, UnreadableError
from tests.agents.small_run import train_small
from tests.soak.faults import Disk, failing
from training.learners.load import load_agent
from training.resume import resume


def load(run):
    return load_agent(*run_folder.find(str(run)))


def configurations(run):
    return [run_folder.read_config(path) for path in run_folder.players(run).values()]


@pytest.mark.parametrize("name", ["config.yaml", "best_model.zip", "manifest.json"])
def test_what_was_altered_is_refused(name, run):
    load(run)
    content = bytearray((run / name).read_bytes())
    content[content.index(b"a" if name != "best_model.zip" else b"PK") + 40] ^= 1
    (run / name).write_bytes(content)
    with pytest.raises(InputError, match=r"altered|damaged"):
        load(run)


@pytest.mark.parametrize("name", ["best_model.zip", "config.yaml", "manifest.json"])
def test_what_was_taken_away_is_missed(name, run):
    (run / name).unlink()
    with pytest.raises(InputError, match=f"no such file|holds no {name}"):
        load(run)


@pytest.mark.parametrize("where", ["phase_1", "players/store", "players/warehouse"])
def test_what_was_planted_is_refused(where, run):
    home = run / where
    home.mkdir(parents=True)
    for name in ("config.yaml", "model.zip"):
        shutil.copy(run / name, home / name)
    with pytest.raises(InputError, match=r"is none of the run's files \(manifest.json\); remove"):
        configurations(run)


def test_a_key_signs_runs_and_refuses_others(finished, tmp_path, monkeypatch):
    monkeypatch.setenv(run_files.KEY, "secret")
    with pytest.raises(UnreadableError, match=r"manifest.json: is not signed \(RUN_KEY\)"):
        load(finished)
    run = train_small(tmp_path / "signed")
    load(run)
    monkeypatch.setenv(run_files.KEY, "another")
    with pytest.raises(UnreadableError, match="was altered or signed with another key"):
        load(run)
    monkeypatch.delenv(run_files.KEY)
    load(run)  # whoever has no key compares digests
    with pytest.raises(InputError, match="is signed; set RUN_KEY"):
        resume(run, timesteps=160)
    monkeypatch.setenv(run_files.KEY, "secret")
    resume(run, timesteps=160)
    content = (run / "config.yaml").read_bytes().replace(b"gamma", b"gamma ")
    (run / "config.yaml").write_bytes(content)
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["files"]["config.yaml"] = [hashlib.sha256(content).hexdigest()]
    (run / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UnreadableError, match="was altered"):
        load(run)


def test_a_signed_run_takes_up_signed_checkpoints_alone(tmp_path, monkeypatch):
    monkeypatch.setenv(run_files.KEY, "secret")
    run = train_small(tmp_path / "signed")
    last = run / run_files.CHECKPOINTS / str(checkpoints.found(run)[-1])
    listed = json.loads((last / run_files.SUMS).read_text())
    for signature in (None, "0" * 64):
        (last / run_files.SUMS).write_text(json.dumps({**listed, "signature": signature}))
        with pytest.raises(UnreadableError, match="RUN_KEY"):
            resume(run, timesteps=160)
        assert last.is_dir()


def test_a_checkpoint_of_another_signed_run_is_refused(tmp_path, monkeypatch):
    """The key is the same and the sums fit; what is signed names the run."""
    monkeypatch.setenv(run_files.KEY, "secret")
    run, other = train_small(tmp_path / "one"), train_small(tmp_path / "other")
    last = checkpoints.found(run)[-1]
    shutil.rmtree(run / run_files.CHECKPOINTS / str(last))
    shutil.copytree(*(place / run_files.CHECKPOINTS / str(last) for place in (other, run)))
    with pytest.raises(UnreadableError, match="altered or signed with another key"):
        resume(run, timesteps=160)
    moved = other.rename(tmp_path / "moved")
    resume(moved, timesteps=160)


def test_a_kill_at_any_call_leaves_a_file_and_its_digest_in_order(tmp_path):
    """One of two generations, and the manifest knows either."""
    run_files.begin(tmp_path)
    path = tmp_path / "file"
    run_files.write(path, b"old")
    disk = Disk(tmp_path)
    with failing(disk):
        run_files.write(path, b"new")
    for at in range(1, len(disk.calls) + 1):
        run_files.write(path, b"old")
        with failing(Disk(tmp_path, at, lasting=True)), suppress(OSError):
            run_files.write(path, b"new")
        assert run_files.read(path, 100) in (b"old", b"new"), disk.calls[at - 1]
    run_files.remove(path)
    assert not run_files.exists(path)


def test_a_file_that_is_replaced_while_it_is_read_is_not_altered(tmp_path, monkeypatch):
    run_files.begin(tmp_path)
    path, plain, news = tmp_path / "file", run_files.read_bytes, [b"new"]
    run_files.write(path, b"old")

    def replaced_meanwhile(name, limit):
        if name == path and news:
            run_files.write(path, news.pop())
        return plain(name, limit)

    monkeypatch.setattr(run_files, "read_bytes", replaced_meanwhile)
    assert run_files.read(path, 100) == b"new"
    path.write_bytes(b"altered")
    with pytest.raises(InputError, match="was altered"):
        run_files.read(path, 100)


def test_a_run_without_a_manifest_is_of_an_earlier_version(run):
    (run / "manifest.json").unlink()
    with pytest.raises(InputError, match="was trained by an earlier version"):
        load(run)
    with pytest.raises(InputError, match="was trained by an earlier version"):
        resume(run)


def test_a_folder_that_went_away_is_not_made_anew(tmp_path):
    with pytest.raises(FileNotFoundError, match="run"):
        run_files.write(tmp_path / "run" / run_files.CONFIG, b"algo: ppo")
    assert not (tmp_path / "run").exists()


def test_checkpoints_read_back(tmp_path):
    checkpoints.write(tmp_path, 5, {"a": 1}, {"file": b"x"})
    saved, wrong = checkpoints.newest(tmp_path, FrozenModel)
    assert saved is not None
    assert (saved.steps, saved.state, saved.files, wrong) == (5, {"a": 1}, {"file": b"x"}, [])


def test_names_of_a_run_folder_stand_in_one_file():
    root = Path(__file__).parents[2]
    names = [
        *("config.yaml", "model.zip", "best_model.zip", "versions.json", "tuned.json"),
        *("progress.csv", "manifest.json", "sha256.json", "state.json", "arrays.npz"),
    ]
    quoted = re.compile("|".join(f"[\"']{re.escape(name)}[\"']" for name in names))
    for room in ("agents", "training", "commands", "evaluation", "studies"):
        for path in (root / room).rglob("*.py"):
            if path.name != "run_files.py":
                assert not quoted.search(path.read_text()), path
