"""States of a store with perishable goods, and value iteration on them (see `value_iteration`).

A state is the stock by age, oldest first, and the orders of the last L - 1 days, next to arrive
first. None of these numbers exceeds the largest order Q, so that a state is a number with
m + L - 1 digits of base Q + 1; the order of the day becomes the last digit of the next state.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled
from envs.supply_chain.events import expire, issue, meet_demand
from envs.supply_chain.reward import store_reward, waste_charge

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_DAMPING = 0.7
"""Share of a sweep's change that is applied (damping), so that no cycle goes on for ever."""
_EQUAL = 1e-12
"""Orders tie if their costs differ by less than this share of the most expensive day's cost."""
_LEAST = 1e-3
"""The tolerance is relative to at least this share of the most expensive day's cost."""


@compiled
def read_state(state: int, base: int, digits: Floats) -> None:
    """Write the digits of a state, oldest stock first, newest order last."""
    for k in range(digits.size - 1, -1, -1):
        digits[k] = state % base
        state //= base


@compiled
def next_state(ages: Floats, pipeline: Floats, base: int) -> int:
    """Return the state of the next morning if nothing is ordered today.

    Parameters
    ----------
    ages : ndarray
        Stock by age after the evening, its last slot empty, shape (m,) [units].
    pipeline : ndarray
        Orders of the last L - 1 days, next to arrive first [units].
    base : int
        Largest order plus one.
    """
    state = 0
    for k in range(ages.size - 1):
        state = state * base + int(ages[k])
    for k in range(pipeline.size):  # the first of them arrives, and is the freshest stock
        state = state * base + int(pipeline[k])
    return state * base


@compiled
def day_costs(store: Any, shape: tuple[int, int, int], lifo: bool, law: Floats) -> Floats:
    """Return the expected cost of a day without its order, by state.

    Parameters
    ----------
    store : ndarray
        Record as read by `envs.supply_chain.reward`, with the objective cost, shape (1,).
    shape : tuple of int
        Largest order plus one, digits of a state (m + L - 1), and m.
    lifo : bool
        As for `envs.supply_chain.events.issue`.
    law : ndarray
        Probabilities of demand 0, 1, ...
    """
    base, size, life = shape
    costs, digits, ages = np.zeros(base**size), np.empty(size), np.empty(life)
    for state in range(costs.size):
        read_state(state, base, digits)
        on_hand = digits[:life].sum()
        for demand in range(law.size):
            ages[:] = digits[:life]
            sales, _ = meet_demand(on_hand, demand)
            issue(ages, demand, lifo)
            wasted = expire(ages)
            reward = store_reward(store[0], ages.sum(), sales, demand)
            costs[state] -= law[demand] * (reward - waste_charge(store[0], wasted))
    return costs


@compiled
def left_by_age(life: int, bits: int, lifo: bool, demands: int) -> NDArray[np.int32]:
    """Return the stock left on the next morning, before arrivals.

    Stock by age is packed into one number: `bits` bits for the units of each age, the oldest in the
    lowest ones.

    Parameters
    ----------
    life, bits : int
        Shelf life of a unit (m), and bits for the units of an age.
    lifo : bool
        As for `envs.supply_chain.events.issue`.
    demands : int
        Demand is 0, 1, ... and less than this [units].

    Returns
    -------
    ndarray
        Packed stock by packed stock and demand, shape (2^(life * bits), demands).
    """
    left = np.zeros((1 << (life * bits), demands), np.int32)
    ages = np.empty(life)
    for stock in range(left.shape[0]):
        for demand in range(demands):
            for k in range(life):
                ages[k] = (stock >> (k * bits)) & ((1 << bits) - 1)
            issue(ages, demand, lifo)
            expire(ages)
            for k in range(life):
                left[stock, demand] |= int(ages[k]) << (k * bits)
    return left


@compiled
def reached_orders(
    orders: Ints, shape: tuple[int, int, int], lifo: bool, law: Floats, reached: Ints
) -> None:
    """Copy a policy's orders in the states that it reaches from an empty store.

    Parameters
    ----------
    orders : ndarray
        The policy's orders, by state.
    shape, lifo, law
        As for `day_costs`.
    reached : ndarray
        By state, -1 everywhere; the orders of reached states are written into it.
    """
    base, size, life = shape
    digits, ages = np.empty(size), np.empty(life)
    waiting, last = np.zeros(orders.size, np.int64), 1  # the empty store is state 0
    reached[0] = orders[0]
    while last > 0:
        last -= 1
        state = waiting[last]
        read_state(state, base, digits)
        on_hand = int(digits[:life].sum())
        for demand in range(law.size):
            if law[demand] == 0.0:
                continue
            ages[:] = digits[:life]
            issue(ages, demand, lifo)
            expire(ages)
            to = next_state(ages, digits[life:], base) + orders[state]
            if reached[to] < 0:
                reached[to], waiting[last] = orders[to], to
                last += 1
            if demand >= on_hand:
                break  # larger demand leaves the same


