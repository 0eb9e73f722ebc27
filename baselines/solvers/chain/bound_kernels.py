"""The compiled loops of a store's dynamic programme (see `baselines.solvers.chain.store_bound`).

Values are arrays over (units on hand, units that arrive tomorrow), both in grid units; with a lead
time below 2 nothing is known to arrive tomorrow and the second axis has length 1.
"""

import numpy as np

from common.compiled import compiled
from envs.supply_chain.events import Floats

_NEGLIGIBLE = 1e-12


@compiled
def leftover_law(unit: float, nodes: int, points: Floats, chances: Floats) -> tuple[Floats, Floats]:
    r"""Return the weights of the nodes after demand, exact for functions linear between nodes.

    With ``rho(y) = E[(y - D)+]``, the hat function of a node m places below the stock before demand
    has the expectation ``(rho((m + 1) u) - 2 rho(m u) + rho((m - 1) u)) / u``.

    Returns
    -------
    weights : ndarray
        Shape (nodes,), entry m for the node m places below the stock, except node 0.
    empty : ndarray
        Shape (nodes,), weight of node 0 by the stock before demand.
    """
    rho = np.zeros(nodes + 2)  # at -u, 0, ..., nodes * u
    for j in range(points.size):
        for i in range(1, nodes + 2):
            rho[i] += chances[j] * max(0.0, (i - 1) * unit - points[j])
    weights, empty = np.empty(nodes), np.empty(nodes)
    for m in range(nodes):
        weights[m] = max(0.0, (rho[m + 2] - 2.0 * rho[m + 1] + rho[m]) / unit)
        empty[m] = max(0.0, 1.0 - (rho[m + 1] - rho[m]) / unit)
    weights[weights < _NEGLIGIBLE], empty[empty < _NEGLIGIBLE] = 0.0, 0.0
    beyond = int(np.ceil(points[chances > 0.0].max() / unit)) + 1  # beyond: rounding errors
    weights[beyond:], empty[beyond:] = 0.0, 0.0
    return weights, empty


@compiled
def above_nodes(values: Floats, top: int) -> float:
    """Return a bound on a concave function's excess over its largest value on nodes, at `top`.

    It is below the lines through the nodes on either side of an interval.
    """
    most, last = 0.0, values.size - 1
    for way in (-1, 1):
        if 0 <= top + way <= last and 0 <= top + 2 * way <= last:
            gap = values[top] - values[top + way]
            falling = values[top + way] - values[top + 2 * way]
            if falling > gap:
                peak = falling - gap  # on the line from beyond, at `top`
                if 0 <= top - way <= last:
                    peak *= 1.0 - falling / (values[top] - values[top - way] + falling)
                most = max(most, peak)
    return most


@compiled
def order_at_once(
    earned: Floats, law: Floats, empty: Floats, value: Floats, position_cap: int, between: bool
) -> Floats:
    """Return V of a day with lead time 0: the order serves the demand of the day.

    Parameters
    ----------
    earned : ndarray
        Expected reward of the day by the stock before demand.
    law, empty : ndarray
        As returned by `leftover_law`.
    value : ndarray
        V of the next day.
    position_cap : int
        Largest inventory position that an order may lead to.
    between : bool
        Whether to add a bound on the gain of an order between two nodes over the best node.
    """
    before = np.empty((earned.size, 1))
    worth = earned + empty * value[0, 0]
    for x in range(earned.size):
        for m in range(x):
            worth[x] += law[m] * value[x - m, 0]
    top = int(worth[: position_cap + 1].argmax())
    more = above_nodes(worth, top) if between else 0.0
    best = -np.inf
    for x in range(earned.size - 1, -1, -1):
        best = max(best, worth[x]) if x <= position_cap else -np.inf
        before[x, 0] = max(best, worth[x]) + (more if x <= top else 0.0)
    return before


@compiled
def order_for_tomorrow(
    earned: Floats, law: Floats, empty: Floats, value: Floats, position_cap: int, between: bool
) -> Floats:
    """Return V of a day with lead time 1: only the order arrives tomorrow.

    Maximised over the inventory position after the order; parameters as in `order_at_once`.
    """
    before = np.empty((earned.size, 1))
    sure = np.zeros(earned.size)  # from demands below the first x units
    for x in range(earned.size):
        last = max(x, min(position_cap, earned.size - 1))
        then = value[: last + 1 - x, 0]
        before[x, 0] = earned[x] + _largest_sum(sure[x : last + 1], empty[x], then, between)
        for position in range(x, earned.size):
            sure[position] += law[x] * value[position - x, 0]
    return before


@compiled
def order_for_later(
    earned: Floats,
    law: Floats,
    empty: Floats,
    value: Floats,
    position_cap: int,
    between: bool,
    slots: int,
) -> Floats:
    """Return V of a day with lead time 2, shape (stock, slots).

    With s the units on hand and arriving tomorrow, and V of the next day for every order,
    ``E V((x - D)+ + s - x) = sum over m < x of law_m V(s - m) + empty_x V(s - x)``: the sums for
    all x grow term by term. Parameters as in `order_at_once`; the second axis of `value` covers
    all orders.
    """
    before = np.zeros((earned.size, slots))
    last = np.flatnonzero(empty)[-1]
    for position in range(earned.size):
        orders = max(0, min(value.shape[1] - 1, position_cap - position)) + 1
        sure = np.zeros(orders)
        for x in range(min(position, last) + 1):
            then = value[position - x, :orders]
            if position - x < slots:
                best = _largest_sum(sure, empty[x], then, between)
                before[x, position - x] = earned[x] + best
            if law[x] > 0.0:
                for k in range(orders):
                    sure[k] += law[x] * then[k]
        if max(last, position - slots) < position:  # stock exceeds any demand
            best = _largest_sum(sure, 0.0, sure, between)
            for x in range(max(last + 1, position - slots + 1), position + 1):
                before[x, position - x] = earned[x] + best
    return before


@compiled(fastmath={"nnan", "nsz"})
def _largest_sum(sure: Floats, chance: float, then: Floats, between: bool) -> float:
    """Return the largest entry of ``sure + chance * then``, with `above_nodes` if `between`."""
    best = sure[0] + chance * then[0]
    for k in range(1, sure.size):
        best = max(best, sure[k] + chance * then[k])
    if between:
        worth = sure + chance * then
        best += above_nodes(worth, int(worth.argmax()))
    return float(best)
