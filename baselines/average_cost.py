"""Stores whose least average cost is known exactly: textbook instances, recognised by parameters.

One store with one SKU, unlimited supply, demand of the same law on every day, and cost as the
objective. Costs are long-run averages per day; `average_reference` relates them to the cost of an
episode.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from baselines.average_perishable import QUICK, perishable_optimum, perishable_store
from baselines.policy import Policy
from baselines.rules.perishable import SolvedPerishable
from baselines.rules.stock_rule import SolvedOrders, StockLevels, StoreRule
from baselines.solvers.perishable.value_iteration import (
    base_stock_orders,
    orders_cost,
    solve_perishable,
)
from baselines.solvers.perishable.value_iteration import best_base_stock as best_perishable_level
from baselines.solvers.reference import Reference
from baselines.solvers.store import reorder_point
from baselines.solvers.store.lost_sales import (
    AverageCost,
    LostSalesOptimum,
    base_stock_cost,
    best_base_stock,
    best_capped_base_stock,
    best_reorder_point,
    policy_cost,
    reorder_cost,
    solve_lost_sales,
    spared,
)
from baselines.solvers.store.lost_sales_problem import (
    Ints,
    LostSales,
    negative_binomial,
    poisson,
)
from baselines.solvers.store.lost_sales_size import is_quick
from common.errors import InputError
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.trace import empty_trace

WARMUP_DAYS = 100
"""Days after which an episode has forgotten its start, once the first morning's stock is sold."""
EXACT = 1e-5
"""Largest distance between the bounds of the exact cost of any policy [money/day]."""
EXACT_STATES = 1_000_000
"""Most states of a store with which any policy's cost is computed in seconds."""
PLAIN_LEAD_TIME = 4
"""Longest lead time at which plain base stock, which has the most states, is solved too [days]."""
NEGLIGIBLE = 0.002
"""Share of an episode's cost below which savings from knowing its last day are negligible."""


@dataclass(frozen=True)
class Solved:
    """A rule and its cost.

    Attributes
    ----------
    name : str
        Name, such as ``"base-stock S=12"``.
    rule : StoreRule
        The rule.
    cost : float
        Exact long-run average cost [money/day].
    """

    name: str
    rule: StoreRule
    cost: float


@dataclass(frozen=True)
class AverageOptimum:
    """The best policy of a store with lost sales.

    Attributes
    ----------
    cost : float
        Least long-run average cost [money/day].
    spared : float
        No policy spends less than ``days * cost - spared`` in any number of days [money].
    rule : StoreRule
        The best policy.
    """

    cost: float
    spared: float
    rule: StoreRule


def lost_sales_store(parameters: SupplyChainParameters) -> LostSales | None:
    """Return the store with lost sales that the parameters describe, None if they do not."""
    if not _one_free_store(parameters) or parameters.backlog:
        return None
    return _lost_sales(parameters)


def _lost_sales(parameters: SupplyChainParameters) -> LostSales | None:
    (lane,) = parameters.lanes()
    mean = _steady_mean(parameters)
    if mean is None or lane.sku.demand_model not in ("poisson", "negative_binomial"):
        return None
    if lane.store.shelf_life is not None or lane.store.unit_cost > 0:
        return None
    try:
        law = poisson(mean)
        if lane.sku.demand_model == "negative_binomial":
            law = negative_binomial(mean, float(parameters.demand_moments()[1].flat[0]))
        return LostSales(
            law,
            lane.store.lead_time,
            lane.store.holding_cost,
            lane.store.stockout_cost,
            lane.store.fixed_cost,
        )
    except InputError:
        return None


def _one_free_store(parameters: SupplyChainParameters) -> bool:
    """Whether there is one store of one SKU with unlimited supply, and the objective is cost."""
    one = parameters.num_stores == 1 and len(parameters.sku) == 1
    if not one or parameters.objective != "cost":
        return False
    return bool(np.isinf(parameters.lanes()[0].warehouse.initial_on_hand))


def _steady_mean(parameters: SupplyChainParameters) -> float | None:
    """Return the mean demand if it is the same on every day."""
    means, stds = parameters.demand_moments()
    steady = np.ptp(means) == 0.0 and np.ptp(stds) == 0.0
    return float(means.flat[0]) if steady else None


def average_optimum(parameters: SupplyChainParameters) -> AverageOptimum | None:
    """Return the best policy of a store with lost sales, None if it cannot be solved.

    All whole order quantities from 0 to the best policy's largest must be on offer.
    """
    if parameters.longest_shelf_life > 0:
        found = perishable_optimum(parameters)
        if found is None:
            return None
        return AverageOptimum(found[0].cost.value, found[1], SolvedPerishable(found[0]))
    store = lost_sales_store(parameters)
    if store is None or not is_quick(store):
        return None
    solved = solve_lost_sales(store)
    if not _on_offer(parameters, solved.largest_order):
        return None
    return AverageOptimum(solved.cost.value, spared(store, solved.cost.lower), SolvedOrders(solved))


