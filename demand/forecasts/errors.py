r"""Errors of forecasts on training days, and quantiles of errors to come.

Windows of several periods overlap: two years of weekly data with a lead time of seven weeks hold
only a dozen disjoint ones, far too few for a series' own quantile of 95 %. So each series' law of
errors is shrunk towards the common one: with n_i disjoint windows, v_i the mean square of the
series' errors and v that of all series,

``s_i^2 = (n_i v_i + 10 v) / (n_i + 10)``, ``q_i(p) = (n_i Q_i(p) + 30 s_i Q(p)) / (n_i + 30)``

with Q_i the quantiles of its own errors, and Q those of the errors of all series, each divided by
the root of its v_i. For a series that has just begun to sell, n_i is 0 and v is replaced by the
demand-weighted mean of the others' v_i: small series vary more, but large ones cause the cost.

References
----------
Efron and Morris (1975), Data analysis using Stein's estimator and its generalizations, Journal of
the American Statistical Association 70(350); Gelman and Hill (2007), Data Analysis Using Regression
and Multilevel/Hierarchical Models, chapter 12 (partial pooling).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from demand.history import StoreHistory
from demand.known_demand import KNOWN_DAYS, WEEK, KnownDemand, mean_of_open

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Forecast = Callable[[KnownDemand, int, Whole, Whole], Floats]
"""A function of what is known, the day t, and the number of days and SKU of each world; returns
F_t [units], shape (worlds, N)."""

LEAST_SCALE = 0.5
"""Errors are divided by the recent mean, but by no less than this share of the training mean, lest
the scaled error after quiet weeks be arbitrarily large."""


class ScaledForecast(Protocol):
    """A forecast with a scale that its errors are proportional to."""

    def __call__(self, past: KnownDemand, day: int, days: Whole, sku: Whole) -> Floats:
        """Return F_t, as a `Forecast` does."""

    def scale(self, past: KnownDemand, day: int, sku: Whole, daily: Floats) -> Floats:
        """Return c_t [units], shape (worlds, N); `daily` is the forecast of a day, same shape."""


LEAST_OPEN = 14
"""Errors of a series that has been open for fewer days are those of an opening; they are left out
if there are errors of at least this many other days."""

MOST_ERRORS = 1_000_000
"""Most series-days whose errors are computed; if there are more, every k-th day is taken."""


def error_scale(past: KnownDemand, day: int) -> Floats:
    """Return the usual divisor of forecast errors, from the mean of 28 days and of training."""
    recent = mean_of_open(past.demand, past.open_days(day), KNOWN_DAYS + day, KNOWN_DAYS)
    scale: Floats = np.maximum(recent, LEAST_SCALE * past.usual)
    return scale


def days_apart(history: StoreHistory) -> int:
    """Return the spacing of the training days of an SKU whose errors are computed."""
    apart = max(1, -(-history.training.size // MOST_ERRORS))
    return apart + 1 if apart % WEEK == 0 else apart  # else it would always be the same weekday


def forecast_errors(
    history: StoreHistory,
    sku: int,
    days: int,
    forecast: ScaledForecast,
    *,
    last_alone: bool = False,
) -> tuple[Floats, Whole]:
    """Return ``(D_t + ... + D_(t+days-1) - F_t) / c_t`` for training days t with a past.

    These are all such days or, if there are many series, every k-th (`days_apart`). With
    `last_alone`, demand and forecast are those of the last day of the window alone.

    Returns
    -------
    errors, weekdays : ndarray
        Shape (training days, N), NaN on days before a series had begun (`TrainingWindows.begun`)
        or just after it began or reopened, unless few others are left; and the days' weekdays,
        Monday 0.

    Raises
    ------
    InputError
        If the training period is too short.
    """
    windows = training_windows(history, sku, days, days_apart(history))
    errors = scaled_errors(windows, sku, days, forecast, last_alone=last_alone)
    usual = windows.begun & (windows.known.open_days(0) >= LEAST_OPEN)
    few = usual.sum(axis=0) < LEAST_OPEN
    return np.where(usual | few, errors, np.nan), (windows.start - 1) % WEEK


def scaled_errors(
    windows: "TrainingWindows",
    sku: int,
    days: int,
    forecast: ScaledForecast,
    *,
    last_alone: bool = False,
) -> Floats:
    """Return the errors of `forecast_errors` for an SKU, including days just after an opening."""
    known, count = windows.known, windows.start.size
    of_sku, before = np.full(count, sku), days - 1 if last_alone else 0
    expected = forecast(known, 0, np.full(count, days), of_sku)
    if before:
        expected = expected - forecast(known, 0, np.full(count, before), of_sku)
    scale = forecast.scale(known, 0, of_sku, expected / (days - before))
    errors: Floats = windows.errors(expected, before) / scale
    return errors


OWN_SIZE, OWN_SHAPE = 10.0, 30.0
"""Number of windows at which a series' own errors weigh as much as the pooled ones: for size and
for shape."""


class PooledErrors:
    """Errors of series over windows of one length, shrunk towards those of all (partial pooling).

    Parameters
    ----------
    new : ndarray
        Series whose own errors are ignored, shape (SKUs, N); if all are new, all count.
    mean : ndarray
        Mean demand of a training day, shape (SKUs, N) [units/day].
    apart : int
        Spacing of the days whose errors are computed (`days_apart`).
    """

    def __init__(self, new: NDArray[np.bool_], mean: Floats, apart: int = 1) -> None:
        self._new, self._mean, self._apart = new & ~new.all(), mean, apart
        self._windows, self._squares = np.zeros(new.shape), np.zeros(new.shape)
        self._parts: list[Floats] = []

    def add(self, sku: int, errors: Floats, overlap: float) -> None:
        """Add the errors of an SKU; all SKUs must be added before `quantiles` is called.

        Parameters
        ----------
        sku : int
            Its number.
        errors : ndarray
            As returned by `forecast_errors`, shape (windows, N).
        overlap : float
            Number of consecutive windows that share a day, if one begins on every day.
        """
        overlap = max(overlap / self._apart, 1.0)
        known = ~np.isnan(errors)
        squares = np.where(known, np.square(errors), 0.0).sum(axis=0)
        counts = np.where(self._new[sku], 0, known.sum(axis=0))
        self._windows[sku] = counts / overlap
        self._squares[sku] = np.where(counts > 0, squares, 0.0) / overlap
        varied = (counts > 0) & (squares > 0)
        root = np.sqrt(squares[varied] / counts[varied])
        some = errors[:, varied] / root
        self._parts.append(some[~np.isnan(some)])

    @cached_property
    def _ascending(self) -> Floats:
        """Errors of all series, each divided by its series' own size, in ascending order."""
        return np.sort(np.concatenate([*self._parts, np.zeros(0)]))

    @cached_property
    def _sizes(self) -> Floats:
        """s_i, shape (SKUs, N)."""
        seen = self._windows > 0
        if not seen.any():
            return np.zeros(seen.shape)
        own, mean = self._squares[seen] / self._windows[seen], self._mean[seen]
        usual = np.where(self._new, (mean * own).sum() / mean.sum(), own.mean())
        sizes: Floats = np.sqrt((self._squares + OWN_SIZE * usual) / (self._windows + OWN_SIZE))
        return sizes

    def quantiles(self, sku: int, own: Floats, shares: Floats) -> Floats:
        """Return q_i.

        Parameters
        ----------
        sku : int
            Number of the SKU.
        own : ndarray
            Q_i, shape (N,) or (N, shares).
        shares : ndarray
            p: for `own` of shape (N,) one for all stores or one each, shape (1,) or (N,); else
            shape (shares,).
        """
        weight = self._windows[sku] / (self._windows[sku] + OWN_SHAPE)
        common = self._sizes[sku]
        if own.ndim > 1:
            weight, common = weight[:, None], common[:, None]
        drawn: Floats = weight * own + (1.0 - weight) * common * _quantiles(self._ascending, shares)
        return drawn


