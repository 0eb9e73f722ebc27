"""Demand laws: where the demand part of a trace comes from."""

import math
from dataclasses import dataclass
from typing import Protocol

import numba
import numpy as np
from numpy.typing import NDArray

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
