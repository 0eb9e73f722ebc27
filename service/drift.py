"""Has demand left what training saw? Its level, and the error of its forecast, against training."""

import numpy as np
from numpy.typing import NDArray

from demand.history import StoreHistory
from demand.known_demand import KNOWN_DAYS

Floats = NDArray[np.float64]
TAIL = 0.005
"""Share of the training windows beyond each bound: one window in a hundred is outside."""

WEEK = 7
"""Periods whose forecast errors are looked at together."""


class Drift:
    """What `KNOWN_DAYS` days, or weeks or months, of demand looked like in training.

    Parameters
    ----------
    known : StoreHistory
        The demand that the policy was trained on.
    """

    def __init__(self, known: StoreHistory) -> None:
        days, periods = known.training, known.table.periods
        self._cycle = periods.cycle
        span = "four weeks" if periods.name == "day" else f"{KNOWN_DAYS} {periods.name}s"
        self._texts = (
            f"demand of {span} higher than in training",
            f"demand of {span} lower than in training",
            "forecast errors larger than in training",
        )
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
        errors = _errors(days, self._cycle)
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
        error = _errors(days, self._cycle)[-WEEK:].mean(axis=0)
        # a unit in a week is no drift, however steady training was
        room = 1.0 / WEEK
        found = (
            level > self._high[at] + room,
            level < self._low[at] - room,
            error > self._error[at] + room,
        )
        drifts = [""] * len(places)
        for row in np.flatnonzero(np.logical_or.reduce(found)).tolist():
            said = (text for text, rows in zip(self._texts, found, strict=True) if rows[row])
            drifts[row] = ", ".join(said)
        return drifts


def _errors(days: Floats, cycle: int) -> Floats:
    """Return by how much each day from the 3 `cycle` + 1st on is off the mean of its like before.

    These are the three same weekdays, or where periods have none the three periods.
    """
    first = 3 * cycle
    before = [days[first - cycle * m : len(days) - cycle * m] for m in (1, 2, 3)]
    errors: Floats = np.abs(days[first:] - np.mean(before, axis=0))
    return errors
