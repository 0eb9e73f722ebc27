"""The reference that each problem's policies are measured against: the exact optimum or a bound."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from baselines.average_cost import (
    Solved,
    average_cost,
    average_optimum,
    average_reference,
    exact_cost,
    lost_sales_store,
    solved_rules,
)
from baselines.multi_agent import TeamPolicy
from baselines.policy import Policy
from baselines.registry import make_baselines
from baselines.rules.reference import reference_team
from baselines.rules.stock_rule import StockLevels
from baselines.serial_chain import serial_chain
from baselines.solvers.cash.dynamic_program import solve_cash
from baselines.solvers.cash.hindsight import hindsight_reference as cash_in_hindsight
from baselines.solvers.chain.chain_bound import ChainBound, chain_bound
from baselines.solvers.chain.hindsight import STORE_DAYS, chain_hindsight, hindsight_reference
from baselines.solvers.perishable.bound import perishable_bound
from baselines.solvers.reference import Reference
from baselines.solvers.store.lost_sales import solve_lost_sales, spared
from baselines.solvers.store.lost_sales_size import is_quick, is_solvable, sooner_store
from common.errors import InputError, choose
from envs.batch import Trace
from envs.cash.parameters import CashParameters
from envs.problems import PROBLEMS
from envs.supply_chain.parameters import SupplyChainParameters

FEW_EPISODES = 30
"""Number of episodes solved in hindsight to find out whether that bound would be the lower one."""
STANDARD_ERRORS = 3.0
"""Standard errors by which the bound of those few must be off to be dropped wrongly."""


@dataclass(frozen=True)
class ReferenceSource:
    """A reference value and, where it is known, the policy that reaches it.

    Attributes
    ----------
    reference : callable or None
        Maps the traces of a comparison to the reference; an exact optimum ignores them.
    policy : Policy or None
        The optimal policy.
    """

    reference: Callable[[Trace], Reference] | None
    policy: Policy | None


@lru_cache(maxsize=8)
def find_reference(problem: str, parameters: Any, measure: str = "return") -> ReferenceSource:
    """Return the reference of a problem's policies, for a total of the episode.

    For the cash problem this is the exact optimum. Where demand comes from a file, so that its law
    is unknown, and where the problem is too large to solve, it is the optimum in hindsight on the
    very traces that are played, an upper bound. For the supply chain the only known optimum is the
    long-run average of a single store with lost sales and unlimited supply; where its lead time
    would take minutes to solve, the bound is that of a store whose orders arrive sooner. The
    stores' return has two upper bounds, of which the lower one counts: that of single stores which
    know the law of demand, and that in hindsight, which includes the warehouse's shortages and
    needs no law. Returns of other tiers have no reference, except that of all agents together,
    which has an optimum if the chain is a serial system.
    """
    known = REFERENCES.get(choose("problem", problem, PROBLEMS))
    return ReferenceSource(None, None) if known is None else known(parameters, measure)


def _cash_reference(parameters: CashParameters, measure: str) -> ReferenceSource:
    """Return the optimum, or the bound in hindsight; `measure` is always the return."""
    del measure
    hindsight = ReferenceSource(partial(cash_in_hindsight, parameters), None)
    if parameters.demand_data is not None:
        return hindsight
    try:
        solved = solve_cash(parameters)
    except InputError:
        return hindsight
    exact = solved.reference.kind == "optimum"
    return ReferenceSource(lambda _: solved.reference, solved.policy() if exact else None)


def _supply_chain_reference(parameters: SupplyChainParameters, measure: str) -> ReferenceSource:
    """Return the long-run optimum of a single store, or upper bounds on the stores' return."""
    if measure == "system_return":
        return _of_serial_system(parameters)
    if measure != "return":
        return ReferenceSource(None, None)
    optimum = None if parameters.demand_data is not None else average_optimum(parameters)
    if optimum is not None:
        reference = average_reference(parameters, optimum)
        rule = None if parameters.limited else reference_team(store=optimum.rule)
        return ReferenceSource(lambda _: reference, rule)
    sooner = None if parameters.demand_data is not None else _of_sooner_orders(parameters)
    if sooner is not None:
        return ReferenceSource(partial(_lower_bound, sooner, chain_bound(parameters)), None)
    if parameters.longest_shelf_life > 0:
        return ReferenceSource(partial(perishable_bound, parameters), None)
    return ReferenceSource(partial(_least_bound, parameters, chain_bound(parameters)), None)


def _lower_bound(sooner: Reference, bound: ChainBound | None, trace: Trace) -> Reference:
    """Return the lower of two bounds; that of single stores counts the days of the episode."""
    known = [sooner, *([] if bound is None else [bound.reference(trace)])]
    return min(known, key=lambda reference: reference.value)


