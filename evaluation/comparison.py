"""Policies compared on the same traces, against a reference that no policy passes."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.policy import RANDOM, RULE, Policy, PolicyKind
from baselines.registry import make_random
from baselines.rollout import Observer, Progress, rollout
from baselines.solvers.reference import Reference
from common.errors import FrozenModel, InputError
from envs.batch import Trace
from envs.problems import Problem
from evaluation.estimators import estimator_for
from evaluation.savings import Business, Savings, business_of, savings_of
from evaluation.statistics import (
    Estimate,
    Estimator,
    plain_mean,
    share_better,
    worst_mean,
)

Values = NDArray[np.float64]
Totals = dict[str, Values]

AGENT_NAME = "agent"
"""What a single agent is called."""


@dataclass(frozen=True)
class PolicyResult:
    """What one policy earned.

    Attributes
    ----------
    kind : PolicyKind
        What it is.
    estimate : Estimate
        Expected return of an episode, with control variates where there are any.
    plain : Estimate
        The same as a plain mean of independent episodes.
    std : float
        Standard deviation of one episode's return.
    metrics : dict
        Means of the episodes' totals; ``fill_rate`` is summed first, units sold / units asked.
        Where the return is another total, the usual one is ``store_return``.
    gap : float or None
        ``(reference - return) / (reference - return of random)``.
    gap_ci95 : tuple of float, or None
        Its 95% interval, paired with random play, and in hindsight with the reference too.
    worst : float
        Mean return of the worst twentieth of the episodes (conditional value at risk).
    paired : dict
        By the other policy's name, the mean difference of the returns, this one's less its.
    better : dict
        By the other policy's name, the share of episodes that this one earns more in, ties half.
    totals : dict
        The totals of every episode, each of shape (episodes,); ``return`` among them.
    """

    kind: PolicyKind
    estimate: Estimate
    plain: Estimate
    std: float
    metrics: dict[str, float]
    gap: float | None
    gap_ci95: tuple[float, float] | None
    worst: float
    paired: dict[str, Estimate]
    better: dict[str, float]
    totals: Totals = field(repr=False, compare=False)

    @property
    def returns(self) -> Values:
        """The return of every episode, shape (episodes,)."""
        return self.totals["return"]

    def to_json(self) -> dict[str, Any]:
        """Return what `Comparison.to_json` says of a policy."""
        return {
            "kind": self.kind.role,
            "any_quantity": self.kind.any_quantity,
            "return_mean": self.estimate.mean,
            "return_se": self.estimate.se,
            "return_ci95": list(self.estimate.ci95),
            "gap": self.gap,
            "gap_ci95": None if self.gap_ci95 is None else list(self.gap_ci95),
            **self.metrics,
            "return_mean_plain": self.plain.mean,
            "return_se_plain": self.plain.se,
            "return_std": self.std,
            "return_worst_5_percent": self.worst,
            "paired": {
                other: {"difference": d.mean, "ci95": list(d.ci95), "better": self.better[other]}
                for other, d in self.paired.items()
            },
        }


@dataclass(frozen=True)
class Comparison:
    """Policies on the same episodes.

    Attributes
    ----------
    problem, episodes, seed : str, int, int
        What was played, how often, and on which traces.
    measure : str
        The total of an episode that the return stands for.
    reference : Reference or None
        The optimum or an upper bound.
    policies : dict
        Results by name, in the order given.
    control_variates : tuple of str
        The control variates that the means use; empty for plain means.
    notes : tuple of str
        What a reader of the intervals must know besides.
    business : Business or None
        How large the business is, where returns are its costs.
    savings : Savings or None
        What agents save against rules, where returns are money and demand is that of a file.
    """

    problem: str
    episodes: int
    seed: int
    measure: str
    reference: Reference | None
    policies: dict[str, PolicyResult]
    control_variates: tuple[str, ...]
    notes: tuple[str, ...] = ()
    business: Business | None = None
    savings: Savings | None = None

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """The names of the agents."""
        return tuple(n for n, result in self.policies.items() if result.kind.role == "agent")

    @cached_property
    def rival(self) -> str | None:
        """The rule that earns most, tuned or not, of those that order what is on offer."""
        rules = [name for name, result in self.policies.items() if result.kind.is_rival]
        return self._best(rules) if rules else None

    @property
    def first(self) -> str:
        """The policy that others are set against: the agent, or else the best."""
        return next(iter(self.agents), None) or self._best(self.policies)

    def _best(self, names: Iterable[str]) -> str:
        return max(names, key=lambda name: self.policies[name].estimate.mean)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as strictly valid JSON values: no NaN, no infinity, but null."""
        reference = self.reference
        values = {
            "problem": self.problem,
            "episodes": self.episodes,
            "seed": self.seed,
            "measure": self.measure,
            "rival": self.rival,
            "reference": reference
            and {"kind": reference.kind, "value": reference.value, "note": reference.note},
            "policies": {name: result.to_json() for name, result in self.policies.items()},
            "control_variates": list(self.control_variates),
            "notes": list(self.notes),
            **({} if self.savings is None else {"savings": self.savings.to_json()}),
        }
        return {name: _finite(value) for name, value in values.items()}


