"""More training episodes than history holds: training days resampled in blocks of days."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from demand.known_demand import WEEK

Floats = NDArray[np.float64]
MOST_DAYS = 28
INSIGNIFICANT = 5
"""So many insignificant autocorrelations in a row end the memory of a series."""


def block_length(series: Floats) -> int:
    """Return the block length in days, from 1 (independent days) to `MOST_DAYS`.

    Parameters
    ----------
    series : ndarray
        Shape (days, series), stationary; all series are assumed to have the same memory.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> block_length(rng.normal(size=(700, 3)))
    1
    """
    days = len(series)
    rho = autocorrelations(series, min(MOST_DAYS + INSIGNIFICANT, days // 3))
    chance = np.abs(rho[1:]) < 2.0 * np.sqrt(np.log10(max(days, 2)) / max(days, 1))
    runs = (chance[k : k + INSIGNIFICANT].all() for k in range(len(chance)))
    memory = next((k for k, over in enumerate(runs) if over), len(chance))
    if memory == 0:
        return 1
    lags = np.arange(1, min(2 * memory, len(rho) - 1) + 1)
    # the flat-top window: 1 up to the memory, then falling to 0
    weighted = np.clip(2.0 - lags / memory, 0.0, 1.0) * rho[lags]
    spectrum = 1.0 + 2.0 * weighted.sum()
    slope = 2.0 * (lags * weighted).sum()
    best = (1.5 * days * slope**2 / max(spectrum**2, 1e-12)) ** (1 / 3)
    return int(np.clip(round(best), 1, MOST_DAYS))


def autocorrelations(series: Floats, lags: int) -> Floats:
    """Return the autocorrelation at lags 0 to `lags`, averaged over series that vary at all."""
    centred = series - series.mean(axis=0)
    variance = (centred**2).sum(axis=0)
    varies = variance > 0
    if not varies.any():
        return np.concatenate([[1.0], np.zeros(lags)])
    some, whole = centred[:, varies], variance[varies]
    days = len(some)
    products = [(some[k:] * some[: days - k]).sum(axis=0) / whole for k in range(lags + 1)]
    return np.array([product.mean() for product in products])


Days = NDArray[np.integer]

LEVEL_DAYS = 57
"""Length of the centred moving average that is the level of a day [days]."""

LEAST_USUAL = 1 / 3
"""Days whose usual demand is below this share of their weekday's mean give no remainders."""

RESAMPLING_ARRAYS = 8
"""Most arrays of the size of all training days that the decomposition holds at once."""

MOST_POINTS = 128
"""Most remainders that represent the law of a weekday."""


