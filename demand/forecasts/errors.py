r"""Errors of forecasts on training days, and what they say of those to come.

Windows of several days overlap, so that two years of weeks and a lead time of seven hold a dozen
that share no day: far too few for a series' own quantile of 95 %. So each series' law of errors is
drawn towards the one that all have in common: with n_i windows that share no day, v_i the mean
square of the series' errors and v that of all series,

``s_i^2 = (n_i v_i + 10 v) / (n_i + 10)``, ``q_i(p) = (n_i Q_i(p) + 30 s_i Q(p)) / (n_i + 30)``

with Q_i the quantiles of its own errors, and Q those of the errors of all series, each over the
root of its v_i. Of a series that has just begun to sell n_i is 0, and in the place of v stands the
mean of the others' v_i by their demand: small series vary more, and it is large ones that cost.

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
"""From what is known, the day t, the number of days and the SKU of each world to F_t [units],
shape (worlds, N)."""

LEAST_SCALE = 0.5
"""Errors are divided by the recent mean, but by no less than this share of the training mean, lest
demand after quiet weeks counts for any multiple of it."""


class ScaledForecast(Protocol):
    """A forecast that says what its errors are in proportion to."""

    def __call__(self, past: KnownDemand, day: int, days: Whole, sku: Whole) -> Floats:
        """Return F_t, as `Forecast`."""

    def scale(self, past: KnownDemand, day: int, sku: Whole, daily: Floats) -> Floats:
        """Return c_t [units], shape (worlds, N); `daily` is the forecast of a day, as c_t."""


LEAST_OPEN = 14
"""A series that has been open for fewer days is off by what an opening is off by; and of so many
other days at least there must be errors, for these to be left out."""

MOST_ERRORS = 1_000_000
"""Days of series whose errors are found, at most; of more, every k-th day."""


def error_scale(past: KnownDemand, day: int) -> Floats:
    """Return the usual divisor of forecast errors, from the mean of 28 days and of training."""
    recent = mean_of_open(past.demand, past.open_days(day), KNOWN_DAYS + day, KNOWN_DAYS)
    scale: Floats = np.maximum(recent, LEAST_SCALE * past.usual)
    return scale


def days_apart(history: StoreHistory) -> int:
    """Return how many days lie between training days of an SKU whose errors are found."""
    apart = max(1, -(-history.training.size // MOST_ERRORS))
    return apart + 1 if apart % WEEK == 0 else apart  # or it were always the same weekday


def forecast_errors(
    history: StoreHistory,
    sku: int,
    days: int,
    forecast: ScaledForecast,
    *,
    last_alone: bool = False,
) -> tuple[Floats, Whole]:
    """Return ``(D_t + ... + D_(t+days-1) - F_t) / c_t`` for training days t with a past.

    These are all, or of many series every few (`days_apart`). With `last_alone` demand and forecast
    are those of the last of these days.

    Returns
    -------
    errors, weekdays : ndarray
        Shape (training days, N), NaN on days before a series had begun (`TrainingWindows.begun`)
        or just after it had, or had opened again, unless few others are left; and the days'
        weekdays, Monday 0.

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
    """Return what `forecast_errors` does of windows of an SKU, days just after an opening too."""
    known, count = windows.known, windows.start.size
    of_sku, before = np.full(count, sku), days - 1 if last_alone else 0
    expected = forecast(known, 0, np.full(count, days), of_sku)
    if before:
        expected = expected - forecast(known, 0, np.full(count, before), of_sku)
    scale = forecast.scale(known, 0, of_sku, expected / (days - before))
    errors: Floats = windows.errors(expected, before) / scale
    return errors


OWN_SIZE, OWN_SHAPE = 10.0, 30.0
"""Windows with which a series' errors count as much as those of all: for size and for shape."""


class PooledErrors:
    """Errors of series that are forecast for as many days, drawn towards those of all.

    Parameters
    ----------
    new : ndarray
        Series whose errors say nothing, shape (SKUs, N); all count where all are so.
    mean : ndarray
        Demand of a training day, shape (SKUs, N) [units/day].
    apart : int
        Days from one whose errors are found to the next (`days_apart`).
    """

    def __init__(self, new: NDArray[np.bool_], mean: Floats, apart: int = 1) -> None:
        self._new, self._mean, self._apart = new & ~new.all(), mean, apart
        self._windows, self._squares = np.zeros(new.shape), np.zeros(new.shape)
        self._parts: list[Floats] = []

    def add(self, sku: int, errors: Floats, overlap: float) -> None:
        """Take the errors of an SKU; all are taken before `quantiles` is asked.

        Parameters
        ----------
        sku : int
            Its number.
        errors : ndarray
            As of `forecast_errors`, shape (windows, N).
        overlap : float
            How many windows in a row share a day, if one begins on every day that is asked for.
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
        """Errors of all series over their own size."""
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
            p: of own (N,) one for all stores or each its own, shape (1,) or (N,), else (shares,).
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
    """Days of training around every day that has a past.

    Attributes
    ----------
    known : KnownDemand
        The `KNOWN_DAYS` days before and the days from then on; every window is a world.
    begun : ndarray
        Whether each series had sold anything before the window's day, shape (windows, N). Of one
        that sells from the first four weeks on all windows count.
    """

    known: KnownDemand
    begun: NDArray[np.bool_]

    @property
    def start(self) -> Whole:
        """Ordinal of the day between the two, shape (windows,)."""
        return np.asarray(self.known.start)

    def errors(self, expected: Floats, before: int = 0) -> Floats:
        """Return what came less what was expected, NaN before a series had begun [units].

        What came on the first `before` days is left out.
        """
        errors: Floats = self.known.demand[KNOWN_DAYS + before :].sum(axis=0) - expected
        return np.where(self.begun, errors, np.nan)


def training_windows(history: StoreHistory, sku: int, days: int, apart: int = 1) -> TrainingWindows:
    """Return the windows of an SKU with `days` days from each one's day on.

    Their days are `apart`, and of one SKU others than of the next.

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
