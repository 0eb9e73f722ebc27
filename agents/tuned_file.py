"""Rules kept in a run folder: those that were tuned, and the one that a run orders by."""

import errno
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from agents import run_files
from agents.run_files import read_beside, write_beside
from baselines.policy import Policy
from baselines.registry import Baseline, rules_in_units
from baselines.tuned_rules import TunedRule, fingerprint, tune_rule
from baselines.tuning import TUNING_SEED, Family, Progress, Tuned
from common.console import screen
from common.errors import FrozenModel, InputError, choose
from envs.problems import Problem

MAX_BYTES = 1_000_000
MOST_KEPT = 100
"""Most rules in a file; the oldest are dropped."""

Count = Annotated[int, Field(ge=1)]


class _Kept(FrozenModel):
    """A tuned rule as written to the file."""

    model_config = ConfigDict(strict=True)

    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    rule: Annotated[str, Field(max_length=100)]
    values: dict[str, float | Literal["inf"]]
    score: float
    se: Annotated[float, Field(ge=0)]
    candidates: Count
    played: Count
    episodes: Count
    seed: Annotated[int, Field(ge=0)]

    def tuned(self, family: Family) -> Tuned | None:
        """Return the rule, or None if no search of the family can yield these values."""
        values = {name: float(value) for name, value in self.values.items()}
        if not family.admits(values):
            return None
        return Tuned(
            family.make(**values),
            values,
            self.score,
            self.se,
            candidates=self.candidates,
            played=self.played,
            episodes=self.episodes,
        )


class RuleBeside(FrozenModel):
    """How the policy of a run compared with a rule on its selection period.

    Attributes
    ----------
    fingerprint : str
        Digest of everything that this depends on.
    rule : str
        The rule's name.
    earned, rule_earned : float
        Mean returns of the policy and of the rule.
    low, high : float
        Ends of the 95% interval of their difference.
    """

    model_config = ConfigDict(strict=True)

    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    rule: Annotated[str, Field(max_length=100)]
    earned: float
    rule_earned: float
    low: float
    high: float


class _File(FrozenModel):
    """The content of a file, the newest first."""

    model_config = ConfigDict(strict=True)

    rules: list[_Kept] = Field(default_factory=list)
    beside: list[RuleBeside] = Field(default_factory=list)


class TunedFile:
    """Tunes rules, and remembers them in a file.

    A rule is taken from the file only if nothing has changed that tuning depends on (see
    `baselines.tuned_rules.fingerprint`); it is then the same, bit for bit, as one tuned afresh. A
    file that cannot be read, or holds values that no search can yield, is written anew.

    Parameters
    ----------
    path : Path or None
        The file; None to remember nothing.
    seed : int
        Seed of the tuning traces.
    """

    def __init__(self, path: Path | None, seed: int = TUNING_SEED) -> None:
        self._path, self.seed = path, seed

    def __call__(self, problem: Problem, parameters: Any, name: str, rule: TunedRule) -> Tuned:
        """Return a tuned rule from the file, or tune it and write it there."""
        known = self.recall(problem, parameters, name, rule)
        return known or self.tune(problem, parameters, name, rule)

    def recall(self, problem: Problem, parameters: Any, name: str, rule: TunedRule) -> Tuned | None:
        """Return a tuned rule from the file, if it is there."""
        kept = self._read().rules
        if not kept:
            return None
        mark = fingerprint(problem, parameters, name, rule, seed=self.seed)
        family = rule.family(parameters)
        found = (one.tuned(family) for one in kept if one.fingerprint == mark)
        return next((tuned for tuned in found if tuned is not None), None)

    def tune(
        self,
        problem: Problem,
        parameters: Any,
        name: str,
        rule: TunedRule,
        progress: Progress | None = None,
    ) -> Tuned:
        """Tune a rule afresh and write it to the file."""
        tuned = tune_rule(problem, parameters, name, rule, seed=self.seed, progress=progress)
        self.record(problem, parameters, name, rule, tuned)
        return tuned

    def record(
        self, problem: Problem, parameters: Any, name: str, rule: TunedRule, tuned: Tuned
    ) -> None:
        """Write a rule that was tuned for the seed of this file."""
        if self._path is not None:
            mark = fingerprint(problem, parameters, name, rule, seed=self.seed)
            self._keep("rules", _kept(mark, name, tuned, self.seed))

    def recall_beside(self, mark: str) -> RuleBeside | None:
        """Return how a rule compared with the run's policy, if it is in the file."""
        return next((one for one in self._read().beside if one.fingerprint == mark), None)

    def record_beside(self, new: RuleBeside) -> None:
        """Write how a rule compared with the run's policy."""
        if self._path is not None:
            self._keep("beside", new)

    def _read(self) -> _File:
        if self._path is None or not (self._path.is_symlink() or self._path.exists()):
            return _File()
        try:
            return _File.model_validate_json(read_beside(self._path, MAX_BYTES))
        except (InputError, ValidationError) as error:
            reason = str(error) if isinstance(error, InputError) else f"{self._path}: damaged"
            screen.print(f"{reason}; rules are tuned anew", soft_wrap=True)
            return _File()

    def _keep(self, which: Literal["rules", "beside"], new: _Kept | RuleBeside) -> None:
        assert self._path is not None  # noqa: S101  (see the callers)
        held = self._read()
        others = [one for one in getattr(held, which) if one.fingerprint != new.fingerprint]
        held = held.model_copy(update={which: [new, *others[: MOST_KEPT - 1]]})
        text = json.dumps(held.model_dump(), indent=1, allow_nan=False)
        try:
            write_beside(self._path, f"{text}\n".encode())
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES):
                raise
            told = f"{self._path}: {error.strerror}; this is worked out anew next time"
            screen.print(told, soft_wrap=True)


