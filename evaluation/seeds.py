"""What a recipe is worth over the seeds it was trained with, failures included.

References
----------
Agarwal, Schwarzer, Castro, Courville and Bellemare (2021), Deep reinforcement learning at the edge
of the statistical precipice, NeurIPS 34: the interquartile mean, its stratified bootstrap, and the
probability of improvement.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.comparison import Comparison, PolicyResult
from evaluation.statistics import share_better, worst_mean

RESAMPLES = 10_000
"""Times that the bootstrap draws the seeds anew."""

COVERED = {2: 50, 3: 75, 4: 88}
"""How often the bootstrap's 95% interval of so few normal scores holds the truth [%]."""

TRIMMED = 0.25
"""Share of the scores that the interquartile mean leaves out at either end."""

Statistic = Callable[[NDArray[np.float64]], Any]
"""From scores, the last axis, to what sums them up."""


@dataclass(frozen=True)
class Interval:
    """A value over seeds with its 95% bootstrap interval; None where there is one seed only."""

    value: float
    ci95: tuple[float, float] | None

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        return {"value": self.value, "ci95": list(self.ci95) if self.ci95 else None}


@dataclass(frozen=True)
class Seed:
    """One training run of the recipe.

    Attributes
    ----------
    name : str
        Its name among the policies.
    run : str
        Its folder.
    seed : int or None
        Its seed, if the folder still says it.
    failed : str or None
        Why it has no policy to judge.
    """

    name: str
    run: str
    seed: int | None
    failed: str | None = None


@dataclass(frozen=True)
class AgainstRival:
    """The recipe against one rival.

    Attributes
    ----------
    difference : Interval
        Interquartile mean of the seeds' returns less the rival's return. Its interval is over seeds
        and over episodes, which all of them share: of one seed over episodes alone.
    better_episodes : Interval
        Share of common episodes, over all seeds, in which the agent earns more; ties half.
    better_seeds : float
        Share of seeds whose mean is above the rival's; ties half.
    """

    difference: Interval
    better_episodes: Interval
    better_seeds: float


@dataclass(frozen=True)
class SeedStatistics:
    """A recipe over its seeds; a failed seed counts as random play.

    Attributes
    ----------
    seeds : tuple of Seed
        All seeds, in the order given.
    iqm : Interval
        Interquartile mean of the seeds' returns.
    iqm_finished : Interval or None
        The same without the failed seeds, where some failed.
    gap : float or None
        Of the interquartile mean.
    worst : float
        Mean return of the worst 5% of the episodes of all seeds.
    rivals : dict
        By name, the recipe against it.
    """

    seeds: tuple[Seed, ...]
    iqm: Interval
    iqm_finished: Interval | None
    gap: float | None
    worst: float
    rivals: dict[str, AgainstRival]

    @property
    def failed(self) -> list[Seed]:
        """The seeds that have no policy to judge."""
        return [seed for seed in self.seeds if seed.failed is not None]

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        finished = self.iqm_finished
        return {
            "runs": [vars(seed) for seed in self.seeds],
            "failed": len(self.failed),
            "iqm": self.iqm.to_json(),
            "iqm_without_failed": finished and finished.to_json(),
            "gap": self.gap,
            "return_worst_5_percent": self.worst,
            "rivals": {
                name: {
                    "difference": rival.difference.to_json(),
                    "better_episodes": rival.better_episodes.to_json(),
                    "better_seeds": rival.better_seeds,
                }
                for name, rival in self.rivals.items()
            },
        }


def interquartile_mean(scores: NDArray[np.float64]) -> Any:
    """Return the mean of the middle half of the last axis.

    A quarter of the scores, rounded down, is left out at either end, so that of 2 or 3 it is the
    plain mean, and of 4 to 7 that without the lowest and the highest.

    Examples
    --------
    >>> float(interquartile_mean(np.array([9.0, 1.0, 2.0, 3.0, 100.0, 4.0, 5.0, -50.0])))
    3.5
    """
    cut = int(TRIMMED * scores.shape[-1])
    return np.sort(scores, axis=-1)[..., cut : scores.shape[-1] - cut].mean(axis=-1)


