"""What a store sees of its smoothed forecast, the one that rules forecast with."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inventory.rolling_forecast import Smoothing
from inventory.store_order_law import store_positions
from inventory.store_past import Past

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
MOST = 10.0
"""What is missing is shown as at most so many of the units of an order, either way."""

FORECAST_ENTRIES = (
    "forecast until the next order arrives",
    "deviation around the smoothed level",
    "smoothed level",
    "forecast less inventory position",
    "the same in shares of an order's unit",
)
"""Amounts are over the store's own level; an order's unit is the mean of the last days."""


@dataclass(frozen=True)
class SeenForecast:
    """A morning's forecast as entries of an observation.

    Attributes
    ----------
    smoothing : Smoothing
        The forecast.
    lead_time : int
        The stores' (L).
    """

    smoothing: Smoothing
    lead_time: int

    def entries(
        self, past: Past, day: int, sku: Whole, gap: Whole, sites: Any, pipelines: Floats
    ) -> Floats:
        """Return `FORECAST_ENTRIES`, shape (entries, worlds, N).

        Parameters
        ----------
        past, day
            What is known of the demand, and the day of the episode.
        sku, gap : ndarray
            Each world's SKU, and its days to the next day of review, shape (worlds,).
        sites, pipelines : ndarray
            As in `inventory.supply_chain_law.step_batch`.
        """
        level, deviation = self.smoothing.fit(past, day, sku)
        coming = level * self.smoothing.coming(past, day, self.lead_time + gap, sku)
        missing = coming - store_positions(sites, pipelines)
        entries = np.empty((len(FORECAST_ENTRIES), *level.shape))
        np.divide((coming, deviation, level, missing), past.level, out=entries[:4])
        np.clip(missing / sites["forecast"], -MOST, MOST, out=entries[4])
        return entries
