"""Files of demand by day, week or month, wide or long: roles of their columns, rows by period."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field

from common.array_cache import find_arrays, keep_arrays
from common.compiled import SOURCES
from common.errors import FrozenModel, InputError, and_more, choose, short
from common.files import read_bytes
from demand.date_parts import with_dates
from demand.dates import Periods, date_column, named_column, periods_of, row_days
from demand.known_ahead.column_names import (
    DEMAND_NAMES,
    KNOWN_AHEAD,
    SKU_NAMES,
    STORE_NAMES,
    words_of,
)
from demand.known_ahead.covariates import Covariates, check_column, covariate_names, read_covariates
from demand.quality.quantities import read_units
from demand.quality.slips import check_spelling, column_of_totals
from demand.quality.stock_columns import STOCK_NAMES, ran_out
from demand.sheet import MAX_FILE_BYTES, Mark, Sheet, numbers, read_sheet
from demand.table import DemandSeries, DemandTable, Whole

NO_DEMAND = KNOWN_AHEAD - {"open", "feature", "deal"} | {
    *("cost", "flag", "weekday", "dow", "week", "month", "quarter", "year", "temperature", "is"),
    *("wochentag", "woche", "kw", "monat", "quartal", "jahr"),
}
"""Words in the names of columns that do not hold demand."""

ONLY = "all"
"""Name of the only store, and of the only SKU, in a file that names none."""

MOST_LISTED = 12
LEAST_KEPT = 1_000_000
"""Tables of at least this many values are cached between runs, as parsing them is slow."""


def _file(path: Path) -> Path:
    if path.is_dir():
        raise ValueError("is a folder; name the file in it, CSV or Parquet")
    if not path.is_file():
        raise ValueError("no such file")
    return path


def _date(value: object) -> object:
    if value is None or isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError:
        raise ValueError("must be a date such as 2018-07-01") from None


Date = Annotated[dt.date | None, BeforeValidator(_date)]
DataFile = Annotated[Path, AfterValidator(_file)]


class DemandSource(FrozenModel):
    """A file of dated demand, how it is to be read, and how its days are split into periods.

    Names, formats and encodings are detected where they are not given. `fill` puts 0, or a linear
    interpolation, in place of missing days and of values that are empty, negative or not numbers;
    the periods are those of `demand.calendar`.
    """

    file: DataFile
    date: str | None = Field(None, description="column of the days")
    store: str | None = Field(None, description="column of the stores, in a long file")
    sku: str | None = Field(None, description="column of the SKUs, in a long file")
    demand: str | None = Field(None, description="column of the demand, in a long file")
    in_stock: str | None = Field(None, description="column that says whether goods were there")
    closing_stock: str | None = Field(None, description="column of the stock at the close")
    stores: tuple[str, ...] | None = Field(None, description="the stores to take; default: all")
    covariates: tuple[str, ...] | None = Field(
        None, description="columns known ahead; default: by their names"
    )
    layout: Literal["auto", "wide", "long"] = "auto"
    period: Literal["auto", "day", "week", "month"] = "auto"
    date_format: str | None = Field(None, description="as of strptime, such as %d.%m.%Y")
    decimal: Mark | None = Field(None, description="decimal mark, a point or a comma")
    separator: str | None = None
    encoding: str | None = None
    fill: Literal["zero", "interpolate"] | None = None
    repeated: Literal["sum"] | None = Field(None, description="rows of a day that are added up")
    split: Date = Field(None, description="first day of the evaluation period")
    validation: Date = Field(None, description="first day of the selection period")
    until: Date = Field(None, description="first day after the evaluation period")

    @property
    def columns_are(self) -> str:
        """The entity that a column of the file, or a name in it, stands for."""
        return "store"

    def reading(self) -> "DemandSource":
        """Return how the file is to be read."""
        return self


COLUMN_ROLES = "date", "store", "sku", "demand", "in_stock", "closing_stock"
"""Roles for which ``--columns`` can name a column."""


def named_columns(text: str) -> dict[str, str]:
    """Return the columns named in ``--columns demand=qty_sold,store=shop``, by role.

    Raises
    ------
    InputError
        If it is not such a list, or has an unknown role.
    """
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        role, equals, column = (word.strip() for word in part.partition("="))
        if not equals or not column:
            raise InputError(
                f"--columns {short(part)}: must be what it holds = its name, such as "
                "demand=qty_sold,store=shop"
            )
        found[choose("what a column holds (--columns)", role.lower(), COLUMN_ROLES)] = column
    return found


def read_demand(
    source: DemandSource,
    today: dt.date | None = None,
    quantities: tuple[str, ...] = DEMAND_NAMES,
    *,
    settable: bool = True,
) -> DemandTable:
    """Read a file of demand; it is read only once as long as it does not change.

    Parameters
    ----------
    source : DemandSource
        The file.
    today : date, optional
        Later days are refused; by default the current date.
    quantities : tuple of str
        Possible names of the column of quantities in a long file, unless `source` names it.
    settable : bool
        Whether the user can set the options of `source`, so that messages may name them.

    Raises
    ------
    InputError
        One line with the row and advice.
    """
    reading = source.model_copy(update=dict.fromkeys(("split", "validation", "until")))
    version = file_version(source.file)
    return _read(reading, version, today or dt.date.today(), quantities, settable)


def file_version(path: Path) -> tuple[int, int]:
    """Return a file's time of modification and size, which change with its content."""
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=4)
def _read(
    source: DemandSource,
    version: tuple[int, int],
    today: dt.date,
    quantities: tuple[str, ...],
    settable: bool,
) -> DemandTable:
    del version  # part of the cache's key: a changed file is read anew
    key = _key(source, quantities)
    if (kept := find_arrays(key)) is not None:
        table = DemandTable.from_arrays(kept)
        if table.last_day <= today:
            return table
    table = _parsed(source, today, quantities, settable)
    if table.demand.size >= LEAST_KEPT:
        keep_arrays(key, table.to_arrays())
    return table


