"""Demand of the coming days that forecast errors of training days make likely.

A day is expected to have a level times what it multiplies that by: the factor of its weekday, and
what is known of it ahead. The level is the demand of the 28 days before over the sum of what these
multiply by, and one usual sale is added to the former, the days from one sale to the next to the
latter: so 28 days without demand, where it comes seldom, are no reason to expect none. On every
training day the days that came are divided by what was expected of them then; each such row of
ratios, times what is expected now, is one equally likely future.

References
----------
Gelman et al. (2013), Bayesian Data Analysis, 3rd ed., section 2.6: the level is the mean of a gamma
law after days of Poisson demand, the law before them being worth one sale.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled
from demand.calendar import weekday_of
from demand.forecasts.smoothing import LEAST_EFFECT
from demand.known_demand import KNOWN_DAYS

Floats = NDArray[np.float64]
Number = TypeVar("Number", float, Floats)


@compiled
def level_of(sold: Number, base: Number, sale: Number, every: Number) -> Number:
    """Return the level after days of which the demand, and what they multiply by, are known.

    Parameters
    ----------
    sold, base : ndarray or float
        Sums over these days of demand [units] and of what they multiply by [days].
    sale, every : ndarray or float
        A usual sale [units], and how long it takes until the next [days].
    """
    return (sold + sale) / (base + every)


@compiled
def likely_demand(
    expected: Floats,
    training: Floats,
    effects: Floats,
    weekdays: Floats,
    first: int,
    sale: float,
    every: float,
) -> Floats:
    """Return equally likely demand of the coming days.

    A training day on which a store was closed, or nearly so, tells nothing about other days: the
    next one that was not stands in its place. Days before a series began to sell tell nothing
    either.

    Parameters
    ----------
    expected : ndarray
        Of today and the days after it, shape (days,) [units/day].
    training : ndarray
        Demand of the training days, shape (T,) [units/day].
    effects : ndarray
        What is known ahead multiplies their demand by, shape (T,).
    weekdays : ndarray
        What weekdays multiply it by, Monday first, shape (7,).
    first : int
        The ordinal of the first training day.
    sale, every : float
        As in `level_of`.

    Returns
    -------
    ndarray
        Shape (days, futures) [units/day].
    """
    count, days = expected.size, training.size
    usual, sold, base = np.empty(days), np.zeros(days + 1), np.zeros(days + 1)
    for t in range(days):
        usual[t] = effects[t] * weekdays[weekday_of(first, t)]
        sold[t + 1], base[t + 1] = sold[t] + training[t], base[t] + usual[t]
    begun = 0
    while begun < days and training[begun] <= 0.0:
        begun += 1
    last = max(0, days - count + 1)
    start = begun + KNOWN_DAYS
    if last - start < KNOWN_DAYS:  # a new series: what there is
        start = begun if begun < last else max(0, last - KNOWN_DAYS)
    telling = _telling_days(effects, usual)
    demand = np.zeros((count, max(0, last - start)))
    for f in range(demand.shape[1]):
        today, back = start + f, min(max(begun, start + f - KNOWN_DAYS), start + f)
        level = level_of(sold[today] - sold[back], base[today] - base[back], sale, every)
        for j in range(count):
            day = telling[today + j]
            if day >= 0:
                demand[j, f] = expected[j] * training[day] / (level * usual[day])
    return demand


@compiled
def _telling_days(effects: Floats, usual: Floats) -> NDArray[np.int64]:
    """Return for each day the next, or else the last, that tells of demand; -1 if none does."""
    telling, near = np.full(effects.size, -1), -1
    tells = (effects >= LEAST_EFFECT) & (usual > 0.0)
    for t in range(effects.size):
        near = t if tells[t] else near
        telling[t] = near
    near = -1
    for t in range(effects.size - 1, -1, -1):
        near = t if tells[t] else near
        telling[t] = near if near >= 0 else telling[t]
    return telling
