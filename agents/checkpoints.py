"""The checkpoints of a run on disk: written whole or not at all, and checked when they are read."""

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from agents.run_files import (
    ARRAYS,
    CHECKPOINTS,
    STATE,
    SUMS,
    check_signature,
    place_of,
    signature_of,
)
from agents.serialization import Arrays, deserialize, serialize
from common.errors import InputError, UnreadableError, short
from common.files import read_arrays, read_bytes

KEPT = 2
"""Number of checkpoints kept: the newest, and the one before in case the newest gets damaged."""

MAX_BYTES = 4 << 30
"""Most bytes of a file; the replay buffer's is the largest."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read.

    Attributes
    ----------
    steps : int
        Environment steps of all learners up to it.
    state : dict
        Nested values.
    files : dict of bytes
        Files kept beside them, by name.
    """

    steps: int
    state: dict[str, Any]
    files: dict[str, bytes]


def found(run: Path) -> list[int]:
    """Return the steps of a run's checkpoints, in rising order."""
    home = run / CHECKPOINTS
    names = os.listdir(home) if home.is_dir() else []  # noqa: PTH208  (glob hides errors)
    return sorted(int(name) for name in names if name.isdecimal())


def write(run: Path, steps: int, state: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Write a checkpoint under a temporary name, flush it, rename it, and drop older ones.

    Raises
    ------
    OSError
        If it cannot be written; then nothing of it is left, and earlier ones are unchanged.
    """
    home = run / CHECKPOINTS
    if home.is_symlink():
        raise NotADirectoryError(errno.ENOTDIR, "is a symbolic link", str(home))
    home.mkdir(exist_ok=True)
    for left in home.glob(".*.tmp"):  # by a process that was killed while it wrote
        shutil.rmtree(left, ignore_errors=True)
    temporary = home / f".{steps}.{secrets.token_hex(8)}.tmp"
    temporary.mkdir()
    try:
        _fill(temporary, run, steps, state, files)
        temporary.rename(home / str(steps))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _flush(home)
    for old in found(run)[:-KEPT]:
        shutil.rmtree(home / str(old), ignore_errors=True)


def _signed(run: Path, steps: int, sums: Mapping[str, str]) -> dict[str, Any]:
    """Return what is signed, including the run, so that another run's checkpoint is refused."""
    return {"run": place_of(run), "steps": steps, "files": sums}


def _fill(
    folder: Path, run: Path, steps: int, state: Mapping[str, Any], files: Mapping[str, bytes]
) -> None:
    arrays: Arrays = {}
    contents = {STATE: json.dumps(serialize(state, arrays)).encode(), **files}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    for name, content in contents.items():
        _put(folder / name, content)
    with (folder / ARRAYS).open("w+b") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
        file.seek(0)
        sums[ARRAYS] = hashlib.file_digest(file, "sha256").hexdigest()
    listed = {"files": sums, "signature": signature_of(_signed(run, steps, sums))}
    _put(folder / SUMS, json.dumps(listed, indent=2).encode())
    for name in (*sums, SUMS):  # all at once: the disk then waits once
        _flush(folder / name)
    _flush(folder)


def _put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _flush(path: Path) -> None:
    """Flush a file or a folder to the disk, so that it survives a crash of the machine."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def newest(run: Path, parameters: type[BaseModel]) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest checkpoint that is whole, and what is wrong with newer ones.

    Parameters
    ----------
    run : Path
        The run's folder.
    parameters : type
        Type of the problem's parameters.

    Raises
    ------
    UnreadableError
        If the system does not let one be read: it may be whole, so it is not skipped.
    """
    wrong: list[str] = []
    for steps in reversed(found(run)):
        try:
            return _read(run, steps, parameters), wrong
        except UnreadableError:
            raise
        except InputError as error:
            wrong.append(str(error))
    return None, wrong


def _read(run: Path, steps: int, parameters: type[BaseModel]) -> Checkpoint:
    """Read a checkpoint and check every file against its checksum."""
    folder = run / CHECKPOINTS / str(steps)
    try:
        listed = json.loads(read_bytes(folder / SUMS, MAX_BYTES))
        sums = listed["files"]
        check_signature(_signed(run, steps, sums), listed["signature"], folder)
        contents = {name: _content(folder, name) for name in sums}
        for name, content in contents.items():
            if hashlib.sha256(content).hexdigest() != sums[name]:
                raise InputError(f"{folder / name}: damaged, its checksum does not fit")
        arrays = read_arrays(contents.pop(ARRAYS), ARRAYS, MAX_BYTES)
        state = deserialize(json.loads(contents.pop(STATE)), arrays, parameters)
    except UnreadableError:
        raise
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None
    except Exception as error:  # a damaged file can fail anywhere in json, zipfile and numpy
        raise InputError(f"{folder}: damaged, cannot be read ({type(error).__name__})") from None
    return Checkpoint(steps, state, contents)


def _content(folder: Path, name: str) -> bytes:
    """Return the content of a file that lies in the checkpoint itself."""
    if Path(name).name != name:
        raise InputError(f"{short(name)} is not the name of a file in it")
    return read_bytes(folder / name, MAX_BYTES)


def forget_after(run: Path, steps: int) -> None:
    """Drop the checkpoints after a number of steps, as they are damaged or of no use."""
    for later in found(run):
        if later > steps:
            shutil.rmtree(run / CHECKPOINTS / str(later), ignore_errors=True)
