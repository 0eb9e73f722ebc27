"""Target fill rates of an items file, turned into the stockout costs that reach them.

For every SKU and store with a target, the newsvendor on smoothed forecasts, or the (s, S) policy on
them if stores order in lots, is simulated on the training days with different stockout costs, all
at once; bisection finds the least cost with which it reaches the target. With this cost every rule
is tuned and every agent trained, as if the file had stated it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.multi_agent import chain_of
from baselines.rollout import CHUNK, run_episodes
from baselines.rules.reference import reference_team
from baselines.rules.rolling_newsvendor import RollingNewsvendor
from baselines.rules.rolling_reorder_point import ForecastReorderPoint, orders_in_lots
from common.console import screen
from common.errors import InputError, and_more, validated
from demand.calendar import period_days
from demand.forecasts.forecast import ForecastName
from demand.history import StoreHistory
from demand.known_demand import KNOWN_DAYS
from demand.table import DemandTable
from envs.problems import Problem

Floats = NDArray[np.float64]
ROUNDS = 9
LEAST_ODDS, MOST_ODDS = 0.05, 20_000.0
"""Range of the ratio of stockout to holding cost that is searched."""

NEARLY = 0.001
"""If a fill rate cannot be reached, the target is the highest less this: the last bit may cost any
amount."""

MOST_NAMED = 3

TRACE_SEED = 0


def with_service_costs(problem: Problem, parameters: Any) -> Any:
    """Return parameters with the stockout costs that reach the target fill rates, found once."""
    source: Any = getattr(parameters, "demand_data", None)
    if getattr(source, "items", None) is None or source.service_costs is not None:
        return parameters
    costs = find_service_costs(problem, parameters)
    if costs is None:
        return parameters
    own = {"demand_data": source.model_copy(update={"service_costs": costs})}
    return validated(type(parameters), {**parameters.model_dump(), **own})


def find_service_costs(problem: Problem, parameters: Any) -> tuple[float, ...] | None:
    """Return the stockout costs that reach the target fill rates, None if there is no target.

    Parameters
    ----------
    problem : Problem
        The problem of the stores.
    parameters : SupplyChainParameters
        Parameters with demand of a file and an items file.

    Returns
    -------
    tuple of float
        One per SKU and store with a target, in their order [money per unit]. If a target cannot be
        reached, as on a shelf that is too small, the cost for the highest reachable fill rate, with
        a message to the user.

    Raises
    ------
    InputError
        If an SKU and store with a target has no holding cost: any stock would be free.
    """
    history = getattr(parameters, "history", None)
    if history is None or history.items is None or np.isnan(history.items.targets).all():
        return None
    targets, holding = history.items.targets, parameters.item_values["holding_cost"]
    asked = ~np.isnan(targets)
    for sku, store in np.argwhere(asked & (holding <= 0))[:1].tolist():
        raise InputError(
            f"{history.items.where(sku, store)}: service_level = {targets[sku, store]:g} needs a "
            "holding cost above 0, as any stock reaches it for nothing; give holding_cost"
        )
    skus = np.flatnonzero(asked.any(axis=1))
    played, rule = _whole_training(parameters), _rule(parameters)
    low, high = (np.full(targets.shape, np.log(odds)) for odds in (LEAST_ODDS, MOST_ODDS))

    def rates(log_odds: Floats) -> Floats:
        tried = np.full(targets.shape, np.nan)
        tried[skus] = (holding * np.exp(log_odds))[skus]
        return _fill_rates(problem, played, rule, tried, skus)

    most = rates(high)
    _say_unreachable(history.table, targets, most)
    targets = np.where(most < targets, most - NEARLY, targets)
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        reached = rates(middle) >= targets
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    costs = holding * np.exp(high)
    return tuple(float(f"{cost:.4g}") for cost in costs[asked])


def _say_unreachable(table: DemandTable, targets: Floats, most: Floats) -> None:
    """Print the items that cannot reach their target, whatever a lost sale costs."""
    short = np.argwhere(most < targets).tolist()
    named = [
        f"{table.skus[k]} at {table.stores[i]} "
        f"({most[k, i]:.1%} at most, {targets[k, i]:.1%} asked for)"
        for k, i in short[:MOST_NAMED]
    ]
    if named:
        more = and_more(len(short) - MOST_NAMED)
        note = "service levels that cannot be reached on training days, so the most is aimed at: "
        screen.print(note + ", ".join(named) + more, soft_wrap=True)


def _whole_training(parameters: Any) -> Any:
    """Return parameters whose single episode covers all training days with a past."""
    table, source = parameters.history.table, parameters.demand_data
    days = len(period_days(table, source, "training")) - KNOWN_DAYS
    changed = {"horizon": days, "warmup_days": min(parameters.warmup_days, days // 2)}
    return validated(type(parameters), {**parameters.model_dump(), **changed})


def _rule(parameters: Any) -> RollingNewsvendor:
    """Return the rule that is simulated."""
    history: StoreHistory = parameters.history
    forecast: ForecastName = "smoothing" if history.effects is None else "smoothing_covariates"
    kind = ForecastReorderPoint if orders_in_lots(parameters) else RollingNewsvendor
    rule = kind(forecast)
    return rule.in_any_quantity(whole=history.whole_units)


def _fill_rates(
    problem: Problem, p: Any, rule: RollingNewsvendor, costs: Floats, skus: NDArray[np.intp]
) -> Floats:
    """Return the fill rates on training days with these stockout costs, shape (SKUs, N)."""
    policy = reference_team(store=rule.with_stockout_cost(costs))
    trace = problem.traces(p, "tuning", TRACE_SEED, len(p.sku))
    order = np.argsort(trace["sku"])[skus]
    rates = np.ones(costs.shape)
    for first in range(0, skus.size, CHUNK):
        rows = order[first : first + CHUNK]
        batch = problem.make_batch(p, rows.size, split="tuning")
        policy.bind(batch)
        run_episodes(batch, policy, {name: values[rows] for name, values in trace.items()})
        sites = chain_of(batch).sites
        asked = sites["total_demand"]
        sold = sites["total_sales"] / np.maximum(asked, 1e-9)
        rates[trace["sku"][rows]] = np.where(asked > 0, sold, 1.0)
    return rates
