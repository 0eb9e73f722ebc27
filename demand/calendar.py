"""The periods of a file: training, selection of the best model, evaluation."""

import datetime as dt
from typing import Any

from common.compiled import compiled
from common.errors import InputError
from common.random_streams import Split
from demand.reader import DemandSource
from demand.table import DemandTable

EVALUATION_SHARE = 0.25
"""Share of the days used for evaluation, if no split is given."""

VALIDATION_SHARE = 0.15
"""Share of the days before the split used to select the best model, if no date is given."""


def period_days(table: DemandTable, source: DemandSource, split: Split) -> range:
    """Return the days of the file that may be used for `split`; tuning uses training days.

    Training comes before `source.validation`, selection of the best model from there to
    `source.split`, evaluation from there to `source.until`; no day is in two of them.

    Raises
    ------
    InputError
        If a date leaves a period without days.
    """
    end = _place(table, source.until, table.days)
    if not 1 < end <= table.days:
        raise InputError(
            f"until = {source.until}: must lie after {table.date(1)} and "
            f"at most a {table.period} after {table.last_day}, the last {table.period} of "
            f"{table.name}"
        )
    cut = _place(table, source.split, round(end * (1 - EVALUATION_SHARE)))
    if not 0 < cut < end:
        last = table.date(end - 1)
        whose = f"the days of {table.name}" + (" before until" if source.until else "")
        raise InputError(
            f"split = {source.split}: must lie after {table.first_day} and not after {last}, "
            f"{whose}"
        )
    start = _place(table, source.validation, round(cut * (1 - VALIDATION_SHARE)))
    if not 0 < start < cut:
        day = table.date(cut)
        raise InputError(
            f"validation = {source.validation}: must lie after {table.first_day} and before the "
            f"split {day}"
        )
    if split == "evaluation":
        return range(cut, end)
    return range(start, cut) if split == "validation" else range(start)


def _place(table: DemandTable, day: dt.date | None, otherwise: int) -> int:
    return otherwise if day is None else table.periods.number(day)


WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@compiled
def weekday_of(start: Any, day: int) -> Any:
    """Return the weekday, Monday 0, of day `day` of episodes whose first has ordinal `start`.

    >>> weekday_of(1, 0), weekday_of(1, 8)  # 1 January of the year 1 was a Monday
    (0, 1)
    """
    return (start + day - 1) % 7
