"""Several seeds of one recipe, a run each, side by side: ``train.py --seeds 0-9 --workers 2``."""

import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from agents import run_files, run_folder
from agents.config import MAX_FILE_BYTES, RunConfig, from_dict, parse_mapping
from agents.run_folder import report_write_errors
from agents.settings import MAX_SEEDS
from common import console
from common.errors import InputError
from common.shards import HERE, Outcome, Report, Workers, describe, iterate_shards, shard_progress
from training.phases import train_phases
from training.resume import resume
from training.stopping import STATUS
from training.trainer import Trained, check_steps, train


@dataclass(frozen=True)
class TrainedSeed:
    """What training one of several seeds left behind.

    Attributes
    ----------
    seed, folder : int, Path
        The seed and its run.
    trained : tuple of Trained
        What was trained now, phase by phase; nothing if it was finished, or failed.
    failed : str
        Why it failed; empty if it did not.
    """

    seed: int
    folder: Path
    trained: tuple[Trained, ...] = ()
    failed: str = ""


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return the seeds that a text such as ``0-9`` or ``0,3,7-9`` names.

    Raises
    ------
    InputError
        If it names none, one twice, or more than `MAX_SEEDS`.

    Examples
    --------
    >>> parse_seeds("0-2,7")
    (0, 1, 2, 7)
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,10})\s*(?:-\s*(\d{1,10})\s*)?", part, re.ASCII)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < 2**32 or len(seeds) + last - first >= MAX_SEEDS:
            raise InputError(
                f"--seeds {text[:60]}: must be seeds such as 0-9 or 0,3,7-9, at most {MAX_SEEDS:,}"
            )
        seeds += range(first, last + 1)
    if len(set(seeds)) < len(seeds):
        raise InputError(f"--seeds {text[:60]}: names a seed twice; leave one out")
    return tuple(seeds)


def train_seeds(
    seeds: tuple[int, ...],
    configs: list[RunConfig],
    folder: Path | None = None,
    *,
    phases: tuple[int, ...] = (),
    start: Path | None = None,
    workers: Workers = HERE,
    quiet: bool = True,
) -> tuple[Path, list[TrainedSeed], int]:
    """Train a run for every seed, in a folder of its own within one.

    Parameters
    ----------
    seeds : tuple of int
        The seeds.
    configs : list of RunConfig
        The run, or those of its phases, with whatever seed.
    folder : Path, optional
        An empty or new folder; the runs lie in it as ``seed_0`` and so on.
    phases : tuple of int
        As `training.phases.train_phases` has them, where tiers learn one after the other.
    start : Path, optional
        A run whose models all seeds begin with.
    workers : Workers
        Where they are trained; what they learn does not depend on it.
    quiet : bool
        Show no progress.

    Returns
    -------
    Path, list of TrainedSeed, int
        The folder, what became of every seed that was begun, and the exit status of the signal
        that ended it, 0 without one.

    Raises
    ------
    InputError
        If the runs would end before they learn.
    """
    check_steps(configs)
    settings = configs[0].settings.model_copy(update={"seeds": seeds, "phases": phases})
    own = replace(configs[0], settings=settings)
    with run_folder.claim(own, folder) as root, report_write_errors(root):
        for phase, config in zip(phases, configs if phases else (), strict=True):
            run_files.write(run_files.phase_plan(root, phase), config.to_yaml().encode())
        run_folder.write_start(own, root, run_folder.start_models(start))
        return root, *_train_missing(root, None, workers, quiet=quiet)


def resume_seeds(
    root: Path,
    *,
    timesteps: int | None = None,
    workers: Workers = HERE,
    quiet: bool = True,
) -> tuple[list[TrainedSeed], int]:
    """Train the seeds of a folder that are not finished, each from where it was.

    Parameters
    ----------
    root : Path
        A folder of `train_seeds`.
    timesteps : int, optional
        As `training.resume.resume` has it, for every seed.
    workers, quiet : Workers, bool
        As `train_seeds` has them.
    """
    with run_files.hold_lock(root), report_write_errors(root):
        run_files.clear_temporary(root)
        return _train_missing(root, timesteps, workers, quiet=quiet)


@dataclass(frozen=True)
class _Task:
    """What every worker needs to know to train a seed."""

    root: str
    timesteps: int | None
    quiet: bool
    own_process: bool


def _train_missing(
    root: Path, timesteps: int | None, workers: Workers, *, quiet: bool
) -> tuple[list[TrainedSeed], int]:
    config = run_folder.read_config(root)
    seeds = config.settings.seeds
    alone = workers.here
    task = _Task(str(root), timesteps, quiet or not alone, not alone)
    done: dict[int, TrainedSeed] = {}
    status = 0
    shown = not (quiet or alone)
    with (
        shard_progress(len(seeds), "seeds", shown=shown) as report,
        _signals_interrupt() as stopped,
    ):
        try:
            with closing(iterate_shards(_work, task, seeds, workers, report=report)) as outcomes:
                for outcome in outcomes:
                    seed = seeds[outcome.index]
                    done[seed] = _result(run_files.seed_folder(root, seed), seed, outcome)
                    report(outcome.index, 1.0)
                    status = max((one.status for one in done[seed].trained), default=0)
                    if status:
                        break
        except KeyboardInterrupt:
            status = stopped() or console.INTERRUPTED
    return [done[seed] for seed in seeds if seed in done], status


def _result(folder: Path, seed: int, outcome: Outcome[tuple[Trained, ...]]) -> TrainedSeed:
    failed = describe(outcome.error) if outcome.error else ""
    return TrainedSeed(seed, folder, outcome.value or (), failed)


def _work(task: _Task, seed: int, report: Report) -> tuple[Trained, ...]:
    """Train a seed, or go on with it."""
    if task.own_process:
        console.screen.quiet = True  # the first process speaks for all
    root = Path(task.root)
    folder = run_files.seed_folder(root, seed)
    options: Any = {"quiet": task.quiet, "report": report}
    if not task.quiet:
        console.screen.print(f"seed {seed}")
    if run_folder.is_begun(folder):
        failed = run_folder.read_versions(folder).get("failed")
        if failed and task.timesteps is None:
            raise InputError(str(failed))  # it would fail again
        return tuple(resume(folder, timesteps=task.timesteps, **options)[1])
    config = run_folder.read_config(root)
    start = run_folder.start_of(root)
    if config.settings.phases:
        plans = [_plan(root, phase, seed) for phase in config.settings.phases]
        return tuple(train_phases(config.settings.phases, plans, folder, start=start, **options)[1])
    return (train(_of_seed(config, seed), folder, start=start, **options),)


def _plan(root: Path, phase: int, seed: int) -> RunConfig:
    content = run_files.read(run_files.phase_plan(root, phase), MAX_FILE_BYTES)
    return _of_seed(from_dict(parse_mapping(content)), seed)


def _of_seed(config: RunConfig, seed: int) -> RunConfig:
    settings = config.settings.model_copy(update={"seed": seed, "seeds": ()})
    return replace(config, settings=settings)


@contextmanager
def _signals_interrupt() -> Iterator[Callable[[], int]]:
    """Let every signal that ends a run interrupt; give what returns its exit status, or 0."""
    status = 0

    def interrupt(number: int, _: FrameType | None) -> None:
        nonlocal status
        status = STATUS[signal.Signals(number)]
        raise KeyboardInterrupt

    heard = [number for number in STATUS if signal.getsignal(number) != signal.SIG_IGN]
    main = threading.current_thread() is threading.main_thread()
    former = {number: signal.signal(number, interrupt) for number in heard} if main else {}
    try:
        yield lambda: status
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
