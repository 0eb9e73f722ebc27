"""The newsvendor on demand from a file, whose law is unknown: by quantiles of forecast errors."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from baselines.rules.forecast import HistoryRule
from baselines.rules.newsvendor_costs import (
    SHARES,
    balanced_levels,
    days_of_use,
    newsvendor_costs,
)
from baselines.rules.reference import teams_by
from baselines.rules.stock_rule import StoreRule, Values
from baselines.tuning import Family
from common.array_cache import made_once
from demand.calendar import WEEKDAYS
from demand.forecasts.errors import PooledErrors, days_apart, forecast_errors
from demand.forecasts.forecast import ForecastName, is_cross_fitted
from demand.history import StoreHistory
from demand.known_demand import WEEK
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.sites import Lane

GAPS = WEEK + 1
"""Rows of tables: days to the next day of review, at most a week."""

MOST_PREPARED = 3
"""Problems whose errors a rule remembers: the one that it is tuned for, and its held-out days."""


@dataclass(frozen=True)
class _Window:
    """Days whose demand decides what an order is worth.

    Attributes
    ----------
    days : int
        Number of days, from the day of the order on.
    gap : int
        Days to the next day of review.
    last_alone : bool
        Whether only the last of them counts.
    """

    days: int
    gap: int
    last_alone: bool = False

    @property
    def overlap(self) -> int:
        """Number of windows beginning on consecutive days that share a day."""
        return 1 if self.last_alone else self.days


@dataclass(frozen=True, eq=False)
class _ErrorTables:
    """What follows from the forecast errors of training days.

    Attributes
    ----------
    safety : ndarray
        Quantiles of errors at the critical fractile, by days to the next day of review, shape
        (`GAPS`, SKUs, N); 0 where levels balance waste.
    lots : ndarray
        Periods that lots last for, where there are any, of the same shape.
    balances : ndarray
        Where levels balance waste, all quantiles of errors: over the days that decide whether a
        unit is used, and over those that decide whether it is wasted. Shape (2, rows, N, shares),
        with the rows that `row` names.
    costs, days : ndarray
        Costs of a unit, shape (rows, 1 or N, 3), and the numbers of these days, shape (2, rows).
    row : ndarray
        Row by days to the next day of review and SKU, shape (`GAPS`, SKUs).
    """

    safety: Values
    lots: Values
    balances: Values
    costs: Values
    days: NDArray[np.int64]
    row: NDArray[np.int64]


class RollingNewsvendor(HistoryRule):
    """Newsvendor on a rolling forecast: order ``F_t + m c_t q - IP``.

    q is the quantile of the errors of F in the training period, divided by c_t and shrunk towards
    those of all series (`demand.forecasts.errors`), at the critical fractile ``u / (u + h)`` of
    underage and holding cost (`baselines.rules.newsvendor_costs`). c_t scales it to the store's
    size and the days to come (`demand.forecasts.forecast.BoundedForecast.scale`).

    With m = 1 there is nothing to tune. But the fractile assumes that unmet demand is backlogged.
    Where it is lost, more stock is left over, the more so the longer the lead time, and an m below
    1 costs less (Huh et al.). An m above 1 makes up for in-sample errors, which are too small;
    errors of trees are out of sample.

    With a shelf life of one day, the stock of the day on which an order arrives is that order
    alone, and nothing of it is left for the days after. F and the errors are then those of that day
    alone, stock on hand or in transit does not count, and the fractile is ``u / (u + o)``, with o
    the cost of a wasted unit. Goods that keep longer are ordered up to the level that balances the
    chances of a unit to be used, held and wasted, from the inventory position less the expected
    waste.

    Parameters
    ----------
    forecast : {"average", "weekday", "smoothing", "tsb", "boosting"}
        Method of the forecast F_t.
    safety_multiplier : array_like, optional
        m, the factor of the safety stock beyond F_t; 1 where it is not tuned.

    References
    ----------
    Beutel and Minner (2012), Safety stock planning under causal demand forecasting, International
    Journal of Production Economics 140(2) (quantiles of forecast errors); Huh, Janakiraman,
    Muckstadt and Rusmevichientong (2009), Asymptotic optimality of order-up-to policies in lost
    sales inventory systems, Management Science 55(3) (levels with lost sales are lower).
    """

    is_base_stock = True
    balances_waste = True
    """Whether levels of goods that keep two days or more balance the costs of waste."""

    def __init__(
        self, forecast: ForecastName, safety_multiplier: ArrayLike | None = None, **more: ArrayLike
    ) -> None:
        tuned = {} if safety_multiplier is None else {"safety_multiplier": safety_multiplier}
        super().__init__(forecast, **tuned, **more)
        self._stockout_cost: Values | None = None
        self._known_errors: dict[tuple[int, _Window], Values] = {}  # of `with_stockout_cost` alone
        # copies of a rule share it: a team binds copies, and the quantiles take long to find
        self._prepared: list[tuple[SupplyChainParameters, _ErrorTables]] = []

    def with_values(self, **values: ArrayLike) -> Self:
        """Return the same rule with other parameters, without computing errors anew."""
        other = copy.copy(self)
        StoreRule.__init__(other, **values)
        return other

    def with_stockout_cost(self, stockout_cost: Values) -> Self:
        """Return the same rule with other costs, without computing errors anew.

        Parameters
        ----------
        stockout_cost : ndarray
            Stockout costs in place of the problem's own, shape (SKUs, N), or (SKUs, 1) if all
            stores are alike [money per unit]; SKUs with NaN are not ordered.
        """
        other = copy.copy(self)
        if self._stockout_cost is None:  # from here on all copies are of one problem
            other._known_errors = {}
        other._stockout_cost, other._prepared = stockout_cost, []
        return other

    def _prepare(self, parameters: SupplyChainParameters) -> None:
        super()._prepare(parameters)
        lives = np.array([lane.store.shelf_life or 0 for lane in parameters.lanes()])
        self._one_day, self._keeps = lives == 1, lives > 1
        self._balance = self._keeps & self.balances_waste
        for known, tables in self._prepared:
            if known is parameters:
                self._tables = tables
                return
        history = parameters.history
        assert history is not None  # noqa: S101
        made = made_once(
            self._key(parameters, history), lambda: vars(self._learn(parameters, history))
        )
        self._tables = _ErrorTables(**made)
        self._prepared[:] = [*self._prepared[1 - MOST_PREPARED :], (parameters, self._tables)]

    def _key(self, parameters: SupplyChainParameters, history: StoreHistory) -> str | None:
        """Return the key that the tables are cached under, None where they take a moment."""
        if self._stockout_cost is not None or history.key_of() is None:
            return None
        items = {name: values.tobytes() for name, values in parameters.item_values.items()}
        lives = [lane.store.shelf_life for lane in parameters.lanes()]  # a file may set them
        costs = parameters.model_dump_json(exclude={"demand_data"})
        about = type(self).__name__, self.forecast, self._lead_time
        return history.key_of(*about, costs, items, lives)

    def _learn(self, parameters: SupplyChainParameters, history: StoreHistory) -> _ErrorTables:
        shape, new = history.mean.shape, history.new
        pools: dict[_Window, PooledErrors] = {}
        found: list[tuple[int, Values, Values, list[tuple[_Window, Values]]]] = []
        for sku, lane in enumerate(parameters.lanes()):
            asked = self._stockout_cost is None or not np.isnan(self._stockout_cost[sku]).any()
            for weekdays, windows in self._windows(lane, sku):
                cost = self._costs(parameters, sku, windows[0].gap)
                shares = self._shares(sku, cost)
                own = []
                for window in windows:
                    errors = self._errors(history, sku, window, weekdays)
                    if window not in pools:
                        pools[window] = PooledErrors(new, history.mean, days_apart(history))
                    pools[window].add(sku, errors, window.overlap * weekdays.size / WEEK)
                    if asked:
                        own.append((window, _quantiles(errors, shares)))
                if asked:
                    found.append((sku, cost, shares, own))
        safety, row = np.zeros((GAPS, *shape)), np.zeros((GAPS, shape[0]), np.int64)
        lots = np.zeros(safety.shape)
        balances: list[list[Values]] = []
        costs, days = [], []
        for sku, cost, shares, own in found:
            drawn = [pools[window].quantiles(sku, some, shares) for window, some in own]
            gap = own[0][0].gap
            if self._balance[sku]:
                row[gap, sku] = len(balances)
                balances.append(drawn)
                costs.append(cost)
                days.append([window.days for window, _ in own])
            else:
                safety[gap, sku], lots[gap, sku] = self._beyond_forecast(sku, gap, cost, drawn)
        both = np.array(balances).reshape(-1, 2, shape[1], SHARES.size).swapaxes(0, 1)
        return _ErrorTables(safety, lots, both, np.array(costs), np.array(days, np.int64).T, row)

    def _windows(
        self, lane: Lane, sku: int
    ) -> Iterator[tuple[NDArray[np.int64], tuple["_Window", ...]]]:
        """Yield weekdays of review, and the days whose demand decides how much to order then."""
        for gap, weekdays in _reviews(lane):
            if self._keeps[sku]:
                yield weekdays, tuple(_Window(n, gap) for n in days_of_use(lane.store, gap))
            elif self._one_day[sku]:
                yield weekdays, (_Window(self._lead_time + 1, gap, last_alone=True),)
            else:
                yield weekdays, (_Window(self._lead_time + gap, gap),)

    def _shares(self, sku: int, cost: Values) -> Values:
        """Return the probabilities whose quantiles are needed.

        These are critical fractiles, common or per store; with two days or more to keep, `SHARES`.
        """
        return SHARES if self._keeps[sku] else self._fractiles(sku, cost)

    def _fractiles(self, sku: int, cost: Values) -> Values:
        """Return critical fractiles, from the costs of a unit short and of one left over."""
        short, over = cost[:, 0], cost[:, 2 if self._one_day[sku] else 1]
        return np.asarray(short / np.maximum(short + over, 1e-300))

    def _beyond_forecast(
        self, sku: int, gap: int, cost: Values, quantiles: list[Values]
    ) -> tuple[Values, Values]:
        """Return q, and how long lots last [periods], shape (N,) each.

        Parameters
        ----------
        sku, gap : int
            The SKU, and the days to the next day of review.
        cost : ndarray
            As `_costs` returns it.
        quantiles : list of ndarray
            Quantiles of the errors of its windows, at `_shares`.
        """
        del sku, gap, cost
        return quantiles[0], np.zeros(len(quantiles[0]))

    def _costs(self, parameters: SupplyChainParameters, sku: int, gap: int) -> Values:
        """Return costs of a unit short, held and wasted, common or per store, shape (1 or N, 3)."""
        stores = [parameters.lanes()[sku].store]
        if parameters.item_values:
            stores = [parameters.store_at(sku, n) for n in range(parameters.num_stores)]
        if self._stockout_cost is not None:
            own = self._stockout_cost[sku].tolist()
            stores = [
                s.model_copy(update={"stockout_cost": p}) for s, p in zip(stores, own, strict=True)
            ]
        found = (newsvendor_costs(parameters, store, gap) for store in stores)
        return np.array([(cost.underage, cost.holding, cost.outdating) for cost in found])

    def _errors(
        self, history: StoreHistory, sku: int, window: "_Window", weekdays: NDArray[np.int64]
    ) -> Values:
        """Return `forecast_errors` of a window of days from the days of review on."""
        if (sku, window) in self._known_errors:
            return self._known_errors[sku, window]
        errors, began = forecast_errors(
            history, sku, window.days, self._forecast, last_alone=window.last_alone
        )
        found = np.asarray(errors[np.isin(began, weekdays)])
        if self._stockout_cost is not None:
            self._known_errors[sku, window] = found
        return found

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        expected, days = self._coming(chain), self._days(chain)[:, None]
        wanted = expected + self._safety(chain, expected / days) - position
        if self._one_day.any():
            arrival, there = self._on_arrival(chain), chain.sites["backorders"]
            if self._lead_time == 0:
                there = there + chain.sites["on_hand"]
            of_day = arrival + self._safety(chain, arrival) - there
            wanted = np.where(self._one_day[chain.lane_of, None], of_day, wanted)
        if self._balance.any():
            counted = self._balanced(chain) - position + chain.expected_waste()
            wanted = np.where(self._balance[chain.lane_of, None], counted, wanted)
        return wanted

    def _scale(self, chain: SupplyChainBatch, daily: Values) -> Values:
        """Return c_t where a day's forecast is `daily`."""
        assert chain.past is not None  # noqa: S101  (see _prepare)
        return self._forecast.scale(chain.past, chain.day, chain.lane_of, daily)

    @property
    def _multiplier(self) -> Values:
        return self._columns.get("safety_multiplier", np.ones((1, 1)))

    def _safety(self, chain: SupplyChainBatch, daily: Values) -> Values:
        safety = self._tables.safety[chain.review_gap(), chain.lane_of]
        return np.asarray(self._multiplier * safety * self._scale(chain, daily))

    def _on_arrival(self, chain: SupplyChainBatch) -> Values:
        """Return the forecast of the day on which today's order arrives."""
        ahead = np.full(chain.num_worlds, self._lead_time)
        if self._lead_time == 0:
            return self._coming(chain, ahead + 1)
        return self._coming(chain, ahead + 1) - self._coming(chain, ahead)

    def _balanced(self, chain: SupplyChainBatch) -> Values:
        """Return the levels of goods that keep two days or more; for others they are undefined."""
        tables = self._tables
        row = tables.row[chain.review_gap(), chain.lane_of]
        own, later = tables.balances
        days = tables.days[:, row]
        expected = np.stack([self._coming(chain, some) for some in days])
        daily = expected / days[..., None]
        scale = np.stack([self._scale(chain, some) for some in daily])
        level = balanced_levels(expected, scale, own, later, tables.costs, row)
        return np.asarray(level + (self._multiplier - 1.0) * (level - expected[0]))


