"""Arrays kept between runs in the user's cache folder, so that they need not be recomputed.

An entry's key is a digest of all inputs that it was computed from; it can be removed at any time.
"""

import io
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.compiled import user_cache
from common.errors import InputError
from common.files import read_arrays, write_whole

MOST_BYTES = 2 << 30
"""Limit on the whole cache; the least recently used entries are removed first."""


_LOCKS: dict[str, threading.Lock] = {}
"""Locks of the keys that were asked for."""


def made_once(
    key: str | None, make: Callable[[], dict[str, NDArray[Any]]]
) -> dict[str, NDArray[Any]]:
    """Return the arrays kept under a key, else make and keep them; without a key, only make them.

    If several threads ask for the same key at once, one makes the arrays and the others wait.
    """
    if key is None:
        return make()
    with _LOCKS.setdefault(key, threading.Lock()):
        found = find_arrays(key)
        if found is None:
            found = make()
            keep_arrays(key, found)
    return found


def find_arrays(key: str) -> dict[str, NDArray[Any]] | None:
    """Return the arrays kept under a key, None if there are none or the file is damaged."""
    path = _folder() / f"{key}.npz"
    try:
        found = read_arrays(path, path.name, MOST_BYTES)
        path.touch()
    except (InputError, OSError):
        return None
    return found


def keep_arrays(key: str, arrays: dict[str, NDArray[Any]]) -> None:
    """Keep arrays of numbers under a key; do nothing if the folder cannot be written."""
    folder, content = _folder(), io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    with suppress(OSError, InputError):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / f"{key}.npz", content.getvalue())
        _remove_oldest(folder)


def _folder() -> Path:
    return user_cache() / "arrays"


def _remove_oldest(folder: Path) -> None:
    kept = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
    held = 0
    for path in kept:
        held += path.stat().st_size
        if held > MOST_BYTES:
            path.unlink(missing_ok=True)