def stratified_bootstrap(
    scores: NDArray[np.float64],
    statistic: Statistic = interquartile_mean,
    *,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return a statistic of runs on tasks with its percentile bootstrap interval.

    Parameters
    ----------
    scores : ndarray
        Shape (runs, tasks), or (runs,) for a single task.
    statistic : callable
        Of the scores of all runs and tasks, which it finds in the last axis.
    resamples : int
        How often runs are drawn anew, with replacement and within each task, the strata; always
        the same draws, so that the interval is reproducible.
    """
    table = scores[:, None] if scores.ndim == 1 else scores
    runs, tasks = table.shape
    value = float(statistic(table.reshape(-1)))
    if runs < 2:
        return Interval(value, None)
    drawn = np.random.default_rng(0).integers(0, runs, (resamples, runs, tasks))
    resampled = np.take_along_axis(table[None], drawn, axis=1)
    low, high = np.quantile(statistic(resampled.reshape(resamples, -1)), (0.025, 0.975))
    return Interval(value, (float(low), float(high)))


def few_seeds_note(count: int) -> tuple[str, ...]:
    """Return what a reader of intervals over so many seeds must know.

    Examples
    --------
    >>> few_seeds_note(3)
    ('3 seeds are few: 95% intervals over seeds hold in about 75% of cases; train 5 or more.',)
    """
    if count not in COVERED:
        return ()
    held = f"95% intervals over seeds hold in about {COVERED[count]}% of cases"
    return (f"{count} seeds are few: {held}; train 5 or more.",)


def over_seeds(comparison: Comparison, seeds: tuple[Seed, ...]) -> SeedStatistics:
    """Return the statistics of a recipe over its seeds.

    Parameters
    ----------
    comparison : Comparison
        All seeds that have a policy, by their names, and the rivals.
    seeds : tuple of Seed
        All seeds; those that failed take random play's episodes.
    """
    policies = comparison.policies
    rows = ["random" if seed.failed else seed.name for seed in seeds]
    played = [policies[row] for row in rows]
    means = np.array([result.estimate.mean for result in played])
    iqm = stratified_bootstrap(means)
    finished = means[[seed.failed is None for seed in seeds]]
    names = {seed.name for seed in seeds}
    reference, random = comparison.reference, policies["random"]
    span = reference.value - random.estimate.mean if reference else 0.0
    return SeedStatistics(
        seeds,
        iqm,
        stratified_bootstrap(finished) if finished.size < means.size else None,
        (reference.value - iqm.value) / span if reference and span else None,
        worst_mean(np.concatenate([result.returns for result in played])),
        {
            name: AgainstRival(
                _difference(iqm, name, rival, rows),
                stratified_bootstrap(
                    np.array([share_better(own.returns, rival.returns) for own in played]),
                    partial(np.mean, axis=-1),
                ),
                share_better(means, np.full_like(means, rival.estimate.mean)),
            )
            for name, rival in policies.items()
            if name not in names
        },
    )


def _difference(iqm: Interval, name: str, rival: PolicyResult, rows: list[str]) -> Interval:
    """Return the interquartile mean of rows less a rival, with the chance of seeds and episodes.

    That of episodes is the mean over seeds of the paired difference's: of the mean of differences
    it is no larger, however they hang together.
    """
    value, (low, high) = iqm.value - rival.estimate.mean, iqm.ci95 or (iqm.value, iqm.value)
    episodes = np.mean([0.0 if row == name else rival.paired[row].half_width for row in rows])
    below, above = (math.hypot(bound - iqm.value, float(episodes)) for bound in (low, high))
    return Interval(value, (value - below, value + above))
