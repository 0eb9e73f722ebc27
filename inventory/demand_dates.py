"""Dates as people write them in files."""

import datetime as dt
from collections.abc import Callable, Sequence

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
