"""Demand laws as a few hundred values with probabilities, for exact expectations.

The line is cut into strata, fine even in the tails, and each stratum is represented by its
conditional mean. The expectation of a piecewise linear function is exact except for the strata with
its kinks, and errs upwards where it is concave (Jensen's inequality).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from common.errors import choose
from demand.laws import DemandModel

Floats = NDArray[np.float64]

STRATA = 600
_TAIL = 1e-8
"""Probability beyond the last stratum but one."""
WHOLE = 1e-6
"""Largest mean distance to whole numbers of integer demand, due to its lumped tail [units]."""


class DemandPoints(NamedTuple):
    """Values of demand and their probabilities.

    Attributes
    ----------
    points, chances : ndarray
        Shape (T, J): one row per day [units/day].
    """

    points: Floats
    chances: Floats

    @property
    def least_std(self) -> float:
        """Smallest standard deviation of a day's demand [units/day]."""
        mean = (self.chances * self.points).sum(axis=1, keepdims=True)
        return float(np.sqrt((self.chances * (self.points - mean) ** 2).sum(axis=1)).min())

    @property
    def largest(self) -> Floats:
        """Largest demand of every day, shape (T,) [units/day]."""
        return np.asarray(np.where(self.chances > 0.0, self.points, 0.0).max(axis=1))

    def fitting(self, unit: float) -> float:
        """Return `unit` or, for integer demand, a smaller one that divides 1."""
        fractions = np.abs(self.points - np.round(self.points))
        whole = float((self.chances * fractions).sum(axis=1).max()) < WHOLE
        return 1.0 / math.ceil(1.0 / unit) if whole and unit < 1.0 else unit


class _Law(NamedTuple):
    """Quantiles, ``P(D <= x)`` and ``E[D; D <= x]`` of a law of demand."""

    quantile: Callable[[Floats], Floats]
    below: Callable[[Floats], Floats]
    mean_below: Callable[[Floats], Floats]


def demand_points(
    model: DemandModel, mean: ArrayLike, std: ArrayLike, strata: int = STRATA
) -> DemandPoints:
    """Return the strata of every day's demand.

    Parameters
    ----------
    model : {"normal", "poisson", "negative_binomial", "gamma", "rounded_gamma"}
        ``"normal"`` is ``max(0, N(mean, std))``; ``"poisson"`` needs no `std`.
    mean, std : array_like
        Mean and standard deviation of each day, shape (T,) [units/day].
    strata : int
        Number of strata.

    Examples
    --------
    >>> law = demand_points("normal", [50.0], [10.0])
    >>> round(float((law.points * law.chances).sum()), 4)
    50.0
    """
    choose("demand_model", model, _LAWS)
    means, stds = np.broadcast_arrays(np.atleast_1d(mean), np.atleast_1d(std))
    rows = [_one_day(model, float(m), float(s), strata) for m, s in zip(means, stds, strict=True)]
    return DemandPoints(
        np.array([points for points, _ in rows]), np.array([chance for _, chance in rows])
    )


def _one_day(model: DemandModel, mean: float, std: float, strata: int) -> tuple[Floats, Floats]:
    """Return values and probabilities of one day, padded with values of probability 0."""
    if (mean <= 0.0 and model != "normal") or (std <= 0.0 and model != "poisson"):
        return np.full(strata, max(0.0, mean)), np.eye(strata)[0]
    law = _LAWS[model](mean, std)
    low, high = law.quantile(np.array([_TAIL, 1.0 - _TAIL]))
    edges = np.linspace(max(0.0, low), max(0.0, high), strata - 1)
    if model in ("poisson", "negative_binomial", "rounded_gamma"):
        edges = np.round(edges)
    # a stratum ends with its edge; the last one lies above all edges
    chances = np.diff(law.below(edges), prepend=0.0, append=1.0)
    total = float(law.mean_below(np.array([np.inf]))[0])
    means = np.diff(law.mean_below(edges), prepend=0.0, append=total)
    some = chances > 1e-14
    points = np.where(some, means / np.where(some, chances, 1.0), np.append(edges, edges[-1]))
    chances = np.where(some, chances, 0.0)
    return points, chances / chances.sum()


def _normal(mean: float, std: float) -> _Law:
    """Return the normal law floored at 0."""
    from scipy import stats

    floor = stats.norm.cdf(-mean / std), stats.norm.pdf(-mean / std)

    def mean_below(x: Floats) -> Floats:
        z = (x - mean) / std
        inner = mean * (stats.norm.cdf(z) - floor[0]) + std * (floor[1] - stats.norm.pdf(z))
        return np.asarray(inner, np.float64)

    law = stats.norm(mean, std)
    return _Law(law.ppf, law.cdf, mean_below)


def _gamma(mean: float, std: float) -> _Law:
    """Return the gamma law; ``x f(x; a) = mean f(x; a + 1)``."""
    from scipy import stats

    shape, scale = mean**2 / std**2, std**2 / mean
    law, biased = stats.gamma(shape, scale=scale), stats.gamma(shape + 1.0, scale=scale)
    return _Law(law.ppf, law.cdf, lambda x: np.asarray(mean * biased.cdf(x), np.float64))


def rounded_gamma(mean: float, std: float) -> Floats:
    """Return the probabilities of 0, 1, ... of gamma demand rounded to the nearest whole number.

    The tail, of a probability of about 1e-14, is added to the last value.

    Examples
    --------
    >>> law = rounded_gamma(4.0, 2.0)
    >>> round(float(law @ np.arange(law.size)), 3), np.round(law[:3], 4).tolist()
    (4.0, [0.0018, 0.0639, 0.1768])
    """
    from scipy import stats

    law = stats.gamma(mean**2 / std**2, scale=std**2 / mean)
    edges = np.arange(int(law.isf(1e-14)) + 2) + 0.5
    below = law.cdf(edges)
    below[-1] = 1.0
    return np.asarray(np.diff(below, prepend=0.0), np.float64)


def _rounded_gamma(mean: float, std: float) -> _Law:
    """Return the law of `rounded_gamma`, by its cumulative sums."""
    from scipy import stats

    law = rounded_gamma(mean, std)
    chances, means = np.cumsum(law), np.cumsum(law * np.arange(law.size))
    ppf = stats.gamma(mean**2 / std**2, scale=std**2 / mean).ppf

    def at(x: Floats) -> NDArray[np.int64]:
        return np.floor(np.clip(x, 0, law.size - 1)).astype(np.int64)

    return _Law(lambda p: np.rint(ppf(p)), lambda x: chances[at(x)], lambda x: means[at(x)])


def _poisson(mean: float, std: float) -> _Law:  # noqa: ARG001
    """Return the Poisson law; ``n f(n) = mean f(n - 1)``."""
    from scipy import stats

    law = stats.poisson(mean)
    return _Law(law.ppf, law.cdf, lambda x: np.asarray(mean * law.cdf(x - 1.0), np.float64))


def _negative_binomial(mean: float, std: float) -> _Law:
    """Return the negative binomial law; ``n f(n; r) = mean f(n - 1; r + 1)``."""
    from scipy import stats

    size, chance = mean**2 / (std**2 - mean), mean / std**2
    law, biased = stats.nbinom(size, chance), stats.nbinom(size + 1.0, chance)
    return _Law(law.ppf, law.cdf, lambda x: np.asarray(mean * biased.cdf(x - 1.0), np.float64))


_LAWS: dict[str, Callable[[float, float], _Law]] = {
    "normal": _normal,
    "poisson": _poisson,
    "negative_binomial": _negative_binomial,
    "gamma": _gamma,
    "rounded_gamma": _rounded_gamma,
}
