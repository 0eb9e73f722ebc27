r"""Stock rules for demand from a file, whose law is unknown: they forecast from the days before.

All act on the inventory position IP. On the morning of day t, with the store's lead time L and r
days to the next day of review (1 where the store may order on every day), an order determines the
stock available for the L + r days t .. t + r + L - 1, and F_t is the forecast of their demand (see
`demand.forecasts.forecast`).

``mu_t`` is the mean of the last 28 days [units/day], ``sigma_t`` their standard deviation. Levels
are tuned, and forecast errors measured, on training days.
"""

from functools import cache, partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from baselines.rules.reference import teams_by
from baselines.rules.stock_rule import StoreRule, Values
from baselines.tuning import Family
from common.errors import InputError
from demand.forecasts.forecast import (
    ForecastName,
    make_forecast,
)
from demand.known_demand import KNOWN_DAYS
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters


class HistoryRule(StoreRule):
    """Common part of rules that forecast from the days before."""

    def __init__(self, forecast: ForecastName, **values: ArrayLike) -> None:
        super().__init__(**values)
        self.forecast: ForecastName = forecast

    def __repr__(self) -> str:
        values = super().__repr__().partition("(")[2]
        comma = "" if values.startswith(")") else ", "
        return f"{type(self).__name__}({self.forecast!r}{comma}{values}"

    def _prepare(self, parameters: SupplyChainParameters) -> None:
        if parameters.history is None:
            raise InputError(f"{type(self).__name__} needs demand of a file; set demand_data")
        self._lead_time = parameters.longest_lead_time
        days = self._lead_time + parameters.longest_review_gap
        self._forecast = make_forecast(self.forecast, parameters.history, days)

    def _days(self, chain: SupplyChainBatch) -> NDArray[np.int64]:
        """Return L + r, shape (worlds,)."""
        return self._lead_time + chain.review_gap()

    def _coming(self, chain: SupplyChainBatch, days: NDArray[np.int64] | None = None) -> Values:
        """Return the forecast of the coming days, computed once for copies of the same days."""
        assert chain.past is not None  # noqa: S101  (see _prepare)
        days = self._days(chain) if days is None else days
        if (few := chain.past.distinct) is None:
            return self._forecast(chain.past, chain.day, days, chain.lane_of)
        lane_of = chain.lane_of[few.first]
        return self._forecast(few.known, chain.day, days[few.first], lane_of)[few.of]

    def _recent(self, chain: SupplyChainBatch) -> tuple[Values, Values]:
        assert chain.past is not None  # noqa: S101
        return chain.past.recent(chain.day, KNOWN_DAYS)


class RollingBaseStock(HistoryRule):
    """Base-stock policy on a rolling forecast: order ``k F_t + z sqrt(L + r) sigma_t - IP``.

    Parameters
    ----------
    forecast : {"average", "weekday", "smoothing"}
        Method of the forecast F_t.
    cover, safety_factor : array_like
        k [forecasts] and z [standard deviations].

    References
    ----------
    Chen, Drezner, Ryan and Simchi-Levi (2000), Quantifying the bullwhip effect in a simple supply
    chain, Management Science 46(3); Snyder and Shen (2019), chapter 4.
    """

    is_base_stock = True
    at_least_zero = ("cover",)

    def __init__(self, forecast: ForecastName, cover: ArrayLike, safety_factor: ArrayLike) -> None:
        super().__init__(forecast, cover=cover, safety_factor=safety_factor)

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        spread = np.sqrt(self._days(chain))[:, None] * self._recent(chain)[1]
        level = self._columns["cover"] * self._coming(chain)
        wanted: Values = level + self._columns["safety_factor"] * spread - position
        return wanted


@cache
def rolling_family(forecast: ForecastName) -> Family:
    """Return the base-stock policies on a rolling forecast."""
    grid = {
        "cover": (0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0),
        "safety_factor": (-1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0),
    }
    return Family(
        teams_by(partial(RollingBaseStock, forecast)), grid, refined=("cover", "safety_factor")
    )
