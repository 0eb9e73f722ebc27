r"""(s, S) policies on demand from a file, for stores that order in lots.

They do so where an order has a fixed cost, and where the least order, a pack or a minimum, lasts
for days. Both policies act on the inventory position IP: once it is below s they order up to S. In
the first, s and S are days of recent demand. In the second they follow a forecast. With

``EOQ_t = sqrt(2 K mu_t / h)`` [units],

the economic order quantity, K being the cost of an order, h that of a unit held for a day, and mu_t
the mean demand of the last 28 days, ``Q_t = S_t - s_t = max(l EOQ_t - r mu_t / 2, 0)``, l being a
lot multiplier: when an order is placed, the position is below s by about half the demand of a
review period of r days (the undershoot). In packs of P units it orders the least number of packs
that lifts the position above s, so that Q_t is at least P, and no less than the minimum.

From one order to the next the positions are about uniform between s and S. So s is such that levels
from s to S suffice, on average, as often as the newsvendor's level does, that is with the
probability of the critical fractile (`baselines.rules.rolling_newsvendor`):

``s_t = F_t + c_t (m (q + Q / 2) - Q / 2)``,
``1/Q (integral from q to q + Q of P(e > x) dx) = h r / (u + h r)``,

with e the errors of F in the training period divided by c_t, and Q the usual lot divided by the
usual c_t. m multiplies the mean distance of positions above the forecast, 1 where it is not tuned.
With lots of size 0 this is the newsvendor.

With a shelf life of m days an order lasts for at most m days, and the expected waste is subtracted
from the position. The stock after an order, S, is sold within the next L + m days, or wasted. So Q
is that of several candidates, up to the economic order quantity, for which orders, stock, lost
sales and waste cost least (`best_cycle`), and the lot multiplier applies to it. With a shelf life
of one day there are no lots: nothing of an order is left when the next one arrives.

References
----------
Scarf (1960), The optimality of (S, s) policies in the dynamic inventory problem; Hadley and Whitin
(1963), Analysis of Inventory Systems, section 4.2 (uniform positions); Zheng (1992), On properties
of stochastic inventory systems, Management Science 38(1) (the same condition, and that lots by the
economic order quantity cost little more than the best); Axsaeter (2015), Inventory Control, 3rd
ed., section 5.3 (multiples of a pack); Silver, Pyke and Thomas (2017), Inventory and Production
Management in Supply Chains, 4th ed., chapter 7 (undershoot).
"""

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from baselines.multi_agent import TeamPolicy
from baselines.rules.forecast import HistoryRule
from baselines.rules.newsvendor_costs import SHARES, days_of_use
from baselines.rules.reference import reference_team, teams_by
from baselines.rules.rolling_newsvendor import GAPS, RollingNewsvendor
from baselines.rules.stock_rule import Values
from baselines.tuning import Family
from common.compiled import compiled
from demand.forecasts.forecast import ForecastName
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters

LEAST_LOT = 0.5
"""Shortest lot [periods]: where all are shorter, stores order in nearly every period."""

LONGEST_CYCLE = 365.0
"""Longest time that a lot lasts for [periods], reached where holding costs next to nothing."""

CYCLES = 9
"""Number of candidates for the lots of perishable goods."""

LEAST_SPREAD = 0.1
"""Least deviation of a period's demand, as a share of its mean, where errors are divided by it."""

WEIGHTS = np.full(SHARES.size, 1.0 / (SHARES.size - 1))
"""Weights with which quantiles at `SHARES` average to the mean."""
WEIGHTS[[0, -1]] /= 2.0


def orders_in_lots(parameters: SupplyChainParameters) -> bool:
    """Return whether any store orders for days ahead: orders have a cost or must be large."""
    return bool((lot_days(parameters, 1) > LEAST_LOT).any())


def lot_days(parameters: SupplyChainParameters, gap: ArrayLike) -> Values:
    """Return Q over a day's demand where the next day of review is `gap` days later, (SKUs, N).

    For several gaps, of shape (gaps, 1, 1), the result has shape (gaps, SKUs, N).
    """
    mean = _usual_demand(parameters)
    pack, least = _least_orders(parameters)
    lots = np.maximum(_lot_factors(parameters) / np.sqrt(mean), least / mean)
    lots = np.minimum(lots, _longest_cycles(parameters)) - 0.5 * np.asarray(gap)
    return np.minimum(np.maximum(lots, pack / mean), LONGEST_CYCLE)


