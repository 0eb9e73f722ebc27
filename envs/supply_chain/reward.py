"""Reconciliation: what a day was worth to a store, to the warehouse and to the supplier.

After demand every agent gets a report of what happened to it, and a reward that weighs the service
level against holding cost and stockouts. Every term is defined here: weights and costs, the fixed
cost of an order, days of warm-up, the expectation over the law of demand, and the divisor used in
training. Compiled functions work on one agent; `w` is a record with the fields that they read.
"""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from common.compiled import compiled
from common.errors import FrozenModel
from envs.supply_chain.events import Floats, expiring, meet_demand

Weight = Annotated[float, Field(ge=0, le=1e6)]


class StoreWeights(FrozenModel):
    """Weights of a store's reward: one adds, the others subtract."""

    service_level: Weight = 10.0
    holding_cost: Weight = 0.1
    stockout_penalty: Weight = 5.0
    excess_inventory: Weight = 0.05
    waste_cost: Weight = 1.0


class WarehouseWeights(FrozenModel):
    """Weights of the warehouse's reward: one adds, two subtract."""

    service_level: Weight = 5.0
    holding_cost: Weight = 0.05
    stockout_count: Weight = 3.0


class SupplierWeights(FrozenModel):
    """Weights of the supplier's reward: one adds, one subtracts."""

    fulfillment_rate: Weight = 2.0
    delay_penalty: Weight = 1.0


class RewardWeights(FrozenModel):
    """Weights of every tier's reward."""

    store: StoreWeights = StoreWeights()
    warehouse: WarehouseWeights = WarehouseWeights()
    supplier: SupplierWeights = SupplierWeights()


WEIGHTS = [
    *((f"store_{name}", "f8") for name in StoreWeights.model_fields),
    *((f"warehouse_{name}", "f8") for name in WarehouseWeights.model_fields),
    *((f"supplier_{name}", "f8") for name in SupplierWeights.model_fields),
]
"""The weights as fields of a record, named by tier and term."""

STORE_WEIGHTS = np.dtype(
    [
        *WEIGHTS[: len(StoreWeights.model_fields)],
        *((name, "f8") for name in ("holding_cost", "stockout_cost", "excess_threshold")),
        ("waste_cost", "f8"),
        *((name, "?") for name in ("cost", "lifo")),
    ],
    align=True,
)
"""What `store_reward` reads; any record with these fields will do. `cost`: rewards are money."""

STORE_REPORT = (
    "demand",
    "sales",
    "lost_sales",
    "on_hand",
    "service_level",
    "holding_cost",
    "stockout_penalty",
    "excess_inventory",
)
WAREHOUSE_REPORT = ("avg_store_service_level", "holding_cost", "store_stockout_count", "on_hand")
SUPPLIER_REPORT = ("fulfillment_rate", "delay_penalty")


@compiled
def service_level(sales: float, demand: float) -> float:
    """Return sales / demand, 1 if there was no demand, 0 if backorders remain (sales below 0)."""
    return max(sales, 0.0) / demand if demand > 0.0 else 1.0


@compiled
def store_terms(w: Any, on_hand: float, short: float) -> tuple[float, float, float]:
    """Return holding cost [money], stockout cost [money] and units above the excess threshold.

    Parameters
    ----------
    w : record
        Costs: ``holding_cost``, ``stockout_cost``, ``excess_threshold``.
    on_hand, short : float
        Units left after demand, and units of demand lost or still owed [units].
    """
    excess = max(0.0, on_hand - w.excess_threshold)
    return w.holding_cost * on_hand, w.stockout_cost * short, excess


def store_terms_of(lanes: Any, on_hand: Floats, short: Floats) -> tuple[Floats, Floats, Floats]:
    """Return `store_terms` of every store of every world, shape (worlds, N) each.

    `lanes` has a row of records per world, of one for all stores or of one each.
    """
    holding, stockout, threshold = (
        lanes[name] for name in ("holding_cost", "stockout_cost", "excess_threshold")
    )
    return holding * on_hand, stockout * short, np.maximum(0.0, on_hand - threshold)


@compiled
def store_reward(w: Any, on_hand: float, sales: float, demand: float) -> float:
    """Return a store's reward of a day, without the costs of its order and of waste.

    Parameters
    ----------
    w : record
        `STORE_WEIGHTS` or more.
    on_hand : float
        Units left after demand [units].
    sales, demand : float
        Units sold and asked for [units]; sales below 0 are units still owed from days before.
    """
    holding, stockout, excess = store_terms(w, on_hand, demand - sales)
    if w.cost:
        return float(-(holding + stockout))
    return float(
        w.store_service_level * service_level(sales, demand)
        - w.store_holding_cost * holding
        - w.store_stockout_penalty * stockout
        - w.store_excess_inventory * excess
    )


@compiled
def ordering_cost(c: Any, order: float) -> float:
    """Return the cost of an order [money]; it is part of the reward where rewards are money."""
    return float((c.fixed_cost if order > 0.0 else 0.0) + c.unit_cost * order)


