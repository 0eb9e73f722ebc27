"""Training: a configuration in, a run folder out."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from agents import checkpoints, run_folder
from agents.config import RunConfig
from agents.hyperparameters import DQN, Hyperparameters
from agents.memory import check_memory
from agents.models import check_device
from agents.players import learning_players
from agents.run_files import BEST, CARD, FINAL, PLAYERS
from agents.run_folder import changed_data, report_write_errors
from common import console
from common.errors import InputError, NumericalError, short
from common.files import write_whole
from evaluation.report.card import model_card
from training.callbacks import Score, Scored, ShareReport
from training.evaluator import Evaluator
from training.learners.build import Learners, build_learners
from training.learners.load import load_agent
from training.logger import silent_writers
from training.observation_range import write_observation_range
from training.session import TrainingSession


@dataclass(frozen=True)
class Trained:
    """The result of training.

    Attributes
    ----------
    folder : Path
        The run's folder.
    best : Score or None
        Score of the best model on validation traces.
    steps, seconds : int, float
        Environment steps, and the time they took without interruptions.
    status : int
        Exit status of the signal that ended it, 0 without one.
    verdict : str
        Comparison with the rule that it began with, if it began with one.
    """

    folder: Path
    best: Score | None
    steps: int
    seconds: float
    status: int
    verdict: str = ""

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended it."""
        return self.status != 0


def train(
    config: RunConfig,
    folder: Path | None = None,
    *,
    start: Path | None = None,
    quiet: bool = True,
    report: ShareReport | None = None,
    scored: Scored | None = None,
) -> Trained:
    """Train a run to its end, or until Ctrl-C, and write its folder.

    Parameters
    ----------
    config : RunConfig
        The resolved run.
    folder : Path, optional
        An empty or new folder; by default one under ``runs/``, named by problem, algorithm, seed
        and time.
    start : Path, optional
        A run folder whose models training starts from, or which play the agents that do not learn.
    quiet : bool
        Show no progress.
    report : callable, optional
        Called with the share of the steps that is done, if nothing is shown.
    scored : callable, optional
        Called with step and score of every evaluation; training stops where it returns True.

    Raises
    ------
    InputError
        If the configuration is inconsistent or the folder cannot be used; nothing has been written
        then. Also if writing to the folder fails during training.
    NumericalError
        If a number is not finite.
    """
    for name, value in (("phases", config.settings.phases), ("seeds", config.settings.seeds)):
        if value:
            more = ", on stores alone" if name == "phases" else ""
            raise InputError(f"{name} = {short(value)}: are trained with --{name}{more}")
    evaluator, learners = _prepare(config, start, quiet=quiet)
    own = learners.learners[0].config if len(learners.learners) == 1 else config
    copies = {f"{PLAYERS}/{name}": path for name, path in learners.frozen.items()}
    with run_folder.claim(own, folder) as folder, report_write_errors(folder):
        run_folder.write_start(own, folder, {**run_folder.start_models(start), **copies})
        watch: Any = {"quiet": quiet, "report": report, "scored": scored}
        session = TrainingSession(config, folder, learners, evaluator, **watch)
        return _run(session, folder, config)


def go_on(
    config: RunConfig, folder: Path, *, quiet: bool = True, report: ShareReport | None = None
) -> Trained:
    """Continue the run in a folder, from its last good checkpoint, or anew if it has none.

    The caller holds the folder's lock.

    Parameters
    ----------
    config : RunConfig
        The folder's own configuration, possibly with more steps.
    folder : Path
        A folder that `train` has begun.
    quiet, report
        As `train` has them.

    Raises
    ------
    InputError, NumericalError
        As `train`.
    """
    evaluator, learners = _prepare(config, run_folder.start_of(folder), quiet=quiet)
    changed = changed_data(folder, config)
    if changed is not None:
        raise InputError(f"{changed}; restore them, or train a new run")
    for change in run_folder.other_versions(folder):
        console.screen.print(f"begun with {change}: the weights may differ in their last bits")
    with report_write_errors(folder):
        session = TrainingSession(config, folder, learners, evaluator, quiet=quiet, report=report)
        return _run(session, folder, config)


