"""``recommend.py``: reads a sales file, chooses, plays the choice and writes the run's folder."""

import datetime as dt
import time
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from agents import run_files, run_folder
from agents.config import RunConfig, resolve
from agents.tuned_file import Recommendation
from commands.recommendation.advice import figures, page, sentence
from commands.recommendation.report import understood, write_report
from commands.recommendation.selection import (
    Candidates,
    Periods,
    longest_episode,
    period_before,
    periods_of,
    pieces_of_work,
    play_candidates,
)
from common.console import screen
from common.errors import InputError

ANY_ALGORITHM = "ppo"
"""Whose recipe gives the parameters of the problem where no agent is trained."""


def recommend(
    flags: dict[str, Any],
    *,
    algo: str | None = None,
    origins: int = 3,
    assignments: tuple[str, ...] = (),
    run_dir: Path | None = None,
) -> tuple[Path, Recommendation]:
    """Return a new run's folder and the recommendation that it holds.

    Parameters
    ----------
    flags : dict
        As `agents.config.resolve`: ``demand``, ``split``, ``calendar`` and so on; also ``until``.
    algo : str, optional
        An agent to train beside the rules.
    origins : int
        How many periods before the split choose.
    assignments : tuple of str
        ``key=value``, as ``--set``.
    run_dir : Path, optional
        An empty or new folder.

    Raises
    ------
    InputError
        As `resolve`, and if there are too few days.
    """
    given = {**flags, "algo": algo or ANY_ALGORITHM}
    until = given.pop("until", None)
    last = () if until is None else (f"demand_data.until={until}",)
    shorter: tuple[str, ...] = ()

    @cache  # it finds the costs that reach service levels, which takes long with many products
    def make_run(split: dt.date | None, end: dt.date | None) -> RunConfig:
        own = dict(given)
        if split is not None:
            own["split"] = split.isoformat()
            if algo is None:  # rules need no days that select a model
                own["validation"] = period_before(first, split)
        stop = last if end is None else (f"demand_data.until={end}",)
        run = resolve(own, assignments=(*shorter, *assignments, *stop))
        if run.parameters.objective != "cost":
            raise InputError("objective: a recommendation counts money; leave it at cost")
        return run

    first = make_run(None, None)
    periods = periods_of(first, origins)
    room = longest_episode(make_run(*next(periods.folds())), agent=algo is not None)
    if room < first.parameters.horizon:
        shorter = (f"horizon={room}",)
        make_run.cache_clear()
    run = make_run(periods.split, periods.until)
    if room < run.parameters.horizon:
        raise InputError(
            f"horizon = {run.parameters.horizon}: before the first origin there is room for {room} "
            f"{run.parameters.history.table.period}s; say --set horizon={room}, or nothing"
        )
    words = understood(run.parameters)
    screen.print(words, soft_wrap=True)
    folder = run_dir or run_folder.RUNS / f"recommend__{time.strftime('%Y%m%d-%H%M%S')}"
    with ExitStack() as held:
        if algo is None:
            held.enter_context(run_folder.claim(run, folder))
        found = _play(make_run, run, periods, algo, folder)
        if algo is None:
            run_folder.write_start(run, folder, {})
            run_folder.write_versions(folder, finished=True)
        advice = _advice(run, found, periods, algo)
        text = page(found, periods, run.parameters.history.table, words, advice.sentence)
        run_files.write_beside(folder / run_files.ADVICE, text.encode())
        advice.write(folder)
        write_report(run, folder, advice, found.policies, found.evaluation)
    return folder, advice


def _advice(
    run: RunConfig, found: Candidates, periods: Periods, algo: str | None
) -> Recommendation:
    known, choice = run.parameters.history.covariates, found.choice
    return Recommendation(
        kind="agent" if choice == algo else "rule",
        name=choice,
        values=dict(found.values.get(choice, {})),
        sentence=sentence(found, () if known is None else known.names, algo),
        figures=figures(found, periods, algo),
    )


def _play(
    make_run: Any, run: RunConfig, periods: Periods, algo: str | None, folder: Path
) -> Candidates:
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task("", total=pieces_of_work(run, len(periods.origins), algo))
        begun, told, one_at_a_time = False, set(), Lock()

        def report(what: str) -> None:
            nonlocal begun
            where = what.partition(":")[0]
            line = what if ": training" in what else f"{where}: tuning and playing the rules"
            with one_at_a_time:  # rules are played in threads
                bar.update(task, description=what, advance=int(begun))
                begun = True
                if line not in told and not screen.is_terminal:  # a log shows no bar
                    told.add(line)
                    screen.print(line)

        return play_candidates(make_run, periods, algo=algo, folder=folder, report=report)