@cache
def newsvendor_family(forecast: ForecastName) -> Family:
    """Return the newsvendor on a rolling forecast with more or less of its safety stock.

    With trees there is never more of it, as their errors are out of sample.
    """
    most = 1.0 if is_cross_fitted(forecast) else 1.5
    multipliers = np.round(np.arange(0.4, most + 0.01, 0.05), 2)
    grid = {"safety_multiplier": tuple(multipliers.tolist())}
    return Family(teams_by(RollingNewsvendor(forecast).with_values), grid)


def _quantiles(errors: Values, shares: Values) -> Values:
    """Return quantiles of every store's errors.

    Parameters
    ----------
    errors : ndarray
        Shape (windows, N), NaN on days before a series had begun.
    shares : ndarray
        `SHARES`, or one share for all stores, shape (1,), or one for each, shape (N,).

    Returns
    -------
    ndarray
        Shape (N, shares) with `SHARES`, else (N,).
    """
    known = not np.isnan(errors).any()
    if shares is SHARES:
        if known:
            return np.quantile(errors, SHARES, axis=0).T
        return np.array([np.quantile(_of_begun(own), SHARES) for own in errors.T])
    if shares.size == 1 and known:
        return np.asarray(np.quantile(errors, shares[0], axis=0))
    every = np.broadcast_to(shares, errors.shape[1:])
    return np.array([np.quantile(_of_begun(e), q) for e, q in zip(errors.T, every, strict=True)])


def _of_begun(errors: Values) -> Values:
    """Return a store's errors of days on which it had begun to sell; 0 where there are none."""
    known = errors[~np.isnan(errors)]
    return known if known.size else np.zeros(1)


def _reviews(lane: Lane) -> list[tuple[int, NDArray[np.int64]]]:
    """Return each gap between days of review [days], with the weekdays that it follows."""
    gaps = np.array(lane.store.review_gaps)
    reviews = np.isin(WEEKDAYS, lane.store.review_days)
    return [
        (gap, np.flatnonzero(reviews & (gaps == gap)))
        for gap in sorted(set(gaps[reviews].tolist()))
    ]
