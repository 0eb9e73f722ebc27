"""A disk that fails: at one of the calls that write under a folder, or from it on.

What is counted is what changes the disk: opening for writing, writing, flushing, truncating,
renaming, removing, making folders.
"""

import builtins
import errno
import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

OF_PATHS = ("mkdir", "unlink", "remove", "rmdir", "rename", "replace", "truncate")
OF_NUMBERS = ("write", "fsync", "ftruncate")


@dataclass
class Disk:
    """Counts the calls, and fails at number `at` (from 1) with `error`, or from there on.

    Attributes
    ----------
    calls : list of str
        What was called so far.
    """

    folder: Path
    at: int = 0
    error: int = errno.ENOSPC
    lasting: bool = False
    calls: list[str] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def call(self, what: str, path: object) -> None:
        """Count a call, and raise if it is its turn to fail."""
        named = f"{what} {Path(str(path)).name}"
        with self.lock:
            again = self.calls[-1:] == [named]  # more of one writing counts once
            self.calls += [] if again else [named]
            count = len(self.calls)
        once = count == self.at and not again
        if self.at and (once or (self.lasting and count >= self.at)):
            raise OSError(self.error, os.strerror(self.error), str(path))

    def holds(self, path: object) -> bool:
        """Return whether a path lies under the folder."""
        if not isinstance(path, str | os.PathLike):
            return False
        return Path(os.path.abspath(path)).is_relative_to(self.folder)  # noqa: PTH100


class File:
    """A file whose writing calls are counted."""

    def __init__(self, file: Any, disk: Disk) -> None:
        self._file, self._disk = file, disk

    def __getattr__(self, name: str) -> Any:
        known = getattr(self._file, name)
        if name not in ("write", "writelines", "flush", "truncate", "close"):
            return known

        def counted(*arguments: Any) -> Any:
            if name == "close":
                return self._close()
            self._disk.call(name, self._file.name)
            return known(*arguments)

        return counted

    def _close(self) -> None:
        try:
            if not self._file.closed:
                self._disk.call("close", self._file.name)
        except OSError:
            with suppress(OSError):
                self._file.close()
            raise
        self._file.close()

    def __enter__(self) -> "File":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)


@contextmanager
def failing(disk: Disk) -> Iterator[Disk]:
    """Let all that this process writes under the disk's folder go through it."""
    opened = _open(disk)
    with (
        mock.patch.multiple(os, **_of_os(disk)),
        mock.patch.object(io, "open", opened),
        mock.patch.object(builtins, "open", opened),
    ):
        yield disk


def _open(disk: Disk) -> Callable[..., Any]:
    real = io.open

    def opened(file: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
        if not disk.holds(file) or not set(mode) & set("wax+"):
            return real(file, mode, *more, **options)
        disk.call("open", file)
        return File(real(file, mode, *more, **options), disk)

    return opened


def _of_os(disk: Disk) -> dict[str, Callable[..., Any]]:
    def by_path(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(path: Any, *more: Any, **options: Any) -> Any:
            if disk.holds(path):
                disk.call(name, path)
            return real(path, *more, **options)

        return called

    def by_number(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(number: int, *more: Any) -> Any:
            path = os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115
            if disk.holds(path):
                disk.call(name, path)
            return real(number, *more)

        return called

    def opened(path: Any, flags: int, *more: Any, **options: Any) -> int:
        if disk.holds(path) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            disk.call("open", path)
        return number_of(path, flags, *more, **options)

    number_of = os.open
    paths = {name: by_path(name, getattr(os, name)) for name in OF_PATHS}
    numbers = {name: by_number(name, getattr(os, name)) for name in OF_NUMBERS}
    return {**paths, **numbers, "open": opened}
