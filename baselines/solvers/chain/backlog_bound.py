r"""Upper bound on the profit of a store with backorders: every day optimised on its own.

The net inventory of a store (on hand less backorders) before the demand of day t is ``y - S``: all
that was shipped to it up to day t - L has arrived and nothing since (its lead time L), so that y,
its inventory position then without what the warehouse owes it, was known on that day, and S is the
demand of the L days ``t - L .. t - 1``, independent of all that was known. So in expectation no
policy earns more on day t than

``max over y of E[reward_t(y - S, D_t)]``,

whatever the warehouse does and whatever may be ordered; the sum over the days bounds the episode
(the value of a myopic policy). As stock cannot be returned, y is at least what the demand up to day
t - L - 1 leaves of the initial stock under any policy: the maximum is taken over such y alone, and
averaged over that demand, which is independent of S too. On the first L days nothing can reach the
store, and y is its initial stock.

**Approximations.** S lies on a grid of unit u, its law split between neighbouring nodes; whole
units of integer demand are nodes. The best y may lie between two nodes, but its value is no higher
than where the lines through the nodes on either side meet, and that value is taken. Halving u at
least halves the error, so that

``bound = V_(u/2) + |V_(u/2) - V_u|``

is above the exact value; the second term is its tolerance. Fixed costs of orders are left out.

References
----------
Veinott (1965), Optimal policy for a multi-product, dynamic, nonstationary inventory problem,
Management Science 12(3); Zipkin (2000), Foundations of Inventory Management, section 9.4.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.solvers.chain.bound_kernels import above_nodes
from baselines.solvers.chain.demand_points import DemandPoints
from baselines.solvers.chain.store_bound import StoreBound
from envs.supply_chain.events import Floats
from envs.supply_chain.reward import expected_rewards, is_counted

NODES_PER_STD = 50
"""Coarse nodes per standard deviation of the demand of lead time and day, where it is smallest."""
MAX_NODES = 10_000
"""Most coarse nodes from no stock to the largest demand or the initial stock."""


def backlog_bound(
    demand: DemandPoints,
    weights: NDArray[np.void],
    *,
    lead_time: int,
    initial_on_hand: float,
    warmup_days: int = 0,
) -> StoreBound:
    """Return an upper bound on a store's expected profit in an episode.

    Parameters
    ----------
    demand : DemandPoints
        Independent laws of demand of the days 0 .. T - 1, shape (T, J).
    weights : ndarray
        Argument of `envs.supply_chain.reward.expected_rewards`, shape (1,).
    lead_time : int
        Days from order to arrival, which is before the demand of that day.
    initial_on_hand : float
        Units on the first morning; nothing is under way.
    warmup_days : int
        Number of first days whose rewards are 0.

    Examples
    --------
    A single day of N(50, 8^2), with a cost of 0.18 per unit left and 0.70 per unit short, is the
    newsvendor's, who spends 1.9976:

    >>> from baselines.solvers.chain.demand_points import demand_points
    >>> from envs.supply_chain.reward import cost_weights
    >>> law = demand_points("normal", [50.0], [8.0])
    >>> bound = backlog_bound(law, cost_weights(0.18, 0.70), lead_time=0, initial_on_hand=0.0)
    >>> round(bound.value, 2)
    -2.0
    """
    unit = _coarse_unit(demand, lead_time, initial_on_hand)
    coarse, fine = (
        _value(demand, weights, lead_time, initial_on_hand, warmup_days, u)
        for u in (unit, unit / 2)
    )
    tolerance = abs(fine - coarse)
    return StoreBound(fine + tolerance, tolerance, unit / 2)


def _coarse_unit(demand: DemandPoints, lead_time: int, initial_on_hand: float) -> float:
    """Return a unit fine enough for the least variable day without too many nodes."""
    calm = demand.least_std * math.sqrt(lead_time + 1.0) / NODES_PER_STD
    largest = float(demand.largest.max())
    unit = max(calm, max(largest * (lead_time + 1.0), initial_on_hand) / MAX_NODES, 1e-9)
    return demand.fitting(unit)


def _value(
    demand: DemandPoints,
    weights: NDArray[np.void],
    lead_time: int,
    initial_on_hand: float,
    warmup_days: int,
    unit: float,
) -> float:
    """Return the value on the grid of one unit."""
    from scipy.signal import fftconvolve  # here: slow to import

    laws = [_on_grid(p, c, unit) for p, c in zip(demand.points, demand.chances, strict=True)]
    start = math.floor(initial_on_hand / unit)
    gone = np.ones(1)  # law of the demand before the day on which an order is placed
    total = 0.0
    for t, (law, points, chances) in enumerate(zip(laws, *demand, strict=True)):
        before = _sum_law(laws[max(0, t - lead_time) : t])
        most = max(start, before.size + law.size)
        nodes = np.arange(1 - before.size, most + 1, dtype=np.float64)
        level = initial_on_hand + unit * (nodes - start)
        if is_counted(t, warmup_days):
            earned = expected_rewards(weights, level, points, chances)
            by_position = fftconvolve(earned, before, mode="valid")  # from 0 or just above it on
            total += _best(by_position, start, gone if t >= lead_time else None)
        if t >= lead_time:
            gone = fftconvolve(gone, laws[t - lead_time])[: start + 1]
    return total


def _best(by_position: Floats, start: int, gone: Floats | None) -> float:
    """Return the largest reward over positions not below the stock left; at `start` if fixed."""
    if gone is None:
        return float(by_position[start])
    more = above_nodes(by_position, int(by_position.argmax()))
    best = np.maximum.accumulate(by_position[::-1])[::-1]
    left = best[start - np.arange(gone.size)]
    return float(gone @ left + (1.0 - gone.sum()) * best[0]) + more


def _on_grid(points: Floats, chances: Floats, unit: float) -> Floats:
    """Return probabilities of 0, u, 2u, ..., each value split between its neighbours."""
    some = chances > 0.0
    low = np.floor(points[some] / unit).astype(np.int64)
    share = points[some] / unit - low
    law = np.zeros(int(low.max()) + 2)
    np.add.at(law, low, chances[some] * (1.0 - share))
    np.add.at(law, low + 1, chances[some] * share)
    return law


def _sum_law(laws: list[Floats]) -> Floats:
    """Return the probabilities of the sum of independent demands."""
    size = sum(law.size - 1 for law in laws) + 1
    spectrum: Any = 1.0 + 0.0j
    for law in laws:
        spectrum = spectrum * np.fft.rfft(law, 2 * size)
    if not laws:
        return np.ones(1)
    return np.maximum(0.0, np.fft.irfft(spectrum, 2 * size)[:size])
