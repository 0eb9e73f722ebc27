"""The hierarchy learns tier by tier: phases 1 to 4 as the stages of one run folder.

1. the stores learn, warehouse and supplier follow their rules; 2. the warehouse learns, the stores
are frozen; 3. the supplier learns, the others are frozen; 4. all are tuned together, in turns.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from agents import run_files, run_folder
from agents.config import (
    MAX_FILE_BYTES,
    RunConfig,
    from_dict,
    parse_mapping,
    read_yaml,
    resolve,
)
from agents.run_folder import report_write_errors
from common import console
from common.errors import InputError, short
from training.callbacks import ShareReport
from training.trainer import Trained, check_steps, evaluator_of, go_on, train

LEARNS = {1: "store", 2: "warehouse", 3: "supplier", 4: "all"}


def parse_phases(text: str) -> tuple[int, ...]:
    """Return the phases named by a text such as ``1-4``, ``2`` or ``2-3``.

    Raises
    ------
    InputError
        If it names no phase, or one outside 1 to 4.

    Examples
    --------
    >>> parse_phases("1-4")
    (1, 2, 3, 4)
    """
    match = re.fullmatch(r"\s*([1-4])\s*(?:-\s*([1-4])\s*)?", text)
    phases = tuple(range(int(match[1]), int(match[2] or match[1]) + 1)) if match else ()
    if not phases:
        raise InputError(f"--phases {text}: must be a phase from 1 to 4, or a range such as 1-4")
    return phases


def resolve_phases(
    phases: tuple[int, ...],
    flags: Mapping[str, Any],
    *,
    config: Path | None = None,
    assignments: tuple[str, ...] = (),
) -> list[RunConfig]:
    """Return the configuration of every phase; flags and ``--set`` apply to all of them.

    Raises
    ------
    InputError
        One line for the first thing wrong in any phase.
    """
    if flags.get("learn") is not None:
        raise InputError("--learn: the phases say who learns; use --learn or --phases")
    if any(assignment.startswith("team.learn=") for assignment in assignments):
        raise InputError("--set team.learn: the phases say who learns; leave it out")
    return [
        _with_phases(
            resolve({**flags, "learn": LEARNS[phase]}, config=config, assignments=assignments), ()
        )
        for phase in phases
    ]


def check_tuned_together(
    config: RunConfig, assignments: tuple[str, ...], file: Path | None = None
) -> str:
    """Refuse settings that models keep from their own runs when they go on learning together.

    Parameters
    ----------
    config : RunConfig
        The run.
    assignments : tuple of str
        Assignments of ``--set``.
    file : Path, optional
        A file of settings, which may have made those models too.

    Returns
    -------
    str
        A note on such settings of the file, which change nothing; may be empty. It passes over
        those of a run's own configuration, which has all settings.

    Raises
    ------
    InputError
        If one is assigned.
    """
    if config.settings.team.learn != "all":
        return ""
    for key in _kept(config, [one.partition("=")[0].strip() for one in assignments]):
        raise InputError(
            f"--set {short(key)}: learn = all goes on with models that have their own; of "
            "hyperparameters only learning_rate and learning_rate_final change"
        )
    given = {"asked": {}} if file is None else read_yaml(file)
    kept = [] if "asked" in given else _kept(config, list(_dotted(given)))
    if not kept:
        return ""
    return f"{file}: {', '.join(kept)}: not used, as learn = all goes on with models that have them"


def _kept(config: RunConfig, keys: list[str]) -> list[str]:
    """Return the keys of settings that models keep when they go on learning."""
    own = {*type(config.hyperparameters).model_fields, "reward", "observation", "offset"}
    own -= {"learning_rate", "learning_rate_final"}
    names = {key: key.removeprefix("hyperparameters.") for key in keys}
    return [k for k, n in names.items() if n.partition(".")[0] in own and n != "observation.step"]


def _dotted(given: Mapping[str, Any]) -> Iterator[str]:
    for name, value in given.items():
        yield from (f"{name}.{part}" for part in value) if isinstance(value, Mapping) else (name,)


def _with_phases(config: RunConfig, phases: tuple[int, ...]) -> RunConfig:
    settings = config.settings.model_copy(update={"phases": phases})
    return replace(config, settings=settings)


def train_phases(
    phases: tuple[int, ...],
    configs: list[RunConfig],
    folder: Path | None = None,
    *,
    start: Path | None = None,
    quiet: bool = True,
    report: ShareReport | None = None,
) -> tuple[Path, list[Trained]]:
    """Train phase after phase, each from the models of the one before.

    Parameters
    ----------
    phases, configs : tuple of int, list of RunConfig
        As returned by `resolve_phases`.
    folder : Path, optional
        An empty or new folder; the phases lie in it as ``phase_1`` and so on.
    start : Path, optional
        A run whose models the first phase starts from.
    quiet : bool
        Show no progress.
    report : callable, optional
        Called with the share of the steps of all phases that is done, if nothing is shown.

    Returns
    -------
    Path, list of Trained
        The folder, and the result of every phase that was begun.

    Raises
    ------
    InputError
        If a phase cannot begin; the phases before it are then complete.
    """
    if phases[0] == 4 and start is None:
        raise InputError("--phases 4: fine-tunes models; name a run that has them with --from")
    check_steps(configs)
    for config in configs if configs[0].settings.stop.gap is not None else ():
        evaluator_of(config)  # before the first phase, not after it
    own = _with_phases(configs[0], phases)
    with run_folder.claim(own, folder) as root, report_write_errors(root):
        for phase, config in zip(phases, configs, strict=True):
            run_files.write(run_files.phase_plan(root, phase), config.to_yaml().encode())
        run_folder.write_start(own, root, run_folder.start_models(start))
        return root, go_through(root, quiet=quiet, report=report)


def go_through(
    root: Path, *, quiet: bool = True, report: ShareReport | None = None
) -> list[Trained]:
    """Train the phases of a run that are not finished, each from the models of the one before.

    The caller holds the folder's lock.

    Parameters
    ----------
    root : Path
        The folder of a run of phases.
    quiet, report
        As `train_phases` has them.

    Returns
    -------
    list of Trained
        The result of every phase that was not finished.
    """
    start = run_folder.start_of(root)
    done: list[Trained] = []
    phases = run_folder.read_config(root).settings.phases
    for number, phase in enumerate(phases):
        folder = run_files.phase_folder(root, phase)
        if not run_folder.is_finished(folder):
            if not quiet:
                console.screen.print(f"phase {phase}: learn {LEARNS[phase]}")
            share = report and partial(_report_phase, report, number, len(phases))
            done.append(_train_phase(root, phase, start, quiet=quiet, report=share))
            if done[-1].interrupted:
                break
        start = folder
    return done


def _report_phase(report: ShareReport, number: int, phases: int, share: float) -> None:
    report((number + share) / phases)


def _train_phase(
    root: Path, phase: int, start: Path | None, *, quiet: bool, report: ShareReport | None
) -> Trained:
    folder = run_files.phase_folder(root, phase)
    if run_folder.is_begun(folder):
        with run_files.hold_lock(folder):
            return go_on(run_folder.read_config(folder), folder, quiet=quiet, report=report)
    plan = run_files.read(run_files.phase_plan(root, phase), MAX_FILE_BYTES)
    config = from_dict(parse_mapping(plan))
    return train(config, folder, start=start, quiet=quiet, report=report)
