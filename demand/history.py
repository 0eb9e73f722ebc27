"""Demand of a file as episodes: windows of consecutive days, and what is known before them."""

import datetime as dt
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from common.compiled import compiled
from common.errors import InputError
from common.random_streams import Split
from demand.bootstrap import TrainingDays
from demand.calendar import period_days
from demand.known_ahead.covariates import Covariates, public_holidays, read_calendar
from demand.known_ahead.levels import CovariateLevels, learn_levels
from demand.reader import DataFile, DemandSource, file_version, read_demand
from demand.table import DemandTable

Floats = NDArray[np.float64]
KNOWN_DAYS = 28
"""Days before an episode that are known on its first morning."""

DAYS_AHEAD = 400
"""Days after the end of a file whose public holidays are known."""


class StoreDemand(DemandSource):
    """Dated demand of stores, and SKUs, in a file.

    `augment` lets training draw episodes that never were, made from training days alone
    (`demand.bootstrap`). In the first morning stores hold `initial_days` of their mean demand; by
    default enough until the first orders arrive, and a day more. What is known of days ahead is in
    the file (`demand.known_ahead.covariates`), in `calendar`, a file of dates, also of coming ones,
    and `holidays`, the public ones of a country or a part of it, such as ``DE-BY``.
    """

    augment: Literal["none", "bootstrap", "parametric"] = "none"
    initial_days: Annotated[float, Field(ge=0, le=1000)] | None = None
    calendar: DataFile | None = None
    holidays: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,6})?$")] | None = None


@dataclass(frozen=True, eq=False)
class StoreHistory:
    """The demand of a file and what is known of it from its training days.

    Attributes
    ----------
    table : DemandTable
        All days.
    source : StoreDemand
        What they are for.
    mean, std : ndarray
        Of the training days, shape (SKUs, stores) [units/day].
    covariates : Covariates or None
        What is known of days ahead.
    """

    table: DemandTable
    source: StoreDemand
    mean: Floats
    std: Floats
    covariates: Covariates | None = None

    @property
    def training(self) -> Floats:
        """Demand of the training days, shape (days, SKUs, stores)."""
        days = period_days(self.table, self.source, "training")
        return self.table.demand[days.start : days.stop]

    @cached_property
    def resampled(self) -> TrainingDays:
        """The training days, taken apart to be put together anew."""
        training = self.training
        effects = None if self.effects is None else self.effects[: len(training)]
        return TrainingDays(training, effects)

    @cached_property
    def whole_units(self) -> bool:
        """Whether demand of the training days comes in whole units."""
        return bool((self.training % 1 == 0).all())

    @cached_property
    def levels(self) -> CovariateLevels | None:
        """What is known ahead multiplies demand by, learned from training days."""
        return None if self.covariates is None else learn_levels(self.training, self.covariates)

    @cached_property
    def effects(self) -> Floats | None:
        """What each day's demand is multiplied by, shape (days, SKUs, stores), later days too."""
        if self.levels is None or self.covariates is None:
            return None
        return self.levels.multipliers(self.covariates)

    def known_demand(
        self,
        demand: Floats,
        start: NDArray[np.int64],
        sku: NDArray[np.int64],
        ahead: int,
        covariates: Covariates | None = None,
    ) -> "KnownDemand":
        """Return what is known of these episodes.

        Parameters
        ----------
        demand, start : ndarray
            As of `KnownDemand`.
        sku : ndarray
            Of each world, shape (worlds,).
        ahead : int
            So many days after the last one may be asked about.
        covariates : Covariates, optional
            What is known ahead, by default that of the file and its calendar.
        """
        usual, every_day = self.mean[sku], self.effects
        if every_day is None or self.levels is None:
            return KnownDemand(demand, start, usual)
        if covariates is not None:
            every_day = self.levels.multipliers(covariates.since(self.table.first_day))
        first = self.table.first_day.toordinal() + KNOWN_DAYS
        at = start - first + np.arange(len(demand) + ahead)[:, None]
        known = (at >= 0) & (at < len(every_day))
        effects = every_day[np.where(known, at, 0), sku]
        effects[~known] = 1.0  # what nobody knows is as usual
        return KnownDemand(demand, start, usual, effects)

    def starts(self, split: Split, horizon: int) -> range:
        """Return the days of the file on which an episode may start.

        Raises
        ------
        InputError
            If the period is too short for one.
        """
        days = period_days(self.table, self.source, split)
        first = max(days.start, KNOWN_DAYS)
        if first + horizon > days.stop:
            raise InputError(
                f"{self.table.name}: the {split} period has {len(days)} days, an episode needs "
                f"{horizon}, and {KNOWN_DAYS} known before it; shorten horizon or move the split "
                "dates"
            )
        return range(first, days.stop - horizon + 1)

    def draw(
        self, split: Split, rng: np.random.Generator, sku: NDArray[np.intp], horizon: int
    ) -> tuple[Floats, NDArray[np.int64]]:
        """Draw an episode of each SKU in `sku`.

        Returns
        -------
        demand, start : ndarray
            Shape (episodes, `KNOWN_DAYS` + horizon, stores) [units/day], and the ordinals of the
            days on which the episodes start, shape (episodes,).
        """
        starts = self.starts(split, horizon)
        return self.episodes(
            split, rng, rng.integers(starts.start, starts.stop, sku.size), sku, horizon
        )

    def episodes(
        self,
        split: Split,
        rng: np.random.Generator,
        start: NDArray[np.int64],
        sku: NDArray[np.intp],
        horizon: int,
    ) -> tuple[Floats, NDArray[np.int64]]:
        """Return what `draw` does, of episodes that start on these days of the file."""
        days = start[:, None] + np.arange(-KNOWN_DAYS, horizon)
        if split == "training" and self.source.augment == "bootstrap":
            demand = self.resampled.bootstrap(rng, days, sku)
        elif split == "training" and self.source.augment == "parametric":
            demand = self.resampled.parametric(rng, days, sku)
        else:
            demand = self.table.demand[days, sku[:, None]]
        return demand, start + self.table.first_day.toordinal()

    def law(self, ordinals: NDArray[np.int64], sku: NDArray[np.int64]) -> Floats:
        """Return equally likely values of the demand of training days under ``bootstrap``.

        Parameters
        ----------
        ordinals, sku : ndarray
            A day and an SKU each, shape (worlds,).

        Returns
        -------
        ndarray
            Shape (worlds, stores, J) [units].

        Raises
        ------
        InputError
            If a day is none of training.
        """
        days = ordinals - self.table.first_day.toordinal()
        if days.min() < 0 or days.max() >= len(self.resampled.demand):
            raise InputError(
                f"{self.table.name}: expected rewards are of training days, and the trace's start "
                "leads to others; set reward.expected=false"
            )
        return self.resampled.law(days, sku)


