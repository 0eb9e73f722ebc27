r"""Stock rules for demand of a file, whose law nobody knows: they forecast from the days before.

All act on the inventory position IP. On the morning of day t, with the store's lead time L, an
order decides what the store has for the days t .. t + L, and F_t is the forecast of their demand:

* ``"average"``: L + 1 times the mean of the last 7 days;
* ``"weekday"``: for each day the mean of the last four same weekdays (seasonal naive).

``mu_t`` is the mean of the last 28 days [units/day], ``sigma_t`` their deviation. Levels that are
tuned, and errors of forecasts, come from training days.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from baselines.stock_rule import StoreRule, Values
from baselines.supply_chain_rules import reference_team
from baselines.team import TeamPolicy
from baselines.tuning import Family
from inventory.errors import InputError
from inventory.store_history import KNOWN_DAYS, StoreHistory
from inventory.store_past import Past
from inventory.supply_chain import SupplyChainBatch
from inventory.supply_chain_parameters import SupplyChainParameters

Forecast = Literal["average", "weekday"]
WEEK = 7


def coming(past: Past, day: int, lead_time: int, forecast: Forecast) -> Values:
    """Return F_t, shape (worlds, N) [units]."""
    if forecast == "average":
        return (lead_time + 1) * past.recent(day, WEEK)[0]
    total: Values = past.same_weekday(day, lead_time + 1).sum(axis=0)
    return total


class HistoryRule(StoreRule):
    """What rules have in common that forecast from the days before."""

    def __init__(self, forecast: Forecast, **values: ArrayLike) -> None:
        super().__init__(**values)
        self.forecast: Forecast = forecast

    def __repr__(self) -> str:
        told = super().__repr__().partition("(")[2]
        return f"{type(self).__name__}({self.forecast!r}{', ' if told != ')' else ''}{told}"

    def _prepare(self, parameters: SupplyChainParameters) -> None:
        if parameters.history is None:
            raise InputError(f"{type(self).__name__} needs demand of a file; set demand_data")
        self._lead_times = np.array([lane.store.lead_time for lane in parameters.lanes()])

    def _coming(self, chain: SupplyChainBatch) -> Values:
        assert chain.past is not None  # noqa: S101  (see _prepare)
        return coming(chain.past, chain.day, int(self._lead_times.max()), self.forecast)

    def _recent(self, chain: SupplyChainBatch) -> tuple[Values, Values]:
        assert chain.past is not None  # noqa: S101
        return chain.past.recent(chain.day, KNOWN_DAYS)


class RollingBaseStock(HistoryRule):
    """Base-stock policy on a rolling forecast: order ``k F_t + z sqrt(L + 1) sigma_t - IP``.

    Parameters
    ----------
    forecast : {"average", "weekday"}
        How F_t is made.
    cover, safety_factor : array_like
        k [forecasts] and z [standard deviations].

    References
    ----------
    Chen, Drezner, Ryan and Simchi-Levi (2000), Quantifying the bullwhip effect in a simple supply
    chain, Management Science 46(3); Snyder and Shen (2019), chapter 4.
    """

    at_least_zero = ("cover",)

    def __init__(self, forecast: Forecast, cover: ArrayLike, safety_factor: ArrayLike) -> None:
        super().__init__(forecast, cover=cover, safety_factor=safety_factor)

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        spread = np.sqrt(self._lead_times.max() + 1.0) * self._recent(chain)[1]
        level = self._columns["cover"] * self._coming(chain)
        wanted: Values = level + self._columns["safety_factor"] * spread - position
        return wanted


class RollingReorderPoint(HistoryRule):
    """(s, S) policy on the inventory position, in days of mu_t, the mean of the last 28 days.

    Parameters
    ----------
    reorder_days, order_up_to_days : array_like
        s and S; s is at most S.

    References
    ----------
    Scarf (1960), The optimality of (S, s) policies in the dynamic inventory problem.
    """

    at_least_zero = ("reorder_days", "order_up_to_days")

    def __init__(self, reorder_days: ArrayLike, order_up_to_days: ArrayLike) -> None:
        super().__init__("average", reorder_days=reorder_days, order_up_to_days=order_up_to_days)

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        mean, up_to = self._recent(chain)[0], self._columns["order_up_to_days"]
        below = position < np.minimum(self._columns["reorder_days"], up_to) * mean
        return np.where(below, up_to * mean - position, 0.0)


class RollingNewsvendor(HistoryRule):
    """Newsvendor on a rolling forecast: order ``F_t + mu q - IP``; nothing to tune.

    mu q is the quantile of the errors of F in the training period, over the level of the 28 days
    before (so that it follows the store's size), at the critical fractile ``p / (p + h)`` of
    stockout and holding cost; by the reward of reconciliation these bear its weights.

    References
    ----------
    Beutel and Minner (2012), Safety stock planning under causal demand forecasting, International
    Journal of Production Economics 140(2) (quantiles of forecast errors).
    """

    def __init__(self, forecast: Forecast) -> None:
        super().__init__(forecast)

    def _prepare(self, parameters: SupplyChainParameters) -> None:
        super()._prepare(parameters)
        history = parameters.history
        assert history is not None  # noqa: S101
        fractiles = [_fractile(parameters, lane.store) for lane in parameters.lanes()]
        lead_time = int(self._lead_times.max())
        self._errors = error_quantiles(history, lead_time, self.forecast, np.array(fractiles))

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        errors = self._by_world(self._errors)
        return self._coming(chain) + errors * self._recent(chain)[0] - position


def _fractile(parameters: SupplyChainParameters, store: object) -> float:
    under, over = float(getattr(store, "stockout_cost")), float(getattr(store, "holding_cost"))  # noqa: B009
    if parameters.objective == "reconciliation":
        weights = parameters.weights.store
        under, over = weights.stockout_penalty * under, weights.holding_cost * over
    return under / max(under + over, 1e-300)


def error_quantiles(
    history: StoreHistory, lead_time: int, forecast: Forecast, fractiles: Values
) -> Values:
    """Return quantiles of ``(D_t + ... + D_(t+L) - F_t) / mu_t`` over the training days.

    Parameters
    ----------
    history : StoreHistory
        The demand of a file.
    lead_time, forecast : int, str
        L, and how F_t is made.
    fractiles : ndarray
        Of each SKU, shape (SKUs,).

    Returns
    -------
    ndarray
        Shape (SKUs, N).
    """
    days = history.training
    last = len(days) - lead_time - 1
    if last <= KNOWN_DAYS:
        raise InputError(f"{history.table.name}: the training period is too short for a forecast")
    out = np.empty(history.mean.shape)
    for k, fractile in enumerate(fractiles):
        own = days[:, k]
        total = np.concatenate([np.zeros((1, own.shape[1])), np.cumsum(own, axis=0)])
        at = np.arange(KNOWN_DAYS, last + 1)
        actual = total[at + lead_time + 1] - total[at]
        level = np.maximum((total[at] - total[at - KNOWN_DAYS]) / KNOWN_DAYS, 1e-9)
        if forecast == "average":
            expected = (lead_time + 1) * (total[at] - total[at - WEEK]) / WEEK
        else:
            expected = sum(
                own[at + j % WEEK - WEEK * m] / 4 for j in range(lead_time + 1) for m in range(1, 5)
            )
        out[k] = np.quantile((actual - expected) / level, fractile, axis=0)
    return out


def rolling_family(forecast: Forecast) -> Family:
    """Return the base-stock policies on a rolling forecast."""

    def make(cover: Values, safety_factor: Values) -> TeamPolicy:
        return reference_team(store=RollingBaseStock(forecast, cover, safety_factor))

    grid = {
        "cover": (0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0),
        "safety_factor": (-1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0),
    }
    return Family(make, grid, refined=("cover", "safety_factor"))


def rolling_reorder_family(parameters: SupplyChainParameters) -> Family:
    """Return the (s, S) policies in days of recent demand, by S and the distance S - s."""

    def make(order_up_to_days: Values, gap_days: Values) -> TeamPolicy:
        reorder_days = np.maximum(order_up_to_days - gap_days, 0.0)
        return reference_team(store=RollingReorderPoint(reorder_days, order_up_to_days))

    days = 1.0 + max(lane.store.lead_time for lane in parameters.lanes())
    shares = (0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4)
    grid = {
        "order_up_to_days": tuple(float(f"{days * share:.3g}") for share in shares),
        "gap_days": (0.0, 0.15, 0.3, 0.6, 1.2, 2.4),
    }
    return Family(make, grid, refined=tuple(grid))
