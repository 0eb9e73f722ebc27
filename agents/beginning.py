"""How a run's folder begins and ends: claimed, complete before training, marked when finished."""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agents import lock, run_folder
from agents.config import RunConfig
from agents.writing import told_in_one_line
from inventory.errors import InputError
from inventory.files import read_bytes

START = "start"
"""Where the models lie that a run begins with; it is laid out as a run folder."""

VERSIONS = "versions.json"
MAX_VERSIONS_BYTES = 1_000_000

_BEFORE = re.compile(rf"{START}|{run_folder.PLAYERS}|phase_[1-4]\.yaml|\..*\.tmp")
"""What is written before the configuration."""

_HALF_WRITTEN = re.compile(
    r"\.(config\.yaml|versions\.json|phase_\d\.yaml|\w*model\.zip|\w*normalizer\.npz)\.\d+\.tmp"
)


@contextmanager
def claim(config: RunConfig, folder: Path | None) -> Iterator[Path]:
    """Make the folder of a new run and keep other processes out of it.

    Parameters
    ----------
    config : RunConfig
        Names the folder if there is no `folder`: by problem, algorithm, seed and time.
    folder : Path, optional
        An empty or new folder.

    Raises
    ------
    InputError
        If `folder` exists and is not empty, cannot be made, or another process trains in it. What
        a run left that was stopped before it was complete counts for nothing.
    """
    s = config.settings
    if folder is None:
        stem = f"{s.problem}__{s.algo}__{s.seed}__{time.strftime('%Y%m%d-%H%M%S')}"
        folder, count = run_folder.RUNS / stem, 1
        while folder.exists():  # two runs may begin within a second
            count += 1
            folder = run_folder.RUNS / f"{stem}-{count}"
    _check_empty(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from None
    with lock.hold(folder):
        _check_empty(folder)  # two processes may have found it empty
        with told_in_one_line(folder):
            _clear_remains(folder)
        yield folder


def _check_empty(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir() or not (has_remains(folder) or _names(folder) <= {lock.NAME}):
        raise InputError(f"--run-dir {folder}: exists and is not an empty folder; choose another")


def has_remains(folder: Path) -> bool:
    """Return whether all that a folder holds is of a run that was stopped before it was complete.

    Such a run has locked the folder, and it has no configuration yet.
    """
    names = _names(folder)
    return lock.NAME in names and all(_BEFORE.fullmatch(name) for name in names - {lock.NAME})


def _clear_remains(folder: Path) -> None:
    for name in _names(folder) - {lock.NAME}:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def begin(config: RunConfig, folder: Path, copies: Mapping[str, Path]) -> None:
    """Write what a run begins with: the players it copies, then its configuration.

    A folder that has a configuration is complete; without copies, it is the first thing written.

    Parameters
    ----------
    config : RunConfig
        The run.
    folder : Path
        As `claim` gives it.
    copies : mapping
        Folders of players to copy, by where they go.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    for target, source in copies.items():
        run_folder.copy_player(source, folder / target)
    run_folder.write_whole(folder / run_folder.CONFIG, config.to_yaml().encode())
    write_versions(folder)


def start_copies(start: Path | None) -> dict[str, Path]:
    """Return where the models go that a run begins with, so that it needs no other folder."""
    sources = run_folder.players(start) if start is not None else {}
    return {
        f"{START}/{run_folder.PLAYERS}/{name}" if name else START: path
        for name, path in sources.items()
    }


def start_of(folder: Path) -> Path | None:
    """Return the models that a run began with, if it did not begin with fresh ones alone."""
    return folder / START if (folder / START).is_dir() else None


def write_versions(folder: Path, **facts: Any) -> None:
    """Write what the result depends on besides the configuration, and what came of it."""
    text = json.dumps(run_folder.versions(**facts), indent=2)
    run_folder.write_whole(folder / VERSIONS, text.encode())


def read_versions(folder: Path) -> dict[str, Any]:
    """Return what `write_versions` wrote, or nothing where it cannot be read."""
    try:
        content = json.loads(read_bytes(folder / VERSIONS, MAX_VERSIONS_BYTES))
    except (ValueError, RecursionError):  # InputError is one
        return {}
    return content if isinstance(content, dict) else {}


def is_finished(folder: Path) -> bool:
    """Return whether a run was trained to its end."""
    facts = read_versions(folder)
    return bool(facts.get("finished", "weights" in facts))


def is_begun(folder: Path) -> bool:
    """Return whether a run's folder is complete enough to train in it."""
    return (folder / run_folder.CONFIG).is_file()


def refuse_links(folder: Path) -> None:
    """Make sure that nothing in a run's folder leads out of it, before anything is written there.

    Raises
    ------
    InputError
        Naming the first symbolic link.
    """
    for home, folders, files in os.walk(folder):
        for name in sorted([*folders, *files]):
            if Path(home, name).is_symlink():
                raise InputError(
                    f"{Path(home, name)}: is a symbolic link; put a copy of what it leads to in "
                    "its place"
                )


def clear_temporary(folder: Path) -> None:
    """Remove the files that a process was writing to a run's folder when it was killed.

    Not those that evaluation writes, which may be at work.
    """
    for home, _, files in os.walk(folder):
        for name in filter(_HALF_WRITTEN.fullmatch, files):
            Path(home, name).unlink()


def other_versions(folder: Path) -> list[str]:
    """Return what a run was begun with that is another version now."""
    now, then = run_folder.versions(), read_versions(folder)
    return [f"{k} {then[k]}, now {v}" for k, v in now.items() if k in then and then[k] != v]
