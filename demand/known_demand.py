"""What is known of demand before and during the episodes of a batch: days that have passed."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled
from common.errors import InputError
from demand.quality.silence import SURELY_CLOSED, chance_of_silence

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Worlds = slice | NDArray[np.intp]
KNOWN_DAYS = 28
"""Days before an episode that are known on its first morning."""

WEEK = 7
WEEKS = 4
"""Number of past weeks in the mean of a weekday."""

LEAST_CLOSED = 7
"""Fewest periods in a row without demand that, if improbable, count as a closure."""

NEW_DAYS = 60
"""A series whose first sale is fewer training days ago is new, and assumed to be like others."""

YEAR = 365.25
LEAST_LEVEL = 0.1
"""A store's level is at least this share of its mean in the training period."""


def new_series(training: Floats) -> NDArray[np.bool_]:
    """Return which series had only just begun to sell by the end of training, or not yet.

    Parameters
    ----------
    training : ndarray
        Demand, shape (days, ...) [units/day].
    """
    sold = training > 0
    days = np.where(sold.any(axis=0), len(sold) - sold.argmax(axis=0), 0)
    new: NDArray[np.bool_] = days < NEW_DAYS
    return new


@compiled
def open_days_before(demand: Floats, row: int, selling: Floats) -> Whole:
    """Return for how many of the last days a series has been open since it began or reopened.

    It was closed up to the end of the last run of at least `LEAST_CLOSED` days without demand, with
    demand after it, that is improbable given the days after it and earlier ones
    (`chance_of_silence`). Without the earlier ones, two sales of a slow mover in a row would look
    like an opening.

    Parameters
    ----------
    demand : ndarray
        Shape (days, worlds, N) [units/day]; `row` is today's, whose demand is not known.
    selling : ndarray
        Numbers of earlier days without demand, and with it, that count too, shape (worlds, N, 2).

    Returns
    -------
    ndarray
        From 1 to `KNOWN_DAYS`, shape (worlds, N).
    """
    known, shape = min(KNOWN_DAYS, row), demand.shape[1:]
    opened = np.full(shape, known)
    for w in range(shape[0]):
        for i in range(shape[1]):
            zeros, run = 0, 0
            for k in range(known + 1):
                if k < known and demand[row - 1 - k, w, i] <= 0.0:
                    run += 1
                    continue
                since = k - run
                if run >= LEAST_CLOSED and since > 0:
                    without, sold = selling[w, i]
                    days = since + without + sold
                    if chance_of_silence(run, zeros + without, days) < SURELY_CLOSED:
                        opened[w, i] = since
                        break
                zeros, run = zeros + run, 0
    return opened


