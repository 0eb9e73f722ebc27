"""Stores of perishables whose least average cost is known: recognised in parameters.

One store with one SKU and lost sales, unlimited supply, stationary integer demand, orders of 0, 1,
... units on offer, and a cost as the objective.
"""

import math

import numpy as np

from baselines.policy import Policy
from baselines.solvers.chain.demand_points import rounded_gamma
from baselines.solvers.perishable.value_iteration import (
    Ints,
    PerishableOrders,
    PerishableStore,
    solve_perishable,
    spared,
)
from baselines.solvers.store.lost_sales_problem import poisson
from common.errors import InputError
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.events import Floats
from envs.supply_chain.parameters import SupplyChainParameters

QUICK = 200_000
"""Most states that are solved, which takes seconds: for simpler rules, and for a comparison."""

NEAR = 0.003
"""Relative distance of the bounds on the least average cost, if there are more states."""


def perishable_store(parameters: SupplyChainParameters) -> PerishableStore | None:
    """Return the store that the parameters describe, if they describe one that can be solved."""
    p = parameters
    if p.num_stores != 1 or len(p.sku) != 1 or p.objective != "cost" or p.backlog:
        return None
    store = p.lanes()[0].store
    largest = _largest_order(p)
    free = np.isinf(p.lanes()[0].warehouse.initial_on_hand) and not store.limited
    if not store.shelf_life or largest < 1 or store.lead_time < 1 or not free:
        return None
    try:
        law = _steady_law(p)
        if law is None:
            return None
        return PerishableStore(
            law,
            store.shelf_life,
            store.lead_time,
            largest,
            holding_cost=store.holding_cost,
            stockout_cost=store.stockout_cost,
            waste_cost=store.waste_cost,
            unit_cost=store.unit_cost,
            fixed_cost=store.fixed_cost,
            lifo=store.issuing == "lifo",
        )
    except InputError:
        return None


def _steady_law(p: SupplyChainParameters) -> Floats | None:
    """Return the probabilities of demand 0, 1, ... if the law is the same on every day."""
    means, stds = p.demand_moments()
    mean, std = float(means.flat[0]), float(stds.flat[0])
    if p.demand_data is not None or np.ptp(means) > 0.0 or np.ptp(stds) > 0.0 or mean <= 0.0:
        return None
    if p.sku[0].demand_model == "poisson":
        return poisson(mean)
    if p.sku[0].demand_model == "rounded_gamma" and std > 0.0:
        return rounded_gamma(mean, std)
    return None


def _largest_order(p: SupplyChainParameters) -> int:
    """Return Q if exactly 0, 1, ..., Q are on offer, 0 otherwise [units]."""
    units = p.lanes()[0].store.order_units or (0.0,)
    largest = int(max(units))
    return largest if sorted(units) == list(range(largest + 1)) else 0


def perishable_optimum(parameters: SupplyChainParameters) -> tuple[PerishableOrders, float] | None:
    """Return the best orders by average cost, and the saving from knowing the last day, or None.

    With the second, ``spared``, no policy spends less than ``days * cost - spared`` in any number
    of days [money]. The result is None if the first days that count begin with more units of an age
    than can be ordered: no state has them.
    """
    store = perishable_store(parameters)
    if store is None or store.states > QUICK:
        return None
    first = math.ceil(float(parameters.initial_on_hand()[0, 0]) / store.shelf_life)
    if first > store.largest_order and parameters.warmup_days < store.shelf_life:
        return None
    best = solve_perishable(store)
    return best, spared(store, best.cost.lower)


def bounded_optimum(parameters: SupplyChainParameters) -> PerishableOrders | None:
    """Return orders whose cost is within a share `NEAR` of the least, None for other parameters.

    Value iteration bounds the least average cost from below and that of the orders of its last
    sweep from above (Odoni 1969), long before the two meet.
    """
    store = perishable_store(parameters)
    return None if store is None else solve_perishable(store, tolerance=NEAR)


def policy_orders(parameters: SupplyChainParameters, policy: Policy) -> Ints | None:
    """Return a policy's orders in every state of a store that `perishable_store` recognises.

    `baselines.solvers.perishable.value_iteration.orders_cost` turns them into the policy's exact
    cost, however the policy was found.

    Parameters
    ----------
    parameters : SupplyChainParameters
        Parameters of such a store.
    policy : Policy
        A policy of all agents of the chain, without memory.

    Returns
    -------
    ndarray or None
        Orders by state, shape (states,) [units]; None for a policy that uses more than the state,
        as many use the demand of the last day.
    """
    store = perishable_store(parameters)
    if store is None:
        raise InputError("parameters: no store whose goods perish and whose states can be counted")
    batch = SupplyChainBatch(parameters, store.states)
    digits, life = store.digits().astype(np.float64), store.shelf_life
    batch.ages[:, 0] = digits[:, :life]
    batch.sites["on_hand"][:, 0] = digits[:, :life].sum(axis=1)
    batch.pipelines[:, 0, : store.lead_time - 1] = digits[:, life:]
    orders = []
    for demand in (4.0, 0.0):
        batch.sites["forecast"], batch.sites["forecast_std"] = demand, demand / 2.0
        policy.bind(batch)
        chosen, _ = policy.predict(batch.observation())
        orders.append(batch.orders_of(chosen)[:, 0].astype(np.int64))
    return orders[0] if np.array_equal(orders[0], orders[1]) else None


def two_day_orders(
    parameters: SupplyChainParameters, discount: float, rows: int
) -> tuple[tuple[int, ...], ...] | None:
    """Return the best orders of goods with a shelf life of two days that arrive the next morning.

    Parameters
    ----------
    parameters : SupplyChainParameters
        Parameters of such a store.
    discount : float
        Discount factor of a day.
    rows : int
        Number of stock levels of each age in the table, 0 included.

    Returns
    -------
    tuple or None
        A row for 0, 1, ... fresh units, a column for 0, 1, ... units that expire this evening.
    """
    store = perishable_store(parameters)
    if store is None or (store.shelf_life, store.lead_time) != (2, 1):
        return None
    fresh, old = np.divmod(np.arange(rows * rows), rows)
    best = solve_perishable(store, discount=discount)
    orders = best.order(np.column_stack([old, fresh]), np.empty((old.size, 0), np.int64))
    return tuple(tuple(row) for row in orders.reshape(rows, rows).tolist())
