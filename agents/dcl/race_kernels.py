"""Compiled races of the actions of a state: sequential halving on common random numbers."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.dcl.kernels import (
    DRAWS,
    Actor,
    Floats,
    Store,
    Whole,
    draw_bits,
    following,
    order_cost,
    order_of,
)
from agents.dcl.value_kernels import Values, residual_of, value_after
from common.compiled import compiled

LEAST_LOSS = 1e-3
"""An eliminated order counts as at least this much worse than the best [money]."""


@compiled
def _shift_lattice(random: Any, starts: Whole, strides: Whole) -> None:
    """Draw a lattice anew: an odd stride and a shift for each day of the paths.

    Path m of M sees on day t the quantile ``(m * stride_t / M + shift_t) mod 1``: a randomly
    shifted rank-1 lattice, on each day of which the paths are spread evenly over the law.

    References
    ----------
    L'Ecuyer and Lemieux (2000), Variance reduction via lattice rules, Management Science 46(9).
    """
    for t in range(starts.size):
        starts[t] = draw_bits(random)
        strides[t] = draw_bits(random) | 1


@compiled
def _play(
    store: Store,
    actor: Actor,
    values: Values,
    state: int,
    own: int,
    racing: Whole,
    draws: tuple[Whole, Whole, int],
    expected: Floats,
    costs: Floats,
    states: Whole,
    running: Whole,
) -> int:
    """Simulate one path of every racing order and of the policy's `own`; return the steps taken.

    `costs` is filled with the additional cost of each order over the own one: the `expected`
    difference, plus that of the residuals of later days. A path ends when its state coincides with
    the own path's, as the rest of both is the same.
    """
    starts, strides, point = draws
    demand = int(store.demand_at[(point * strides[0] + starts[0]) & (DRAWS - 1)])
    beside = following(store, state, own, demand)
    count, steps = 0, 1
    for k in range(racing.size):
        order = racing[k]
        costs[order] = expected[order] - expected[own]
        states[order] = following(store, state, order, demand)
        if states[order] != beside:
            running[count] = order
            count += 1
    for t in range(1, starts.size):
        if count == 0:
            break
        demand = int(store.demand_at[(point * strides[t] + starts[t]) & (DRAWS - 1)])
        cost = residual_of(store, actor, values, beside)
        beside = following(store, beside, order_of(store, actor, beside), demand)
        steps += count + 1
        left = 0
        for k in range(count):
            first = running[k]
            other = states[first]
            costs[first] += residual_of(store, actor, values, other) - cost
            other = following(store, other, order_of(store, actor, other), demand)
            states[first] = other
            if other != beside:
                running[left] = first
                left += 1
        count = left
    return steps


@compiled
def _halve(
    racing: Whole, costs: Floats, sums: Floats, counts: Whole, keep: int, errors: float
) -> tuple[Whole, bool]:
    """Add a round of costs, shape (paths, orders); return the orders kept, and if it is decided.

    The orders kept are sorted by mean cost. The race is decided if all others are more than
    `errors` standard errors worse than the best; with a single path it never is.
    """
    paths = costs.shape[0]
    means = np.empty(racing.size)
    for k in range(racing.size):
        order = racing[k]
        sums[order] += costs[:, order].sum()
        counts[order] += paths
        means[k] = sums[order] / counts[order]
    ranks = np.argsort(means, kind="mergesort")
    best = racing[ranks[0]]
    stay = np.empty(racing.size, np.int64)
    stay[0] = best
    size = 1
    for k in ranks[1:]:
        order = racing[k]
        apart = costs[:, order] - costs[:, best]
        spread = apart.std() / math.sqrt(counts[order])
        if means[k] - means[ranks[0]] <= errors * spread:
            stay[size] = order
            size += 1
    return stay[: min(size, keep)], size == 1 and paths > 1


@compiled
def race(
    store: Store,
    actor: Actor,
    values: Values,
    states: Whole,
    seeds: NDArray[np.uint64],
    most: int,
    days: int,
    paths: Whole,
    keep: Whole,
    errors: float,
    losses: Floats,
    certain: NDArray[np.bool_],
) -> int:
    """Find the best order of each state by sequential halving; return the steps simulated.

    Parameters
    ----------
    store, actor, values : Store, Actor, Values
        The problem, the policy that decides from the second day on, and the values of its costs.
    states, seeds : ndarray
        Shape (n,); each state has a seed of its own, so that the result does not depend on how
        states are split among threads.
    most : int
        The largest order that is tried [units].
    days : int
        Most days of a path that does not coincide with the own one earlier.
    paths, keep : ndarray
        Paths of each round, powers of 2, and most orders kept after it, shape (rounds,).
    errors : float
        Orders that are more than this many standard errors worse than the best are dropped.
    losses, certain : ndarray
        Filled in as in `agents.dcl.labels.Labels`.
    """
    room, expected = np.empty((paths.max(), store.num_orders)), np.empty(store.num_orders)
    starts, strides = np.empty(days + 1, np.int64), np.empty(days + 1, np.int64)
    reached, running = np.empty(store.num_orders, np.int64), np.empty(store.num_orders, np.int64)
    random = np.empty(1, np.uint64)
    steps = 0
    for i in range(states.size):
        random[0] = seeds[i]
        own = order_of(store, actor, states[i])
        sums, counts = np.zeros(store.num_orders), np.zeros(store.num_orders, np.int64)
        racing = np.arange(max(most, own) + 1)
        for order in range(racing.size):
            expected[order] = order_cost(store, order)
            expected[order] += value_after(store, values, states[i], order)
        certain[i] = False
        for r in range(paths.size):
            _shift_lattice(random, starts, strides)
            step = DRAWS // paths[r]
            for m in range(paths[r]):
                draws = (starts, strides, m * step)
                steps += _play(
                    store,
                    actor,
                    values,
                    states[i],
                    own,
                    racing,
                    draws,
                    expected,
                    room[m],
                    reached,
                    running,
                )
            racing, sure = _halve(racing, room[: paths[r]], sums, counts, keep[r], errors)
            certain[i] = sure
            if racing.size == 1:
                break
        _tell(sums, counts, racing, losses[i])
    return steps


@compiled
def _tell(sums: Floats, counts: Whole, racing: Whole, losses: Floats) -> None:
    """Write how much worse each order is than the best of those still racing."""
    best = sums[racing[0]] / counts[racing[0]]
    for order in range(losses.size):
        losses[order] = np.inf
        if counts[order] > 0:
            losses[order] = max(sums[order] / counts[order] - best, LEAST_LOSS)
    for k in range(racing.size):
        order = racing[k]
        losses[order] = max(sums[order] / counts[order] - best, 0.0)