@compiled
def sweep(
    costs: Floats,
    order_costs: Floats,
    shape: tuple[int, int, int],
    lifo: bool,
    law: Floats,
    discount: float,
    orders: Ints,
    fixed: bool,
    values: Floats,
    improved: Floats,
) -> tuple[float, float]:
    """Apply the optimality equation, or that of a policy, once; return the extreme changes.

    Parameters
    ----------
    costs, order_costs : ndarray
        Costs of a day by state, and of orders 0 .. Q.
    shape, lifo, law
        As for `day_costs`.
    discount : float
        Discount factor of a day.
    orders : ndarray
        Output for the best orders, the smallest among ties, or, if `fixed`, the policy's orders,
        with -1 in states that are left out.
    fixed : bool
        Whether to evaluate the given orders rather than to optimise.
    values, improved : ndarray
        Old and new values by state; the second is written.

    Returns
    -------
    tuple of float
        Least and largest of ``improved - values``.
    """
    base, size, life = shape
    digits, ages, ahead = np.empty(size), np.empty(life), np.empty(base)
    least, most, equal = np.inf, -np.inf, _EQUAL * costs.max()
    for state in range(costs.size):
        if fixed and orders[state] < 0:
            continue
        read_state(state, base, digits)
        on_hand, rest = int(digits[:life].sum()), 1.0
        ahead[:] = 0.0
        first, last = (orders[state], orders[state] + 1) if fixed else (0, base)
        for demand in range(min(on_hand + 1, law.size)):
            chance = law[demand] if demand < on_hand else rest  # all units at most can be sold
            rest -= chance
            ages[:] = digits[:life]
            issue(ages, demand, lifo)
            expire(ages)
            to = next_state(ages, digits[life:], base)
            for q in range(first, last):
                ahead[q] += chance * values[to + q]
        best = np.inf
        for q in range(first, last):
            value = order_costs[q] + discount * ahead[q]
            if value < best - equal:
                best, orders[state] = value, q
        improved[state] = costs[state] + best
        change = improved[state] - values[state]
        least, most = min(least, change), max(most, change)
    return least, most


@compiled
def iterate(
    costs: Floats,
    order_costs: Floats,
    shape: tuple[int, int, int],
    lifo: bool,
    law: Floats,
    discount: float,
    orders: Ints,
    fixed: bool,
    values: Floats,
    tolerance: float,
    ceiling: float,
    sweeps: int,
) -> tuple[float, float]:
    """Iterate values, in place, until their changes are nearly the same everywhere.

    When the newest units are sold first, the orders of good policies do not depend on demand and
    are periodic, so that only a part of every change is applied.

    Parameters
    ----------
    costs, order_costs, shape, lifo, law, discount, orders, fixed, values
        As for `sweep`.
    tolerance : float
        Largest distance of the bounds on values, or on the average cost, as a share of a day's
        long-run cost: of the average, or of ``1 - discount`` times the value of the state without
        stock.
    ceiling : float
        A cost above which no closer bounds are needed.
    sweeps : int
        Most sweeps.

    Returns
    -------
    tuple of float
        Bounds on the changes. Without discounting they bound the average cost; with it the exact
        values are the last ones plus ``discount / (1 - discount)`` times numbers within the bounds,
        of which the middle is added.
    """
    improved = np.zeros_like(values)
    least, most = -np.inf, np.inf
    far = discount / (1.0 - discount) if discount < 1.0 else 1.0
    for _ in range(sweeps):
        least, most = sweep(
            costs, order_costs, shape, lifo, law, discount, orders, fixed, values, improved
        )
        day = most if discount == 1.0 else (1.0 - discount) * improved[0] + discount * most
        near = tolerance * max(day, _LEAST * costs.max())
        if far * (most - least) <= near or least > ceiling:
            break
        shift = improved[0] if discount == 1.0 else 0.0
        for state in range(values.size):
            values[state] += _DAMPING * (improved[state] - values[state]) - shift
    middle = far * 0.5 * (least + most) if discount < 1.0 else 0.0
    values[:] = improved + middle
    return least, most
