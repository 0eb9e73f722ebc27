r"""How much larger forecast errors are for a series that has just opened.

A level from a few days, and weekday factors mostly taken from other series, are less certain than
those of an established series. So established series are forecast as if each had opened n days
ago: earlier demand is forgotten, and its weekday factors are those of the others. With e the error
of that forecast, and e' that of the forecast that knows the series, each over its scale of errors,

``g(n) = sqrt(sum e^2 / sum e'^2)``, at least 1 and never more than after fewer days,

over the same training days, is the factor on the scale of a new series' errors.

References
----------
Hu, Acimovic, Erize, Thomas and Van Mieghem (2019), Forecasting new product life cycle curves,
Manufacturing & Service Operations Management 21(1) (new products by what others did before them).
"""

from dataclasses import replace

import numpy as np

from demand.forecasts.errors import (
    Floats,
    ScaledForecast,
    scaled_errors,
    training_windows,
)
from demand.history import StoreHistory
from demand.known_demand import KNOWN_DAYS, WEEK, KnownDemand

AFTER = (1, 2, 3, 4, 5, 6, 7, 10, 14, 21, 28)
"""Days since the opening that are tried; those between take the value of the one before."""

MOST_WINDOWS, MOST_SKUS = 150, 40
"""Most training days of an SKU, and most SKUs, that are tried, evenly spread."""

LEAST_ERRORS = 30
"""With fewer, nothing is learned."""


def opening_growth(
    history: StoreHistory, days: int, usual: ScaledForecast, as_new: ScaledForecast
) -> Floats:
    """Return g by the number of days since the opening, shape (`KNOWN_DAYS` + 1,).

    Parameters
    ----------
    history : StoreHistory
        History whose training days it is learned from, those of series that are not new.
    days : int
        Number of days to forecast.
    usual, as_new : ScaledForecast
        The forecast that knows the series, and the one that treats them as new.
    """
    off, usually_off, counts = np.zeros((3, KNOWN_DAYS + 1))
    apart = max(1, (len(history.training) - KNOWN_DAYS) // MOST_WINDOWS)
    apart += apart % WEEK == 0  # else it would always be the same weekday
    for sku in range(0, len(history.mean), -(-len(history.mean) // MOST_SKUS)):
        windows = training_windows(history, sku, days, apart)
        known, established = windows.known, windows.begun & ~history.new[sku]
        ordinary = scaled_errors(windows, sku, days, usual)
        for n in AFTER:
            few = _forgotten(history, known, n, sku)
            errors = scaled_errors(replace(windows, known=few), sku, days, as_new)
            sold, seen = known.demand[KNOWN_DAYS - n] > 0, few.open_days(0)
            counted = established & sold & (seen <= n)  # a slow mover's opening may go unseen
            at = seen[counted]
            off += np.bincount(at, np.square(errors[counted]), KNOWN_DAYS + 1)
            usually_off += np.bincount(at, np.square(ordinary[counted]), KNOWN_DAYS + 1)
            counts += np.bincount(at, minlength=KNOWN_DAYS + 1)
    known_of = np.flatnonzero((counts >= LEAST_ERRORS) & (usually_off > 0))
    if not known_of.size:
        return np.ones(KNOWN_DAYS + 1)
    ratio = np.sqrt(off[known_of] / usually_off[known_of])
    growth = np.maximum(np.minimum.accumulate(ratio), 1.0)
    before = np.searchsorted(known_of, np.arange(KNOWN_DAYS + 1), side="right") - 1
    return np.asarray(growth[np.maximum(before, 0)])


def _forgotten(history: StoreHistory, known: KnownDemand, days: int, sku: int) -> KnownDemand:
    """Return what would be known of series that opened `days` days ago."""
    demand = known.demand.copy()
    demand[: KNOWN_DAYS - days] = 0.0
    season, selling = history.season, history.selling_of_others[sku]
    usual = np.full(known.usual.shape, history.mean.min())
    return KnownDemand(demand, known.start, usual, known.effects, season, selling)
