"""The present state of stores, read from a file: stock, orders under way, recent demand."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inventory.demand_columns import Sheet
from inventory.demand_layout import OF_FILE, read_quantities
from inventory.demand_sheet import read_sheet
from inventory.errors import InputError, choose, short
from inventory.store_history import KNOWN_DAYS, StoreHistory

Floats = NDArray[np.float64]
WEEK = 7
_DUE, _DAY = re.compile(r"due_(\d{1,3})"), re.compile(r"d(\d{1,2})")


@dataclass(frozen=True)
class StockState:
    """What stores hold in the morning, before they order.

    Attributes
    ----------
    places : list of tuple
        SKU and store of every row, as indices of the history's.
    on_hand : ndarray
        Shape (rows,) [units], this morning's receipts included.
    due : ndarray
        What arrives in 1, 2 ... mornings, shape (rows, lead time) [units].
    recent : ndarray or None
        Demand of the last `KNOWN_DAYS` days, the latest last, shape (rows, days), where the file
        tells it; a week that is given stands for the weeks before it too.
    """

    places: list[tuple[int, int]]
    on_hand: Floats
    due: Floats
    recent: Floats | None


def read_state(path: Path, history: StoreHistory, lead_time: int) -> StockState:
    """Read a file with a row per store (and SKU).

    Columns are ``store``, ``sku`` if there are several, ``on_hand``, ``due_1``, ``due_2`` ... and
    ``d1`` (yesterday's demand), ``d2`` ... at least to ``d7``, or none of these.

    Raises
    ------
    InputError
        One line with the row: a column, store or SKU that is missing or unknown, or no quantity.
    """
    sheet = read_sheet(path)
    if not sheet.numbers.size:
        raise InputError(f"{sheet.name}: holds a header and no stores; put in a row for each")
    known = {"store": history.table.stores, "sku": history.table.skus}
    stores = _indices(sheet, "store", known["store"])
    skus = _indices(sheet, "sku", known["sku"])
    places = list(zip(skus, stores, strict=True))
    for row, place in enumerate(places):
        if place in places[:row]:
            first = sheet.numbers[places.index(place)]
            raise InputError(f"{_row(sheet, row)}: stands in row {first} already; leave one out")
    due = np.zeros((len(places), lead_time))
    days: dict[int, Floats] = {}
    for name in sheet.columns:
        if name in ("store", "sku", "on_hand"):
            continue
        if match := _DUE.fullmatch(name):
            due[:, _morning(sheet, name, int(match[1]), lead_time)] = _column(sheet, name)
        elif match := _DAY.fullmatch(name):
            days[int(match[1])] = _column(sheet, name)
        else:
            choose(f"column in {sheet.name}", name, ["store", "sku", "on_hand", "due_1", "d1"])
    return StockState(places, _column(sheet, "on_hand"), due, _recent(sheet, days))


def _morning(sheet: Sheet, name: str, mornings: int, lead_time: int) -> int:
    if not 1 <= mornings <= lead_time:
        raise InputError(
            f"{sheet.name}: {name}: orders arrive in 1 to {lead_time} days here (store.lead_time)"
        )
    return mornings - 1


def _recent(sheet: Sheet, days: dict[int, Floats]) -> Floats | None:
    if not days:
        return None
    last = max(days)
    missing = [f"d{day}" for day in range(1, max(last, WEEK) + 1) if day not in days]
    if missing or last > KNOWN_DAYS:
        raise InputError(
            f"{sheet.name}: recent demand needs all of d1 to d{WEEK}, or more up to d{KNOWN_DAYS}; "
            f"check {(missing or [f'd{last}'])[0]}"
        )
    back = np.arange(1, KNOWN_DAYS + 1)
    back = np.where(back <= last, back, (back - 1) % WEEK + 1)
    return np.stack([days[int(day)] for day in back[::-1]], axis=1)


def _indices(sheet: Sheet, name: str, known: tuple[str, ...]) -> list[int]:
    """Return the place of every row's store or SKU; without a column there must be one only."""
    if name not in sheet.columns:
        if known != (OF_FILE,) and len(known) > 1:
            raise InputError(f"{sheet.name}: has no column {name}; add one")
        return [0] * sheet.numbers.size
    column = sheet.columns[name]
    for row, at in enumerate(column.rows):
        if column.values[at] not in known:
            choose(f"{name} in {_row(sheet, row)},", column.values[at], known)
    return [known.index(column.values[at]) for at in column.rows]


def _column(sheet: Sheet, name: str) -> Floats:
    choose(f"column in {sheet.name}", name, sheet.columns)
    column = sheet.columns[name]
    values = read_quantities(sheet, [name])[:, 0]
    wrong = np.flatnonzero(np.isnan(values))
    if wrong.size:
        text = column.values[column.rows[wrong[0]]]
        raise InputError(
            f"{_row(sheet, int(wrong[0]))}: {name} = {short(text)}: must be a number of 0 or more"
        )
    return values


def _row(sheet: Sheet, row: int) -> str:
    return f"{sheet.name} row {sheet.numbers[row]}"
