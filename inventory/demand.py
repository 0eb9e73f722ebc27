"""Demand laws: where the demand part of a trace comes from."""

import datetime as dt
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Protocol

import numba
import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from inventory.batch import Split
from inventory.demand_file import read_days
from inventory.errors import FrozenModel, InputError
from inventory.sampling import normal

VALIDATION_SHARE = 0.15
"""Share of the days before the split that select the best model, where no date is given."""


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


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("no such file")
    return path


class DemandFile(FrozenModel):
    """Dated demand in a CSV file: one row per day, columns chosen by name.

    Episodes are windows of consecutive days. Training draws its windows before `validation`,
    the best model is selected between `validation` and `split`, and evaluation sees the days
    from `split` on; no day is in two periods.
    """

    file: Annotated[Path, AfterValidator(_existing)]
    column: str
    date: str = "date"
    split: dt.date = Field(description="first day of the evaluation period")
    validation: dt.date | None = Field(
        None, description="first day of the selection period; default: last 15 % before the split"
    )


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
    first_day, demand = _read_days(source)
    cut = (source.split - first_day).days
    if not 0 < cut < demand.size:
        last = first_day + dt.timedelta(days=demand.size - 1)
        raise InputError(
            f"split = {source.split}: must lie after {first_day} and not after {last}, "
            f"the days of {source.file.name}"
        )
    chosen = source.validation
    start = round(cut * (1 - VALIDATION_SHARE)) if chosen is None else (chosen - first_day).days
    if not 0 < start < cut:
        raise InputError(
            f"validation = {chosen}: must lie after {first_day} and before the split {source.split}"
        )
    bounds = {"validation": (start, cut), "evaluation": (cut, demand.size)}
    low, high = bounds.get(split, (0, start))
    return HistoricalDemand(first_day + dt.timedelta(days=low), demand[low:high])


@lru_cache(maxsize=8)
def _read_days(source: DemandFile) -> tuple[dt.date, NDArray[np.float64]]:
    """Read the file once: its first day and the demand of every day."""
    return read_days(source.file, source.date, source.column)