def store_history(source: StoreDemand) -> StoreHistory:
    """Return the demand of a file and its scales, computed once.

    Raises
    ------
    InputError
        As `read_demand`, and if there is no demand in the training period.
    """
    version = None if source.calendar is None else file_version(source.calendar)
    return _history(read_demand(source.reading()), source, version)


def known_ahead(table: DemandTable, source: StoreDemand) -> Covariates | None:
    """Return all that is known ahead, of the days of a file and of later ones."""
    found = table.covariates
    if source.holidays is not None:
        last = table.last_day + dt.timedelta(days=DAYS_AHEAD)
        days = public_holidays(source.holidays, table.first_day, last)
        found = days if found is None else found.joined(days)
    if source.calendar is not None:
        days = read_calendar(source.calendar, table.stores, table.skus, source.date_format)
        found = days.completed() if found is None else found.joined(days)
    return None if found is None else found.since(table.first_day)


@lru_cache(maxsize=4)
def _history(
    table: DemandTable, source: StoreDemand, version: tuple[int, int] | None
) -> StoreHistory:
    del version  # a changed calendar is another one
    days = period_days(table, source, "training")
    training = table.demand[days.start : days.stop]
    if not training.any():
        last = table.first_day + dt.timedelta(days=days.stop - 1)
        raise InputError(f"{table.name}: no demand at all up to {last}, the last training day")
    mean, std = training.mean(axis=0), training.std(axis=0)
    floor = 0.01 * mean[mean > 0].mean()  # for what was not sold before: a little
    return StoreHistory(table, source, np.maximum(mean, floor), std, known_ahead(table, source))


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
def weekday_means(demand: Floats, row: int, ahead: int, weeks: int) -> Floats:
    """Return for each of `ahead` days from `row` on the mean of the `weeks` same weekdays before.

    Beyond a week these are the weekdays of the first one, so only rows before `row` are read.

    Returns
    -------
    ndarray
        Shape (ahead, worlds, N) [units/day].
    """
    means = np.zeros((ahead, *demand.shape[1:]))
    for j in range(ahead):
        for m in range(1, weeks + 1):
            before = demand[row + j % 7 - 7 * m]
            for w in range(before.shape[0]):
                for i in range(before.shape[1]):
                    means[j, w, i] += before[w, i] / weeks
    return means


@compiled
def calendar_entries(start: NDArray[np.int64], day: int) -> Floats:
    """Return sine and cosine of the weekday and of the day of the year, shape (4, worlds).

    Parameters
    ----------
    start : ndarray
        Ordinal of each world's first day, shape (worlds,).
    day : int
        Day of the episode.
    """
    entries = np.empty((4, start.size))
    for w in range(start.size):
        turns = 2.0 * np.pi * (start[w] + day)
        entries[0, w], entries[1, w] = np.sin(turns / 7), np.cos(turns / 7)
        entries[2, w], entries[3, w] = np.sin(turns / YEAR), np.cos(turns / YEAR)
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
    ) -> None:
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
        means: Floats = weekday_means(self.demand, KNOWN_DAYS + day, ahead, WEEKS)
        return means

    def last_week(self, day: int, ahead: int) -> Floats:
        """Return the demand of the last same weekday, as `same_weekday`."""
        week: Floats = weekday_means(self.demand, KNOWN_DAYS + day, ahead, 1)
        return week

    def calendar(self, day: int) -> Floats:
        """Return sine and cosine of the weekday and of the day of the year, shape (4, worlds)."""
        entries: Floats = calendar_entries(self.start, day)
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
