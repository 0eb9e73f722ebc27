"""Dates in files: which column holds them, in which format, and every row's day."""

import datetime as dt
import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from common.errors import InputError, short
from demand.sheet import Sheet

Whole = NDArray[np.intp]

FORMATS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"),
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%a, %d %b %Y"),
    *("%b %d %Y", "%B %d %Y", "%A, %B %d, %Y", "%A, %d %B %Y"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%d-%b-%y"),
)
_TIME_OF_DAY = re.compile(r"[T ]+\d{1,2}:\d\d.*")
DATE_NAMES = ("date", "day", "datum", "ds", "timestamp", "time", "datetime")


def named_column(sheet: Sheet, names: Iterable[str]) -> str | None:
    """Return the column with the first of the names, whatever its capitals."""
    by_name = {re.sub(r"[ -]", "_", c.lower()): c for c in reversed(sheet.columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def date_column(sheet: Sheet, remedy: str) -> str:
    """Return the column of dates: by its name, or the first that holds some.

    Raises
    ------
    InputError
        If there is none; `remedy` says what to do then.
    """
    dated = (c for c in sheet.columns if _date_formats(sheet, c))
    column = named_column(sheet, DATE_NAMES) or next(dated, None)
    if column is None:
        raise InputError(f"{sheet.name}: no column of dates among {short(sheet.columns)}; {remedy}")
    return column


def row_days(sheet: Sheet, name: str, form: str | None, today: dt.date | None) -> tuple[Whole, str]:
    """Return every row's day as an ordinal, and the format of the dates.

    Parameters
    ----------
    sheet, name : Sheet, str
        The file, and its column of dates.
    form : str, optional
        The format, as of strptime; by default that by which most of them are dates.
    today : date, optional
        Days after it are refused.

    Raises
    ------
    InputError
        One line with the row: no date, one that may be either of two, one in the future.
    """
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
    if today is not None and (days > today.toordinal()).any():
        position = int((days > today.toordinal()).argmax())
        raise InputError(
            f"{sheet.row(position)}: {dt.date.fromordinal(int(days[position]))} is in the future, "
            f"today is {today}; remove forecasts, or say --set demand_data.date_format="
        )
    return days, chosen


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
