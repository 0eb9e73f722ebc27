"""The baselines by name, and what a tuned one may choose from."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from baselines import supply_chain_families as chain
from baselines import supply_chain_history as history
from baselines.cash_rules import BaseStock, BuyBuyConvert
from baselines.policy import Policy, RandomPolicy
from baselines.supply_chain_rules import RandomTier, reference_team
from baselines.supply_chain_stock import Newsvendor
from baselines.tuning import Family, tune
from inventory.cash_parameters import CashParameters
from inventory.errors import choose
from inventory.problems import PROBLEMS
from inventory.supply_chain_parameters import SupplyChainParameters
from inventory.tier_totals import tier_of_total

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


def _tuned(
    family: Callable[[SupplyChainParameters], Family], measure: str = "return"
) -> Callable[[Any, int], Policy]:
    """Return the maker of a team of the supply chain, tuned for a total of the episode."""

    def make(parameters: SupplyChainParameters, seed: int) -> Policy:
        return chain.tune_team(parameters, family(parameters), seed=seed, measure=measure).policy

    return make


def _random(measure: str) -> Maker:
    return lambda _, seed: make_random("stores", seed, measure)


def _reference(*_: Any) -> Policy:
    return reference_team()


BASELINES: dict[str, dict[str, Maker]] = {
    "cash": {
        "random": lambda _, seed: RandomPolicy(seed),
        "buy_buy_convert": lambda *_: BuyBuyConvert(),
        "tuned_cycle": lambda p, seed: tune(PROBLEMS["cash"], p, cycle_family(p), seed=seed).policy,
        "tuned_base_stock": lambda p, seed: (
            tune(PROBLEMS["cash"], p, base_stock_family(p), seed=seed).policy
        ),
    },
    "stores": {
        "random": _random("return"),
        "reference_rules": _reference,
        "newsvendor": lambda *_: reference_team(store=Newsvendor()),
        "tuned_constant": _tuned(chain.constant_order_family),
        "tuned_periodic": _tuned(chain.periodic_family),
        "tuned_reorder_point": _tuned(chain.reorder_point_family),
        "tuned_base_stock": _tuned(chain.base_stock_family),
        "tuned_seasonal": _tuned(chain.seasonal_family),
        "tuned_capped": _tuned(chain.capped_family),
    },
}
"""By problem and name: from the parameters and a seed to the policy."""

HISTORY_BASELINES: dict[str, Maker] = {
    "random": _random("return"),
    "newsvendor_average": lambda *_: reference_team(store=history.RollingNewsvendor("average")),
    "newsvendor_weekday": lambda *_: reference_team(store=history.RollingNewsvendor("weekday")),
    "tuned_reorder_point": _tuned(history.rolling_reorder_family),
    "tuned_base_stock": _tuned(lambda _: history.rolling_family("average")),
    "tuned_weekday": _tuned(lambda _: history.rolling_family("weekday")),
}
"""Baselines of the stores where demand comes from a file, so that nobody knows its law."""

OTHER_MEASURES: dict[str, dict[str, Maker]] = {
    "warehouse_return": {
        "random": _random("warehouse_return"),
        "reference_rules": _reference,
        "tuned_base_stock": _tuned(chain.warehouse_base_stock_family, "warehouse_return"),
        "tuned_echelon": _tuned(chain.echelon_family, "warehouse_return"),
    },
    "supplier_return": {"random": _random("supplier_return"), "reference_rules": _reference},
    "system_return": {
        "random": _random("system_return"),
        "reference_rules": _reference,
        "tuned_system": _tuned(chain.system_family, "system_return"),
    },
}
"""Baselines of the supply chain where another total counts than the return of the stores."""

USUAL = {"random", "reference_rules", "newsvendor", "tuned_reorder_point", "tuned_seasonal"}
"""The group ``default`` of the stores."""


def make_random(problem_name: str, seed: int = 0, measure: str = "return") -> Policy:
    """Return random play: in the supply chain that of the tier which `measure` is about."""
    tier = tier_of_total(measure)
    if problem_name == "stores" and tier is not None:
        return reference_team(**{tier: RandomTier(tier, seed)})
    return RandomPolicy(seed)


def make_baselines(
    problem_name: str,
    parameters: Any,
    names: Iterable[str],
    *,
    seed: int = 0,
    measure: str = "return",
) -> dict[str, Policy]:
    """Return the baselines asked for, in the order of `BASELINES`.

    Parameters
    ----------
    problem_name : str
        Name of the problem.
    parameters : FrozenModel
        Its parameters.
    names : iterable of str
        Names of baselines, or of groups: ``"default"`` (cash: random and the simple rule, and
        the tuned rules too where demand comes from a file or several lots are on offer; stores:
        `USUAL`), ``"tuned"``, ``"all"``, ``"none"``.
    seed : int
        Seed of the random policy and of the tuning traces.
    measure : str
        The total of an episode that counts.

    Raises
    ------
    InputError
        If a name is unknown.
    """
    makers = BASELINES[choose("problem", problem_name, BASELINES)]
    if measure != "return":
        makers = OTHER_MEASURES[choose("measure", measure, OTHER_MEASURES)]
    elif problem_name == "stores" and parameters.demand_data is not None:
        makers = HISTORY_BASELINES
    wanted: set[str] = set()
    for name in names:
        choose("baseline", name, [*makers, *GROUPS])
        wanted |= _members(name, makers, parameters) if name in GROUPS else {name}
    return {name: make(parameters, seed) for name, make in makers.items() if name in wanted}


def _members(group: str, makers: Iterable[str], parameters: Any) -> set[str]:
    tuned = {name for name in makers if name.startswith("tuned_")}
    simple = set(makers) - tuned
    default = simple | tuned if _needs_tuning(parameters) else simple
    if USUAL & tuned and makers is not HISTORY_BASELINES:
        default = USUAL
    return {"default": default, "tuned": tuned, "all": simple | tuned, "none": set()}[group]


def _needs_tuning(parameters: Any) -> bool:
    """Whether the simple rule, with its first lots, would be a straw man."""
    if not isinstance(parameters, CashParameters):
        return True
    several = len(parameters.buy_lots) > 1 or len(parameters.convert_lots) > 1
    return several or parameters.demand_data is not None