def average_reference(parameters: SupplyChainParameters, optimum: AverageOptimum) -> Reference:
    """Return the reference of an episode: a long-run average, or a bound derived from it.

    The average times the days that count is called the optimum of an episode only if the episode
    forgets its start before they begin (`forgets_start`) and is so long that knowing its last day
    is worth next to nothing (`NEGLIGIBLE`). For all other episodes an upper bound is derived from
    it, and so for a store with limits to its orders, which only take choices away.
    """
    days = parameters.horizon - parameters.warmup_days
    total = optimum.cost * days
    text = f"Long-run average optimum, {optimum.cost:.4f} a day, times the {days} days that count"
    perishes = parameters.longest_shelf_life > 0
    first = 0.0 if perishes else float(parameters.initial_on_hand()[0, 0])
    long = optimum.spared <= NEGLIGIBLE * total and forgets_start(parameters, first)
    if parameters.limited:
        note = (
            f"{text}, less {optimum.spared:.2g}: what a store without limits to its orders spends."
        )
        return Reference("upper_bound", optimum.spared - total, note)
    if long:
        note = (
            f"{text}. A policy that knew the last day could spend up to {optimum.spared:.2g} less. "
            "As random orders flood the store, every gap is small: compare the costs themselves."
        )
        return Reference("optimum", -total, note)
    note = f"{text}, less {optimum.spared:.2g}: no policy spends less in as many days."
    return Reference("upper_bound", optimum.spared - total, note)


def forgets_start(parameters: SupplyChainParameters, first: float) -> bool:
    """Whether `first` units are sold within half of the warm-up, before the days that count."""
    gone = 0.5 * float(parameters.mean_demand()[0, 0]) * parameters.warmup_days
    return parameters.warmup_days >= WARMUP_DAYS and first <= gone


def _on_offer(parameters: SupplyChainParameters, largest: int) -> bool:
    units = parameters.lanes()[0].store.order_units
    return units is not None and set(range(largest + 1)) <= set(units)


def solved_rules(parameters: SupplyChainParameters) -> list[Solved]:
    """Return the best policy of an instance, first, and the best simpler ones if that is quick.

    Raises
    ------
    InputError
        If it is none of: lost sales of Poisson or negative binomial demand; such demand with a
        backlog and no lead time; the newsvendor's one day of normal demand.
    """
    solvers: list[Callable[[SupplyChainParameters], list[Solved] | None]] = [
        _solved_perishable,
        _solved_lost_sales,
        _solved_backlog,
        _solved_newsvendor,
    ]
    if _one_free_store(parameters) and not parameters.limited:
        for solver in solvers:
            found = solver(parameters)
            if found is not None:
                return found
    raise InputError(
        "parameters: no textbook instance that is solved here: one store and SKU, objective=cost, "
        "warehouse.initial_on_hand=.inf, the same demand and orders without limits on every day"
    )


def average_cost(parameters: SupplyChainParameters, rule: StockLevels) -> float | None:
    """Return the exact average cost of a rule in whole units, None if it is not known.

    Parameters
    ----------
    parameters : SupplyChainParameters
        A store with Poisson or negative binomial demand, with lost sales, or with a backlog and no
        lead time.
    rule : StockLevels
        A base-stock policy, possibly capped if sales are lost, or an (s, S) policy.
    """
    store = _lost_sales(parameters) if _one_free_store(parameters) else None
    level, point, cap = (float(rule.values[n]) for n in ("level", "reorder_point", "cap"))
    perishable = perishable_store(parameters)
    if perishable is not None and math.isinf(point) and math.isinf(cap):
        return orders_cost(perishable, base_stock_orders(perishable, int(level))).cost.value
    if store is None:
        return None
    if parameters.backlog:
        if store.lead_time > 0 or math.isfinite(cap):
            return None
        s = int(min(point, level - 1))
        return reorder_point.reorder_cost(store.law, s, int(level), **_costs(store))
    if point < level - 1:
        return reorder_cost(store, int(point), int(level)).value
    return base_stock_cost(store, int(level), int(cap) if math.isfinite(cap) else None).value


def exact_cost(
    parameters: SupplyChainParameters, policy: Policy, states: int = EXACT_STATES
) -> AverageCost | None:
    """Return the exact average cost of any policy of a store with lost sales, learned or not.

    It must decide by the stock and the outstanding orders alone. Each state that it reaches is
    shown to it twice, with different forecasts; a policy whose orders then differ has no such cost.

    Parameters
    ----------
    parameters : SupplyChainParameters
        The problem.
    policy : Policy
        Policy of all agents.
    states : int
        Most states to look at.

    Returns
    -------
    AverageCost or None
        None for any other problem or policy, and if there are more states.
    """
    store = lost_sales_store(parameters)
    if store is None or store.lead_time < 1 or parameters.limited:
        return None
    shown = parameters.model_copy(update={"horizon": 2, "warmup_days": 0})
    orders = partial(_orders_of, shown, policy)
    try:
        return policy_cost(store, orders, tolerance=EXACT, states=states)
    except _OtherReasonsError:
        return None