def _of_sooner_orders(parameters: SupplyChainParameters) -> Reference | None:
    """Return a bound for a store with too many states: that of one whose orders arrive sooner."""
    store = lost_sales_store(parameters)
    if store is None or is_quick(store):
        return None
    try:
        sooner = sooner_store(store, is_quick)
    except InputError:
        return None
    cost = solve_lost_sales(sooner).cost.lower
    delay = store.lead_time - sooner.lead_time
    less = spared(sooner, cost) + delay * store.fixed_cost
    days = parameters.horizon - parameters.warmup_days
    note = (
        f"A store whose orders take {sooner.lead_time} days in place of {store.lead_time} spends "
        f"{cost:.4f} a day at least, on average in the long run; times the {days} days that count, "
        f"less {less:.2g}. It can hold back each order, so no policy here spends less."
    )
    return Reference("upper_bound", less - cost * days, note)


@dataclass(frozen=True)
class KnownCosts:
    """The known costs of a textbook instance.

    Attributes
    ----------
    least : float
        The least average cost, or a lower bound on it [money/day].
    is_optimum : bool
        Whether it is the least cost itself, not a bound.
    rules : list of Solved
        Policies and their exact costs, the best one first if it is known.
    """

    least: float
    is_optimum: bool
    rules: list[Solved]


def known_costs(parameters: SupplyChainParameters, *, quick: bool = False) -> KnownCosts:
    """Return the least cost of an instance, or a bound on it, and rules with exact costs.

    For a store with lost sales whose lead time is too long to be solved in seconds, the only simple
    rule is the capped base-stock policy that tuning by simulation finds; learning starts from it.

    Parameters
    ----------
    parameters : SupplyChainParameters
        As for `baselines.average_cost.solved_rules`.
    quick : bool
        Whether to skip all that takes minutes to solve.
    """
    store = lost_sales_store(parameters)
    if store is None or is_quick(store):
        rules = solved_rules(parameters)
        return KnownCosts(rules[0].cost, True, rules)
    simple = _tuned_capped(parameters)
    if not quick and is_solvable(store):
        best = solved_rules(parameters)[0]
        return KnownCosts(best.cost, True, [best, simple])
    sooner = sooner_store(store, is_quick if quick else is_solvable)
    return KnownCosts(solve_lost_sales(sooner).cost.lower, False, [simple])


def _tuned_capped(parameters: SupplyChainParameters) -> Solved:
    """Return the capped base-stock policy that tuning finds, and its exact cost."""
    (policy,) = make_baselines("stores", parameters, ["tuned_capped_level"]).values()
    rule = policy.players["store"] if isinstance(policy, TeamPolicy) else None
    assert isinstance(rule, StockLevels)  # noqa: S101  (that is what the family makes)
    cost = average_cost(parameters, rule)
    assert cost is not None  # noqa: S101  (sales are lost)
    name = f"capped base-stock S={rule.values['level']:g}, r={rule.values['cap']:g}"
    return Solved(name, rule, cost)


def _of_serial_system(parameters: SupplyChainParameters) -> ReferenceSource:
    """Return the optimum of all agents together, if the chain is a serial system."""
    serial = None if parameters.demand_data is not None else serial_chain(parameters)
    if serial is None or (reference := serial.reference(parameters)) is None:
        return ReferenceSource(None, None)
    return ReferenceSource(lambda _: reference, serial.team(*serial.solved().levels))


def _least_bound(p: SupplyChainParameters, bound: ChainBound | None, trace: Trace) -> Reference:
    """Return the bound of single stores, or that in hindsight if it is lower or the only one.

    Programmes in hindsight are solved only if a few of them promise a lower bound.
    """
    if bound is None:
        return hindsight_reference(p, chain_hindsight(p, trace))
    reference = bound.reference(trace)
    room = min(FEW_EPISODES * p.num_stores * p.horizon, STORE_DAYS)
    few = chain_hindsight(p, trace, store_days=room)
    if few.mean - STANDARD_ERRORS * few.se >= reference.value:
        return reference
    found = hindsight_reference(p, chain_hindsight(p, trace))
    return found if found.value < reference.value else reference


REFERENCES: dict[str, Callable[[Any, str], ReferenceSource]] = {
    "cash": _cash_reference,
    "stores": _supply_chain_reference,
}
"""References by problem, from its parameters and a total of the episode; others have none."""


def find_exact_cost(problem: str, parameters: Any, policy: Policy) -> float | None:
    """Return a policy's long-run average cost per day, None where it cannot be known."""
    known = EXACT_COSTS.get(choose("problem", problem, PROBLEMS))
    found = None if known is None else known(parameters, policy)
    return None if found is None else found.value


EXACT_COSTS = {"stores": exact_cost}
"""Exact costs by problem, from its parameters and a policy; for others none is known."""
