"""The folder of a run: every name in it, its lock, and how files get there."""

import errno
import importlib.metadata
import json
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from agents import checkpoints
from agents.config import RunConfig, from_dict, read_yaml
from agents.memory import check_memory
from common.errors import InputError
from common.files import MAX_ARCHIVE_BYTES, check_regular, read_bytes, write_whole

if sys.platform != "win32":
    import fcntl

RUNS = Path("runs")
NEWEST = "newest"
ModelFile = Literal["model.zip", "best_model.zip"]

CONFIG = "config.yaml"
FINAL: ModelFile = "model.zip"
BEST: ModelFile = "best_model.zip"
PLAYERS = "players"
STATISTICS = {FINAL: "normalizer.npz", BEST: "best_normalizer.npz"}
PACKAGES = ("stable-baselines3", "sb3-contrib", "gymnasium", "torch", "numpy", "numba")


def versions(**more: Any) -> dict[str, Any]:
    """Return what the result depends on besides the configuration."""
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "machine": platform.machine(), **packages, **more}


def players(folder: Path) -> dict[str, Path]:
    """Return the folders of all models of a run, by whom they play.

    The run's own model, if it has a single one, lies in the folder itself, all others under
    ``players/<name>/``; each of these is laid out as a run of its own. For a run of phases they
    are those of the last phase.
    """
    folder = last_phase(folder)
    found = {path.name: path for path in sorted((folder / PLAYERS).glob("*")) if _has_model(path)}
    for path in (folder, folder / PLAYERS, *found.values()):
        if path.is_symlink() and (path.name.startswith("phase_") or path != folder):
            raise InputError(f"{path}: is a symbolic link; put a copy of the folder in its place")
    if _has_model(folder):
        config = read_config(folder)
        player = config.settings.team.learn if config.problem.totals else ""
        found = {player: folder, **found}
    return found


def phases(folder: Path) -> list[Path]:
    """Return the folders of the phases of a run that have left their models, in order."""
    found = sorted(folder.glob("phase_[1-4]"))
    return [path for path in found if (path / CONFIG).is_file() and _any_model(path)]


def last_phase(folder: Path) -> Path:
    """Return the folder of the last phase that has left its models, or `folder` without phases."""
    return next(reversed(phases(folder)), folder)


def _any_model(folder: Path) -> bool:
    return _has_model(folder) or any(_has_model(path) for path in (folder / PLAYERS).glob("*"))


def _has_model(folder: Path) -> bool:
    return (folder / CONFIG).is_file() and any((folder / name).is_file() for name in (BEST, FINAL))


def best_of(folder: Path) -> ModelFile:
    """Return the best model's file, or the last one's where no best was kept."""
    return BEST if (folder / BEST).is_file() else FINAL


def model_of(folder: Path, name: ModelFile) -> ModelFile:
    """Return a player's file that is meant by `name`: its best model where it has no such file."""
    return name if (folder / name).is_file() else best_of(folder)


def copy_player(source: Path, target: Path) -> None:
    """Copy a player's model, with what belongs to it, into a run folder."""
    target.mkdir(parents=True, exist_ok=True)
    model = best_of(source)
    for name, new in ((CONFIG, CONFIG), (model, BEST), (STATISTICS[model], STATISTICS[BEST])):
        if (source / name).is_file():
            write_whole(target / new, read_bytes(source / name, MAX_ARCHIVE_BYTES))


def find(checkpoint: str) -> tuple[Path, ModelFile]:
    """Return the run folder and the model file that ``--checkpoint`` names.

    A folder means its best model, and that of every player in it; a ``.zip`` in a run folder means
    that model; ``newest`` means the newest folder under ``runs/``.

    Raises
    ------
    InputError
        If there is none, or it is not a run.
    """
    path = _newest() if checkpoint == NEWEST else Path(checkpoint)
    if not path.exists():
        raise InputError(f"--checkpoint {checkpoint}: no such file or folder")
    name: ModelFile = BEST
    if path.is_file():
        if path.name not in (FINAL, BEST):
            raise InputError(f"--checkpoint {checkpoint}: must be a run folder, {BEST} or {FINAL}")
        path, name = path.parent, FINAL if path.name == FINAL else BEST
    if not (path / CONFIG).is_file():
        raise InputError(f"--checkpoint {checkpoint}: not a run folder, it holds no {CONFIG}")
    path = last_phase(path)
    if name == BEST and _has_model(path):  # else it holds players, each with a best model
        name = best_of(path)
    if not (path / name).is_file() and not players(path):
        raise InputError(f"--checkpoint {checkpoint}: holds no model; did its training finish?")
    return path, name


def root_of(folder: Path, checkpoint: str) -> Path:
    """Return the run that `checkpoint` names, of which `find` gave the last phase."""
    named = checkpoint != NEWEST and Path(checkpoint).resolve() == folder.resolve()
    return folder.parent if folder.name.startswith("phase_") and not named else folder


def _newest() -> Path:
    runs = [path for path in RUNS.glob("*") if (path / CONFIG).is_file()]
    if not runs:
        raise InputError("--checkpoint: no run under runs/; train one, or name a folder")
    return max(runs, key=lambda path: (path / CONFIG).stat().st_mtime_ns)


