"""A study of hyperparameters: trials that are trainings, over processes and machines.

Optuna keeps what was tried, by default in a journal file. A trial whose process was killed is done
again under its own number and with its own values, so that nothing is counted twice. With one
worker the study is the same, bit for bit, however often it was interrupted: what a trial tries
depends on its number, the name of the setting, and the trials that ended before.
"""

import importlib.util
import secrets
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from agents.config import RunConfig, resolve
from agents.run_files import BEST
from baselines.tuning import TUNING_SEED
from common import console
from common.errors import InputError, NumericalError, choose
from common.shards import Report
from training.callbacks import Score
from training.evaluator import Evaluator
from training.learners.load import load_agent
from training.search.space import Space, assignments
from training.trainer import train

if TYPE_CHECKING:
    import optuna

SAMPLERS = {"tpe": "TPESampler", "random": "RandomSampler", "gp": "GPSampler"}
"""Not CMA-ES: it keeps its state pickled in the storage."""
PRUNERS = {"hyperband": "HyperbandPruner", "median": "MedianPruner", "none": "NopPruner"}
NAME = "search"
OWNER, SCORE, FAILED = "owner", "validation", "failed"
"""Attributes of a trial."""


@dataclass(frozen=True)
class StudyPlan:
    """What is searched, how, and where what was tried is kept.

    Attributes
    ----------
    folder : str
        The study's folder; trials lie in it as ``trial_0`` and so on.
    base : str
        The run without what is searched, as YAML.
    flags, config, assignments : dict, str or None, tuple of str
        What `agents.config.resolve` makes a trial's run of, with its values behind.
    space : Space
        Where to search.
    storage : str or None
        A database in place of the journal file.
    sampler, pruner : str
        Keys of `SAMPLERS` and `PRUNERS`.
    trials : int
        So many are to be ended.
    seed : int
        Of the sampler.
    silent : bool
        Whether trials run in processes of their own, for which the first one speaks.
    """

    folder: str
    flags: dict[str, Any]
    config: str | None
    assignments: tuple[str, ...]
    space: Space
    storage: str | None
    sampler: str
    pruner: str
    trials: int
    seed: int
    silent: bool = False

    def run(self, values: dict[str, Any]) -> RunConfig:
        """Return the run with these values of the space."""
        config = None if self.config is None else Path(self.config)
        more = (*self.assignments, *assignments(values))
        return resolve(self.flags, config=config, assignments=more)


def check_plan(plan: StudyPlan) -> None:
    """Refuse a sampler or pruner that is none, and a search without Optuna.

    Raises
    ------
    InputError
        One line.
    """
    if importlib.util.find_spec("optuna") is None:
        raise InputError("--algo needs Optuna; pip install -e '.[tune]'")
    choose("sampler", plan.sampler, SAMPLERS)
    choose("pruner", plan.pruner, PRUNERS)


def open_study(plan: StudyPlan) -> "optuna.Study":
    """Return the study, begun if there is none.

    Raises
    ------
    InputError
        As `check_plan`, or if the storage cannot be opened.
    """
    check_plan(plan)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    make_sampler = getattr(optuna.samplers, SAMPLERS[plan.sampler])
    pruner = getattr(optuna.pruners, PRUNERS[plan.pruner])()
    try:
        return optuna.create_study(
            study_name=NAME if plan.storage is None else f"{NAME}_{Path(plan.folder).name}",
            storage=plan.storage or _journal(Path(plan.folder)),
            sampler=_seeded(make_sampler, plan.seed),
            pruner=pruner,
            direction="maximize",
            load_if_exists=True,
        )
    except Exception as error:  # whatever a database's driver raises
        why = " ".join(str(error).split())[:200]
        where = f"--storage {plan.storage}" if plan.storage else plan.folder
        raise InputError(f"{where}: cannot be opened: {why}") from None


def _journal(folder: Path) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(folder / "study.jsonl")))


