"""Where the columns of a demand file say what: days, stores, SKUs, quantities; wide or long."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError, choose, short
from demand.columns import Column, Sheet, no_name
from demand.formats import (
    MAX_DEMAND,
    Mark,
    best_form,
    date_forms,
    decimal_mark,
    is_negative,
    may_be_either,
    parser,
    units,
)
from demand.source import DemandSource

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


MAX_DATES = 40_000
DATE_NAMES = ("date", "day", "datum", "ds", "timestamp", "time", "datetime")
STORE_NAMES = ("store", "shop", "location", "site", "branch", "store_id", "filiale", "unique_id")
SKU_NAMES = ("sku", "item", "product", "article", "sku_id", "item_id", "product_id", "artikel")
DEMAND_NAMES = (
    *("demand", "sales", "units", "quantity", "qty", "y", "sold", "units_sold", "value", "menge"),
)
OF_FILE = "all"
"""Name of the only SKU of a file that names none, and of the only store."""


def cells_of(
    sheet: Sheet, source: DemandSource, today: dt.date, quantities: Sequence[str]
) -> tuple[Cells, str]:
    """Return the quantities of a file with their places, and how it was read."""
    date = _date_column(sheet, source)
    days, form = _days(sheet, date, source.date_format, today)
    long = _long_columns(sheet, source, date, quantities)
    cells = _from_long(sheet, days, long, source) if long else _from_wide(sheet, days, date, source)
    return cells, f"{'long' if long else 'wide'}, {sheet.kind}, dates {form}"


def _named(sheet: Sheet, names: Iterable[str]) -> str | None:
    """Return the column with one of the names, whatever its capitals."""
    by_name = {column.lower().replace(" ", "_"): column for column in reversed(sheet.columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def _date_column(sheet: Sheet, source: DemandSource) -> str:
    if source.date is not None:
        return choose(f"column in {sheet.name}", source.date, sheet.columns)
    named = _named(sheet, DATE_NAMES)
    if named is not None:
        return named
    for name, column in sheet.columns.items():
        if column.values and date_forms(column.values[:20]):
            return name
    raise InputError(
        f"{sheet.name}: no column of dates among {short(list(sheet.columns))}; name it with "
        "--set demand_data.date="
    )


def _days(
    sheet: Sheet, name: str, form: str | None, today: dt.date
) -> tuple[NDArray[np.intp], str]:
    """Return every row's day as an ordinal, and the form of the dates."""
    column = sheet.columns[name]
    texts = [text for text in column.values if text]
    if len(texts) > MAX_DATES:
        raise InputError(f"{sheet.name}: {len(texts):,} different dates, at most {MAX_DATES:,}")
    order = np.argsort(_first_rows(column), kind="stable")  # what stands first decides
    texts = [column.values[i] for i in order if column.values[i]]
    forms = [form] if form else date_forms(texts) if texts else []
    chosen = best_form(texts, forms) if len(forms) > 1 else (forms or ["%Y-%m-%d"])[0]
    if chosen is None:
        raise InputError(
            f"{sheet.name}: {texts[0]} may be {forms[0]} or {forms[1]}; say "
            f"--set demand_data.date_format={forms[0]}"
        )
    parse = parser(chosen)
    ordinals = np.array([parse(text) or 0 for text in column.values] or [0], np.intp)
    days = ordinals[column.rows]
    wrong = np.flatnonzero((days == 0) | (column.rows < 0))
    if wrong.size:
        text = _text(column, wrong[0])
        remedy = "mend it, or say --set demand_data.date_format="
        if len(text) == 5 and text.isdigit():
            remedy = "a spreadsheet counts days so; format the column as a date and save it again"
        raise InputError(
            f"{_row(sheet, wrong[0])}: {short(text)} is not a date ({chosen}); {remedy}"
        )
    late = np.flatnonzero(days > today.toordinal())
    if late.size:
        day = dt.date.fromordinal(int(days[late[0]]))
        raise InputError(
            f"{_row(sheet, late[0])}: {day} is in the future, today is {today}; leave forecasts "
            "out, or say --set demand_data.date_format="
        )
    return days, chosen


def _long_columns(
    sheet: Sheet, source: DemandSource, date: str, quantities: Sequence[str]
) -> dict[str, str] | None:
    """Return the columns of a long file by what they hold, None for a wide one."""
    asked = {"store": source.store, "sku": source.sku, "demand": source.demand}
    known = {"store": STORE_NAMES, "sku": SKU_NAMES, "demand": quantities}
    found: dict[str, str] = {}
    for part, names in known.items():
        name = asked[part]
        column = _named(sheet, names) if name is None else name
        if name is not None:
            choose(f"column in {sheet.name}", name, sheet.columns)
        if column is not None and column != date:
            found[part] = column
    is_long = "demand" in found and ("store" in found or "sku" in found)
    if source.layout == "wide" or (source.layout == "auto" and not is_long):
        return None
    if not is_long:
        raise InputError(
            f"{sheet.name}: a long file needs columns of stores or SKUs and of {quantities[0]}; "
            f"name them with store=, sku= and demand=; it has {short(list(sheet.columns))}"
        )
    return found


