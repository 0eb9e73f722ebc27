"""How to estimate a mean on given traces, and what a reader of its interval must know."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import FrozenModel
from common.random_streams import Split
from envs.batch import Trace
from envs.problems import Problem
from evaluation.statistics import (
    Estimator,
    plain_mean,
    regression_mean,
    usable_covariates,
    window_mean,
)


def estimator_for(
    problem: Problem, parameters: FrozenModel, trace: Trace, split: Split = "evaluation"
) -> tuple[Estimator, tuple[str, ...], tuple[str, ...]]:
    """Return how to estimate a mean on these traces of `split`, its control variates and notes."""
    if getattr(parameters, "demand_data", None) is not None:
        return _history_estimator(parameters, trace, split)
    covariates = problem.covariates(parameters, trace)
    usable = usable_covariates(covariates, len(covariates))
    known = covariate_names(problem, usable)
    return partial(regression_mean, covariates=covariates), known, ()


def covariate_names(problem: Problem, columns: NDArray[np.intp]) -> tuple[str, ...]:
    """Return what a problem calls columns of its control variates."""
    names = problem.covariate_names
    return tuple(names[i] if i < len(names) else f"covariate {i + 1}" for i in columns)


def _history_estimator(
    parameters: Any, trace: Trace, split: Split
) -> tuple[Estimator, tuple[str, ...], tuple[str, ...]]:
    """Return how to estimate a mean from windows of a history, and what to say of it."""
    demand = trace["demand"]
    same = trace.get("start", demand.reshape(len(demand), -1))
    _, start, plays = np.unique(same, axis=0, return_inverse=True, return_counts=True)
    days, length = len(parameters.played_days(split)), demand.shape[1]
    windows = (days - length + 1) / length
    whole = plays.size == days - length + 1 and np.ptp(plays) == 0
    how = f"in all {plays.size} windows of {length}" if whole else f"in windows of {length}"
    source = (
        f"Demand comes from the {days} days of the {split} period, {how} that overlap: room for "
        f"no more than {days // length} that share no day."
    )
    if start_up := getattr(parameters, "warmup_days", 0):
        source += (
            f" The first {start_up} days of each are not counted, as nothing is under way on the "
            "first morning."
        )
    if windows < 2:
        limits = (
            "The intervals cover the drawing of windows and prices alone: nothing on other days."
        )
        return plain_mean, (), (f"{source} {limits}",)
    limits = "The intervals take those for the sample, so more episodes hardly narrow them."
    estimator = partial(window_mean, start=start, windows=windows, drawn=not whole)
    return estimator, (), (f"{source} {limits}",)
