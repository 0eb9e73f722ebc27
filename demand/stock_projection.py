"""Stock of the coming days under the demand that forecast errors of training days make likely.

Expected demand is the mean of the last same weekdays. On every training day that has a past, the
days that came are divided by what the same forecast said then; each such row of ratios, times what
is expected now, is one equally likely future.
"""

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled
from demand.history import KNOWN_DAYS

Floats = NDArray[np.float64]
LEAST_SHARE = 0.05
"""A forecast counts for at least this share of the training mean: ratios stay finite."""


@compiled
def likely_demand(expected: Floats, training: Floats, mean: float) -> Floats:
    """Return equally likely demand of the coming days.

    Parameters
    ----------
    expected : ndarray
        Of today and the days after it, shape (days,) [units/day]; at most 28 days.
    training : ndarray
        Demand of the training days, shape (T,) [units/day].
    mean : float
        Their mean, or what stands for it [units/day].

    Returns
    -------
    ndarray
        Shape (days, futures) [units/day].
    """
    count = expected.size
    weeks_used = max(1, 4 - (count - 1) // 7)
    futures = max(0, training.size - count + 1 - KNOWN_DAYS)
    demand = np.empty((count, futures))
    for f in range(futures):
        for j in range(count):
            day = KNOWN_DAYS + f + j
            usual = 0.0
            for m in range(weeks_used):
                usual += training[day - 7 * (1 + j // 7 + m)]
            usual = max(usual / weeks_used, 1e-9 + LEAST_SHARE * mean)
            demand[j, f] = expected[j] * training[day] / usual
    return demand


@compiled
def stock_after_days(arriving: Floats, demand: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the stock after each day, unmet demand being lost.

    Parameters
    ----------
    arriving : ndarray
        What is there or arrives on the morning of each day, shape (days,) [units].
    demand : ndarray
        Shape (days, futures) [units/day].

    Returns
    -------
    left : ndarray
        Shape (days, futures) [units].
    short : ndarray
        Whether demand was not met in full.
    """
    count, futures = demand.shape
    left, short = np.empty((count, futures)), np.zeros((count, futures), np.bool_)
    for f in range(futures):
        stock = 0.0
        for j in range(count):
            stock += arriving[j]
            short[j, f] = demand[j, f] > stock
            stock = max(stock - demand[j, f], 0.0)
            left[j, f] = stock
    return left, short


@compiled
def stockout_chances(
    expected: Floats,
    training: Floats,
    mean: Floats,
    stock: tuple[Floats, Floats, Floats],
    gaps: NDArray[np.int64],
) -> Floats:
    """Return the shares of likely futures in which stores run out.

    Parameters
    ----------
    expected : ndarray
        Of today and the days after it, shape (days, rows) [units/day].
    training : ndarray
        Demand of the training days, shape (T, rows) [units/day].
    mean : ndarray
        Shape (rows,) [units/day].
    stock : tuple of ndarray
        On hand, shape (rows,), what arrives in 1, 2 ... mornings, shape (rows, lead time), and
        today's orders, shape (rows,) [units].
    gaps : ndarray
        Days to the next day of review, shape (rows,).

    Returns
    -------
    ndarray
        Before today's order can arrive, and from then until the next one can; shape (rows, 2).
    """
    on_hand, due, orders = stock
    rows, lead_time = due.shape
    chances = np.zeros((rows, 2))
    for r in range(rows):
        count = lead_time + gaps[r]
        demand = likely_demand(expected[:count, r].copy(), training[:, r].copy(), mean[r])
        arriving = np.zeros(count + 1)
        arriving[0] = on_hand[r]
        arriving[1 : lead_time + 1] = due[r]
        arriving[lead_time] += orders[r]
        short = stock_after_days(arriving, demand)[1]
        futures = demand.shape[1]
        for f in range(futures):
            chances[r, 0] += short[:lead_time, f].any()
            chances[r, 1] += short[lead_time:, f].any()
        chances[r] /= max(futures, 1)
    return chances