def _key(source: DemandSource, quantities: tuple[str, ...]) -> str:
    """Return a digest of a file's name and content, the options of reading, and the code."""
    digest = hashlib.sha256(read_bytes(source.file, MAX_FILE_BYTES, links=True))
    how = source.model_dump(mode="json", exclude={"file"})
    digest.update(json.dumps([source.file.name, how, quantities, SOURCES]).encode())
    return digest.hexdigest()


def _parsed(
    source: DemandSource, today: dt.date, quantities: tuple[str, ...], settable: bool
) -> DemandTable:
    sheet = read_sheet(source.file, source.separator, source.encoding)
    sheet = replace(sheet, settable=type(source).model_fields if settable else ())
    if sheet.cells.empty:
        raise InputError(f"{sheet.name}: holds a header and no days; put in a row for every day")
    sheet = sheet if source.date or source.date_format else with_dates(sheet)
    date = source.date or date_column(sheet)
    _check_column(sheet, source, date, sheet.columns)
    days, form = row_days(sheet, date, source.date_format, today)
    periods = periods_of(sheet, days, source.period)
    days = periods.containing(days)
    roles = _long_columns(sheet, source, date, quantities)
    reasons = {} if roles or source.stores else _no_demand(sheet, date)
    series = (
        _long(sheet, (periods, days), roles, source)
        if roles
        else _wide(sheet, (periods, days), date, reasons, source)
    )
    series = series.since_begun() if source.columns_are == "store" else series
    first = periods.of_ordinal(int(series.days.min()))
    shifted = series.days - series.days.min() + first.toordinal()
    used = (date, *roles.values()) if roles else (date, *series.columns)
    ahead = covariate_names(sheet, (c for c in sheet.columns if c not in used), source.covariates)
    rest = tuple(c for c in sheet.columns if c not in {*used, *ahead})
    series = replace(series, days=shifted, periods=Periods(periods.name, first), left_out=rest)
    demand, filled = (series.added_up() if source.repeated else series).daily(source.fill)
    return DemandTable(
        name=sheet.name,
        kind=f"{'long' if roles else 'wide'}, {sheet.kind}, dates {form}",
        first_day=first,
        period=periods.name,
        cut_off=series.flags(ran_out(series.sheet, roles)) if roles else None,
        stores=series.stores,
        skus=series.skus,
        demand=demand,
        columns=_columns_note(sheet, used, ahead, reasons),
        filled=filled,
        begins=series.begins,
        covariates=_known_ahead(series, ahead, source) if ahead else None,
    )