class _OtherReasonsError(Exception):
    """A policy decides by more than the stock and the outstanding orders."""


def _orders_of(
    parameters: SupplyChainParameters, policy: Policy, on_hand: Ints, pipelines: Ints
) -> Ints:
    """Return a policy's orders in states, which must not depend on what else it observes."""
    batch = SupplyChainBatch(parameters, on_hand.size)
    first, *others = (_asked(batch, policy, on_hand, pipelines, noise) for noise in (0.0, 0.5))
    if any((first != other).any() for other in others):
        raise _OtherReasonsError
    return first


def _asked(
    batch: SupplyChainBatch, policy: Policy, on_hand: Ints, pipelines: Ints, noise: float
) -> Ints:
    """Return a policy's orders in states, with forecasts perturbed by shares up to `noise`."""
    rng = np.random.default_rng(0)
    batch.reset(empty_trace(batch.parameters, batch.num_worlds))
    for name in ("forecast", "forecast_std"):
        batch.sites[name] *= 1.0 + rng.uniform(-noise, noise, batch.sites[name].shape)
    batch.sites["on_hand"][:, 0] = on_hand
    batch.pipelines[:, 0, : pipelines.shape[1]] = pipelines
    policy.bind(batch)
    starts = np.ones(batch.num_worlds, np.bool_)
    orders = batch.orders_of(policy.predict(batch.observation(), None, starts)[0])[:, 0]
    return np.rint(orders).astype(np.int64)


def _costs(store: LostSales) -> dict[str, float]:
    return {
        "holding_cost": store.holding_cost,
        "stockout_cost": store.stockout_cost,
        "fixed_cost": store.fixed_cost,
    }


def _solved_perishable(parameters: SupplyChainParameters) -> list[Solved] | None:
    store = perishable_store(parameters)
    if store is None:
        return None
    best = solve_perishable(store)
    rules = [Solved("optimum", SolvedPerishable(best), best.cost.value)]
    if store.states <= QUICK:
        level, cost = best_perishable_level(store)
        rules.append(Solved(f"base-stock S={level}", StockLevels(level), cost.value))
    return rules


def _solved_lost_sales(parameters: SupplyChainParameters) -> list[Solved] | None:
    store = lost_sales_store(parameters)
    if store is None:
        return None
    solved: LostSalesOptimum = solve_lost_sales(store)
    if not _on_offer(parameters, solved.largest_order):
        raise InputError(f"store.order_units: must hold 0, 1, ..., {solved.largest_order} or more")
    rules = [Solved("optimum", SolvedOrders(solved), solved.cost.value)]
    if not is_quick(store):
        return rules
    if store.lead_time <= PLAIN_LEAD_TIME:
        level, cost = best_base_stock(store)
        rules.append(Solved(f"base-stock S={level}", StockLevels(level), cost.value))
    level, cap, cost = best_capped_base_stock(store)
    name = f"capped base-stock S={level}, r={cap}"
    rules.append(Solved(name, StockLevels(level, cap=cap), cost.value))
    if store.fixed_cost > 0:
        point, level, cost = best_reorder_point(store)
        name = f"(s, S) = ({point}, {level})"
        rules.append(Solved(name, StockLevels(level, point), cost.value))
    return rules


def _solved_backlog(parameters: SupplyChainParameters) -> list[Solved] | None:
    store = _lost_sales(parameters)  # the same numbers, but with backorders
    if store is None or not parameters.backlog or store.lead_time != 0:
        return None
    costs = _costs(store)
    best = reorder_point.best_reorder_policy(store.law, **costs)
    level, cost = reorder_point.best_base_stock(store.law, **costs)
    s, up_to = best.reorder_point, best.order_up_to_level
    return [
        Solved(f"(s, S) = ({s}, {up_to})", StockLevels(up_to, s), best.cost),
        Solved(f"base-stock S={level}", StockLevels(level), cost),
    ]


def _solved_newsvendor(parameters: SupplyChainParameters) -> list[Solved] | None:
    (lane,) = parameters.lanes()
    mean = _steady_mean(parameters)
    if mean is None or lane.sku.demand_model != "normal":
        return None
    if lane.store.shelf_life is not None or lane.store.unit_cost > 0:
        return None
    if parameters.horizon > 1 or lane.store.lead_time > 0 or lane.store.fixed_cost > 0:
        return None
    best = reorder_point.newsvendor(
        mean,
        lane.sku.demand_std,
        holding_cost=lane.store.holding_cost,
        stockout_cost=lane.store.stockout_cost,
    )
    level = best.base_stock_level
    return [Solved(f"base-stock S={level:.3f}", StockLevels(level), best.cost)]
