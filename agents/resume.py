"""Going on with a run that was stopped or killed, to the same bits: ``train.py --resume``."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents import beginning, lock, run_folder
from agents.checkpoint_files import found
from agents.config import RunConfig
from agents.phases import go_through
from agents.training import Trained, go_on
from inventory.errors import InputError


def refuse_options(given: Mapping[str, Any]) -> None:
    """Refuse options beside ``--resume`` that would change the run.

    Parameters
    ----------
    given : mapping
        Values of options by name; None, and what is empty, was not given.

    Raises
    ------
    InputError
        Naming the first one.
    """
    for name, value in given.items():
        if value not in (None, ()):
            raise InputError(
                f"--{name.replace('_', '-')}: --resume goes on with the run's own configuration; "
                "leave it out (--timesteps alone may be larger than before)"
            )


def resume(
    folder: Path, *, timesteps: int | None = None, quiet: bool = True
) -> tuple[Path, list[Trained]]:
    """Go on with a run from its last good checkpoint, or with the phases that are left of it.

    Parameters
    ----------
    folder : Path
        The run's folder.
    timesteps : int, optional
        Train to so many steps, at least those that the run was to have.
    quiet : bool
        Show no progress.

    Returns
    -------
    Path, list of Trained
        The folder, and what was trained: nothing if all was finished.

    Raises
    ------
    InputError
        If it is no run, another process trains in it, or `timesteps` cannot be.
    """
    if not folder.is_dir():
        raise InputError(f"--resume {folder}: no such folder")
    if not beginning.is_begun(folder):
        raise InputError(
            f"--resume {folder}: not a run folder, or stopped before it began: it holds no "
            f"{run_folder.CONFIG}; train anew"
        )
    with lock.hold(folder):
        config = run_folder.read_config(folder)
        if config.settings.phases:
            if timesteps is not None:
                raise InputError("--timesteps: a run of phases is as long as it is; leave it out")
            return folder, go_through(folder, quiet=quiet)
        if timesteps is not None and beginning.is_finished(folder) and not found(folder):
            raise InputError(f"{folder}: holds no checkpoint to go on from; use --from {folder}")
        longer = _longer(config, folder, timesteps)
        if longer is None and beginning.is_finished(folder):
            return folder, []
        return folder, [go_on(longer or config, folder, quiet=quiet)]


def _longer(config: RunConfig, folder: Path, timesteps: int | None) -> RunConfig | None:
    """Return the run with more steps, also in its folder; None if it keeps what it has."""
    before = config.settings.timesteps
    if timesteps is None or timesteps == before:
        return None
    if timesteps < before:
        raise InputError(f"--timesteps {timesteps}: the run has {before:,}; it can only be longer")
    settings = config.settings.model_copy(update={"timesteps": timesteps})
    longer = replace(config, settings=settings)
    facts = beginning.read_versions(folder)
    run_folder.write_whole(folder / run_folder.CONFIG, longer.to_yaml().encode())
    if "weights" in facts:
        beginning.write_versions(folder, **{**facts, "finished": False})
    return longer
