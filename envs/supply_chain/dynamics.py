"""The law of motion of the supply chain: supplier, warehouse, N stores, one SKU per world.

Written once, for one world and one day; `envs.supply_chain.batch` applies it to a batch. Order of
events: `supply` (the supplier decides), `allocate` (stores claim, the warehouse ships), the
warehouse orders, `meet_demand`, reconciliation, and the next morning's receipts.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled
from demand.calendar import weekday_of
from envs.supply_chain.events import (
    allocate,
    expire,
    forecast,
    issue,
    meet_demand,
    receive,
    row_of,
    supply,
)
from envs.supply_chain.order_limits import asked_for, order_placed, store_constants
from envs.supply_chain.reward import (
    WEIGHTS,
    expected_store_reward,
    is_counted,
    ordering_cost,
    service_level,
    store_reward,
    store_terms,
    supplier_reward,
    warehouse_holding,
    warehouse_reward,
    waste_charge,
)

Floats = NDArray[np.float64]

LANE = np.dtype(
    [
        *WEIGHTS,
        ("holding_cost", "f8"),
        ("stockout_cost", "f8"),
        *((name, "f8") for name in ("fixed_cost", "unit_cost", "waste_cost")),
        ("excess_threshold", "f8"),
        ("warehouse_unit_holding_cost", "f8"),
        ("production_capacity", "f8"),
        ("demand_std", "f8"),
        *((name, "f8") for name in ("order_multiple", "least_order", "shelf_capacity")),
        ("review_days", "i8"),
        ("shelf_life", "i8"),
        ("store_lead_time", "i8"),
        ("supplier_lead_time", "i8"),
        ("forecast_window", "i8"),
        ("warmup_days", "i8"),
        ("cost", "?"),
        ("backlog", "?"),
        ("lifo", "?"),
        ("orders_in_units", "?"),
        ("limited", "?"),
    ],
    align=True,
)
"""Constants of a lane, that is of a SKU: worlds of several SKUs may share a batch.

A SKU has one record for all of its stores, or one for each (`store_constants`).

Bit k of `review_days` is set if stores order on weekday k; `limited` says whether the quantity
ordered may differ from the one asked for (`envs.supply_chain.order_limits`). `shelf_life` is 0 for
goods that do not perish.
"""

_TOTALS = (
    "return",
    "service_level",
    "holding_cost",
    "on_hand_days",
    "orders",
    "ordered",
    "ordered_squared",
)
SITE = np.dtype(
    [
        (name, "f8")
        for name in (
            *("on_hand", "owed", "backorders", "order", "demand", "sales", "left", "service"),
            *("forecast", "forecast_std"),
            *(f"total_{name}" for name in _TOTALS),
            *("total_demand", "total_demand_squared", "total_sales"),
            *("total_stockout_penalty", "total_excess_inventory"),
            *("total_owed_days", "total_ordering_cost"),
            *("wasted", "total_wasted", "total_waste_cost"),
        )
    ]
)
"""A store: its state, its last day, and sums over the episode without its warm-up.

`left` is the stock after the day's demand and waste, `on_hand` includes the morning's receipts.
`owed` are backorders, where unmet demand is backlogged; they are served before the day's demand, so
that `on_hand` - `owed` is the inventory level, and `sales` are what was left for the demand of the
day. `wasted` units expired this evening.
"""

HUB = np.dtype(
    [
        (name, "f8")
        for name in (
            *("on_hand", "left", "on_desk", "service", "stockouts", "fulfillment", "delayed"),
            *(f"total_{name}" for name in _TOTALS),
            *("total_demand", "total_demand_squared", "total_stockouts"),
            *("supplier_return", "total_fulfillment", "total_delays"),
        )
    ]
)
"""The warehouse and the supplier of a world; `on_desk` is the order the supplier decides next."""


@compiled
def _take_in(c: Any, s: Any, ages: Floats | None, arriving: float) -> None:
    """Add what arrives, fresh, to a store's stock."""
    s.on_hand += arriving
    if ages is not None and c.shelf_life > 0:
        ages[c.shelf_life - 1] += arriving


@compiled
def _age(c: Any, s: Any, ages: Floats, asked: float) -> tuple[float, float]:
    """Serve what is asked from stock by age, and waste what expires.

    Returns the units that were to expire this evening before it, and all others.
    """
    oldest, newer = ages[0], ages[1:].sum()
    issue(ages, asked, c.lifo)
    s.wasted = expire(ages)
    s.on_hand = s.left = ages.sum()
    return oldest, newer


@compiled
def _close_store_day(
    c: Any,
    s: Any,
    ages: Floats | None,
    window: Floats,
    day: int,
    demand: float,
    points: Floats,
    chances: Floats,
    reward: Floats,
    i: int,
) -> tuple[float, float]:
    """Events 4 and 5 of a store; return the service level and stockout that the hub sees."""
    before, asked, oldest, newer = s.on_hand - s.owed, s.owed + demand, 0.0, 0.0
    s.demand = demand
    sold, s.left = meet_demand(before, demand)
    short = demand - sold
    s.sales, s.on_hand, s.owed = max(sold, 0.0), s.left, short if c.backlog else 0.0
    s.service = service_level(s.sales, demand)
    if ages is not None and c.shelf_life > 0:
        oldest, newer = _age(c, s, ages, asked)
    ordering = ordering_cost(c, s.order)
    spent = ordering if c.cost else 0.0
    realised = store_reward(c, s.on_hand, sold, demand) - spent
    if ages is not None:
        realised -= waste_charge(c, s.wasted)
    reward[i], reported = realised, (s.service, 1.0 if s.sales < demand else 0.0)
    if points.size:
        if ages is None:
            expected = expected_store_reward(c, before, None, points, chances)
        else:
            expected = expected_store_reward(c, before, (oldest, newer), points, chances)
        reward[i], reported = expected[0] - spent, (expected[1], expected[2])
    if is_counted(day, c.warmup_days):
        holding, penalty, excess = store_terms(c, s.on_hand, short)
        s["total_return"] += realised
        s.total_service_level += s.service
        s.total_holding_cost += holding
        s.total_on_hand_days += s.on_hand
        s.total_orders += s.order > 0.0
        s.total_ordered += s.order
        s.total_ordered_squared += s.order * s.order
        s.total_demand += demand
        s.total_demand_squared += demand * demand
        s.total_sales += s.sales
        s.total_stockout_penalty += penalty
        s.total_excess_inventory += excess
        s.total_owed_days += s.owed
        s.total_ordering_cost += ordering
        if ages is not None:
            s.total_wasted += s.wasted
            s.total_waste_cost += c.waste_cost * s.wasted
    else:
        reward[i] = 0.0
    size = min(day + 1, c.forecast_window)
    window[day % c.forecast_window] = demand
    s.forecast, s.forecast_std = forecast(window, size, 0.0, c.demand_std)
    return reported


@compiled
def _close_hub_day(
    c: Any, hub: Any, day: int, demand: float, reported: tuple[float, float], rewards: Floats
) -> None:
    """Event 5 of the warehouse and of the supplier."""
    n = rewards.size - 2
    hub.left = hub.on_hand
    holding, finite = warehouse_holding(c, hub.left)
    realised = warehouse_reward(c, hub.service, holding, hub.stockouts)
    supplier = supplier_reward(c, hub.fulfillment, hub.delayed)
    if not is_counted(day, c.warmup_days):
        rewards[n] = rewards[n + 1] = 0.0
        return
    rewards[n] = warehouse_reward(c, reported[0], holding, reported[1])
    rewards[n + 1] = supplier
    hub["total_return"] += realised
    hub.total_service_level += hub.service
    hub.total_holding_cost += holding
    hub.total_on_hand_days += finite
    hub.total_orders += hub.on_desk > 0.0
    hub.total_ordered += hub.on_desk
    hub.total_ordered_squared += hub.on_desk * hub.on_desk
    hub.total_demand += demand
    hub.total_demand_squared += demand * demand
    hub.total_stockouts += hub.stockouts
    hub.supplier_return += supplier
    hub.total_fulfillment += hub.fulfillment
    hub.total_delays += hub.delayed


@compiled
def _supply_warehouse(c: Any, hub: Any, pipeline: Floats, decision: int, works: bool) -> None:
    """Event 1 in the state: decide on the order on the desk."""
    shipped, late = supply(hub.on_desk, decision, c.production_capacity, works)
    hub.fulfillment = shipped / hub.on_desk if hub.on_desk > 0.0 else 1.0
    hub.delayed = 1.0 if late and hub.on_desk > 0.0 else 0.0
    # placed yesterday: one of its days of lead time has passed, and slot 0 arrives tomorrow
    pipeline[c.supplier_lead_time - 2 + late] += shipped


@compiled
def _ship_to_stores(
    lane: Any,
    hub: Any,
    sites: Any,
    ages: Floats | None,
    pipelines: Floats,
    grid: Floats,
    actions: Any,
    weekday: int,
) -> None:
    """Event 2 in the state: orders, claims and shipments of all stores."""
    claims = 0.0
    for i in range(sites.size):
        c, s = store_constants(lane, i), sites[i]
        s.order = asked_for(c, grid[actions[i]], s.forecast)
        if c.limited:
            s.order = order_placed(c, s.order, s, pipelines[i], weekday)
        s.backorders += s.order
        claims += s.backorders
    share = allocate(hub.on_hand, claims)
    hub.on_hand = hub.on_hand - claims if share == 1.0 else 0.0
    for i in range(sites.size):
        s = sites[i]
        shipped = share * s.backorders
        s.backorders = s.backorders - shipped if share < 1.0 else 0.0
        c = store_constants(lane, i)
        if c.store_lead_time == 0:
            _take_in(c, s, row_of(ages, i), shipped)
        else:
            pipelines[i, c.store_lead_time - 1] += shipped


@compiled
def step_world(
    lane: Any,
    sites: Any,
    hub: Any,
    ages: Floats | None,
    pipelines: Floats,
    inbound: Floats,
    window: Floats,
    store_grid: Floats,
    warehouse_grid: Floats,
    demand: Floats,
    works: bool,
    points: Floats,
    chances: Floats,
    day: int,
    weekday: int,
    actions: Any,
    rewards: Floats,
) -> None:
    """Move one world by one day, in place.

    Parameters
    ----------
    lane, sites, hub : records
        `LANE` of shape (1,) or (N,), `SITE` of shape (N,); `HUB`.
    ages : ndarray
        The stores' stock by age, shape (N, slots) (`envs.supply_chain.events`), None where
        nothing perishes.
    pipelines, inbound : ndarray
        Units in transit to the stores, shape (N, slots), and to the warehouse, shape (slots,);
        slot 0 arrives next.
    window : ndarray
        Demand of the last days, shape (N, forecast_window), in no particular order.
    store_grid, warehouse_grid : ndarray
        Quantities that the actions stand for.
    demand, works : ndarray, bool
        Demand of the day, shape (N,), and whether the supplier worked the day before.
    points, chances : ndarray
        Shape (N, J): if J > 0, rewards are expectations over these values of demand, as in
        `envs.supply_chain.reward.expected_store_reward`.
    day, weekday : int
        From 0; Monday is 0.
    actions, rewards : ndarray
        Shape (N + 2,): stores, warehouse, supplier.
    """
    n, c = sites.size, lane[0]
    _supply_warehouse(c, hub, inbound, actions[n + 1], works)
    _ship_to_stores(lane, hub, sites, ages, pipelines, store_grid, actions, weekday)
    hub.on_desk = warehouse_grid[actions[n]]
    total, service, stockouts, sum_service, sum_stockouts = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        s = sites[i]
        shelf = row_of(ages, i)
        own = store_constants(lane, i)
        reported = _close_store_day(
            own, s, shelf, window[i], day, demand[i], points[i], chances[i], rewards, i
        )
        total += demand[i]
        service += s.service
        stockouts += s.sales < demand[i]
        sum_service += reported[0]
        sum_stockouts += reported[1]
    hub.service, hub.stockouts = service / n, stockouts
    _close_hub_day(c, hub, day, total, (sum_service / n, sum_stockouts), rewards)
    for i in range(n):
        if pipelines.shape[1]:
            own = store_constants(lane, i)
            _take_in(own, sites[i], row_of(ages, i), receive(pipelines[i]))
    hub.on_hand += receive(inbound)


@compiled
def step_batch(
    lanes: Any,
    lane_of: NDArray[np.int64],
    sites: Any,
    hubs: Any,
    ages: Floats | None,
    pipelines: Floats,
    inbound: Floats,
    window: Floats,
    store_grid: Floats,
    warehouse_grid: Floats,
    demand: Floats,
    works: NDArray[np.bool_],
    points: Floats,
    chances: Floats,
    law_of: NDArray[np.int64],
    start: NDArray[np.int64],
    day: int,
    actions: NDArray[np.integer[Any]],
    rewards: Floats,
) -> int:
    """Move all worlds by one day; return -1, or the first world with an action out of range."""
    n = sites.shape[1]
    for w in range(hubs.size):
        for a in range(n + 2):
            levels = store_grid.shape[1] if a < n else warehouse_grid.shape[1]
            if not 0 <= actions[w, a] < (3 if a == n + 1 else levels):
                return w
    for w in range(hubs.size):
        k = lane_of[w]
        step_world(
            lanes[k],
            sites[w],
            hubs[w],
            row_of(ages, w),
            pipelines[w],
            inbound[w],
            window[w],
            store_grid[k],
            warehouse_grid[k],
            demand[w],
            works[w],
            points[law_of[w]],
            chances[law_of[w]],
            day,
            weekday_of(start[w], day),
            actions[w],
            rewards[w],
        )
    return -1
