"""Values of a demand file put in their places: what is double, missing or no quantity."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inventory.demand_numbers import MAX_DEMAND, is_negative
from inventory.errors import InputError, short

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
MAX_CELLS = 100_000_000
"""Days times stores times SKUs, 8 bytes each and twice for a while."""

REMEDY = "or --fill zero or --fill interpolate puts something in"


@dataclass(frozen=True)
class Cells:
    """The values of a file with their places; of a wide file every row gives several.

    Attributes
    ----------
    days, lanes, values : ndarray
        Ordinal of the day, SKU times number of stores plus store, and quantity (NaN if it is none).
    text, number : callable
        What stands in the file for a value, and in which row.
    stores, skus : tuple of str
        Names.
    """

    days: Places
    lanes: Places
    values: Floats
    text: Callable[[int], str]
    number: Callable[[int], int]
    stores: tuple[str, ...]
    skus: tuple[str, ...]

    @property
    def num_lanes(self) -> int:
        """Stores times SKUs."""
        return len(self.stores) * len(self.skus)

    def lane(self, lane: int) -> str:
        """Return what to call a lane, nothing if there is one only."""
        sku, store = divmod(lane, len(self.stores))
        parts = [self.stores[store]] if len(self.stores) > 1 else []
        parts += [self.skus[sku]] if len(self.skus) > 1 else []
        return f" of {', '.join(short(part) for part in parts)}" if parts else ""


def place(name: str, cells: Cells, first: int, days: int, *, filled: bool) -> tuple[Floats, Places]:
    """Return demand by day and lane, NaN where there is none, and from which value it is (or -1).

    Raises
    ------
    InputError
        One line: too large, twice the same day, or (unless `filled`) no quantity.
    """
    if days * cells.num_lanes > MAX_CELLS:
        raise InputError(
            f"{name}: {days:,} days of {cells.num_lanes:,} stores and SKUs are too many, at most "
            f"{MAX_CELLS:,} in all; leave some out"
        )
    at = (cells.days - first) * cells.num_lanes + cells.lanes
    source = np.full(days * cells.num_lanes, -1, np.intp)
    source[at] = np.arange(at.size)
    double = np.flatnonzero(source[at] != np.arange(at.size))
    if double.size:
        former, latter = int(double[0]), int(source[at[double[0]]])
        day = dt.date.fromordinal(int(cells.days[former]))
        raise InputError(
            f"{name} row {cells.number(latter)}: {day}{cells.lane(int(cells.lanes[former]))} "
            f"stands in row {cells.number(former)} already; leave one of them out, or add them up"
        )
    wrong = np.flatnonzero(np.isnan(cells.values))
    if wrong.size and not filled:
        raise _no_quantity(name, cells, int(wrong[0]))
    table = np.append(cells.values, np.nan)[source]
    return table.reshape(days, -1), source.reshape(days, -1)


def _no_quantity(name: str, cells: Cells, at: int) -> InputError:
    text = cells.text(at)
    where = f"{name} row {cells.number(at)}{cells.lane(int(cells.lanes[at]))}"
    if not text:
        return InputError(f"{where}: the demand is empty; put it in, {REMEDY}")
    if is_negative(text):
        return InputError(
            f"{where}: {short(text)} is negative; book returns apart from demand, {REMEDY}"
        )
    return InputError(
        f"{where}: {short(text)} is not a number from 0 to {MAX_DEMAND:g}; mend it, {REMEDY}"
    )


def mend(
    name: str,
    cells: Cells,
    table: Floats,
    source: Places,
    first: int,
    fill: Literal["zero", "interpolate"] | None,
) -> tuple[Floats, tuple[str, ...]]:
    """Return demand of shape (days, SKUs, stores), and what was put in where `fill` asks for it.

    Raises
    ------
    InputError
        One line about the first missing day where it does not.
    """
    shape = (len(table), len(cells.skus), len(cells.stores))
    missing = np.isnan(table)
    if not missing.any():
        return table.reshape(shape), ()
    if fill is None:
        raise _no_day(name, cells, source, first)
    absent, unusable = int((source < 0).sum()), int((missing & (source >= 0)).sum())
    told = [f"{absent:,} missing days"] if absent else []
    told += [f"{unusable:,} values that are no quantity"] if unusable else []
    how = "with 0" if fill == "zero" else "on the line between their neighbours"
    if fill == "zero":
        table[missing] = 0.0
    for lane in np.flatnonzero(missing.any(axis=0)) if fill == "interpolate" else ():
        known = np.flatnonzero(~missing[:, lane])
        if not known.size:
            raise InputError(
                f"{name}: no demand{cells.lane(int(lane))} to interpolate; leave it out"
            )
        table[:, lane] = np.interp(np.arange(len(table)), known, table[known, lane])
    return table.reshape(shape), (f"filled {how}: {' and '.join(told)}",)


def _no_day(name: str, cells: Cells, source: Places, first: int) -> InputError:
    """Return what to say of the first missing day, and where it would stand."""
    day, lane = (int(i) for i in np.argwhere(source < 0)[0])
    date = dt.date.fromordinal(first + day)
    apart = np.diff(np.flatnonzero((source >= 0).any(axis=1)))
    if apart.min(initial=len(source)) > 1:
        return InputError(
            f"{name}: its days lie {apart.min()} or more apart; a row for every day is needed, "
            f"{REMEDY}"
        )
    later = source[day:, lane]
    later = later[later >= 0]
    if later.size:
        return InputError(
            f"{name} row {cells.number(int(later[0]))}: days must follow one another, and "
            f"{date}{cells.lane(lane)} is missing before this one; put it in, {REMEDY}"
        )
    last = source[:day, lane].max(initial=-1)
    end = f"row {cells.number(int(last))} is its last one" if last >= 0 else "it has no day at all"
    return InputError(
        f"{name}: {date}{cells.lane(lane)} is missing, {end}; let all stores and SKUs end on the "
        f"same day, {REMEDY}"
    )
