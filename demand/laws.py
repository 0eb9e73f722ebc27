"""Laws of demand: sampling, quantiles, and expected sales.

Laws of the supply chain are given by the mean and the standard deviation of each day's demand, as
arrays that broadcast against each other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled
from common.errors import InputError
from common.random_streams import normal


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


@compiled
def _loss(z: float) -> float:
    """Return the standard normal loss function ``L(z) = phi(z) - z * (1 - Phi(z))``."""
    density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return density - z * 0.5 * math.erfc(z / math.sqrt(2.0))


@compiled
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


DemandModel = Literal[
    "normal", "poisson", "negative_binomial", "gamma", "rounded_gamma", "empirical"
]
Floats = NDArray[np.float64]

POINTS = 40
"""Equally likely values that represent a law of demand in expected rewards."""
STRATUM = 25
"""Quantiles averaged for each of them."""
MAX_VALUES = 64
"""A Poisson law with no more values than these represents itself in expected rewards."""
_TAIL = 1e-13


def seasonal_mean(base: float, amplitude: float, period: float, days: int) -> Floats:
    """Return ``max(0, base * (1 + amplitude * sin(2 pi t / period)))`` for each day t.

    Returns
    -------
    ndarray
        Shape (days,) [units/day].
    """
    season = np.sin(2.0 * np.pi * np.arange(days) / period)
    mean: Floats = np.maximum(0.0, base * (1.0 + amplitude * season))
    return mean


def check_law(model: DemandModel, mean: Floats, std: Floats) -> None:
    """Make sure that the law exists.

    Raises
    ------
    InputError
        If a negative binomial law would need a variance at or below its mean.
    """
    if model == "negative_binomial" and ((std**2 <= mean) & (mean > 0)).any():
        worst = float(mean.max())
        raise InputError(
            f"demand_std = {float(std.min()):g}: negative_binomial needs a variance above the mean "
            f"of every day, so a demand_std above {worst**0.5:.4g}; or take demand_model=poisson"
        )


def draw_demand(
    rng: np.random.Generator, model: DemandModel, mean: Floats, std: Floats, shape: tuple[int, ...]
) -> Floats:
    """Draw demand.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    model : str
        ``"normal"``: ``max(0, N(mean, std))``; ``"poisson"``: ignores `std`;
        ``"negative_binomial"``; ``"gamma"``; ``"rounded_gamma"``: gamma rounded to the nearest
        whole number, with moments that differ a little from the given ones.
    mean, std : ndarray
        Mean and standard deviation of each day [units/day]; broadcast to `shape`.
    shape : tuple of int
        Shape of the result.
    """
    if model == "normal":
        demand = normal(rng, 0.0, 1.0, shape)
        demand *= std
        demand += mean
        return np.maximum(demand, 0.0, out=demand)
    if model == "poisson":
        return rng.poisson(mean, shape).astype(np.float64)
    variance = np.maximum(std**2, 1e-300)
    if model in ("gamma", "rounded_gamma"):
        some = np.maximum(mean, 1e-300)
        drawn = rng.gamma(some**2 / variance, variance / some, shape)
        drawn = np.where(std > 0, drawn, mean)
        drawn = np.rint(drawn) if model == "rounded_gamma" else drawn
    else:
        some = mean > 0  # without demand the law is degenerate at 0
        size = np.where(some, mean**2 / np.where(some, variance - mean, 1.0), 1.0)
        chance = np.where(some, mean / variance, 1.0)
        drawn = rng.negative_binomial(size, chance, shape).astype(np.float64)
    return np.where(mean > 0, drawn, 0.0)


def demand_points(model: DemandModel, mean: Floats, std: Floats) -> Floats:
    """Return `POINTS` equally likely values that represent the law, on a new last axis.

    Each is the mean of the law within one of `POINTS` strata of equal probability, so that the
    expectation of a piecewise linear function is exact except for the strata with its kinks.
    """
    from scipy import stats  # here: only training on expected rewards needs it

    levels = (np.arange(POINTS * STRATUM) + 0.5) / (POINTS * STRATUM)
    m, s = np.broadcast_arrays(np.asarray(mean)[..., None], np.asarray(std)[..., None])
    some, variance = np.maximum(m, 1e-9), np.maximum(s**2, 1e-18)
    values: Any
    if model == "normal":
        values = np.maximum(0.0, m + s * stats.norm.ppf(levels))
    elif model == "poisson":
        values = stats.poisson.ppf(levels, some)
    elif model in ("gamma", "rounded_gamma"):
        values = stats.gamma.ppf(levels, some**2 / variance, scale=variance / some)
        values = np.rint(values) if model == "rounded_gamma" else values
    else:
        over = np.maximum(variance - some, 1e-9)
        values = stats.nbinom.ppf(levels, some**2 / over, some / variance)
    values = np.where(m > 0, values, 0.0 if model != "normal" else values)
    strata: Floats = values.reshape(*values.shape[:-1], POINTS, STRATUM).mean(axis=-1)
    return strata


def law_points(models: Sequence[DemandModel], means: Floats, stds: Floats) -> tuple[Floats, Floats]:
    """Return values of demand and their probabilities, for expected rewards.

    Poisson laws of at most `MAX_VALUES` values are exact (but for a tail of probability 1e-13,
    added to the last value); all others have the equally likely values of `demand_points`.

    Parameters
    ----------
    models : sequence of str
        The laws of the lanes.
    means, stds : ndarray
        Mean and standard deviation of each day, shape (lanes, T, N) [units/day].

    Returns
    -------
    points, chances : ndarray
        Shape (lanes, T, N, J); chances are probabilities times J. They have shape
        (lanes, T, N, 0) where all values are equally likely.
    """
    from scipy import stats  # here: only training on expected rewards needs it

    last = 0
    if set(models) == {"poisson"}:
        last = int(stats.poisson.isf(_TAIL, float(means.max())))
    if not 0 < last < MAX_VALUES:
        laws = zip(models, means, stds, strict=True)
        points = np.stack([demand_points(*law) for law in laws])
        return points, np.empty((*means.shape, 0))
    values = np.arange(last + 1.0)
    chances = np.asarray(stats.poisson.pmf(values, means[..., None]))
    chances[..., -1] += stats.poisson.sf(last, means)
    return np.broadcast_to(values, chances.shape).copy(), chances * values.size
