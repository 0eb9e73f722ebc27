"""The baselines by name."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from baselines.policy import (
    BOOSTED_RULE,
    BOOSTED_TUNED_RULE,
    RANDOM,
    RULE,
    TUNED_RULE,
    Policy,
    PolicyKind,
    RandomPolicy,
)
from baselines.rules import cash, forecast, perishable
from baselines.rules import families as chain
from baselines.rules.cash import BuyBuyConvert
from baselines.rules.reference import RandomTier, reference_team
from baselines.rules.rolling_newsvendor import RollingNewsvendor, newsvendor_family
from baselines.rules.rolling_reorder_point import (
    ForecastReorderPoint,
    orders_in_lots,
    reorder_point_family,
    rolling_reorder_family,
)
from baselines.rules.stock_rule import ProgrammedOrders
from baselines.rules.store import Newsvendor
from baselines.rules.warehouse import EchelonBaseStock
from baselines.solvers.chain.store_programme import is_programmable
from baselines.tuned_rules import TunedRule, Tuner, tune_rule
from baselines.tuning import Family
from common.errors import choose
from demand.forecasts.forecast import ForecastName, learns_of_training
from envs.problems import PROBLEMS
from envs.supply_chain.metrics import tier_of_total

GROUPS = ("default", "tuned", "free", "all", "none")
"""Names that stand for several baselines."""


@dataclass(frozen=True)
class FixedRule:
    """A baseline without parameters to tune.

    Attributes
    ----------
    make : callable
        A function from the problem's parameters and a seed to the policy.
    kind : PolicyKind
        Kind of the policy.
    """

    make: Callable[[Any, int], Policy]
    kind: PolicyKind = RULE


Baseline = FixedRule | TunedRule


def _random(measure: str) -> FixedRule:
    return FixedRule(lambda _, seed: make_random("stores", seed, measure), RANDOM)


def _tuned(family: Callable[[Any], Family], measure: str = "return") -> TunedRule:
    return TunedRule(family, measure, search_of=chain.search_of)


def _rolling_base_stock(name: ForecastName) -> TunedRule:
    return TunedRule(
        lambda _: forecast.rolling_family(name),
        search_of=chain.search_of,
        held_out=learns_of_training(name),
    )


def _rolling_newsvendor(name: ForecastName, kind: PolicyKind = RULE) -> FixedRule:
    return FixedRule(lambda *_: reference_team(store=RollingNewsvendor(name)), kind)


def _held_out(family: Callable[[Any], Family], kind: PolicyKind = TUNED_RULE) -> TunedRule:
    return TunedRule(family, kind=kind, search_of=chain.newsvendor_search, held_out=True)


def _tuned_newsvendor(name: ForecastName, kind: PolicyKind = TUNED_RULE) -> TunedRule:
    return _held_out(lambda _: newsvendor_family(name), kind)


def _tuned_reorder_point(name: ForecastName, kind: PolicyKind = TUNED_RULE) -> TunedRule:
    return _held_out(lambda p: reorder_point_family(name, lots=p.pays_per_order), kind)


def _reorder_point(name: ForecastName, kind: PolicyKind = RULE) -> FixedRule:
    return FixedRule(lambda *_: reference_team(store=ForecastReorderPoint(name)), kind)


REFERENCE_RULES = FixedRule(lambda *_: reference_team())

RANDOM_PLAY = FixedRule(lambda _, seed: RandomPolicy(seed), RANDOM)

BASELINES: dict[str, dict[str, Baseline]] = {
    "cash": {
        "random": RANDOM_PLAY,
        "buy_buy_convert": FixedRule(lambda *_: BuyBuyConvert()),
        "tuned_cycle": TunedRule(cash.cycle_family),
        "tuned_base_stock": TunedRule(cash.base_stock_family),
    },
    "stores": {
        "random": _random("return"),
        "reference_rules": REFERENCE_RULES,
        "newsvendor": FixedRule(lambda *_: reference_team(store=Newsvendor())),
        "tuned_constant": _tuned(chain.constant_order_family),
        "tuned_periodic": _tuned(chain.periodic_family),
        "tuned_reorder_point": _tuned(chain.reorder_point_family),
        "tuned_r_q": _tuned(chain.reorder_quantity_family),
        "tuned_base_stock": _tuned(chain.base_stock_family),
        "tuned_seasonal": _tuned(chain.seasonal_family),
        "tuned_capped": _tuned(chain.capped_family),
    },
}
"""Baselines by problem and name; a problem that is left out has only random play."""

SOLVED_BASELINES: dict[str, Baseline] = {
    "store_programme": FixedRule(lambda *_: reference_team(store=ProgrammedOrders())),
}
"""Further baselines if the law of demand is known and stores are simple."""

SOLVED = set(SOLVED_BASELINES)

LEVEL_BASELINES: dict[str, Baseline] = {
    "tuned_level": _tuned(chain.level_family),
    "tuned_capped_level": _tuned(chain.capped_level_family),
    "tuned_reorder_level": _tuned(chain.reorder_level_family),
}
"""Further baselines if stores order whole units."""

HISTORY_BASELINES: dict[str, Baseline] = {
    "random": _random("return"),
    "newsvendor_average": _rolling_newsvendor("average"),
    "newsvendor_weekday": _rolling_newsvendor("weekday"),
    "newsvendor_smoothing": _rolling_newsvendor("smoothing"),
    "newsvendor_tsb": _rolling_newsvendor("tsb"),
    "newsvendor_boosting": _rolling_newsvendor("boosting", BOOSTED_RULE),
    "tuned_reorder_point": _tuned(rolling_reorder_family),
    "tuned_base_stock": _rolling_base_stock("average"),
    "tuned_weekday": _rolling_base_stock("weekday"),
    "tuned_smoothing": _rolling_base_stock("smoothing"),
    "tuned_newsvendor_smoothing": _tuned_newsvendor("smoothing"),
    "tuned_newsvendor_boosting": _tuned_newsvendor("boosting", BOOSTED_TUNED_RULE),
}
"""Baselines of the stores if demand comes from a file, so that its law is unknown."""

INFORMED_BASELINES: dict[str, Baseline] = {
    "newsvendor_weekday_covariates": _rolling_newsvendor("weekday_covariates"),
    "newsvendor_smoothing_covariates": _rolling_newsvendor("smoothing_covariates"),
    "newsvendor_boosting_covariates": _rolling_newsvendor("boosting_covariates", BOOSTED_RULE),
    "tuned_base_stock_covariates": _rolling_base_stock("average_covariates"),
    "tuned_weekday_covariates": _rolling_base_stock("weekday_covariates"),
    "tuned_smoothing_covariates": _rolling_base_stock("smoothing_covariates"),
    "tuned_newsvendor_smoothing_covariates": _tuned_newsvendor("smoothing_covariates"),
    "tuned_newsvendor_boosting_covariates": _tuned_newsvendor(
        "boosting_covariates", BOOSTED_TUNED_RULE
    ),
}
"""Further ones if covariates of coming days are known."""

LOT_BASELINES: dict[str, Baseline] = {
    "reorder_point_smoothing": _reorder_point("smoothing"),
    "reorder_point_tsb": _reorder_point("tsb"),
    "reorder_point_boosting": _reorder_point("boosting", BOOSTED_RULE),
    "tuned_reorder_point_smoothing": _tuned_reorder_point("smoothing"),
    "tuned_reorder_point_boosting": _tuned_reorder_point("boosting", BOOSTED_TUNED_RULE),
}
"""Further ones if orders have a fixed cost, or are large."""

INFORMED_LOT_BASELINES: dict[str, Baseline] = {
    "reorder_point_smoothing_covariates": _reorder_point("smoothing_covariates"),
    "reorder_point_boosting_covariates": _reorder_point("boosting_covariates", BOOSTED_RULE),
    "tuned_reorder_point_smoothing_covariates": _tuned_reorder_point("smoothing_covariates"),
    "tuned_reorder_point_boosting_covariates": _tuned_reorder_point(
        "boosting_covariates", BOOSTED_TUNED_RULE
    ),
}
"""Further ones if, in addition, covariates of coming days are known."""

OTHER_MEASURES: dict[str, dict[str, Baseline]] = {
    "warehouse_return": {
        "random": _random("warehouse_return"),
        "reference_rules": REFERENCE_RULES,
        "tuned_base_stock": _tuned(chain.warehouse_family, "warehouse_return"),
        "tuned_echelon": _tuned(
            partial(chain.warehouse_family, rule=EchelonBaseStock), "warehouse_return"
        ),
    },
    "supplier_return": {"random": _random("supplier_return"), "reference_rules": REFERENCE_RULES},
    "system_return": {
        "random": _random("system_return"),
        "reference_rules": REFERENCE_RULES,
        "tuned_system": _tuned(chain.system_family, "system_return"),
        "tuned_system_echelon": _tuned(
            partial(chain.system_family, rule=EchelonBaseStock), "system_return"
        ),
    },
}
"""Baselines of the supply chain if the measure is not the return of the stores."""

USUAL = {"random", "reference_rules", "newsvendor", "tuned_reorder_point", "tuned_seasonal"}
"""The stores' group ``default``."""

