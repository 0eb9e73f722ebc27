"""One process at a time in a run folder."""

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
        file = (folder / NAME).open("a+")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise InputError(
                f"{folder}: process {file.read().strip()} is training in it; wait for its end, "
                "or stop it"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