@compiled
def is_counted(day: int, warmup_days: int) -> bool:
    """Whether a day is past the warm-up, on whose days rewards are 0."""
    return day >= warmup_days


@compiled
def waste_charge(w: Any, wasted: float) -> float:
    """Return how much a store's reward loses to units that expired this evening.

    Parameters
    ----------
    w : record
        As for `store_reward`, with ``waste_cost`` [money/unit] and its weight.
    wasted : float
        Units.
    """
    return float((1.0 if w.cost else w.store_waste_cost) * w.waste_cost * wasted)


@compiled
def _sums(
    c: Any, on_hand: float, aging: tuple[float, float] | None, points: Floats, chances: Floats
) -> tuple[float, float, float]:
    """Return sums over values of demand of reward, service level and stockouts.

    Compiled with None for `aging`, it has no trace of waste in its loop.
    """
    reward, service, stockout = 0.0, 0.0, 0.0
    for j in range(points.size):
        weight = chances[j] if chances.size else 1.0
        sales, left = meet_demand(on_hand, points[j])
        if aging is not None and aging[0] > 0.0:
            expired = expiring(left, aging[0], aging[1], c.lifo)
            left -= expired
            reward -= weight * waste_charge(c, expired)
        reward += weight * store_reward(c, left, sales, points[j])
        service += weight * service_level(sales, points[j])
        stockout += weight * (max(sales, 0.0) < points[j])
    return reward, service, stockout


@compiled
def expected_store_reward(
    c: Any, on_hand: float, aging: tuple[float, float] | None, points: Floats, chances: Floats
) -> tuple[float, float, float]:
    """Return the reward, the service level and the chance of a stockout before demand is known.

    Parameters
    ----------
    c : record
        `STORE_WEIGHTS` or more.
    on_hand : float
        Units before demand, minus backorders.
    aging : tuple of float or None
        Units before demand that expire this evening, and that do not; None where nothing perishes.
    points : ndarray
        Values that stand for the law of the day's demand.
    chances : ndarray
        Their probabilities times their number; empty where they are equally likely.
    """
    reward, service, stockout = _sums(c, on_hand, aging, points, chances)
    return reward / points.size, service / points.size, stockout / points.size


@compiled
def expected_rewards(weights: Any, on_hand: Floats, points: Floats, chances: Floats) -> Floats:
    """Return the expected reward of a day for every stock before demand, shape of `on_hand`.

    Parameters
    ----------
    weights : ndarray
        Shape (1,), `STORE_WEIGHTS` or more. Where ``cost`` is set, a negative `on_hand` stands for
        backlogged units: each is charged as lost on every day that it waits.
    on_hand : ndarray
        Units before demand [units].
    points, chances : ndarray
        Values of demand [units] and their probabilities.
    """
    rewards = np.zeros(on_hand.size)
    for i in range(on_hand.size):
        rewards[i] = _sums(weights[0], on_hand[i], None, points, chances)[0]
    return rewards


def cost_weights(holding_cost: float, stockout_cost: float) -> NDArray[np.void]:
    """Return weights, shape (1,), with which the reward is minus the money spent.

    Parameters
    ----------
    holding_cost, stockout_cost : float
        Per unit left over and per unit lost [money/unit].
    """
    weights = np.zeros(1, STORE_WEIGHTS)
    weights["holding_cost"], weights["stockout_cost"] = holding_cost, stockout_cost
    weights["cost"] = True
    return weights


def scale_by_level(rewards: Floats, level: Floats) -> None:
    """Express stores' rewards in days of demand, so that all sizes weigh the same in training.

    Where the costs of SKUs differ, `level` includes the relative cost of a unit.

    Parameters
    ----------
    rewards : ndarray
        Rewards of stores, warehouse and supplier, shape (worlds, N + 2); changed in place.
    level : ndarray
        The stores' usual demand, shape (worlds, N) [units/day].
    """
    rewards[:, : level.shape[1]] /= level


@compiled
def warehouse_holding(c: Any, on_hand: float) -> tuple[float, float]:
    """Return the warehouse's holding cost [money] and the units that it is charged for.

    A warehouse that is never short holds infinitely many units, free of charge.
    """
    units = 0.0 if np.isinf(on_hand) else on_hand
    return c.warehouse_unit_holding_cost * units, units


@compiled
def warehouse_reward(w: Any, service: float, holding: float, stockouts: float) -> float:
    """Return the warehouse's reward: mean service level of its stores, holding cost, stockouts."""
    if w.cost:
        return float(-holding)
    return float(
        w.warehouse_service_level * service
        - w.warehouse_holding_cost * holding
        - w.warehouse_stockout_count * stockouts
    )


@compiled
def supplier_reward(w: Any, fulfillment: float, delayed: float) -> float:
    """Return the supplier's reward; it spends no money of its own, so its cost is 0."""
    if w.cost:
        return 0.0
    return float(w.supplier_fulfillment_rate * fulfillment - w.supplier_delay_penalty * delayed)