def _prepare(config: RunConfig, start: Path | None, *, quiet: bool) -> tuple[Evaluator, Learners]:
    check_device(config.settings.device)
    check_memory(config)
    torch.set_num_threads(1)
    torch.distributions.Distribution.set_default_validate_args(False)
    status = console.screen.status("preparing (the first time, compiling takes a moment)")
    with nullcontext() if quiet else status:
        evaluator, learners = evaluator_of(config), build_learners(config, start)
    for learner in learners.learners:
        check_learning_starts(config, learner.config.hyperparameters)
    return evaluator, learners


def check_steps(configs: Sequence[RunConfig]) -> None:
    """Refuse a run that would end before it learns, or one with such a phase.

    Models that are tuned together have hyperparameters of their own: where no earlier phase makes
    them, `train` checks these.
    """
    for config in configs:
        if config.settings.team.learn != "all" or len(configs) > 1:
            check_learning_starts(config, config.hyperparameters)


def check_learning_starts(config: RunConfig, own: Hyperparameters) -> None:
    """Refuse a run whose learners, with hyperparameters `own`, would end before they learn.

    Raises
    ------
    InputError
        If random exploration at the start takes all the steps that each of them has.
    """
    players = len(learning_players(config))
    steps = config.settings.timesteps // players
    if isinstance(own, DQN) and own.learning_starts >= steps:
        share = f", {steps} for each of {players} learners" if players > 1 else ""
        raise InputError(
            f"learning_starts = {own.learning_starts}: nothing is learned up to that step, and "
            f"timesteps = {config.settings.timesteps}{share}; set learning_starts below "
            f"{steps}, or raise --timesteps"
        )


def evaluator_of(config: RunConfig) -> Evaluator:
    """Return the evaluator that scores a run's policies.

    Raises
    ------
    InputError
        If training is to stop at a gap, and no gap can be known.
    """
    evaluator, gap = Evaluator(config), config.settings.stop.gap
    if gap is not None and not evaluator.knows_gaps:
        whose = f" of {config.measure}" if config.problem.totals else ""
        raise InputError(
            f"stop.gap = {gap:g}: no optimum or bound{whose} is known to measure gaps by; "
            "leave it out"
        )
    return evaluator


def _run(session: TrainingSession, folder: Path, config: RunConfig) -> Trained:
    """Learn to the end, and write the results."""
    saved, wrong = checkpoints.newest(folder, type(config.parameters))
    for line in wrong:
        onward = "starting anew" if saved is None else f"going on from {saved.steps}"
        console.screen.print(f"{line}; {onward}", soft_wrap=True)
    try:
        with silent_writers():
            session.open(saved)
            session.learn()
            session.save(FINAL)
            if session.finished:
                session.save_checkpoint()
            run_folder.write_versions(folder, **session.facts())
            describe(folder, config)
    except NumericalError as error:
        kept = session.keep_last_good()
        run_folder.write_versions(folder, finished=False, failed=str(error))
        raise NumericalError(f"{error}; {folder} keeps {kept}") from None
    finally:
        session.close()
    s = session
    return Trained(folder, s.best.best, s.steps, s.time.seconds, s.status, s.verdict)


def describe(folder: Path, config: RunConfig) -> None:
    """Write the further files of a finished run, the card last."""
    if getattr(config.parameters, "history", None) is not None:
        write_observation_range(folder, *load_agent(folder, BEST))
    write_card(folder)


def write_card(
    folder: Path, evaluation: Mapping[str, Any] | None = None, *, hub: bool = False
) -> None:
    """Write the card of a run, ``README.md``: its contents, its results, and how to load it.

    Parameters
    ----------
    folder : Path
        The run's folder.
    evaluation : mapping, optional
        Content of ``evaluation.json``.
    hub : bool
        Begin with the metadata of the Hugging Face Hub.
    """
    facts = run_folder.read_versions(run_folder.last_phase(folder))
    configuration, name = run_folder.read_config(folder).to_dict(), folder.resolve().name
    text = model_card(name, configuration, facts, evaluation, hub=hub)
    write_whole(folder / CARD, text.encode())
