"""Episodes made of training days: as they were, resampled, or drawn from a fitted law."""

from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Days = NDArray[np.integer]

BLOCK = 14
"""Days that the bootstrap keeps together; whole weeks, so that weekdays stay what they are."""

REACH = 6
"""Weeks from which the bootstrap takes a block, before and after its place."""

SMOOTHING = 57
"""Days whose mean is the level of the middle one, in the fitted law."""


class Drawn(Protocol):
    """Demand of episodes, shape (episodes, days, stores)."""

    def __call__(self, rng: np.random.Generator, demand: Floats, days: Days, sku: Days) -> Floats:
        """Return demand of `days` (rows of days of `demand`) for each SKU in `sku`."""


def real_days(rng: np.random.Generator, demand: Floats, days: Days, sku: Days) -> Floats:
    """Return the days as they were."""
    del rng
    drawn: Floats = demand[days, sku[:, None]]
    return drawn


def bootstrap(rng: np.random.Generator, demand: Floats, days: Days, sku: Days) -> Floats:
    """Return blocks of `BLOCK` days, each from a few weeks before or after, in place of the days.

    The local block bootstrap (Paparoditis and Politis 2002, Local block bootstrap, Comptes Rendus
    Mathematique 335(11)): level and season stay as they were at the time, and stores keep what
    they have in common.
    """
    blocks = -(-days.shape[1] // BLOCK)
    shift = 7 * rng.integers(-REACH, REACH + 1, (len(days), blocks))
    moved = days + np.repeat(shift, BLOCK, axis=1)[:, : days.shape[1]]
    # what would leave the period goes the other way: weekdays stay, and so does the period
    moved = np.where((moved < 0) | (moved >= len(demand)), 2 * days - moved, moved)
    moved = np.where((moved < 0) | (moved >= len(demand)), days, moved)
    return real_days(rng, demand, moved, sku)


def parametric(rng: np.random.Generator, demand: Floats, days: Days, sku: Days) -> Floats:
    """Draw from a law fitted to the demand: independent days, each with its level and weekday.

    Negative binomial where demand comes in whole units, and gamma otherwise.
    """
    mean, spread = _fitted(_Held(demand))
    m = mean[days, sku[:, None]]
    v = np.broadcast_to(spread[sku[:, None]], m.shape)
    some = np.maximum(m, 1e-9)
    if (demand == np.round(demand)).all():
        shape = 1.0 / np.maximum(v, 1e-6)  # variance = mean + v mean^2
        rate = rng.gamma(shape, some / shape)
        return np.where(m > 0, rng.poisson(rate), 0).astype(np.float64)
    shape = 1.0 / np.maximum(v, 1e-6)  # variance = v mean^2
    return np.where(m > 0, rng.gamma(shape, some / shape), 0.0)


class _Held:
    """An array as a key: the same one is fitted once."""

    def __init__(self, values: Floats) -> None:
        self.values = values
        base = values.__array_interface__["data"][0]
        self._key = (base, values.shape)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and self._key == other._key


@lru_cache(maxsize=2)
def _fitted(held: _Held) -> tuple[Floats, Floats]:
    """Return the mean of every day, as `demand`, and each lane's squared variation beyond it.

    The mean is the level around the day, a moving mean of `SMOOTHING` days, times the weekday's
    factor. The variation is ``E[(D - m)^2 - m] / E[m^2]`` for whole units, without ``- m`` else.
    """
    demand = held.values
    total = np.concatenate([np.zeros((1, *demand.shape[1:])), np.cumsum(demand, axis=0)])
    at, half = np.arange(len(demand)), SMOOTHING // 2
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(demand))
    level = (total[high] - total[low]) / (high - low)[:, None, None]
    mean = level.copy()
    for weekday in range(min(7, len(demand))):
        usual = level[weekday::7].sum(axis=0)
        factor = demand[weekday::7].sum(axis=0) / np.maximum(usual, 1e-12)
        mean[weekday::7] *= np.where(usual > 0, factor, 1.0)
    counted = bool((demand == np.round(demand)).all())
    beyond = ((demand - mean) ** 2 - (mean if counted else 0.0)).mean(axis=0)
    spread = np.maximum(beyond, 0.0) / np.maximum((mean**2).mean(axis=0), 1e-12)
    return mean, spread
