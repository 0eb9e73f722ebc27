"""Has demand left what training saw? Its level, and the error of its forecast, against training."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from demand.history import StoreHistory
from demand.known_demand import KNOWN_DAYS, WEEK

Floats = NDArray[np.float64]
TAIL = 0.005
"""Chance beyond each bound: of what is like training one window in a hundred lies outside."""


class Drift:
    """What `KNOWN_DAYS` days, or weeks or months, of demand looked like in training.

    Parameters
    ----------
    known : StoreHistory
        The demand that the policy was trained on.
    """

    def __init__(self, known: StoreHistory) -> None:
        self._days, self._periods = known.training, known.table.periods
        self._bounds = cache(lambda given: _interval(self._days, given))
        self._most_error = _interval(_errors(self._days, self._periods.cycle), WEEK)[1]

    def of(self, recent: Floats, places: NDArray[np.intp], given: int = KNOWN_DAYS) -> list[str]:
        """Return in what the last days are unlike training, a text per row, empty if nothing.

        Parameters
        ----------
        recent : ndarray
            Demand, the latest day last, shape (rows, `KNOWN_DAYS`) [units/day].
        places : ndarray
            SKU and store of every row, shape (rows, 2).
        given : int
            How many of the days are known; those before only repeat them, and say nothing of
            the errors of forecasts.
        """
        at = tuple(places.T)
        level, (low, high) = recent[:, -given:].mean(axis=1), self._bounds(given)
        error = _errors(recent.T, self._periods.cycle)[-WEEK:].mean(axis=0)
        # a unit in a week is no drift, however steady training was
        room = 1.0 / WEEK
        found = {
            f"demand of {given} {self._periods.name}s higher than in training": level
            > high[at] + room,
            f"demand of {given} {self._periods.name}s lower than in training": level
            < low[at] - room,
            "forecast errors larger than in training": (error > self._most_error[at] + room)
            & (given == KNOWN_DAYS),
        }
        drifts = [""] * len(places)
        for row in np.flatnonzero(np.logical_or.reduce(list(found.values()))).tolist():
            drifts[row] = ", ".join(text for text, rows in found.items() if rows[row])
        return drifts


def _means(days: Floats, length: int) -> Floats:
    """Return the means of all windows of so many days, shape (windows, ...)."""
    total = np.concatenate([np.zeros((1, *days.shape[1:])), np.cumsum(days, axis=0)])
    means: Floats = (total[length:] - total[:-length]) / length
    return means


def _interval(days: Floats, length: int) -> tuple[Floats, Floats]:
    """Return between what the mean of so many more days lies, by all windows of those before.

    Of Student's t, windows counted as if they did not overlap: the extremes of a few that do are
    too near to each other. Nothing lies outside while there are not two.
    """
    count = len(days) / length
    if count < 2:
        return np.full(days.shape[1:], -np.inf), np.full(days.shape[1:], np.inf)
    windows = _means(days, length)
    reach = stdtrit(count - 1, 1 - TAIL) * windows.std(axis=0) * np.sqrt((count + 1) / (count - 1))
    mean = windows.mean(axis=0)
    return mean - reach, mean + reach


def _errors(days: Floats, cycle: int) -> Floats:
    """Return by how much each day from the 3 `cycle` + 1st on is off the mean of its like before.

    These are the three same weekdays, or where periods have none the three periods.
    """
    first = 3 * cycle
    before = [days[first - cycle * m : len(days) - cycle * m] for m in (1, 2, 3)]
    errors: Floats = np.abs(days[first:] - np.mean(before, axis=0))
    return errors
