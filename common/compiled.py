"""The decorator of every compiled function, and the location of its compilation cache.

Numba notices a change in the file of a cached function but not in the files it calls, so the cache
lies in a folder named by a digest of every source that may hold compiled code: edit the law of
motion, and every solver that calls it is compiled anew.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, overload

import numba

CHECKOUT = Path(__file__).resolve().parent.parent
COMPILED_ROOMS = "common", "demand", "envs", "baselines", "agents/dcl"
"""Packages with compiled functions; no other may hold one."""


def source_digest(checkout: Path = CHECKOUT) -> str:
    """Return a digest of the names and contents of all sources that may hold compiled functions."""
    digest = hashlib.sha256()
    for room in COMPILED_ROOMS:
        for source in sorted((checkout / room).rglob("*.py")):
            digest.update(f"{source.relative_to(checkout)}\0".encode() + source.read_bytes())
    return digest.hexdigest()[:16]


def user_cache() -> Path:
    """Return the user's cache folder, for files that programs can recreate."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    return Path(home) / "inventory-rl"


def _cache_homes() -> list[Path]:
    """Return candidate cache folders: the user's choice, else the checkout, else under home."""
    if "NUMBA_CACHE_DIR" in os.environ:
        return [Path(os.environ["NUMBA_CACHE_DIR"])]
    return [CHECKOUT / "common" / "__pycache__", user_cache()]


def _make_cache(homes: list[Path]) -> Path | None:
    """Make the cache folder in the first of `homes` that can be written, if there is one."""
    name = f"numba-{SOURCES}"
    for home in homes:
        try:
            (home / name).mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=home / name).close()
        except OSError:
            continue
        return home / name
    return None


SOURCES = source_digest()
"""Digest of the sources that this process runs."""

_homes = _cache_homes()
_cache = _make_cache(_homes)
if _cache is None:
    print(
        f"compiled functions cannot be kept in {' or '.join(map(str, _homes))} (not writable), so "
        "every start compiles them anew; set NUMBA_CACHE_DIR to a folder that can be written",
        file=sys.stderr,
    )
else:
    numba.config.CACHE_DIR = str(_cache)  # type: ignore[attr-defined]

Function = TypeVar("Function", bound=Callable[..., Any])


@overload
def compiled(function: Function) -> Function: ...
@overload
def compiled(**options: Any) -> Callable[[Function], Function]: ...


def compiled(function: Any = None, **options: Any) -> Any:
    """Compile a function to machine code at its first call; `options` are those of `numba.njit`.

    It releases the GIL, so that other threads run meanwhile, as with numpy's own functions.
    """
    return numba.njit(function, cache=_cache is not None, nogil=True, **options)