@compiled
def moments_of_days(demand: Floats, opened: Whole, row: int, days: int) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of the last `days` days, shape (worlds, N) each.

    Parameters
    ----------
    demand : ndarray
        Shape (days, worlds, N) [units/day]; `row` is today's.
    opened : ndarray
        Most days that count, shape (worlds, N).
    """
    shape = demand.shape[1:]
    mean, deviation = np.zeros(shape), np.zeros(shape)
    for t in range(max(0, row - days), row):
        for w in range(shape[0]):
            for i in range(shape[1]):
                if row - t <= opened[w, i]:
                    mean[w, i] += demand[t, w, i] / min(days, row, opened[w, i])
    for t in range(max(0, row - days), row):
        for w in range(shape[0]):
            for i in range(shape[1]):
                if row - t <= opened[w, i]:
                    less = demand[t, w, i] - mean[w, i]
                    deviation[w, i] += less**2 / min(days, row, opened[w, i])
    return mean, np.sqrt(deviation)


@compiled
def mean_of_open(values: Floats, opened: Whole, row: int, days: int) -> Floats:
    """Return the mean of any values over the days of `moments_of_days`, shape (worlds, N)."""
    shape = opened.shape
    mean = np.zeros(shape)
    for w in range(shape[0]):
        for i in range(shape[1]):
            count = min(days, opened[w, i])
            for t in range(row - count, row):
                mean[w, i] += values[t, w, i]
            mean[w, i] /= count
    return mean


@compiled
def weekday_means(
    demand: Floats, opened: Whole, row: int, ahead: int, weeks: int, cycle: int
) -> Floats:
    """Return for each of `ahead` days from `row` on the mean of the `weeks` same weekdays before.

    Beyond a week the first week is repeated, so only rows before `row` are read. Where periods are
    not days, `cycle` is 1 and the mean is of the last `weeks` periods. Only the last `opened` days
    count, shape (worlds, N); if none of them is the same weekday, it is their mean.

    Returns
    -------
    ndarray
        Shape (ahead, worlds, N) [units/day].
    """
    means = np.zeros((ahead, *demand.shape[1:]))
    for j in range(ahead):
        for w in range(means.shape[1]):
            for i in range(means.shape[2]):
                first = row + j % cycle
                count = min(weeks, (opened[w, i] + j % cycle) // cycle)
                for m in range(1, count + 1):
                    means[j, w, i] += demand[first - cycle * m, w, i] / count
                if count == 0:
                    for t in range(row - opened[w, i], row):
                        means[j, w, i] += demand[t, w, i] / opened[w, i]
    return means


@compiled
def calendar_entries(
    start: NDArray[np.int64], day: int, cycle: int = 7, year: float = YEAR
) -> Floats:
    """Return sine and cosine of the weekday and of the day of the year, shape (4, worlds).

    Parameters
    ----------
    start : ndarray
        Ordinal of each world's first day, shape (worlds,).
    day : int
        Day of the episode.
    cycle, year : int, float
        Periods in the short season and in a year (`demand.dates.Periods`).
    """
    entries = np.empty((4, start.size))
    for w in range(start.size):
        turns = 2.0 * np.pi * (start[w] + day)
        entries[0, w], entries[1, w] = np.sin(turns / cycle), np.cos(turns / cycle)
        entries[2, w], entries[3, w] = np.sin(turns / year), np.cos(turns / year)
    return entries


class KnownDemand:
    """Demand known before and during the episodes of a batch.

    Parameters
    ----------
    demand : ndarray
        Shape (`KNOWN_DAYS` + T, worlds, N); day t of the episode is row ``KNOWN_DAYS + t``.
    start : ndarray
        Ordinal of each world's first day, shape (worlds,).
    usual : ndarray
        Mean demand of the training period, shape (worlds, N) [units/day].
    effects : ndarray or callable, optional
        Factors on each day's demand by what is known ahead, shaped like `demand` but a few days
        longer; or a function that returns them for some of the worlds, called on first use.
    season : tuple
        Periods in the short season and in a year, as in `demand.dates.Periods`.
    selling : ndarray, optional
        As in `open_days_before`, shape (worlds, N, 2) or (N, 2); zero by default.

    Attributes
    ----------
    level : ndarray
        A store's own level, the mean of the days known before the episode, shape (worlds, N)
        [units/day]; its observations are scaled by it, so that a policy carries over to other
        stores and years.
    """

    def __init__(
        self,
        demand: Floats,
        start: NDArray[Any],
        usual: Floats,
        effects: Floats | Callable[[Worlds], Floats] | None = None,
        season: tuple[int, float] = (7, YEAR),
        selling: Floats | None = None,
    ) -> None:
        self.cycle, self.year = season
        self.demand, self.start, self.usual, self._effects = demand, start, usual, effects
        counts = np.zeros(2) if selling is None else selling
        self.selling = np.ascontiguousarray(np.broadcast_to(counts, (*demand.shape[1:], 2)))
        self._opened: tuple[int, Whole] | None = None  # for the last day asked for
        self.level: Floats = np.maximum(demand[:KNOWN_DAYS].mean(axis=0), LEAST_LEVEL * usual)
        self._number: NDArray[np.integer[Any]] | None = None

    @property
    def effects(self) -> Floats | None:
        """Factors on each day's demand by what is known ahead."""
        if callable(self._effects):
            self._effects = self._effects(slice(None))
        return self._effects

    def tell_apart(self, number: NDArray[np.integer[Any]]) -> None:
        """Record which worlds have the same demand: those with the same number, (worlds,)."""
        self._number = number
        self.__dict__.pop("distinct", None)

    @cached_property
    def distinct(self) -> "Distinct | None":
        """The distinct demand paths among the worlds, if `tell_apart` has recorded them."""
        if self._number is None:
            return None
        _, first, of = np.unique(self._number, return_index=True, return_inverse=True)
        if first.size == self._number.size:
            return None
        if (effects := self._effects) is not None:
            effects = effects(first) if callable(effects) else effects[:, first]
        season = self.cycle, self.year
        usual, selling = self.usual[first], self.selling[first]
        known = KnownDemand(
            self.demand[:, first], self.start[first], usual, effects, season, selling
        )
        return Distinct(known, first, of.reshape(-1))

    def open_days(self, day: int) -> Whole:
        """Return how many of the `KNOWN_DAYS` days before count, shape (worlds, N).

        All count, except for a series that has just begun or reopened (`open_days_before`). The
        week or month in which it did so is seldom complete, and counts only while it is the only
        one.
        """
        if self._opened is None or self._opened[0] != day:
            opened = open_days_before(self.demand, KNOWN_DAYS + day, self.selling)
            if self.cycle == 1:
                opened = np.where(opened < KNOWN_DAYS, np.maximum(opened - 1, 1), opened)
            self._opened = day, opened
        return self._opened[1]

    def recent(self, day: int, days: int) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the last `days` days, shape (worlds, N) each.

        Days that do not count (`open_days`) are left out.
        """
        if (few := self.distinct) is not None:
            mean, deviation = few.known.recent(day, days)
            return mean[few.of], deviation[few.of]
        row = KNOWN_DAYS + day
        moments: tuple[Floats, Floats] = moments_of_days(
            self.demand, self.open_days(day), row, days
        )
        return moments

    def same_weekday(self, day: int, ahead: int) -> Floats:
        """Return the mean of the last `WEEKS` same weekdays for each of `ahead` days from `day`.

        Returns
        -------
        ndarray
            Shape (ahead, worlds, N); it uses only days before `day`, and only those that count.
        """
        where = self.open_days(day), KNOWN_DAYS + day
        means: Floats = weekday_means(self.demand, *where, ahead, WEEKS, self.cycle)
        return means

    def last_week(self, day: int, ahead: int) -> Floats:
        """Return the demand of the last same weekday, in the shape of `same_weekday`."""
        every = np.full(self.level.shape, KNOWN_DAYS)
        row = KNOWN_DAYS + day
        week: Floats = weekday_means(self.demand, every, row, ahead, 1, self.cycle)
        return week

    def calendar(self, day: int) -> Floats:
        """Return sine and cosine of the weekday and of the day of the year, shape (4, worlds)."""
        entries: Floats = calendar_entries(self.start, day, self.cycle, self.year)
        return entries

    def entries(self, day: int, ahead: int) -> Floats:
        """Return a store's further observations (`entry_names`), shape (entries, worlds, N)."""
        entries = np.empty((4 + 2 * ahead, *self.level.shape))
        entries[:2] = self.calendar(day)[:2, :, None]
        entries[2:4] = self.recent(day, 7)
        entries[4 : 4 + ahead] = self.same_weekday(day, ahead)
        entries[4 + ahead :] = self.last_week(day, ahead)
        entries[2:] /= self.level
        return entries


