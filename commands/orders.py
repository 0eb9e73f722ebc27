"""Today's orders: what a trained policy does in the present state, and how sure it may be."""

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
"""Stores of all SKUs of a shard, at most, unless one SKU has more."""


@dataclass(frozen=True)
class Advice:
    """What is ordered in a morning, before anything is held back; every array has shape (rows,).

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
        In which respects each state is unlike those in training.
    """

    morning: Morning
    asked: Floats
    by_rule: Floats
    daily: Floats
    gaps: NDArray[np.int64]
    unusual: list[str]


class Decider:
    """What decides: a policy, the rule beside it, and what the policy is worth.

    Parameters
    ----------
    folder : Path
        Where the policy is kept.
    parameters : SupplyChainParameters
        Of stores on demand of a file.
    policy : Policy
        Whose orders count.
    rule : tuple of str and Policy
        The rule to name besides.
    observe_step : bool
        Whether the policy sees the step of the episode.
    faults : sequence of str
        Why the policy's orders are held back, all of them.
    usual_range : tuple of ndarray, optional
        The least and the most of each entry of a store's observation that is nothing unusual; none
        for a policy that looks at no observation, of which `unusual_stock` says what is.

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
        """Return what is known besides a state; `more` is as `Today.of` has it."""
        return Today.of(self.parameters, now, **more)

    def morning(self, today: Today) -> Morning:
        """Return the morning of what is known."""
        return Morning.of(self.parameters, today, observe_step=self.observe_step)

    def warm_up(self) -> None:
        """Decide a day of the past, so that compiled code is there before anybody asks."""
        table = self.known.table
        if (number := table.days - 1 - 2 * KNOWN_DAYS) < KNOWN_DAYS:
            return
        first = StockState(np.zeros((1, 2), np.intp), np.zeros(1), ())
        morning = self.morning(self.today(first, date=table.date(number)))
        advice = self.advise(morning)
        morning.stockout_chances(advice.asked, advice.gaps)
        morning.projected_stock(0, 0.0, 1)

    def advise(self, morning: Morning, *, rule_alone: bool = False) -> Advice:
        """Return what the policy and the rule order in the morning, or the rule in place of both.

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

        SKUs are decided in shards of the same size, whoever does them, so that nothing about the
        orders depends on `workers`.

        Returns
        -------
        list of dict
            As `commands.decide.decide` says.
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
        """Return the orders of a morning that is decided in one piece, as `orders` does."""
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
                    "baseline": name,
                    "baseline_quantity": by_rule[row],
                    "unusual": advice.unusual[row],
                    "held_back": "; ".join(doubts[row]) if refused else "",
                    **self._supplier(sku, store),
                }
            )
        return out

    def _supplier(self, sku: int, store: int) -> dict[str, str]:
        """Return whom an order goes to, where the items file has a column of suppliers."""
        items = self.known.items
        return {"supplier": items.suppliers[sku][store]} if items and items.suppliers else {}

    def _unusual(self, morning: Morning) -> list[str]:
        """Return in which respects each row's state is unlike those in training."""
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
    """Return how many days the next day of review is away, shape (rows,)."""
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
