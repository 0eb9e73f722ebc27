"""A few episodes of one policy, in full: what a run prints when its training is over."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from baselines.policy import Policy
from baselines.rollout import run_episodes
from envs.problems import Problem
from evaluation.table import HEADINGS, SHARES

MOST_STORES = 8
"""Stores that have a column each where episodes are printed one by one."""
EPISODES = 5


def episode_table(
    problem: Problem,
    parameters: Any,
    policy: Policy,
    *,
    seed: int,
    observe_step: bool,
) -> Table:
    """Play `EPISODES` evaluation episodes and return what each came to.

    Of the supply chain these are every store's rewards, of other problems the totals of the
    episode.
    """
    trace = problem.traces(parameters, "evaluation", seed, EPISODES)
    episodes = len(next(iter(trace.values())))
    batch: Any = problem.make_batch(
        parameters, episodes, split="evaluation", observe_step=observe_step
    )
    policy.bind(batch)
    totals = run_episodes(batch, policy, trace)
    what, columns = "", _totals(totals)
    if problem.totals:
        what, columns = ", by store", _by_store(batch.sites["total_return"])
    table = Table(
        title=f"reward of {episodes} episodes{what}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    table.add_column("episode", justify="right")
    for name in columns:
        table.add_column(name, justify="right")
    for episode in range(episodes):
        table.add_row(str(episode + 1), *(f"{c[episode]:,.1f}" for c in columns.values()))
    return table


def _by_store(returns: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return columns of the stores' returns, shape (episodes, stores), or of their quantiles."""
    columns = {f"store_{i + 1}": returns[:, i] for i in range(returns.shape[1])}
    if returns.shape[1] > MOST_STORES:
        columns = {"lowest": returns.min(axis=1), "median": np.median(returns, axis=1)}
        columns["highest"] = returns.max(axis=1)
    return {**columns, "mean": returns.mean(axis=1)}


def _totals(totals: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Return columns of the totals that a table of results shows, the return first."""
    columns = {"return": totals["return"], "steps": totals["length"]}
    for name, heading in HEADINGS.items():
        if name in totals:
            columns[heading] = totals[name] * (100.0 if name in SHARES else 1.0)
    return columns