def _from_wide(sheet: Sheet, days: NDArray[np.intp], date: str, source: DemandSource) -> Cells:
    wanted = source.stores
    stores = tuple(name for name in sheet.columns if name != date)
    for name in wanted or ():
        choose(f"column in {sheet.name}", name, stores)
    stores = wanted or stores
    if not stores:
        raise InputError(f"{sheet.name}: has dates and no column of demand; add one per store")
    if "" in stores:
        raise no_name(sheet.name, list(sheet.columns).index(""))
    values = read_quantities(sheet, stores, source.decimal)
    texts = [sheet.columns[name] for name in stores]
    lanes = np.broadcast_to(np.arange(len(stores)), values.shape)
    return Cells(
        days=np.repeat(days, len(stores)),
        lanes=lanes.reshape(-1),
        values=values.reshape(-1),
        text=lambda at: _text(texts[at % len(stores)], at // len(stores)),
        number=lambda at: int(sheet.numbers[at // len(stores)]),
        stores=stores,
        skus=(OF_FILE,),
    )


def _from_long(
    sheet: Sheet, days: NDArray[np.intp], names: dict[str, str], source: DemandSource
) -> Cells:
    stores, store_of = _in_order(sheet, names.get("store"))
    wanted = source.stores
    for name in wanted or ():
        choose(f"store in {sheet.name}", name, stores)
    chosen = wanted or stores
    place_of = np.array([chosen.index(s) if s in chosen else -1 for s in stores], np.intp)
    rows = np.flatnonzero(place_of[store_of] >= 0)
    skus, sku_of = _in_order(sheet, names.get("sku"))
    demand = sheet.columns[names["demand"]]
    return Cells(
        days=days[rows],
        lanes=sku_of[rows] * len(chosen) + place_of[store_of[rows]],
        values=read_quantities(sheet, [names["demand"]], source.decimal)[rows, 0],
        text=lambda at: _text(demand, rows[at]),
        number=lambda at: int(sheet.numbers[rows[at]]),
        stores=chosen,
        skus=skus,
    )


def _in_order(sheet: Sheet, name: str | None) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Return the names in a column as the file has them, and which of them every row has."""
    if name is None:
        return (OF_FILE,), np.zeros(len(sheet.numbers), np.intp)
    column = sheet.columns[name]
    empty = np.flatnonzero(column.blank)
    if empty.size:
        raise InputError(f"{_row(sheet, empty[0])}: no {name}; put it in, or leave the row out")
    order = np.argsort(_first_rows(column), kind="stable")
    names = tuple(dict.fromkeys(column.values[i] for i in order))
    place_of = {text: place for place, text in enumerate(names)}
    places = np.array([place_of[text] for text in column.values], np.intp)
    return names, places[column.rows]


def _first_rows(column: Column) -> NDArray[np.intp]:
    """Return the first row of every distinct value."""
    first = np.full(len(column.values), len(column.rows), np.intp)
    np.minimum.at(first, column.rows[column.rows >= 0], np.flatnonzero(column.rows >= 0))
    return first


def read_quantities(sheet: Sheet, names: Sequence[str], decimal: Mark | None = None) -> Floats:
    """Return the numbers of columns, which have one decimal mark; NaN for what is no quantity.

    Raises
    ------
    InputError
        If the mark may be one of decimals or of thousands.
    """
    columns = [sheet.columns[name] for name in names]
    mark = decimal or sheet.decimal
    mark = mark or decimal_mark(text for column in columns for text in column.values)
    if mark is None:
        raise _either(sheet, dict(zip(names, columns, strict=True)))
    numbers = [np.array([*(units(t, mark) for t in c.values), np.nan])[c.rows] for c in columns]
    return np.stack(numbers, axis=1)


def _either(sheet: Sheet, columns: Mapping[str, Column]) -> InputError:
    """Return what to say of the first number whose mark may be one of decimals or thousands."""
    found = [
        (int(np.flatnonzero(column.rows == at)[0]), name, text)
        for name, column in columns.items()
        for at, text in enumerate(column.values)
        if may_be_either(text) and (column.rows == at).any()
    ]
    row, name, text = min(found)
    point, comma = units(text, "."), units(text, ",")
    return InputError(
        f"{_row(sheet, row)}: {name} = {text!r} may be {point:g} or {comma:g}, and nothing in the "
        "file tells; write it without a mark of thousands, or say --set demand_data.decimal=."
    )


def _text(column: Column, row: int) -> str:
    at = int(column.rows[row])
    return column.values[at] if at >= 0 else ""


def _row(sheet: Sheet, row: int) -> str:
    return f"{sheet.name} row {sheet.numbers[row]}"