def _known_ahead(series: DemandSeries, names: Sequence[str], source: DemandSource) -> Covariates:
    """Return the columns of a file known ahead; in a wide file they apply to all stores."""
    rows = np.arange(len(series.days))
    wide = series.columns == series.stores and len(series.skus) == 1
    places = np.full(len(rows), -1) if wide else series.places[:, 0]
    shape = len(series.skus), len(series.stores)
    found = read_covariates(
        series.sheet, names, series.days, rows, places, shape, decimal=source.decimal
    )
    return replace(found, periods=None if series.periods.name == "day" else series.periods)


def _columns_note(
    sheet: Sheet, used: Sequence[str], ahead: Sequence[str], reasons: Mapping[str, str]
) -> str:
    """Return a line on the columns used, and on those left out and why."""
    kept = {*used, *ahead}
    known = f"; known ahead: {_listed(ahead)}" if ahead else ""
    rest = [f"{c} ({reasons[c]})" if c in reasons else c for c in sheet.columns if c not in kept]
    left_out = f"; left out: {_listed(rest)}" if rest else ""
    return f"columns: {_listed(used)}{known}{left_out}"


def _listed(names: Sequence[str]) -> str:
    listed = ", ".join(name[:40] for name in names[:MOST_LISTED])
    return f"{listed}{and_more(len(names) - MOST_LISTED)}"


def _check_column(sheet: Sheet, source: DemandSource, name: str, others: Sequence[str]) -> None:
    """Make sure that a column that `source` names exists."""
    option = next((option for option, value in source if value == name), "stores")
    check_column(sheet, name, others, option)


def _long_columns(
    sheet: Sheet, source: DemandSource, date: str, quantities: Sequence[str]
) -> dict[str, str] | None:
    """Return the columns of a long file by role, None for a wide one."""
    known = {"store": STORE_NAMES, "sku": SKU_NAMES, "demand": quantities, **STOCK_NAMES}
    asked = {part: getattr(source, part) for part in known}
    for name in filter(None, asked.values()):
        _check_column(sheet, source, name, sheet.columns)
    found = {part: name or named_column(sheet, known[part]) for part, name in asked.items()}
    roles = {part: name for part, name in found.items() if name and name != date}
    keys = [roles[part] for part in ("store", "sku") if part in roles]
    shown = [roles[part] for part in STOCK_NAMES if part in roles]
    others = [column for column in sheet.columns if column not in (date, *keys, *shown)]
    repeated = 2 * len(sheet.texts(date)) <= len(sheet.cells)
    grouped = others and (repeated or any(_is_text(sheet, key) for key in keys))
    is_long = keys and ("demand" in roles or grouped)
    if source.layout == "wide" or (source.layout == "auto" and not is_long):
        return None
    what = quantities[0]
    if not keys:
        how = "say --set demand_data.store=, .sku= and .demand="
        named = sheet.remedy(f"name them store, sku and {what}", "store", how)
        raise InputError(
            f"{sheet.name}: a long file needs columns of stores or SKUs and of {what}; {named}; it "
            f"has {short(sheet.columns)}"
        )
    if "demand" not in roles:
        named = sheet.remedy(f"Name it {what}", "demand", "say --set demand_data.demand=")
        raise InputError(
            f"{sheet.name}: which column holds the {what}, out of {_listed(others)}? {named}"
        )
    return roles


