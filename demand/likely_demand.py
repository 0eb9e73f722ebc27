"""Demand of the coming days that forecast errors of training days make likely.

Expected demand is the mean of the last same weekdays. On every training day that has a past, the
days that came are divided by what the same forecast said then; each such row of ratios, times what
is expected now, is one equally likely future.
"""

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled
from demand.known_demand import KNOWN_DAYS, WEEKS

Floats = NDArray[np.float64]
LEAST_SHARE = 0.05
"""A forecast counts for at least this share of the training mean: ratios stay finite."""


@compiled
def likely_demand(expected: Floats, training: Floats, mean: float, cycle: int = 7) -> Floats:
    """Return equally likely demand of the coming days.

    Parameters
    ----------
    expected : ndarray
        Of today and the days after it, shape (days,) [units/day].
    training : ndarray
        Demand of the training days, shape (T,) [units/day].
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
            usual = 0.0
            for m in range(WEEKS):
                usual += training[day - cycle * (1 + j // cycle + m)]
            usual = max(usual / WEEKS, 1e-9 + LEAST_SHARE * mean)
            demand[j, f] = expected[j] * training[day] / usual
    return demand