def read_config(folder: Path) -> RunConfig:
    """Return the configuration of a run."""
    try:
        check_regular(folder / CONFIG)
        config = from_dict(read_yaml(folder / CONFIG))
        check_memory(config)
        return config
    except InputError as error:
        told = str(error).removeprefix(f"{folder / CONFIG}: ")
        raise InputError(f"{folder / CONFIG}: {told}") from None


LOCK = ".lock"


@contextmanager
def hold_lock(folder: Path) -> Iterator[None]:
    """Keep every other process out of a run folder while this one trains in it.

    The lock goes with the process, however it ends; the file that carries it stays.

    Raises
    ------
    InputError
        If another process holds it, or the folder cannot be written.
    """
    with ExitStack() as held:
        try:
            held.enter_context(FileLock(folder / LOCK, timeout=0))
            held.enter_context(_folder_locked(folder))
        except (Timeout, BlockingIOError):
            raise InputError(
                f"{folder}: another process is training in it; wait for its end, or stop it"
            ) from None
        except OSError as error:
            raise InputError(f"{folder}: cannot be written: {_why(error)}") from None
        yield


@contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
    """Lock the folder itself, as the file in it can be removed; Windows lets nobody do that."""
    if sys.platform == "win32":
        yield
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if isinstance(error, BlockingIOError):
                raise  # else a file system that locks no folders: the file must do
        yield
    finally:
        os.close(number)


def _why(error: OSError) -> str:
    linked = error.errno == errno.ELOOP
    link = f"its {LOCK} is a symbolic link; remove it"
    return link if linked else f"{error.strerror}; mend that, or train in another folder"


@contextmanager
def report_write_errors(folder: Path) -> Iterator[None]:
    """Turn what the disk raises while a run is written into one line.

    Parameters
    ----------
    folder : Path
        The run's folder, or that of one of its phases.

    Raises
    ------
    InputError
        In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        run = _whole_run(folder)
        why = error.strerror or str(error)
        raise InputError(f"{folder}: cannot be written: {why}; {_remedy(folder, run)}") from None


def _remedy(folder: Path, run: Path) -> str:
    """Return what is left of a run, and what to do."""
    if not run.is_dir():
        return "the folder is gone, so train anew"
    if not (run / CONFIG).is_file():
        return "mend that, then train again with the same command"
    onward = f"mend that, then: python train.py --resume {run}"
    if checkpoints.found(folder):
        return f"its last checkpoint is whole, so {onward}"
    return onward


def _whole_run(folder: Path) -> Path:
    """Return the run that a folder is a phase of, or the folder itself."""
    phase = folder.name.startswith("phase_") and (folder.parent / CONFIG).is_file()
    return folder.parent if phase else folder


START = "start"
"""Where the models lie that a run begins with; it is laid out as a run folder."""

VERSIONS = "versions.json"
MAX_VERSIONS_BYTES = 1_000_000

_BEFORE = re.compile(rf"{START}|{PLAYERS}|phase_[1-4]\.yaml|\..*\.tmp")
"""What is written before the configuration."""

_HALF_WRITTEN = re.compile(
    r"\.(config\.yaml|versions\.json|phase_\d\.yaml|\w*model\.zip|\w*normalizer\.npz)\.[0-9a-f]{16}\.tmp"
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
        folder, count = RUNS / stem, 1
        while folder.exists():  # two runs may begin within a second
            count += 1
            folder = RUNS / f"{stem}-{count}"
    _check_empty(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from None
    with hold_lock(folder):
        _check_empty(folder)  # two processes may have found it empty
        with report_write_errors(folder):
            _clear_remains(folder)
        yield folder


def _check_empty(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir() or not (has_remains(folder) or _names(folder) <= {LOCK}):
        raise InputError(f"--run-dir {folder}: exists and is not an empty folder; choose another")


def has_remains(folder: Path) -> bool:
    """Return whether all that a folder holds is of a run that was stopped before it was complete.

    Such a run has locked the folder, and it has no configuration yet.
    """
    names = _names(folder)
    return LOCK in names and all(_BEFORE.fullmatch(name) for name in names - {LOCK})


def _clear_remains(folder: Path) -> None:
    for name in _names(folder) - {LOCK}:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def write_start(config: RunConfig, folder: Path, copies: Mapping[str, Path]) -> None:
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
        copy_player(source, folder / target)
    write_whole(folder / CONFIG, config.to_yaml().encode())
    write_versions(folder)


def start_models(start: Path | None) -> dict[str, Path]:
    """Return where the models go that a run begins with, so that it needs no other folder."""
    sources = players(start) if start is not None else {}
    return {f"{START}/{PLAYERS}/{name}" if name else START: path for name, path in sources.items()}


def start_of(folder: Path) -> Path | None:
    """Return the models that a run began with, if it did not begin with fresh ones alone."""
    return folder / START if (folder / START).is_dir() else None


def write_versions(folder: Path, **facts: Any) -> None:
    """Write what the result depends on besides the configuration, and what came of it."""
    text = json.dumps(versions(**facts), indent=2)
    write_whole(folder / VERSIONS, text.encode())


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
    return (folder / CONFIG).is_file()


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
    now, then = versions(), read_versions(folder)
    return [f"{k} {then[k]}, now {v}" for k, v in now.items() if k in then and then[k] != v]
