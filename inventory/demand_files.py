"""Files of daily demand: wide or long, any usual form, and one line for whatever is wrong.

A wide file has a date column and one column per store, a long one a row per date, store and, if
there are several, SKU. Nothing is mended unless `DemandSource.fill` asks for it.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from inventory.demand_cells import Cells, mend, place
from inventory.demand_sheet import Column, Sheet, read_sheet
from inventory.demand_values import best_form, date_forms, parser, units
from inventory.errors import FrozenModel, InputError, choose, short

Floats = NDArray[np.float64]
MAX_DATES = 40_000
DATE_NAMES = ("date", "day", "datum", "ds", "timestamp", "time", "datetime")
STORE_NAMES = ("store", "shop", "location", "site", "branch", "store_id", "filiale", "unique_id")
SKU_NAMES = ("sku", "item", "product", "article", "sku_id", "item_id", "product_id", "artikel")
DEMAND_NAMES = (
    *("demand", "sales", "units", "quantity", "qty", "y", "sold", "units_sold", "value", "menge"),
)
OF_FILE = "all"
"""Name of the only SKU of a file that names none, and of the only store."""


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("no such file")
    return path


class DemandSource(FrozenModel):
    """A file of dated demand, how it is to be read, and what its days are for.

    Names, forms and encodings are found out where they are not given. `fill` puts 0, or the line
    between the neighbours, in the place of missing days and of values that are empty, negative or
    no numbers; the periods are those of `inventory.demand_periods`.
    """

    file: Annotated[Path, AfterValidator(_existing)]
    date: str | None = Field(None, description="column of the days")
    store: str | None = Field(None, description="column of the stores, in a long file")
    sku: str | None = Field(None, description="column of the SKUs, in a long file")
    demand: str | None = Field(None, description="column of the demand, in a long file")
    stores: tuple[str, ...] | None = Field(None, description="the stores to take; default: all")
    layout: Literal["auto", "wide", "long"] = "auto"
    date_format: str | None = Field(None, description="as of strptime, such as %d.%m.%Y")
    separator: str | None = None
    encoding: str | None = None
    fill: Literal["zero", "interpolate"] | None = None
    split: dt.date | None = Field(None, description="first day of the evaluation period")
    validation: dt.date | None = Field(None, description="first day of the selection period")


@dataclass(frozen=True, eq=False)
class DemandTable:
    """Daily demand without gaps.

    Attributes
    ----------
    name, kind : str
        Name of the file, and how it was read.
    first_day : date
        Its first day.
    stores, skus : tuple of str
        Names, in the order of the file.
    demand : ndarray
        Shape (days, SKUs, stores) [units/day]; not to be written to.
    mended : tuple of str
        What was put in because `DemandSource.fill` asked for it.
    """

    name: str
    kind: str
    first_day: dt.date
    stores: tuple[str, ...]
    skus: tuple[str, ...]
    demand: Floats
    mended: tuple[str, ...] = ()

    @property
    def days(self) -> int:
        """Number of days."""
        return len(self.demand)

    @property
    def last_day(self) -> dt.date:
        """The last day."""
        return self.first_day + dt.timedelta(days=self.days - 1)


def read_demand(source: DemandSource, today: dt.date | None = None) -> DemandTable:
    """Read a file of daily demand, once as long as it does not change.

    Parameters
    ----------
    source : DemandSource
        The file.
    today : date, optional
        Days after it are refused; by default the day it is.

    Raises
    ------
    InputError
        One line with the row and what to do about it.
    """
    fields = DemandSource.model_fields.keys() - {"split", "validation"}
    reading = DemandSource.model_construct(**{name: getattr(source, name) for name in fields})
    try:
        status = source.file.stat()
    except OSError as error:
        raise InputError(f"{source.file}: cannot be read: {error.strerror}") from None
    return _read(reading, (status.st_mtime_ns, status.st_size), today or dt.date.today())


@lru_cache(maxsize=4)
def _read(source: DemandSource, version: tuple[int, int], today: dt.date) -> DemandTable:
    del version  # a changed file is another one
    sheet = read_sheet(source.file, source.separator, source.encoding)
    if not sheet.columns or not sheet.numbers.size:
        raise InputError(f"{sheet.name}: holds a header and no days; put in a row for every day")
    date = _date_column(sheet, source)
    days, form = _days(sheet, date, source.date_format, today)
    long = _long_columns(sheet, source, date)
    if long:
        cells = _from_long(sheet, days, long, source.stores)
    else:
        cells = _from_wide(sheet, days, date, source.stores)
    first, last = int(cells.days.min()), int(cells.days.max())
    table, rows = place(sheet.name, cells, first, last - first + 1, filled=bool(source.fill))
    demand, mended = mend(sheet.name, cells, table, rows, first, source.fill)
    demand.flags.writeable = False
    kind = f"{'long' if long else 'wide'}, {sheet.kind}, dates {form}"
    first_day = dt.date.fromordinal(first)
    return DemandTable(sheet.name, kind, first_day, cells.stores, cells.skus, demand, mended)


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
        f"{sheet.name}: no column of dates among {short(list(sheet.columns))}; name it with date="
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
            f"{sheet.name}: {texts[0]} may be {forms[0]} or {forms[1]}; say date_format={forms[0]}"
        )
    parse = parser(chosen)
    ordinals = np.array([parse(text) or 0 for text in column.values] or [0], np.intp)
    days = ordinals[column.rows]
    wrong = np.flatnonzero((days == 0) | (column.rows < 0))
    if wrong.size:
        raise InputError(
            f"{_row(sheet, wrong[0])}: {short(_text(column, wrong[0]))} is not a date ({chosen}); "
            "mend it, or say date_format= and date="
        )
    late = np.flatnonzero(days > today.toordinal())
    if late.size:
        day = dt.date.fromordinal(int(days[late[0]]))
        raise InputError(
            f"{_row(sheet, late[0])}: {day} is in the future, today is {today}; leave forecasts "
            "out, or say date_format="
        )
    return days, chosen


def _long_columns(sheet: Sheet, source: DemandSource, date: str) -> dict[str, str] | None:
    """Return the columns of a long file by what they hold, None for a wide one."""
    asked = {"store": source.store, "sku": source.sku, "demand": source.demand}
    known = {"store": STORE_NAMES, "sku": SKU_NAMES, "demand": DEMAND_NAMES}
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
            f"{sheet.name}: a long file needs columns of stores or SKUs and of demand; name them "
            f"with store=, sku= and demand=; it has {short(list(sheet.columns))}"
        )
    return found


def _from_wide(
    sheet: Sheet, days: NDArray[np.intp], date: str, wanted: tuple[str, ...] | None
) -> Cells:
    stores = tuple(name for name in sheet.columns if name != date)
    for name in wanted or ():
        choose(f"column in {sheet.name}", name, stores)
    stores = wanted or stores
    if not stores:
        raise InputError(f"{sheet.name}: has dates and no column of demand; add one per store")
    values = np.stack([_quantities(sheet, name) for name in stores], axis=1)
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
    sheet: Sheet, days: NDArray[np.intp], names: dict[str, str], wanted: tuple[str, ...] | None
) -> Cells:
    stores, store_of = _in_order(sheet, names.get("store"))
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
        values=_quantities(sheet, names["demand"])[rows],
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
    empty = np.flatnonzero((column.rows < 0) | (np.array(column.values)[column.rows] == ""))
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


def _quantities(sheet: Sheet, name: str) -> Floats:
    """Return the numbers of a column; NaN for what is no quantity."""
    column = sheet.columns[name]
    comma = any("," in text for text in column.values)
    comma = comma and not any("." in text for text in column.values)
    values = [units(text, decimal_comma=comma) for text in column.values]
    return np.array([*values, np.nan])[column.rows]


def _text(column: Column, row: int) -> str:
    at = int(column.rows[row])
    return column.values[at] if at >= 0 else ""


def _row(sheet: Sheet, row: int) -> str:
    return f"{sheet.name} row {sheet.numbers[row]}"
