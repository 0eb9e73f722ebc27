"""The compiled loops of `baselines.solvers.chain.store_programme`.

Stocks, tomorrow's arrivals and orders are counted in nodes of the grid. With a lead time below 2
nothing is known to arrive tomorrow, and that axis of the values has length 1.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled
from envs.supply_chain.events import Floats
from envs.supply_chain.reward import ordering_cost

Table = NDArray[np.floating[Any]]

EQUAL = 1e-9
"""A larger order is placed only if it is worth more than a smaller one by over this amount."""


@compiled
def after_demand(law: Floats, empty: Floats, value: Floats, arrivals: int) -> tuple[Floats, Floats]:
    """Return the expected value of the next morning, by stock, arrivals and order.

    If stock exceeds any demand, only its sum with the arrivals matters.

    Parameters
    ----------
    law, empty : ndarray
        As returned by `baselines.solvers.chain.bound_kernels.leftover_law`, by stock before demand.
    value : ndarray
        V of the next day, shape (stocks, orders): today's order arrives the day after it.
    arrivals : int
        Number of nodes of tomorrow's arrivals.

    Returns
    -------
    scarce : ndarray
        Value for stocks that demand may use up, shape (these stocks, arrivals, orders).
    ample : ndarray
        Value for all others, shape (stocks + arrivals, orders), by the sum of stock and arrivals.
    """
    stocks, orders = value.shape
    some = np.flatnonzero(law)
    enough = min(1 + max(some[-1], np.flatnonzero(empty)[-1]), stocks)
    scarce = np.zeros((enough, arrivals, orders))
    for x in range(enough):
        for y in range(arrivals):
            for m in some:
                if m >= x:
                    break
                _add(scarce[x, y], law[m], value[min(x - m + y, stocks - 1)])
            if empty[x] > 0.0:
                _add(scarce[x, y], empty[x], value[min(y, stocks - 1)])
    ample = np.zeros((stocks + arrivals, orders))
    for together in range(enough, stocks + arrivals):
        for m in some:
            _add(ample[together], law[m], value[min(together - m, stocks - 1)])
    return scarce, ample


@compiled(fastmath={"contract"})
def _add(total: Floats, weight: float, row: Floats) -> None:
    for k in range(row.size):
        total[k] += weight * row[k]


@compiled
def _between(at: float, nodes: int) -> tuple[int, int, float]:
    """Return the two nodes around a coordinate, and the weight of the second."""
    place = min(at, nodes - 1.0)
    first = int(place)
    return first, min(first + 1, nodes - 1), place - first


@compiled
def _interpolated(scarce: Table, ample: Table, x: float, y: float, k: float) -> float:
    """Interpolate between eight nodes."""
    total = 0.0
    arrivals, orders = scarce.shape[1:]
    i, next_i, wi = _between(x, ample.shape[0] - arrivals)
    j, next_j, wj = _between(y, arrivals)
    n, next_n, wn = _between(k, orders)
    for stock, by_stock in ((i, 1.0 - wi), (next_i, wi)):
        for arriving, by_arrivals in ((j, 1.0 - wj), (next_j, wj)):
            chance = by_stock * by_arrivals
            if chance > 0.0:
                if stock < scarce.shape[0]:
                    low, high = scarce[stock, arriving, n], scarce[stock, arriving, next_n]
                else:
                    low, high = ample[stock + arriving, n], ample[stock + arriving, next_n]
                total += chance * ((1.0 - wn) * low + wn * high)
    return total


@compiled
def _worth(
    lead_time: int, earned: Floats, scarce: Table, ample: Table, x: float, y: float, k: float
) -> float:
    """Return the value at a stock x, tomorrow's arrivals y, and today's shipment k."""
    if lead_time == 0:
        x, y, k = x + k, 0.0, 0.0
    elif lead_time == 1:
        y, k = k, 0.0
    i, next_i, weight = _between(x, earned.size)
    today = (1.0 - weight) * earned[i] + weight * earned[next_i]
    return float(today + _interpolated(scarce, ample, x, y, k))


@compiled
def best_values(
    lane: Any,
    counts: bool,
    unit: float,
    earned: Floats,
    scarce: Floats,
    ample: Floats,
    offers: Floats,
    chances: Floats,
) -> Floats:
    """Return V of a day, shape (stocks, arrivals), arrivals being 1 with a lead time below 2.

    Parameters
    ----------
    lane : ndarray
        Shape (1,), `envs.supply_chain.dynamics.LANE`.
    counts : bool
        Whether the day is past the warm-up.
    unit : float
        Distance of the grid's nodes [units].
    earned : ndarray
        Expected reward by stock, shape (stocks,).
    scarce, ample : ndarray
        As returned by `after_demand`.
    offers, chances : ndarray
        Quantities on offer by forecast, shape (forecasts, actions) [units], and the forecasts'
        probabilities.
    """
    c = lane[0]
    arrivals = scarce.shape[1] if c.store_lead_time == 2 else 1
    value = np.zeros((earned.size, arrivals))
    for x in range(earned.size):
        for y in range(arrivals):
            for f in range(offers.shape[0]):
                best = -np.inf
                for order in offers[f]:
                    worth = _worth(c.store_lead_time, earned, scarce, ample, x, y, order / unit)
                    if c.cost and counts:
                        worth -= ordering_cost(c, order)
                    best = max(best, worth)
                value[x, y] += chances[f] * best
    return value


@compiled
def best_orders(
    lane: Any,
    counts: bool,
    unit: float,
    earned: Floats,
    scarce: Table,
    ample: Table,
    on_hand: Floats,
    arriving: Floats,
    owed: Floats,
    offers: Floats,
) -> Floats:
    """Return the best quantity on offer in every world, shape (worlds,) [units].

    Among quantities of the same value it is the smallest.

    Parameters
    ----------
    lane, counts, unit, earned, scarce, ample
        As for `best_values`.
    on_hand, arriving, owed : ndarray
        Units on hand, arriving tomorrow, and owed by the warehouse, shape (worlds,).
    offers : ndarray
        Shape (worlds, actions) [units].
    """
    c = lane[0]
    chosen = np.zeros(on_hand.size)
    for w in range(on_hand.size):
        best = -np.inf
        for order in offers[w]:
            shipped = (order + owed[w]) / unit
            x, y = on_hand[w] / unit, arriving[w] / unit
            worth = _worth(c.store_lead_time, earned, scarce, ample, x, y, shipped)
            if c.cost and counts:
                worth -= ordering_cost(c, order)
            if worth > best + EQUAL or (worth > best - EQUAL and order < chosen[w]):
                best, chosen[w] = worth, order
    return chosen
