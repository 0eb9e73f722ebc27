"""More experience than history holds: training days taken apart and put together anew.

A day's demand is taken for what is usual on it, times a remainder:

* *usual* is the level around the day, a moving mean of `LEVEL_DAYS` days, times its weekday's
  factor;
* the *remainder* is demand over what is usual.

``bootstrap`` draws remainders of other days, ``parametric`` draws from a law that is fitted to
them. Both keep level, season and weekdays where they were.

References
----------
Bergmeir, Hyndman and Benitez (2016), Bagging exponential smoothing methods using STL decomposition
and Box-Cox transformation, International Journal of Forecasting 32(2): blocks of what remains of a
series without trend and season are drawn, and put back.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from inventory.block_length import block_length

Floats = NDArray[np.float64]
Days = NDArray[np.integer]

WEEK = 7
LEVEL_DAYS = 57
"""Days whose mean is the level of the middle one."""

LEAST_USUAL = 1 / 3
"""Days with less than this share of what is usual on their weekday tell nothing of remainders."""

MOST_POINTS = 128
"""Remainders that stand for the law of a weekday, at most."""


@dataclass(frozen=True, eq=False)
class TrainingDays:
    """The demand of consecutive days, to draw episodes from.

    Attributes
    ----------
    demand : ndarray
        Shape (days, SKUs, stores) [units/day].
    """

    demand: Floats

    def bootstrap(self, rng: np.random.Generator, days: Days, sku: Days) -> Floats:
        """Return the days with remainders of other days of the period.

        Remainders are drawn in blocks of `block` days from all weeks, each for the weekday that it
        is from, and stores keep those that they had on the same day.

        Parameters
        ----------
        rng : numpy.random.Generator
            Where the randomness comes from.
        days : ndarray
            Days of the period, from 0, shape (episodes, days).
        sku : ndarray
            Of each episode, shape (episodes,).

        Returns
        -------
        ndarray
            Shape (episodes, days, stores) [units/day].
        """
        count = -(-days.shape[1] // self.block)
        first = days[:, :1] + self.block * np.arange(count)
        weekday = first % WEEK
        weeks = (len(self.demand) - self.block - weekday) // WEEK + 1
        source = weekday + WEEK * rng.integers(0, weeks)
        taken = (source[..., None] + np.arange(self.block)).reshape(len(days), -1)
        lane = sku[:, None]
        made: Floats = self.usual[days, lane] * self.remainders[taken[:, : days.shape[1]], lane]
        return made

    def parametric(self, rng: np.random.Generator, days: Days, sku: Days) -> Floats:
        """Return independent days with a fitted law of the remainders, as `bootstrap`.

        Negative binomial where demand comes in whole units, and gamma otherwise.
        """
        m = self.usual[days, sku[:, None]]
        some = np.maximum(m, 1e-9)
        shape = 1.0 / np.maximum(np.broadcast_to(self.spread[sku[:, None]], m.shape), 1e-6)
        drawn = rng.gamma(shape, some / shape)  # of variance spread * m^2
        if self.whole_units:
            drawn = rng.poisson(drawn).astype(np.float64)
        return np.where(m > 0, drawn, 0.0)

    def law(self, days: Days, sku: Days) -> Floats:
        """Return equally likely values that stand for a day's demand under `bootstrap`.

        Where blocks are longer than a day, that is its law without what the days before it tell.

        Parameters
        ----------
        days, sku : ndarray
            Shape (episodes,) each.

        Returns
        -------
        ndarray
            Shape (episodes, stores, J) [units].
        """
        values: Floats = self.usual[days, sku][..., None] * self._points[days % WEEK, sku]
        return values

    @cached_property
    def whole_units(self) -> bool:
        """Whether demand comes in whole units."""
        return bool((self.demand == np.round(self.demand)).all())

    @cached_property
    def usual(self) -> Floats:
        """What is usual on each day, as `demand`; 0 before the first and after the last sale."""
        demand = self.demand
        sold, before = self._sold, np.zeros((1, *demand.shape[1:]))
        total, days = (np.concatenate([before, np.cumsum(x, axis=0)]) for x in (demand, sold))
        at, half = np.arange(len(demand)), LEVEL_DAYS // 2
        low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(demand))
        level = sold * (total[high] - total[low]) / np.maximum(days[high] - days[low], 1)
        usual: Floats = level.copy()
        for weekday in range(min(WEEK, len(demand))):
            whole = level[weekday::WEEK].sum(axis=0)
            factor = demand[weekday::WEEK].sum(axis=0) / np.maximum(whole, 1e-12)
            usual[weekday::WEEK] *= np.where(whole > 0, factor, 1.0)
        return usual

    @cached_property
    def _sold(self) -> NDArray[np.bool_]:
        """Whether a day lies between the first and the last sale of its lane, as `demand`."""
        begun = np.cumsum(self.demand, axis=0) > 0
        goes_on = np.cumsum(self.demand[::-1], axis=0)[::-1] > 0
        sold: NDArray[np.bool_] = begun & goes_on
        return sold

    @cached_property
    def spread(self) -> Floats:
        """Squared variation of each lane around `usual`, shape (SKUs, stores).

        ``E[(D - m)^2 - m] / E[m^2]`` for whole units, without ``- m`` else.
        """
        demand, mean = self.demand, self.usual
        beyond = ((demand - mean) ** 2 - (mean if self.whole_units else 0.0)).mean(axis=0)
        spread: Floats = np.maximum(beyond, 0.0) / np.maximum((mean**2).mean(axis=0), 1e-12)
        return spread

    @cached_property
    def remainders(self) -> Floats:
        """Remainders of all days, as `demand`.

        Days that tell nothing (`LEAST_USUAL`) have those of other days of the same weekday, in
        turns, and 1 where there are none.
        """
        usual, sold = self.usual, self._sold
        remainders: Floats = np.where(usual > 0, self.demand / np.maximum(usual, 1e-12), 1.0)
        for weekday in range(min(WEEK, len(usual))):
            own, level = remainders[weekday::WEEK], usual[weekday::WEEK]
            mean = level.sum(axis=0) / np.maximum(sold[weekday::WEEK].sum(axis=0), 1)
            known = (level >= LEAST_USUAL * mean) & (level > 0)
            first_known = np.argsort(~known, axis=0, kind="stable")
            turns = np.arange(len(own))[:, None, None] % np.maximum(known.sum(axis=0), 1)
            others = np.take_along_axis(
                np.where(known, own, 1.0), np.take_along_axis(first_known, turns, 0), 0
            )
            remainders[weekday::WEEK] = np.where(known, own, others)
        return remainders

    @cached_property
    def block(self) -> int:
        """Days whose remainders are drawn together, as far as these hang together."""
        found = block_length(self.remainders.reshape(len(self.demand), -1))
        return max(1, min(found, len(self.demand) // WEEK))

    @cached_property
    def _points(self) -> Floats:
        """Remainders in rising order by weekday, shape (7, SKUs, stores, J)."""
        weeks = len(self.remainders) // WEEK
        whole = self.remainders[: WEEK * weeks].reshape(weeks, WEEK, *self.demand.shape[1:])
        rising = np.sort(whole, axis=0)
        if weeks > MOST_POINTS:
            rising = _strata_means(rising, MOST_POINTS)
        return np.ascontiguousarray(np.moveaxis(rising, 0, -1))


def _strata_means(rising: Floats, strata: int) -> Floats:
    """Return the means of strata of equal probability along the first axis."""
    total = np.concatenate([np.zeros((1, *rising.shape[1:])), np.cumsum(rising, axis=0)])
    ends = np.linspace(0, len(rising), strata + 1)
    low = np.minimum(ends.astype(np.intp), len(rising) - 1)
    part = (ends - low).reshape(-1, *[1] * (rising.ndim - 1))
    means: Floats = np.diff(total[low] + part * rising[low], axis=0) * strata / len(rising)
    return means
