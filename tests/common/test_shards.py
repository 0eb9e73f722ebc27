"""Shards over processes: the same results, whoever does them and whoever dies."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.errors import InputError
from common.shards import GRACE, Workers, describe, iterate_shards, map_shards

ROOT = Path(__file__).parents[2]


def square(shared, shard, report):
    report(0.5)
    return shared + shard**2


def die_once(folder, shard, _):
    """Kill the process that does shard 1, the first time."""
    mark = Path(folder, "died")
    if shard == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return shard


def die(_shared, shard, _report):
    if shard == 1:
        os._exit(7)
    return shard


def refuse(_shared, shard, _report):
    raise InputError(f"shard {shard}: is no good")


def fail(marks, shard, _):
    Path(marks, f"{shard}_{time.monotonic_ns()}").touch()
    raise KeyError(shard)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order_and_progress_to_its_end(workers):
    shares = []
    done = map_shards(square, 10, range(5), Workers(workers), progress=shares.append)
    assert done == [10, 11, 14, 19, 26]
    assert shares[-1] == 1.0
    assert shares == sorted(shares)


def test_a_killed_worker_costs_its_shard_alone(tmp_path):
    assert map_shards(die_once, str(tmp_path), range(3), Workers(2)) == [0, 1, 2]


def test_a_shard_that_kills_twice_is_named_and_the_others_are_kept():
    outcomes = list(iterate_shards(die, None, range(3), Workers(2)))
    assert {one.index: one.value for one in outcomes} == {0: 0, 1: None, 2: 2}
    with pytest.raises(InputError, match=r"shard 1 of 3 failed 2 times: .*exit status 7"):
        map_shards(die, None, range(3), Workers(2))


@pytest.mark.parametrize("workers", [1, 2])
def test_bad_input_is_not_tried_again_but_other_failures_are(workers, tmp_path):
    with pytest.raises(InputError, match="shard 0: is no good"):
        map_shards(refuse, None, [0], Workers(workers))
    with pytest.raises(InputError, match=r"failed 2 times: KeyError: 0"):
        map_shards(fail, str(tmp_path), [0], Workers(workers))
    assert len(list(tmp_path.iterdir())) == 2


def test_an_error_is_one_line_in_full_or_cut():
    assert describe(KeyError("a mistake")) == "KeyError: 'a mistake'"
    assert describe(RuntimeError("one\ntwo")) == "RuntimeError: one two"
    assert describe(InputError("n = 3: at most 2")) == "n = 3: at most 2"
    assert describe(RuntimeError("x" * 300)) == f"RuntimeError: {'x' * 182}..."


SLEEPER = """
import os, time
from pathlib import Path
from common.shards import Workers, map_shards

def sleep(folder, shard, report):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    import sys
    map_shards(sleep, sys.argv[1], [0, 1], Workers(2))
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interruption_leaves_nothing_running(number, tmp_path):
    script, folder = tmp_path / "sleeper.py", tmp_path / "pids"
    script.write_text(SLEEPER)
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, script, folder], env=environment, stderr=subprocess.PIPE
    )
    while len(list(folder.iterdir())) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    process.communicate(timeout=60)
    deadline = time.monotonic() + 30 + GRACE  # a busy machine; two seconds on a quiet one
    pids = [int(path.name) for path in folder.iterdir()]
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, pids))
