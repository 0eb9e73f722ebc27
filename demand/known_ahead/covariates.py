"""What is known of days before they come: flags, prices and events, from a file and a calendar.

A column of a demand file counts as one by its name (`known_ahead.column_names`), or because the
user names it: prices and holidays are fixed beforehand, but the number of customers is not, and a
forecast that uses it has information from the future. All columns of a calendar are known ahead.
"""

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError, choose
from demand.dates import Periods
from demand.known_ahead.column_names import says_known_ahead
from demand.sheet import Mark, Sheet, numbers

Singles = NDArray[np.float32]
Whole = NDArray[np.intp]

MOST_COLUMNS = 20
_UNIT = re.compile(
    r"(?:[€$£¥]|EUR|USD|GBP|CHF)\s*(?=[\d.,])|(?<=[\d.,])\s*(?:[€$£¥%]|EUR|USD|GBP|CHF)"
)
"""Currencies and percent signs beside a number."""

_TRUE, _FALSE = {"1", "true", "yes", "ja", "y"}, {"0", "false", "no", "nein", "n"}


@dataclass(frozen=True, eq=False)
class Covariate:
    """One variable that is known ahead.

    Attributes
    ----------
    name : str
        Name of its column.
    values : ndarray
        Shape (days, SKUs, stores), where 1 SKU or store stands for all; NaN where unknown.
    labels : tuple of str
        For a column of texts, the text that each value (a number from 0) stands for; ``""`` is
        none.
    nothing: float
        The value implied where none is given, NaN if none is implied.
    """

    name: str
    values: Singles
    labels: tuple[str, ...] = ()
    nothing: float = np.nan

    def completed(self) -> "Covariate":
        """Return the column with gaps filled by the value that they imply."""
        said = np.where(np.isnan(self.values), np.float32(self.nothing), self.values)
        return Covariate(self.name, said, self.labels)


