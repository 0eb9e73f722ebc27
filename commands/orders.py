"""Today's orders: what a trained policy does in the present state, and how sure it may be."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.policy import Policy
from commands.morning import Morning
from commands.order_checks import OrderLimits, unusual_entries
from commands.stock_state import StockState
from demand.history import StoreHistory
from demand.known_demand import KNOWN_DAYS
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.sites import StoreParameters

Floats = NDArray[np.float64]


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
    usual_range : tuple of ndarray
        The least and the most of each entry of a store's observation that is nothing unusual.

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
        usual_range: tuple[Floats, Floats],
    ) -> None:
        if parameters.history is None:
            raise TypeError("parameters without demand of a file")
        self.folder, self.parameters, self.rule = folder, parameters, rule
        self.observe_step, self.faults = observe_step, list(faults)
        self.known: StoreHistory = parameters.history
        self.usual_range, self.policy = usual_range, policy
        self._most_demand: Floats = self.known.training.max(axis=0)

    def morning(self, now: StockState, **more: Any) -> Morning:
        """Return the morning of a state; what else is known of it is as `Morning.of` has it."""
        return Morning.of(self.parameters, now, observe_step=self.observe_step, **more)

    def warm_up(self) -> None:
        """Decide a day of the past, so that compiled code is there before anybody asks."""
        day = self.known.table.last_day - dt.timedelta(days=2 * KNOWN_DAYS)
        if (day - self.known.table.first_day).days < KNOWN_DAYS:
            return
        morning = self.morning(StockState([(0, 0)], np.zeros(1), ()), date=day)
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
            daily=morning.expected(7).mean(axis=0),
            gaps=morning.batch.review_gap()[[world for world, _ in morning.places]],
            unusual=self._unusual(morning),
        )

    def doubts(self, advice: Advice, row: int, limits: OrderLimits) -> list[str]:
        """Return why the order of a row is held back."""
        now = advice.morning.now
        return self.faults + limits.faults(
            float(advice.asked[row]),
            rule=float(advice.by_rule[row]),
            usual=float(advice.daily[row]) * int(advice.gaps[row]),
            price=None if now.price is None else float(now.price[row]),
            demand=float(advice.morning.recent[row].max()),
            most=float(self._most_demand[now.places[row]]),
        )

    def orders(self, morning: Morning, limits: OrderLimits) -> list[dict[str, Any]]:
        """Return the orders of a morning, a row per store and SKU of the state.

        Returns
        -------
        list of dict
            As `commands.decide.decide` says.
        """
        advice = self.advise(morning)
        now, known, name = morning.now, self.known, self.rule[0]
        chances = morning.stockout_chances(advice.asked, advice.gaps)
        covers = morning.days_of_cover(advice.asked, advice.daily)
        out = []
        for row, (sku, store) in enumerate(now.places):
            order = float(advice.asked[row])
            held_back = self.doubts(advice, row, limits)
            refused = bool(held_back) and not limits.allow
            out.append(
                {
                    "date": morning.day.isoformat(),
                    "store": known.table.stores[store],
                    "sku": known.table.skus[sku],
                    "quantity": None if refused else round(order, 2),
                    "days_of_cover": covers[row],
                    "stockout_before": round(float(chances[row, 0]), 3),
                    "stockout_after": round(float(chances[row, 1]), 3),
                    "baseline": name,
                    "baseline_quantity": round(float(advice.by_rule[row]), 2),
                    "unusual": advice.unusual[row],
                    "held_back": "; ".join(held_back) if refused else "",
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
        batch = morning.batch
        names = batch.observation_names["store"]
        seen = batch.by_tier(batch.observation())["store"]
        views = seen[tuple(np.array(morning.places).T)]
        low, high = self.usual_range
        outside = ((views < low) | (views > high)).any(axis=1)
        return [
            unusual_entries(names, view, (low, high)) if strange else ""
            for view, strange in zip(views, outside, strict=True)
        ]


def _orders(batch: SupplyChainBatch, policy: Policy, morning: Morning) -> Floats:
    """Return what a policy orders in the morning, a row per store and SKU of the state [units]."""
    policy.bind(batch)
    start = np.ones(batch.num_worlds, np.bool_)
    actions = np.asarray(policy.predict(batch.observation(), None, start)[0])
    chosen = actions.reshape(batch.num_worlds, -1)[:, : batch.num_stores]
    if batch.asked_units:
        chosen = np.broadcast_to(np.arange(batch.num_stores), chosen.shape)
    orders = np.take_along_axis(batch.store_orders(), chosen[..., None], axis=2)[..., 0]
    values: Floats = orders[tuple(np.array(morning.places).T)]
    history = batch.parameters.history
    if history is None or (history.table.demand % 1).any():
        return values
    p = batch.parameters
    return np.array(
        [
            _whole(x, p.store_at(sku, store))
            for x, (sku, store) in zip(values, morning.now.places, strict=True)
        ]
    )


def _whole(order: float, store: StoreParameters) -> float:
    """Return the nearest whole quantity that the store may order."""
    if store.order_multiple is not None:
        return order
    whole = np.floor(order) if np.isfinite(store.shelf_capacity) else np.floor(order + 0.5)
    return float(whole if whole >= store.least_order or whole == 0 else np.ceil(order))
