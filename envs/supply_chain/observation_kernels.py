"""What the agents of the supply chain see: the compact observation, and the full one.

`envs.supply_chain.observation` knows the column of each entry.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled
from envs.supply_chain.dynamics import Floats

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
"""Bound of the warehouse's stock as shown, in days of demand (for one that is never short)."""


def full_names(store_slots: int, warehouse_slots: int) -> dict[str, tuple[str, ...]]:
    """Return the entries of the full observation by tier.

    Amounts are divided by the agent's own mean demand (of all stores for the warehouse and the
    supplier), that is in days of demand. Slots are the mornings to come; the warehouse's last slot
    also holds all that arrives later.
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


@compiled
def _compact_world(
    c: Any, sites: Any, hub: Any, inbound: Floats, capacity: float, store: Any, rest: Any
) -> None:
    n = sites.size
    size = n / 3.0
    share = 1.0 if np.isinf(hub.on_hand) else hub.on_hand / capacity
    demand, lowest, total = 0.0, np.inf, 0.0
    for i in range(n):
        s = sites[i]
        level = s.on_hand - s.owed
        store[i, 0] = level / 1000.0
        store[i, 1] = s.forecast / 200.0
        store[i, 2] = s.forecast_std / 50.0
        store[i, 3] = (level / s.forecast if s.forecast > 0.0 else 0.0) / 10.0
        store[i, 4] = s.sales < s.demand
        store[i, 5] = share
        store[i, 6] = s.service
        demand += s.demand
        lowest = min(lowest, level)
        total += level
    warehouse, supplier = rest
    warehouse[0] = demand / (500.0 * size)
    warehouse[1] = 1.0 if np.isinf(hub.on_hand) else hub.on_hand / (5000.0 * size)
    warehouse[2] = (inbound.sum() + hub.on_desk) / (2000.0 * size)
    warehouse[3] = lowest / 1000.0
    warehouse[4] = total / n / 1000.0
    warehouse[5] = hub.service
    supplier[0] = hub.on_desk / 2000.0
    supplier[1] = 1.0  # nothing is committed before the supplier decides
    supplier[2] = c.supplier_lead_time / 10.0


@compiled
def _full_world(
    c: Any,
    sites: Any,
    hub: Any,
    pipelines: Floats,
    inbound: Floats,
    mean: Floats,
    slots: tuple[int, int],
    season: tuple[float, float],
    store: Any,
    rest: Any,
) -> None:
    n, whole = sites.size, max(mean.sum(), 1e-9)
    on_hand = min(hub.on_hand / whole, MOST_COVER)
    position, backorders, demand, expected = 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        s = sites[i]
        unit = mean[i] if mean[i] > 0.0 else 1.0
        level = s.on_hand - s.owed
        store[i, 0] = level / unit
        for k in range(slots[0]):
            store[i, 1 + k] = pipelines[i, k] / unit
        at = 1 + slots[0]
        store[i, at] = s.backorders / unit
        store[i, at + 1] = s.forecast / unit
        store[i, at + 2] = s.forecast_std / unit
        store[i, at + 3] = c.demand_std / unit
        store[i, at + 4], store[i, at + 5] = season
        store[i, at + 6] = on_hand
        position += level + pipelines[i].sum() + s.backorders
        backorders += s.backorders
        demand += s.demand
        expected += s.forecast
    warehouse, supplier = rest
    warehouse[0] = on_hand
    for k in range(slots[1]):
        warehouse[1 + k] = inbound[k] / whole
    for k in range(slots[1], inbound.size):
        warehouse[slots[1]] += inbound[k] / whole
    at = 1 + slots[1]
    warehouse[at] = hub.on_desk / whole
    warehouse[at + 1] = position / whole
    warehouse[at + 2] = backorders / whole
    warehouse[at + 3] = demand / whole
    warehouse[at + 4] = expected / whole
    warehouse[at + 5] = hub.service
    warehouse[at + 6], warehouse[at + 7] = season
    supplier[0] = hub.on_desk / whole
    supplier[1] = 1.0
    supplier[2] = c.supplier_lead_time / 10.0
    supplier[3] = on_hand
    supplier[4] = inbound.sum() / whole


@compiled
def observe_batch(
    full: bool,
    lanes: Any,
    lane_of: NDArray[np.int64],
    state: tuple[Any, ...],
    capacity: Floats,
    mean: Floats,
    season: Floats,
    slots: tuple[int, int],
    rows: tuple[NDArray[np.float32], ...],
) -> None:
    """Write the observation of all agents of every world.

    Parameters
    ----------
    full : bool
        Whether to write the full observation, not the compact one.
    lanes, lane_of
        As in `envs.supply_chain.dynamics.step_batch`.
    state : tuple
        Sites, hubs, pipelines and inbound, as there.
    capacity : ndarray
        Of the warehouse, per lane, shape (K,).
    mean, season : ndarray
        Per world: mean demand, shape (worlds, N); sine and cosine of the day, shape (worlds, 2).
    slots : tuple of int
        Mornings to come that stores and the warehouse see one by one.
    rows : tuple of ndarray
        What stores, warehouses and suppliers see, shape (worlds, N, entries), (worlds, entries)
        twice, of zeros. Entries that are not in `COMPACT` or `full_names` are left alone.
    """
    sites, hubs, pipelines, inbound = state
    stores, warehouses, suppliers = rows
    for w in range(hubs.size):
        k = lane_of[w]
        store, rest = stores[w], (warehouses[w], suppliers[w])
        if full:
            _full_world(
                lanes[k, 0],
                sites[w],
                hubs[w],
                pipelines[w],
                inbound[w],
                mean[w],
                slots,
                (season[w, 0], season[w, 1]),
                store,
                rest,
            )
        else:
            _compact_world(lanes[k, 0], sites[w], hubs[w], inbound[w], capacity[k], store, rest)
