"""Columns of a long file on the availability of goods: in stock, or stock at the close of day."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError, short
from demand.sheet import Sheet, numbers

STOCK_NAMES = {
    "in_stock": ("in_stock", "instock", "available", "availability", "on_shelf", "lieferbar"),
    "closing_stock": (
        *("closing_stock", "stock_at_close", "end_stock", "ending_stock", "ending_inventory"),
        "endbestand",
    ),
}
"""Columns of a long file that show whether sales were censored by a stockout."""


def ran_out(sheet: Sheet, roles: Mapping[str, str]) -> NDArray[np.bool_]:
    """Return the rows whose goods were out of stock for some of the time, or at the close."""
    wrong = np.zeros(len(sheet.cells), np.bool_)
    for part in STOCK_NAMES:
        if part not in roles:
            continue
        column = roles[part]
        texts = [text.lower() for text in sheet.texts(column)]
        values = numbers([SAID.get(text, text) for text in texts], sheet.decimal or ".")
        if part == "closing_stock" and np.isnan(values).any():
            other = numbers(texts, ",")
            values = other if np.isnan(other).sum() < np.isnan(values).sum() else values
        bad = np.flatnonzero(np.isnan(values) & np.array([text != "" for text in texts]))
        if bad.size:
            row = int(np.isin(sheet.codes(column), bad).argmax())
            allowed = "yes or no, 1 or 0" if part == "in_stock" else "a number of units"
            text = str(sheet.cells[column].iloc[row])
            raise InputError(
                f"{sheet.row(row)}: {column} = {short(text)}: must be {allowed}, or empty where it "
                "is not known; correct it"
            )
        least = 1.0 if part == "in_stock" else 1e-9
        wrong |= (values < least)[sheet.codes(column)]
    return wrong


SAID = {
    **dict.fromkeys(("yes", "true", "ja", "y"), "1"),
    **dict.fromkeys(("no", "false", "nein", "n"), "0"),
}
