"""What the studies share: train a run in a scratch folder and judge it on fresh traces."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from agents import run_folder
from agents.config import RunConfig, resolve
from agents.run_files import BEST, FINAL, PROGRESS
from baselines.policy import Policy
from baselines.references import find_reference
from common.errors import InputError
from evaluation.comparison import compare
from training.learners.load import load_agent
from training.resume import resume
from training.trainer import train

DOCS = Path(__file__).resolve().parent.parent / "docs"
EPISODES = 5000
EVALUATION_SEED = 1

runs_option = click.option(
    "--runs",
    "kept",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the runs here; what is finished there is not trained again.",
)
"""The option of every study that goes on where it was."""


@dataclass(frozen=True)
class Experiment:
    """One trained run.

    Attributes
    ----------
    steps, seconds : int, float
        Length of the training.
    gap : float
        Of the best model, on fresh traces.
    final_gap : float
        Of the last model, on the same traces.
    curve : list of tuple
        Steps, seconds and the gap on validation traces, at each evaluation.
    """

    steps: int
    seconds: float
    gap: float
    final_gap: float
    curve: list[tuple[int, float, float]]

    def reached(self, target: float) -> tuple[int, float] | None:
        """Return steps and seconds at the first evaluation with at most this gap."""
        return next((point[:2] for point in self.curve if point[2] <= target), None)

    def stays(self, target: float) -> tuple[int, float] | None:
        """Return steps and seconds from which on every evaluation has at most this gap."""
        above = [i for i, point in enumerate(self.curve) if point[2] > target]
        since = above[-1] + 1 if above else 0
        return self.curve[since][:2] if since < len(self.curve) else None


def experiment(
    flags: Mapping[str, Any], *assignments: str, config: Path | None = None
) -> Experiment:
    """Train a run as ``train.py`` would and evaluate it as ``evaluate.py`` would."""
    run = resolve(flags, assignments=assignments, config=config)
    with TemporaryDirectory() as scratch:
        trained = train(run, Path(scratch))
        measure = find_reference(run.problem.name, run.parameters)
        agents: dict[str, Policy] = {
            name: load_agent(trained.folder, name)[1] for name in (BEST, FINAL)
        }
        comparison = compare(
            run.problem,
            run.parameters,
            agents,
            measure.reference,
            episodes=EPISODES,
            seed=EVALUATION_SEED,
            observe_step=run.settings.observation.step,
        )
        curve = progress_curve(trained.folder)
    best, last = (comparison.policies[name].gap for name in agents)
    if best is None or last is None:
        raise ValueError("no gap without a reference above random")
    return Experiment(trained.steps, trained.seconds, best, last, curve)


def train_once(run: RunConfig, folder: Path) -> bool:
    """Train a run in a folder of its own, or on from where it was stopped; return if it finished.

    A run that is finished there is left as it is.

    Raises
    ------
    InputError
        If the folder holds a run of another configuration.
    """
    if not run_folder.is_begun(folder):
        return not train(run, folder).interrupted
    if _without_reward(run_folder.read_config(folder)) != _without_reward(run):
        raise InputError(f"{folder}: holds a run of another configuration; name another folder")
    return not any(trained.interrupted for trained in resume(folder)[1])


def _without_reward(run: RunConfig) -> dict[str, Any]:
    """Return the configuration but for what training may have replaced by numbers."""
    return {k: value for k, value in run.to_dict().items() if k not in ("reward", "asked")}


def progress_curve(folder: Path) -> list[tuple[int, float, float]]:
    """Return steps, seconds and gap of every evaluation of a run under way."""
    with (folder / PROGRESS).open() as file:
        rows = [row for row in csv.DictReader(file) if row.get("evaluation/gap")]
    return [
        (
            int(row["time/total_timesteps"]),
            float(row["evaluation/seconds"]),
            float(row["evaluation/gap"]),
        )
        for row in rows
    ]