def compare(
    problem: Problem,
    parameters: FrozenModel,
    policies: Mapping[str, Policy],
    reference: Reference | Callable[[Trace], Reference] | None,
    *,
    episodes: int,
    seed: int,
    deterministic: bool = True,
    observe_step: bool = False,
    measure: str = "return",
    kinds: Mapping[str, PolicyKind] | None = None,
    observers: Mapping[str, Observer] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Play every policy on the same traces of the stream ``"evaluation"``.

    Parameters
    ----------
    problem, parameters : Problem, FrozenModel
        The problem to play.
    policies : mapping
        Policies by name. The random policy is added where it is missing: the gap needs it.
    reference : Reference, callable or None
        What to measure against, or a function of the traces that gives it.
    episodes, seed : int
        Number and seed of the traces.
    deterministic, observe_step : bool
        As in `baselines.rollout.rollout`, for all policies.
    measure : str
        Which total of an episode is its return: ``"return"``, or that of another tier of the
        supply chain, ``"warehouse_return"``, ``"supplier_return"`` or ``"system_return"``.
    kinds : mapping, optional
        What the policies are, by name; rules where it is not said.
    observers : mapping, optional
        What watches each policy, by its name; a default dictionary makes them.
    progress : callable, optional
        Called with the share that is done.

    Raises
    ------
    InputError
        If there are fewer than 2 episodes.
    """
    if episodes < 2:
        raise InputError(f"episodes = {episodes}: must be at least 2, to tell how far off they are")
    trace = problem.traces(parameters, "evaluation", seed, episodes)
    contenders = dict(policies)
    contenders.setdefault("random", make_random(problem.name, seed, measure))
    known = dict.fromkeys(contenders, RULE) | {"random": RANDOM, **(kinds or {})}
    totals: dict[str, Totals] = {}
    for name, policy in contenders.items():
        totals[name] = rollout(
            problem,
            parameters,
            policy,
            trace,
            deterministic=deterministic,
            observe_step=observe_step,
            observer=None if observers is None else observers[name],
            progress=_partial_progress(progress, len(totals), len(contenders)),
        )
    target = reference(trace) if callable(reference) else reference
    estimator, variates, notes = estimator_for(problem, parameters, trace)
    tuned = (n for n in policies if known[n].role == "tuned_rule" or known[n].any_quantity)
    notes += tuple(f"{name}: {policies[name]!r}" for name in tuned)
    by_measure = {n: _with_return(t, measure) for n, t in totals.items()}
    results = _results(by_measure, known, target, estimator)
    own = measure == "return"
    return Comparison(
        problem.name,
        len(next(iter(trace.values()))),
        seed,
        measure,
        target,
        results,
        variates,
        notes,
        business_of(parameters) if own else None,
        savings_of(parameters, results, estimator) if own else None,
    )


def _with_return(totals: Totals, measure: str) -> Totals:
    """Return the totals with `measure` as the return, and the usual return as one of the others."""
    if measure == "return":
        return totals
    rest = {name: values for name, values in totals.items() if name not in ("return", measure)}
    return {"return": totals[measure], "store_return": totals["return"], **rest}


def _partial_progress(progress: Progress | None, done: int, of: int) -> Progress | None:
    """Turn the share of one policy's episodes into the share of all."""
    return progress and (lambda share: progress((done + share) / of))


def _results(
    totals: Mapping[str, Totals],
    kinds: Mapping[str, PolicyKind],
    reference: Reference | None,
    estimator: Estimator,
) -> dict[str, PolicyResult]:
    returns = {name: values["return"] for name, values in totals.items()}
    estimates = {name: estimator(values) for name, values in returns.items()}
    worst = estimates["random"].mean
    gaps = {
        name: None if reference is None else gap(reference.value, estimates[name].mean, worst)
        for name in returns
    }
    return {
        name: PolicyResult(
            kind=kinds[name],
            estimate=estimates[name],
            plain=plain_mean(values),
            std=float(values.std(ddof=1)),
            metrics=mean_metrics(totals[name]),
            gap=gaps[name],
            gap_ci95=gap_interval(reference, gaps[name], values, returns["random"], estimator),
            worst=worst_mean(values),
            better={o: share_better(values, r) for o, r in returns.items() if o != name},
            totals=totals[name],
            paired={
                other: estimator(values - theirs)
                for other, theirs in returns.items()
                if other != name
            },
        )
        for name, values in returns.items()
    }


def gap(reference: float, value: float, random: float) -> float | None:
    """Return ``(reference - value) / (reference - random)``, or None if that has no meaning.

    Examples
    --------
    >>> gap(10.0, 9.0, 0.0)
    0.1
    """
    room = reference - random
    if room == 0 or not math.isfinite(room):
        return None
    return (reference - value) / room


def gap_interval(
    reference: Reference | None,
    share: float | None,
    returns: Values,
    random: Values,
    estimator: Estimator,
) -> tuple[float, float] | None:
    """Return the 95% interval of a gap, a ratio of means, linearised.

    Parameters
    ----------
    reference, share : Reference, float
        What was measured against, and the gap; without either the result is None.
    returns, random : ndarray
        Of the policy and of random play, shape (episodes,).
    estimator : callable
        From values of shape (episodes,) to their mean.

    References
    ----------
    Cochran (1977), Sampling Techniques, 3rd ed., chapter 6.
    """
    if reference is None or share is None:
        return None
    best = reference.value if reference.values is None else reference.values
    room = reference.value - estimator(random).mean
    half = estimator((best - returns) - share * (best - random)).half_width / abs(room)
    return share - half, share + half


def mean_metrics(totals: Totals) -> dict[str, float]:
    """Return the mean of every total but the return; the fill rate is summed first."""
    means = {name: float(values.mean()) for name, values in totals.items() if name != "return"}
    if {"fill_rate", "units_sold", "unmet_demand"} <= set(means):
        asked = means["units_sold"] + means["unmet_demand"]
        means["fill_rate"] = means["units_sold"] / asked if asked > 0 else 1.0
    return means


def _finite(value: Any) -> Any:
    """Return JSON values with None for what JSON has no number for."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
