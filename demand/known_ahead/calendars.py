"""Other sources on coming days: calendar files, public holidays and their names."""

import datetime as dt
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from dateutil.easter import easter
from numpy.typing import NDArray

from common.errors import InputError, choose
from demand.dates import date_column, named_column, row_days
from demand.known_ahead.column_names import SKU_NAMES, STORE_NAMES
from demand.known_ahead.covariates import (
    MOST_COLUMNS,
    Covariate,
    Covariates,
    read_covariates,
)
from demand.sheet import Sheet, read_sheet

Whole = NDArray[np.intp]

EASTER_DAYS = {-48, -47, -46, -3, -2, -1, 0, 1, 39, 49, 50, 60}
"""Distance of holidays from Easter Sunday [days]."""


def read_calendar(
    source: Path | Sheet,
    stores: tuple[str, ...],
    skus: tuple[str, ...],
    date_format: str | None = None,
) -> Covariates:
    """Read a calendar: a date, possibly a store and an SKU, and columns of what is known ahead.

    From its first to its last date it is complete: a day without a row has no event and no flag,
    unless the demand file says otherwise (see `Covariates.joined`). A row without a store, or
    without an SKU, applies to all of them, except those for which another row says otherwise.

    Raises
    ------
    InputError
        One line with the row: not a date, an unknown store or SKU, or a duplicate.
    """
    sheet = source if isinstance(source, Sheet) else read_sheet(source)
    if sheet.cells.empty:
        raise InputError(f"{sheet.name}: holds a header and no days; put in a row for each")
    date = date_column(sheet)
    days, _ = row_days(sheet, date, date_format, None)
    store, sku = named_column(sheet, STORE_NAMES), named_column(sheet, SKU_NAMES)
    names = [column for column in sheet.columns if column not in (date, store, sku)]
    if not names:
        raise InputError(
            f"{sheet.name}: has dates and nothing that is known of them; add a column such as "
            "holiday, promotion, price, event or closed"
        )
    if len(names) > MOST_COLUMNS:
        raise InputError(
            f"{sheet.name}: {len(names)} columns, at most {MOST_COLUMNS}; leave some out"
        )
    which = np.stack([_keys(sheet, sku, skus), _keys(sheet, store, stores)], axis=1)
    keys = np.column_stack([days, which])
    order = np.lexsort(keys.T)
    again = np.flatnonzero((keys[order][1:] == keys[order][:-1]).all(axis=1))
    if again.size:
        one, other = sorted(order[again[0] : again[0] + 2].tolist())
        raise InputError(
            f"{sheet.row(other)}: is a duplicate of row {sheet.cells.index[one]}; remove one"
        )
    rows, places = _entries(which, (len(skus), len(stores)))
    return read_covariates(
        sheet, names, days, rows, places, (len(skus), len(stores)), complete=True
    )


def check_flags(calendar: Covariates, known: Covariates, name: str, file: str) -> None:
    """Make sure that a column that is always 0 or 1 in `file` is so in a calendar too.

    Another value has no level: it would silently be treated as usual.

    Raises
    ------
    InputError
        Naming column, value and date; `name` is the calendar's name in messages.
    """
    flags = {one.name for one in known.columns if not one.labels and not _no_flags(one).any()}
    for one in calendar.columns:
        if one.name not in flags or one.labels:
            continue
        wrong = _no_flags(one)
        for at in np.argwhere(wrong)[:1]:
            day = calendar.first_day + dt.timedelta(days=int(at[0]))
            raise InputError(
                f"{name}: {one.name} = {one.values[tuple(at)]:g} on {day}: must be 0 or 1, as in "
                f"{file}"
            )


def _no_flags(column: Covariate) -> NDArray[np.bool_]:
    """Return which known values of a column are neither 0 nor 1."""
    x = column.values
    wrong: NDArray[np.bool_] = ~((x == 0) | (x == 1) | np.isnan(x))
    return wrong


def _keys(sheet: Sheet, column: str | None, known: tuple[str, ...]) -> Whole:
    """Return the index of every row's store or SKU, -1 for all of them."""
    if column is None:
        return np.full(len(sheet.cells), -1, np.intp)
    for text in sheet.texts(column):
        choose(f"{column} in {sheet.name}", text, ["", *known])
    places = {name: place for place, name in enumerate(known)}
    return np.array([places.get(t, -1) for t in sheet.texts(column)], np.intp)[sheet.codes(column)]


def _entries(which: Whole, shape: tuple[int, int]) -> tuple[Whole, Whole]:
    """Return row and place of every store and SKU that rows cover, the most specific rows last."""
    rows, places = [], []
    grid = np.arange(shape[0] * shape[1]).reshape(shape)
    for row in np.argsort((which >= 0).sum(axis=1), kind="stable"):
        sku, store = which[row]
        if sku < 0 and store < 0:
            about = np.array([-1])
        else:
            about = grid[sku if sku >= 0 else slice(None), store if store >= 0 else slice(None)]
        about = np.asarray(about).reshape(-1)
        rows.append(np.full(about.size, row))
        places.append(about)
    return np.concatenate(rows), np.concatenate(places)


def public_holidays(region: str, first: dt.date, last: dt.date) -> Covariates:
    """Return the public holidays of a country, or of a part of it, as a flag.

    Parameters
    ----------
    region : str
        Code such as ``"DE"`` or ``"DE-BY"`` (ISO 3166).
    first, last : date
        First and last day of the result.

    Raises
    ------
    InputError
        If the package `holidays` is not installed, or does not know the region.
    """
    try:
        import holidays  # here: an extra that few need
    except ImportError:
        raise InputError(
            "--holidays: needs the package holidays; pip install holidays, or give a --calendar"
        ) from None
    country, _, part = region.upper().partition("-")
    known = holidays.list_supported_countries(include_aliases=True)
    choose("country of --holidays", country, known)
    if part:
        choose(f"part of {country} for --holidays", part, known[country])
    years = range(first.year, last.year + 1)
    of_country = holidays.country_holidays(country, subdiv=part or None, years=years)
    days = [first + dt.timedelta(days=k) for k in range((last - first).days + 1)]
    flags = np.array([day in of_country for day in days], np.float32)
    return Covariates(first, (Covariate("public_holiday", flags[:, None, None]),))


@lru_cache(maxsize=8)
def holiday_names(first_day: dt.date, days: int) -> NDArray[np.str_]:
    """Return a name for every day: its distance from Easter, or its day and month."""
    names = []
    for k in range(days):
        day = first_day + dt.timedelta(days=k)
        distance = (day - easter(day.year)).days
        names.append(f"Easter{distance:+d}" if distance in EASTER_DAYS else f"{day:%d.%m.}")
    return np.array(names)


def falls_on(covariates: Covariates, name: str) -> NDArray[np.bool_]:
    """Return the days on which, or weeks or months in which, a holiday falls, shape (days,)."""
    first, days, periods = covariates.first_day, covariates.days, covariates.periods
    if periods is None:
        return np.asarray(holiday_names(first, days) == name)
    begins = [periods.of_ordinal(first.toordinal() + k) for k in range(days + 1)]
    lengths = [(end - begin).days for begin, end in pairwise(begins)]
    number = np.repeat(np.arange(days), lengths)
    falls = np.zeros(days, np.bool_)
    falls[number[holiday_names(begins[0], number.size) == name]] = True
    return falls
