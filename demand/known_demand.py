"""What is known of demand before and during the episodes of a batch: days that have passed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled

Floats = NDArray[np.float64]
KNOWN_DAYS = 28
"""Days before an episode that are known on its first morning."""

WEEKS = 4
"""Weeks that the mean of a weekday looks back."""

YEAR = 365.25
LEAST_LEVEL = 0.1
"""A store's level is at least this share of its mean in the training period."""


@compiled
def moments_of_days(demand: Floats, first: int, last: int) -> tuple[Floats, Floats]:
    """Return mean and deviation over the rows `first` to `last` - 1, shape (worlds, N) each.

    Parameters
    ----------
    demand : ndarray
        Shape (days, worlds, N) [units/day].
    first, last : int
        At least one row.
    """
    days, shape = last - first, demand.shape[1:]
    mean, deviation = np.zeros(shape), np.zeros(shape)
    for t in range(first, last):
        for w in range(shape[0]):
            for i in range(shape[1]):
                mean[w, i] += demand[t, w, i] / days
    for t in range(first, last):
        for w in range(shape[0]):
            for i in range(shape[1]):
                deviation[w, i] += (demand[t, w, i] - mean[w, i]) ** 2 / days
    return mean, np.sqrt(deviation)


@compiled
def weekday_means(demand: Floats, row: int, ahead: int, weeks: int, cycle: int = 7) -> Floats:
    """Return for each of `ahead` days from `row` on the mean of the `weeks` same weekdays before.

    Beyond a week these are the weekdays of the first one, so only rows before `row` are read. Where
    periods are no days, `cycle` is 1 and they are the last `weeks` periods.

    Returns
    -------
    ndarray
        Shape (ahead, worlds, N) [units/day].
    """
    means = np.zeros((ahead, *demand.shape[1:]))
    for j in range(ahead):
        for m in range(1, weeks + 1):
            before = demand[row + j % cycle - cycle * m]
            for w in range(before.shape[0]):
                for i in range(before.shape[1]):
                    means[j, w, i] += before[w, i] / weeks
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
        Days of a season and of a year (`demand.dates.Periods`).
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
    effects : ndarray, optional
        What is known ahead multiplies each day's demand by, as `demand` and a few days longer.
    season : tuple
        Periods of the short season and of a year, as in `demand.dates.Periods`.

    Attributes
    ----------
    level : ndarray
        A store's own level, the mean of the days known before the episode, shape (worlds, N)
        [units/day]; what it sees is scaled by it, so that a policy carries over to other stores
        and years.
    """

    def __init__(
        self,
        demand: Floats,
        start: NDArray[Any],
        usual: Floats,
        effects: Floats | None = None,
        season: tuple[int, float] = (7, YEAR),
    ) -> None:
        self.cycle, self.year = season
        self.demand, self.start, self.usual, self.effects = demand, start, usual, effects
        self.level: Floats = np.maximum(demand[:KNOWN_DAYS].mean(axis=0), LEAST_LEVEL * usual)

    def recent(self, day: int, days: int) -> tuple[Floats, Floats]:
        """Return mean and deviation of the last `days` days' demand, shape (worlds, N) each."""
        row = KNOWN_DAYS + day
        moments: tuple[Floats, Floats] = moments_of_days(self.demand, max(0, row - days), row)
        return moments

    def same_weekday(self, day: int, ahead: int) -> Floats:
        """Return the mean of the last `WEEKS` same weekdays for each of `ahead` days from `day`.

        Returns
        -------
        ndarray
            Shape (ahead, worlds, N); only days before `day` are in it.
        """
        means: Floats = weekday_means(self.demand, KNOWN_DAYS + day, ahead, WEEKS, self.cycle)
        return means

    def last_week(self, day: int, ahead: int) -> Floats:
        """Return the demand of the last same weekday, as `same_weekday`."""
        week: Floats = weekday_means(self.demand, KNOWN_DAYS + day, ahead, 1, self.cycle)
        return week

    def calendar(self, day: int) -> Floats:
        """Return sine and cosine of the weekday and of the day of the year, shape (4, worlds)."""
        entries: Floats = calendar_entries(self.start, day, self.cycle, self.year)
        return entries

    def entries(self, day: int, ahead: int) -> Floats:
        """Return what a store sees besides: see `entry_names`; shape (entries, worlds, N)."""
        entries = np.empty((4 + 2 * ahead, *self.level.shape))
        entries[:2] = self.calendar(day)[:2, :, None]
        entries[2:4] = self.recent(day, 7)
        entries[4 : 4 + ahead] = self.same_weekday(day, ahead)
        entries[4 + ahead :] = self.last_week(day, ahead)
        entries[2:] /= self.level
        return entries


def entry_names(ahead: int) -> tuple[str, ...]:
    """Return the names of `KnownDemand.entries`; amounts are over the store's own level."""
    days = range(ahead)
    return (
        *("weekday sine", "weekday cosine", "mean of 7 days", "deviation of 7 days"),
        *(f"mean of the weekday in {j} days" for j in days),
        *(f"last demand of the weekday in {j} days" for j in days),
    )
