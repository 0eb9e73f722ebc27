r"""Forecasts of demand of a file from the days before, for the L + r days that an order is for.

* ``"average"``: L + r times the mean of the last 7 days;
* ``"weekday"``: for each day the mean of the last four same weekdays (seasonal naive);
* ``"smoothing"``: each weekday's factor c times a level that forgets, ``F_t = a_t sum_j c_(t+j)``
  with ``a_t = sum_k w^k D_(t-k) / sum_k w^k c_(t-k)`` over the last 28 days.

Factors and the discount w come from training days.

Each has a form, ``"smoothing_covariates"`` and so on, that knows what is known ahead: days multiply
by m_t (`demand.known_ahead.levels`), so that levels are means of demand over means of m, and every
coming day's forecast is times its m; c m stands in the place of c.

References
----------
Brown (1963), Smoothing, Forecasting and Prediction of Discrete Time Series, chapters 9 and 12:
discounted least squares, here of ``D = a c`` with weights ``w^k / c``; Hyndman and Athanasopoulos
(2021), Forecasting: Principles and Practice, 3rd ed., sections 5.2 and 8.1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled
from common.errors import InputError
from demand.calendar import weekday_of
from demand.history import StoreHistory
from demand.known_demand import KNOWN_DAYS, WEEKS, KnownDemand, weekday_means

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
ForecastName = Literal[
    "average",
    "weekday",
    "smoothing",
    "average_covariates",
    "weekday_covariates",
    "smoothing_covariates",
]
COVARIATES = "_covariates"
Forecast = Callable[[KnownDemand, int, Whole, Whole], Floats]
"""From what is known, the day t, the number of days and the SKU of each world to F_t [units],
shape (worlds, N)."""

WEEK = 7
LEAST_SCALE = 0.5
"""Errors are divided by the recent mean, but by no less than this share of the training mean, lest
demand after quiet weeks counts for any multiple of it."""
MOST_AHEAD = 128
"""Days after the last one that a forecast may be for."""

DISCOUNTS = (0.99, 0.98, 0.97, 0.95, 0.93, 0.9, 0.85, 0.8, 0.7, 0.5)


LEAST_EFFECT = 0.25
"""Days that multiply by less than this on average say nothing of the level."""


def make_forecast(name: ForecastName, history: StoreHistory, days: int) -> Forecast:
    """Return a forecast; `days` is how many days it is mostly for.

    Raises
    ------
    InputError
        If it needs what is known ahead, and nothing is.
    """
    informed = name.endswith(COVARIATES)
    if informed and history.effects is None:
        raise InputError(
            f"{history.table.name}: nothing is known ahead that changed in the training period; "
            f"take {name.removesuffix(COVARIATES)}, or give a --calendar"
        )
    base = name.removesuffix(COVARIATES)
    if base == "smoothing":
        return smoothing(history, days, informed=informed)
    if informed:
        return {"average": _informed_average, "weekday": _informed_weekday}[base]
    return {"average": _average, "weekday": _weekday}[base]


def _average(past: KnownDemand, day: int, days: Whole, sku: Whole) -> Floats:
    del sku
    return days[:, None] * past.recent(day, WEEK)[0]


def _weekday(past: KnownDemand, day: int, days: Whole, sku: Whole) -> Floats:
    del sku
    ahead = np.arange(days.max())[:, None] < days
    total: Floats = (past.same_weekday(day, len(ahead)) * ahead[..., None]).sum(axis=0)
    return total


def _informed_average(past: KnownDemand, day: int, days: Whole, sku: Whole) -> Floats:
    del sku
    effects = _effects(past)
    coming = _coming_days(effects, day, days)
    total: Floats = _level(past, effects, day, WEEK) * coming.sum(axis=0)
    return total


def _informed_weekday(past: KnownDemand, day: int, days: Whole, sku: Whole) -> Floats:
    del sku
    effects = _effects(past)
    coming = _coming_days(effects, day, days)
    usual = weekday_means(effects, KNOWN_DAYS + day, len(coming), WEEKS, past.cycle)
    level = past.same_weekday(day, len(coming)) / np.maximum(usual, LEAST_EFFECT)
    level = np.where(usual >= LEAST_EFFECT, level, _level(past, effects, day, KNOWN_DAYS))
    total: Floats = (level * coming).sum(axis=0)
    return total


def _effects(past: KnownDemand) -> Floats:
    """Return what days multiply by, as they must be known (see `make_forecast`)."""
    if past.effects is None:
        raise TypeError("a batch without covariates")
    return past.effects


def _coming_days(effects: Floats, day: int, days: Whole) -> Floats:
    """Return what the coming days multiply by, 0 from day `days` on, (ahead, worlds, N)."""
    row, ahead = KNOWN_DAYS + day, np.arange(days.max())[:, None] < days
    return effects[row : row + len(ahead)] * ahead[..., None]


def _level(past: KnownDemand, effects: Floats, day: int, days: int) -> Floats:
    """Return demand of the last `days` days over what they multiply by, or the usual mean."""
    row = KNOWN_DAYS + day
    base = effects[row - days : row].mean(axis=0)
    level = past.demand[row - days : row].mean(axis=0) / np.maximum(base, LEAST_EFFECT)
    return np.where(base >= LEAST_EFFECT, level, past.usual)


@lru_cache(maxsize=8)
def smoothing(history: StoreHistory, days: int, *, informed: bool = False) -> "Smoothing":
    """Return the smoothing with the least squared errors on training days, found once.

    `days` is how many days it is mostly for, `informed` whether it knows what is known ahead.
    """
    factors = _weekday_factors(history, informed=informed)
    skus = range(len(factors))
    scores = sum(_squared_errors(history, k, days, factors, informed=informed) for k in skus)
    return Smoothing(factors, DISCOUNTS[int(np.argmin(scores))], informed=informed)


def _squared_errors(
    history: StoreHistory, sku: int, days: int, factors: Floats, *, informed: bool
) -> Floats:
    """Return the sum of squares of `forecast_errors` for each of `DISCOUNTS`, at once."""
    windows = _training_windows(history, sku, days)
    weekdays = (windows.start + np.arange(-KNOWN_DAYS, days)[:, None] - 1) % WEEK
    usual = factors[sku, weekdays]
    if informed and windows.effects is not None:
        usual = usual * windows.effects
    weights = np.array(DISCOUNTS)[:, None] ** np.arange(KNOWN_DAYS, 0, -1)
    known, base = (np.tensordot(weights, x[:KNOWN_DAYS], 1) for x in (windows.demand, usual))
    expected = known / np.maximum(base, 1e-9) * usual[KNOWN_DAYS:].sum(axis=0)
    errors: Floats = windows.relative_errors(expected)
    return np.asarray(np.square(errors).sum(axis=(1, 2)))


class Smoothing:
    """Weekday factors and a level that forgets.

    Parameters
    ----------
    factors : ndarray
        Each weekday's demand over that of all days, shape (SKUs, 7, N), Monday first.
    discount : float
        w, what a day counts beside the one after it.
    informed : bool
        Whether it knows what is known ahead.
    """

    def __init__(self, factors: Floats, discount: float, *, informed: bool = False) -> None:
        self.factors, self.discount, self.informed = factors, discount, informed
        self._weights: Floats = np.power(discount, np.arange(1.0, KNOWN_DAYS + 1))

    def __call__(self, past: KnownDemand, day: int, days: Whole, sku: Whole) -> Floats:
        """Return F_t."""
        forecast: Floats = self.fit(past, day, sku)[0] * self.coming(past, day, days, sku)
        return forecast

    def coming(self, past: KnownDemand, day: int, days: Whole, sku: Whole) -> Floats:
        """Return the sum of the factors of the coming days, shape (worlds, N)."""
        effects = self._effects(past)[KNOWN_DAYS + day :]
        total: Floats = coming_factors(self.factors, effects, past.start, day, days, sku)
        return total

    def fit(self, past: KnownDemand, day: int, sku: Whole) -> tuple[Floats, Floats]:
        """Return a_t, and the deviation of the days it is from around it.

        Returns
        -------
        level, deviation : ndarray
            Shape (worlds, N) each [units/day].
        """
        row = KNOWN_DAYS + day
        level, deviation = smoothed_level(
            self.factors,
            self._weights,
            past.demand,
            self._effects(past),
            row,
            past.start + day,
            sku,
        )
        if self.informed:  # days that were all closed say nothing
            shut = _effects(past)[row - KNOWN_DAYS : row].mean(axis=0) < LEAST_EFFECT
            level = np.where(shut, past.usual, level)
        return level, deviation

    def _effects(self, past: KnownDemand) -> Floats:
        if self.informed:
            return _effects(past)
        rows, *rest = past.demand.shape
        return np.broadcast_to(np.ones(1), (rows + MOST_AHEAD, *rest))


@compiled
def coming_factors(
    factors: Floats, effects: Floats, start: Whole, day: int, days: Whole, sku: Whole
) -> Floats:
    """Return the sum of the factors of `days` days from `day` on, shape (worlds, N).

    Parameters
    ----------
    factors : ndarray
        Of weekdays, shape (SKUs, 7, N), Monday first.
    effects : ndarray
        What is known ahead multiplies by, from `day` on, shape (days, worlds, N).
    start, days, sku : ndarray
        Each world's first day (an ordinal), number of days and SKU, shape (worlds,).
    day : int
        Day of the episode.
    """
    total = np.zeros((days.size, factors.shape[2]))
    for w in range(days.size):
        for j in range(days[w]):
            total[w] += factors[sku[w], weekday_of(start[w], day + j)] * effects[j, w]
    return total


@compiled
def smoothed_level(
    factors: Floats,
    weights: Floats,
    demand: Floats,
    effects: Floats,
    row: int,
    today: Whole,
    sku: Whole,
) -> tuple[Floats, Floats]:
    """Return the level a_t, and the deviation of the days it is from around it.

    Parameters
    ----------
    factors, sku
        As in `coming_factors`.
    weights : ndarray
        What the days before count, the last one first.
    demand, effects : ndarray
        Shape (days, worlds, N) [units/day]; `row` is today's, whose demand is not known.
    today : ndarray
        Its ordinal, shape (worlds,).

    Returns
    -------
    level, deviation : ndarray
        Shape (worlds, N) each [units/day].
    """
    back, shape = weights.size, demand.shape[1:]
    level, deviation = np.empty(shape), np.empty(shape)
    errors, usual = np.empty(back), np.empty(back)
    for w in range(shape[0]):
        first = weekday_of(today[w], -1)
        for i in range(shape[1]):
            known, base, weekday = 0.0, 0.0, first
            for k in range(back):
                usual[k] = factors[sku[w], weekday, i] * effects[row - 1 - k, w, i]
                weekday = weekday - 1 if weekday else 6
                known += weights[k] * demand[row - 1 - k, w, i]
                base += weights[k] * usual[k]
            level[w, i] = known / max(base, 1e-9)
            for k in range(back):
                errors[k] = demand[row - 1 - k, w, i] - level[w, i] * usual[k]
            deviation[w, i] = errors.std()
    return level, deviation


NEW_DAYS = 60
"""A series whose first sale is fewer training days ago is new, and taken to be like the others."""


def new_series(history: StoreHistory) -> NDArray[np.bool_]:
    """Return which series had hardly begun to sell, or had not, on training days, (SKUs, N)."""
    new: NDArray[np.bool_] = (np.cumsum(history.training, axis=0) > 0).sum(axis=0) < NEW_DAYS
    return new


def _weekday_factors(history: StoreHistory, *, informed: bool) -> Floats:
    factors, new = _own_weekday_factors(history, informed=informed), new_series(history)
    if new.any():
        of_others = np.moveaxis(factors, 1, -1)[~new]
        alike = of_others.mean(axis=0) if len(of_others) else np.ones(WEEK)
        factors = np.where(new[:, None], alike[:, None], factors)
    return factors


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


def error_scale(recent: Floats, usual: Floats) -> Floats:
    """Return the divisor of forecast errors, from the recent and the training mean."""
    scale: Floats = np.maximum(recent, LEAST_SCALE * usual)
    return scale


def forecast_errors(
    history: StoreHistory, sku: int, days: int, forecast: Forecast
) -> tuple[Floats, Whole]:
    """Return ``(D_t + ... + D_(t+days-1) - F_t) / c_t`` for every training day t with a past.

    c_t is the `error_scale` of the mean of the 28 days before.

    Returns
    -------
    errors, weekdays : ndarray
        Shape (training days, N), and the days' weekdays, Monday 0.

    Raises
    ------
    InputError
        If the training period is too short.
    """
    windows = _training_windows(history, sku, days)
    count = windows.start.size
    usual, season = history.mean[sku], history.season
    past = KnownDemand(windows.demand, windows.start, usual, windows.effects, season)
    expected = forecast(past, 0, np.full(count, days), np.full(count, sku))
    return windows.relative_errors(expected), (windows.start - 1) % WEEK


@dataclass(frozen=True)
class _Windows:
    """Days of training around every day that has a past.

    Attributes
    ----------
    demand : ndarray
        The `KNOWN_DAYS` days before and the days from then on, shape (days, windows, N).
    start : ndarray
        Ordinal of the day between the two, shape (windows,).
    usual : ndarray
        Mean of the training days, shape (N,) [units/day].
    effects : ndarray or None
        What the days multiply by, as `demand`, where anything is known ahead.
    """

    demand: Floats
    start: Whole
    usual: Floats
    effects: Floats | None

    def relative_errors(self, expected: Floats) -> Floats:
        """Return what came less what was expected, over the `error_scale` of the days known."""
        scale = error_scale(self.demand[:KNOWN_DAYS].mean(axis=0), self.usual)
        errors: Floats = (self.demand[KNOWN_DAYS:].sum(axis=0) - expected) / scale
        return errors


def _training_windows(history: StoreHistory, sku: int, days: int) -> _Windows:
    own = history.training[:, sku]
    at = np.arange(KNOWN_DAYS, len(own) - days + 1)
    if at.size < 2:
        raise InputError(f"{history.table.name}: the training period is too short for a forecast")
    rows = at + np.arange(-KNOWN_DAYS, days)[:, None]
    effects = None if history.effects is None else history.effects[rows, sku]
    start = at + history.table.first_day.toordinal()
    return _Windows(own[rows], start, history.mean[sku], effects)
