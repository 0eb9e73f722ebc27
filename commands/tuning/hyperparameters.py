"""Hyperparameters searched for, and the recipe that is found held against the default one."""

import json
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table
from scipy import stats

from agents import run_files, run_folder
from agents.config import RunConfig
from commands.evaluate import checkpoints_from_options, evaluate_policies
from common.console import PlainConsole, screen
from common.errors import InputError
from common.files import read_bytes, write_whole
from common.shards import Workers, describe, iterate_shards, shard_progress
from evaluation.seeds import stratified_bootstrap
from training.search.space import assignments
from training.search.study import FAILED, StudyPlan, check_plan, is_ended, open_study, work
from training.seeds import resume_seeds, train_seeds

if TYPE_CHECKING:
    import optuna

PLAN, RECIPE, TRIALS, IMPORTANCE = "plan.json", "recipe.yaml", "trials.csv", "importance.png"
"""Files of a study's folder, besides the journal and the trials."""
FIRST_FRESH_SEED = 1000
"""Seeds of the comparison with the default recipe start here; the search itself uses `seed`."""
EPISODES = 2000


def begin(plan: StudyPlan) -> None:
    """Make the folder of a study, or make sure that it holds the same one.

    Raises
    ------
    InputError
        If it holds another study, or something else.
    """
    folder = Path(plan.folder)
    content = json.dumps(_identity(plan), indent=2, sort_keys=True).encode()
    if (folder / PLAN).is_file():
        if read_bytes(folder / PLAN, run_files.MAX_BYTES) != content:
            raise InputError(
                f"--run-dir {folder}: holds a study of other settings; go on with those, or name "
                "another folder"
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"--run-dir {folder}: exists and holds no study; choose another folder")
    check_plan(plan)  # what is wrong is said before anything is made
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / PLAN, content)


def _identity(plan: StudyPlan) -> dict[str, Any]:
    """Return what makes a study, as JSON values; the number of trials may grow."""
    return {
        "run": plan.run({}).to_yaml(),
        "space": {name: where.model_dump(mode="json") for name, where in plan.space.items()},
        "sampler": plan.sampler,
        "pruner": plan.pruner,
        "seed": plan.seed,
    }


def search(plan: StudyPlan, workers: Workers, *, quiet: bool) -> "optuna.Study":
    """Do the trials that are missing; after Ctrl-C, those that ended are kept."""
    study = open_study(plan)
    missing = plan.trials - sum(map(is_ended, study.get_trials(deepcopy=False)))
    plan = replace(plan, silent=not workers.here)
    places = range(max(0, missing))
    with (
        shard_progress(
            len(places), "trials", shown=not quiet, more=lambda: best_so_far(study)
        ) as report,
        closing(iterate_shards(work, plan, places, workers, report=report)) as outcomes,
    ):
        for outcome in outcomes:
            report(outcome.index, 1.0)
            if outcome.error is not None:
                screen.print(f"a trial broke: {describe(outcome.error)}", soft_wrap=True)
    return study


def _judged(study: "optuna.Study") -> list[Any]:
    """Return the trials that were judged; Optuna gives pruned ones their last score as a value."""
    return [one for one in study.get_trials(deepcopy=False) if one.state.name == "COMPLETE"]


def best_so_far(study: "optuna.Study") -> str:
    """Return the end of the line of progress: what the best trial that was judged earns."""
    values = [one.value for one in _judged(study)]
    return f", best {max(values):,.2f}" if values else ""


def write_results(study: "optuna.Study", plan: StudyPlan) -> RunConfig:
    """Write the best trial's recipe, the table of all trials and the settings' importance.

    Raises
    ------
    InputError
        If no trial was judged.
    """
    folder = Path(plan.folder)
    if not _judged(study):
        failed = [one.user_attrs.get(FAILED) for one in study.get_trials(deepcopy=False)]
        raise InputError(f"{folder}: no trial was judged; {next(filter(None, failed), 'go on')}")
    best = plan.run(study.best_trial.params)
    write_whole(folder / RECIPE, best.to_yaml().encode())
    table = study.trials_dataframe()
    table.loc[table["state"] != "COMPLETE", "value"] = None  # else a score on other traces
    write_whole(folder / TRIALS, table.to_csv(index=False).encode())
    importance = importances(study)
    if importance:
        write_whole(folder / IMPORTANCE, _bars(importance))
    return best


def importances(study: "optuna.Study") -> dict[str, float]:
    """Return what share of the differences each setting explains, the largest first.

    References
    ----------
    Watanabe, Bansal and Hutter (2023), PED-ANOVA: Efficiently Quantifying Hyperparameter
    Importance in Arbitrary Subspaces, IJCAI.
    """
    import optuna

    if len(_judged(study)) < 4:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: share for name, share in found.items() if np.isfinite(share)}