def lots_to_try(parameters: SupplyChainParameters) -> list[float]:
    """Return lots to try around `lot_days` [days of demand], none where daily orders will do.

    The best lots are near the economic order quantity (Zheng 1992).
    """
    if not orders_in_lots(parameters):
        return []
    usual = float(np.median(lot_days(parameters, 1)))
    return [usual * share for share in (0.5, 0.75, 1.0, 1.5, 2.0)]


def _longest_cycles(parameters: SupplyChainParameters) -> Values:
    """Return the most periods that an order lasts for: as long as goods keep, shape (SKUs, 1)."""
    lives = [lane.store.shelf_life for lane in parameters.lanes()]
    longest = [LONGEST_CYCLE if life is None else float(life) for life in lives]
    return np.minimum(longest, LONGEST_CYCLE)[:, None]


def _usual_demand(parameters: SupplyChainParameters) -> Values:
    """Return the mean demand of a training day, shape (SKUs, N) [units].

    New series, and those without demand, get the mean of the others.
    """
    mean, history = parameters.mean_demand(), parameters.history
    known = mean > 0.0
    if history is not None and not history.new.all():
        known &= ~history.new
    return np.where(known, mean, mean[known].mean() if known.any() else 1.0)


def _least_orders(parameters: SupplyChainParameters) -> tuple[Values, Values]:
    """Return packs, 0 where there are none, and least orders [units], shape (SKUs, N) each."""
    shape = len(parameters.sku), parameters.num_stores
    sku, store = (x.reshape(-1) for x in np.indices(shape))
    pack, least, _ = parameters.order_limits(sku, store)
    return pack.reshape(shape), least.reshape(shape)


def _lot_factors(parameters: SupplyChainParameters) -> Values:
    """Return ``sqrt(2 K / h)``, the EOQ over the square root of demand, shape (SKUs, N)."""
    shape = len(parameters.sku), parameters.num_stores
    if not parameters.pays_per_order:
        return np.zeros(shape)
    fixed, held = (parameters.of_stores(name) for name in ("fixed_cost", "holding_cost"))
    return np.broadcast_to(np.sqrt(2.0 * fixed / np.maximum(held, 1e-12)), shape)


