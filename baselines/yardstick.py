"""What each problem's policies are measured against: the exact optimum, or a bound."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from baselines.optimum.cash import solve_cash
from baselines.optimum.cash_hindsight import hindsight_reference
from baselines.optimum.reference import Reference
from baselines.policy import Policy
from inventory.batch import Trace
from inventory.errors import InputError, choose
from inventory.supply_chain_parameters import SupplyChainParameters


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
    the very traces that are played, an upper bound. Of the supply chain no optimum is known.
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
    """Return what the supply chain is measured against: nothing, as long as no bound is known."""
    del parameters, measure
    return Yardstick(None, None)
