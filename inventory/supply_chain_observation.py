"""What the agents of the supply chain see: the compact observation, and the full one.

A row holds all agents of a world: the stores one after another, the warehouse, the supplier.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from inventory.supply_chain_law import Floats

COMPACT = {
    "store": (
        "on_hand/1000",
        "forecast/200",
        "demand_std/50",
        "cover/10",
        "stockout",
        "warehouse on_hand/capacity",
        "service_level",
    ),
    "warehouse": (
        "demand/500",
        "on_hand/5000",
        "inbound/2000",
        "smallest store on_hand/1000",
        "mean store on_hand/1000",
        "service_level",
    ),
    "supplier": ("order on desk/2000", "free production capacity", "lead_time/10"),
}
"""Entries of the compact observation by tier (the warehouse's first three also over N/3)."""

MOST_COVER = 100.0
"""Days of demand that the warehouse's stock is shown as, at most (one that is never short)."""


def full_names(store_slots: int, warehouse_slots: int) -> dict[str, tuple[str, ...]]:
    """Return the entries of the full observation by tier.

    Amounts are over the agent's own mean demand (of all stores for the warehouse and the supplier),
    that is in days of demand. Slots are the mornings to come; the last of the warehouse's holds all
    that arrives later too.
    """
    return {
        "store": (
            "on_hand",
            *(f"pipeline_{k + 1}" for k in range(store_slots)),
            "backorders",
            "forecast",
            "demand_std observed",
            "demand_std",
            "season sine",
            "season cosine",
            "warehouse on_hand",
        ),
        "warehouse": (
            "on_hand",
            *(f"inbound_{k + 1}" for k in range(warehouse_slots)),
            "order on desk",
            "stores' inventory position",
            "backorders",
            "demand",
            "forecast",
            "service_level",
            "season sine",
            "season cosine",
        ),
        "supplier": (
            "order on desk",
            "free production capacity",
            "lead_time/10",
            "warehouse on_hand",
            "inbound",
        ),
    }


@numba.njit(cache=True)
def _compact_world(c: Any, sites: Any, hub: Any, inbound: Floats, capacity: float, row: Any) -> Any:
    n = sites.size
    size = n / 3.0
    share = 1.0 if np.isinf(hub.on_hand) else hub.on_hand / capacity
    demand, lowest, total = 0.0, np.inf, 0.0
    for i in range(n):
        s = sites[i]
        at = 7 * i
        level = s.on_hand - s.owed
        row[at] = level / 1000.0
        row[at + 1] = s.forecast / 200.0
        row[at + 2] = s.forecast_std / 50.0
        row[at + 3] = (level / s.forecast if s.forecast > 0.0 else 0.0) / 10.0
        row[at + 4] = s.sales < s.demand
        row[at + 5] = share
        row[at + 6] = s.service
        demand += s.demand
        lowest = min(lowest, level)
        total += level
    at = 7 * n
    row[at] = demand / (500.0 * size)
    row[at + 1] = 1.0 if np.isinf(hub.on_hand) else hub.on_hand / (5000.0 * size)
    row[at + 2] = (inbound.sum() + hub.on_desk) / (2000.0 * size)
    row[at + 3] = lowest / 1000.0
    row[at + 4] = total / n / 1000.0
    row[at + 5] = hub.service
    row[at + 6] = hub.on_desk / 2000.0
    row[at + 7] = 1.0  # nothing is committed before the supplier decides
    row[at + 8] = c.supplier_lead_time / 10.0


@numba.njit(cache=True)
def _full_world(
    c: Any,
    sites: Any,
    hub: Any,
    pipelines: Floats,
    inbound: Floats,
    mean: Floats,
    store_slots: int,
    warehouse_slots: int,
    season: tuple[float, float],
    row: Any,
) -> None:
    n, whole = sites.size, max(mean.sum(), 1e-9)
    warehouse = min(hub.on_hand / whole, MOST_COVER)
    position, backorders, demand, expected, at = 0.0, 0.0, 0.0, 0.0, 0
    for i in range(n):
        s = sites[i]
        unit = mean[i] if mean[i] > 0.0 else 1.0
        level = s.on_hand - s.owed
        row[at] = level / unit
        for k in range(store_slots):
            row[at + 1 + k] = pipelines[i, k] / unit
        at += 1 + store_slots
        row[at] = s.backorders / unit
        row[at + 1] = s.forecast / unit
        row[at + 2] = s.forecast_std / unit
        row[at + 3] = c.demand_std / unit
        row[at + 4], row[at + 5] = season
        row[at + 6] = warehouse
        at += 7
        position += level + pipelines[i].sum() + s.backorders
        backorders += s.backorders
        demand += s.demand
        expected += s.forecast
    row[at] = warehouse
    for k in range(warehouse_slots):
        row[at + 1 + k] = inbound[k] / whole
    for k in range(warehouse_slots, inbound.size):
        row[at + warehouse_slots] += inbound[k] / whole
    at += 1 + warehouse_slots
    row[at] = hub.on_desk / whole
    row[at + 1] = position / whole
    row[at + 2] = backorders / whole
    row[at + 3] = demand / whole
    row[at + 4] = expected / whole
    row[at + 5] = hub.service
    row[at + 6], row[at + 7] = season
    row[at + 8] = hub.on_desk / whole
    row[at + 9] = 1.0
    row[at + 10] = c.supplier_lead_time / 10.0
    row[at + 11] = warehouse
    row[at + 12] = inbound.sum() / whole


@numba.njit(cache=True)
def observe_batch(
    full: bool,
    lanes: Any,
    lane_of: NDArray[np.int64],
    sites: Any,
    hubs: Any,
    pipelines: Floats,
    inbound: Floats,
    capacity: Floats,
    mean: Floats,
    store_slots: int,
    warehouse_slots: int,
    season: Floats,
    out: NDArray[np.float32],
) -> None:
    """Write the observation of all agents of every world into `out`, one row per world.

    Parameters
    ----------
    full : bool
        Which of the two observations.
    lanes, lane_of, sites, hubs, pipelines, inbound
        As in `inventory.supply_chain_law.step_batch`.
    capacity, mean, season : ndarray
        Per lane: capacity of the warehouse, shape (K,); mean demand, shape (K, N); sine and cosine
        of the day, shape (K, 2).
    store_slots, warehouse_slots : int
        Mornings to come that are shown one by one.
    out : ndarray
        Shape (worlds, entries of all agents).
    """
    for w in range(hubs.size):
        k = lane_of[w]
        if full:
            _full_world(
                lanes[k],
                sites[w],
                hubs[w],
                pipelines[w],
                inbound[w],
                mean[k],
                store_slots,
                warehouse_slots,
                (season[k, 0], season[k, 1]),
                out[w],
            )
        else:
            _compact_world(lanes[k], sites[w], hubs[w], inbound[w], capacity[k], out[w])