def _kept(mark: str, name: str, tuned: Tuned, seed: int) -> _Kept:
    return _Kept(
        fingerprint=mark,
        rule=name,
        values=json_values(tuned.values),
        score=tuned.score,
        se=tuned.se,
        candidates=tuned.candidates,
        played=tuned.played,
        episodes=tuned.episodes,
        seed=seed,
    )


def json_values(values: Mapping[str, float]) -> dict[str, float | Literal["inf"]]:
    """Return a rule's parameters for JSON, which has no infinity."""
    return {name: "inf" if math.isinf(value) else value for name, value in values.items()}


class Recommendation(FrozenModel):
    """The policy that a run orders by.

    Attributes
    ----------
    kind : {"rule", "agent"}
        A rule, in whole units if demand comes in whole units, or the run's own agent.
    name : str
        Name of the rule, or of the agent's algorithm.
    values : dict
        The rule's tuned parameters.
    sentence : str
        The recommendation in plain words.
    figures : dict
        The figures that it rests on, for programs to read.
    """

    model_config = ConfigDict(strict=True)

    kind: Literal["rule", "agent"]
    name: Annotated[str, Field(max_length=100)]
    values: dict[str, float | Literal["inf"]]
    sentence: Annotated[str, Field(max_length=2000)]
    figures: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write it into a run's folder."""
        text = json.dumps(self.model_dump(), indent=1, allow_nan=False)
        run_files.write(folder / run_files.RECOMMENDATION, f"{text}\n".encode())

    def rule(self, parameters: Any) -> Policy:
        """Return the rule.

        Raises
        ------
        InputError
            If there is no such rule, or no search of it can yield these values.
        """
        return _rule(rules_in_units(parameters), parameters, self.name, self.values)

    @property
    def best_rule(self) -> str | None:
        """The rule recommended, or that an agent was chosen over; None for an earlier version."""
        return self.name if self.kind == "rule" else self.figures.get("rule")

    def rules(self, parameters: Any) -> dict[str, Policy]:
        """Return all rules that were tried, with tuned parameters; none for an earlier version.

        Raises
        ------
        InputError
            As `rule`.
        """
        known, kept = rules_in_units(parameters), self.figures.get("rules", {})
        return {name: _rule(known, parameters, name, values) for name, values in kept.items()}


def _rule(
    known: Mapping[str, Baseline], parameters: Any, name: str, values: Mapping[str, float | str]
) -> Policy:
    rule = known[choose("rule in the recommendation", name, known)]
    if not isinstance(rule, TunedRule):
        return rule.make(parameters, 0)
    family, numbers = rule.family(parameters), {k: float(value) for k, value in values.items()}
    if not family.admits(numbers):
        raise InputError(f"the recommendation has no values of {name}; make it again")
    return family.make(**numbers)


def read_recommendation(folder: Path) -> Recommendation | None:
    """Return the policy that a run orders by, None if it holds only an agent.

    Raises
    ------
    InputError
        If it was altered or is damaged.
    """
    path = folder / run_files.RECOMMENDATION
    if not run_files.exists(path):
        return None
    try:
        return Recommendation.model_validate_json(run_files.read(path, MAX_BYTES))
    except ValidationError:
        raise InputError(f"{path}: damaged; restore the run from a copy") from None


def recommended_rule(folder: Path) -> Recommendation | None:
    """Return the recommendation of a run that orders by a rule, None if it orders by an agent.

    Raises
    ------
    InputError
        As `read_recommendation`.
    """
    advice = read_recommendation(folder)
    return advice if advice is not None and advice.kind == "rule" else None
