"""The least average cost of a store with lost sales and a lead time, and of simple policies.

A store of integer demand D with unlimited supply. Every day, with x units on hand after the
morning's receipts and orders ``z_1, ..., z_(L-1)`` under way, it orders q, which arrives on the
morning L days later; unmet demand is lost. With c(x) the expected cost of the day, the least
average cost g and the relative values v solve

``g + v(x, z) = min over q of c(x) + K 1{q > 0} + E v((x - D)+ + z_1, z_2, ..., z_(L-1), q)``

(for L = 1 the order q takes the place of z_1, for L = 0 it joins x at once). Value iteration
bounds g at every sweep T from both sides: ``min(Tv - v) <= g <= max(Tv - v)`` (Odoni 1969, On
finding the maximal gain for Markov decision processes; MacQueen 1966).

The state space is finite without loss (`order_limits`). The instances of Zipkin (2008), Old and
new methods for lost-sales inventory systems, Operations Research 56(5), have Poisson(5) demand:

>>> from baselines.solvers.store.lost_sales_problem import poisson
>>> store = LostSales(poisson(5), lead_time=1, holding_cost=1, stockout_cost=4)
>>> round(solve_lost_sales(store).cost.value, 4)
4.0407
>>> level, cost = best_base_stock(store)
>>> level, round(cost.value, 4)
(12, 4.1628)
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from baselines.solvers.store.lost_sales_kernels import (
    Lattice,
    Process,
    count_states,
    iterate,
    make_lattice,
    order_rule,
    reorder_rule,
    spared_at_the_end,
)
from baselines.solvers.store.lost_sales_problem import Ints, LostSales, order_limits
from baselines.solvers.store.lost_sales_size import MAX_STATES, too_many, within_reach
from common.errors import InputError

MAX_SWEEPS = 20_000
"""If they do not suffice, as with constant demand, the bounds stay wider apart."""
FAR_TOO_MUCH = 8
"""A policy is given up if its stock exceeds this multiple of the largest useful stock."""


Orders = Callable[[Ints, Ints], Ints]
"""A function from units on hand and orders under way to orders."""


class AverageCost(NamedTuple):
    """A long-run average cost between proven bounds [money/day]."""

    lower: float
    upper: float

    @property
    def value(self) -> float:
        """The middle of the bounds."""
        return 0.5 * (self.lower + self.upper)


@dataclass(frozen=True, eq=False)
class LostSalesOptimum:
    """The solved store.

    Attributes
    ----------
    cost : AverageCost
        Cost of the best policy.
    limits : ndarray
        Result of `order_limits`; ``limits[0]`` is the largest useful order.
    """

    cost: AverageCost
    limits: Ints
    _lattice: Lattice
    _orders: Ints

    @property
    def largest_order(self) -> int:
        """The largest order of the best policy, in any state [units]."""
        return int(self._orders.max())

    def order(self, on_hand: Ints, pipelines: Ints) -> Ints:
        """Return the best orders.

        Parameters
        ----------
        on_hand : ndarray
            Units on hand after the morning's receipts, shape (n,).
        pipelines : ndarray
            Orders under way, next to arrive first, shape (n, max(L - 1, 0)).

        Returns
        -------
        ndarray
            Shape (n,); 0 beyond the limits, which the best policy never exceeds.
        """
        at = self._lattice.find(pipelines)
        inside = (at >= 0) & (on_hand + pipelines.sum(axis=1) <= self.limits[-1])
        found = self._orders[at * inside, on_hand * inside]
        return np.where(inside, found, 0)


def solve_lost_sales(
    store: LostSales, *, tolerance: float = 1e-6, slack: int = 0
) -> LostSalesOptimum:
    """Return the least average cost of a store, and the policy that attains it.

    Parameters
    ----------
    store : LostSales
        The problem.
    tolerance : float
        Largest distance of the bounds on the cost [money/day].
    slack : int
        Units added to the limits of orders, which should not help: a check of the limits.

    Raises
    ------
    InputError
        If there are too many states.
    """
    limits = order_limits(store) + slack
    if not within_reach(limits):
        raise too_many(limits)
    lattice = _affordable(limits)
    orders = _free(lattice)
    cost = _average(store, lattice, orders, tolerance)
    return LostSalesOptimum(cost, limits, lattice, orders)


def base_stock_cost(
    store: LostSales, level: int, cap: int | None = None, *, tolerance: float = 1e-6
) -> AverageCost:
    """Return the average cost of ordering ``min(level - inventory position, cap)``.

    Parameters
    ----------
    store : LostSales
        The problem.
    level : int
        Base-stock level S [units].
    cap : int, optional
        Largest order r [units]; None for the plain base-stock policy.
    tolerance : float
        Largest distance of the bounds of the cost [money/day].
    """
    most = level if cap is None else min(cap, level)
    if most < 0:
        raise InputError(f"level = {level!r}, cap = {cap!r}: must be 0 or more")
    limits = np.minimum(most * np.arange(1, store.lead_time + 2), level)
    limits[-1] = level
    lattice = _affordable(limits)
    return _average(store, lattice, order_rule(lattice, level, most), tolerance)


def best_base_stock(store: LostSales) -> tuple[int, AverageCost]:
    """Return the best base-stock level and its cost.

    Without a fixed cost, the cost is convex in the level. With one, no level above the best without
    is better: an additional unit in stock is sold only where sales were lost, so that units are
    sold, and therefore ordered, on no fewer days. All levels up to it are tried.

    References
    ----------
    Janakiraman and Roundy (2004), Lost-sales problems with stochastic lead times: convexity
    results for base-stock policies, Operations Research 52(5).
    """
    plain = replace(store, fixed_cost=0.0)
    level, cost = _descend(plain, partial(base_stock_cost, plain), int(order_limits(plain)[-1]))
    if store.fixed_cost == 0.0:
        return level, cost
    costs = [base_stock_cost(store, tried) for tried in range(level + 1)]
    return min(enumerate(costs), key=lambda pair: pair[1].value)


def best_capped_base_stock(store: LostSales) -> tuple[int, int, AverageCost]:
    """Return the best (level, cap) and its cost: caps upward from the mean demand, levels downhill.

    The search ends when two caps in a row cost more than the best: the plain base-stock policy,
    whose cap is large, costs even more, and has far more states. With a fixed cost, which small
    caps incur more often, the search starts from the cost of the plain policy.
    """
    limits = order_limits(replace(store, fixed_cost=0.0))
    most, worse = int(limits[0]), 0
    mean = int(store.law @ np.arange(store.law.size))
    level, best = int(limits[-1]), (0, 0, base_stock_cost(store, 0))
    if store.fixed_cost > 0.0:
        plain, cost = best_base_stock(store)
        best = plain, plain, cost
    for cap in range(min(max(1, mean), most), most + 1):
        level, cost = _descend(store, partial(base_stock_cost, store, cap=cap), level)
        worse = 0 if cost.value < best[2].value else worse + 1
        if not worse:
            best = level, cap, cost
        elif worse == 2:
            break
    return best


def reorder_cost(
    store: LostSales, reorder_point: int, level: int, *, tolerance: float = 1e-6
) -> AverageCost:
    """Return the average cost of ordering up to `level` at or below a point (an (s, S) policy).

    Parameters
    ----------
    store : LostSales
        The problem.
    reorder_point, level : int
        s and S, compared with the inventory position [units]; ``0 <= s < S``.
    tolerance : float
        Largest distance of the bounds of the cost [money/day].
    """
    if not 0 <= reorder_point < level:
        raise InputError(f"reorder_point = {reorder_point!r}: must be 0 to {level - 1}")
    lattice = _affordable(np.full(store.lead_time + 1, level))
    return _average(store, lattice, reorder_rule(lattice, reorder_point, level), tolerance)


def best_reorder_point(store: LostSales) -> tuple[int, int, AverageCost]:
    """Return the best (s, S) policy among its neighbours, from the level without fixed cost on.

    The cost may have several local minima, so that it is only certain that no policy with s or S a
    unit more or less is cheaper.
    """
    level, _ = best_base_stock(replace(store, fixed_cost=0.0))
    known: dict[tuple[int, int], AverageCost] = {}

    def cost_of(point: int, up_to: int) -> float:
        if not 0 <= point < up_to:
            return np.inf
        if (point, up_to) not in known:
            known[point, up_to] = reorder_cost(store, point, up_to, tolerance=1e-5)
        return known[point, up_to].value

    best = level - 1, level
    while True:
        steps = [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1), (-1, 1), (1, -1)]
        near = [(best[0] + i, best[1] + j) for i, j in steps]
        found = min(near, key=lambda pair: cost_of(*pair))
        if cost_of(*found) >= cost_of(*best):
            return *best, known[best]
        best = found


def policy_cost(
    store: LostSales, order: Orders, *, tolerance: float = 1e-6, states: int = MAX_STATES
) -> AverageCost | None:
    """Return the average cost of any policy that orders by the stock and the orders under way.

    The policy is asked only in states that it reaches from an empty store. In all others nothing is
    ordered, so that the store empties, and the average cost is that of the states reached.

    Parameters
    ----------
    store : LostSales
        The problem, with a lead time of a day or more.
    order : callable
        Function from units on hand, shape (n,), and orders under way, shape (n, L - 1), to orders,
        shape (n,).
    tolerance : float
        Largest distance of the bounds on the cost [money/day].
    states : int
        Most states, stock levels times pipelines, that are examined.

    Returns
    -------
    AverageCost or None
        None if the policy reaches more states, or a stock `FAR_TOO_MUCH` times the largest useful
        one: it may never stop ordering.
    """
    limits = order_limits(store)
    most = FAR_TOO_MUCH * int(limits[-1])
    while limits[-1] <= most and count_states(limits) <= states:
        lattice = make_lattice(limits)
        orders = _reached_orders(store, lattice, order)
        if orders is not None:
            return _average(store, lattice, orders, tolerance)
        limits = limits + max(1, int(limits[0]) // 4)  # it orders more than is useful
    return None


def _reached_orders(store: LostSales, lattice: Lattice, order: Orders) -> Ints | None:
    """Return a policy's orders, 0 in states not reached; None if it leaves the lattice."""
    orders = np.zeros(lattice.shape, np.int64)
    met = np.zeros(lattice.shape, np.bool_)
    empty = np.flatnonzero(lattice.totals == 0)
    at, on_hand = empty, np.zeros_like(empty)
    met[at, on_hand] = True
    while at.size:
        wanted = order(on_hand, lattice.pipelines[at])
        room = lattice.limits[-1] - lattice.totals[at] - on_hand
        if (wanted > np.minimum(room, lattice.limits[0])).any():
            return None
        following = lattice.following[at, wanted]
        if (following < 0).any():
            return None
        orders[at, on_hand] = wanted
        new = np.zeros_like(met)
        for demand in np.flatnonzero(store.law[: int(on_hand.max()) + 1]):
            left = np.maximum(on_hand - demand, 0)
            new[following, left + lattice.arriving[at, wanted]] = True
        at, on_hand = np.nonzero(new & ~met)
        met |= new
    return orders


