"""Quantities in a demand file: where their signs stand, and whether they are sales at all."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from common.errors import InputError, short
from demand.sheet import Floats, Mark, Sheet, read_quantities, text_column

NEGATIVE = re.compile(r"[-\u2212(][\d.,' ]*\d[\d.,' ]*\)?|[\d.,' ]*\d[\d.,' ]*-")
"""A number with a minus, before or behind it, or in brackets."""

_SIGNS = re.compile(r"[-\u2212()]")
_WITH_UNIT = re.compile(r"[+-]?\d[\d.,' ]*?([^\W\d_]{1,12})\.?")


def read_units(sheet: Sheet, columns: Sequence[str], decimal: Mark | None = None) -> Floats:
    """Return the quantities in columns as `read_quantities` does, and returns as negative ones.

    Raises
    ------
    InputError
        If a number has a unit, or more of them are negative than positive: nothing that is missing,
        which could be filled in.
    """
    sheet = _with_minus_before(sheet, columns)
    units = read_quantities(sheet, columns, decimal)
    for column in columns:
        found = ((n, _WITH_UNIT.fullmatch(text)) for n, text in enumerate(sheet.texts(column)))
        for number, unit in ((n, match[1]) for n, match in found if match):
            row = int((sheet.codes(column) == number).argmax())
            what = f"{column} = {short(sheet.texts(column)[number])}"
            raise InputError(f"{sheet.row(row)}: {what} has a unit; write numbers without {unit}")
    if np.count_nonzero(units < 0) > np.count_nonzero(units > 0):
        row, place = divmod(int((units < 0).argmax()), len(columns))
        raise InputError(
            f"{sheet.row(row)}: {columns[place]} = {units[row, place]:.12g} is negative, as most "
            "are; turn all signs, so that sales are positive and returns negative"
        )
    return units


def _with_minus_before(sheet: Sheet, columns: Sequence[str]) -> Sheet:
    """Return the sheet with ``5-`` and ``(5)`` in these columns as ``-5``."""
    cells = sheet.cells.copy(deep=False)
    for column in columns:
        texts = sheet.texts(column)
        signed = [
            f"-{_SIGNS.sub('', text).strip()}" if NEGATIVE.fullmatch(text) else text
            for text in texts
        ]
        if signed != texts:
            cells[column] = text_column(sheet.codes(column), signed)
    return replace(sheet, cells=cells)
