"""The rule that learning begins with: the best of the tuned ones, or a solved programme."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.policy import Policy
from baselines.registry import SOLVED, Baseline, baselines_of, make_baselines
from baselines.rollout import rollout
from baselines.rule_choice import Difference
from baselines.tuned_rules import TunedRule, tune_rule
from baselines.tuning import TUNING_SEED
from envs.problems import Problem

FRESH_EPISODES = 2000
"""Episodes on which a solved rule is compared with the best of the tuned ones."""


def candidates(problem: Problem, parameters: Any, measure: str) -> dict[str, TunedRule]:
    """Return the rules that may be the best: only textbook rules if orders are in units.

    Rules that order quantities not on offer are left out: no agent can follow them.
    """
    known: dict[str, Baseline] = dict(baselines_of(problem.name, parameters, measure))
    textbook = [name for name in _textbook_rules(parameters) if name in known]
    known = {name: known[name] for name in textbook} or known
    return {
        name: rule
        for name, rule in known.items()
        if isinstance(rule, TunedRule) and not rule.kind.any_quantity
    }


def best_starting_rule(problem: Problem, parameters: Any, measure: str = "return") -> Policy | None:
    """Return the rule that does best on the tuning traces, None if there is none to tune.

    A rule that follows a solved programme is preferred unless it earns less than the tuned one on
    other traces, by more than one standard error.

    Parameters
    ----------
    problem, parameters : Problem, FrozenModel
        The problem to control.
    measure : str
        The total of an episode to maximise.
    """
    tuned = [
        tune_rule(problem, parameters, name, rule)
        for name, rule in candidates(problem, parameters, measure).items()
    ]
    if not tuned:
        return None
    best = max(tuned, key=lambda one: one.score).policy
    known = baselines_of(problem.name, parameters, measure)
    solved = make_baselines(problem.name, parameters, sorted(SOLVED & set(known)))
    if not solved:
        return best
    trace = problem.traces(parameters, "tuning", TUNING_SEED, FRESH_EPISODES, chunk=1)

    def play(policy: Policy) -> NDArray[np.float64]:
        return rollout(problem, parameters, policy, trace)[measure]

    earned = play(best)
    for policy in solved.values():
        if Difference.of(earned - play(policy), np.ones(earned.size, np.int64)).is_chance:
            return policy
    return best


def _textbook_rules(parameters: Any) -> tuple[str, ...]:
    """Return the policies worth tuning: capped base stock, and (s, S) with a fixed cost.

    The plain base stock is a capped one whose cap is large.
    """
    lanes = parameters.lanes() if hasattr(parameters, "lanes") else ()
    fixed = any(lane.store.fixed_cost > 0 for lane in lanes)
    return ("tuned_capped_level", "tuned_reorder_level") if fixed else ("tuned_capped_level",)
