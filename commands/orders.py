"""Today's orders: what a trained policy does in the present state, and reasons for doubt."""

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.policy import Policy
from baselines.rules.rolling_reorder_point import lot_days, orders_in_lots
from commands.morning import Morning, Today
from commands.order_checks import OrderLimits, unusual_entries, unusual_stock
from commands.stock_state import StockState
from common.shards import HERE, Report, Workers, share_progress
from common.sharing import map_threads, share_out
from demand.history import StoreHistory
from demand.known_demand import KNOWN_DAYS
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters

Floats = NDArray[np.float64]
SHARD_STORES = 10_000
"""Most rows (stores of all SKUs) of a shard, unless a single SKU has more."""


@dataclass(frozen=True)
class Advice:
    """The orders of a morning, before anything is held back; every array has shape (rows,).

    Attributes
    ----------
    morning : Morning
        The state.
    asked, by_rule : ndarray
        Orders of the policy, and of the rule beside it [units].
    daily : ndarray
        Mean demand expected in the coming week [units/day].
    gaps : ndarray
        Days to the next day of review.
    unusual : list of str
        Respects in which each state is unlike those in training.
    """

    morning: Morning
    asked: Floats
    by_rule: Floats
    daily: Floats
    gaps: NDArray[np.int64]
    unusual: list[str]


