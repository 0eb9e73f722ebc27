"""One run that shares out what it computes over threads."""

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import cloudpickle
import pytest

from common import console, sharing
from common.errors import InputError
from common.shards import Workers
from common.sharing import map_threads, share_out
from tests.agents.dcl.shared_out import all_labels
from tests.common.test_shards import square

ROOT = Path(__file__).parents[2]


def test_threads_return_what_one_does_in_order():
    wanted = map_threads(square, 10, range(5))
    with share_out(Workers(3)):
        assert map_threads(square, 10, range(5)) == wanted == [10, 11, 14, 19, 26]


def test_a_failure_in_a_thread_is_its_own_and_what_was_set_is_put_back():
    def refuse(shared, shard, report):
        raise InputError(f"shard {shard}: is no good")

    with pytest.raises(InputError, match="shard 0: is no good"), share_out(Workers(2)):
        map_threads(refuse, None, [0, 1])


INTERRUPTED_WORK = """
import signal, threading
import click
from common import console
from common.sharing import map_threads

begun = threading.Event()

def for_ever(shared, shard, report):
    begun.set()
    threading.Event().wait()

def interrupt():
    begun.wait()
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # it may be waiting

@click.command()
def main():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    threading.Thread(target=interrupt, daemon=True).start()
    map_threads(for_ever, None, range(8), 2)

console.run(main)
"""


def test_ctrl_c_ends_the_process_whatever_threads_still_do(tmp_path):
    script = tmp_path / "for_ever.py"
    script.write_text(INTERRUPTED_WORK)
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "interrupted")


@contextmanager
def as_on_a_cluster(monkeypatch):
    """Let what shards share arrive as it does at a worker of a cluster, without one."""

    def travelled(work, shared, shards, place, *, progress):
        assert place.cluster == "nowhere"
        kept = cloudpickle.loads(cloudpickle.dumps(shared))
        return [work(kept, shard, lambda _share: None) for shard in shards]

    monkeypatch.setattr(sharing, "map_shards", travelled)
    token = sharing._place.set(Workers(cluster="nowhere"))
    yield
    sharing._place.reset(token)


def test_labels_do_not_depend_on_who_makes_them(monkeypatch):
    wanted = all_labels()
    with share_out(Workers(2)):
        assert all_labels() == wanted
    with as_on_a_cluster(monkeypatch):
        assert all_labels() == wanted


def test_ctrl_c_begins_nothing_more_and_leaves_threads_behind(monkeypatch):
    monkeypatch.setattr(console, "_threads_left", threading.Event())
    gate, begun = threading.Event(), []

    def work(shared, shard, report):
        begun.append(shard)
        if shard > 0:
            gate.wait(10)
        return shard

    def interrupt(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        map_threads(work, None, range(50), 2, progress=interrupt)
    gate.set()
    assert console._threads_left.is_set()
    assert len(begun) < 50