def spared(store: LostSales, cost: float) -> float:
    """Return the most by which any number of days can cost less than as many average ones [money].

    A store that knows its last day lets its stock run out, and the days may begin in a better state
    than usual: with V_n(x) the least expected cost of n days from state x, the result is
    ``max over n of n g - min over x of V_n(x)``.

    Parameters
    ----------
    store : LostSales
        The problem.
    cost : float
        Its least average cost g [money/day].
    """
    lattice = _affordable(order_limits(store))
    run: Any = spared_at_the_end
    near = 1e-7 * cost
    return float(run(_process(store, lattice), _free(lattice), cost, near, MAX_SWEEPS))


def _descend(
    store: LostSales, cost_of: Callable[[int], AverageCost], start: int
) -> tuple[int, AverageCost]:
    """Walk downhill from `start` to a level neither of whose neighbours is cheaper."""
    best, cost, less = start, cost_of(start), 1e-5 * _scale(store)
    for step in (-1, 1):
        while best + step >= 0 and (tried := cost_of(best + step)).value < cost.value - less:
            best, cost = best + step, tried
    return best, cost


def _scale(store: LostSales) -> float:
    """Return the factor on tolerances of money, below 1 if holding is cheap."""
    return min(1.0, max(store.holding_cost, 1e-6 * store.stockout_cost))


def _affordable(limits: Ints) -> Lattice:
    """Return the lattice of states within `limits`, or raise an error if it is too large."""
    if count_states(limits) > MAX_STATES:
        raise too_many(limits)
    return make_lattice(limits)


def _average(store: LostSales, lattice: Lattice, orders: Ints, tolerance: float) -> AverageCost:
    """Iterate values until the bounds are `tolerance` apart, or less if holding is cheap."""
    run: Any = iterate
    least = tolerance * _scale(store)
    lower, upper = run(_process(store, lattice), orders, least, MAX_SWEEPS)
    return AverageCost(float(lower), float(upper))


def _free(lattice: Lattice) -> Ints:
    """Return an array of -1, for orders yet to be found."""
    return np.full(lattice.shape, -1, dtype=np.int64)


def _process(store: LostSales, lattice: Lattice) -> Process:
    """Return a store as the argument of the compiled loops."""
    tails = np.append(1.0, np.maximum(0.0, 1.0 - np.cumsum(store.law)))
    return Process(
        store.day_costs(lattice.shape[1]),
        store.fixed_cost,
        np.ascontiguousarray(store.law[::-1]),
        tails,
        lattice.totals,
        lattice.arriving,
        lattice.following,
        lattice.lead_time == 0,
    )
