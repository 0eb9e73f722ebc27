"""The logs of a learner: ``progress.csv`` and TensorBoard, and taking them up where they stood."""

import csv
import importlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.logger import (
    CSVOutputFormat,
    HParam,
    Image,
    Logger,
    TensorBoardOutputFormat,
    filter_excluded_keys,
)

from agents.run_files import EVENTS, PROGRESS
from common.errors import InputError
from training.state_checks import check_number

FORMAT_NAMES = ("", "csv", "stdout", "json", "log", "tensorboard")


class ProgressTable(CSVOutputFormat):
    """``progress.csv`` with its columns in a fixed order: SB3 takes new ones in that of a set."""

    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        """Write a row; a new column goes before all that come after it in the alphabet."""
        written = filter_excluded_keys(key_values, key_excluded, "csv")
        if new := written.keys() - set(self.keys):
            self.file.seek(0)
            rows = list(csv.DictReader(self.file))
            self.keys = sorted({*self.keys, *new})
            self.file.seek(0)
            self.file.truncate()
            table = csv.DictWriter(self.file, self.keys, lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
        super().write(key_values, key_excluded, step)


@contextmanager
def silent_writers() -> Iterator[None]:
    """Keep TensorBoard's writing threads from printing what the next write raises anyway."""
    former = threading.excepthook

    def hook(what: threading.ExceptHookArgs) -> None:
        if not isinstance(what.exc_value, OSError):
            former(what)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = former


def open_log(home: Path, rows: bytes = b"", events: Mapping[str, int] | None = None) -> Logger:
    """Open a learner's logs, cut back to what they held at a checkpoint.

    Parameters
    ----------
    home : Path
        The learner's folder.
    rows : bytes
        ``progress.csv`` as it was.
    events : mapping, optional
        Sizes of TensorBoard's files as they were [bytes]; all others go.
    """
    sizes, text = events or {}, rows.decode()
    for size in sizes.values():
        check_number(size, "the size of a log", 0)
    for path in home.glob(EVENTS):
        if path.name not in sizes or path.is_symlink():
            path.unlink()
        elif path.stat().st_size > sizes[path.name]:
            _cut(path, sizes[path.name])
    (home / PROGRESS).unlink(missing_ok=True)  # a link must not be written through
    table: Any = ProgressTable(str(home / PROGRESS))
    if text:
        table.file.write(text)
        table.file.flush()
        table.keys = text.partition("\n")[0].split(",")
    return Logger(str(home), [table, TensorBoardOutputFormat(str(home))])


def _cut(path: Path, size: int) -> None:
    number = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        os.ftruncate(number, size)
    finally:
        os.close(number)


def log_state(log: Logger) -> dict[str, Any]:
    """Return what the log holds but has not written, and how far its event files reach."""
    for output in log.output_formats:
        if isinstance(output, TensorBoardOutputFormat):
            output.writer.flush()
    home = Path(str(log.dir))
    values = {k: v for k, v in log.name_to_value.items() if not isinstance(v, HParam | Image)}
    return {
        "values": values,
        "counts": dict(log.name_to_count),
        "excluded": {name: log.name_to_excluded[name] for name in values},
        "events": {path.name: path.stat().st_size for path in home.glob(EVENTS)},
    }


def load_log_state(log: Logger, state: Mapping[str, Any]) -> None:
    """Let the log hold again what it had not written."""
    for name, value in state["values"].items():
        text = isinstance(value, str) and "loss" not in name
        if not isinstance(name, str) or not (text or isinstance(value, int | float | np.number)):
            raise ValueError("the log holds what is no number")
    for count in state["counts"].values():
        check_number(count, "a count of the log", 0)
    for outputs in state["excluded"].values():
        if not isinstance(outputs, tuple) or not set(outputs) <= set(FORMAT_NAMES):
            raise ValueError("the log excludes an unknown output")
    log.name_to_value.update(state["values"])
    log.name_to_count.update(state["counts"])
    log.name_to_excluded.update(state["excluded"])


def rows_of(log: Logger) -> bytes:
    """Return ``progress.csv`` as it stands."""
    path = Path(str(log.dir)) / PROGRESS
    return path.read_bytes() if path.is_file() else b""


@contextmanager
def wandb_run(project: str) -> Iterator[None]:
    """Send what TensorBoard is given to a run of Weights & Biases too.

    Raises
    ------
    InputError
        If its client is not installed, or cannot begin a run.
    """
    try:
        wandb = importlib.import_module("wandb")
    except ImportError:
        raise InputError("--wandb: needs its client; pip install wandb") from None
    try:
        run = wandb.init(project=project, sync_tensorboard=True)
    except Exception as error:  # its own errors have no common base
        raise InputError(f"--wandb {project}: {error}; or set WANDB_MODE=offline") from None
    with run:
        yield
