r"""Upper bound on the profit of stores with perishable goods: every day optimised on its own.

A day's reward falls by at least o for each unit left in the evening, with o the holding or the
waste cost of a unit, whichever is less; and if the objective is cost, each unit sold was bought at
c. So whatever stock a policy has before demand D of day t, it earns no more than

``max over x >= 0 of E[r_t(min(x, D), D) - o (x - D)+ - c_t min(x, D)]``

on that day, with r_t the reward of a day without leftovers. The first units may be initial stock,
or bought on days that do not count: c_t is 0 on the first L + m - 1 days that count, as every unit
sold after them was ordered on a day that counts (m is the shelf life, L the lead time), and on all
days if a warehouse that is short may ship an order much later. Shortages of the warehouse, fixed
costs and order limits only reduce the reward. The bound holds for every lead time, shelf life and
way of issuing. If the law of demand is unknown, each day's demand is assumed known in advance, and
x = D.

Backorders do not help any policy to exceed it: units served late count as unmet every day.
"""

from typing import Any

import numpy as np

from baselines.solvers.chain.demand_points import demand_points
from baselines.solvers.reference import Reference
from common.compiled import compiled
from envs.batch import Trace
from envs.supply_chain.constants import lane_constants
from envs.supply_chain.events import Floats, meet_demand
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.reward import store_reward, waste_charge


@compiled
def day_bound(lanes: Any, points: Floats, chances: Floats, over: float, unit_cost: float) -> float:
    """Return an upper bound on a store's expected reward of a day.

    The reward is concave in the units on hand, and linear between values of demand.

    Parameters
    ----------
    lanes : ndarray
        Records `envs.supply_chain.dynamics.LANE`, shape (1,).
    points, chances : ndarray
        Values of the day's demand [units] and their probabilities, shape (J,).
    over, unit_cost : float
        Costs of a unit left, and of a unit sold [money/unit].
    """
    best = -np.inf
    for i in range(points.size + 1):
        on_hand, worth = points[i] if i < points.size else 0.0, 0.0
        for j in range(points.size):
            sales, left = meet_demand(on_hand, points[j])
            earned = store_reward(lanes[0], 0.0, sales, points[j])
            worth += chances[j] * (earned - over * left - unit_cost * sales)
        best = max(best, worth)
    return best


@compiled
def known_days(lanes: Any, demand: Floats, costs: Floats) -> float:
    """Return an upper bound on the mean reward of stores whose demand is known.

    Parameters
    ----------
    lanes : ndarray
        As for `day_bound`.
    demand : ndarray
        Shape (days, N) [units].
    costs : ndarray
        Cost of a unit sold on each day, shape (days,) [money/unit].
    """
    total = 0.0
    for t in range(demand.shape[0]):
        cost = min(costs[t], lanes[0].stockout_cost)  # else losing the sale is cheaper
        for i in range(demand.shape[1]):
            total += store_reward(lanes[0], 0.0, demand[t, i], demand[t, i]) - cost * demand[t, i]
    return float(total / demand.shape[1])


def left_cost(lane: Any) -> float:
    """Return the least cost of a unit left: of holding it, ignoring the threshold, or wasting."""
    roomy = lane.copy()
    roomy["excess_threshold"] = np.inf
    held = store_reward(roomy, 0.0, 0.0, 0.0) - store_reward(roomy, 1.0, 0.0, 0.0)
    return float(min(held, waste_charge(roomy, 1.0)))


def perishable_bound(parameters: SupplyChainParameters, trace: Trace) -> Reference:
    """Return the bound on the mean of the stores' expected sums of rewards on `trace`."""
    p = parameters
    if p.demand_data is not None:
        values = _in_hindsight(p, trace)
        note = "Every day of each store at its best, its demand known beforehand."
        return Reference("hindsight", float(values.mean()), note, values)
    bounds = np.array([_of_sku(p, k) for k in range(len(p.sku))])
    note = (
        "Every day of each store at its best, its warehouse never short; what is left is held or "
        "wasted, whichever costs less. No policy of the chain gives its stores more."
    )
    if p.pays_per_order:
        note += " The fixed cost of orders is left out of it."
    return Reference("upper_bound", float(bounds[trace["sku"]].mean()), note)


def _unit_costs(p: SupplyChainParameters, sku: int) -> Floats:
    """Return the least cost of a unit sold on each day, shape (T,)."""
    store = p.lanes()[sku].store
    counts = p.objective == "cost" and np.isinf(p.lanes()[sku].warehouse.initial_on_hand)
    costs = np.full(p.horizon, store.unit_cost if counts else 0.0)
    costs[: p.warmup_days + store.lead_time + (store.shelf_life or p.horizon) - 1] = 0.0
    return costs


def _of_sku(p: SupplyChainParameters, sku: int) -> float:
    """Return the mean bound of the stores for one SKU."""
    lanes, costs = lane_constants(p)[sku : sku + 1, 0], _unit_costs(p, sku)
    over = left_cost(lanes[0])
    (means, stds), model = p.demand_moments(), p.sku[sku].demand_model
    known: dict[tuple[float, ...], float] = {}
    total = 0.0
    for i in range(p.num_stores):
        laws = demand_points(model, means[sku, :, i], stds[sku, :, i])
        for t in range(p.warmup_days, p.horizon):
            key = float(means[sku, t, i]), float(stds[sku, t, i]), float(costs[t])
            if key not in known:
                known[key] = day_bound(lanes, laws.points[t], laws.chances[t], over, costs[t])
            total += known[key]
    return total / p.num_stores


def _in_hindsight(p: SupplyChainParameters, trace: Trace) -> Floats:
    """Return the bound of every episode, mean over the stores, shape (episodes,)."""
    lanes, first = lane_constants(p)[:, 0], p.warmup_days
    return np.array(
        [
            known_days(lanes[sku : sku + 1], demand[first:], _unit_costs(p, sku)[first:])
            for demand, sku in zip(trace["demand"], trace["sku"], strict=True)
        ]
    )
