"""A file's demand as episodes: windows of consecutive days, and what is known before them."""

import datetime as dt
import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from common.compiled import SOURCES
from common.errors import InputError
from common.random_streams import Split
from demand.bootstrap import TrainingDays, mean_sale
from demand.calendar import period_days
from demand.economics.items import Items, read_items
from demand.known_ahead.calendars import public_holidays, read_calendar
from demand.known_ahead.covariates import Covariates
from demand.known_ahead.levels import CovariateLevels, learn_levels
from demand.known_demand import KNOWN_DAYS, KnownDemand, Worlds, new_series
from demand.quality.censored import with_estimates
from demand.reader import LEAST_KEPT, DataFile, DemandSource, file_version, read_demand
from demand.sheet import read_sheet
from demand.table import DemandTable

Floats = NDArray[np.float64]
SELLING_DAYS = 20
"""Most days that training counts for in judging whether a series was closed."""

OTHERS_DAYS = 7
"""Most days that an SKU's other series count for in judging whether a new one was closed."""

DAYS_AHEAD = 400
"""Days after the end of a file whose public holidays are known."""


class StoreDemand(DemandSource):
    """Dated demand of stores, and SKUs, in a file.

    `augment` lets training draw synthetic episodes, made from training days alone
    (`demand.bootstrap`). On the first morning stores hold `initial_days` of their mean demand; by
    default enough until the first orders arrive, and a day more. What is known ahead comes from the
    file (`demand.known_ahead.covariates`), from `calendar`, a file of past and coming dates, and
    from `holidays`, the public holidays of a country or a part of it, such as ``DE-BY``.

    `items` is a file of products' costs, prices and supply terms (`demand.economics.items`);
    `service_costs` are the stockout costs that reach its target fill rates, found by simulation
    (`baselines.service_level`), one per SKU and store with a target, in their order.
    """

    augment: Literal["none", "bootstrap", "parametric"] = "none"
    initial_days: Annotated[float, Field(ge=0, le=1000)] | None = None
    calendar: DataFile | None = None
    items: DataFile | None = None
    service_costs: tuple[Annotated[float, Field(ge=0, le=1e9)], ...] | None = None
    holidays: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,6})?$")] | None = None

    def reading(self) -> "StoreDemand":
        """Return how the file is to be read, without how it is used."""
        others = set(StoreDemand.model_fields) - set(DemandSource.model_fields)
        return self.model_copy(
            update={name: StoreDemand.model_fields[name].default for name in others}
        )


