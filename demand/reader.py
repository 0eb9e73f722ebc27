"""Files of daily demand, wide or long: which column holds what, and a row for every day."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import AfterValidator, BeforeValidator, Field

from common.errors import FrozenModel, InputError, choose, short
from demand.sheet import Mark, Sheet, numbers, read_quantities, read_sheet
from demand.table import DemandSeries, DemandTable, Whole

FORMATS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"),
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%a, %d %b %Y"),
    *("%b %d %Y", "%B %d %Y", "%A, %B %d, %Y", "%A, %d %B %Y"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%d-%b-%y"),
)
_TIME_OF_DAY = re.compile(r"[T ]+\d{1,2}:\d\d.*")
DATE_NAMES = ("date", "day", "datum", "ds", "timestamp", "time", "datetime")
STORE_NAMES = (
    *("store", "shop", "location", "site", "branch", "store_id", "filiale", "unique_id"),
    *("store_nbr", "store_name", "shop_id", "outlet"),
)
SKU_NAMES = (
    *("sku", "item", "product", "article", "sku_id", "item_id", "product_id", "artikel"),
    *("item_nbr", "product_name", "item_name", "article_id", "family"),
)
DEMAND_NAMES = (
    *("demand", "units", "quantity", "qty", "sales", "y", "sold", "units_sold", "qty_sold"),
    *("quantity_sold", "sold_units", "sold_qty", "unit_sales", "sales_units", "sales_qty"),
    *("num_sold", "value", "menge", "absatz"),
)
COVARIATES = {
    *(
        "price",
        "prices",
        "preis",
        "cost",
        "discount",
        "rabatt",
        "promo",
        "promotion",
        "onpromotion",
    ),
    *("holiday", "feiertag", "flag", "event", "weekday", "dow", "month", "year", "temperature"),
}
"""Words in the name of a column that holds no demand."""

ONLY = "all"
"""Name of the only store, and of the only SKU, of a file that names none."""

MOST_LISTED = 12


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


class DemandSource(FrozenModel):
    """A file of dated demand, how it is to be read, and what its days are for.

    Names, formats and encodings are detected where they are not given. `fill` gives 0, or the line
    between the neighbours, to missing days and to values that are empty, negative or no numbers;
    the periods are those of `demand.calendar`.
    """

    file: Annotated[Path, AfterValidator(_file)]
    date: str | None = Field(None, description="column of the days")
    store: str | None = Field(None, description="column of the stores, in a long file")
    sku: str | None = Field(None, description="column of the SKUs, in a long file")
    demand: str | None = Field(None, description="column of the demand, in a long file")
    stores: tuple[str, ...] | None = Field(None, description="the stores to take; default: all")
    layout: Literal["auto", "wide", "long"] = "auto"
    date_format: str | None = Field(None, description="as of strptime, such as %d.%m.%Y")
    decimal: Mark | None = Field(None, description="decimal mark, a point or a comma")
    separator: str | None = None
    encoding: str | None = None
    fill: Literal["zero", "interpolate"] | None = None
    split: Date = Field(None, description="first day of the evaluation period")
    validation: Date = Field(None, description="first day of the selection period")
    until: Date = Field(None, description="first day after the evaluation period")

    @property
    def columns_are(self) -> str:
        """What a column of the file, or a name in it, is about."""
        return "store"

    def reading(self) -> "DemandSource":
        """Return how the file is to be read."""
        return self


def read_demand(
    source: DemandSource,
    today: dt.date | None = None,
    quantities: tuple[str, ...] = DEMAND_NAMES,
) -> DemandTable:
    """Read a file of daily demand, once as long as it does not change.

    Parameters
    ----------
    source : DemandSource
        The file.
    today : date, optional
        Days after it are refused; by default the day it is.
    quantities : tuple of str
        What the column of quantities may be called in a long file, where `source` does not say.

    Raises
    ------
    InputError
        One line with the row and what to do about it.
    """
    reading = source.model_copy(update=dict.fromkeys(("split", "validation", "until")))
    try:
        status = source.file.stat()
    except OSError as error:
        raise InputError(f"{source.file}: cannot be read: {error.strerror}") from None
    version = status.st_mtime_ns, status.st_size
    return _read(reading, version, today or dt.date.today(), quantities)


@lru_cache(maxsize=4)
def _read(
    source: DemandSource, version: tuple[int, int], today: dt.date, quantities: tuple[str, ...]
) -> DemandTable:
    del version  # a changed file is another one
    sheet = read_sheet(source.file, source.separator, source.encoding)
    if sheet.cells.empty:
        raise InputError(f"{sheet.name}: holds a header and no days; put in a row for every day")
    date = _date_column(sheet, source)
    days, form = _days(sheet, date, source.date_format, today)
    roles = _long_columns(sheet, source, date, quantities)
    reasons = {} if roles or source.stores else _covariates(sheet, date)
    series = (
        _long(sheet, days, roles, source) if roles else _wide(sheet, days, date, reasons, source)
    )
    demand, filled = series.daily(source.fill)
    demand.flags.writeable = False
    used = (date, *roles.values()) if roles else (date, *series.columns)
    return DemandTable(
        name=sheet.name,
        kind=f"{'long' if roles else 'wide'}, {sheet.kind}, dates {form}",
        first_day=dt.date.fromordinal(int(series.days.min())),
        stores=series.stores,
        skus=series.skus,
        demand=demand,
        columns=_columns_note(sheet, used, reasons),
        filled=filled,
    )


def _columns_note(sheet: Sheet, used: Sequence[str], reasons: Mapping[str, str]) -> str:
    """Return a line on which columns are used, and which are left out and why."""
    kept = set(used)
    rest = [f"{c} ({reasons[c]})" if c in reasons else c for c in sheet.columns if c not in kept]
    left_out = f"; left out: {_listed(rest)}" if rest else ""
    return f"columns: {_listed(used)}{left_out}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_LISTED:,} more" if len(names) > MOST_LISTED else ""
    return f"{', '.join(name[:40] for name in names[:MOST_LISTED])}{more}"


def _named(sheet: Sheet, names: Iterable[str]) -> str | None:
    """Return the column with the first of the names, whatever its capitals."""
    by_name = {re.sub(r"[ -]", "_", c.lower()): c for c in reversed(sheet.columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def _check_column(sheet: Sheet, source: DemandSource, name: str, others: Iterable[str]) -> None:
    """Make sure that a column that `source` names is there."""
    if name not in others:
        option = next((option for option, value in source if value == name), "stores")
        choose(f"column in {sheet.name} (--set demand_data.{option})", name, others)


def _date_column(sheet: Sheet, source: DemandSource) -> str:
    if source.date is not None:
        _check_column(sheet, source, source.date, sheet.columns)
        return source.date
    dated = (c for c in sheet.columns if _date_formats(sheet, c))
    column = _named(sheet, DATE_NAMES) or next(dated, None)
    if column is None:
        raise InputError(
            f"{sheet.name}: no column of dates among {short(sheet.columns)}; name it with "
            "--set demand_data.date="
        )
    return column


def _date_formats(sheet: Sheet, column: str) -> list[str]:
    """Return the formats of the first dates in a column, none if they are no dates."""
    first = sheet.texts(column)[:20]
    return [form for form in FORMATS if (_ordinals(first, form) > 0).any()]


def _ordinals(texts: Sequence[str], form: str) -> Whole:
    """Return the days that texts are, whatever their time of day; below 1 where they are none."""
    dates = [text if any(map(str.isdigit, text)) else "" for text in texts]  # pandas knows "now"
    days = _parse(dates, form)
    if (days < 1).any():
        days = np.maximum(days, _parse([_TIME_OF_DAY.sub("", text) for text in dates], form))
    return days


def _parse(texts: Sequence[str], form: str) -> Whole:
    try:
        moments = pd.to_datetime(pd.Series(texts, dtype=object), format=form, errors="coerce")
        days = moments.dt.tz_localize(None).to_numpy("datetime64[D]").astype(np.intp)
    except (ValueError, AttributeError) as error:
        raise InputError(f"date_format = {short(form)}: {short(str(error), 100)}") from None
    ordinals: Whole = days + dt.date(1970, 1, 1).toordinal()
    return ordinals


def _days(sheet: Sheet, name: str, form: str | None, today: dt.date) -> tuple[Whole, str]:
    """Return every row's day as an ordinal, and the format of the dates."""
    texts = sheet.texts(name)
    forms = [form] if form else _date_formats(sheet, name) or FORMATS[:1]
    read = {f: _ordinals(texts, f) for f in forms}
    chosen = max(read, key=lambda f: int((read[f] > 0).sum()))
    dates = read[chosen]
    for other, others in read.items():
        if (others > 0).sum() == (dates > 0).sum() and (
            differ := (others != dates) & (others > 0) & (dates > 0)
        ).any():
            raise InputError(
                f"{sheet.name}: {texts[int(differ.argmax())]} may be {chosen} or {other}; say "
                f"--set demand_data.date_format={chosen} or {other}"
            )
    days = dates[sheet.codes(name)]
    if (days < 1).any():
        position = int((days < 1).argmax())
        text = str(sheet.cells[name].iloc[position])
        remedy = "correct it, or say --set demand_data.date_format="
        if len(text) == 5 and text.isdigit():
            remedy = "a spreadsheet counts days so; format the column as a date and save it again"
        raise InputError(f"{sheet.row(position)}: {short(text)} is not a date ({chosen}); {remedy}")
    if (days > today.toordinal()).any():
        position = int((days > today.toordinal()).argmax())
        raise InputError(
            f"{sheet.row(position)}: {dt.date.fromordinal(int(days[position]))} is in the future, "
            f"today is {today}; remove forecasts, or say --set demand_data.date_format="
        )
    return days, chosen


