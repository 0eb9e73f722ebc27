"""Periods in a row without demand, and how improbable they are while a series still sells."""

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled

Floats = NDArray[np.float64]
SURELY_CLOSED = 0.0005
"""A run of periods without demand counts as a closure if it is less probable than this."""

LONGER = 2
"""A series is discontinued only after over so many times its longest silence between two sales."""


@compiled
def chance_of_silence(run: int, without: float, days: float) -> float:
    """Return the probability of a run of periods without demand.

    If z of the other s periods were without demand, the probability of a run of r is
    ``prod_(j<r) (z + 1 + j) / (s + 2 + j)`` (Laplace's rule of succession, period by period).

    Parameters
    ----------
    run : int
        r.
    without, days : float
        z and s.
    """
    chance = 1.0
    for j in range(run):
        chance *= (without + 1.0 + j) / (days + 2.0 + j)
    return chance


@compiled
def longest_silence(demand: Floats) -> int:
    """Return the longest run of periods without demand between two with it; shape (days,)."""
    longest, last = 0, -1
    for t in range(demand.size):
        if demand[t] > 0.0:
            longest = max(longest, t - last - 1 if last >= 0 else 0)
            last = t
    return longest


def no_longer_sold(
    quiet: NDArray[np.int64], demand: Floats, selling: Floats, least: int
) -> NDArray[np.bool_]:
    """Return which series have sold nothing for so long that they are probably discontinued.

    That is over `LONGER` times the longest silence between two sales so far, and improbable given
    the share of training days with a sale, so that neither slow movers nor seasonal products are
    among them.

    Parameters
    ----------
    quiet : ndarray
        Periods without demand up to now, shape (rows,).
    demand : ndarray
        Demand of the days before, shape (days, rows) [units/day].
    selling : ndarray
        Numbers of training days without demand, and with it, that count, shape (rows, 2).
    least : int
        Fewest quiet periods that are judged.

    Examples
    --------
    >>> demand = np.array([[3.0, 0.0], [2.0, 5.0]] * 50)
    >>> no_longer_sold(np.array([40, 40]), demand, np.array([[0.0, 20.0], [20.0, 1.0]]), 28)
    array([ True, False])
    """
    found = np.zeros(len(quiet), np.bool_)
    for row in np.flatnonzero(quiet >= least).tolist():
        without, sold = selling[row].tolist()
        if quiet[row] > LONGER * longest_silence(np.ascontiguousarray(demand[:, row])):
            chance = chance_of_silence(int(quiet[row]), without, without + sold)
            found[row] = chance < SURELY_CLOSED
    return found
