"""An items file: costs, prices and supply terms of every product, per store where stores differ.

A row is about a store and an SKU, an SKU at all stores, all SKUs of a store, or everything; if
several rows give a value, the most specific one counts, an SKU's before a store's. For empty cells
the problem's own parameters apply.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError, short
from demand.dates import named_column
from demand.economics.item_columns import COLUMNS, Column
from demand.known_ahead.column_names import SKU_NAMES, STORE_NAMES
from demand.sheet import Mark, Sheet, numbers, read_sheet

Floats = NDArray[np.float64]
Whole = NDArray[np.intp]


SUPPLIER_NAMES = ("supplier", "vendor", "lieferant", "supplier_name")
LIMITS = "order_multiple", "minimum_order", "shelf_capacity"
_PERCENT = re.compile(r"\s*%$")


@dataclass(frozen=True, eq=False)
class Items:
    """The values of an items file for the SKUs and stores of a demand file.

    Attributes
    ----------
    name : str
        Name of the file.
    values : dict
        Arrays of the columns that the file has, by name as in `COLUMNS`: shape (SKUs, stores), NaN
        where it gives no value.
    suppliers : tuple of tuple of str
        Supplier of each SKU and store, ``""`` if none is named; empty without such a column.
    rows : ndarray
        Number of the most specific row for each SKU and store, 0 for none, (SKUs, stores).
    note : str
        How the file was understood.
    lead_time : int or None
        The single lead time of all rows that give one [periods].
    """

    name: str
    values: dict[str, Floats]
    suppliers: tuple[tuple[str, ...], ...]
    rows: Whole
    note: str
    lead_time: int | None

    def given(self, column: str) -> Floats:
        """Return a column, shape (SKUs, stores), all NaN where the file has none."""
        return self.values.get(column, np.full(self.rows.shape, np.nan))

    @property
    def targets(self) -> Floats:
        """Target fill rates, NaN where there is none, shape (SKUs, stores)."""
        return self.given("service_level")

    def lost_sale(self) -> Floats:
        """Return the cost of a lost sale, NaN where the file has none, shape (SKUs, stores).

        It is the stockout cost, or else the margin: price less unit cost [money per unit].
        """
        margin = self.given("price") - self.given("unit_cost")
        cost = np.where(np.isnan(self.given("stockout_cost")), margin, self.given("stockout_cost"))
        return np.where(np.isnan(self.targets), cost, np.nan)

    def to_bytes(self) -> bytes:
        """Return all numbers of the file as bytes, columns sorted by name."""
        columns = sorted(self.values.items())
        return b"".join(name.encode() + own.astype("<f8").tobytes() for name, own in columns)

    def where(self, sku: int, store: int) -> str:
        """Return the name of the most specific row for an SKU at a store, for messages."""
        return f"{self.name} row {self.rows[sku, store]}"


def read_items(
    path: Path, version: tuple[int, int], stores: tuple[str, ...], skus: tuple[str, ...]
) -> Items:
    """Read an items file; it is read only once as long as it does not change.

    Parameters
    ----------
    path : Path
        CSV or Parquet: columns of the store, the SKU, or both, and any of `COLUMNS`, each under any
        of its names; other columns are ignored.
    version : tuple of int
        Its `demand.reader.file_version`.
    stores, skus : tuple of str
        Names in the demand file.

    Raises
    ------
    InputError
        One line with row, column, value and advice: not a number, out of range, a duplicate, both
        a service level and a stockout cost, a lost sale or waste that earns money, two lead times.
    """
    return _read(path, version, stores, skus)


@lru_cache(maxsize=4)
def _read(
    path: Path, version: tuple[int, int], stores: tuple[str, ...], skus: tuple[str, ...]
) -> Items:
    del version  # part of the cache's key: a changed file is read anew
    sheet = read_sheet(path)
    if sheet.cells.empty:
        raise InputError(f"{sheet.name}: holds a header and no items; put in a row for each")
    store, sku = named_column(sheet, STORE_NAMES), named_column(sheet, SKU_NAMES)
    keys = [column for column in (store, sku) if column is not None]
    if not keys:
        raise InputError(
            f"{sheet.name}: names no store and no SKU; add a column store, sku or both (columns: "
            f"{short(sheet.columns)})"
        )
    found = {name: named_column(sheet, column.names) for name, column in COLUMNS.items()}
    columns = {name: own for name, own in found.items() if own is not None and own not in keys}
    supplier = named_column(sheet, SUPPLIER_NAMES)
    if not columns and supplier is None:
        raise InputError(
            f"{sheet.name}: has none of {', '.join(COLUMNS)}; name a column so (columns: "
            f"{short(sheet.columns)})"
        )
    cells = {name: _cells(sheet, own, COLUMNS[name]) for name, own in columns.items()}
    _check_rows(sheet, cells, columns)
    which, strangers = _keys(sheet, (sku, store), (skus, stores))
    _check_duplicates(sheet, which)
    shape = len(skus), len(stores)
    values, rows = _spread(cells, which, shape, np.asarray(sheet.cells.index, np.intp))
    named = _suppliers(sheet, supplier, which, shape)
    items = Items(
        name=sheet.name,
        values=values,
        suppliers=named,
        rows=rows,
        note=_note(sheet, [*keys, *columns.values()], supplier, strangers, rows),
        lead_time=_lead_time(sheet, cells, columns),
    )
    _check_prices(items)
    return items


def _cells(sheet: Sheet, column: str, meaning: Column) -> Floats:
    """Return the numbers in a column, row by row, NaN where a cell is empty."""
    texts = sheet.texts(column)
    plain = [_PERCENT.sub("", text) for text in texts] if meaning.percent else texts
    marks: tuple[Mark, ...] = (sheet.decimal,) if sheet.decimal else (".", ",")
    read = [numbers(plain, mark) for mark in marks]
    best = max(read, key=lambda values: int(np.isfinite(values).sum()))
    percent = [own != text for own, text in zip(plain, texts, strict=True)]
    values = np.where(percent, best / 100.0, best)
    for position, text in enumerate(texts):
        if not text:
            continue
        if not (math.isfinite(values[position]) and meaning.holds(values[position])):
            row = int((sheet.codes(column) == position).argmax())
            raise InputError(
                f"{sheet.row(row)}: {column} = {short(text)}: must be {meaning.allowed}; correct "
                "it, or leave the cell empty"
            )
    return values[sheet.codes(column)]


def _check_rows(sheet: Sheet, cells: dict[str, Floats], columns: dict[str, str]) -> None:
    """Refuse values that contradict each other within a row."""

    def of(name: str) -> Floats:
        return cells.get(name, np.full(len(sheet.cells), np.nan))

    def refuse(wrong: NDArray[np.bool_], name: str, reason: str) -> None:
        if wrong.any():
            row = int(wrong.argmax())
            text = str(sheet.cells[columns[name]].iloc[row])
            raise InputError(f"{sheet.row(row)}: {columns[name]} = {short(text)}: {reason}")

    both = ~np.isnan(of("service_level")) & ~np.isnan(of("stockout_cost"))
    refuse(both, "service_level", "a stockout cost is given too; leave one of the two cells empty")
    for name in ("lead_time", "shelf_life"):
        refuse(of(name) % 1 > 0, name, "must be a whole number of periods; correct it")
    pack = np.where(np.isnan(of("order_multiple")), 0.0, of("order_multiple"))
    least = np.maximum(pack, np.nan_to_num(of("minimum_order")))
    tight = of("shelf_capacity") < least
    refuse(tight, "shelf_capacity", "is less than the least order, so that nothing can be ordered")


def _check_prices(items: Items) -> None:
    """Refuse prices at which a lost sale or waste would earn money, from whichever rows."""
    price, salvage, cost = (items.given(name) for name in ("price", "salvage", "unit_cost"))
    told = ~np.isnan(items.given("stockout_cost")) | ~np.isnan(items.targets)
    free = "so that a lost sale would cost nothing; correct it, or give a stockout_cost"
    for name, wrong, reason in (
        ("price", ~told & (price <= cost), f"is not above the unit cost, {free}"),
        ("salvage", salvage > cost, "is above the unit cost: waste would earn money; correct it"),
    ):
        for k, n in np.argwhere(wrong)[:1].tolist():
            raise InputError(f"{items.where(k, n)}: {name} = {items.given(name)[k, n]:g} {reason}")


def _lead_time(sheet: Sheet, cells: dict[str, Floats], columns: dict[str, str]) -> int | None:
    """Return the single lead time that is given, None if there is none."""
    days = cells.get("lead_time")
    if days is None or np.isnan(days).all():
        return None
    first = int(np.flatnonzero(~np.isnan(days))[0])
    other = np.flatnonzero(~np.isnan(days) & (days != days[first]))
    if other.size:
        row, column = int(other[0]), columns["lead_time"]
        raise InputError(
            f"{sheet.row(row)}: {column} = {days[row]:g}, and {days[first]:g} in row "
            f"{sheet.cells.index[first]}: all items of a run share one lead time; make a run of "
            "the items of each lead time"
        )
    return int(days[first])


def _keys(
    sheet: Sheet, columns: tuple[str | None, str | None], known: tuple[tuple[str, ...], ...]
) -> tuple[Whole, dict[int, str]]:
    """Return SKU and store of every row, -1 for all and -2 for an unknown one.

    Also return the unknown names, by the position of the first row with each.
    """
    which = np.full((len(sheet.cells), 2), -1, np.intp)
    strangers: dict[int, str] = {}
    for place, (column, names) in enumerate(zip(columns, known, strict=True)):
        if column is None:
            continue
        at = {name: number for number, name in enumerate(names)} | {"": -1}
        texts = sheet.texts(column)
        which[:, place] = np.array([at.get(t, -2) for t in texts], np.intp)[sheet.codes(column)]
        _, first = np.unique(sheet.codes(column), return_index=True)
        strangers |= {
            int(row): text for text, row in zip(texts, first, strict=True) if text not in at
        }
    if (which < -1).any(axis=1).all():
        raise InputError(
            f"{sheet.row(0)}: {short(strangers[min(strangers)])} is not in the demand file, and no "
            f"other row is about it; its names are {short(known[0])} and {short(known[1])}"
        )
    return which, strangers


def _check_duplicates(sheet: Sheet, which: Whole) -> None:
    kept = np.flatnonzero((which > -2).all(axis=1))
    order = kept[np.lexsort(which[kept].T)]
    again = np.flatnonzero((which[order][1:] == which[order][:-1]).all(axis=1))
    if again.size:
        one, other = sorted(order[again[0] : again[0] + 2].tolist())
        raise InputError(
            f"{sheet.row(other)}: is about the same as row {sheet.cells.index[one]}; remove one"
        )


def _most_special_last(which: Whole) -> Iterator[tuple[int, tuple[slice | int, slice | int]]]:
    """Yield every row with known names and the SKUs and stores it covers, most specific last."""
    rank = (which[:, 0] >= 0) * 2 + (which[:, 1] >= 0)
    for row in np.argsort(rank, kind="stable"):
        sku, store = which[row].tolist()
        if sku > -2 and store > -2:
            yield (
                int(row),
                (
                    sku if sku >= 0 else slice(None),
                    store if store >= 0 else slice(None),
                ),
            )


def _spread(
    cells: dict[str, Floats], which: Whole, shape: tuple[int, int], numbered: Whole
) -> tuple[dict[str, Floats], Whole]:
    """Return the columns by SKU and store, and the most specific row for each."""
    values = {name: np.full(shape, np.nan) for name in cells}
    rows = np.zeros(shape, np.intp)
    rivals = {"service_level": "stockout_cost", "stockout_cost": "service_level"}
    for row, at in _most_special_last(which):
        rows[at] = numbered[row]
        for name, own in cells.items():
            if math.isnan(own[row]):
                continue
            values[name][at] = own[row]
            if (rival := rivals.get(name)) in values:
                values[rival][at] = np.nan  # the more specific row decides between the two
    return values, rows


def _suppliers(
    sheet: Sheet, column: str | None, which: Whole, shape: tuple[int, int]
) -> tuple[tuple[str, ...], ...]:
    if column is None:
        return ()
    named = np.full(shape, "", object)
    texts, codes = sheet.texts(column), sheet.codes(column)
    for row, at in _most_special_last(which):
        if texts[codes[row]]:
            named[at] = texts[codes[row]]
    return tuple(tuple(row) for row in named.tolist())


def _note(
    sheet: Sheet,
    used: Sequence[str],
    supplier: str | None,
    strangers: dict[int, str],
    rows: Whole,
) -> str:
    """Return lines on how the file was understood."""
    kept = [*used, *([supplier] if supplier is not None and supplier not in used else [])]
    rest = [column for column in sheet.columns if column not in kept]
    left_out = f"; left out: {', '.join(rest)}" if rest else ""
    lines = [f"{sheet.name}: columns {', '.join(kept)}{left_out}"]
    with_row, every = int((rows > 0).sum()), rows.size
    if with_row < every:
        lines.append(f"{every - with_row:,} of {every:,} items are not in it and take the defaults")
    if strangers:
        first = min(strangers)
        lines.append(
            f"left out: {len(strangers):,} names that the demand file does not have, the first "
            f"{short(strangers[first])} in row {sheet.cells.index[first]}"
        )
    return "\n".join(lines)
