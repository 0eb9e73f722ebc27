"""Demand of a file as episodes of the supply chain: windows of consecutive days of one period.

Every episode knows the `KNOWN_DAYS` before its first day, as whoever orders that morning would.
Those may lie in an earlier period, but nobody decides or earns anything on them; what is played are
days of one period alone. All scales come from training days.
"""

import datetime as dt
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inventory.batch import Split
from inventory.demand_files import DemandTable, read_demand
from inventory.demand_periods import period_days
from inventory.demand_source import DemandSource
from inventory.errors import InputError
from inventory.store_resampling import TrainingDays

Floats = NDArray[np.float64]
KNOWN_DAYS = 28
"""Days before an episode that are known on its first morning."""


class StoreDemand(DemandSource):
    """Dated demand of stores, and SKUs, in a file.

    `augment` lets training draw episodes that never were, made from training days alone
    (`inventory.store_resampling`). In the first morning stores hold `initial_days` of their mean
    demand.
    """

    augment: Literal["none", "bootstrap", "parametric"] = "none"
    initial_days: Annotated[float, Field(ge=0, le=1000)] = 4.0


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
    """

    table: DemandTable
    source: StoreDemand
    mean: Floats
    std: Floats

    @property
    def training(self) -> Floats:
        """Demand of the training days, shape (days, SKUs, stores)."""
        days = period_days(self.table, self.source, "training")
        return self.table.demand[days.start : days.stop]

    @cached_property
    def resampled(self) -> TrainingDays:
        """The training days, taken apart to be put together anew."""
        return TrainingDays(self.training)

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
        start = rng.integers(starts.start, starts.stop, sku.size)
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
    return _history(read_demand(source), source)


@lru_cache(maxsize=4)
def _history(table: DemandTable, source: StoreDemand) -> StoreHistory:
    days = period_days(table, source, "training")
    training = table.demand[days.start : days.stop]
    if not training.any():
        last = table.first_day + dt.timedelta(days=days.stop - 1)
        raise InputError(f"{table.name}: no demand at all up to {last}, the last training day")
    mean, std = training.mean(axis=0), training.std(axis=0)
    floor = 0.01 * mean[mean > 0].mean()  # for what was not sold before: a little
    return StoreHistory(table, source, np.maximum(mean, floor), std)
