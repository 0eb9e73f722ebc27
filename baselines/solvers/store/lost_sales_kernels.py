"""States of a store with lost sales, and value iteration on them (see `lost_sales`).

A state is a pipeline (the orders of the last L - 1 days, oldest first) and the units on hand.
Arrays over states have shape (pipelines, units on hand); entries beyond the largest inventory
position are meaningless.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled
from envs.supply_chain.events import Floats

Ints = NDArray[np.int64]

_DAMPING = 0.95
"""Share of a sweep's change that is applied: less than 1, so that no cycle goes on for ever."""
_SETTLED = 3
"""Number of sweeps in a row that shrink the bounds by the same factor, before the sum of all
further changes is applied in one step."""
_PAYS = 0.5
"""Share of the bounds' distance before the last such step: if more is left before the next one,
all later ones take twice as many sweeps, or they could repeat themselves for ever."""
_STEADY = 0.1
"""Relative difference up to which two shrinkage factors s count as equal, in units of 1 - s."""
_FIXED_SWEEPS = 9
"""Sweeps with fixed orders, between two that search for better ones."""


class Process(NamedTuple):
    """Costs and transitions of a day, as the argument of the compiled loops.

    Attributes
    ----------
    day_cost : ndarray
        Expected cost of a day by the units on hand before demand.
    fixed_cost : float
        Cost per order.
    pmf, tails : ndarray
        Probabilities of demand 0, 1, ..., the largest first, and of at least 0, 1, ...
    totals, arriving, following : ndarray
        As in `Lattice`.
    at_once : bool
        Whether an order serves the demand of its own day.
    """

    day_cost: Floats
    fixed_cost: float
    pmf: Floats
    tails: Floats
    totals: Ints
    arriving: Ints
    following: Ints
    at_once: bool


class Lattice(NamedTuple):
    """All pipelines within limits, and the transitions from each by order.

    Attributes
    ----------
    limits : ndarray
        Largest sum of the newest k + 1 orders, shape (L + 1,); the last one includes stock.
    pipelines, totals : ndarray
        The orders under way, shape (n, max(L - 1, 0)), and their sums, shape (n,).
    arriving, following : ndarray
        Shape (n, orders): arrivals on the next morning, and the next pipeline; -1 if the order
        exceeds a limit.
    """

    limits: Ints
    pipelines: Ints
    totals: Ints
    arriving: Ints
    following: Ints

    @property
    def lead_time(self) -> int:
        """Days from order to arrival (L)."""
        return int(self.limits.size) - 1

    @property
    def shape(self) -> tuple[int, int]:
        """Number of pipelines and of stock levels."""
        return self.totals.size, int(self.limits[-1]) + 1

    def find(self, pipelines: Ints) -> Ints:
        """Return the indices of `pipelines`, shape (m, slots); -1 for those beyond the limits."""
        radix = (int(self.limits[-1]) + 1) ** np.arange(self.pipelines.shape[1])
        known = self.pipelines @ radix
        order = np.argsort(known)
        at = order[np.searchsorted(known, pipelines @ radix, sorter=order) % known.size]
        same = (self.pipelines[at] == pipelines).all(axis=1)
        return np.where(same, at, -1)


def count_pipelines(limits: Ints) -> int:
    """Return how many pipelines are within `limits`.

    Examples
    --------
    >>> count_pipelines(np.array([7, 13, 18, 24, 29]))
    924
    """
    ways = np.ones(1)  # number of pipelines by the sum of their orders
    for limit in limits[: max(0, limits.size - 2)]:
        ways = np.convolve(ways, np.ones(limit + 1))[: limit + 1]
    return int(ways.sum())


def count_states(limits: Ints) -> int:
    """Return the number of pipelines within `limits`, times the number of stock levels."""
    return count_pipelines(limits) * (int(limits[-1]) + 1)


def make_lattice(limits: Ints) -> Lattice:
    """Return all states within `limits`."""
    slots = max(0, limits.size - 2)
    pipelines = np.zeros((1, 0), np.int64)
    for k in range(slots):  # add an older order each time: the first limit is the newest's
        older = np.arange(limits[k] + 1)
        pairs = np.tile(older, len(pipelines)), np.repeat(pipelines, older.size, axis=0)
        grown = np.column_stack(pairs)
        pipelines = grown[grown.sum(axis=1) <= limits[k]]
    shape = len(pipelines), int(limits[0]) + 1
    unknown = np.empty(shape, np.int64), np.empty(shape, np.int64)
    return _with_orders(Lattice(limits, pipelines, pipelines.sum(axis=1), *unknown))


def _with_orders(lattice: Lattice) -> Lattice:
    """Fill in the next arrivals and the next pipeline for every order."""
    count, slots = lattice.pipelines.shape
    for q in range(lattice.arriving.shape[1]):
        lattice.arriving[:, q] = lattice.pipelines[:, 0] if slots else q * lattice.lead_time
        fits = lattice.totals + q <= lattice.limits[slots]
        moved = np.column_stack([lattice.pipelines[:, 1:], np.full(count, q)])
        lattice.following[:, q] = (
            np.where(fits, lattice.find(moved[:, -slots:]), -1) if slots else 0
        )
    return lattice


