"""Resuming a run that was stopped or killed, and extending one: ``train.py --resume``."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents import run_files, run_folder
from agents.checkpoints import found
from agents.config import RunConfig
from agents.run_folder import report_write_errors
from agents.settings import RunSettings
from common.errors import InputError, validated
from training.callbacks import ShareReport
from training.phases import go_through
from training.trainer import Trained, describe, go_on


def extend(config: RunConfig, folder: Path, timesteps: int | None) -> RunConfig | None:
    """Return the run with more steps, also in its folder; None if it keeps what it has.

    Parameters
    ----------
    config : RunConfig
        The folder's own.
    folder : Path
        The run's, or that of a phase.
    timesteps : int, optional
        So many steps it is to have.

    Raises
    ------
    InputError
        If it has more, or nothing is left to go on from.
    """
    before = config.settings.timesteps
    if timesteps is None or timesteps == before:
        return None
    if timesteps < before:
        raise InputError(f"--timesteps {timesteps}: the run has {before:,}; it can only be longer")
    facts = run_folder.read_versions(folder)
    if run_folder.is_finished(folder) and not found(folder):
        raise InputError(f"{folder}: holds no checkpoint to go on from; use --from {folder}")
    values = {**config.settings.model_dump(), "timesteps": timesteps}
    longer = replace(config, settings=validated(RunSettings, values))
    if "weights" in facts:  # first, or a run killed in between is longer and counts as finished
        run_folder.write_versions(folder, **{**facts, "finished": False})
    run_files.write(folder / run_files.CONFIG, longer.to_yaml().encode())
    return longer


def extend_phases(root: Path, timesteps: int) -> None:
    """Make the last phase of a run longer, the one that everybody's models come from.

    Parameters
    ----------
    root : Path
        A run of phases.
    timesteps : int
        So many steps its last phase is to have.

    Raises
    ------
    InputError
        If not all phases are finished, or as `extend` does.
    """
    homes = [run_files.phase_folder(root, n) for n in run_folder.read_config(root).settings.phases]
    for home in homes:
        if not run_folder.is_finished(home):
            raise InputError(
                f"--timesteps: {home.name} is not finished; --resume {root} without it first, and "
                "--timesteps then makes the last phase longer"
            )
    with run_files.hold_lock(homes[-1]):
        extend(run_folder.read_config(homes[-1]), homes[-1], timesteps)


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
    folder: Path,
    *,
    timesteps: int | None = None,
    quiet: bool = True,
    report: ShareReport | None = None,
) -> tuple[Path, list[Trained]]:
    """Go on with a run from its last good checkpoint, or with the phases that are left of it.

    Parameters
    ----------
    folder : Path
        The run's folder.
    timesteps : int, optional
        Train to so many steps, at least those that the run was to have; in a run of phases, whose
        phases must all be finished, the last one.
    quiet : bool
        Show no progress.
    report : callable, optional
        Called with the share of the steps that is done, if nothing is shown.

    Returns
    -------
    Path, list of Trained
        The folder, and what was trained: nothing if all was finished.

    Raises
    ------
    InputError
        If it is no run, another process trains in it, or `timesteps` cannot be.
    """
    _check_begun(folder)
    with run_files.hold_lock(folder), report_write_errors(folder):
        run_folder.refuse_links(folder)
        run_files.clear_temporary(folder)
        config = run_folder.read_config(folder)
        if config.settings.phases:
            if timesteps is not None:
                extend_phases(folder, timesteps)
            return folder, go_through(folder, quiet=quiet, report=report)
        longer = extend(config, folder, timesteps)
        if not longer and run_folder.is_finished(folder):
            if not (folder / run_files.CARD).is_file():  # the disk failed after the models
                describe(folder, config)
            return folder, []
        return folder, [go_on(longer or config, folder, quiet=quiet, report=report)]


def _check_begun(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(f"--resume {folder}: no such folder; train anew")
    if run_folder.is_begun(folder):
        return
    if run_folder.has_remains(folder):
        raise InputError(
            f"--resume {folder}: was stopped before it began; use the command that began it once "
            f"more, with --run-dir {folder}"
        )
    raise InputError(
        f"--resume {folder}: not a run folder, it holds no {run_files.CONFIG}; name one, or train "
        "anew"
    )
