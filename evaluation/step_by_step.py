"""Episodes as they are played: printed step by step, and their reports as a file."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.chunks import Play
from baselines.policy import Policy, of_chunk
from baselines.rollout import Observer, run_episodes
from common.console import PlainConsole
from common.errors import InputError
from common.files import write_whole
from envs.batch import Batch, Outcome
from envs.problems import Problem
from evaluation.comparison import Comparison
from evaluation.output import Results
from evaluation.report.latex import latex_table

MOST_ROWS = 5_000_000
"""Of a file of reports."""


@dataclass(frozen=True)
class Played:
    """An evaluation whose first policy is to be watched.

    Attributes
    ----------
    problem, parameters, observe_step
        What is played, and whether agents observe the step.
    policies : mapping
        Policies by name, the one to watch first.
    episodes, seed, stochastic
        Of the evaluation.
    """

    problem: Problem
    parameters: Any
    observe_step: bool
    policies: Mapping[str, Policy]
    episodes: int
    seed: int
    stochastic: bool = False

    def watch(self, observer: Observer, count: int | None = None) -> None:
        """Play the first `count` episodes once more, watched by `observer`."""
        play = Play(self.problem, self.parameters, self.policies, self.episodes, self.seed)
        for chunk in range(play.chunks if count is None else 1):
            trace = {name: values[:count] for name, values in play.trace(chunk).items()}
            worlds = len(next(iter(trace.values())))
            batch = self.problem.make_batch(
                self.parameters, worlds, split="evaluation", observe_step=self.observe_step
            )
            policy = of_chunk(next(iter(self.policies.values())), chunk)
            policy.bind(batch)
            run_episodes(batch, policy, trace, deterministic=not self.stochastic, observer=observer)


def print_steps(played: Played, count: int) -> None:
    """Print the first `count` episodes of an evaluation step by step; none for 0."""
    if count == 0:
        return
    printer = StepPrinter(played.problem, next(iter(played.policies)))
    played.watch(printer, count)
    printer.show(PlainConsole())


def write_files(files: Mapping[str, Path | None], played: Played, results: Results) -> None:
    """Write the files that an evaluation was asked for.

    Parameters
    ----------
    files : mapping
        Where to: the ``table`` as CSV, the same as ``latex``, the totals of all ``episodes`` of
        all policies, the ``reports`` of every step as the first policy plays; None for those that
        nobody wants.
    played, results : Played, Results
        What was played, and what it came to.

    Raises
    ------
    InputError
        If reports are more than `MOST_ROWS`.
    """
    for kind, path in files.items():
        if path is None:
            continue
        if kind == "table":
            text = results.to_csv()
        elif kind == "latex":
            text = latex_table(results)
        elif kind == "episodes":
            text = _episodes(results.comparison)
        else:
            recorder = ReportRecorder(played.problem)
            played.watch(recorder)
            text = recorder.to_csv()
        write_whole(path, text.encode())


class StepPrinter(Observer):
    """Keeps what every step of every episode looked like, and prints one episode after another.

    Parameters
    ----------
    problem : Problem
        Says how a step looks.
    name : str
        Of the policy.
    """

    def __init__(self, problem: Problem, name: str) -> None:
        self._problem, self._name = problem, name

    def start(self, batch: Batch) -> None:
        """Watch this batch from now on."""
        self._batch = batch
        self._texts: list[list[str]] = [[] for _ in range(batch.num_worlds)]
        self._returns = np.zeros(batch.num_worlds)

    def after_step(self, outcome: Outcome, running: NDArray[np.bool_]) -> None:
        """Keep the step of every world that is in its episode."""
        del outcome
        totals = self._batch.episode_totals()["return"]
        for world in np.flatnonzero(running):
            self._texts[world].append(self._problem.text(self._batch, int(world)))
            self._returns[world] = totals[world]

    def show(self, console: PlainConsole) -> None:
        """Print all episodes."""
        for number, texts in enumerate(self._texts):
            console.print(f"{self._name}, episode {number + 1} of {len(self._texts)}\n")
            for text in texts:
                console.print(text, soft_wrap=True)
                console.print()
            console.print(f"return {self._returns[number]:,.1f}\n")


class ReportRecorder(Observer):
    """Keeps the report of every step, agent and episode as rows of a table.

    Parameters
    ----------
    problem : Problem
        Says what a report is.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._rows: list[dict[str, Any]] = []
        self._worlds = 0

    def start(self, batch: Batch) -> None:
        """Watch this batch from now on; its episodes follow those of the last one."""
        self._batch, self._steps = batch, 0
        self._first, self._worlds = self._worlds, self._worlds + batch.num_worlds

    def after_step(self, outcome: Outcome, running: NDArray[np.bool_]) -> None:
        """Keep the reports of every world that is in its episode."""
        self._steps += 1
        reports = self._problem.reports(self._batch)
        rewards = outcome.reward.reshape(self._batch.num_worlds, -1)
        if len(self._rows) + running.sum() * len(reports) > MOST_ROWS:
            raise InputError(f"--reports: more than {MOST_ROWS:,} rows; use fewer --episodes")
        for world in np.flatnonzero(running):
            for column, (agent, report) in enumerate(reports.items()):
                row = {"episode": self._first + int(world) + 1, "step": self._steps, "agent": agent}
                row["reward"] = _plain(rewards[world, column])
                row |= {name: _plain(values[world]) for name, values in report.items()}
                self._rows.append(row)

    def to_csv(self) -> str:
        """Return the rows: episodes, steps, agents in order; empty where an agent has no such."""
        self._rows.sort(key=lambda row: row["episode"])
        return _table(self._rows)


def _episodes(comparison: Comparison) -> str:
    """Return the totals of every episode of every policy as CSV."""
    rows = [
        {"policy": name, "episode": episode + 1}
        | {total: _plain(values[episode]) for total, values in result.totals.items()}
        for name, result in comparison.policies.items()
        for episode in range(len(result.returns))
    ]
    return _table(rows)


def _plain(value: Any) -> Any:
    """Return a number of numpy's as Python's, whole where it is."""
    number = value.item() if hasattr(value, "item") else value
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _table(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
