"""Slips of spreadsheets: a column of totals among stores, one name written in two ways."""

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError, short
from demand.sheet import Floats, Sheet

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


def check_spelling(sheet: Sheet, column: str, days: NDArray[np.intp]) -> None:
    """Make sure that no name is written in two ways, with other capitals or blanks.

    Two names are two ways of writing one if they never have a row on the same day.

    Parameters
    ----------
    sheet, column : Sheet, str
        The file, and its column of names.
    days : ndarray
        The day of every row, shape (rows,).

    Raises
    ------
    InputError
        Naming both, and the first row of the second.
    """
    names, which = sheet.texts(column), sheet.codes(column)
    first: dict[str, int] = {}
    for number, name in enumerate(names):
        other = first.setdefault("".join(name.casefold().split()), number)
        if other == number:
            continue
        rows = which == number
        if not np.isin(days[rows], days[which == other]).any():
            raise InputError(
                f"{sheet.row(int(rows.argmax()))}: {column} = {short(name)} is written "
                f"{short(names[other])} on other days; write it in one way"
            )