def reorder_rule(lattice: Lattice, reorder_point: int, level: int) -> Ints:
    """Return the orders of every state: up to `level` from positions at or below the point."""
    position = lattice.totals[:, None] + np.arange(lattice.shape[1])
    return np.asarray(np.where(position <= reorder_point, level - position, 0), np.int64)


def order_rule(lattice: Lattice, level: int, cap: int) -> Ints:
    """Return the orders ``min(level - inventory position, cap)`` of every state."""
    position = lattice.totals[:, None] + np.arange(lattice.shape[1])
    return np.asarray(np.clip(level - position, 0, cap), np.int64)


@compiled
def iterate(
    process: Process,
    orders: Ints,
    tolerance: float,
    sweeps: int,
) -> tuple[float, float]:
    """Return bounds on the average cost by relative value iteration.

    If the best orders are sought, most sweeps keep those of the last search, which takes a tenth of
    the time (modified policy iteration: Puterman and Shin 1978, Management Science 24(11)). These
    sweeps bound the cost of these orders from above; only a search bounds the cost of any orders
    from below.

    If the orders are given, the change of a sweep soon shrinks by a constant factor s with every
    sweep, slowly if stock reacts late to demand: all further ones together change ``1 / (1 - s)``
    times as much (Herzberg and Yechiali 1996, European Journal of Operational Research 88(3)). The
    bounds hold for any values.

    Parameters
    ----------
    process : Process
        Costs and transitions of a day.
    orders : ndarray
        Order of every state; where it is -1 the best one is found and written here.
    tolerance, sweeps : float, int
        Distance of the bounds at which to stop, and most sweeps.
    """
    free = orders[0, 0] < 0
    value, change = np.zeros(orders.shape), np.zeros(orders.shape)
    lower, upper = -np.inf, np.inf
    span, last, steady = np.inf, 0.0, 0
    before, settled = np.inf, _SETTLED
    for n in range(sweeps):
        search = free and n % (1 + _FIXED_SWEEPS) == 0
        low, high = _sweep(process, search, orders, value, change)
        # the bounds of every sweep hold: keep the tightest
        upper = min(upper, high)
        if search or not free:
            lower = max(lower, low)
            if high - low <= tolerance:
                break
        step = _DAMPING
        if not free:
            share, span = (high - low) / span, high - low
            steady = steady + 1 if abs(share - last) < _STEADY * (1.0 - share) else 0
            last = share
            if steady == settled:
                settled *= 2 if span > _PAYS * before else 1
                step, steady, before = step / (1.0 - share), 0, span
        value += step * (change - change[0, 0])
    return lower, upper


@compiled
def spared_at_the_end(
    process: Process,
    orders: Ints,
    cost: float,
    tolerance: float,
    sweeps: int,
) -> float:
    """Return the most by which any number of days can cost less than as many times `cost`.

    All other parameters are those of `iterate`.
    """
    totals, levels = process.totals, process.day_cost.size
    value, change = np.zeros(orders.shape), np.zeros(orders.shape)
    most = 0.0
    for day in range(1, sweeps + 1):
        low, high = _sweep(process, True, orders, value, change)
        value += change
        least = np.inf
        for i in range(totals.size):
            least = min(least, value[i, : levels - totals[i]].min())
        most = max(most, day * cost - least)
        if high - low <= tolerance:
            break
    return most


@compiled
def _sweep(
    process: Process,
    free: bool,
    orders: Ints,
    value: Floats,
    change: Floats,
) -> tuple[float, float]:
    """Fill in the change by another day, and the best orders if `free`; return the bounds."""
    day_cost, totals, arriving = process.day_cost, process.totals, process.arriving
    low, high = np.inf, -np.inf
    for i in range(totals.size):
        for x in range(day_cost.size - totals[i]):
            room = min(day_cost.size - 1 - totals[i] - x, arriving.shape[1] - 1)
            first, last = (0, room) if free else (orders[i, x], orders[i, x])
            best = np.inf
            for q in range(first, last + 1):
                to = process.following[i, q]
                if to < 0:
                    break
                y = x + q if process.at_once else x
                cost = day_cost[y] + (process.fixed_cost if q > 0 else 0.0)
                cost += _expect(value, to, process.pmf, process.tails, y, arriving[i, q])
                if cost < best:
                    best, orders[i, x] = cost, q
            change[i, x] = best - value[i, x]
            low, high = min(low, change[i, x]), max(high, change[i, x])
    return low, high


@compiled(inline="always", fastmath={"reassoc", "contract", "nsz"})
def _expect(value: Floats, to: int, pmf: Floats, tails: Floats, y: int, arriving: int) -> float:
    """Return the expected value of ``(y - D)+ + arriving`` units on hand in a pipeline."""
    met = min(y, pmf.size)
    demand = pmf.size - 1 - y  # demand that leaves nothing, as an index into pmf
    total = 0.0
    for left in range(y - met + 1, y + 1):
        total += pmf[demand + left] * value[to, arriving + left]
    return float(total + tails[met] * value[to, arriving])
