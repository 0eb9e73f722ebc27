"""Daily demand from a CSV file: read row by row, so that the first bad row is all that is said."""

import csv
import datetime as dt
import io
import math
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inventory.errors import InputError, choose, short
from inventory.files import read_bytes

MAX_FILE_BYTES = 64 << 20
MAX_COLUMNS = 10_000
MAX_DEMAND = 1e9
Row = tuple[int, list[str]]


def read_days(path: Path, date: str, column: str) -> tuple[dt.date, NDArray[np.float64]]:
    """Return the first day of a file and the demand of every day, in order and without gaps.

    Parameters
    ----------
    path : Path
        A CSV file in UTF-8 with commas and a header.
    date, column : str
        Names of the columns of the days (ISO 8601) and of the demand [units/day].

    Raises
    ------
    InputError
        One line with the row: no CSV, no such column, a gap, or not a date or a demand.
    """
    name = path.name
    content = read_bytes(path, MAX_FILE_BYTES, links=True)
    try:
        rows = _rows(content)
        _, header = next(rows, (1, []))
        return _days(name, rows, header, *_places(name, header, date, column))
    except (UnicodeError, csv.Error) as error:
        raise InputError(f"{name}: cannot be read as a CSV file: {short(str(error))}") from None


def _rows(content: bytes) -> Iterator[Row]:
    """Give every row that is not blank, with the number of its line."""
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    reader = csv.reader(text, strict=True)
    for row in reader:
        if row:
            yield reader.line_num, row


def _places(name: str, header: list[str], date: str, column: str) -> tuple[int, int]:
    if not header:
        raise InputError(f"{name}: cannot be read as a CSV file: it is empty")
    if len(header) > MAX_COLUMNS:
        raise InputError(f"{name}: {len(header):,} columns, at most {MAX_COLUMNS:,}")
    for wanted in (date, column):
        choose(f"column in {name}", wanted, header)
        if header.count(wanted) > 1:
            raise InputError(f"{name}: {header.count(wanted)} columns are called {short(wanted)}")
    return header.index(date), header.index(column)


def _days(
    name: str, rows: Iterator[Row], header: list[str], date_at: int, demand_at: int
) -> tuple[dt.date, NDArray[np.float64]]:
    first, line, demand = 0, 1, array("d")
    for line, row in rows:
        if len(row) != len(header):
            raise InputError(f"{name} row {line}: {len(row)} fields, the header has {len(header)}")
        day = _day(row[date_at])
        if day is None:
            raise InputError(f"{name} row {line}: {short(row[date_at])} is not a date")
        first = first or day
        if day != first + len(demand):
            raise _no_row(name, line)
        units = _units(row[demand_at])
        if units is None:
            raise InputError(
                f"{name} row {line}: {short(row[demand_at])} is not a number of 0 or more "
                f"(and at most {MAX_DEMAND:g})"
            )
        demand.append(units)
    if not demand:
        raise _no_row(name, line + 1)
    return dt.date.fromordinal(first), np.array(demand, np.float64)


def _no_row(name: str, line: int) -> InputError:
    return InputError(
        f"{name} row {line}: days must follow one another without gaps or repeats; "
        "fill the missing days or sort the file by date"
    )


def _day(text: str) -> int | None:
    """Return the ordinal of a date, or of a date with a time."""
    try:
        return dt.datetime.fromisoformat(text.strip()).toordinal()
    except ValueError:
        return None


def _units(text: str) -> float | None:
    try:
        units = math.nan if "_" in text else float(text)
    except ValueError:
        return None
    return units if 0 <= units <= MAX_DEMAND else None
