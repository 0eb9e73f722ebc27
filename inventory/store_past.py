"""What is known of the demand on a morning of an episode: the last days, the same weekdays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inventory.store_history import KNOWN_DAYS

Floats = NDArray[np.float64]
WEEKS = 4
"""Weeks that the mean of a weekday looks back."""

YEAR = 365.25
LEAST_LEVEL = 0.1
"""A store's level is at least this share of its mean in the training period."""


class Past:
    """Demand known before and during the episodes of a batch.

    Parameters
    ----------
    demand : ndarray
        Shape (`KNOWN_DAYS` + T, worlds, N); day t of the episode is row ``KNOWN_DAYS + t``.
    start : ndarray
        Ordinal of each world's first day, shape (worlds,).
    usual : ndarray
        Mean demand of the training period, shape (worlds, N) [units/day].

    Attributes
    ----------
    level : ndarray
        A store's own level, the mean of the days known before the episode, shape (worlds, N)
        [units/day]; what it sees is scaled by it, so that a policy carries over to other stores
        and years.
    """

    def __init__(self, demand: Floats, start: NDArray[Any], usual: Floats) -> None:
        self.demand, self.start = demand, start
        self.level: Floats = np.maximum(demand[:KNOWN_DAYS].mean(axis=0), LEAST_LEVEL * usual)
        same = [demand[7 * (WEEKS - m) : len(demand) - 7 * m] for m in range(1, WEEKS + 1)]
        rest = len(demand) - 7 * WEEKS
        self._weekday = np.mean([days[:rest] for days in same], axis=0)

    def recent(self, day: int, days: int) -> tuple[Floats, Floats]:
        """Return mean and deviation of the last `days` days' demand, shape (worlds, N) each."""
        last = self.demand[max(0, KNOWN_DAYS + day - days) : KNOWN_DAYS + day]
        return last.mean(axis=0), last.std(axis=0)

    def same_weekday(self, day: int, ahead: int) -> Floats:
        """Return the mean of the last `WEEKS` same weekdays for each of `ahead` days from `day`.

        Returns
        -------
        ndarray
            Shape (ahead, worlds, N); only days before `day` are in it.
        """
        days: Floats = self._weekday[self._known(day, ahead, len(self._weekday))]
        return days

    def last_week(self, day: int, ahead: int) -> Floats:
        """Return the demand of the last same weekday, as `same_weekday`."""
        at = self._known(day, ahead, len(self.demand) - KNOWN_DAYS)
        week: Floats = self.demand[at + KNOWN_DAYS - 7]
        return week

    @staticmethod
    def _known(day: int, ahead: int, days: int) -> NDArray[np.intp]:
        """Return the days from `day` on; beyond a week, or the episode, earlier same weekdays."""
        at = day + np.arange(ahead) % 7
        return np.where(at < days, at, at - 7 * (1 + (at - days) // 7)).clip(0)

    def calendar(self, day: int) -> Floats:
        """Return sine and cosine of the weekday and of the day of the year, shape (worlds, 4)."""
        ordinal = self.start + day
        week, year = 2 * np.pi * ordinal / 7, 2 * np.pi * ordinal / YEAR
        return np.stack([np.sin(week), np.cos(week), np.sin(year), np.cos(year)], axis=1)

    def entries(self, day: int, ahead: int) -> Floats:
        """Return what a store sees besides: see `entry_names`; shape (worlds, N, entries)."""
        level = self.level
        mean, std = self.recent(day, 7)
        week = np.broadcast_to(self.calendar(day)[:, None, :2], (*level.shape, 2))
        means = np.moveaxis(self.same_weekday(day, ahead) / level, 0, -1)
        lasts = np.moveaxis(self.last_week(day, ahead) / level, 0, -1)
        recent = np.stack([mean / level, std / level], axis=-1)
        return np.concatenate([week, recent, means, lasts], axis=-1)


def entry_names(ahead: int) -> tuple[str, ...]:
    """Return the names of `Past.entries`; amounts are over the store's own level."""
    days = range(ahead)
    return (
        *("weekday sine", "weekday cosine", "mean of 7 days", "deviation of 7 days"),
        *(f"mean of the weekday in {j} days" for j in days),
        *(f"last demand of the weekday in {j} days" for j in days),
    )
