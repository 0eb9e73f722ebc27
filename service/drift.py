"""Has demand left what training saw? Its level, and the error of its forecast, against training."""

import numpy as np
from numpy.typing import NDArray

from demand.history import StoreHistory
from demand.known_demand import KNOWN_DAYS

Floats = NDArray[np.float64]
TAIL = 0.005
"""Share of the training windows beyond each bound: one window in a hundred is outside."""

WEEK = 7


class Drift:
    """What four weeks of demand looked like on training days.

    Parameters
    ----------
    known : StoreHistory
        The demand that the policy was trained on.
    """

    def __init__(self, known: StoreHistory) -> None:
        days = known.training
        last = np.arange(KNOWN_DAYS, len(days) + 1)
        if not len(last):
            shape = days.shape[1:]
            self._low, self._high = np.zeros(shape), np.full(shape, np.inf)
            self._error = np.full(shape, np.inf)
            return
        total = np.concatenate([np.zeros((1, *days.shape[1:])), np.cumsum(days, axis=0)])
        level = (total[last] - total[last - KNOWN_DAYS]) / KNOWN_DAYS
        self._low = np.quantile(level, TAIL, axis=0)
        self._high = np.quantile(level, 1 - TAIL, axis=0)
        errors = np.abs(days[3 * WEEK :] - _expected(days))
        sums = np.concatenate([np.zeros((1, *days.shape[1:])), np.cumsum(errors, axis=0)])
        weekly = (sums[WEEK:] - sums[:-WEEK]) / WEEK
        self._error = np.quantile(weekly, 1 - TAIL, axis=0)

    def of(self, recent: Floats, places: NDArray[np.intp]) -> list[str]:
        """Return in what the last four weeks are unlike training, a text per row, empty if nothing.

        Parameters
        ----------
        recent : ndarray
            Demand, the latest day last, shape (rows, `KNOWN_DAYS`) [units/day].
        places : ndarray
            SKU and store of every row, shape (rows, 2).
        """
        at = tuple(places.T)
        level, days = recent.mean(axis=1), recent.T
        error = np.abs(days[3 * WEEK :] - _expected(days)).mean(axis=0)
        # a unit in a week is no drift, however steady training was
        room = 1.0 / WEEK
        found = (
            ("demand of four weeks higher than in training", level > self._high[at] + room),
            ("demand of four weeks lower than in training", level < self._low[at] - room),
            ("forecast errors larger than in training", error > self._error[at] + room),
        )
        drifts = [""] * len(places)
        for row in np.flatnonzero(found[0][1] | found[1][1] | found[2][1]).tolist():
            drifts[row] = ", ".join(text for text, rows in found if rows[row])
        return drifts


def _expected(days: Floats) -> Floats:
    """Return the mean of the three same weekdays before each day from the 22nd on."""
    count = len(days) - 3 * WEEK
    weeks = [days[3 * WEEK - WEEK * m : 3 * WEEK - WEEK * m + count] for m in (1, 2, 3)]
    mean: Floats = np.mean(weeks, axis=0)
    return mean