USUAL_IF_KNOWN = {*SOLVED, "newsvendor_one_day", "tuned_seasonal_ew", "tuned_low_level_ew"}
"""Also in the group ``default``, if available: those with ``_ew`` are for perishables."""


def make_random(problem_name: str, seed: int = 0, measure: str = "return") -> Policy:
    """Return random play; in the supply chain, of the tier that `measure` is about."""
    tier = tier_of_total(measure)
    if PROBLEMS[problem_name].totals and tier is not None:
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
        Names of baselines, or of groups: ``"default"`` (all that order what is on offer; for the
        supply chain, with its many, `USUAL`), ``"tuned"``, ``"free"`` (rules of stores that may
        order any quantity), ``"all"``, ``"none"``.
    seed : int
        Seed of the random policy. Tuning has a fixed seed of its own, so that every comparison
        measures an agent against the same rules.
    measure : str
        The total of an episode that counts.
    tuner : callable
        Function that tunes the rules.

    Raises
    ------
    InputError
        If a name is unknown.
    """
    known = baselines_of(problem_name, parameters, measure)
    wanted: set[str] = set()
    for name in names:
        choose("baseline", name, [*known, *GROUPS])
        wanted |= _members(name, known) if name in GROUPS else {name}
    problem = PROBLEMS[problem_name]
    return {
        name: tuner(problem, parameters, name, one).policy
        if isinstance(one, TunedRule)
        else one.make(parameters, seed)
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
    own = BASELINES.get(choose("problem", problem_name, PROBLEMS), {"random": RANDOM_PLAY})
    if measure != "return":
        return OTHER_MEASURES[choose("measure", measure, OTHER_MEASURES)]
    if problem_name != "stores":
        return own
    if parameters.demand_data is not None:
        informed = parameters.history.effects is not None
        own = {**HISTORY_BASELINES, **(INFORMED_BASELINES if informed else {})}
        if orders_in_lots(parameters):
            own = {**own, **LOT_BASELINES, **(INFORMED_LOT_BASELINES if informed else {})}
        if parameters.history.table.period != "day":  # these have no weekdays
            own = {name: one for name, one in own.items() if "weekday" not in name}
    elif chain.in_units(parameters):
        own = {**own, **LEVEL_BASELINES}
    elif is_programmable(parameters):
        own = {**own, **SOLVED_BASELINES}
    if parameters.longest_shelf_life > 0:
        own = {**own, **perishable.perishable_baselines(parameters, own)}
        if perishable.keeps_a_day(parameters):
            own = {**own, "newsvendor_one_day": FixedRule(perishable.one_day_newsvendor)}
    fixed = {"random", "reference_rules"} | SOLVED
    return {**own, **{f"{n}_free": _free(one) for n, one in own.items() if n not in fixed}}


def baseline_kinds(
    problem_name: str, parameters: Any, measure: str = "return"
) -> dict[str, PolicyKind]:
    """Return the kind of each baseline of a problem, by name."""
    known = baselines_of(problem_name, parameters, measure)
    return {name: one.kind for name, one in known.items()}


def rules_in_units(parameters: Any) -> dict[str, Baseline]:
    """Return the rules of stores on demand of a file, free in their order quantities.

    They may order any quantity that packs and limits allow; whole units if demand is in whole
    units.
    """
    whole = parameters.history.whole_units
    known = baselines_of("stores", parameters)
    return {name: _free(one, whole=whole) for name, one in known.items() if one.kind.is_rival}


def count_tuned(values: Mapping[str, Any]) -> int:
    """Return the number of tuned parameters that a rule counts for.

    A factor on a safety stock that needs no tuning does not count.
    """
    return len(values.keys() - {"safety_multiplier"})


def installed(known: Mapping[str, Baseline]) -> dict[str, Baseline]:
    """Return the baselines whose requirements are all installed."""
    return {name: one for name, one in known.items() if one.kind.is_installed}


def _free(baseline: Baseline, *, whole: bool = False) -> Baseline:
    """Return the same baseline with stores that order any quantity, or whole numbers of units."""
    kind = replace(baseline.kind, any_quantity=True)
    if isinstance(baseline, TunedRule):
        family = baseline.family

        def free(parameters: Any) -> Family:
            return chain.free_family(family(parameters), whole=whole)

        return replace(baseline, kind=kind, family=free)
    make = baseline.make
    return FixedRule(lambda *given: chain.with_free_orders(make(*given), whole=whole), kind)


def _members(group: str, known: Mapping[str, Baseline]) -> set[str]:
    known = installed(known)
    free = {name for name, one in known.items() if one.kind.any_quantity}
    tuned = {name for name, one in known.items() if one.kind.role == "tuned_rule"} - free
    on_offer = set(known) - free
    groups = {
        "default": on_offer & (USUAL | USUAL_IF_KNOWN) if on_offer >= USUAL else on_offer,
        "tuned": tuned,
        "free": free,
        "all": set(known),
    }
    return groups.get(group, set())
