"""Errors of forecasts on training days, and which series have too few of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from demand.history import StoreHistory
from demand.known_demand import KNOWN_DAYS, KnownDemand, mean_of_open

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Forecast = Callable[[KnownDemand, int, Whole, Whole], Floats]
"""From what is known, the day t, the number of days and the SKU of each world to F_t [units],
shape (worlds, N)."""

WEEK = 7
LEAST_SCALE = 0.5
"""Errors are divided by the recent mean, but by no less than this share of the training mean, lest
demand after quiet weeks counts for any multiple of it."""


class ScaledForecast(Protocol):
    """A forecast that says what its errors are in proportion to."""

    def __call__(self, past: KnownDemand, day: int, days: Whole, sku: Whole) -> Floats:
        """Return F_t, as `Forecast`."""

    def scale(self, past: KnownDemand, day: int, sku: Whole) -> Floats:
        """Return c_t [units], shape (worlds, N)."""


NEW_DAYS = 60
"""A series whose first sale is fewer training days ago is new, and taken to be like the others."""


def new_series(history: StoreHistory) -> NDArray[np.bool_]:
    """Return which series had hardly begun to sell, or had not, on training days, (SKUs, N)."""
    sold = history.training > 0
    days = np.where(sold.any(axis=0), len(sold) - sold.argmax(axis=0), 0)
    new: NDArray[np.bool_] = days < NEW_DAYS
    return new


def error_scale(past: KnownDemand, day: int) -> Floats:
    """Return the usual divisor of forecast errors, from the mean of 28 days and of training."""
    recent = mean_of_open(past.demand, past.open_days(day), KNOWN_DAYS + day, KNOWN_DAYS)
    scale: Floats = np.maximum(recent, LEAST_SCALE * past.usual)
    return scale


def forecast_errors(
    history: StoreHistory, sku: int, days: int, forecast: ScaledForecast
) -> tuple[Floats, Whole]:
    """Return ``(D_t + ... + D_(t+days-1) - F_t) / c_t`` for every training day t with a past.

    Returns
    -------
    errors, weekdays : ndarray
        Shape (training days, N), NaN on days before a series had begun (`TrainingWindows.begun`),
        and the days' weekdays, Monday 0.

    Raises
    ------
    InputError
        If the training period is too short.
    """
    windows = training_windows(history, sku, days)
    count = windows.start.size
    of_sku = np.full(count, sku)
    expected = forecast(windows.known, 0, np.full(count, days), of_sku)
    errors = windows.errors(expected) / forecast.scale(windows.known, 0, of_sku)
    return errors, (windows.start - 1) % WEEK


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

    def errors(self, expected: Floats) -> Floats:
        """Return what came less what was expected, NaN before a series had begun [units]."""
        errors: Floats = self.known.demand[KNOWN_DAYS:].sum(axis=0) - expected
        return np.where(self.begun, errors, np.nan)


def training_windows(history: StoreHistory, sku: int, days: int) -> TrainingWindows:
    """Return the windows of an SKU with `days` days from each one's day on.

    Raises
    ------
    InputError
        If the training period is too short.
    """
    own = history.training[:, sku]
    at = np.arange(KNOWN_DAYS, len(own) - days + 1)
    if at.size < 2:
        raise InputError(f"{history.table.name}: the training period is too short for a forecast")
    rows = at + np.arange(-KNOWN_DAYS, days)[:, None]
    effects = None if history.effects is None else history.effects[rows, sku]
    start = history.table.first_day.toordinal() + at
    known = KnownDemand(
        own[rows], start, history.mean[sku], effects, history.season, history.selling[sku]
    )
    first_sale = np.where(own.any(axis=0), (own > 0).argmax(axis=0), len(own))
    return TrainingWindows(known, (first_sale < KNOWN_DAYS) | (at[:, None] > first_sale))
