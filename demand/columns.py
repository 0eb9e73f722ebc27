"""What a file of demand holds, whatever its format: columns of text, rows numbered."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError, short
from demand.formats import Mark

MAX_COLUMNS = 10_000
MAX_ROWS = 50_000_000


@dataclass(frozen=True)
class Column:
    """A column: its distinct values, and which of them every row has (-1: none)."""

    values: list[str]
    rows: NDArray[np.intp]

    @property
    def blank(self) -> NDArray[np.bool_]:
        """Which rows have nothing in it."""
        empty = np.array([*(not text for text in self.values), True])
        rows: NDArray[np.bool_] = empty[self.rows]
        return rows


@dataclass(frozen=True)
class Sheet:
    """The content of a file.

    Attributes
    ----------
    name : str
        Of the file.
    kind : str
        How it was read, such as ``"comma, utf-8"``.
    columns : dict
        By the names of the header, in order.
    numbers : ndarray
        The number of every row in the file; the header is row 1.
    decimal : {".", ","} or None
        The decimal mark, where the format fixes it.
    """

    name: str
    kind: str
    columns: dict[str, Column]
    numbers: NDArray[np.intp]
    decimal: Mark | None = None


def check_header(name: str, header: list[str]) -> list[str]:
    """Return the names of the columns without blanks around; no name stands there twice."""
    if len(header) > MAX_COLUMNS:
        raise InputError(f"{name}: {len(header):,} columns, at most {MAX_COLUMNS:,}")
    names = [column.strip() for column in header]
    twice = next((column for column in names if column and names.count(column) > 1), None)
    if twice is not None:
        raise InputError(f"{name}: {names.count(twice)} columns are called {short(twice)}")
    return names


def tidy(
    name: str,
    kind: str,
    header: list[str],
    columns: list[Column],
    numbers: NDArray[np.intp],
    decimal: Mark | None = None,
) -> Sheet:
    """Return a sheet without blank rows, and without blank columns that have no name.

    Raises
    ------
    InputError
        If several columns without a name hold something.
    """
    blank = [column.blank for column in columns]
    kept = [i for i, title in enumerate(header) if title or not blank[i].all()]
    nameless = [i for i in kept if not header[i]]
    if len(nameless) > 1:
        raise no_name(name, nameless[-1])
    some = ~np.logical_and.reduce(blank) if blank else np.ones(len(numbers), np.bool_)
    if some.all():
        return Sheet(name, kind, {header[i]: columns[i] for i in kept}, numbers, decimal)
    left = {header[i]: Column(columns[i].values, columns[i].rows[some]) for i in kept}
    return Sheet(name, kind, left, numbers[some], decimal)


def no_name(name: str, column: int) -> InputError:
    """Return what to say of a column without a name, numbered from 0."""
    return InputError(f"{name}: column {column + 1} has no name; name it, or leave it out")
