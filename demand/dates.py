"""Dates in files: their column, their format, every row's day, and the file's periods."""

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from common.errors import InputError, short
from demand.sheet import Sheet

Whole = NDArray[np.intp]

PeriodName = Literal["day", "week", "month"]
PERIODS: tuple[PeriodName, ...] = ("day", "week", "month")
YEAR = 365.25
BLOCKS: dict[PeriodName, int] = {"day": 28, "week": 4, "month": 3}
"""Length of a calendar block of days, weeks or months, within which costs are correlated."""


@dataclass(frozen=True)
class Periods:
    """The periods of a file, which are the steps of the problem: days, weeks or months.

    Code that counts days counts periods. A period's ordinal is that of the first period's date plus
    the number of the period; where periods are days it is the day's own ordinal.

    Attributes
    ----------
    name : {"day", "week", "month"}
        Kind of period.
    first : date
        Date on which the first one begins.
    """

    name: PeriodName
    first: dt.date

    @property
    def cycle(self) -> int:
        """Periods in the short season: the 7 weekdays; 1, so none, for weeks and months."""
        return 7 if self.name == "day" else 1

    @property
    def a_year(self) -> float:
        """Periods in a year."""
        return {"day": YEAR, "week": YEAR / 7, "month": 12.0}[self.name]

    def date(self, number: int) -> dt.date:
        """Return the date on which a period begins, the first one being number 0."""
        if self.name != "month":
            return self.first + dt.timedelta(days=number * (7 if self.name == "week" else 1))
        year, month = divmod(self.first.year * 12 + self.first.month - 1 + number, 12)
        last = (dt.date(year + month // 11, (month + 1) % 12 + 1, 1) - dt.timedelta(days=1)).day
        day = last if _is_last_of_month(self.first) else min(self.first.day, last)
        return dt.date(year, month + 1, day)

    def number(self, day: dt.date) -> int:
        """Return the number of the first period that begins on or after a day."""
        if self.name == "month":
            months = (day.year - self.first.year) * 12 + day.month - self.first.month
            return months if self.date(months) >= day else months + 1
        return -((self.first - day).days // (7 if self.name == "week" else 1))

    def span(self, first: dt.date, last: dt.date) -> str:
        """Return what to call the time from one period to another, by the days they begin on.

        >>> Periods("week", dt.date(2024, 1, 1)).span(dt.date(2024, 1, 1), dt.date(2024, 3, 4))
        'the week of 2024-01-01 to that of 2024-03-04'
        """
        if self.name == "day":
            return f"{first} to {last}"
        return f"the {self.name} of {first} to that of {last}"

    def passed(self, since: dt.date, until: dt.date) -> int:
        """Return how many whole periods lie between two days.

        >>> Periods("week", dt.date(2024, 1, 1)).passed(dt.date(2024, 1, 8), dt.date(2024, 1, 19))
        1
        """
        number = self.number(until)
        begun = number if self.date(number) == until else number - 1
        return begun - self.number(since)

    def ordinal(self, day: dt.date) -> int:
        """Return the ordinal of the period that `number` gives."""
        return self.first.toordinal() + self.number(day)

    def of_ordinal(self, ordinal: int) -> dt.date:
        """Return the date on which the period with an ordinal begins."""
        return self.date(ordinal - self.first.toordinal())

    def containing(self, ordinals: Whole) -> Whole:
        """Return the ordinals of the periods that contain the days with these ordinals."""
        first = self.first.toordinal()
        if self.name == "week":
            return np.asarray(first + (ordinals - first) // 7, np.intp)
        if self.name == "month":
            days = (dt.date.fromordinal(int(o)) for o in ordinals)
            return np.array([first + self.number(d + dt.timedelta(1)) - 1 for d in days], np.intp)
        return ordinals


_BY_WEEK = "say --set demand_data.period=week and --fill zero"
_BY_DAY = "say --set demand_data.period=day"


def periods_of(sheet: Sheet, days: Whole, asked: str) -> Periods:
    """Return the periods of a file from the ordinals of its rows.

    Parameters
    ----------
    sheet : Sheet
        The file.
    days : ndarray
        The ordinal of every row's date.
    asked : str
        One of `PERIODS`, or ``"auto"``: days unless all dates lie whole weeks or months apart.

    Raises
    ------
    InputError
        If the periods are weeks or months and a date does not fit them.
    """
    every = np.unique(days)
    first = dt.date.fromordinal(int(every[0]))
    gaps = np.diff(every)
    least = int(gaps.min()) if gaps.size else 1
    name: str = asked
    if asked == "auto":
        weeks = least == 7 or (least > 1 and (gaps % 7 == 0).mean() > 0.9 and least < 28)
        name = "month" if least >= 28 else "week" if weeks else "day"
    found = Periods(next(one for one in PERIODS if one == name), first)
    if name == "day":
        return found
    if name == "week" and asked == "auto" and least > 7:
        raise InputError(
            f"{sheet.name}: its dates are {least} days or more apart, which is neither by day nor "
            f"by week or month; {sheet.remedy('export it by week', 'period', _BY_WEEK)}"
        )
    begins = np.array([found.of_ordinal(int(o)).toordinal() for o in found.containing(days)])
    wrong = np.flatnonzero(begins != days)
    if wrong.size:
        row = int(wrong[0])
        whole = f"let all rows lie whole {name}s apart"
        raise InputError(
            f"{sheet.row(row)}: {dt.date.fromordinal(int(days[row]))} begins no {name} when the "
            f"first one begins on {first}; {sheet.remedy(whole, 'period', _BY_DAY)}"
        )
    return found


def _is_last_of_month(day: dt.date) -> bool:
    return (day + dt.timedelta(days=1)).day == 1


FIRST_YEAR, LAST_YEAR = 1900, 2199
"""Years within which dates are accepted."""


def parse_day(text: str, name: str) -> dt.date:
    """Return the date in a text, possibly with a time; `name` is its name in messages.

    Raises
    ------
    InputError
        If it is not a date, or its year is not plausible.
    """
    try:
        day = dt.datetime.fromisoformat(text).date()
    except ValueError:
        raise InputError(f"{name} {short(text)}: must be a date such as 2024-01-31") from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise InputError(f"{name} {day}: must be a date from {FIRST_YEAR} to {LAST_YEAR}")
    return day


FORMATS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"),
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%a, %d %b %Y"),
    *("%b %d %Y", "%B %d %Y", "%A, %B %d, %Y", "%A, %d %B %Y"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%d-%b-%y"),
)
MONTH_FORMATS = "%Y-%m", "%Y/%m", "%Y%m", "%m.%Y", "%m/%Y", "%b %Y", "%B %Y"
"""Formats of months, looked for only in columns named as a date or a month."""

_MONTHS = {
    "Jan": "january januar jan janvier janv enero ene gennaio gen januari",
    "Feb": "february februar feb fevrier fevr febrero febbraio februari",
    "Mar": "march marz mrz maerz mars marzo maart",
    "Apr": "april avril avr abril abr aprile",
    "May": "mai mayo maggio mag mei",
    "Jun": "june juni juin junio giugno giu",
    "Jul": "july juli juillet juil julio luglio lug",
    "Aug": "august aout agosto ago augustus",
    "Sep": "september sept septembre septiembre settembre set",
    "Oct": "october oktober okt octobre octubre ottobre ott",
    "Nov": "november novembre noviembre",
    "Dec": "december dezember dez decembre diciembre dic dicembre",
}
_MONTH_OF = {
    name: short_name
    for short_name, names in _MONTHS.items()
    for name in (short_name.lower(), *names.split())
}
"""Month names in other languages, without accents, and the English abbreviation they become."""

_WORD = re.compile(r"[^\W\d_]+\.?")
_DAY_POINT = re.compile(r"^(\d{1,2})\.(?= )")
_OF_DAY = re.compile(r"^[^\W\d_]{2,10}\.?,? +(?=\d)")
"""A weekday before a date, in any language."""

_ISO_WEEK = re.compile(r"(\d{4})[- ]?[WK](\d{1,2})", re.IGNORECASE)
_WEEK_OF_YEAR = re.compile(
    r"(?:kw|w|wk|week|woche|s|sem|semaine|semana)[ .]*(\d{1,2})[ /.-]+(\d{4})"
)
_SERIAL = re.compile(r"[2-6]\d{4}(?:[.,]\d+)?")
_SECONDS = re.compile(r"\d{10}|\d{13}")
_TIME_OF_DAY = re.compile(r"[T ]+\d{1,2}:\d\d.*")
DATE_NAMES = (
    *("date", "day", "datum", "ds", "timestamp", "time", "datetime", "week", "month", "woche"),
    *("monat", "week_start", "tag", "jour", "semaine", "mois", "fecha", "year_month", "yearmonth"),
)


def named_column(sheet: Sheet, names: Iterable[str]) -> str | None:
    """Return the column with the first of the names, ignoring case."""
    by_name = {_plain(c): c for c in reversed(sheet.columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def _plain(name: str) -> str:
    """Return a name in lower case without accents, words joined by ``_``."""
    bare = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode() or name
    return re.sub(r"[ .-]+", "_", bare.lower()).strip("_")


def date_column(sheet: Sheet) -> str:
    """Return the column of dates: by its name, or the first that holds dates.

    Raises
    ------
    InputError
        If there is none.
    """
    dated = (c for c in sheet.columns if date_formats(sheet, c))
    named = [column for name in DATE_NAMES if (column := named_column(sheet, [name])) is not None]
    some = (c for c in named if date_formats(sheet, c))  # a column "month" may hold numbers
    column = next(some, None) or next(dated, None) or next(iter(named), None)
    if column is None:
        remedy = sheet.remedy("add one, called date", "date", "say --set demand_data.date=")
        if 2 * sum(bool(_formats_of((c,), False)) for c in sheet.columns) > len(sheet.columns):
            remedy = "its days are columns; give each a row, with columns date and sales"
        if len(sheet.columns) == 1:
            remedy = "the first row must name the columns, without a title above it"
        raise InputError(f"{sheet.name}: no column of dates among {short(sheet.columns)}; {remedy}")
    return column


def row_days(sheet: Sheet, name: str, form: str | None, today: dt.date | None) -> tuple[Whole, str]:
    """Return every row's day as an ordinal, and the format of the dates.

    Parameters
    ----------
    sheet, name : Sheet, str
        The file, and its column of dates.
    form : str, optional
        The format, as for strptime; by default the one that parses most of them.
    today : date, optional
        Later days are refused.

    Raises
    ------
    InputError
        One line with the row: not a date, an ambiguous date, or a date in the future.
    """
    texts = sheet.texts(name)
    forms = (form,) if form else date_formats(sheet, name)
    if not forms:
        raise InputError(
            f"{sheet.row(0)}: {name} = {short(str(sheet.cells[name].iloc[0]))} is not a date"
            f"{_remedy(sheet, str(sheet.cells[name].iloc[0]), _ISO)}"
        )
    read = {f: _ordinals(texts, f) for f in forms}
    chosen = max(read, key=lambda f: int((read[f] > 0).sum()))
    dates = read[chosen]
    for other, others in read.items():
        if (others > 0).sum() == (dates > 0).sum() and (
            differ := (others != dates) & (others > 0) & (dates > 0)
        ).any():
            either = f"{chosen} or {other}"
            raise InputError(
                f"{sheet.name}: {texts[int(differ.argmax())]} may be {either}; "
                f"{_rewritten(sheet, _ISO, either)}"
            )
    days = dates[sheet.codes(name)]
    if (days < 1).any():
        position = int((days < 1).argmax())
        text = str(sheet.cells[name].iloc[position])
        raise InputError(
            f"{sheet.row(position)}: {name} = {short(text)} is not a date ({chosen})"
            f"{_remedy(sheet, text, 'correct it', chosen)}"
        )
    if today is not None and (days > today.toordinal()).any():
        position = int((days > today.toordinal()).argmax())
        raise InputError(
            f"{sheet.row(position)}: {name} = {dt.date.fromordinal(int(days[position]))} is in "
            f"the future, today is {today}; {_rewritten(sheet, 'remove forecasts')}"
        )
    return days, chosen


_ISO = "write dates as 2021-03-31"
_GERMAN = "%d.%m.%Y"


def _rewritten(sheet: Sheet, otherwise: str, form: str = f"{_GERMAN}, or whatever it is") -> str:
    """Return the advice on dates that were read in the wrong format."""
    return sheet.remedy(otherwise, "date_format", f"say --set demand_data.date_format={form}")


def _remedy(sheet: Sheet, text: str, otherwise: str, chosen: str = "") -> str:
    """Return the advice on a text that is not a date in the format chosen for its column."""
    if _SERIAL.fullmatch(text):
        return "; a spreadsheet counts days so; format the column as a date and save it again"
    if _SECONDS.fullmatch(text):
        return f"; these are seconds since 1970; {_ISO}"
    if chosen and not any(map(str.isdigit, text)):
        return "; correct it, or leave out rows of totals"
    example = "%Y-%m-%d" if chosen == _GERMAN else _GERMAN
    return f"; {_rewritten(sheet, otherwise, f'{example}, or whatever it is')}"


def date_formats(sheet: Sheet, column: str) -> tuple[str, ...]:
    """Return the formats that fit the first texts in a column, none if they are not dates."""
    return _formats_of(tuple(sheet.texts(column)[:20]), _plain(column) in DATE_NAMES)


@lru_cache(maxsize=64)
def _formats_of(texts: tuple[str, ...], months: bool) -> tuple[str, ...]:
    found = [form for form in FORMATS if (_ordinals(texts, form) > 0).any()]
    if not found and months:
        found = [form for form in MONTH_FORMATS if (_ordinals(texts, form) > 0).any()]
    return tuple(found)


def _ordinals(texts: Sequence[str], form: str) -> Whole:
    """Return the ordinals of texts' days, ignoring the time of day; below 1 if not a date."""
    least = {"%Y%m%d": 8, "%Y%m": 6}.get(form, 1)  # pandas takes 202111 for 1 January
    dates = [text if len(text) >= least and re.search(r"\d", text) else "" for text in texts]
    days = _parse(dates, form)
    for otherwise in (_without_time, _in_english):
        missing = np.flatnonzero(days < 1).tolist()
        others = {k: other for k in missing if (other := otherwise(dates[k])) != dates[k]}
        if others:
            days[list(others)] = _parse(list(others.values()), form)
    return days


def _without_time(text: str) -> str:
    return _TIME_OF_DAY.sub("", text)


def _in_english(text: str) -> str:
    """Return a date with its month in English, without a weekday; a week as its Monday.

    Examples
    --------
    >>> _in_english("1. März 2021"), _in_english("Mo, 01.03.2021"), _in_english("KW 9/2021")
    ('1 Mar 2021', '01.03.2021', '2021-03-01')
    """
    week = _ISO_WEEK.fullmatch(text)
    other = None if week else _WEEK_OF_YEAR.fullmatch(text.lower())
    if week or other:
        year, number = (week[1], week[2]) if week else (other[2], other[1]) if other else ("", "")
        try:
            return dt.date.fromisocalendar(int(year), int(number), 1).isoformat()
        except ValueError:
            return ""
    text = _DAY_POINT.sub(r"\1", text.removesuffix("."))
    text = re.sub(r" (?:de|del) ", " ", text)
    named = _WORD.sub(lambda word: _MONTH_OF.get(_plain(word[0]), word[0]), text)
    return named if named[:3] in _MONTHS else _OF_DAY.sub("", named)


def _parse(texts: Sequence[str], form: str) -> Whole:
    try:
        moments = pd.to_datetime(pd.Series(texts, dtype=object), format=form, errors="coerce")
        days = moments.dt.tz_localize(None).to_numpy("datetime64[D]").astype(np.intp)
    except (ValueError, AttributeError) as error:
        raise InputError(f"date_format = {short(form)}: {short(str(error), 100)}") from None
    ordinals: Whole = days + dt.date(1970, 1, 1).toordinal()
    return ordinals
