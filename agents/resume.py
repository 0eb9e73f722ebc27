"""Going on with a run that was stopped or killed, to the same bits: ``train.py --resume``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents import beginning, lock, run_folder
from agents.lengthen import lengthen, lengthen_phases
from agents.phases import go_through
from agents.training import Trained, go_on
from agents.writing import told_in_one_line
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
        Train to so many steps, at least those that the run was to have; in a run of phases, whose
        phases must all be finished, the last one.
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
    _check_begun(folder)
    with lock.hold(folder), told_in_one_line(folder):
        beginning.refuse_links(folder)
        beginning.clear_temporary(folder)
        config = run_folder.read_config(folder)
        if config.settings.phases:
            if timesteps is not None:
                lengthen_phases(folder, timesteps)
            return folder, go_through(folder, quiet=quiet)
        longer = lengthen(config, folder, timesteps)
        if not longer and beginning.is_finished(folder):
            return folder, []
        return folder, [go_on(longer or config, folder, quiet=quiet)]


def _check_begun(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(f"--resume {folder}: no such folder; train anew")
    if beginning.is_begun(folder):
        return
    if beginning.has_remains(folder):
        raise InputError(
            f"--resume {folder}: was stopped before it began; use the command that began it once "
            f"more, with --run-dir {folder}"
        )
    raise InputError(
        f"--resume {folder}: not a run folder, it holds no {run_folder.CONFIG}; name one, or train "
        "anew"
    )