@dataclass(frozen=True, eq=False)
class Covariates:
    """All variables known ahead, for the days of a file and later ones.

    Attributes
    ----------
    first_day : date
        The day of the first row.
    columns : tuple of Covariate
        All with the same days.
    periods : Periods or None
        Weeks or months, which are counted like days; None if the periods are days.
    """

    first_day: dt.date
    columns: tuple[Covariate, ...]
    periods: Periods | None = None

    @property
    def days(self) -> int:
        """Number of days."""
        return len(self.columns[0].values) if self.columns else 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(one.name for one in self.columns)

    def unknown(self, day: dt.date, count: int) -> dict[str, dt.date]:
        """Return by column name the first of `count` days from `day` on that is unknown.

        A price that is missing for some stores or SKUs is as usual; only a column without any value
        on a day is unknown.
        """
        found: dict[str, dt.date] = {}
        first = (day - self.first_day).days
        for one in self.columns:
            for row in range(first, first + count):
                if not 0 <= row < len(one.values) or np.isnan(one.values[row]).all():
                    found[one.name] = self.first_day + dt.timedelta(days=row)
                    break
        return found

    def said(self, day: dt.date, sku: int, store: int) -> dict[str, str]:
        """Return the columns' known values for a day, an SKU and a store, each as text."""
        row, found = (day - self.first_day).days, {}
        for one in self.columns:
            if 0 <= row < len(one.values):
                values = one.values[row]  # a single SKU or store stands for all
                value = float(values[min(sku, len(values) - 1), min(store, values.shape[1] - 1)])
                text = one.labels[int(value)] if one.labels and value >= 0 else f"{value:g}"
                if text and not np.isnan(value):
                    found[one.name] = text
        return found

    def since(self, day: dt.date) -> "Covariates":
        """Return what is known from a day on, which may lie before the first one."""
        skipped = (day - self.first_day).days
        columns = []
        for one in self.columns:
            values = one.values[max(skipped, 0) :]
            if skipped < 0:
                before = np.full((-skipped, *values.shape[1:]), np.nan, np.float32)
                values = np.concatenate([before, values])
            columns.append(Covariate(one.name, values, one.labels))
        return replace(self, first_day=day, columns=tuple(columns))

    def completed(self) -> "Covariates":
        """Return all columns with gaps filled by the values that they imply."""
        return replace(self, columns=tuple(one.completed() for one in self.columns))

    def by_period(self, periods: Periods) -> "Covariates":
        """Return what is known of days, aggregated over the periods that contain them.

        A flag or event holds in a period if it does on any of its days; of a number the mean is
        taken.
        """
        if periods.name == "day":
            return self
        days = np.arange(self.days) + self.first_day.toordinal()
        ordinals = periods.containing(days)
        first = int(ordinals[0])
        columns = []
        for one in self.columns:
            flag = bool(one.labels) or not np.isnan(one.nothing)
            combine = np.fmax if flag else np.add
            known = ~np.isnan(one.values)
            values = np.full((int(ordinals[-1]) - first + 1, *one.values.shape[1:]), np.nan)
            values = values if flag else np.zeros_like(values)
            combine.at(values, ordinals - first, one.values if flag else np.nan_to_num(one.values))
            if not flag:
                count = np.zeros_like(values)
                np.add.at(count, ordinals - first, known)
                values = np.where(count > 0, values / np.maximum(count, 1.0), np.nan)
            columns.append(replace(one, values=values.astype(np.float32)))
        return Covariates(dt.date.fromordinal(first), tuple(columns), periods)

    def before(self, day: dt.date, names: Iterable[str]) -> "Covariates":
        """Return these without the values of columns of these names from a day on."""
        row, columns = max((day - self.first_day).days, 0), []
        for one in self.columns:
            values = one.values
            if one.name in names:
                values = values.copy()
                values[row:] = np.nan
            columns.append(Covariate(one.name, values, one.labels))
        return replace(self, columns=tuple(columns))

    def joined(self, later: "Covariates") -> "Covariates":
        """Return these, overridden by the values that `later` has, and completed."""
        first = min(self.first_day, later.first_day)
        last = max(c.first_day + dt.timedelta(days=c.days) for c in (self, later))
        days = (last - first).days
        own, other = ({one.name: one for one in c.columns} for c in (self, later))
        columns = []
        for name in dict.fromkeys([*own, *other]):
            parts = [
                (part[name], (source.first_day - first).days)
                for source, part in ((self, own), (later, other))
                if name in part
            ]
            columns.append(_merged(name, parts, days))
        return Covariates(first, tuple(columns), self.periods)


def _merged(name: str, parts: Sequence[tuple[Covariate, int]], days: int) -> Covariate:
    """Return one column merged from several, each with its first row; the last one wins."""
    labels = tuple(dict.fromkeys(label for part, _ in parts for label in part.labels))
    if labels and not all(part.labels for part, _ in parts):
        raise InputError(
            f"{name}: holds texts in one file and numbers in the other; write it the same way"
        )
    shape = np.broadcast_shapes(*(part.values.shape[1:] for part, _ in parts))
    values = np.full((days, *shape), np.nan, np.float32)
    for part, start in parts:
        new = part.values
        if labels:
            places = np.array([labels.index(label) for label in part.labels], np.float32)
            codes = np.nan_to_num(new).astype(np.intp)
            new = np.where(np.isnan(new), np.nan, places[codes]).astype(np.float32)
        rows = values[start : start + len(new)]
        np.copyto(rows, new, where=~np.isnan(np.broadcast_to(new, rows.shape)))
    for part, start in parts:
        rows = values[start : start + len(part.values)]
        rows[np.isnan(rows)] = part.nothing
    return Covariate(name, values, labels)