def _quantiles(ascending: Floats, shares: Floats) -> Floats:
    """Return quantiles of numbers in ascending order, 0 where there are none."""
    if not ascending.size:
        return np.zeros(shares.shape)
    at = shares * (ascending.size - 1)
    below = np.minimum(at.astype(np.int64), max(ascending.size - 2, 0))
    above = np.minimum(below + 1, ascending.size - 1)
    found: Floats = ascending[below] + (at - below) * (ascending[above] - ascending[below])
    return found


@dataclass(frozen=True)
class TrainingWindows:
    """Windows of training days around every day with a long enough past.

    Attributes
    ----------
    known : KnownDemand
        The `KNOWN_DAYS` days before and the days from that day on; every window is a world.
    begun : ndarray
        Whether each series had sold anything before the window's day, shape (windows, N). For one
        that sells in the first four weeks, all windows count.
    """

    known: KnownDemand
    begun: NDArray[np.bool_]

    @property
    def start(self) -> Whole:
        """Ordinal of the first day after the known ones, shape (windows,)."""
        return np.asarray(self.known.start)

    def errors(self, expected: Floats, before: int = 0) -> Floats:
        """Return demand less what was expected, NaN before a series had begun [units].

        Demand of the first `before` days is left out.
        """
        errors: Floats = self.known.demand[KNOWN_DAYS + before :].sum(axis=0) - expected
        return np.where(self.begun, errors, np.nan)


def training_windows(history: StoreHistory, sku: int, days: int, apart: int = 1) -> TrainingWindows:
    """Return the windows of an SKU, of `days` days each.

    They begin `apart` days apart, on different days for successive SKUs.

    Raises
    ------
    InputError
        If the training period is too short.
    """
    own = history.training[:, sku]
    at = np.arange(KNOWN_DAYS, len(own) - days + 1)
    if at.size < 2:
        raise InputError(f"{history.table.name}: the training period is too short for a forecast")
    at = at[sku % apart % at.size :: apart]
    rows = at + np.arange(-KNOWN_DAYS, days)[:, None]
    effects = None if history.effects is None else history.effects[rows, sku]
    start = history.table.first_day.toordinal() + at
    known = KnownDemand(
        own[rows], start, history.mean[sku], effects, history.season, history.selling[sku]
    )
    first_sale = np.where(own.any(axis=0), (own > 0).argmax(axis=0), len(own))
    return TrainingWindows(known, (first_sale < KNOWN_DAYS) | (at[:, None] > first_sale))
