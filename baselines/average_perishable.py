"""Stores whose goods perish and whose least average cost is known: found in parameters.

One store with one SKU that loses sales, supply without limit, integer demand of one law on every
day, orders of 0, 1, ... units on offer, and a cost as the objective.
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
"""States that are solved in a few seconds: of simpler rules, and for a comparison."""

NEAR = 0.003
"""Distance of the bounds of the least average cost, where there are more states, as a share."""


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
    """Return the chances of demand 0, 1, ... if every day has the same."""
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
    """Return Q if just 0, 1, ..., Q are on offer, 0 otherwise [units]."""
    units = p.lanes()[0].store.order_units or (0.0,)
    largest = int(max(units))
    return largest if sorted(units) == list(range(largest + 1)) else 0


def perishable_optimum(parameters: SupplyChainParameters) -> tuple[PerishableOrders, float] | None:
    """Return the best orders by average cost, and what a known last day spares, or None.

    The second says that no policy spends less than days times the cost less it in any number of
    days [money]. There is none where the first days that count begin with more units of an age than
    can be ordered: no state has them.
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
    """Return orders whose cost is within a share `NEAR` of the least, or None of other parameters.

    Value iteration bounds the least average cost from below and that of the orders of its last
    sweep from above (Odoni 1969), long before the two meet.
    """
    store = perishable_store(parameters)
    return None if store is None else solve_perishable(store, tolerance=NEAR)


def policy_orders(parameters: SupplyChainParameters, policy: Policy) -> Ints | None:
    """Return what a policy orders in every state of a store that `perishable_store` knows.

    With `baselines.solvers.perishable.value_iteration.orders_cost` this is its exact cost, however
    it was found.

    Parameters
    ----------
    parameters : SupplyChainParameters
        Of such a store.
    policy : Policy
        Plays all agents of the chain, and remembers nothing.

    Returns
    -------
    ndarray or None
        By state, shape (states,) [units]; None of a policy that looks at more than the state, at
        the demand of the last day as many do.
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
    """Return the best orders of goods that keep two days and arrive the next morning.

    Parameters
    ----------
    parameters : SupplyChainParameters
        Of such a store.
    discount : float
        What money of tomorrow is worth today.
    rows : int
        How many units of each age the table shows, 0 included.

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
