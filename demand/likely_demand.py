"""Scenarios of the coming days' demand, from relative forecast errors of training days.

A day's expected demand is a level times the factor of its weekday and of what is known of it ahead.
The level is the demand of the 28 days before over the sum of their factors, with one usual sale
added to the former and the days from one sale to the next to the latter: so 28 days without demand,
where it is intermittent, do not make the level zero. For every training day the demand of the days
that followed is divided by its expectation then; each such row of ratios, times the present
expectation, is one equally likely future.

References
----------
Gelman et al. (2013), Bayesian Data Analysis, 3rd ed., section 2.6: the level is the posterior mean
under a gamma prior, worth one sale, after days of Poisson demand.
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
    """Return the level after days whose demand and factors are known.

    Parameters
    ----------
    sold, base : ndarray or float
        Sums over these days of demand [units] and of their factors [days].
    sale, every : ndarray or float
        A usual sale [units], and the usual time until the next [days].
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

    A training day on which a store was closed, or nearly so, is uninformative about other days: it
    is replaced by the next informative day. Days before a series began to sell are left out.

    Parameters
    ----------
    expected : ndarray
        Expected demand of today and the days after it, shape (days,) [units/day].
    training : ndarray
        Demand of the training days, shape (T,) [units/day].
    effects : ndarray
        Factors on their demand by what is known ahead, shape (T,).
    weekdays : ndarray
        Factors of the weekdays, Monday first, shape (7,).
    first : int
        Ordinal of the first training day.
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
    if last - start < KNOWN_DAYS:  # a new series: use what there is
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
    """Return for each day the next informative day, or else the last; -1 if there is none."""
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
