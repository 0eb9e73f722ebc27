"""Quantities as people write them, with marks of decimals and of thousands."""

import math
import re
from collections.abc import Iterable
from typing import Literal

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
    told = [mark for text in texts if (mark := _told(text)) is not None]
    either = "either" in told
    marks: list[Mark] = [mark for mark in told if mark != "either"]
    if marks:
        return max(sorted(set(marks), reverse=True), key=marks.count)
    return None if either else "."


def _told(text: str) -> Mark | Literal["either"] | None:
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
