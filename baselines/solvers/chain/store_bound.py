r"""An upper bound on the expected total reward of a store in an episode.

The bound is the value of an easier problem: the store's warehouse is never short, and the store may
order any quantity on any day. (Days of review, packs, a minimum and a shelf's capacity only remove
orders: the bound holds with them too.) Whatever a policy of the whole chain ships to the store on
day t, this store could have ordered on day t itself, and a policy's knowledge of other stores and
of the supplier is uninformative about this store's future demand. So no policy earns the store
more, and as rewards add up, the sum of the bounds of all stores bounds their joint profit.

With x units on hand after the morning's receipts and z that arrive tomorrow (lead time 2),

``V_t(x, z) = max over q >= 0 of E[reward_t(x, D_t)] + E V_(t+1)((x - D_t)+ + z, q)``

and V = 0 after the last day (Zipkin 2008, Old and new methods for lost-sales inventory systems,
Operations Research 56(5), on a finite horizon). A store with a longer lead time can do no better
than one with lead time 2, which may delay its orders, so that the latter's bound holds.

**Orders are not restricted.** No unit is needed on day t beyond the largest demand of that day, so
that a sum of orders never needs to exceed the largest demands of the days that it is for: any
further unit may be ordered a day later for the same day, and costs no more.

**Approximations.** Stocks and orders lie on a grid of unit u, and V is linear between nodes: as
``(x - D)+ + z`` is off the grid by x alone, its expectation is exact (`leftover_law`). V is
concave, since a store that may also refuse to sell has a concave programme, and gains nothing from
refusing if the unit kept is worth no more later. So the grid's value V_u is too low for two
reasons, and rises to V as u falls: ``V_u <= V_(u/2) <= V``. With integer demand whole units are
nodes, and neither reason applies: V has kinks at whole numbers alone. Otherwise

- *the best order may lie between two nodes*, as near to one as on a grid twice as coarse, so that
  halving u may not reveal the error. V_(u/2)+ adds to every best order the most by which a concave
  function may exceed its nodes (`above_nodes`);
- *the linear interpolation is below V*, by a multiple of u^2, or of u if demand hardly varies, so
  that V_(u/2) is too low by a third of ``V_(u/2) - V_u``, or by all of it. Hence

``bound = V_(u/2)+ + |V_(u/2) - V_u|``,

which is above V_(u/2) by its tolerance. (On warm-up days, which earn nothing, V need not be
concave; the tolerance is as small there.)

Demand is cut into strata, which errs upwards by less than 0.001 a month with the defaults.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.solvers.chain.bound_kernels import (
    leftover_law,
    order_at_once,
    order_for_later,
    order_for_tomorrow,
)
from baselines.solvers.chain.demand_points import DemandPoints
from common.errors import InputError
from envs.supply_chain.reward import STORE_WEIGHTS, expected_rewards, is_counted

Ints = NDArray[np.int64]

SOLVED_LEAD_TIME = 2
"""Longer lead times use the bound of this one."""
UNITS_PER_STD = 8.0
"""Coarse nodes per smallest standard deviation of a day's demand."""
MAX_ORDER_NODES = 120
MAX_STOCK_NODES = 1000
"""Most nodes of the coarse grid up to the largest order and up to the initial stock."""


@dataclass(frozen=True)
class StoreBound:
    """An upper bound on a store's expected total reward.

    Attributes
    ----------
    value : float
        The bound: no policy earns more in expectation.
    tolerance : float
        Excess of `value` over the value on the finest grid; the exact one lies between.
    unit : float
        Distance of the finest grid's nodes [units].
    """

    value: float
    tolerance: float
    unit: float


