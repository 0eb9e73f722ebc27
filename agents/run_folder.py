"""Runs: finding one and its models, beginning one, and reading its state."""

import importlib.metadata
import json
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agents import checkpoints, run_files
from agents.config import MAX_FILE_BYTES, RunConfig, from_dict, parse_mapping
from agents.memory import check_memory
from agents.run_files import BEST, CONFIG, FINAL, LOCKS, PLAYERS, START, VERSIONS, ModelFile
from common.errors import InputError
from common.files import MAX_ARCHIVE_BYTES, check_regular
from demand.history import digest_of_days
from demand.reader import file_version
from envs.problems import PROBLEMS

RUNS = Path("runs")
NEWEST = "newest"
PACKAGES = ("stable-baselines3", "sb3-contrib", "gymnasium", "torch", "numpy", "numba")
_last_read: dict[bytes, tuple[RunConfig, list[object]]] = {}


def versions(**more: Any) -> dict[str, Any]:
    """Return the versions that the result depends on besides the configuration."""
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "machine": platform.machine(), **packages, **more}


def players(folder: Path) -> dict[str, Path]:
    """Return the folders of all models of a run, by player.

    The run's own model, if it has a single one, lies in the folder itself, all others under
    ``players/<name>/``; each of these is laid out as a run of its own. For a run of phases they
    are those of the last phase.
    """
    folder = last_phase(folder)
    homes = {name: folder / PLAYERS / name for name in run_files.players(folder)}
    found = {name: path for name, path in homes.items() if _has_model(path)}
    for path in (folder, folder / PLAYERS, *found.values()):
        if path.is_symlink() and (run_files.is_phase(path) or path != folder):
            raise InputError(f"{path}: is a symbolic link; put a copy of the folder in its place")
    if _has_model(folder):
        config = read_config(folder)
        player = config.settings.team.learn if config.problem.totals else ""
        found = {player: folder, **found}
    return found


def phases(folder: Path) -> list[Path]:
    """Return the folders of the phases of a run that have left their models, in order."""
    found = (run_files.phase_folder(folder, number) for number in range(1, 5))
    return [path for path in found if run_files.exists(path / CONFIG) and _any_model(path)]


def last_phase(folder: Path) -> Path:
    """Return the folder of the last phase that has left its models, or `folder` without phases."""
    return next(reversed(phases(folder)), folder)


def _any_model(folder: Path) -> bool:
    players = (folder / PLAYERS / name for name in run_files.players(folder))
    return _has_model(folder) or any(map(_has_model, players))


def _has_model(folder: Path) -> bool:
    there = [name for name in (CONFIG, BEST, FINAL) if run_files.exists(folder / name)]
    return CONFIG in there and len(there) > 1


def best_of(folder: Path) -> ModelFile:
    """Return the best model's file, or the last one's where no best was kept."""
    return BEST if run_files.exists(folder / BEST) else FINAL


def model_of(folder: Path, name: ModelFile) -> ModelFile:
    """Return the player's file that `name` refers to: its best model if it has no such file."""
    return name if run_files.exists(folder / name) else best_of(folder)


def copy_player(source: Path, target: Path) -> None:
    """Copy a player's model, with what belongs to it, into a run folder."""
    target.mkdir(parents=True, exist_ok=True)
    for name, new in ((CONFIG, CONFIG), (best_of(source), BEST)):
        run_files.write(target / new, run_files.read(source / name, MAX_ARCHIVE_BYTES))


