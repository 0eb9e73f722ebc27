"""Locks on folders, released when the process that holds them ends, however it ends."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl

PATIENCE = 0.1
"""How long to try for a lock, as a process that checks it holds it for a moment [s]."""


@contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    """Lock the folder itself, as a lock file in it could be removed; does nothing on Windows.

    Raises
    ------
    BlockingIOError
        If another process holds it.
    OSError
        If the folder cannot be opened.
    """
    if sys.platform == "win32":
        yield
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        end = time.monotonic() + PATIENCE
        while not _locks(number, fcntl.LOCK_EX):
            if time.monotonic() > end:
                raise BlockingIOError(f"{folder}: is locked")
            time.sleep(PATIENCE / 10)
        yield
    finally:
        os.close(number)


def is_folder_locked(folder: Path) -> bool:
    """Return whether a process holds a folder; False if that cannot be determined."""
    if sys.platform == "win32":
        return False
    try:
        number = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _locks(number, fcntl.LOCK_SH)
    finally:
        os.close(number)


if sys.platform != "win32":

    def _locks(number: int, kind: int) -> bool:
        """Return whether nobody else holds an open folder; if so, lock it where possible."""
        try:
            fcntl.flock(number, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # a file system that cannot lock folders
        return True