class Decider:
    """A policy that decides, the rule beside it, and the limits of trust in the policy.

    Parameters
    ----------
    folder : Path
        Folder that the policy is kept in.
    parameters : SupplyChainParameters
        Parameters of stores with demand from a file.
    policy : Policy
        Policy whose orders count.
    rule : tuple of str and Policy
        The rule beside it, and its name.
    observe_step : bool
        Whether the policy sees the step of the episode.
    faults : sequence of str
        Reasons to hold back all of the policy's orders.
    usual_range : tuple of ndarray, optional
        The least and the largest usual value of each entry of a store's observation; none for a
        policy without observations, for which `unusual_stock` says what is unusual.

    Attributes
    ----------
    known : StoreHistory
        The stores and SKUs, and their demand up to when the policy was trained.
    """

    def __init__(
        self,
        folder: Path,
        parameters: SupplyChainParameters,
        policy: Policy,
        rule: tuple[str, Policy],
        *,
        observe_step: bool,
        faults: Sequence[str],
        usual_range: tuple[Floats, Floats] | None = None,
    ) -> None:
        if parameters.history is None:
            raise TypeError("parameters without demand of a file")
        self.folder, self.parameters, self.rule = folder, parameters, rule
        self.observe_step, self.faults = observe_step, list(faults)
        self.known: StoreHistory = parameters.history
        self.usual_range, self.policy = usual_range, policy
        most = self.known.training.max(axis=0)  # of what had hardly begun to sell, that of all
        self._most_demand: Floats = np.where(self.known.new, most.max(), most)
        lots = orders_in_lots(parameters)
        self._lots = lot_days(parameters, 1) if lots else np.zeros(self._most_demand.shape)

    def today(self, now: StockState, **more: Any) -> Today:
        """Return a state with what else is known today; `more` is as in `Today.of`."""
        return Today.of(self.parameters, now, **more)

    def morning(self, today: Today) -> Morning:
        """Return the morning that follows from what is known."""
        return Morning.of(self.parameters, today, observe_step=self.observe_step)

    def warm_up(self) -> None:
        """Decide a past day, so that code is compiled before the first request."""
        table = self.known.table
        if (number := table.days - 1 - 2 * KNOWN_DAYS) < KNOWN_DAYS:
            return
        first = StockState(np.zeros((1, 2), np.intp), np.zeros(1), ())
        morning = self.morning(self.today(first, date=table.date(number)))
        advice = self.advise(morning)
        morning.stockout_chances(advice.asked, advice.gaps)
        morning.projected_stock(0, 0.0, 1)

    def advise(self, morning: Morning, *, rule_alone: bool = False) -> Advice:
        """Return the orders of the policy and of the rule, or the rule's in place of both.

        Raises
        ------
        NumericalError
            If the policy's outputs are not finite.
        """
        by_rule = _orders(morning.batch, self.rule[1], morning)
        return Advice(
            morning,
            asked=by_rule if rule_alone else _orders(morning.batch, self.policy, morning),
            by_rule=by_rule,
            daily=daily_demand(morning),
            gaps=days_to_review(morning),
            unusual=self._unusual(morning),
        )

    def doubts(self, advice: Advice, limits: OrderLimits) -> list[list[str]]:
        """Return why each order is held back."""
        now, recent = advice.morning.now, advice.morning.recent
        own = limits.faults(
            advice.asked,
            rule=advice.by_rule,
            usual=advice.daily * (advice.gaps + self._lots[tuple(now.places.T)]),
            price=now.price,
            demand=recent.max(axis=1),
            most=self._most_demand[tuple(now.places.T)],
            last_sales=advice.morning.today.last_sales,
            period=self.known.table.period,
        )
        return [self.faults + faults for faults in own]

    def orders(
        self, today: Today, limits: OrderLimits, workers: Workers = HERE
    ) -> list[dict[str, Any]]:
        """Return the orders of a morning, a row per store and SKU of the state.

        SKUs are decided in shards of the same size by any number of workers, so that the orders do
        not depend on `workers`.

        Returns
        -------
        list of dict
            As returned by `commands.decide.decide`.
        """
        shards = self._shards(today)
        if len(shards) == 1:
            return self.rows_of(self.morning(today), limits)
        parts = [today.part(rows) for rows in shards]
        with share_out(workers), share_progress("deciding") as report:
            decided = map_threads(_decide, (self, limits), parts, progress=report)
        places = np.concatenate(shards).tolist()
        every = dict(zip(places, itertools.chain.from_iterable(decided), strict=True))
        return [every[row] for row in range(len(places))]

    def _shards(self, today: Today) -> list[NDArray[np.intp]]:
        """Return the rows of every shard: all stores of an SKU are in the same one."""
        skus, sku = np.unique(today.now.places[:, 0], return_inverse=True)
        each = max(1, SHARD_STORES // self.parameters.num_stores)
        shard = sku.reshape(-1) // each
        rows = np.argsort(shard, kind="stable")
        ends = np.searchsorted(shard[rows], np.arange(1, -(-len(skus) // each)))
        return np.split(rows, ends)

    def rows_of(self, morning: Morning, limits: OrderLimits) -> list[dict[str, Any]]:
        """Return the orders of a morning decided in one piece, in the form of `orders`."""
        advice = self.advise(morning)
        now, name, table = morning.now, self.rule[0], self.known.table
        chances = morning.stockout_chances(advice.asked, advice.gaps).round(3).tolist()
        covers = morning.days_of_cover(advice.asked, advice.daily)
        day, doubts = morning.day.isoformat(), self.doubts(advice, limits)
        asked, by_rule = advice.asked.round(2).tolist(), advice.by_rule.round(2).tolist()
        out = []
        for row, (sku, store) in enumerate(now.places.tolist()):
            refused = bool(doubts[row]) and not limits.allow
            out.append(
                {
                    "date": day,
                    "store": table.stores[store],
                    "sku": table.skus[sku],
                    "quantity": None if refused else asked[row],
                    "days_of_cover": covers[row],
                    "stockout_before": chances[row][0],
                    "stockout_after": chances[row][1],
                    "rule": name,
                    "rule_quantity": by_rule[row],
                    "unusual": advice.unusual[row],
                    "held_back": "; ".join(doubts[row]) if refused else "",
                    **self._supplier(sku, store),
                }
            )
        return out

    def _supplier(self, sku: int, store: int) -> dict[str, str]:
        """Return the supplier of an order, if the items file has a column of suppliers."""
        items = self.known.items
        return {"supplier": items.suppliers[sku][store]} if items and items.suppliers else {}

    def _unusual(self, morning: Morning) -> list[str]:
        """Return the respects in which each row's state is unlike those in training."""
        batch, now = morning.batch, morning.now
        if self.usual_range is None:
            place = tuple(now.places.T)
            days = morning.due.shape[1] + days_to_review(morning) + self._lots[place]
            most = np.maximum(self._most_demand[place], 1.0) * days
            return unusual_stock(now.on_hand, morning.due.sum(axis=1), most)
        names = batch.observation_names["store"]
        seen = batch.by_tier(batch.observation())["store"]
        return unusual_entries(names, seen[tuple(morning.places.T)], self.usual_range)


def daily_demand(morning: Morning) -> Floats:
    """Return the mean demand expected in the coming week, shape (rows,) [units/day]."""
    daily: Floats = morning.expected(7).mean(axis=0)
    return daily


def days_to_review(morning: Morning) -> NDArray[np.int64]:
    """Return the number of days to the next day of review, shape (rows,)."""
    gaps: NDArray[np.int64] = morning.batch.review_gap()[morning.places[:, 0]]
    return gaps


def _decide(
    shared: tuple[Decider, OrderLimits], today: Today, report: Report
) -> list[dict[str, Any]]:
    """Return the orders of a shard."""
    del report  # which is short
    decider, limits = shared
    return decider.rows_of(decider.morning(today), limits)


def _orders(batch: SupplyChainBatch, policy: Policy, morning: Morning) -> Floats:
    """Return what a policy orders in the morning, a row per store and SKU of the state [units]."""
    policy = copy.copy(policy)  # other shards of the morning are decided meanwhile
    policy.bind(batch)
    start = np.ones(batch.num_worlds, np.bool_)
    orders = batch.orders_of(policy.predict(batch.observation(), None, start)[0])
    values: Floats = orders[tuple(morning.places.T)]
    history = batch.parameters.history
    if history is None or not history.whole_units:
        return values
    return _whole(values, *batch.parameters.order_limits(*morning.now.places.T))


def _whole(orders: Floats, multiple: Floats, least: Floats, capacity: Floats) -> Floats:
    """Return the nearest whole quantities that stores may order."""
    whole = np.where(np.isfinite(capacity), np.floor(orders), np.floor(orders + 0.5))
    whole = np.where((whole >= least) | (whole == 0), whole, np.ceil(orders))
    return np.where(multiple > 0, orders, whole)
