"""Demand laws: where the demand part of a trace comes from."""

import datetime as dt
import math
from dataclasses import dataclass
from typing import Protocol

import numba
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inventory.batch import Split
from inventory.demand_files import DemandSource, read_demand
from inventory.demand_periods import period_days
from inventory.errors import InputError
from inventory.sampling import normal


class DemandLaw(Protocol):
    """A source of demand paths."""

    def draw(
        self,
        rng: np.random.Generator,
        episodes: int,
        days: int,
        out: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Return demand of shape (episodes, days) [units/day], in `out` if given."""


@dataclass(frozen=True)
class NormalDemand:
    """Independent demand ``max(0, N(mean, std))``, in units per step."""

    mean: float
    std: float

    def draw(
        self,
        rng: np.random.Generator,
        episodes: int,
        days: int,
        out: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Return demand of shape (episodes, days), in `out` (Fortran order) if given."""
        by_day = None if out is None else out.T
        return normal(rng, self.mean, self.std, (days, episodes), 0.0, by_day).T

    @property
    def expected(self) -> float:
        """Mean of ``max(0, N(mean, std))``, a little above `mean`.

        Examples
        --------
        >>> round(NormalDemand(10, 3).expected, 4)
        10.0003
        """
        return float(expected_sales(math.inf, self.mean, self.std))


@numba.njit(cache=True)
def _loss(z: float) -> float:
    """Return the standard normal loss function ``L(z) = phi(z) - z * (1 - Phi(z))``."""
    density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return density - z * 0.5 * math.erfc(z / math.sqrt(2.0))


@numba.njit(cache=True)
def expected_sales(on_hand: float, mean: float, std: float) -> float:
    """Return ``E[min(on_hand, D)]`` for ``D = max(0, N(mean, std))``.

    Since ``E[(D - y)+] = std * L((y - mean) / std)`` for y >= 0, the expected sales are the
    difference of that loss at 0 and at `on_hand` (Zipkin 2000, Foundations of Inventory
    Management, C.2.6).
    """
    if std <= 0.0:
        return min(on_hand, max(0.0, mean))
    lost = 0.0 if on_hand == math.inf else std * _loss((on_hand - mean) / std)
    return std * _loss(-mean / std) - lost


class DemandFile(DemandSource):
    """Dated demand of one store in a file; see `inventory.demand_files.DemandSource`.

    Episodes are windows of consecutive days. Training draws its windows before `validation`,
    the best model is selected between `validation` and `split`, and evaluation sees the days
    from `split` on; no day is in two periods.
    """

    column: str = Field(description="the store: a column of a wide file")


@dataclass(frozen=True)
class HistoricalDemand:
    """Windows of consecutive days, each start day equally likely."""

    first_day: dt.date
    demand: NDArray[np.float64]

    def draw(
        self,
        rng: np.random.Generator,
        episodes: int,
        days: int,
        out: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Return demand of shape (episodes, days), in `out` if given."""
        drawn = self.windows(days)[rng.integers(0, self.demand.size - days + 1, episodes)]
        if out is None:
            return drawn
        out[:] = drawn
        return out

    def __len__(self) -> int:
        """Return the number of days."""
        return self.demand.size

    def windows(self, days: int) -> NDArray[np.float64]:
        """Return every window, shape (number of start days, days), in order of its start."""
        if self.demand.size < days:
            raise InputError(
                f"the period from {self.first_day} has {self.demand.size} days, an episode needs "
                f"{days}; shorten max_steps or move the split dates"
            )
        return np.lib.stride_tricks.sliding_window_view(self.demand, days)


def demand_period(source: DemandFile, split: Split) -> HistoricalDemand:
    """Return the days of `source` that may be used for `split` (tuning uses training days)."""
    table = read_demand(source.model_copy(update={"stores": (source.column,)}))
    if len(table.skus) > 1:
        raise InputError(f"{table.name}: holds {len(table.skus):,} SKUs; keep the rows of one")
    days = period_days(table, source, split)
    first_day = table.first_day + dt.timedelta(days=days.start)
    return HistoricalDemand(first_day, table.demand[days.start : days.stop, 0, 0])
