r"""The stores' optimum in hindsight: demand and the supplier's failures of an episode known.

For every trace it is the largest joint profit of the stores; no policy, which sees only the past,
earns more on it. Each of these relaxations raises the value or leaves it as it is:

- *Any quantity*: a store may order any number of units, not only those on offer or within other
  limits. Every feasible order stays feasible.
- *Any share*: the warehouse may allocate its stock to any store, or hold it back. Its actual
  shipments, in proportion to the claims, stay feasible.
- *The best supply*: every day the largest quantity on offer is ordered from the supplier and
  shipped in full, unless production capacity or a failure of that day prevents it. Under no policy
  can more units have arrived by any morning, and a unit that waits in the warehouse does not reduce
  the stores' reward.
- *Any sale*: a store may refuse to sell. The law of motion sells as much as possible, which is one
  of the choices.
- *No cost of orders*, fixed or per unit: it would only reduce the reward.
- *A concave reward*: it falls linearly in the units left over, with a kink at the excess
  threshold, and in those unmet. Only with a backlog is it not concave, as older customers are
  served first and the service level of a day cannot fall below 0: it is replaced by the chord from
  no backlog to the largest possible one, which lies above.

The remaining problem is linear. Before the lead time of the stores is over nothing can reach them,
so those days are simulated as they are. Then there are two cases. Either the units that all stores
lack, each ordered for the very day of its sale, can be supplied: no demand is lost or backordered
and nothing is held but the rest of the initial stock, so that every term of the reward is at its
best without solving a programme, and the value is attained except for the cost of orders. Or the
warehouse binds, and the linear programme is solved (`baselines.solvers.chain.linear_program`).
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.solvers.chain.chain_bound import costs_left_out
from baselines.solvers.reference import Reference
from common.compiled import compiled
from envs.batch import Trace
from envs.supply_chain.constants import lane_constants
from envs.supply_chain.events import meet_demand, supply
from envs.supply_chain.order_limits import store_constants
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.reward import is_counted, store_reward
from envs.supply_chain.trace import check_trace

Floats = NDArray[np.float64]

STORE_DAYS = 60_000
"""Most store-days that linear programmes are solved for, which takes about three seconds."""
LEAST_SOLVED = 30
"""Fewest solved episodes from which others are extrapolated."""
ROUNDING = 1e-9
"""Largest relative rounding error of the units needed."""


@dataclass(frozen=True)
class Hindsight:
    """The stores' rewards in hindsight.

    Attributes
    ----------
    unhindered : ndarray
        Mean of the stores' sums of rewards if the warehouse is never short, shape (episodes,).
        Never below the value with the warehouse's own supply.
    lost : ndarray
        Cost of the warehouse's shortage, shape (episodes,): 0 where it does not bind, and NaN where
        it does but no programme was solved.
    """

    unhindered: Floats
    lost: Floats

    @property
    def values(self) -> Floats:
        """Bounds that hold on every single trace, shape (episodes,)."""
        return self.unhindered - np.nan_to_num(self.lost)

    @property
    def mean(self) -> float:
        """The mean bound; unsolved traces are assumed to lose as much as the solved ones' mean."""
        binding, unsolved = self.lost != 0.0, np.isnan(self.lost)
        if not unsolved.any() or unsolved.sum() == binding.sum():
            return float(self.values.mean())
        solved = self.lost[binding & ~unsolved]
        return float(self.values.mean() - unsolved.mean() * solved.mean())

    @property
    def se(self) -> float:
        """Standard error of `mean` due to the unsolved traces."""
        binding, unsolved = self.lost != 0.0, np.isnan(self.lost)
        solved = self.lost[binding & ~unsolved]
        if not unsolved.any() or solved.size < 2:
            return 0.0
        finite = unsolved.sum() / binding.sum()  # sampling without replacement
        spread = solved.std(ddof=1) / np.sqrt(solved.size)
        return float(unsolved.mean() * spread / np.sqrt(finite))


def chain_hindsight(
    parameters: SupplyChainParameters, trace: Trace, *, store_days: int = STORE_DAYS
) -> Hindsight:
    """Return the stores' optimum in hindsight for each episode of `trace`.

    Parameters
    ----------
    parameters : SupplyChainParameters
        The problem: any scenario, objective and number of SKUs, demand drawn or from a file, lost
        or backlogged.
    trace : dict
        As drawn by `envs.supply_chain.trace.draw_trace`.
    store_days : int
        Most store-days that linear programmes may be solved for. If more traces bind, as many as
        fit are solved, none if they are fewer than `LEAST_SOLVED`.

    Examples
    --------
    Stock for three of the four units of the first day; the second day's order arrives in time.

    >>> parameters = SupplyChainParameters(
    ...     stores=[{"initial_on_hand": 3}], horizon=2, objective="cost", store={"lead_time": 1}
    ... )
    >>> trace = {"demand": [[4.0], [5.0]], "supplier_ok": [True, True]}
    >>> chain_hindsight(parameters, trace).values.tolist()
    [-10.0]
    """
    # here: it imports scipy.optimize
    from baselines.solvers.chain.linear_program import solve_programs

    p = parameters
    given = check_trace(trace, p)
    lanes, lane_of = lane_constants(p), given["sku"]
    played = Played(*_unhindered(lanes, lane_of, p.initial_on_hand(), given["demand"]))
    supplied = _supplied(
        lanes, lane_of, p.warehouse_on_hand(), _largest_order(p), given["supplier_ok"]
    )
    needed = np.cumsum(played.needs, axis=1)
    binding = np.flatnonzero((needed > supplied + ROUNDING * (1.0 + needed)).any(axis=1))
    lost = np.zeros(len(lane_of))
    lost[binding] = np.nan
    room = store_days // (p.num_stores * p.horizon) if lanes.shape[1] == 1 else 0
    solved = _to_solve(binding, room)  # a programme's stores have the same costs
    for k in np.unique(lane_of[solved]):
        own, first = solved[lane_of[solved] == k], int(lanes[k, 0]["store_lead_time"])
        reachable = given["demand"][own, first:].swapaxes(1, 2)
        best = solve_programs(lanes[k, 0], reachable, played.level[own], supplied[own])
        lost[own] = np.maximum(0.0, played.reachable[own] - best)
    return Hindsight(played.earned / p.num_stores, lost / p.num_stores)