@dataclass(frozen=True, eq=False)
class TrainingDays:
    """The demand of consecutive days, to draw episodes from.

    Attributes
    ----------
    demand : ndarray
        Shape (days, SKUs, stores) [units/day].
    effects : ndarray or None
        Factor on each day's demand of what is known of it ahead, which is not resampled; shape of
        `demand`.
    cycle : int
        Length of the short season, the 7 weekdays; 1 where the periods are not days.
    """

    demand: Floats
    effects: Floats | None = None
    cycle: int = WEEK

    def bootstrap(self, rng: np.random.Generator, days: Days, sku: Days) -> Floats:
        """Return the days with remainders resampled from other days of the period.

        Remainders are drawn in blocks of `block` days from all weeks, each onto its own weekday,
        and all stores get the remainders of the same day.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        days : ndarray
            Days of the period, from 0, shape (episodes, days).
        sku : ndarray
            SKU of each episode, shape (episodes,).

        Returns
        -------
        ndarray
            Shape (episodes, days, stores) [units/day].
        """
        count = -(-days.shape[1] // self.block)
        first = days[:, :1] + self.block * np.arange(count)
        weekday = first % self.cycle
        weeks = (len(self.demand) - self.block - weekday) // self.cycle + 1
        source = weekday + self.cycle * rng.integers(0, weeks)
        taken = (source[..., None] + np.arange(self.block)).reshape(len(days), -1)
        row = sku[:, None]
        made: Floats = self.usual[days, row] * self.remainders[taken[:, : days.shape[1]], row]
        return made

    def parametric(self, rng: np.random.Generator, days: Days, sku: Days) -> Floats:
        """Return independent days with a fitted law of the remainders; arguments as `bootstrap`.

        The law is negative binomial where demand comes in whole units, and gamma otherwise.
        """
        m = self.usual[days, sku[:, None]]
        some = np.maximum(m, 1e-9)
        shape = 1.0 / np.maximum(np.broadcast_to(self.spread[sku[:, None]], m.shape), 1e-6)
        drawn = rng.gamma(shape, some / shape)  # of variance spread * m^2
        if self.whole_units:
            drawn = rng.poisson(drawn).astype(np.float64)
        return np.where(m > 0, drawn, 0.0)

    def law(self, days: Days, sku: Days) -> Floats:
        """Return equally likely values that represent a day's demand under `bootstrap`.

        Where blocks are longer than a day, this is the law of a day given nothing of its past.

        Parameters
        ----------
        days, sku : ndarray
            Shape (episodes,) each.

        Returns
        -------
        ndarray
            Shape (episodes, stores, J) [units].
        """
        values: Floats = self.usual[days, sku][..., None] * self._points[days % self.cycle, sku]
        return values

    @cached_property
    def whole_units(self) -> bool:
        """Whether demand comes in whole units."""
        return bool((self.demand == np.round(self.demand)).all())

    @cached_property
    def usual(self) -> Floats:
        """Usual demand of each day, as `demand`; 0 before the first and after the last sale."""
        return usual_days(self.demand, self.effects, self.cycle)

    @cached_property
    def _sold(self) -> NDArray[np.bool_]:
        """Whether a day lies between the series' first and last sale, shape of `demand`."""
        return _sold_days(self.demand)

    @cached_property
    def spread(self) -> Floats:
        """Squared variation of each series around `usual`, shape (SKUs, stores).

        ``E[(D - m)^2 - m] / E[m^2]`` for whole units; otherwise without ``- m``.
        """
        demand, mean = self.demand, self.usual
        beyond = ((demand - mean) ** 2 - (mean if self.whole_units else 0.0)).mean(axis=0)
        spread: Floats = np.maximum(beyond, 0.0) / np.maximum((mean**2).mean(axis=0), 1e-12)
        return spread

    @cached_property
    def remainders(self) -> Floats:
        """Remainders of all days, shape of `demand`.

        Uninformative days (`LEAST_USUAL`) take those of other days of the same weekday in turn,
        and 1 where there are none.
        """
        usual, sold = self.usual, self._sold
        remainders: Floats = np.where(usual > 0, self.demand / np.maximum(usual, 1e-12), 1.0)
        cycle = self.cycle
        for weekday in range(min(cycle, len(usual))):
            own, level = remainders[weekday::cycle], usual[weekday::cycle]
            mean = level.sum(axis=0) / np.maximum(sold[weekday::cycle].sum(axis=0), 1)
            known = (level >= LEAST_USUAL * mean) & (level > 0)
            first_known = np.argsort(~known, axis=0, kind="stable")
            turns = np.arange(len(own))[:, None, None] % np.maximum(known.sum(axis=0), 1)
            others = np.take_along_axis(
                np.where(known, own, 1.0), np.take_along_axis(first_known, turns, 0), 0
            )
            remainders[weekday::cycle] = np.where(known, own, others)
        return remainders

    @cached_property
    def block(self) -> int:
        """Block length of the resampling, as long as remainders are autocorrelated [days]."""
        found = block_length(self.remainders.reshape(len(self.demand), -1))
        return max(1, min(found, len(self.demand) // self.cycle))

    @cached_property
    def _points(self) -> Floats:
        """Remainders in ascending order by weekday, shape (7 or 1, SKUs, stores, J)."""
        weeks = len(self.remainders) // self.cycle
        whole = self.remainders[: self.cycle * weeks]
        whole = whole.reshape(weeks, self.cycle, *self.demand.shape[1:])
        rising = np.sort(whole, axis=0)
        if weeks > MOST_POINTS:
            rising = _strata_means(rising, MOST_POINTS)
        return np.ascontiguousarray(np.moveaxis(rising, 0, -1))


def usual_days(demand: Floats, effects: Floats | None = None, cycle: int = WEEK) -> Floats:
    """Return the usual demand of each day: its level, weekday and what is known of it ahead.

    Parameters
    ----------
    demand : ndarray
        Shape (days, SKUs, stores) [units/day].
    effects : ndarray, optional
        Factor on each day's demand, shape of `demand`.
    cycle : int
        As in `TrainingDays`.

    Returns
    -------
    ndarray
        Shape of `demand`; 0 before the first and after the last sale of a series.
    """
    sold, before = _sold_days(demand), np.zeros((1, *demand.shape[1:]))
    counted = sold if effects is None else sold * effects
    total, days = (np.concatenate([before, np.cumsum(x, axis=0)]) for x in (demand, counted))
    at, half = np.arange(len(demand)), LEVEL_DAYS // 2
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(demand))
    least = 1 if effects is None else 1.0 / WEEK  # a window of closed days has no level
    level = sold * (total[high] - total[low]) / np.maximum(days[high] - days[low], least)
    usual: Floats = level.copy() if effects is None else level * effects
    for weekday in range(min(cycle, len(demand))):
        whole = usual[weekday::cycle].sum(axis=0)
        factor = demand[weekday::cycle].sum(axis=0) / np.maximum(whole, 1e-12)
        usual[weekday::cycle] *= np.where(whole > 0, factor, 1.0)
    return usual


def mean_sale(demand: Floats) -> Floats:
    """Return the mean demand of a series' days with demand, 0 if none, shape (SKUs, stores)."""
    return np.asarray(demand.sum(axis=0) / np.maximum((demand > 0).sum(axis=0), 1))


def usual_sale(demand: Floats) -> Floats:
    """Return `mean_sale`, but at most 1, and 1 where there is none, shape (SKUs, stores).

    It is the yardstick of small demand where quantities are tonnes rather than pieces.
    """
    sales = mean_sale(demand)
    return np.where(sales > 0, np.minimum(sales, 1.0), 1.0)


def _sold_days(demand: Floats) -> NDArray[np.bool_]:
    """Return whether a day lies between the first and the last sale of its series."""
    begun = np.cumsum(demand, axis=0) > 0
    goes_on = np.cumsum(demand[::-1], axis=0)[::-1] > 0
    sold: NDArray[np.bool_] = begun & goes_on
    return sold


def _strata_means(rising: Floats, strata: int) -> Floats:
    """Return the means of strata of equal probability along the first axis."""
    total = np.concatenate([np.zeros((1, *rising.shape[1:])), np.cumsum(rising, axis=0)])
    ends = np.linspace(0, len(rising), strata + 1)
    low = np.minimum(ends.astype(np.intp), len(rising) - 1)
    part = (ends - low).reshape(-1, *[1] * (rising.ndim - 1))
    means: Floats = np.diff(total[low] + part * rising[low], axis=0) * strata / len(rising)
    return means
