"""A rule that is tuned before it plays: what is tuned, for what, and what the result depends on."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from baselines.policy import TUNED_RULE, PolicyKind
from baselines.tuning import TUNING_SEED, Family, Progress, Search, Tuned, tune
from envs.problems import Problem


@dataclass(frozen=True)
class TunedRule:
    """A family of rules, and which total of an episode to tune it for.

    Attributes
    ----------
    family : callable
        From the problem's parameters to the family.
    measure : str
        Name of the total.
    kind : PolicyKind
        What it is once it is tuned.
    search_of : callable or None
        From the problem's parameters to how much to search, where that is not `Search`'s default.
    """

    family: Callable[[Any], Family]
    measure: str = "return"
    kind: PolicyKind = TUNED_RULE
    search_of: Callable[[Any], Search] | None = None

    def search(self, parameters: Any) -> Search:
        """Return how much to search."""
        return Search() if self.search_of is None else self.search_of(parameters)


class Tuner(Protocol):
    """What tunes a rule, or knows its parameters from before."""

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
    """Tune a rule afresh; `name` is what it is called."""
    del name
    return tune(
        problem,
        parameters,
        rule.family(parameters),
        rule.search(parameters),
        seed=seed,
        measure=rule.measure,
        progress=progress,
    )


def fingerprint(
    problem: Problem, parameters: Any, name: str, rule: TunedRule, *, seed: int = TUNING_SEED
) -> str:
    """Return a digest of all that tuning depends on, 64 hexadecimal digits.

    These are the parameters of the problem, the family with its grid, the search, the very traces
    (and so the seed, and the demand of a file), and the code of the simulator and the rules.
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
    for values in problem.traces(parameters, "tuning", seed, search.episodes).values():
        digest.update(values.tobytes())
    items = getattr(getattr(parameters, "history", None), "items", None)
    digest.update(b"" if items is None else items.to_bytes())
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
