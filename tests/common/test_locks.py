import os
import sys
import threading
import time

import pytest

from common.locks import folder_locked, is_folder_locked

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nobody locks folders there")


def test_a_lock_is_seen_and_not_taken(tmp_path):
    assert not is_folder_locked(tmp_path)
    assert not is_folder_locked(tmp_path / "none")
    with folder_locked(tmp_path):
        assert is_folder_locked(tmp_path)
        with pytest.raises(BlockingIOError), folder_locked(tmp_path):
            pass
    assert not is_folder_locked(tmp_path)


def test_whoever_looks_keeps_nobody_out(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    looks = threading.Event()

    def look():
        number = os.open(tmp_path, os.O_RDONLY)
        fcntl.flock(number, fcntl.LOCK_SH)
        looks.set()
        time.sleep(0.02)
        os.close(number)

    looker = threading.Thread(target=look)
    looker.start()
    looks.wait(10)
    with folder_locked(tmp_path):
        assert is_folder_locked(tmp_path)
    looker.join()