def _seeded(make: Callable[..., Any], seed: int) -> Any:
    """Return a sampler that draws by the trial's number and the setting's name alone."""
    from optuna.samplers import BaseSampler

    def of(trial: Any, name: str) -> Any:
        return make(seed=zlib.crc32(f"{seed}/{trial.number}/{name}".encode()))

    class Seeded(BaseSampler):
        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            return of(trial, "").infer_relative_search_space(study, trial)

        def sample_relative(self, study: Any, trial: Any, space: Any) -> Any:
            return of(trial, "").sample_relative(study, trial, space)

        def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
            return of(trial, name).sample_independent(study, trial, name, distribution)

    return Seeded()


def is_ended(trial: Any) -> bool:
    """Return whether a trial counts: it was judged, pruned, or failed."""
    return bool(trial.state.is_finished())


def work(plan: StudyPlan, _place: int, report: Report) -> int | None:
    """Do one trial that nobody does: one whose process died, or else a new one.

    Returns
    -------
    int or None
        Its number, or None if none is left.
    """
    if plan.silent:
        console.screen.quiet = True
    study = open_study(plan)
    with _owned(Path(plan.folder)) as owner:
        trial = _take(study, plan, owner)
        if trial is None:
            return None
        values = {name: where.suggest(trial, name) for name, where in plan.space.items()}
        _train(study, trial, plan, values, report)
        return int(trial.number)


def _take(study: "optuna.Study", plan: StudyPlan, owner: str) -> Any:
    """Return a trial that is this process's from here on."""
    from optuna.trial import Trial, TrialState

    with FileLock(Path(plan.folder) / ".study.lock", timeout=60):
        known = study.get_trials(deepcopy=False)
        dead = [
            one
            for one in known
            if one.state == TrialState.RUNNING and not _alive(plan, one.user_attrs.get(OWNER))
        ]
        if dead:
            trial = Trial(study, dead[0]._trial_id)
        elif len(known) < plan.trials:
            trial = study.ask()
        else:
            return None
        trial.set_user_attr(OWNER, owner)
        return trial


@contextmanager
def _owned(folder: Path) -> Iterator[str]:
    """Hold a lock by which others know that this process lives; it goes with the process."""
    owner = secrets.token_hex(8)
    path = folder / f".owner_{owner}.lock"
    with FileLock(path, timeout=0):
        yield owner
    path.unlink(missing_ok=True)


def _alive(plan: StudyPlan, owner: str | None) -> bool:
    """Return whether a trial's process lives, or is one of another machine."""
    if owner is None:
        return False  # it was killed before it said who it was
    path = Path(plan.folder) / f".owner_{owner}.lock"
    if not path.exists():
        return True
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def _train(
    study: "optuna.Study", trial: Any, plan: StudyPlan, values: dict[str, Any], report: Report
) -> None:
    """Train a trial's run, unless the pruner stops it, and judge its best model."""
    from optuna.trial import TrialState

    folder = Path(plan.folder) / f"trial_{trial.number}"
    if folder.exists():
        rmtree(folder)  # of a process that died
    pruned, known = False, _reported(study, trial.number)

    def scored(step: int, score: Score) -> bool:
        nonlocal pruned
        if step not in known:  # by a process that died, which came to the same
            trial.report(score.value if score.gap is None else -score.gap, step)
        pruned = bool(trial.should_prune())
        return pruned

    try:
        run = plan.run(values)
        done = train(run, folder, report=report, scored=scored)
    except (InputError, NumericalError) as error:
        trial.set_user_attr(FAILED, " ".join(str(error).split())[:200])
        study.tell(trial, state=TrialState.FAIL)
        return
    if done.interrupted:
        raise KeyboardInterrupt
    if pruned:
        study.tell(trial, state=TrialState.PRUNED)
        return
    if done.best is not None:
        trial.set_user_attr(SCORE, done.best.value)
    study.tell(trial, judge(folder))


def _reported(study: "optuna.Study", number: int) -> set[int]:
    """Return the steps of a trial of which a score is known."""
    (own,) = (one for one in study.get_trials(deepcopy=False) if one.number == number)
    return set(own.intermediate_values)


def judge(folder: Path) -> float:
    """Return what a run's best model earns on the traces of tuning, the same for all trials."""
    run, agent = load_agent(folder, BEST)
    settings = run.settings.model_copy(update={"seed": TUNING_SEED})
    return Evaluator(replace(run, settings=settings), split="tuning").score(agent).value
