"""Exponential smoothing of a level with weekday factors; its discount is tuned on training days.

``F_t = a_t sum_j c_(t+j)`` with ``a_t = sum_k w^k D_(t-k) / sum_k w^k c_(t-k)`` over the last 28
days; c are weekday factors, times the effects of what is known of the days ahead.

A new series has too few training days for factors of its own. It begins with those of the other
series, f, and learns its own as its days come in: with a its level under f, and S the demand on the
n same weekdays that count among the last 28 days,

``c = (k a f + S) / (a (k + n))``, ``k = OTHERS_WEEKS + OTHERS_UNITS u / a``,

the mean of a gamma law after days with overdispersed Poisson demand: what others sell counts as a
week of the series, and as more weeks where it sells little and a week is less informative; u is 1,
or the mean of the days with demand if that is less, as where quantities are tonnes.

References
----------
Brown (1963), Smoothing, Forecasting and Prediction of Discrete Time Series, chapters 9 and 12:
discounted least squares, here of ``D = a c`` with weights ``w^k / c``; Gelman and Hill (2007), Data
Analysis Using Regression and Multilevel/Hierarchical Models, chapter 12 (partial pooling).
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from common.array_cache import made_once
from common.compiled import compiled
from demand.calendar import weekday_of
from demand.forecasts.errors import Floats, Whole, error_scale, training_windows
from demand.history import StoreHistory
from demand.known_demand import KNOWN_DAYS, WEEK, KnownDemand

MOST_AHEAD = 128
"""Most days ahead that a forecast may be for."""

DISCOUNTS = (0.99, 0.98, 0.97, 0.95, 0.93, 0.9, 0.85, 0.8, 0.7, 0.5)

LEAST_EFFECT = 0.25
"""Days with a smaller mean effect than this say nothing about the level."""

OTHERS_WEEKS, OTHERS_UNITS = 1.0, 5.0
"""Chosen by leaving out one of eight bakery shops at a time, full and thinned to 0.4 units a day,
on days before 2018: squared errors are the least, or within 2 % of it, at every size."""


@lru_cache(maxsize=8)
def smoothing(history: StoreHistory, days: int, *, informed: bool = False) -> "Smoothing":
    """Return the smoothing with the least squared errors on training days, computed once.

    `days` is the usual number of days to forecast, `informed` whether it uses what is known ahead.
    """
    factors, new = _weekday_factors(history, informed=informed)

    def scores() -> dict[str, Floats]:
        skus = range(len(factors))
        parts = (_squared_errors(history, k, days, factors, informed=informed) for k in skus)
        return {"scores": np.asarray(sum(parts))}

    found = made_once(history.key_of("smoothing", days, informed), scores)["scores"]
    return Smoothing(factors, new, DISCOUNTS[int(np.argmin(found))], informed=informed)


def _squared_errors(
    history: StoreHistory, sku: int, days: int, factors: Floats, *, informed: bool
) -> Floats:
    """Return the sum of squares of errors over `error_scale` for each of `DISCOUNTS`, at once."""
    windows = training_windows(history, sku, days)
    past = windows.known
    weekdays = (windows.start + np.arange(-KNOWN_DAYS, days)[:, None] - 1) % WEEK
    usual = factors[sku, weekdays]
    if informed and past.effects is not None:
        usual = usual * past.effects
    opened = past.open_days(0)
    counts = np.arange(KNOWN_DAYS, 0, -1)[:, None, None] <= opened
    demand, before = past.demand[:KNOWN_DAYS] * counts, usual[:KNOWN_DAYS] * counts
    weights = np.array(DISCOUNTS)[:, None] ** np.arange(KNOWN_DAYS, 0, -1)
    known, base, weight = (np.tensordot(weights, x, 1) for x in (demand, before, counts))
    total, evenly = demand.sum(axis=0), before.sum(axis=0)
    undiscounted = np.where(
        evenly >= LEAST_EFFECT * opened, total / np.maximum(evenly, 1e-9), past.usual
    )
    level = np.where(base >= LEAST_EFFECT * weight, known / np.maximum(base, 1e-9), undiscounted)
    errors = windows.errors(level * usual[KNOWN_DAYS:].sum(axis=0)) / error_scale(past, 0)
    return np.asarray(np.nansum(np.square(errors), axis=(1, 2)))


@lru_cache(maxsize=8)
def undiscounted(history: StoreHistory, *, informed: bool = False) -> "Smoothing":
    """Return the smoothing whose level is the unweighted mean of `KNOWN_DAYS` days."""
    return Smoothing(*_weekday_factors(history, informed=informed), 1.0, informed=informed)


def known_effects(past: KnownDemand) -> Floats:
    """Return the effects of days, which must be known (see `demand.forecasts.forecast`)."""
    if past.effects is None:
        raise TypeError("a batch without covariates")
    return past.effects


class Smoothing:
    """Weekday factors and a discounted level.

    Parameters
    ----------
    factors : ndarray
        Each weekday's demand over that of all days, shape (SKUs, 7, N), Monday first.
    new : ndarray
        Series that begin with the others' factors and learn their own, shape (SKUs, N).
    discount : float
        w, the weight of a day relative to the day after it.
    informed : bool
        Whether it uses what is known ahead.
    """

    def __init__(
        self, factors: Floats, new: NDArray[np.bool_], discount: float, *, informed: bool = False
    ) -> None:
        self.factors, self.new, self.informed = factors, new, informed
        self.discount = discount
        self._weights: Floats = np.power(discount, np.arange(1.0, KNOWN_DAYS + 1))

    def __call__(self, past: KnownDemand, day: int, days: Whole, sku: Whole) -> Floats:
        """Return F_t."""
        fitted = self.fit(past, day, sku)
        forecast: Floats = fitted.level * fitted.coming(days)
        return forecast

    def as_if_new(self) -> "Smoothing":
        """Return the same as if all series were new, beginning with the others' weekday factors.

        For series that are already new the result is meaningless.
        """
        known, others = np.where(self.new[:, None], 0.0, self.factors), (~self.new).sum() - 1
        factors = np.ones_like(known)
        if others > 0:
            factors = (known.sum(axis=(0, 2))[:, None] - known) / others
        new = np.full_like(self.new, self.new.any())  # none if there are no weekdays
        return Smoothing(factors, new, self.discount, informed=self.informed)

    def fit(self, past: KnownDemand, day: int, sku: Whole) -> "FittedLevel":
        """Return the fit with level a_t; `sku` is the SKU of each world, shape (worlds,)."""
        effects, opened, row = self._effects(past), past.open_days(day), KNOWN_DAYS + day
        today, factors, of_world = past.start + day, self.factors, sku
        if self.new.any():
            factors = learned_factors(
                factors, self.new, past.demand, effects, opened, row, today, sku
            )
            of_world = np.arange(sku.size)
        level, deviation, base = smoothed_level(
            factors,
            self._weights,
            past.demand,
            effects,
            opened,
            np.ascontiguousarray(np.broadcast_to(past.usual, past.demand.shape[1:])),
            row,
            today,
            of_world,
        )
        return FittedLevel(level, deviation, base, factors, of_world, effects[row:], today)

    def _effects(self, past: KnownDemand) -> Floats:
        if self.informed:
            return known_effects(past)
        rows, *rest = past.demand.shape
        return np.broadcast_to(np.ones(1), (rows + MOST_AHEAD, *rest))


class FittedLevel(NamedTuple):
    """The levels of a morning, and the weekday factors that multiply them.

    Attributes
    ----------
    level, deviation : ndarray
        a_t, and the standard deviation around it of the days that it is computed from, shape
        (worlds, N) [units/day].
    base : ndarray
        The sum of these days' factors, shape (worlds, N).
    factors, of_world, effects, today : ndarray
        Arguments of `coming_factors`.
    """

    level: Floats
    deviation: Floats
    base: Floats
    factors: Floats
    of_world: Whole
    effects: Floats
    today: Whole

    def coming(self, days: Whole) -> Floats:
        """Return the sum of the factors of each world's next `days` days, shape (worlds, N)."""
        total: Floats = coming_factors(self.factors, self.effects, self.today, days, self.of_world)
        return total