def covariate_names(sheet: Sheet, among: Iterable[str], asked: Sequence[str] | None) -> list[str]:
    """Return the columns of a demand file that are known ahead.

    Parameters
    ----------
    sheet : Sheet
        The file.
    among : iterable of str
        Its columns without another role.
    asked : sequence of str, optional
        The columns to take; by default those whose name says that they are known ahead.
    """
    known = list(among)
    if asked is not None:
        for name in asked:
            check_column(sheet, name, known, "covariates")
    names = [c for c in known if says_known_ahead(c)] if asked is None else list(asked)
    if len(names) > MOST_COLUMNS:
        raise InputError(
            f"{sheet.name}: {len(names)} columns of what is known ahead, at most {MOST_COLUMNS}; "
            + sheet.remedy("leave some out", "covariates", "say --set demand_data.covariates=")
        )
    return names


def check_column(sheet: Sheet, name: str, among: Sequence[str], option: str) -> None:
    """Make sure that a column named by a reading option is in the file."""
    named = f" (--set demand_data.{option})" if option in sheet.settable else ""
    choose(f"column in {sheet.name}{named}", name, among)


def read_covariates(
    sheet: Sheet,
    names: Sequence[str],
    days: Whole,
    rows: Whole,
    places: Whole,
    shape: tuple[int, int],
    *,
    complete: bool = False,
    decimal: Mark | None = None,
) -> Covariates:
    """Return columns of a file as covariates of its days.

    Parameters
    ----------
    sheet, names : Sheet, sequence of str
        The file and the columns.
    days : ndarray
        Ordinal of each row's day, shape (rows,).
    rows, places : ndarray
        Pairs of a row and a place that it is about, SKU times number of stores plus store, or -1
        for all of them, shape (entries,); of several for one place the last with a value counts.
    shape : tuple of int
        Numbers of SKUs and stores.
    complete : bool
        Whether a gap means no event and no flag (see `Covariate.nothing`).
    decimal : {".", ","}, optional
        The decimal mark; by default the one with which more texts are numbers.
    """
    first, series = int(days.min()), shape[0] * shape[1]
    count = int(days.max()) - first + 1
    common = bool((places < 0).all())
    day, whole = days[rows] - first, places < 0
    columns = []
    for name in names:
        by_text, labels, nothing = _values(sheet, name, decimal)
        values = np.full((count, 1 if common else series), np.nan, np.float32)
        entries = by_text[sheet.codes(name)][rows]
        entries = entries if complete else np.where(np.isnan(entries), nothing, entries)
        says = ~np.isnan(entries)
        values[day[whole & says]] = entries[whole & says, None]
        if not common:
            values[day[~whole & says], places[~whole & says]] = entries[~whole & says]
        if not common and _alike(values):
            values = values[:, :1]
        sizes = (1, 1) if values.shape[1] == 1 else shape
        means = nothing if complete else np.nan
        columns.append(Covariate(name, values.reshape(count, *sizes), labels, means))
    return Covariates(dt.date.fromordinal(first), tuple(columns))


def _alike(values: Singles) -> bool:
    """Return whether all columns are the same."""
    return bool(((values == values[:, :1]) | (np.isnan(values) & np.isnan(values[:, :1]))).all())


def _values(
    sheet: Sheet, name: str, decimal: Mark | None
) -> tuple[Singles, tuple[str, ...], float]:
    """Return the value of each text of a column, NaN if empty; labels; the value of a gap."""
    texts = sheet.texts(name)
    lower = [text.lower() for text in texts]
    if {text for text in lower if text} <= _TRUE | _FALSE:
        truth = [float(text in _TRUE) if text else np.nan for text in lower]
        return np.array(truth, np.float32), (), 0.0
    marks: tuple[Mark, ...] = (decimal,) if decimal else (".", ",")
    plain = [_UNIT.sub("", text) for text in texts]
    read = [numbers(plain, sheet.decimal or mark) for mark in marks]
    best = max(read, key=lambda found: int(np.isfinite(found).sum()))
    if int(np.isfinite(best).sum()) == sum(1 for text in texts if text):
        return best.astype(np.float32), (), np.nan
    labels = ("", *(text for text in texts if text))
    codes = [labels.index(text) if text else np.nan for text in texts]
    return np.array(codes, np.float32), labels, 0.0