def _is_text(sheet: Sheet, column: str) -> bool:
    """Whether a column is not empty, and holds no number at all."""
    texts = [text for text in sheet.texts(column) if text]
    return bool(texts) and all(np.isnan(numbers(texts, mark)).all() for mark in (".", ","))


def _no_demand(sheet: Sheet, date: str) -> dict[str, str]:
    """Return the columns of a wide file that are not demand, with the reason.

    Columns of only 0 and 1 are flags if other columns hold other numbers.
    """
    reasons, flags = dict[str, str](), dict[str, str]()
    for column in (c for c in sheet.columns if c != date):
        if words_of(column) & NO_DEMAND:
            reasons[column] = "by its name"
        elif _is_text(sheet, column):
            example = next(text for text in sheet.texts(column) if text)
            reasons[column] = f"text, such as {short(example[:20])}"
        elif set(sheet.texts(column)) == {"0", "1"}:
            flags[column] = "0 or 1"
    all_flags = len(reasons) + len(flags) + 1 == len(sheet.columns)
    return reasons if all_flags else reasons | flags


def _wide(
    sheet: Sheet,
    when: tuple[Periods, Whole],
    date: str,
    reasons: dict[str, str],
    source: DemandSource,
) -> DemandSeries:
    """Return the series of a wide file; `reasons` gains why a column of totals is left out."""
    columns = [column for column in sheet.columns if column != date]
    for name in source.stores or ():
        _check_column(sheet, source, name, columns)
    stores = source.stores or tuple(column for column in columns if column not in reasons)
    if not stores:
        left_out = f" ({_columns_note(sheet, [date], [], reasons)})" if reasons else ""
        add = sheet.remedy("add one per store", "stores", "say --set demand_data.stores=")
        raise InputError(f"{sheet.name}: has dates and no column of demand{left_out}; {add}")
    units = read_units(sheet, stores, source.decimal)
    if not source.stores and (totals := column_of_totals(units)) is not None:
        reasons[stores[totals]] = "the sum of the others"
        stores, units = (*stores[:totals], *stores[totals + 1 :]), np.delete(units, totals, 1)
    places = np.broadcast_to(np.arange(len(stores)), units.shape)
    periods, days = when
    return DemandSeries(sheet, stores, days, units, places, stores, (ONLY,), periods)


def _long(
    sheet: Sheet, when: tuple[Periods, Whole], roles: Mapping[str, str], source: DemandSource
) -> DemandSeries:
    units = read_units(sheet, [roles["demand"]], source.decimal)
    stores, store = _keys(sheet, roles.get("store"), when[1])
    skus, sku = _keys(sheet, roles.get("sku"), when[1])
    for name in source.stores or ():
        choose(f"store in {sheet.name}", name, stores)
    chosen = source.stores or stores
    store = np.array([chosen.index(s) if s in chosen else -1 for s in stores], np.intp)[store]
    places, (periods, days) = sku * len(chosen) + store, when
    if (store < 0).any():
        kept = store >= 0
        sheet = replace(sheet, cells=sheet.cells[kept])
        days, units, places = days[kept], units[kept], places[kept]
    return DemandSeries(
        sheet=sheet,
        columns=(roles["demand"],),
        days=days,
        units=units,
        places=places[:, None],
        stores=chosen,
        skus=skus,
        periods=periods,
    )


def _keys(sheet: Sheet, column: str | None, days: Whole) -> tuple[tuple[str, ...], Whole]:
    """Return the names in a column in the order of the file, and the index of every row's name."""
    if column is None:
        return (ONLY,), np.zeros(len(sheet.cells), np.intp)
    names = sheet.texts(column)
    if "" in names:
        position = int((sheet.cells[column] == "").to_numpy().argmax())
        raise InputError(f"{sheet.row(position)}: no {column}; add it, or remove the row")
    check_spelling(sheet, column, days)
    return tuple(names), sheet.codes(column)