def _long_columns(
    sheet: Sheet, source: DemandSource, date: str, quantities: Sequence[str]
) -> dict[str, str] | None:
    """Return the columns of a long file by what they hold, None for a wide one."""
    asked = {"store": source.store, "sku": source.sku, "demand": source.demand}
    known = {"store": STORE_NAMES, "sku": SKU_NAMES, "demand": quantities}
    for name in filter(None, asked.values()):
        _check_column(sheet, source, name, sheet.columns)
    found = {part: name or _named(sheet, known[part]) for part, name in asked.items()}
    roles = {part: name for part, name in found.items() if name and name != date}
    keys = [roles[part] for part in ("store", "sku") if part in roles]
    others = [column for column in sheet.columns if column not in (date, *keys)]
    repeated = 2 * len(sheet.texts(date)) <= len(sheet.cells)
    grouped = others and (repeated or any(_is_text(sheet, key) for key in keys))
    is_long = keys and ("demand" in roles or grouped)
    if source.layout == "wide" or (source.layout == "auto" and not is_long):
        return None
    what = quantities[0]
    if not keys:
        raise InputError(
            f"{sheet.name}: a long file needs columns of stores or SKUs and of {what}; name them "
            f"with --set demand_data.store=, .sku= and .demand=; it has {short(sheet.columns)}"
        )
    if "demand" not in roles:
        raise InputError(
            f"{sheet.name}: which column holds the {what}, out of {_listed(others)}? Name it "
            f"{what}, or say --set demand_data.demand="
        )
    return roles