class RollingReorderPoint(HistoryRule):
    """(s, S) policy on the inventory position, in days of mu_t, the mean of the last 28 days.

    It orders no less than the least order, even where S is less than half of one above IP.

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

    def _prepare(self, parameters: SupplyChainParameters) -> None:
        super()._prepare(parameters)
        self._least = _least_orders(parameters)[1]

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        mean, up_to = self._recent(chain)[0], self._columns["order_up_to_days"]
        below = position < np.minimum(self._columns["reorder_days"], up_to) * mean
        order = np.maximum(up_to * mean - position, self._by_world(self._least))
        return np.where(below, order, 0.0)


class ForecastReorderPoint(RollingNewsvendor):
    """(s, S) policy on a rolling forecast: s is a newsvendor's level, and S - s a lot.

    Parameters
    ----------
    forecast : {"average", "weekday", "smoothing", "tsb", "boosting"}
        Method of the forecast F_t. Errors are divided by about the demand of a day, those of
        ``"tsb"`` by its deviation; with ``"tsb"``, lots are based on the forecast of a day.
    safety_multiplier : array_like, optional
        m; 1 where it is not tuned.
    lot_multiplier : array_like, optional
        l, the factor of the economic order quantity, or of the lots of perishable goods; 1 where it
        is not tuned.
    """

    is_base_stock, balances_waste = False, False
    at_least_zero = ("lot_multiplier",)

    def __init__(
        self,
        forecast: ForecastName,
        safety_multiplier: ArrayLike | None = None,
        lot_multiplier: ArrayLike | None = None,
    ) -> None:
        tuned = {} if lot_multiplier is None else {"lot_multiplier": lot_multiplier}
        super().__init__(forecast, safety_multiplier, **tuned)

    def _prepare(self, parameters: SupplyChainParameters) -> None:
        self._factors = _lot_factors(parameters)
        self._pack, self._least = _least_orders(parameters)
        self._most_lots = lot_days(parameters, np.arange(GAPS)[:, None, None])
        mean = _usual_demand(parameters)
        self._least_lots = np.minimum(self._pack / mean, LONGEST_CYCLE)
        fixed = parameters.of_stores("fixed_cost") if parameters.pays_per_order else 0.0
        self._order_cost = np.broadcast_to(fixed / mean, mean.shape)
        self._stores = [lane.store for lane in parameters.lanes()]
        self._scales = np.ones(mean.shape)
        if self.forecast == "tsb" and parameters.history is not None:
            self._scales = mean / np.maximum(parameters.history.std, LEAST_SPREAD * mean)
        super()._prepare(parameters)

    def _shares(self, sku: int, cost: Values) -> Values:
        del sku, cost
        return SHARES

    def _beyond_forecast(
        self, sku: int, gap: int, cost: Values, quantiles: list[Values]
    ) -> tuple[Values, Values]:
        most, least, scale = self._most_lots[gap, sku], self._least_lots[sku], self._scales[sku]
        own, *others = (some / scale[:, None] for some in quantiles)
        if self._keeps[sku]:
            first, last = days_of_use(self._stores[sku], gap)
            limits, later = (least, most), others[0] + (last - first)
            level, lots = best_cycle(own, later, limits, cost, self._order_cost[sku], gap)
            return level * scale, lots * scale
        if self._one_day[sku]:  # nothing is left from one order to the next
            most = np.zeros(least.size)
        level = cycle_levels(own, most, self._fractiles(sku, cost))
        return level * scale, most * scale

    def _safety(self, chain: SupplyChainBatch, daily: Values) -> Values:
        half = 0.5 * self._tables.lots[chain.review_gap(), chain.lane_of]
        middle = self._tables.safety[chain.review_gap(), chain.lane_of] + half
        return np.asarray((self._multiplier * middle - half) * self._scale(chain, daily))

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        if self._keeps.any():
            position = position - chain.expected_waste()
        wanted = super()._wanted(chain, position)
        gap, recent = chain.review_gap()[:, None], self._recent(chain)[0]
        if self.forecast == "tsb":  # four weeks may have no demand
            recent = self._coming(chain, np.ones(chain.num_worlds, np.int64))
        many = self._columns.get("lot_multiplier", 1.0)
        lasting = self._tables.lots[chain.review_gap(), chain.lane_of]
        most = many * (lasting / self._scales[chain.lane_of] + 0.5 * gap)
        most = np.where(self._keeps[chain.lane_of, None], most, LONGEST_CYCLE)
        lots = many * self._by_world(self._factors) * np.sqrt(recent)
        lots = np.minimum(lots, most * recent) - 0.5 * gap * recent
        lots = np.maximum(lots, 0.5 * self._by_world(self._pack))  # as the nearest pack is ordered
        order = np.maximum(wanted + lots, self._by_world(self._least))
        waits = (wanted <= 0.0) | self._one_day[chain.lane_of, None]
        return np.where(waits, wanted, order)


def best_cycle(
    quantiles: Values,
    later: Values,
    limits: tuple[Values, Values],
    cost: Values,
    order_cost: Values,
    gap: int,
) -> tuple[Values, Values]:
    """Return the s and Q of perishable goods that minimise all costs together.

    The stock after an order, s + Q, is sold by the time that it expires, or wasted. So with n the
    periods from one order to the next, F the share of times that levels suffice, and G the share of
    times that demand until then does not reach s + Q, one more unit at s is worth

    ``u - (u + h r) F - o G r / n``.

    Parameters
    ----------
    quantiles, later : ndarray
        Quantiles of the demand that levels have to cover, and of that until an order expires, both
        beyond the forecast of the first, at `SHARES`, shape (N, shares) [periods of demand].
    limits : tuple of ndarray
        The least and the largest Q, shape (N,) each [periods of demand].
    cost : ndarray
        u, h r and o of a unit, shape (1 or N, 3) [money].
    order_cost : ndarray
        Cost of an order over the demand of a period, shape (N,) [money per unit].
    gap : int
        r, the periods to the next review.

    Returns
    -------
    tuple of ndarray
        s beyond the forecast, and Q, shape (N,) each [periods of demand].
    """
    short, held, wasted = cost.T
    count, mean = len(quantiles), quantiles @ WEIGHTS
    least, best = np.full(count, np.inf), np.zeros((2, count))
    for share in np.linspace(0.0, 1.0, CYCLES):
        lots, surely = limits[0] + share * (limits[1] - limits[0]), np.zeros(count)
        cycle = np.maximum(lots + 0.5 * gap, gap)
        for _ in range(6):  # until s and G fit each other
            worth = np.maximum(short - wasted * surely * gap / cycle, 0.0)
            level = cycle_levels(quantiles, lots, worth / np.maximum(short + held, 1e-300))
            left = (level + lots)[:, None] - later
            surely = 0.5 * (surely + (left > 0.0) @ WEIGHTS)
        at = level[:, None] + lots[:, None] * np.linspace(0.1, 0.9, 5)
        missing = np.maximum(quantiles[:, None, :] - at[..., None], 0.0) @ WEIGHTS
        over = at - mean[:, None] + missing
        total = (short[:, None] * missing + held[:, None] * over).mean(axis=1) / gap
        total = total + (order_cost + wasted * (np.maximum(left, 0.0) @ WEIGHTS)) / cycle
        best = np.where(total < least, (level, lots), best)
        least = np.minimum(total, least)
    return best[0], best[1]


def cycle_levels(quantiles: Values, lots: Values, fractile: Values) -> Values:
    """Return the s for which levels from s to s + Q suffice as often as the fractile says.

    Parameters
    ----------
    quantiles : ndarray
        Quantiles of the demand that levels have to cover, at `SHARES`, shape (N, shares).
    lots, fractile : ndarray
        Q, and the share of times that they should suffice, on average over these levels; shape
        (N,) or (1,) each.

    Returns
    -------
    ndarray
        Shape (N,); where Q is 0 the quantile at the fractile.
    """
    lots, fractile = (np.broadcast_to(x, len(quantiles)).copy() for x in (lots, fractile))
    levels: Values = _cycle_levels(np.ascontiguousarray(quantiles), lots, fractile)
    return levels


@compiled
def _cycle_levels(quantiles: Values, lots: Values, fractile: Values) -> Values:
    levels = np.empty(lots.size)
    for i in range(lots.size):
        own, lot = quantiles[i], lots[i]
        if lot <= 0.0:
            levels[i] = np.interp(fractile[i], SHARES, own)
            continue
        low, high = own[0] - lot, own[-1]
        for _ in range(50):
            level, missing = 0.5 * (low + high), 0.0
            for k in range(own.size):  # at the level, less at the level and a lot
                beyond = max(own[k] - level, 0.0)
                missing += WEIGHTS[k] * min(beyond, lot)
            if missing > (1.0 - fractile[i]) * lot:
                low = level
            else:
                high = level
        levels[i] = high
    return levels


def rolling_reorder_family(parameters: SupplyChainParameters) -> Family:
    """Return the (s, S) policies in days of recent demand, by S and the distance S - s.

    Where stores order in lots, S - s goes up to twice the days that these last for.
    """

    def make(order_up_to_days: Values, gap_days: Values) -> TeamPolicy:
        reorder_days = np.maximum(order_up_to_days - gap_days, 0.0)
        return reference_team(store=RollingReorderPoint(reorder_days, order_up_to_days))

    days = parameters.longest_review_gap + parameters.longest_lead_time
    up_to = [days * share for share in (0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4)]
    gaps = [0.0, 0.15, 0.3, 0.6, 1.2, 2.4]
    lots = lots_to_try(parameters)
    gaps += lots
    up_to += [days + lot for lot in lots]
    grid = {"order_up_to_days": _rounded(up_to), "gap_days": _rounded(gaps)}
    return Family(make, grid, refined=tuple(grid))


def _rounded(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(sorted({float(f"{value:.3g}") for value in values}))


@cache
def reorder_point_family(forecast: ForecastName, *, lots: bool) -> Family:
    """Return the (s, S) policies on a rolling forecast, by their safety stock.

    With `lots` by the size of lots too, which helps where orders have a cost.
    """
    multipliers = np.round(np.arange(0.6, 1.21, 0.05), 2)
    grid: dict[str, tuple[float, ...]] = {"safety_multiplier": tuple(multipliers.tolist())}
    if lots:
        grid["lot_multiplier"] = (0.5, 0.7, 1.0, 1.4, 2.0)
    return Family(teams_by(ForecastReorderPoint(forecast).with_values), grid)
