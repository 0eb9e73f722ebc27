"""How a run's folder begins and ends: claimed, complete before training, marked when finished."""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agents import lock, run_folder
from agents.config import RunConfig
from inventory.errors import InputError

START = "start"
"""Where the models lie that a run begins with; it is laid out as a run folder."""

VERSIONS = "versions.json"


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
        If `folder` exists and is not empty, cannot be made, or another process trains in it.
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
        yield folder


def _check_empty(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir() or any(path.name != lock.NAME for path in folder.iterdir()):
        raise InputError(f"--run-dir {folder}: exists and is not an empty folder; choose another")


def begin(config: RunConfig, folder: Path, copies: Mapping[str, Path]) -> None:
    """Write what a run begins with, its configuration last: a folder that has one is complete.

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
    InputError
        If the folder cannot be written.
    """
    try:
        for target, source in copies.items():
            run_folder.copy_player(source, folder / target)
        write_versions(folder)
        run_folder.write_whole(folder / run_folder.CONFIG, config.to_yaml().encode())
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from None


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
        content = json.loads((folder / VERSIONS).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def is_finished(folder: Path) -> bool:
    """Return whether a run was trained to its end."""
    facts = read_versions(folder)
    return bool(facts.get("finished", "weights" in facts))


def is_begun(folder: Path) -> bool:
    """Return whether a run's folder is complete enough to train in it."""
    return (folder / run_folder.CONFIG).is_file()


def clear(folder: Path) -> None:
    """Remove the folder of a run that was stopped before it was complete."""
    if folder.is_dir():
        shutil.rmtree(folder)


def other_versions(folder: Path) -> list[str]:
    """Return what a run was begun with that is another version now."""
    now, then = run_folder.versions(), read_versions(folder)
    return [f"{k} {then[k]}, now {v}" for k, v in now.items() if k in then and then[k] != v]
