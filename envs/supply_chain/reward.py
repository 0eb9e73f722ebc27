"""Reconciliation: what a day was worth to a store, to the warehouse and to the supplier.

After demand every agent gets a report of what happened to it, and a reward that weighs the service
level against holding cost and stockouts. The functions are compiled and work on one agent; `w` is
a `WEIGHTS` record (or any record that holds its fields).
"""

from typing import Annotated, Any

from pydantic import Field

from common.compiled import compiled
from common.errors import FrozenModel

Weight = Annotated[float, Field(ge=0, le=1e6)]


class StoreWeights(FrozenModel):
    """Weights of a store's reward: one adds, three subtract."""

    service_level: Weight = 10.0
    holding_cost: Weight = 0.1
    stockout_penalty: Weight = 5.0
    excess_inventory: Weight = 0.05


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
    """Return sales / demand, 1 if there was no demand, 0 if older demand waits (sales below 0)."""
    return max(sales, 0.0) / demand if demand > 0.0 else 1.0


@compiled
def store_reward(w: Any, on_hand: float, sales: float, demand: float) -> float:
    """Return a store's reward of a day.

    Parameters
    ----------
    w : record
        Weights, costs (``holding_cost``, ``stockout_cost``, ``excess_threshold``) and ``cost``,
        whether the objective is money spent.
    on_hand : float
        Units left after demand [units].
    sales, demand : float
        Units sold and asked for [units]; sales below 0 are units still owed from days before.
    """
    holding = w.holding_cost * on_hand
    stockout = w.stockout_cost * (demand - sales)
    if w.cost:
        return float(-(holding + stockout))
    return float(
        w.store_service_level * service_level(sales, demand)
        - w.store_holding_cost * holding
        - w.store_stockout_penalty * stockout
        - w.store_excess_inventory * max(0.0, on_hand - w.excess_threshold)
    )


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