def find(checkpoint: str) -> tuple[Path, ModelFile]:
    """Return the run folder and the model file that ``--checkpoint`` names.

    A folder stands for its best model, and that of every player in it; a ``.zip`` in a run folder
    stands for that model, and ``newest`` for the newest folder under ``runs/``.

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
    if run_files.seed_folders(path) and not run_files.exists(path / name):
        one = run_files.seed_folders(path)[0]
        raise InputError(
            f"--checkpoint {checkpoint}: holds the runs of several seeds; name one, such as {one}"
        )
    path = last_phase(path)
    if name == BEST and _has_model(path):  # else it holds players, each with a best model
        name = best_of(path)
    trained = run_files.exists(path / name) or players(path)
    if not trained and not run_files.exists(path / run_files.RECOMMENDATION):
        raise InputError(f"--checkpoint {checkpoint}: holds no model; did its training finish?")
    return path, name


def runs_of(checkpoint: str) -> tuple[Path | None, tuple[str, ...]]:
    """Return the folder of runs of several seeds, and the runs; or None, and the run named."""
    path = _newest() if checkpoint == NEWEST else Path(checkpoint)
    runs = run_files.seed_folders(path) if path.is_dir() else []
    return (path, tuple(map(str, runs))) if runs else (None, (checkpoint,))


def holds_seeds(folder: Path) -> bool:
    """Return whether a folder holds several seeds, each with a run of its own."""
    return (folder / CONFIG).is_file() and bool(read_config(folder).settings.seeds)


def root_of(folder: Path, checkpoint: str) -> Path:
    """Return the run that `checkpoint` names, of which `find` gave the last phase."""
    named = checkpoint != NEWEST and Path(checkpoint).resolve() == folder.resolve()
    return folder.parent if run_files.is_phase(folder) and not named else folder


def _newest() -> Path:
    runs = [path for path in RUNS.glob("*") if (path / CONFIG).is_file()]
    if not runs:
        raise InputError("--checkpoint: no run under runs/; train one, or name a folder")
    return max(runs, key=lambda path: (path / CONFIG).stat().st_mtime_ns)


def read_config(folder: Path) -> RunConfig:
    """Return the configuration of a run, as the run wrote it."""
    path = folder / CONFIG
    check_regular(path)
    content = run_files.read(path, MAX_FILE_BYTES)
    try:
        config, made_from = _last_read.get(content, (None, None))
        if config is None or made_from != _made_from(config):
            config = from_dict(parse_mapping(content))
            check_memory(config)
            _last_read.clear()  # one is read again and again, perhaps with thousands of products
            _last_read[content] = config, _made_from(config)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return config


def _made_from(config: RunConfig) -> list[object]:
    """Return what else parameters are made from: their problem, and versions of files."""
    parts = [value for _, value in config.parameters if isinstance(value, BaseModel)]
    files = [file_version(file) for one in parts for _, file in one if isinstance(file, Path)]
    return [PROBLEMS.get(config.settings.problem), *files]


@contextmanager
def report_write_errors(folder: Path) -> Iterator[None]:
    """Turn errors of the disk while a run is written into one line.

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
    """Return a message that says what is left of a run, and what to do."""
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
    phase = run_files.is_phase(folder) and (folder.parent / CONFIG).is_file()
    return folder.parent if phase else folder


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
        If `folder` exists and is not empty, cannot be made, or another process trains in it. The
        remains of a run that was stopped before its folder was complete do not count.
    """
    s = config.settings
    if folder is None:
        seed = f"{len(s.seeds)}-seeds" if s.seeds else s.seed
        problem = re.sub(r"[^\w-]", "_", s.problem)  # of others it is module:Class
        stem = f"{problem}__{s.algo}__{seed}__{time.strftime('%Y%m%d-%H%M%S')}"
        folder, count = RUNS / stem, 1
        while folder.exists():  # two runs may begin within a second
            count += 1
            folder = RUNS / f"{stem}-{count}"
    _check_empty(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from None
    with run_files.hold_lock(folder):
        _check_empty(folder)  # two processes may have found it empty
        with report_write_errors(folder):
            _clear_remains(folder)
            run_files.begin(folder)
        yield folder


def _check_empty(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir() or not (has_remains(folder) or _names(folder) <= LOCKS):
        raise InputError(f"--run-dir {folder}: exists and is not an empty folder; choose another")


def has_remains(folder: Path) -> bool:
    """Return whether a folder holds only a run that was stopped before it was complete.

    Such a run has locked the folder, and it has no configuration yet.
    """
    names = _names(folder)
    return run_files.LOCK in names and all(map(run_files.is_before_configuration, names))


def _clear_remains(folder: Path) -> None:
    for name in _names(folder) - LOCKS:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def write_start(config: RunConfig, folder: Path, copies: Mapping[str, Path]) -> None:
    """Write the first files of a run: the players it copies, then its configuration.

    A folder is complete once it has a configuration.

    Parameters
    ----------
    config : RunConfig
        The run.
    folder : Path
        As returned by `claim`.
    copies : mapping
        Folders of players to copy, by their destination.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    run_files.record_data(folder, data_digest(config))
    for target, source in copies.items():
        copy_player(source, folder / target)
    run_files.write(folder / CONFIG, config.to_yaml().encode())
    write_versions(folder)


def start_models(start: Path | None) -> dict[str, Path]:
    """Return the models that a run starts from, by the place that it copies them to."""
    sources = players(start) if start is not None else {}
    return {f"{START}/{PLAYERS}/{name}" if name else START: path for name, path in sources.items()}


def start_of(folder: Path) -> Path | None:
    """Return the folder of the models that a run started from, None if all were fresh."""
    return folder / START if (folder / START).is_dir() else None


def write_versions(folder: Path, **facts: Any) -> None:
    """Write the versions that the result depends on, and facts about the run."""
    text = json.dumps(versions(**facts), indent=2)
    run_files.write(folder / VERSIONS, text.encode())


def read_versions(folder: Path) -> dict[str, Any]:
    """Return what `write_versions` wrote; empty before that.

    Raises
    ------
    InputError
        If it was altered or is damaged.
    """
    if not (folder / VERSIONS).exists():
        return {}
    content = run_files.read(folder / VERSIONS, run_files.MAX_BYTES)
    try:
        facts = json.loads(content)
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise InputError(f"{folder / VERSIONS}: damaged; restore the run from a copy")
    return facts


def is_finished(folder: Path) -> bool:
    """Return whether a run was trained to its end."""
    facts = read_versions(folder)
    return bool(facts.get("finished", "weights" in facts))


def is_begun(folder: Path) -> bool:
    """Return whether a run's folder is complete enough to train in it."""
    return (folder / CONFIG).is_file()


def refuse_links(folder: Path) -> None:
    """Refuse links that lead out of a run's folder, before anything is written there.

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


def other_versions(folder: Path) -> list[str]:
    """Return the versions that have changed since a run was begun."""
    now, then = versions(), read_versions(folder)
    return [f"{k} {then[k]}, now {v}" for k, v in now.items() if k in then and then[k] != v]


def data_digest(config: RunConfig) -> str | None:
    """Return a digest of the days before evaluation; None where demand comes from no file."""
    source = getattr(config.parameters, "demand_data", None)
    history = getattr(config.parameters, "history", None)
    return None if source is None else digest_of_days(source, history)


def changed_data(folder: Path, config: RunConfig) -> str | None:
    """Return a message if the days that a run was trained on have changed since, else None.

    Appended days do not count, unless the file has no split of its own.
    """
    known = run_files.read_manifest(run_files.run_of(folder)).data
    if known is None or known == data_digest(config):
        return None
    source = config.parameters.demand_data
    more = "" if source.split else " (without a split, days that are appended move all periods)"
    return f"{source.file}: the days that {folder} was trained on have changed{more}"
