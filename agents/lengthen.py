"""Making a run longer than it was to be: ``train.py --resume RUN --timesteps N``."""

from dataclasses import replace
from pathlib import Path

from agents import beginning, lock, run_folder
from agents.checkpoint_files import found
from agents.config import RunConfig
from agents.settings import RunSettings
from inventory.errors import InputError, validated


def lengthen(config: RunConfig, folder: Path, timesteps: int | None) -> RunConfig | None:
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
    facts = beginning.read_versions(folder)
    if beginning.is_finished(folder) and not found(folder):
        raise InputError(f"{folder}: holds no checkpoint to go on from; use --from {folder}")
    values = {**config.settings.model_dump(), "timesteps": timesteps}
    longer = replace(config, settings=validated(RunSettings, values))
    if "weights" in facts:  # first, or a run killed in between is longer and counts as finished
        beginning.write_versions(folder, **{**facts, "finished": False})
    run_folder.write_whole(folder / run_folder.CONFIG, longer.to_yaml().encode())
    return longer


def lengthen_phases(root: Path, timesteps: int) -> None:
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
        If not all phases are finished, or as `lengthen` does.
    """
    homes = [root / f"phase_{n}" for n in run_folder.read_config(root).settings.phases]
    for home in homes:
        if not beginning.is_finished(home):
            raise InputError(
                f"--timesteps: {home.name} is not finished; --resume {root} without it first, and "
                "--timesteps then makes the last phase longer"
            )
    with lock.hold(homes[-1]):
        lengthen(run_folder.read_config(homes[-1]), homes[-1], timesteps)
