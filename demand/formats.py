"""Dates and quantities as people write them in files."""

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

FORMATS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"),
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%a, %d %b %Y"),
    *("%b %d %Y", "%B %d %Y", "%A, %B %d, %Y", "%A, %d %B %Y"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%d-%b-%y"),
)
ISO = "ISO 8601"
"""A date, possibly with a time."""

Parse = Callable[[str], int | None]


def parser(form: str) -> Parse:
    """Return a function from a date to its ordinal, or to None where it has another form."""

    def parse(text: str) -> int | None:
        if text[-2:].lower() in ("am", "pm"):  # half of a day that does not count
            text = text[:-2].rstrip()
        try:
            if form == ISO:
                return dt.datetime.fromisoformat(text).toordinal()
            try:
                return dt.datetime.strptime(text, form).toordinal()
            except ValueError:  # the same with a time, which does not count
                day, _, time = text.rpartition(" ")
                dt.time.fromisoformat(time)
                return dt.datetime.strptime(day, form).toordinal()
        except ValueError:
            return None

    return parse


def date_forms(texts: Sequence[str]) -> list[str]:
    """Return the forms that all texts have; if there is none, those that the first one has.

    Texts without any of the forms give an empty list.
    """
    first = [form for form in (ISO, *FORMATS) if parser(form)(texts[0]) is not None]
    all_of = [form for form in first if all(parser(form)(text) is not None for text in texts)]
    return all_of or first


def best_form(texts: Sequence[str], forms: Sequence[str]) -> str | None:
    """Return the form by which the days follow one another most closely, None at a tie.

    ``03/02/2020`` is a day of February or of March; in a file of daily demand only one of the two
    gives days without gaps. A form that more of the texts have goes before one that fewer have.

    Examples
    --------
    >>> best_form(["01/02/2020", "02/02/2020", "03/02/2020"], ["%d/%m/%Y", "%m/%d/%Y"])
    '%d/%m/%Y'
    """
    spans = []
    for form in forms:
        days = [day for day in map(parser(form), texts) if day is not None]
        spans.append((len(texts) - len(days), max(days) - min(days), form))
    spans.sort()
    tie = (
        len(spans) > 1
        and spans[0][:2] == spans[1][:2]
        and not _same(texts, spans[0][2], spans[1][2])
    )
    return None if tie else spans[0][2]


def _same(texts: Sequence[str], one: str, other: str) -> bool:
    return all(parser(one)(text) == parser(other)(text) for text in texts)


Mark = Literal[".", ","]
MAX_DEMAND = 1e9
OTHER: dict[Mark, Mark] = {".": ",", ",": "."}
_SIGNS = "' \u2019\u00a0\u2009\u202f"
"""Apostrophes and blanks that stand between thousands."""

_GROUPED: dict[Mark, re.Pattern[str]] = {
    mark: re.compile(
        rf"\+?[1-9]\d{{0,2}}(?:([{other}{_SIGNS}])\d{{3}})(?:\1\d{{3}})*(?:[{mark}]\d*)?", re.ASCII
    )
    for mark, other in OTHER.items()
}
_SPACES = str.maketrans("", "", _SIGNS)
_EITHER = re.compile(r"\+?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
_NUMBER = re.compile(r"(?=.*\d)[+-]?\d*[.,]?\d*(?:[eE][+-]?\d+)?", re.ASCII)


def decimal_mark(texts: Iterable[str]) -> Mark | None:
    """Return the decimal mark that quantities of one hand have, None where it may be either.

    Only what cannot be a mark of thousands tells: ``1,234`` may be about one or about a thousand,
    ``12,5``, ``0,125`` and ``1.234,5`` cannot.

    Examples
    --------
    >>> decimal_mark(["7", "1,234", "12,5"]), decimal_mark(["1,234.5"]), decimal_mark(["1,234"])
    (',', '.', None)
    """
    told = [mark for text in texts if (mark := _unambiguous_mark(text)) is not None]
    either = "either" in told
    marks: list[Mark] = [mark for mark in told if mark != "either"]
    if marks:
        return max(sorted(set(marks), reverse=True), key=marks.count)
    return None if either else "."


def _unambiguous_mark(text: str) -> Mark | Literal["either"] | None:
    """Return what one text tells of the decimal mark."""
    if not ("." in text or "," in text):
        return None
    if _EITHER.fullmatch(text):
        return "either"
    grouped: list[Mark] = [mark for mark, form in _GROUPED.items() if form.fullmatch(text)]
    if grouped:
        return grouped[0]
    if _NUMBER.fullmatch(text):
        return "," if "," in text else "."
    return None


def may_be_either(text: str) -> bool:
    """Whether the mark in a text may be one of decimals or of thousands."""
    return _EITHER.fullmatch(text) is not None


def units(text: str, decimal: Mark = ".") -> float:
    """Return a quantity, NaN where the text is no number from 0 to `MAX_DEMAND`.

    Examples
    --------
    >>> units("12,5", ","), units("1.234,5", ","), units("1,234"), units("-3"), units("1_0")
    (12.5, 1234.5, 1234.0, nan, nan)
    """
    value = _number(text, decimal)
    return value if 0 <= value <= MAX_DEMAND else math.nan


def is_negative(text: str) -> bool:
    """Whether a text is a number below 0, as people or spreadsheets write one.

    Examples
    --------
    >>> is_negative("-3,5"), is_negative("(1,200)"), is_negative("5-"), is_negative("-")
    (True, True, True, False)
    """
    bare = text.replace("\u2212", "-")
    if bare.startswith("(") and bare.endswith(")"):
        bare = f"-{bare[1:-1]}"
    elif bare.endswith("-"):
        bare = f"-{bare[:-1]}"
    return bare.startswith("-") and any(_number(bare[1:], mark) > 0 for mark in OTHER)


def _number(text: str, decimal: Mark) -> float:
    """Return the number a text is, NaN if it is none."""
    if _GROUPED[decimal].fullmatch(text):
        text = text.translate(_SPACES).replace(OTHER[decimal], "")
    if decimal == ",":
        if "." in text:
            return math.nan
        text = text.replace(",", ".")
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan
