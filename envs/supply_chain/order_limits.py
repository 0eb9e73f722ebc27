"""Limits on what a store orders: days of review, packs, a minimum, and room on the shelf.

Part of the one law of motion (`envs.supply_chain.dynamics`).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled
from demand.calendar import weekday_of

Floats = NDArray[np.float64]


@compiled
def store_constants(lane: Any, i: int) -> Any:
    """Return the record of store i among those of a SKU: a common one, or one per store."""
    return lane[min(i, lane.size - 1)]


@compiled
def inventory_position(s: Any, pipeline: Floats) -> float:
    """Return the inventory position: on hand minus backorders, plus in transit and owed to it.

    Parameters
    ----------
    s : record
        An `envs.supply_chain.dynamics.SITE`.
    pipeline : ndarray
        Units in transit to it [units].
    """
    under_way = 0.0
    for k in range(pipeline.size):
        under_way += pipeline[k]
    return float(s.on_hand - s.owed + under_way + s.backorders)


@compiled
def store_positions(sites: Any, pipelines: Floats) -> Floats:
    """Return every store's `inventory_position`, shape (worlds, N) [units].

    Parameters
    ----------
    sites : ndarray
        Records `envs.supply_chain.dynamics.SITE`, shape (worlds, N).
    pipelines : ndarray
        Shape (worlds, N, slots) [units].
    """
    positions = np.empty(sites.shape)
    for w in range(sites.shape[0]):
        for i in range(sites.shape[1]):
            positions[w, i] = inventory_position(sites[w, i], pipelines[w, i])
    return positions


@compiled
def days_to_review(c: Any, weekday: int) -> int:
    """Return the number of days from a weekday to the next day of review."""
    gap = 1
    while not (c.review_days >> (weekday + gap) % 7) & 1:
        gap += 1
    return gap


@compiled
def asked_for(c: Any, choice: float, forecast: float) -> float:
    """Return the units that a choice asks for: its units, or its multiple of a day's forecast."""
    return choice * (1.0 if c.orders_in_units else forecast)


@compiled
def nearest_order(c: Any, asked: float) -> float:
    """Return the acceptable quantity nearest to the one asked for, ties to the larger.

    Acceptable are 0, and from the minimum on all multiples of a pack (all quantities without one).
    So less than half of the least order becomes 0, and more than half at least the least order.
    """
    unit, least = c.order_multiple, c.least_order
    order = unit * np.floor(asked / unit + 0.5) if unit > 0.0 else asked
    if order < least:
        order = least if 2.0 * asked >= least else 0.0
    return float(order)


@compiled
def order_placed(c: Any, asked: float, s: Any, pipeline: Floats, weekday: int) -> float:
    """Return the order of a store with limits that asks for `asked` units.

    It is 0 on a day without review. On other days it is the `nearest_order`, or the largest
    acceptable quantity that leaves the inventory position within the capacity of the shelf.
    Multiples of a day's forecast apply to each day until the next review.

    Parameters
    ----------
    c, s : records
        `envs.supply_chain.dynamics.LANE` and `SITE`.
    asked : float
        As `asked_for`, at least 0 [units].
    pipeline : ndarray
        Units in transit to the store [units].
    weekday : int
        Monday 0.
    """
    if not (c.review_days >> weekday) & 1:
        return 0.0
    if not c.orders_in_units:
        asked *= days_to_review(c, weekday)
    order = nearest_order(c, asked)
    if np.isinf(c.shelf_capacity):
        return order
    room = max(c.shelf_capacity - inventory_position(s, pipeline), 0.0)
    if order > room:
        unit = c.order_multiple
        order = unit * np.floor(room / unit + 1e-9) if unit > 0.0 else room
        order = order if order >= c.least_order else 0.0
    return float(order)


@compiled
def orders_on_offer(
    lanes: Any,
    lane_of: NDArray[np.int64],
    sites: Any,
    pipelines: Floats,
    start: NDArray[np.int64],
    day: int,
    grid: Floats,
) -> Floats:
    """Return what every choice of `grid`, shape (lanes, choices), would order at every store.

    Returns
    -------
    ndarray
        Shape (worlds, N, choices) [units].
    """
    orders = np.empty((*sites.shape, grid.shape[1]))
    for w in range(sites.shape[0]):
        lane, choices, weekday = lanes[lane_of[w]], grid[lane_of[w]], weekday_of(start[w], day)
        for i in range(sites.shape[1]):
            c, s = store_constants(lane, i), sites[w, i]
            for a in range(choices.size):
                order = asked_for(c, choices[a], s.forecast)
                if c.limited:
                    order = order_placed(c, order, s, pipelines[w, i], weekday)
                orders[w, i, a] = order
    return orders


def review_gaps(review_days: tuple[int, ...]) -> tuple[int, ...]:
    """Return the number of days from each weekday to the next day of review.

    >>> review_gaps((0, 3))  # Monday and Thursday
    (3, 2, 1, 4, 3, 2, 1)
    """
    return tuple(
        next(gap for gap in range(1, 8) if (day + gap) % 7 in review_days) for day in range(7)
    )