@compiled
def coming_factors(
    factors: Floats, effects: Floats, today: Whole, days: Whole, of_world: Whole
) -> Floats:
    """Return the sum of the factors of `days` days from today on, shape (worlds, N).

    Parameters
    ----------
    factors : ndarray
        Weekday factors, shape (rows, 7, N), Monday first.
    effects : ndarray
        Effects of what is known ahead, from today on, shape (days, worlds, N).
    today, days, of_world : ndarray
        Each world's day (an ordinal), number of days and row of `factors`, shape (worlds,).
    """
    total = np.zeros((days.size, factors.shape[2]))
    for w in range(days.size):
        for j in range(days[w]):
            total[w] += factors[of_world[w], weekday_of(today[w], j)] * effects[j, w]
    return total


@compiled
def learned_factors(
    factors: Floats,
    new: NDArray[np.bool_],
    demand: Floats,
    effects: Floats,
    opened: Whole,
    row: int,
    today: Whole,
    sku: Whole,
) -> Floats:
    """Return the weekday factors of each world, those of new series updated with their own days.

    Parameters
    ----------
    factors, new
        As in `Smoothing`.
    demand, effects, opened, row, today, sku
        As in `smoothed_level`.

    Returns
    -------
    ndarray
        Shape (worlds, 7, N).
    """
    learned = np.empty((sku.size, *factors.shape[1:]))
    sold, counted = np.empty(WEEK), np.empty(WEEK)
    for w in range(sku.size):
        learned[w] = factors[sku[w]]
        for i in range(factors.shape[2]):
            if not new[sku[w], i]:
                continue
            sold[:], counted[:] = 0.0, 0.0
            evenly, sales = 0.0, 0
            back = min(KNOWN_DAYS, opened[w, i])
            for k in range(1, back + 1):
                weekday, effect = weekday_of(today[w], -k), effects[row - k, w, i]
                sold[weekday] += demand[row - k, w, i]
                sales += demand[row - k, w, i] > 0.0
                counted[weekday] += effect
                evenly += factors[sku[w], weekday, i] * effect
            if sold.sum() > 0.0 and evenly >= LEAST_EFFECT * back:
                level = sold.sum() / evenly
                others = OTHERS_WEEKS + OTHERS_UNITS * min(sold.sum() / sales, 1.0) / level
                for j in range(WEEK):
                    total = others * level * learned[w, j, i] + sold[j]
                    learned[w, j, i] = total / (level * (others + counted[j]))
    return learned


