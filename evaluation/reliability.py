"""Measures of reliability over training runs: profiles, aggregates, probability of improvement.

A few lines each, so that no package is needed that brings a dozen others.

References
----------
Agarwal, Schwarzer, Castro, Courville and Bellemare (2021), Deep reinforcement learning at the edge
of the statistical precipice, NeurIPS 34; sections 4.1 to 4.3. Their package is `rliable`.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.seeds import Interval, Statistic, interquartile_mean, stratified_bootstrap

Floats = NDArray[np.float64]
RESAMPLES = 2000
"""Times that the bootstrap of a profile draws the runs anew."""


@dataclass(frozen=True)
class Profile:
    """A performance profile.

    Attributes
    ----------
    thresholds : ndarray
        Scores, shape (thresholds,).
    share : ndarray
        Share of the runs with a higher score, same shape.
    low, high : ndarray
        Its pointwise 95% bootstrap band; the share itself where there is one run only.
    """

    thresholds: Floats
    share: Floats
    low: Floats
    high: Floats


def performance_profile(scores: Floats, thresholds: Floats) -> Profile:
    """Return which share of runs, on all tasks, scores above each threshold (section 4.2).

    Parameters
    ----------
    scores : ndarray
        Shape (runs, tasks), or (runs,) for a single task.
    thresholds : ndarray
        Shape (thresholds,).

    Examples
    --------
    >>> performance_profile(np.array([0.2, 0.5, 0.9]), np.array([0.0, 0.5, 1.0])).share.tolist()
    [1.0, 0.3333333333333333, 0.0]
    """
    table = scores[:, None] if scores.ndim == 1 else scores
    above = (table[:, :, None] > thresholds).astype(np.float64)  # (runs, tasks, thresholds)
    share = above.mean(axis=(0, 1))
    runs, tasks = table.shape
    if runs < 2:
        return Profile(thresholds, share, share, share)
    drawn = np.random.default_rng(0).integers(0, runs, (RESAMPLES, runs, tasks))
    counts = np.stack([(drawn == run).sum(axis=1) for run in range(runs)], axis=1)
    resampled = np.einsum("brt,rtk->bk", counts, above) / (runs * tasks)
    low, high = np.quantile(resampled, (0.025, 0.975), axis=0)
    return Profile(thresholds, share, low, high)


def probability_of_improvement(scores: Floats, others: Floats) -> Interval:
    """Return how likely a run scores above one of the others, ties counted half (section 4.3).

    The mean over tasks of the share of all pairs of runs, ``sum_ij [x_i > y_j] + [x_i = y_j] / 2``
    over ``n * m`` (Mann and Whitney's U), with its bootstrap interval over the runs of both.

    Parameters
    ----------
    scores, others : ndarray
        Shape (runs, tasks), or (runs,) for a single task; the runs may differ in number.

    Examples
    --------
    >>> probability_of_improvement(np.array([1.0, 2.0, 3.0]), np.array([2.0])).value
    0.5
    """
    ours = scores[:, None] if scores.ndim == 1 else scores
    theirs = others[:, None] if others.ndim == 1 else others
    better = (ours[:, None] > theirs) + 0.5 * (ours[:, None] == theirs)  # (runs, others, tasks)
    value = float(better.mean())
    n, m, tasks = better.shape
    if n < 2 and m < 2:
        return Interval(value, None)
    rng = np.random.default_rng(0)
    rows, columns = (rng.integers(0, size, (RESAMPLES, size, tasks)) for size in (n, m))
    task = np.arange(tasks)
    resampled = better[rows[:, :, None], columns[:, None], task].mean(axis=(1, 2, 3))
    low, high = np.quantile(resampled, (0.025, 0.975))
    return Interval(value, (float(low), float(high)))


def optimality_gap(scores: Floats, target: float = 1.0) -> Any:
    """Return how far scores are from the target on average, better ones counting as the target.

    Over the last axis (section 4.3); 0 is best.

    Examples
    --------
    >>> float(optimality_gap(np.array([0.5, 1.0, 1.5])))
    0.16666666666666666
    """
    return (target - np.minimum(scores, target)).mean(axis=-1)


AGGREGATES: dict[str, Statistic] = {
    "median": partial(np.median, axis=-1),
    "interquartile mean": interquartile_mean,
    "mean": partial(np.mean, axis=-1),
    "optimality gap": optimality_gap,
}
"""What sums up scores of which 1 is the best possible and 0 random play."""


def aggregates(scores: Floats) -> dict[str, Interval]:
    """Return the aggregates of normalised scores with their bootstrap intervals over runs.

    Parameters
    ----------
    scores : ndarray
        Shape (runs, tasks), or (runs,) for a single task.
    """
    return {
        name: stratified_bootstrap(scores, statistic, resamples=RESAMPLES)
        for name, statistic in AGGREGATES.items()
    }
