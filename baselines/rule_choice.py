"""The rule that offsets are relative to: a file's best, chosen before its evaluation days."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.multi_agent import TeamPolicy
from baselines.registry import Baseline, baselines_of, count_tuned, installed
from baselines.rollout import rollout
from baselines.rules.reference import reference_team
from baselines.rules.stock_rule import StoreRule
from baselines.tuned_rules import TunedRule, tune_rule
from common.errors import InputError, choose
from common.random_streams import Split
from demand.dates import BLOCKS
from envs.problems import PROBLEMS, Problem

CHOICE_EPISODES = 1000
CHOICE_SEED = 5
"""Seed of the episodes by which rules are chosen; tuning has others."""


@dataclass(frozen=True, eq=False)
class ChosenRule:
    """A rule by name, with the parameters that it was tuned to, if it has any."""

    name: str
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """A mean difference of costs, per day or episode, and its standard error [money]."""

    mean: float
    standard_error: float

    @classmethod
    def of(cls, sums: NDArray[np.float64], days: NDArray[np.int64]) -> "Difference":
        """Return it from blocks' sums and numbers of days or episodes, shape (blocks,) each."""
        mean, blocks = float(sums.sum() / days.sum()), sums.size
        if blocks < 2:
            return cls(mean, 0.0)
        around = np.square(sums - mean * days).sum() * blocks / (blocks - 1)
        return cls(mean, float(np.sqrt(around) / days.sum()))

    @property
    def is_chance(self) -> bool:
        """Whether it is no larger than one standard error."""
        return self.mean <= self.standard_error


def offset_rules(problem: Problem, parameters: Any) -> dict[str, Baseline]:
    """Return the rules that offsets can be relative to: those that order what is on offer."""
    known = baselines_of(problem.name, parameters)
    return {name: one for name, one in known.items() if one.kind.is_rival}


def best_rule(problem: Problem, parameters: Any, name: str | None = None) -> ChosenRule:
    """Return the rule to begin with, or the one named, tuned if it can be.

    Rules are compared on the actual days of training and of selection. Tuned rules have seen those
    of training, so among the rules within one standard error of the cheapest, over blocks of the
    calendar, the one with the fewest tuned parameters is chosen.

    Parameters
    ----------
    problem, parameters : Problem, SupplyChainParameters
        The problem to control, with demand of a file.
    name : str, optional
        Name of the rule, if it has already been chosen.

    Raises
    ------
    InputError
        If there is no rule of that name, or demand does not come from a file.
    """
    if parameters.demand_data is None:
        raise InputError(
            "store.action = offset: is to the level of a rule for demand of a file; name one with "
            "--demand, or set store.action=quantity"
        )
    if name is not None:
        return _tuned(
            problem.name, parameters, choose("offset.rule", name, offset_rules(problem, parameters))
        )
    return _best_rule(problem.name, parameters)


@lru_cache(maxsize=64)
def _tuned(problem_name: str, parameters: Any, name: str) -> ChosenRule:
    problem = PROBLEMS[problem_name]
    one = offset_rules(problem, parameters)[name]
    if not isinstance(one, TunedRule):
        return ChosenRule(name)
    return ChosenRule(name, tune_rule(problem, parameters, name, one).values)


@lru_cache(maxsize=8)
def _best_rule(problem_name: str, parameters: Any) -> ChosenRule:
    problem = PROBLEMS[problem_name]
    periods: tuple[Split, ...] = ("tuning", "validation")
    days = [len(parameters.played_days(period)) for period in periods]
    episodes = [max(1, round(CHOICE_EPISODES * count / sum(days))) for count in days]
    traces = [
        problem.traces(parameters, period, CHOICE_SEED, count)
        for period, count in zip(periods, episodes, strict=True)
    ]
    start = np.concatenate([trace["start"].reshape(-1) for trace in traces])
    block = start // BLOCKS[parameters.history.table.period]
    costs: dict[ChosenRule, NDArray[np.float64]] = {}
    for name in installed(offset_rules(problem, parameters)):
        one = _tuned(problem_name, parameters, name)
        policy = reference_team(store=named_rule(problem, parameters, one.name, one.values))
        played = [rollout(problem, parameters, policy, trace)["return"] for trace in traces]
        costs[one] = -np.concatenate(played)
    best = min(costs, key=lambda one: costs[one].mean())
    _, at, count = np.unique(block, return_inverse=True, return_counts=True)
    near = [
        one
        for one, cost in costs.items()
        if Difference.of(_sums(at, cost - costs[best]), count).is_chance
    ]
    return min(near, key=lambda one: (count_tuned(one.values), costs[one].mean()))


def _sums(at: NDArray[np.intp], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of the values of each block; `at` holds the block of each value."""
    return np.bincount(at, values).astype(np.float64)


def tuned_values(problem: Problem, parameters: Any, name: str, setting: str) -> dict[str, float]:
    """Return the parameters that tuning finds for a rule by name; empty if it has none.

    Raises
    ------
    InputError
        If there is no such rule; `setting` is the setting that names it, for the message.
    """
    known = offset_rules(problem, parameters)
    one = known[choose(f"{setting}.rule", name, known)]
    return tune_rule(problem, parameters, name, one).values if isinstance(one, TunedRule) else {}


def named_rule(
    problem: Problem,
    parameters: Any,
    name: str,
    values: Mapping[str, float],
    setting: str = "offset",
) -> StoreRule:
    """Return the stores' part of a rule by name, with these parameters if it has any.

    Parameters
    ----------
    problem, parameters : Problem, SupplyChainParameters
        The problem to control.
    name, values : str, mapping
        The rule's name and parameters.
    setting : str
        The setting that names it, for messages.

    Raises
    ------
    InputError
        If there is no such rule, or tuning cannot yield these parameters.
    """
    known = offset_rules(problem, parameters)
    one = known[choose(f"{setting}.rule", name, known)]
    if isinstance(one, TunedRule):
        family = one.family(parameters)
        if not family.admits(values):
            raise InputError(
                f"{setting}.values = {dict(values)}: no tuning of {name} comes to these; leave "
                "them out, and the rule is tuned when training begins"
            )
        team = family.make(**values)
    elif values:
        raise InputError(f"{setting}.values: {name} has no parameters; leave them out")
    else:
        team = one.make(parameters, 0)
    rule = team.players["store"] if isinstance(team, TeamPolicy) else team
    if not isinstance(rule, StoreRule):
        raise InputError(f"{setting}.rule = {name}: has no order-up-to level")
    return rule
