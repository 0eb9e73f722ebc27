"""``recommend.py``: reads a sales file, chooses, plays the choice and writes the run's folder."""

import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from agents import run_files, run_folder
from agents.config import RunConfig
from agents.tuned_file import Recommendation
from commands.recommendation.advice import figures, page, sentence
from commands.recommendation.agent import play_agent
from commands.recommendation.report import understood, write_report
from commands.recommendation.runs import AUTO, Runs, runs_of_agent, runs_of_rules, say_no_agent
from commands.recommendation.selection import Candidates, Periods, pieces_of_work, play_rules
from common.console import screen
from common.errors import InputError


@dataclass(frozen=True)
class Recommended:
    """What comes of `recommend`.

    Attributes
    ----------
    folder : Path
        The run's folder.
    advice : Recommendation
        The recommendation that it holds.
    status : int
        Exit status of the signal that ended the training of the agent, 0 without one.
    """

    folder: Path
    advice: Recommendation
    status: int


def recommend(
    flags: dict[str, Any],
    *,
    algo: str | None = None,
    origins: int = 3,
    assignments: tuple[str, ...] = (),
    run_dir: Path | None = None,
) -> Recommended:
    """Choose among rules and an agent, and write a new run's folder.

    Parameters
    ----------
    flags : dict
        As `agents.config.resolve`: ``demand``, ``split``, ``calendar`` and so on; also ``until``.
    algo : str, optional
        The algorithm of an agent to train beside the rules; ``auto`` trains the default one where
        the file admits it.
    origins : int
        How many periods before the split choose.
    assignments : tuple of str
        ``key=value``, as ``--set``.
    run_dir : Path, optional
        An empty or new folder.

    Raises
    ------
    InputError
        As `agents.config.resolve`, and if there are too few days.
    """
    rules, periods = runs_of_rules(flags, assignments, algo, origins)
    run = rules(periods.split, periods.until)
    words = understood(run.parameters)
    screen.print(words, soft_wrap=True)
    agent = runs_of_agent(flags, assignments, algo, rules, periods)
    folder = run_dir or run_folder.RUNS / f"recommend__{time.strftime('%Y%m%d-%H%M%S')}"
    with run_folder.claim(run, folder):
        where = folder / run_files.AGENT
        found, status = _play(rules, agent, periods, where, optional=algo == AUTO)
        if agent is not None and found.choice not in found.values:
            run_files.take_agent(folder)
            run_files.write(folder / run_files.RULES, run.to_yaml().encode())
            run = run_folder.read_config(folder)  # with the rule of all days
        else:
            run_folder.write_start(run, folder, {})
            run_folder.write_versions(folder, finished=True)
        advice = _advice(run, found, periods)
        text = page(found, periods, run.parameters.history.table, words, advice.sentence)
        run_files.write_beside(folder / run_files.ADVICE, text.encode())
        advice.write(folder)
        write_report(run, folder, advice, found.policies, found.evaluation)
    return Recommended(folder, advice, status)


def _advice(run: RunConfig, found: Candidates, periods: Periods) -> Recommendation:
    known, choice = run.parameters.history.covariates, found.choice
    return Recommendation(
        kind="rule" if choice in found.values else "agent",
        name=choice,
        values=dict(found.values.get(choice, {})),
        sentence=sentence(found, () if known is None else known.names),
        figures=figures(found, periods),
    )


def _play(
    rules: Runs, agent: Runs | None, periods: Periods, folder: Path, *, optional: bool
) -> tuple[Candidates, int]:
    """Return the candidates, and the exit status of the signal that ended training, or 0."""
    run = rules(periods.split, periods.until)
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(
            "", total=pieces_of_work(run, len(periods.origins), agent=agent is not None)
        )
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

        found = play_rules(rules, periods, report=report)
        if agent is None:
            return found, 0
        try:
            return found, play_agent(found, agent, periods, folder=folder, report=report)
        except InputError as error:
            if not optional:
                raise
            say_no_agent(error)
            return found, 0
