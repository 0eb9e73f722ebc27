"""Accuracy of the forecasts that a policy orders by, out of sample.

A day's forecast is the one made when the last order that could arrive in time for it was placed, a
lead time before.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.multi_agent import TeamPolicy
from baselines.policy import Policy
from baselines.rules.forecast import HistoryRule
from baselines.rules.offset import OffsetPolicy
from baselines.rules.perishable import CountingWaste
from demand.forecasts.errors import Forecast
from demand.forecasts.forecast import ForecastName, make_forecast
from demand.known_demand import KNOWN_DAYS

Floats = NDArray[np.float64]
CHUNK = 2_000
"""SKUs processed at once, so that memory stays bounded."""


@dataclass(frozen=True)
class ForecastRecord:
    """Forecasts of the evaluation days and the actual demand.

    Attributes
    ----------
    name : str
        Name of the forecast.
    days_ahead : int
        Number of days ahead that a day was forecast.
    expected, demand : ndarray
        Shape (days, SKUs, stores) [units].
    """

    name: str
    days_ahead: int
    expected: Floats
    demand: Floats

    def error(self, axis: Any = None) -> Any:
        """Return the weighted absolute percentage error, ``sum |D - F| / sum D``, NaN without D."""
        return self._over_demand(np.abs(self.demand - self.expected), axis)

    def bias(self, axis: Any = None) -> Any:
        """Return ``sum F / sum D - 1``, NaN without D."""
        return self._over_demand(self.expected, axis) - 1.0

    def _over_demand(self, values: Floats, axis: Any) -> Any:
        """Return sums of values divided by sums of demand, NaN without demand."""
        demand = self.demand.sum(axis=axis)
        return values.sum(axis=axis) / np.where(demand > 0, demand, np.nan)


def forecast_record(parameters: Any, policy: Policy) -> ForecastRecord:
    """Return the forecasts of all evaluation days that a policy's rule made, or could have made.

    For a policy that is not a rule on forecasts, it is the smoothing that agents observe.

    Parameters
    ----------
    parameters : SupplyChainParameters
        Parameters with demand of a file.
    policy : Policy
        The policy that orders by the forecasts.
    """
    p, history = parameters, parameters.history
    lead_time = p.longest_lead_time
    name = _name_of(policy, informed=history.effects is not None)
    forecast = make_forecast(name, history, lead_time + p.longest_review_gap)
    first = history.starts("evaluation", 1)
    ahead = min(lead_time, first.start - KNOWN_DAYS)
    rows = slice(first.start - ahead - KNOWN_DAYS, first.stop)
    expected = np.empty((len(first), *history.mean.shape))
    for begin in range(0, len(p.sku), CHUNK):
        sku = np.arange(begin, min(begin + CHUNK, len(p.sku)))
        demand = history.table.demand[rows, sku]
        ordinal = history.table.first_day.toordinal() + first.start - ahead
        start = np.full(sku.size, ordinal)
        past = history.known_demand(demand, start, sku, ahead + 1)
        for day in range(len(first)):
            expected[day, sku] = _of_one_day(forecast, past, day, ahead, sku)
    came = history.table.demand[first.start : first.stop]
    return ForecastRecord(name, ahead, expected, came)


def _of_one_day(forecast: Forecast, past: Any, day: int, ahead: int, sku: Any) -> Floats:
    """Return the forecast of the day `ahead` days later, made on the morning of a day."""
    until = forecast(past, day, np.full(sku.size, ahead + 1), sku)
    return until if ahead == 0 else until - forecast(past, day, np.full(sku.size, ahead), sku)


def _name_of(policy: Policy, *, informed: bool) -> ForecastName:
    store = policy.players.get("store") if isinstance(policy, TeamPolicy) else policy
    while isinstance(store, OffsetPolicy | CountingWaste):
        store = store.rule
    if isinstance(store, HistoryRule):
        return store.forecast
    return "smoothing_covariates" if informed else "smoothing"