@compiled
def smoothed_level(
    factors: Floats,
    weights: Floats,
    demand: Floats,
    effects: Floats,
    opened: Whole,
    otherwise: Floats,
    row: int,
    today: Whole,
    of_world: Whole,
) -> tuple[Floats, Floats, Floats]:
    """Return the level a_t, the standard deviation of its days around it, and their base.

    If the days of most weight were nearly all closed, so that their few units would count for many,
    all days weigh the same.

    Parameters
    ----------
    factors, of_world
        As in `coming_factors`.
    weights : ndarray
        Weights of the days before today, the last one first.
    demand, effects : ndarray
        Shape (days, worlds, N) [units/day]; `row` is today's, whose demand is not known.
    opened : ndarray
        Number of the days before that count, shape (worlds, N).
    otherwise : ndarray
        The level if all of them were closed, shape (worlds, N) [units/day].
    today : ndarray
        Ordinal of today, shape (worlds,).

    Returns
    -------
    level, deviation, base : ndarray
        Shape (worlds, N) each [units/day, units/day, days].
    """
    shape = demand.shape[1:]
    level, deviation, bases = np.empty(shape), np.empty(shape), np.empty(shape)
    errors, usual = np.empty(weights.size), np.empty(weights.size)
    for w in range(shape[0]):
        first = weekday_of(today[w], -1)
        for i in range(shape[1]):
            back, weekday = min(weights.size, opened[w, i]), first
            known, base, weight, total, evenly = 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(back):
                usual[k] = factors[of_world[w], weekday, i] * effects[row - 1 - k, w, i]
                weekday = weekday - 1 if weekday else 6
                known += weights[k] * demand[row - 1 - k, w, i]
                base += weights[k] * usual[k]
                weight += weights[k]
                total += demand[row - 1 - k, w, i]
                evenly += usual[k]
            if base >= LEAST_EFFECT * weight:
                level[w, i] = known / base
            elif evenly >= LEAST_EFFECT * back:
                level[w, i] = total / evenly
            else:
                level[w, i] = otherwise[w, i]
            for k in range(back):
                errors[k] = demand[row - 1 - k, w, i] - level[w, i] * usual[k]
            deviation[w, i], bases[w, i] = errors[:back].std(), evenly
    return level, deviation, bases


def _weekday_factors(history: StoreHistory, *, informed: bool) -> tuple[Floats, NDArray[np.bool_]]:
    """Return each series' factors, and which series begin with those of others."""
    factors, new = _own_weekday_factors(history, informed=informed), history.new
    if history.season[0] == 1 or not new.any():
        return factors, np.zeros_like(new)
    of_others = np.moveaxis(factors, 1, -1)[~new]
    alike = of_others.mean(axis=0) if len(of_others) else np.ones(WEEK)
    return np.where(new[:, None], alike[:, None], factors), new


def _own_weekday_factors(history: StoreHistory, *, informed: bool) -> Floats:
    training = history.training
    if history.season[0] == 1:
        return np.ones((training.shape[1], WEEK, training.shape[2]))
    weekday = (history.table.first_day.weekday() + np.arange(len(training))) % WEEK
    mean = np.maximum(training.mean(axis=0), 1e-9)
    usual = [training[weekday == w].mean(axis=0) for w in range(WEEK)]
    factors: Floats = np.stack(usual, axis=1) / mean[:, None]
    if not informed or history.effects is None:
        return factors
    effects = history.effects[: len(training)]
    over = np.stack([effects[weekday == w].mean(axis=0) for w in range(WEEK)], axis=1)
    informed_factors: Floats = factors / np.maximum(over, LEAST_EFFECT)
    return informed_factors
