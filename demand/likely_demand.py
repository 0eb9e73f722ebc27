"""Demand of the coming days that forecast errors of training days make likely.

Expected demand is the mean of the last same weekdays, over what is known ahead of those days and
times what is known of the coming ones. On every training day that has a past, the days that came
were divided by what the same forecast said then; each such row of ratios, times what is expected
now, is one equally likely future.
"""

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled
from demand.forecasts.smoothing import LEAST_EFFECT
from demand.known_demand import KNOWN_DAYS, WEEKS

Floats = NDArray[np.float64]
LEAST_SHARE = 0.05
"""A forecast counts for at least this share of the training mean: ratios stay finite."""


@compiled
def likely_demand(
    expected: Floats, training: Floats, effects: Floats, mean: float, cycle: int = 7
) -> Floats:
    """Return equally likely demand of the coming days.

    A training day on which a store was closed, or nearly so, tells nothing about other days: its
    ratio is 1.

    Parameters
    ----------
    expected : ndarray
        Of today and the days after it, shape (days,) [units/day].
    training : ndarray
        Demand of the training days, shape (T,) [units/day].
    effects : ndarray
        What is known ahead multiplies their demand by, shape (T,).
    mean : float
        Their mean, or what stands for it [units/day].
    cycle : int
        Days of a short season: 7, or 1 where periods are no days and have no weekdays.

    Returns
    -------
    ndarray
        Shape (days, futures) [units/day].
    """
    count = expected.size
    futures = max(0, training.size - count + 1 - KNOWN_DAYS)
    demand = np.empty((count, futures))
    for f in range(futures):
        for j in range(count):
            day = KNOWN_DAYS + f + j
            demand[j, f] = expected[j]
            if effects[day] < LEAST_EFFECT:
                continue
            total, base = 0.0, 0.0
            for m in range(WEEKS):
                before = day - cycle * (1 + j // cycle + m)
                total += training[before]
                base += effects[before]
            usual = total / base if base >= LEAST_EFFECT * WEEKS else mean
            usual = max(usual, 1e-9 + LEAST_SHARE * mean)
            demand[j, f] = expected[j] * training[day] / (usual * effects[day])
    return demand
