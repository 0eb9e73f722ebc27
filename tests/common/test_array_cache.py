"""What is kept between runs: found again, bounded, never trusted where it is damaged."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from common import array_cache
from common.array_cache import find_arrays, keep_arrays, made_once
from common.compiled import user_cache


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_what_is_kept_is_found_by_its_key_alone():
    assert find_arrays("one") is None
    keep_arrays("one", {"values": np.arange(6.0).reshape(2, 3), "flags": np.array([True, False])})
    found = find_arrays("one")
    assert found["values"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["flags"].dtype == bool
    assert find_arrays("two") is None


def test_what_is_damaged_is_not_there():
    keep_arrays("one", {"values": np.zeros(3)})
    (path,) = user_cache().rglob("*.npz")
    path.write_bytes(path.read_bytes()[:-40])
    assert find_arrays("one") is None


def test_the_oldest_go_where_there_is_too_much(monkeypatch):
    monkeypatch.setattr(array_cache, "MOST_BYTES", 3000)
    for key in ("one", "two", "three"):
        keep_arrays(key, {"values": np.zeros(100)})
        for path in user_cache().rglob("*.npz"):  # all a little older, whatever the clock's steps
            moment = path.stat().st_mtime_ns - 10**9
            os.utime(path, ns=(moment, moment))
    assert find_arrays("one") is None
    assert find_arrays("three") is not None


def test_a_folder_that_cannot_be_written_is_no_error(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    keep_arrays("one", {"values": np.zeros(3)})
    assert find_arrays("one") is None


def test_of_threads_that_ask_for_the_same_one_makes_it():
    made, begun = [], threading.Barrier(3, timeout=10)

    def make():
        made.append(threading.get_ident())
        return {"values": np.arange(3.0)}

    def ask(_):
        begun.wait()
        return made_once("one", make)["values"].tolist()

    with ThreadPoolExecutor(3) as pool:
        assert [*pool.map(ask, range(3))] == [[0.0, 1.0, 2.0]] * 3
    assert len(made) == 1
