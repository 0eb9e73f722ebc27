"""Slips of spreadsheets: a column of totals among those of stores."""

import numpy as np

from demand.sheet import Floats

LEAST_SUMS = 7
"""So many rows must add up for a column to be one of totals."""


def column_of_totals(units: Floats) -> int | None:
    """Return which column is the sum of all others in every row, None if there is none.

    Parameters
    ----------
    units : ndarray
        Shape (rows, columns), NaN where there is no quantity; what is empty adds nothing.
    """
    if units.shape[1] < 3:  # or one of two equal stores were the sum of the other
        return None
    known = np.nan_to_num(units)
    whole = known.sum(axis=1, keepdims=True)
    adds_up = np.isclose(2 * known, whole, rtol=1e-6, atol=0.01).all(axis=0)
    sums = np.flatnonzero(adds_up & ((known > 0).sum(axis=0) >= LEAST_SUMS))
    return int(sums[0]) if sums.size == 1 else None
