"""The baselines by name, and what a tuned one may choose from."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from baselines.cash_rules import BaseStock, BuyBuyConvert
from baselines.policy import Policy, RandomPolicy
from baselines.supply_chain_rules import RandomTier, reference_team
from baselines.tuning import Family, tune
from inventory.cash import CashParameters
from inventory.errors import choose
from inventory.problems import PROBLEMS

GROUPS = ("default", "tuned", "all", "none")
"""Names that stand for several baselines."""

Maker = Callable[[Any, int], Policy]


def cycle_family(parameters: CashParameters) -> Family:
    """Return the buy-buy-convert rules of all lots and numbers of last steps without purchase."""
    stops = [m for m in (*range(16), 20, 25, 30, 40) if m <= parameters.max_steps]
    return Family(
        BuyBuyConvert,
        {
            "buy_lot": tuple(dict.fromkeys(parameters.buy_lots)),
            "convert_lot": tuple(dict.fromkeys(parameters.convert_lots)),
            "stop_before_end": tuple(stops),
        },
    )


def base_stock_family(parameters: CashParameters) -> Family:
    """Return the base-stock rules with levels from a part of a step's demand to no limit."""
    p = parameters
    law = p.demand_law("tuning")
    demand = float(law.draw(np.random.default_rng(0), 100, p.max_steps + 1).mean())
    cover = np.array([0.01, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, np.inf])  # steps of demand
    product = [demand * c if demand else 0.0 for c in cover]
    product += [min(p.convert_lots), max(p.convert_lots)]
    raw = [p.raw_per_product * level for level in product]
    rate = [np.inf, *(share * demand for share in (1.2, 1.0, 0.9, 0.8, 0.6))]
    return Family(
        BaseStock,
        {
            "product_level": _levels(product),
            "raw_level": _levels(raw),
            "stop_before_end": tuple(m for m in (0.0, 1.0, 2.0, 4.0) if m <= p.max_steps),
            "run_out_rate": tuple(float(f"{x:.3g}") for x in rate),
        },
        refined=("product_level", "raw_level", "stop_before_end", "run_out_rate"),
        integer=("stop_before_end",),
    )


def _levels(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(sorted({float(f"{value:.3g}") for value in values}))


BASELINES: dict[str, dict[str, Maker]] = {
    "cash": {
        "random": lambda _, seed: RandomPolicy(seed),
        "buy_buy_convert": lambda *_: BuyBuyConvert(),
        "tuned_cycle": lambda p, seed: tune(PROBLEMS["cash"], p, cycle_family(p), seed=seed).policy,
        "tuned_base_stock": lambda p, seed: (
            tune(PROBLEMS["cash"], p, base_stock_family(p), seed=seed).policy
        ),
    }
}
"""By problem and name: from the parameters and a seed to the policy."""


def make_random(problem_name: str, seed: int = 0) -> Policy:
    """Return random play: in the supply chain that of the stores, the others on their rules."""
    if problem_name == "stores":
        return reference_team(store=RandomTier("store", seed))
    return RandomPolicy(seed)


def make_baselines(
    problem_name: str, parameters: Any, names: Iterable[str], *, seed: int = 0
) -> dict[str, Policy]:
    """Return the baselines asked for, in the order of `BASELINES`.

    Parameters
    ----------
    problem_name : str
        Name of the problem.
    parameters : FrozenModel
        Its parameters.
    names : iterable of str
        Names of baselines, or of groups: ``"default"`` (random and the simple rule; the tuned
        rules too where demand comes from a file or several lots are on offer), ``"tuned"``,
        ``"all"``, ``"none"``.
    seed : int
        Seed of the random policy and of the tuning traces.

    Raises
    ------
    InputError
        If a name is unknown.
    """
    makers = BASELINES[choose("problem", problem_name, BASELINES)]
    wanted: set[str] = set()
    for name in names:
        choose("baseline", name, [*makers, *GROUPS])
        wanted |= _members(name, makers, parameters) if name in GROUPS else {name}
    return {name: make(parameters, seed) for name, make in makers.items() if name in wanted}


def _members(group: str, makers: Iterable[str], parameters: Any) -> set[str]:
    tuned = {name for name in makers if name.startswith("tuned_")}
    simple = set(makers) - tuned
    default = simple | tuned if _needs_tuning(parameters) else simple
    return {"default": default, "tuned": tuned, "all": simple | tuned, "none": set()}[group]


def _needs_tuning(parameters: CashParameters) -> bool:
    """Whether the simple rule, with its first lots, would be a straw man."""
    several = len(parameters.buy_lots) > 1 or len(parameters.convert_lots) > 1
    return several or parameters.demand_data is not None
