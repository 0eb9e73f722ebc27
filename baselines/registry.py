"""The baselines by name."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from baselines.policy import Policy, RandomPolicy
from baselines.rules import cash
from baselines.rules import families as chain
from baselines.rules import families as levels
from baselines.rules import forecast as history
from baselines.rules.cash import BuyBuyConvert
from baselines.rules.reference import RandomTier, reference_team
from baselines.rules.store import Newsvendor
from baselines.tuned_rules import TunedRule, Tuner, tune_rule
from common.errors import choose
from envs.cash.parameters import CashParameters
from envs.problems import PROBLEMS
from envs.supply_chain.metrics import tier_of_total

GROUPS = ("default", "tuned", "free", "all", "none")
"""Names that stand for several baselines."""

Maker = Callable[[Any, int], Policy]
Baseline = Maker | TunedRule
"""From the parameters and a seed to the policy, or what has to be tuned first."""


def _random(measure: str) -> Maker:
    return lambda _, seed: make_random("stores", seed, measure)


def _reference(*_: Any) -> Policy:
    return reference_team()


BASELINES: dict[str, dict[str, Baseline]] = {
    "cash": {
        "random": lambda _, seed: RandomPolicy(seed),
        "buy_buy_convert": lambda *_: BuyBuyConvert(),
        "tuned_cycle": TunedRule(cash.cycle_family),
        "tuned_base_stock": TunedRule(cash.base_stock_family),
    },
    "stores": {
        "random": _random("return"),
        "reference_rules": _reference,
        "newsvendor": lambda *_: reference_team(store=Newsvendor()),
        "tuned_constant": TunedRule(chain.constant_order_family),
        "tuned_periodic": TunedRule(chain.periodic_family),
        "tuned_reorder_point": TunedRule(chain.reorder_point_family),
        "tuned_r_q": TunedRule(chain.reorder_quantity_family),
        "tuned_base_stock": TunedRule(chain.base_stock_family),
        "tuned_seasonal": TunedRule(chain.seasonal_family),
        "tuned_capped": TunedRule(chain.capped_family),
    },
}
"""By problem and name."""

LEVEL_BASELINES: dict[str, Baseline] = {
    "tuned_level": TunedRule(levels.level_family),
    "tuned_capped_level": TunedRule(levels.capped_level_family),
    "tuned_reorder_level": TunedRule(levels.reorder_level_family),
}
"""Baselines that there are besides where stores order whole units."""

HISTORY_BASELINES: dict[str, Baseline] = {
    "random": _random("return"),
    "newsvendor_average": lambda *_: reference_team(store=history.RollingNewsvendor("average")),
    "newsvendor_weekday": lambda *_: reference_team(store=history.RollingNewsvendor("weekday")),
    "newsvendor_smoothing": lambda *_: reference_team(store=history.RollingNewsvendor("smoothing")),
    "tuned_reorder_point": TunedRule(history.rolling_reorder_family),
    "tuned_base_stock": TunedRule(lambda _: history.rolling_family("average")),
    "tuned_weekday": TunedRule(lambda _: history.rolling_family("weekday")),
    "tuned_smoothing": TunedRule(lambda _: history.rolling_family("smoothing")),
}
"""Baselines of the stores where demand comes from a file, so that nobody knows its law."""

OTHER_MEASURES: dict[str, dict[str, Baseline]] = {
    "warehouse_return": {
        "random": _random("warehouse_return"),
        "reference_rules": _reference,
        "tuned_base_stock": TunedRule(chain.warehouse_base_stock_family, "warehouse_return"),
        "tuned_echelon": TunedRule(chain.echelon_family, "warehouse_return"),
    },
    "supplier_return": {"random": _random("supplier_return"), "reference_rules": _reference},
    "system_return": {
        "random": _random("system_return"),
        "reference_rules": _reference,
        "tuned_system": TunedRule(chain.system_family, "system_return"),
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
    tuner: Tuner = tune_rule,
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
        `USUAL`), ``"tuned"``, ``"free"`` (stores whose rules may order any quantity), ``"all"``,
        ``"none"``.
    seed : int
        Seed of the random policy. Tuning has a fixed one of its own, so that every comparison
        holds an agent against the same rules.
    measure : str
        The total of an episode that counts.
    tuner : callable
        What tunes the rules.

    Raises
    ------
    InputError
        If a name is unknown.
    """
    known = baselines_of(problem_name, parameters, measure)
    wanted: set[str] = set()
    for name in names:
        choose("baseline", name, [*known, *GROUPS])
        wanted |= _members(name, known, parameters) if name in GROUPS else {name}
    problem = PROBLEMS[problem_name]
    return {
        name: tuner(problem, parameters, name, one).policy
        if isinstance(one, TunedRule)
        else one(parameters, seed)
        for name, one in known.items()
        if name in wanted
    }


def baselines_of(
    problem_name: str, parameters: Any, measure: str = "return"
) -> Mapping[str, Baseline]:
    """Return all baselines of a problem by name.

    Raises
    ------
    InputError
        If the problem or the measure is unknown.
    """
    own = BASELINES[choose("problem", problem_name, BASELINES)]
    if measure != "return":
        return OTHER_MEASURES[choose("measure", measure, OTHER_MEASURES)]
    if problem_name != "stores":
        return own
    if parameters.demand_data is not None:
        own = HISTORY_BASELINES
    elif levels.in_units(parameters):
        own = {**own, **LEVEL_BASELINES}
    bound = ("random", "reference_rules")
    return {**own, **{f"{n}_free": _free_baseline(one) for n, one in own.items() if n not in bound}}


def _free_baseline(baseline: Baseline) -> Baseline:
    """Return the same baseline with stores that order any quantity."""
    if isinstance(baseline, TunedRule):
        family = baseline.family
        return replace(baseline, family=lambda p: chain.free_family(family(p)))
    return lambda parameters, seed: chain.with_free_orders(baseline(parameters, seed))


def _members(group: str, known: Iterable[str], parameters: Any) -> set[str]:
    free = {name for name in known if name.endswith("_free")}
    tuned = {name for name in known if name.startswith("tuned_")} - free
    simple = set(known) - tuned - free
    default = simple | tuned if _needs_tuning(parameters) else simple
    if set(known) >= USUAL:
        default = USUAL
    everything = simple | tuned | free
    groups = {"default": default, "tuned": tuned, "free": free, "all": everything}
    return groups.get(group, set())


def _needs_tuning(parameters: Any) -> bool:
    """Whether the simple rule, with its first lots, would be a straw man."""
    if not isinstance(parameters, CashParameters):
        return True
    several = len(parameters.buy_lots) > 1 or len(parameters.convert_lots) > 1
    return several or parameters.demand_data is not None