def _bars(importance: dict[str, float]) -> bytes:
    import io

    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 0.6 + 0.35 * len(importance)), layout="constrained")
    axes = figure.subplots()
    names = list(importance)[::-1]
    axes.barh(names, [importance[name] for name in names], color="#4269d0")
    axes.set_xlabel("share of the differences between trials")
    axes.spines[["top", "right"]].set_visible(False)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=150)
    return file.getvalue()


@dataclass(frozen=True)
class Confirmed:
    """A recipe trained with fresh seeds and played on evaluation traces.

    Attributes
    ----------
    name : str
        Which recipe.
    returns : ndarray
        Mean return of each seed, shape (seeds,).
    gap : float or None
        Of the interquartile mean.
    """

    name: str
    returns: Any
    gap: float | None


def confirm(
    plan: StudyPlan, best: RunConfig, seeds: int, workers: Workers, *, quiet: bool
) -> tuple[list[Confirmed], int]:
    """Train the default and the found recipe with the same fresh seeds and steps.

    What was trained of another recipe, as a study that goes on finds better ones, or with other
    seeds, is trained anew.

    Returns
    -------
    list of Confirmed, int
        Both recipes, and the exit status of a signal, 0 without one.
    """
    fresh = tuple(range(FIRST_FRESH_SEED, FIRST_FRESH_SEED + seeds))
    done: list[Confirmed] = []
    for name, run in (("default", plan.run({})), ("found", best)):
        folder = Path(plan.folder) / name
        if folder.exists() and not _is_trained(folder, run, fresh):
            rmtree(folder)
        if folder.exists():
            _, status = resume_seeds(folder, workers=workers, quiet=quiet)
        else:
            _, _, status = train_seeds(fresh, [run], folder, workers=workers, quiet=quiet)
        if status:
            return done, status
        loaded = checkpoints_from_options(
            None, checkpoints=(str(folder),), problem=None, config=None, assignments=(), stores=None
        )
        played = evaluate_policies(loaded, baselines="none", episodes=EPISODES).results
        over = played.seeds
        assert over is not None  # noqa: S101  (several checkpoints have statistics)
        rows = [played.comparison.policies["random" if s.failed else s.name] for s in over.seeds]
        done.append(Confirmed(name, np.array([row.estimate.mean for row in rows]), over.gap))
    return done, 0


def _is_trained(folder: Path, run: RunConfig, seeds: tuple[int, ...]) -> bool:
    """Return whether a folder is that of a run with these seeds."""
    settings = run.settings.model_copy(update={"seeds": seeds})
    same = replace(run, settings=settings).to_dict()
    return run_folder.is_begun(folder) and run_folder.read_config(folder).to_dict() == same


def show(study: "optuna.Study", plan: StudyPlan, confirmed: list[Confirmed]) -> None:
    """Print what was found, how settings matter, and both recipes on fresh seeds."""
    out = PlainConsole()
    states = [one.state.name.lower() for one in study.get_trials(deepcopy=False)]
    counts = ", ".join(f"{states.count(s)} {s}" for s in ("complete", "pruned", "fail"))
    best = study.best_trial
    out.print(f"{counts}; best: trial {best.number}, {best.value:,.3f} on tuning traces")
    table = Table(box=None, pad_edge=False)
    for heading in ("setting", "found", "importance"):
        table.add_column(heading, justify="left" if heading == "setting" else "right")
    shares = importances(study)
    for name in sorted(plan.space, key=lambda name: -shares.get(name, 0.0)):
        (assignment,) = assignments({name: best.params[name]})
        share = f"{shares[name]:.0%}" if name in shares else ""
        table.add_row(name, assignment.partition("=")[2], share)
    out.print(table)
    if confirmed:
        out.print(_comparison(confirmed))
    out.print(f"recipe: {Path(plan.folder) / RECIPE}", soft_wrap=True)


def _comparison(confirmed: list[Confirmed]) -> str:
    """Return both recipes on fresh seeds and evaluation traces, and their difference."""
    lines = []
    for one in confirmed:
        middle = stratified_bootstrap(one.returns)
        around = "" if middle.ci95 is None else f" [{middle.ci95[0]:,.3f}, {middle.ci95[1]:,.3f}]"
        gap = "" if one.gap is None else f", gap {one.gap:.2%}"
        lines.append(
            f"{one.name}: {middle.value:,.3f}{around}{gap} "
            f"({len(one.returns)} fresh seeds, {EPISODES:,} episodes each)"
        )
    default, found = (one.returns for one in confirmed)
    if min(len(default), len(found)) > 1 and default.var() + found.var() > 0:
        test = stats.ttest_ind(found, default, equal_var=False)
        low, high = test.confidence_interval()
        lines.append(
            f"found minus default: {found.mean() - default.mean():+z,.3f} [{low:+,.3f}, "
            f"{high:+,.3f}] (Welch's t over seeds, the same steps a run)"
        )
    return "\n".join(lines)