@dataclass(frozen=True, eq=False)
class StoreHistory:
    """The demand of a file and what is known of it from its training days.

    Attributes
    ----------
    table : DemandTable
        All days.
    source : StoreDemand
        The file and the use of its days.
    mean, std : ndarray
        Mean and standard deviation on training days, shape (SKUs, stores) [units/day].
    covariates : Covariates or None
        What is known of days ahead.
    items : Items or None
        Costs, prices and supply terms of products.
    """

    table: DemandTable
    source: StoreDemand
    mean: Floats
    std: Floats
    covariates: Covariates | None = None
    items: Items | None = None

    @property
    def training(self) -> Floats:
        """Demand of the training days, shape (days, SKUs, stores)."""
        days = period_days(self.table, self.source, "training")
        return self.table.demand[days.start : days.stop]

    @property
    def season(self) -> tuple[int, float]:
        """Periods in the short season and in a year."""
        return self.table.periods.cycle, self.table.periods.a_year

    @cached_property
    def new(self) -> NDArray[np.bool_]:
        """Which series are new, shape (SKUs, stores); see `new_series`."""
        return new_series(self.training)

    @cached_property
    def selling(self) -> Floats:
        """Training days without demand, and with it, since a series began, shape (SKUs, stores, 2).

        They are scaled to a total of at most `SELLING_DAYS`. For a new series `selling_of_others`
        is added: a first sale after weeks without one is then an opening, unless the SKU is a slow
        mover.
        """
        own = self._own_selling
        return np.where(self.new[..., None], own + self.selling_of_others, own)

    @cached_property
    def selling_of_others(self) -> Floats:
        """The same for each SKU's established series, as `OTHERS_DAYS` days, shape (SKUs, 1, 2)."""
        own = self._own_selling
        shares = own / np.maximum(own.sum(axis=-1, keepdims=True), 1)
        total = np.where(self.new[..., None], 0.0, shares).sum(axis=1, keepdims=True)
        of_others: Floats = OTHERS_DAYS * total / np.maximum(total.sum(axis=-1, keepdims=True), 1)
        return of_others

    @cached_property
    def sales(self) -> tuple[Floats, Floats]:
        """A usual sale [units], and the days from one to the next since a series began [days].

        Shape (SKUs, stores) each; for a series that never sold, its mean, every day.
        """
        size, own = mean_sale(self.training), self._own_selling
        sold = size > 0
        every = own.sum(axis=-1) / np.where(sold, own[..., 1], 1.0)
        return np.where(sold, size, self.mean), np.where(sold, every, 1.0)

    @cached_property
    def _own_selling(self) -> Floats:
        sold = self.training > 0
        begun = np.maximum.accumulate(sold, axis=0)
        counts = np.stack([(begun & ~sold).sum(axis=0), sold.sum(axis=0)], axis=-1)
        every = np.maximum(counts.sum(axis=-1, keepdims=True), 1)
        selling: Floats = counts * (np.minimum(every, SELLING_DAYS) / every)
        return selling

    @cached_property
    def resampled(self) -> TrainingDays:
        """The training days, decomposed for resampling."""
        training = self.training
        effects = None if self.effects is None else self.effects[: len(training)]
        return TrainingDays(training, effects, self.season[0])

    @cached_property
    def whole_units(self) -> bool:
        """Whether demand of the training days comes in whole units."""
        return all(bool((np.floor(day) == day).all()) for day in self.training)

    @cached_property
    def _digest(self) -> str:
        """Digest of all data that can be learned from on training days, and of the code."""
        training = np.ascontiguousarray(self.training)
        about = [SOURCES, self.table.first_day.isoformat(), self.table.period, training.shape]
        digest = hashlib.sha256(json.dumps(about).encode())
        digest.update(training.data)
        digest.update(np.ascontiguousarray(self.mean).data)
        if self.effects is not None:
            digest.update(np.ascontiguousarray(self.effects[: len(training)]).data)
        return digest.hexdigest()

    def key_of(self, *of: object) -> str | None:
        """Return the key under which results learned from training days are kept.

        Parameters
        ----------
        of : object
            What else the result depends on, distinguished by its text.

        Returns
        -------
        str or None
            Key for `common.array_cache`; None if there are so few days that learning is quick.
        """
        if self.training.size < LEAST_KEPT:
            return None
        return hashlib.sha256(repr((self._digest, *of)).encode()).hexdigest()

    @cached_property
    def levels(self) -> CovariateLevels | None:
        """Effects on demand of what is known ahead, learned from training days."""
        return None if self.covariates is None else learn_levels(self.training, self.covariates)

    @cached_property
    def effects(self) -> Floats | None:
        """Factors on each day's demand, later days included, shape (days, SKUs, stores)."""
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
            As in `KnownDemand`.
        sku : ndarray
            SKU of each world, shape (worlds,).
        ahead : int
            Number of days after the last one whose effects may be asked for.
        covariates : Covariates, optional
            What is known ahead; by default that of the file and its calendar.
        """
        usual, every_day = self.mean[sku], self.effects
        if every_day is None or self.levels is None:
            return KnownDemand(demand, start, usual, season=self.season, selling=self.selling[sku])
        first = self.table.first_day.toordinal()
        if covariates is not None:  # only of the days that are asked about
            first = max(first, int(start.min()) - KNOWN_DAYS)
            since = dt.date.fromordinal(first)
            every_day = self.levels.multipliers(covariates.since(since))

        def effects(worlds: Worlds) -> Floats:
            days = np.arange(len(demand) + ahead)[:, None]
            at = start[worlds] - first - KNOWN_DAYS + days
            known = (at >= 0) & (at < len(every_day))
            found: Floats = every_day[np.where(known, at, 0), sku[worlds]]
            found[~known] = 1.0  # unknown days are as usual
            return found

        return KnownDemand(demand, start, usual, effects, self.season, self.selling[sku])

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
                f"{self.table.name}: the {split} period has {len(days)} of the {horizon} "
                f"{self.table.period}s of an episode, and {KNOWN_DAYS} have to be known before it; "
                "shorten horizon or move the split dates"
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
        """Return what `draw` does, for episodes that start on these days of the file."""
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
            Day and SKU of each world, shape (worlds,).

        Returns
        -------
        ndarray
            Shape (worlds, stores, J) [units].

        Raises
        ------
        InputError
            If a day is not a training day.
        """
        days = ordinals - self.table.first_day.toordinal()
        if days.min() < 0 or days.max() >= len(self.resampled.demand):
            raise InputError(
                f"{self.table.name}: expected rewards are of training days, and the trace's start "
                "leads to others; set reward.expected=false"
            )
        return self.resampled.law(days, sku)