class Played(NamedTuple):
    """Episodes in which stores receive the units that they lack on the very day.

    Attributes
    ----------
    earned, reachable : ndarray
        Sums of the rewards of all stores over all days, and over those that a shipment can reach,
        shape (episodes,).
    level : ndarray
        Net inventory (on hand less backorders) before the first such day, shape (episodes, N).
    needs : ndarray
        Units that have to leave the warehouse on each day, shape (episodes, T).
    """

    earned: Floats
    reachable: Floats
    level: Floats
    needs: Floats


def _to_solve(binding: NDArray[np.intp], fit: int) -> NDArray[np.intp]:
    """Return which of the binding episodes are solved: as many as fit, or none if too few do."""
    if fit >= binding.size:
        return binding
    # evenly spaced: the order of episodes has no meaning
    places = np.linspace(0, binding.size - 1, fit if fit >= LEAST_SOLVED else 0)
    return binding[places.astype(np.intp)]


def hindsight_reference(parameters: SupplyChainParameters, found: Hindsight) -> Reference:
    """Return the mean of the values found as a reference, with its kind and note."""
    binding = int((found.lost != 0.0).sum())
    lanes = parameters.lanes()
    note = (
        "What the stores could have earned on these very traces, had demand and the supplier's "
        "failures been known beforehand and orders been of any size"
    )
    if np.isfinite([lane.warehouse.initial_on_hand for lane in lanes]).any():
        note += f"; the warehouse was short in {binding:,} of {found.lost.size:,} episodes"
    if found.se > 0.0:
        solved = binding - int(np.isnan(found.lost).sum())
        note += f", of which {solved:,} were solved (standard error {found.se:.2g})"
    note += f". No policy earns more on the same traces.{costs_left_out(parameters)}"
    solved_all = not np.isnan(found.lost).any()
    return Reference("hindsight", found.mean, note, found.values if solved_all else None)


def _largest_order(p: SupplyChainParameters) -> Floats:
    """Return the largest order on offer to the warehouse, shape (SKUs,) [units]."""
    return np.array([max(lane.warehouse.order_units) for lane in p.lanes()])


@compiled
def _supplied(
    lanes: Any, lane_of: NDArray[np.int64], first: Floats, largest: Floats, works: Any
) -> Floats:
    """Return the most units that can have reached the warehouse by each morning, (episodes, T)."""
    had = np.empty(works.shape)
    for e in range(lane_of.size):
        c, days = lanes[lane_of[e], 0], works.shape[1]
        total = first[lane_of[e]]
        for t in range(days):
            placed = t - c.supplier_lead_time
            if placed >= 0:
                shipped, _ = supply(largest[lane_of[e]], 0, c.production_capacity, works[e, placed])
                total += shipped
            had[e, t] = total
    return had


@compiled
def _unhindered(
    lanes: Any, lane_of: NDArray[np.int64], initial: Floats, demand: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Simulate all episodes with units that a store lacks arriving on the day, after its lead time.

    Parameters
    ----------
    lanes, lane_of, initial : ndarray
        `LANE` records, a row per SKU; SKU of each episode; units on the first morning, shape
        (SKUs, N).
    demand : ndarray
        Shape (episodes, T, N).

    Returns
    -------
    tuple of ndarray
        As in `Played`.
    """
    episodes, days, stores = demand.shape
    earned, reachable = np.zeros(episodes), np.zeros(episodes)
    at_first, needs = np.empty((episodes, stores)), np.zeros((episodes, days))
    for e in range(episodes):
        lane = lanes[lane_of[e]]
        for i in range(stores):
            c = store_constants(lane, i)
            level = at_first[e, i] = initial[lane_of[e], i]
            for t in range(days):
                asked = demand[e, t, i]
                if t >= c.store_lead_time:
                    needs[e, t - c.store_lead_time] += max(0.0, asked - level)
                    level = max(level, asked)  # a sum might round `asked` away
                sold, left = meet_demand(level, asked)
                reward = store_reward(c, left, sold, asked) if is_counted(t, c.warmup_days) else 0.0
                earned[e] += reward
                level = left - (asked - sold if c.backlog else 0.0)
                if t < c.store_lead_time:
                    at_first[e, i] = level
                else:
                    reachable[e] += reward
    return earned, reachable, at_first, needs