def store_bound(
    demand: DemandPoints,
    weights: NDArray[np.void],
    *,
    lead_time: int,
    initial_on_hand: float,
    warmup_days: int = 0,
    unit: float | None = None,
) -> StoreBound:
    """Return an upper bound on a store's expected profit in an episode.

    Parameters
    ----------
    demand : DemandPoints
        Independent laws of demand of the days 0 .. T - 1, shape (T, J); see
        `baselines.solvers.chain.demand_points`. Any discrete laws are allowed.
    weights : ndarray or record
        Weights as read by `envs.supply_chain.reward.store_reward` (`STORE_WEIGHTS`).
    lead_time : int
        Days from order to arrival, which is before the demand of that day.
    initial_on_hand : float
        Units on the first morning; nothing is under way.
    warmup_days : int
        Number of first days whose rewards are 0.
    unit : float, optional
        Distance of the coarse grid's nodes [units].

    Raises
    ------
    InputError
        If an argument is out of range.
    """
    if lead_time < 0 or not 0.0 <= initial_on_hand < math.inf:
        raise InputError(
            f"lead_time = {lead_time!r}, initial_on_hand = {initial_on_hand!r}: must be 0 or more"
        )
    record = np.atleast_1d(weights)
    missing = set(STORE_WEIGHTS.names or ()) - set(record.dtype.names or ())
    if missing:
        raise InputError(f"weights: lack the fields {', '.join(sorted(missing))}")
    lead_time = min(lead_time, SOLVED_LEAD_TIME)
    coarse = unit
    if coarse is None:
        nodes = UNITS_PER_STD, MAX_ORDER_NODES, MAX_STOCK_NODES
        coarse = grid_unit(demand, initial_on_hand, *nodes)
    if not 0.0 < coarse < math.inf:
        raise InputError(f"unit = {unit!r}: must be greater than 0")
    fine = 0.5 * coarse
    low, high, most = (
        _solve(demand, record, lead_time, initial_on_hand, warmup_days, *grid)
        for grid in ((coarse, False), (fine, False), (fine, True))
    )
    bound = most + abs(high - low)
    return StoreBound(bound, bound - high, fine)


def order_caps(demand: DemandPoints, lead_time: int, unit: float) -> tuple[Ints, Ints]:
    """Return the largest useful order of every day and inventory position after it, (T,) each.

    They are counted in grid units, every day's demand rounded up, as the grid may represent it.
    """
    nodes = np.ceil(demand.largest / unit - 1e-9).astype(np.int64)
    padded = np.concatenate([nodes, np.zeros(lead_time, np.int64)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, lead_time + 1)
    return padded[lead_time:], windows.sum(axis=1)


def grid_unit(
    demand: DemandPoints,
    initial_on_hand: float,
    per_std: float,
    order_nodes: int,
    stock_nodes: int,
) -> float:
    """Return a unit fine enough for the least variable day without too many nodes.

    Parameters
    ----------
    demand : DemandPoints
        The law of every day's demand.
    initial_on_hand : float
        Units on the first morning.
    per_std : float
        Nodes per smallest standard deviation of a day's demand.
    order_nodes, stock_nodes : int
        Most nodes up to the largest demand and up to the initial stock.
    """
    order = max(float(demand.largest.max()), 1e-9)
    least = max(order / order_nodes, initial_on_hand / stock_nodes)
    return demand.fitting(max(demand.least_std / per_std, least))


def _solve(
    demand: DemandPoints,
    weights: NDArray[np.void],
    lead_time: int,
    initial_on_hand: float,
    warmup_days: int,
    unit: float,
    between: bool,
) -> float:
    """Return the value on the grid of one unit, `between` as for `order_at_once`."""
    orders, positions = order_caps(demand, lead_time, unit)
    top = max(math.ceil(initial_on_hand / unit), int(positions.max())) + 1
    stock = unit * np.arange(top + 1, dtype=np.float64)
    value: Any = np.zeros((top + 1, 1))
    for t in range(demand.points.shape[0] - 1, -1, -1):
        points, chances = demand.points[t], demand.chances[t]
        earned = np.zeros(top + 1)
        if is_counted(t, warmup_days):
            earned = expected_rewards(weights, stock, points, chances)
        law, empty = leftover_law(unit, top + 1, points, chances)
        cap = int(positions[t]) + 1  # a node beyond the useful ones, for `above_nodes`
        if lead_time == 0:
            value = order_at_once(earned, law, empty, value, cap, between)
        elif lead_time == 1:
            value = order_for_tomorrow(earned, law, empty, value, cap, between)
        else:
            slots = int(orders[t - 1]) + 2 if t > 0 else 1
            value = order_for_later(earned, law, empty, value, cap, between, slots)
    return float(np.interp(initial_on_hand, stock, value[:, 0]))
