r"""The linear programme of a warehouse that is short: allocation of its stock to stores and days.

With store i and days t from the first on which a shipment can arrive, in units: receipts r, units
left x up to the excess threshold and y above it, units unmet u (lost or backordered), warehouse
stock w and its possible receipts a::

    maximise   sum (best_it - h x_it - e y_it - s_it u_it)
    subject to x_it + y_it - u_it = x_i,t-1 + y_i,t-1 - owed_i,t-1 + r_it - d_it
               w_t + sum_i r_it = w_t-1 + a_t

where ``owed`` is u with a backlog and 0 with lost sales. Costs of a unit are read off
`envs.supply_chain.reward.store_reward`, which is linear between its kinks.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from envs.supply_chain.reward import is_counted, store_reward

Floats = NDArray[np.float64]

TOGETHER = 1500
"""Store-days of traces solved as one programme: few calls, but not too large."""


def solve_programs(lane: Any, demand: Floats, level: Floats, supplied: Floats) -> Floats:
    """Return the stores' best sums of rewards in each episode, all stores together.

    Parameters
    ----------
    lane : record
        An `envs.supply_chain.dynamics.LANE`.
    demand : ndarray
        Demand of the days that a shipment can reach, shape (episodes, N, days) [units].
    level : ndarray
        Net inventory before the first of these days, shape (episodes, N).
    supplied : ndarray
        The most units that can have reached the warehouse by each morning, shape (episodes, T).

    Returns
    -------
    ndarray
        Shape (episodes,).

    Raises
    ------
    RuntimeError
        If the solver fails.
    """
    episodes, n, days = demand.shape
    together = max(1, TOGETHER // (n * days))
    matrix = _balances(n, days, backlog=bool(lane["backlog"]))
    horizon = supplied.shape[1]
    last = range(horizon - days, horizon)
    counted = np.array([is_counted(day, lane["warmup_days"]) for day in last])
    best = np.empty(episodes)
    for first in range(0, episodes, together):
        rows = range(first, min(first + together, episodes))
        parts = [_program(lane, counted, demand[e], level[e], supplied[e, :days]) for e in rows]
        cost, bounds, right, constant = (np.stack(x) for x in zip(*parts, strict=True))
        solve: Any = linprog  # its type stubs lack sparse matrices
        solved = solve(
            cost.ravel(),
            A_eq=sparse.block_diag([matrix] * len(rows), format="csc"),
            b_eq=right.ravel(),
            bounds=np.stack([np.zeros(bounds.size), bounds.ravel()], axis=1),
            method="highs-ds",
        )
        if solved.status != 0:
            raise RuntimeError(f"the linear programme was not solved: {solved.message}")
        best[first : rows.stop] = constant - (cost * solved.x.reshape(cost.shape)).sum(axis=1)
    return best


def _balances(stores: int, days: int, *, backlog: bool) -> Any:
    """Return the left-hand sides: a row per store and day, then one per day of the warehouse."""
    one = sparse.eye_array(days)
    carried = one - sparse.eye_array(days, k=-1)
    unmet = carried if backlog else one
    store = sparse.hstack([-one, carried, carried, -unmet])
    to_stores = sparse.hstack([sparse.hstack([one, sparse.csr_array((days, 3 * days))])] * stores)
    top = sparse.hstack(
        [sparse.block_diag([store] * stores), sparse.csr_array((stores * days, days))]
    )
    return sparse.vstack([top, sparse.hstack([to_stores, carried])], format="csc")


def _program(
    lane: Any, counted: NDArray[np.bool_], demand: Floats, level: Floats, supplied: Floats
) -> tuple[Floats, Floats, Floats, float]:
    """Return costs and upper bounds of the variables, right-hand sides, and the largest reward.

    Variables are r, x, y and u of each store by day, then w by day.
    """
    n, days = demand.shape
    most = _most_unmet(demand, level, backlog=bool(lane["backlog"]))
    costs, bounds = np.zeros((n, 4, days)), np.full((n, 4, days), np.inf)
    best = 0.0
    bounds[:, 1], bounds[:, 3] = lane["excess_threshold"], most
    for i in range(n):
        for t in np.flatnonzero(counted):
            here, costs[i, 1:, t] = _unit_costs(lane, demand[i, t], most[i, t])
            best += here
    right = -demand
    right[:, 0] += level
    free = np.zeros(days)
    cost = np.concatenate([costs.ravel(), free])
    limits = np.concatenate([bounds.ravel(), free + np.inf])
    coming = np.diff(supplied, prepend=0.0)
    return cost, limits, np.concatenate([right.ravel(), coming]), best


def _most_unmet(demand: Floats, level: Floats, *, backlog: bool) -> Floats:
    """Return the most units that can be lost, or backordered, on each day, shape (N, days)."""
    if not backlog:
        return demand
    owed: Floats = np.maximum(0.0, np.cumsum(demand, axis=1) - level[:, None])
    return owed


def _unit_costs(lane: Any, demand: float, most: float) -> tuple[float, tuple[float, float, float]]:
    """Return the reward of a day without a unit left or unmet, and the unit costs of such units.

    They are of a unit left up to the excess threshold, one above it, and one unmet; the last by the
    chord to `most` units unmet, which no convex reward exceeds.
    """
    best = store_reward(lane, 0.0, demand, demand)
    threshold = float(lane["excess_threshold"])
    at_threshold = store_reward(lane, threshold, demand, demand)
    above = at_threshold - store_reward(lane, threshold + 1.0, demand, demand)
    below = (best - at_threshold) / threshold if threshold > 0.0 else above
    unmet = (best - store_reward(lane, 0.0, demand - most, demand)) / most if most > 0.0 else 0.0
    return best, (below, above, unmet)