class Distinct(NamedTuple):
    """The distinct demand paths of a batch in which several worlds share one.

    Attributes
    ----------
    known : KnownDemand
        Known demand of the distinct paths.
    first : ndarray
        One world with each path, shape (paths,).
    of : ndarray
        Index of each world's path, shape (worlds,).
    """

    known: KnownDemand
    first: NDArray[np.intp]
    of: NDArray[np.intp]


def entry_names(ahead: int) -> tuple[str, ...]:
    """Return the names of `KnownDemand.entries`; amounts are divided by the store's own level."""
    days = range(ahead)
    return (
        *("weekday sine", "weekday cosine", "mean of 7 days", "deviation of 7 days"),
        *(f"mean of the weekday in {j} days" for j in days),
        *(f"last demand of the weekday in {j} days" for j in days),
    )


def recent_demand(name: str, days: Mapping[int, Floats], usual: Floats) -> Floats | None:
    """Return the last `KNOWN_DAYS` days: those given, preceded by repeats of the latest week.

    Parameters
    ----------
    name : str
        The source's name in messages.
    days : mapping
        Demand by the number of days ago, from 1 on, shape (rows,) each [units/day].
    usual : ndarray
        Demand of the days before, for rows without sales on all days given, shape (rows,)
        [units/day].

    Raises
    ------
    InputError
        If a day is missing, or there is less than a week.
    """
    if not days:
        return None
    last = check_recent(name, days)
    recent = np.stack([days[int(day)] for day in source_days(last)], axis=1)
    quiet = np.flatnonzero(~recent.any(axis=1))
    recent[quiet, : KNOWN_DAYS - last] = usual[quiet, None]
    return recent


def check_recent(name: str, days: Mapping[int, Floats]) -> int:
    """Return the number of days given to `recent_demand`; InputError if one is missing."""
    last = max(days)
    missing = [f"d{day}" for day in range(1, max(last, WEEK) + 1) if day not in days]
    if missing or last > KNOWN_DAYS:
        raise InputError(
            f"{name}: recent demand needs all of d1 to d{WEEK}, or more up to d{KNOWN_DAYS}; "
            f"check {(missing or [f'd{last}'])[0]}"
        )
    return last


def source_days(given: int) -> NDArray[np.intp]:
    """Return for each of the `KNOWN_DAYS` last days how many days ago its demand is taken from.

    If fewer are given, the latest week is repeated for those before. The latest day comes last.
    """
    back = np.arange(KNOWN_DAYS, 0, -1)
    return np.where(back <= given, back, (back - 1) % WEEK + 1)