def store_history(source: StoreDemand) -> StoreHistory:
    """Return the demand of a file with its mean and standard deviation, computed once.

    Raises
    ------
    InputError
        As for `read_demand`, and if there is no demand in the training period.
    """
    files = source.calendar, source.items
    versions = tuple(None if file is None else file_version(file) for file in files)
    if source.service_costs is not None:  # the days do not depend on what a lost sale costs
        source = source.model_copy(update={"service_costs": None})
    table = read_demand(source.reading())
    return _history(table, source, versions)


def digest_of_days(source: DemandSource, history: StoreHistory | None) -> str:
    """Return a digest of the days before evaluation, and of what else is known of them."""
    table = read_demand(source.reading())
    return _digest_of(table, period_days(table, source, "validation").stop, history)


@lru_cache(maxsize=2)
def _digest_of(table: DemandTable, days: int, history: StoreHistory | None) -> str:
    names = [table.first_day.isoformat(), days, list(table.stores), list(table.skus)]
    digest = hashlib.sha256(json.dumps(names).encode())
    digest.update(np.ascontiguousarray(table.demand[:days], "<f8").data)
    if history is not None:
        for column in history.covariates.columns if history.covariates else ():
            digest.update(column.name.encode())
            digest.update(np.ascontiguousarray(column.values[:days], "<f4").data)
        digest.update(b"" if history.items is None else history.items.to_bytes())
    return digest.hexdigest()


def known_ahead(table: DemandTable, source: StoreDemand) -> Covariates | None:
    """Return all that is known ahead about the days of a file and later ones."""
    found = table.covariates
    if source.holidays is not None:
        last = table.last_day + dt.timedelta(days=DAYS_AHEAD)
        days = public_holidays(source.holidays, table.first_day, last).by_period(table.periods)
        found = days if found is None else found.joined(days)
    if source.calendar is not None:
        sheet = replace(read_sheet(source.calendar), settable=("date_format",))
        days = read_calendar(sheet, table.stores, table.skus, source.date_format)
        days = days.by_period(table.periods)
        found = days.completed() if found is None else found.joined(days)
    return None if found is None else found.since(table.first_day)


@lru_cache(maxsize=4)
def _history(
    table: DemandTable, source: StoreDemand, versions: tuple[tuple[int, int] | None, ...]
) -> StoreHistory:
    days = period_days(table, source, "training")
    table = with_estimates(table, days.stop)
    training = table.demand[days.start : days.stop]
    if not training.any():
        last = table.date(days.stop - 1)
        raise InputError(f"{table.name}: no demand at all up to {last}, the last training day")
    mean, std = training.mean(axis=0), training.std(axis=0)
    floor = 0.01 * mean[mean > 0].mean()  # a little for series without past sales
    items = None
    if source.items is not None and versions[1] is not None:
        items = read_items(source.items, versions[1], table.stores, table.skus)
    known = known_ahead(table, source)
    return StoreHistory(table, source, np.maximum(mean, floor), std, known, items)
