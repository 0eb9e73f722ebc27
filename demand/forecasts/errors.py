"""Errors of forecasts on training days, and which series have too few of them."""

from collections.abc import Callable
from dataclasses import dataclass

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

NEW_DAYS = 60
"""A series whose first sale is fewer training days ago is new, and taken to be like the others."""


def new_series(history: StoreHistory) -> NDArray[np.bool_]:
    """Return which series had hardly begun to sell, or had not, on training days, (SKUs, N)."""
    new: NDArray[np.bool_] = (np.cumsum(history.training, axis=0) > 0).sum(axis=0) < NEW_DAYS
    return new


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
        Shape (training days, N), NaN on days before a series had begun (`TrainingWindows.begun`),
        and the days' weekdays, Monday 0.

    Raises
    ------
    InputError
        If the training period is too short.
    """
    windows = training_windows(history, sku, days)
    count = windows.start.size
    expected = forecast(windows.known, 0, np.full(count, days), np.full(count, sku))
    return windows.relative_errors(expected), (windows.start - 1) % WEEK


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

    def relative_errors(self, expected: Floats) -> Floats:
        """Return what came less what was expected, over the `error_scale` of the days known."""
        demand = self.known.demand
        recent = mean_of_open(demand, self.known.open_days(0), KNOWN_DAYS, KNOWN_DAYS)
        errors: Floats = demand[KNOWN_DAYS:].sum(axis=0) - expected
        return np.where(self.begun, errors / error_scale(recent, self.known.usual), np.nan)


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
    known = KnownDemand(own[rows], start, history.mean[sku], effects, history.season)
    first_sale = np.where(own.any(axis=0), (own > 0).argmax(axis=0), len(own))
    return TrainingWindows(known, (first_sale < KNOWN_DAYS) | (at[:, None] > first_sale))
