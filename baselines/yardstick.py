"""What each problem's policies are measured against: the exact optimum, or a bound."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from baselines.average_cost import average_optimum, average_reference
from baselines.optimum.cash import solve_cash
from baselines.optimum.cash_hindsight import hindsight_reference
from baselines.optimum.demand_strata import demand_strata
from baselines.optimum.reference import Reference
from baselines.optimum.store_bound import store_bound
from baselines.policy import Policy
from baselines.supply_chain_rules import reference_team
from inventory.batch import Trace
from inventory.errors import InputError, choose
from inventory.supply_chain_parameters import SupplyChainParameters

MAX_STORE_DAYS = 3000
"""Most days of different stores that a bound is computed for."""


@dataclass(frozen=True)
class Yardstick:
    """A reference value and, where it is known, the policy that reaches it.

    Attributes
    ----------
    reference : callable or None
        From the traces of a comparison to the reference; an exact optimum ignores them.
    policy : Policy or None
        The optimal policy.
    """

    reference: Callable[[Trace], Reference] | None
    policy: Policy | None


@lru_cache(maxsize=8)
def yardstick(problem: str, parameters: Any, measure: str = "return") -> Yardstick:
    """Return what policies of a problem are measured against, by a total of the episode.

    For the cash problem this is the exact optimum. Where demand comes from a file, so that nobody
    knows its law, and where the problem is too large to solve, it is the optimum in hindsight on
    the very traces that are played, an upper bound. Of the supply chain no optimum is known but
    the long-run average of a single store that loses sales, its supply without limit; the stores
    of a single product have an upper bound on what they earn.
    """
    if choose("problem", problem, ["cash", "stores"]) == "stores":
        return _supply_chain_yardstick(parameters, measure)
    hindsight = Yardstick(partial(hindsight_reference, parameters), None)
    if parameters.demand_data is not None:
        return hindsight
    try:
        solved = solve_cash(parameters)
    except InputError:
        return hindsight
    exact = solved.reference.kind == "optimum"
    return Yardstick(lambda _: solved.reference, solved.policy() if exact else None)


def _supply_chain_yardstick(parameters: SupplyChainParameters, measure: str) -> Yardstick:
    """Return the long-run optimum of a single store, or an upper bound on what the stores earn.

    Nothing where neither is known, as where demand comes from a file.
    """
    if parameters.demand_data is not None:
        return Yardstick(None, None)
    optimum = average_optimum(parameters) if measure == "return" else None
    if optimum is not None:
        reference = average_reference(parameters, optimum)
        return Yardstick(lambda _: reference, reference_team(store=optimum.rule))
    kinds = Counter(parameters.stores)
    known = measure == "return" and parameters.objective == "reconciliation"
    known = known and not parameters.backlog
    if not known or len(parameters.sku) > 1 or len(kinds) * parameters.horizon > MAX_STORE_DAYS:
        return Yardstick(None, None)
    (lane,), weights = parameters.lanes(), parameters.lane_constants()
    means, stds = parameters.demand_moments()
    bounds = {}
    for kind in kinds:
        i = parameters.stores.index(kind)
        bounds[kind] = store_bound(
            demand_strata(lane.sku.demand_model, means[0, :, i], stds[0, :, i]),
            weights,
            lead_time=lane.store.lead_time,
            initial_on_hand=kind.initial_on_hand,
            warmup_days=parameters.warmup_days,
        )
    shares = [count / parameters.num_stores for count in kinds.values()]
    value = sum(s * b.value for s, b in zip(shares, bounds.values(), strict=True))
    tolerance = sum(s * b.tolerance for s, b in zip(shares, bounds.values(), strict=True))
    finest = min(bound.unit for bound in bounds.values())
    note = (
        "Dynamic programming of each store on its own, its warehouse never short and its orders of "
        f"any size; stocks by {finest:.3g} units or more, which puts it up to {tolerance:.2g} too "
        "high. No policy of the chain gives its stores more."
    )
    reference = Reference("upper_bound", value, note)
    return Yardstick(lambda _: reference, None)