def _is_text(sheet: Sheet, column: str) -> bool:
    """Whether a column holds something, and no number at all."""
    texts = [text for text in sheet.texts(column) if text]
    return bool(texts) and all(np.isnan(numbers(texts, mark)).all() for mark in (".", ","))


def _covariates(sheet: Sheet, date: str) -> dict[str, str]:
    """Return the columns of a wide file that hold no demand, with the reason.

    Columns of 0 and 1 alone are flags beside columns of other numbers.
    """
    reasons: dict[str, str] = {}
    flags: dict[str, str] = {}
    for column in (c for c in sheet.columns if c != date):
        words = re.split(r"[^a-z]+", column.lower())
        if COVARIATES & set(words) or words[0] == "is":
            reasons[column] = "by its name"
        elif _is_text(sheet, column):
            reasons[column] = "text"
        elif set(sheet.texts(column)) == {"0", "1"}:
            flags[column] = "0 or 1"
    all_flags = len(reasons) + len(flags) + 1 == len(sheet.columns)
    return reasons if all_flags else reasons | flags


def _wide(
    sheet: Sheet, days: Whole, date: str, reasons: Mapping[str, str], source: DemandSource
) -> DemandSeries:
    columns = [column for column in sheet.columns if column != date]
    for name in source.stores or ():
        _check_column(sheet, source, name, columns)
    stores = source.stores or tuple(column for column in columns if column not in reasons)
    if not stores:
        left_out = f" ({_columns_note(sheet, [date], reasons)})" if reasons else ""
        raise InputError(
            f"{sheet.name}: has dates and no column of demand{left_out}; add one per store, or "
            "name them with --set demand_data.stores="
        )
    units = read_quantities(sheet, stores, source.decimal)
    places = np.broadcast_to(np.arange(len(stores)), units.shape)
    return DemandSeries(sheet, stores, days, units, places, stores, (ONLY,))


def _long(
    sheet: Sheet, days: Whole, roles: Mapping[str, str], source: DemandSource
) -> DemandSeries:
    units = read_quantities(sheet, [roles["demand"]], source.decimal)
    stores, store = _keys(sheet, roles.get("store"))
    skus, sku = _keys(sheet, roles.get("sku"))
    for name in source.stores or ():
        choose(f"store in {sheet.name}", name, stores)
    chosen = source.stores or stores
    store = np.array([chosen.index(s) if s in chosen else -1 for s in stores], np.intp)[store]
    kept = store >= 0
    return DemandSeries(
        sheet=replace(sheet, cells=sheet.cells[kept]),
        columns=(roles["demand"],),
        days=days[kept],
        units=units[kept],
        places=(sku * len(chosen) + store)[kept, None],
        stores=chosen,
        skus=skus,
    )


def _keys(sheet: Sheet, column: str | None) -> tuple[tuple[str, ...], Whole]:
    """Return the names in a column in the order of the file, and which of them every row has."""
    if column is None:
        return (ONLY,), np.zeros(len(sheet.cells), np.intp)
    names = sheet.texts(column)
    if "" in names:
        position = int((sheet.cells[column] == "").to_numpy().argmax())
        raise InputError(f"{sheet.row(position)}: no {column}; add it, or remove the row")
    return tuple(names), sheet.codes(column)
