"""One process at a time in a run folder."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inventory.errors import InputError

NAME = ".lock"


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep every other process out of a run folder while this one trains in it.

    The lock goes with the process, however it ends; the file that carries it stays.

    Raises
    ------
    InputError
        If another process holds it, or the folder cannot be written.
    """
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        number = os.open(folder / NAME, flags, 0o666)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {_why(error)}") from None
    try:
        _take(number, folder)
        yield
    finally:
        os.close(number)


def _take(number: int, folder: Path) -> None:
    """Lock the open file and write this process's number into it."""
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(number, 0)
        os.write(number, str(os.getpid()).encode())
    except BlockingIOError:
        holder = os.read(number, 20).decode(errors="replace").strip()
        raise InputError(
            f"{folder}: process {holder} is training in it; wait for its end, or stop it"
        ) from None
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {_why(error)}") from None


def _why(error: OSError) -> str:
    linked = error.errno == errno.ELOOP
    told = f"its {NAME} is a symbolic link; remove it"
    return told if linked else f"{error.strerror}; mend that, or train in another folder"
