"""What a run says when its folder cannot be written any more: one line, and how to go on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents import checkpoint_files, run_folder
from inventory.errors import InputError


@contextmanager
def told_in_one_line(folder: Path) -> Iterator[None]:
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
    if not (run / run_folder.CONFIG).is_file():
        return "mend that, then train again with the same command"
    onward = f"mend that, then: python train.py --resume {run}"
    if checkpoint_files.found(folder):
        return f"its last checkpoint is whole, so {onward}"
    return onward


def _whole_run(folder: Path) -> Path:
    """Return the run that a folder is a phase of, or the folder itself."""
    phase = folder.name.startswith("phase_") and (folder.parent / run_folder.CONFIG).is_file()
    return folder.parent if phase else folder
