"""Rules that are tuned before they play: family, goal, and what the result depends on."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from baselines.policy import TUNED_RULE, PolicyKind
from baselines.tuning import (
    TUNING_SEED,
    Episodes,
    Family,
    Progress,
    Search,
    Tuned,
    tune,
    tuning_episodes,
)
from common.errors import validated
from demand.history import digest_of_days
from demand.known_demand import KNOWN_DAYS
from envs.problems import Problem
from envs.supply_chain.parameters import SupplyChainParameters


@dataclass(frozen=True)
class TunedRule:
    """A family of rules, and the total of an episode to tune it for.

    Attributes
    ----------
    family : callable
        Maps the problem's parameters to the family.
    measure : str
        Name of the total.
    kind : PolicyKind
        Kind of the rule once it is tuned.
    search_of : callable or None
        Maps the problem's parameters to the extent of the search, if not `Search`'s default.
    held_out : bool
        Whether it is tuned on training days held out from its own forecasts (`held_out_days`), if
        demand comes from a file that is long enough.
    """

    family: Callable[[Any], Family]
    measure: str = "return"
    kind: PolicyKind = TUNED_RULE
    search_of: Callable[[Any], Search] | None = None
    held_out: bool = False

    def search(self, parameters: Any) -> Search:
        """Return the extent of the search."""
        return Search() if self.search_of is None else self.search_of(parameters)

    def episodes(self, problem: Problem, parameters: Any, seed: int) -> list[Episodes]:
        """Return the episodes on which candidates are scored."""
        search, found = self.search(parameters), []
        for own in held_out_days(parameters) if self.held_out else ():
            trace = problem.traces(own, "evaluation", seed, search.episodes)
            found.append(Episodes(own, "evaluation", trace))
        return found or [tuning_episodes(problem, parameters, search, seed)]


class Tuner(Protocol):
    """Tunes a rule, or recalls its parameters."""

    def __call__(self, problem: Problem, parameters: Any, name: str, rule: TunedRule) -> Tuned:
        """Return the tuned rule that has this name among the baselines."""


def tune_rule(
    problem: Problem,
    parameters: Any,
    name: str,
    rule: TunedRule,
    *,
    seed: int = TUNING_SEED,
    progress: Progress | None = None,
) -> Tuned:
    """Tune a rule afresh; `name` is its name among the baselines."""
    del name
    return tune(
        problem,
        parameters,
        rule.family(parameters),
        rule.search(parameters),
        seed=seed,
        measure=rule.measure,
        progress=progress,
        played=rule.episodes(problem, parameters, seed),
    )


SHARES_BEFORE = (0.5, 0.75)
"""Shares of the training days before each of the periods that are held out in turn."""


def held_out_days(parameters: SupplyChainParameters) -> list[SupplyChainParameters]:
    """Return the same problem with some of its training days as those of evaluation.

    Rules learn from the days before them alone. A period is one episode; periods with too little
    before them, or too short to be counted, are left out.
    """
    source, history = parameters.demand_data, parameters.history
    if source is None or history is None:
        return []
    table, days = history.table, len(history.training)
    least = KNOWN_DAYS + 2 * (parameters.longest_lead_time + parameters.longest_review_gap)
    firsts, found = [round(share * days) for share in SHARES_BEFORE], []
    for first, end in zip(firsts, (*firsts[1:], days), strict=True):
        if first < least or end - first <= parameters.warmup_days:
            continue
        if not table.demand[: first - 1].any():
            continue
        dates = [table.date(day) for day in (first - 1, first, end)]
        own = dict(zip(("validation", "split", "until"), dates, strict=True))
        changed = {"demand_data": source.model_copy(update=own), "horizon": end - first}
        found.append(validated(SupplyChainParameters, {**parameters.model_dump(), **changed}))
    return found


def fingerprint(
    problem: Problem, parameters: Any, name: str, rule: TunedRule, *, seed: int = TUNING_SEED
) -> str:
    """Return a digest of everything that tuning depends on, 64 hexadecimal digits.

    This is the problem's parameters, the family with its grid, the search, the very traces (and so
    the seed), all that is learned from a file, and the code of the simulator and the rules.
    """
    family, search = rule.family(parameters), rule.search(parameters)
    identity = {
        "problem": problem.name,
        "parameters": parameters.model_dump(),
        "rule": name,
        "measure": rule.measure,
        "family": (dict(family.grid), family.refined, family.integer),
        "search": asdict(search),
        "seed": seed,
    }
    digest = hashlib.sha256(repr(identity).encode() + code_digest())
    for played in rule.episodes(problem, parameters, seed):
        for values in played.trace.values():
            digest.update(values.tobytes())
    if (source := getattr(parameters, "demand_data", None)) is not None:
        history = getattr(parameters, "history", None)
        digest.update(digest_of_days(source, history).encode())
    return digest.hexdigest()


@cache
def code_digest() -> bytes:
    """Return a digest of the source of the simulator and of the rules."""
    digest = hashlib.sha256()
    root = Path(__file__).parent.parent
    for room in ("common", "demand", "envs", "baselines"):
        for path in sorted((root / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.digest()
