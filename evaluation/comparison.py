"""Policies compared on the same traces, against a reference that no policy exceeds."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.chunks import Play, Totals, check_episodes
from baselines.policy import RANDOM, RULE, Policy, PolicyKind
from baselines.registry import make_random
from baselines.rollout import Observer, Progress
from baselines.solvers.reference import Reference
from common.errors import FrozenModel, InputError
from common.shards import HERE, Workers
from envs.batch import Trace
from envs.problems import Problem
from evaluation.estimators import covariate_names, estimator_for
from evaluation.merging.samples import HeldEpisodes, Sample, Summary, merge_chunks, with_return
from evaluation.savings import Business, Savings, business_of, savings_of
from evaluation.statistics import Estimate, plain_mean

Values = NDArray[np.float64]

AGENT_NAME, RECOMMENDED, ACTUAL_ORDERS = "agent", "recommended", "actual_orders"
"""Names of a single agent, and of a recommended rule."""
SAMPLED = "The agent's actions are sampled (--stochastic), not its best ones."
"""A note on agents that sample: their return differs from the one that runs are judged by."""
NOTHING_SAMPLED = "--stochastic changes nothing: {} has no chances of actions, only a best."


@dataclass(frozen=True)
class PolicyResult:
    """The result of one policy.

    Attributes
    ----------
    kind : PolicyKind
        Kind of the policy.
    estimate : Estimate
        Expected return of an episode, with control variates where there are any.
    plain : Estimate
        The same as a plain mean of independent episodes.
    std : float
        Standard deviation of one episode's return.
    metrics : dict
        Means of the episodes' totals; ``fill_rate`` is a ratio of sums, units sold / units asked.
        If the return is another tier's total, ``store_return`` is the usual one.
    gap : float or None
        ``(reference - return) / (reference - return of random)``.
    gap_ci95 : tuple of float, or None
        Its 95% interval, paired with random play, and with the reference if that is in hindsight.
    worst : float
        Mean return of the worst twentieth of the episodes (conditional value at risk).
    paired : dict
        By the other policy's name, the mean difference of the returns, this policy's minus its.
    better : dict
        By the other policy's name, the share of episodes in which this one earns more; ties count
        half.
    totals : dict
        The totals of every episode, each of shape (episodes,), including ``return``. Empty if there
        are so many episodes that chunks of them were merged.
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
        """Return the policy's part of `Comparison.to_json`."""
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
        Name of the problem, number of episodes, and seed of the traces.
    measure : str
        The total of an episode that counts as its return.
    reference : Reference or None
        The optimum or an upper bound.
    policies : dict
        Results by name, in the order given.
    control_variates : tuple of str
        The control variates that the means use; empty for plain means.
    notes : tuple of str
        Further notes that a reader of the intervals must know.
    business : Business or None
        Size of the business, where returns are its costs.
    savings : Savings or None
        What agents save against rules, where returns are money and demand comes from a file.
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
        """The rule that earns most, tuned or not, among those that order quantities on offer."""
        rules = [name for name, result in self.policies.items() if result.kind.is_rival]
        return self._best(rules) if rules else None

    @property
    def first(self) -> str:
        """The policy that others are compared with: the agent, or else the best."""
        return next(iter(self.agents), None) or self._best(self.policies)

    def _best(self, names: Iterable[str]) -> str:
        return max(names, key=lambda name: self.policies[name].estimate.mean)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as strictly valid JSON values: null in place of NaN or infinity."""
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
    workers: Workers = HERE,
    hold: bool = False,
) -> Comparison:
    """Play every policy on the same traces of the stream ``"evaluation"``.

    More than `baselines.rollout.CHUNK` episodes are played in chunks, each with a stream of its
    own, so that memory does not grow; the first chunk is the same as if it were played alone.

    Parameters
    ----------
    problem, parameters : Problem, FrozenModel
        The problem to play.
    policies : mapping
        Policies by name. The random policy is added if missing, as the gap needs it.
    reference : Reference, callable or None
        The reference of the gap, or a function of the traces that returns it.
    episodes, seed : int
        Number and seed of the traces.
    deterministic, observe_step : bool
        As in `baselines.rollout.rollout`, for all policies.
    measure : str
        Which total of an episode is its return: ``"return"``, or that of another tier of the
        supply chain, ``"warehouse_return"``, ``"supplier_return"`` or ``"system_return"``.
    kinds : mapping, optional
        Kinds of the policies, by name; rules where not given.
    observers : mapping, optional
        Observers of the policies, by name; a default dictionary makes them. They see the first
        chunk only.
    progress : callable, optional
        Called with the share that is done.
    workers : Workers
        The processes that play the chunks; results do not depend on them.
    hold : bool
        Keep every episode's totals even when played in chunks.

    Raises
    ------
    InputError
        If there are fewer than 2 episodes, or more than may be held in memory.
    """
    if episodes < 2:
        raise InputError(f"episodes = {episodes}: must be at least 2, to tell how far off they are")
    check_episodes(parameters, episodes, hold=hold)
    contenders = dict(policies)
    contenders.setdefault("random", make_random(problem.name, seed, measure))
    known = dict.fromkeys(contenders, RULE) | {"random": RANDOM, **(kinds or {})}
    play = Play(problem, parameters, contenders, episodes, seed, deterministic, observe_step)
    trace = play.trace()
    report = progress if progress is not None and play.chunks == 1 else lambda _share: None
    totals = play.totals(trace, 0, observers, report)
    target = reference(trace) if callable(reference) else reference
    estimator, variates, notes = estimator_for(problem, parameters, trace)
    sample: Sample
    if play.chunks == 1:
        by_measure = {n: with_return(t, measure) for n, t in totals.items()}
        sample = HeldEpisodes(by_measure, target, estimator)
    else:
        known_after = callable(reference) and target is not None and target.kind == "hindsight"
        hindsight = reference if known_after and callable(reference) else None
        paired = target is not None and target.values is not None
        summary = Summary(play, measure, hindsight, paired, hold)
        first = summary.part(trace, totals, target if known_after else None)
        del trace, totals
        sample = merge_chunks(summary, first, target, workers, progress)
        variates = covariate_names(problem, sample.usable)
    tuned = (n for n in policies if known[n].role == "tuned_rule" or known[n].any_quantity)
    notes += tuple(f"{name}: {policies[name]!r}" for name in tuned)
    results = _results(sample, known)
    own = measure == "return"
    return Comparison(
        problem.name,
        sample.episodes,
        seed,
        measure,
        sample.reference,
        results,
        variates,
        notes,
        business_of(parameters) if own else None,
        savings_of(parameters, results, estimator) if own else None,
    )


def _results(sample: Sample, kinds: Mapping[str, PolicyKind]) -> dict[str, PolicyResult]:
    reference = sample.reference
    estimates = {name: sample.estimate(sample.returns(name)) for name in sample.names}
    worst = estimates["random"].mean
    gaps = {
        name: None if reference is None else gap(reference.value, estimate.mean, worst)
        for name, estimate in estimates.items()
    }
    results = {}
    for name in sample.names:
        values, others = sample.returns(name), [other for other in sample.names if other != name]
        results[name] = PolicyResult(
            kind=kinds[name],
            estimate=estimates[name],
            plain=plain_mean(values),
            std=float(values.std(ddof=1)),
            metrics=mean_metrics(sample.means(name)),
            gap=gaps[name],
            gap_ci95=gap_interval(sample, name, gaps[name]),
            worst=sample.worst(name),
            better={other: sample.better(name, other) for other in others},
            totals=sample.totals(name),
            paired={other: sample.estimate(values - sample.returns(other)) for other in others},
        )
    return results


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


def gap_interval(sample: Sample, name: str, share: float | None) -> tuple[float, float] | None:
    """Return the 95% interval of a policy's gap, a ratio of means, linearised.

    Parameters
    ----------
    sample : Sample
        The episodes, random play's among them.
    name : str
        The policy.
    share : float or None
        The gap; without it, or a reference, the result is None.

    References
    ----------
    Cochran (1977), Sampling Techniques, 3rd ed., chapter 6.
    """
    reference = sample.reference
    if reference is None or share is None:
        return None
    best, random = sample.hindsight(), sample.returns("random")
    room = reference.value - sample.estimate(random).mean
    apart = (best - sample.returns(name)) - share * (best - random)
    half = sample.estimate(apart).half_width / abs(room)
    return share - half, share + half


def mean_metrics(means: Mapping[str, float]) -> dict[str, float]:
    """Return the means of all totals but the return; the fill rate is a ratio of sums."""
    metrics = {name: value for name, value in means.items() if name != "return"}
    if {"fill_rate", "units_sold", "unmet_demand"} <= set(metrics):
        asked = metrics["units_sold"] + metrics["unmet_demand"]
        metrics["fill_rate"] = metrics["units_sold"] / asked if asked > 0 else 1.0
    return metrics


def _finite(value: Any) -> Any:
    """Return JSON values with None for NaN and infinities."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
