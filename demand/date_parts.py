"""Dates in parts: a week beside its year, a month and perhaps a day beside theirs."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from demand.dates import DATE_NAMES, date_formats, named_column
from demand.sheet import Sheet, text_column

YEARS = "year", "jahr", "annee", "ano", "anno", "jaar", "calendar_year", "iso_year", "yr"
WEEKS = (
    *("week", "woche", "kw", "kalenderwoche", "calendar_week", "week_number", "week_of_year"),
    *("iso_week", "wk", "week_no", "week_nr", "semaine", "semana", "settimana"),
)
MONTHS = "month", "monat", "mois", "mes", "mese", "maand", "calendar_month", "month_number"
DAYS = "day", "tag", "jour", "dia", "giorno", "dag", "day_of_month"
_WEEK = re.compile(r"(?:kw|cw|wk?|week|woche)?[ .]*(\d{1,2})", re.IGNORECASE)
_WEEK_OF_YEAR = re.compile(r"(?P<year>\d{4})(?P<week>\d\d)|(?P<number>\d{1,2})[./](?P<of>\d{4})")


def with_dates(sheet: Sheet) -> Sheet:
    """Return the sheet with one column of dates in place of columns of their parts.

    Weeks are those of ISO 8601; a column of weeks may also hold ``202109`` or ``09.2021``. A sheet
    with a column of dates besides remains as it is.
    """
    year, week, month, day = (named_column(sheet, n) for n in (YEARS, WEEKS, MONTHS, DAYS))
    there = [name for name in (year, week, month, day) if name is not None]
    whole = week is not None and all(map(_WEEK_OF_YEAR.fullmatch, sheet.texts(week)))
    others = sheet.cells.columns.drop([week] if whole else there)
    dated = named_column(replace(sheet, cells=sheet.cells.drop(columns=there)), DATE_NAMES)
    if dated is not None or any(date_formats(sheet, name) for name in others):
        return sheet
    if week is not None and whole:
        return _joined(sheet, [week], _of_week)
    if year is not None and week is not None:
        return _joined(sheet, [year, week], _of_year_and_week)
    if year is not None and month is not None:
        return _joined(sheet, [name for name in (year, month, day) if name], _of_month)
    return sheet


def _joined(sheet: Sheet, columns: list[str], date: Callable[..., str]) -> Sheet:
    """Return the sheet with one column of dates in place of those of their parts."""
    keys = np.zeros(len(sheet.cells), np.intp)
    for column in columns:
        keys = keys * len(sheet.texts(column)) + sheet.codes(column)
    codes, _ = pd.factorize(keys)
    first = np.unique(codes, return_index=True)[1]
    parts = (sheet.cells[column].iloc[first] for column in columns)
    texts = [date(*(text.removesuffix(".0") for text in row)) for row in zip(*parts, strict=True)]
    cells = sheet.cells.drop(columns=columns)
    cells[", ".join(columns)] = text_column(codes, texts)
    return replace(sheet, cells=cells)


def _of_week(text: str) -> str:
    """Return a week such as 2021-W09."""
    found = _WEEK_OF_YEAR.fullmatch(text)
    return f"{found['year'] or found['of']}-W{found['week'] or found['number']}" if found else text


def _of_year_and_week(year: str, week: str) -> str:
    """Return a week such as 2021-W09; what is none stays as it is, for the message."""
    found = _WEEK.fullmatch(week)
    return f"{year}-W{found[1]}" if found else f"{year} {week}"


def _of_month(year: str, month: str, day: str = "1") -> str:
    """Return a day such as 2021-03-01, or 1 March 2021 where the month has a name."""
    if (month + day).isdigit():
        return f"{year}-{int(month):02}-{int(day):02}"
    return f"{day} {month} {year}"
