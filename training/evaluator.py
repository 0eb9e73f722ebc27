"""Scores on validation traces, and which model is kept by them.

Deep controlled learning is compared with the rule that it begins with, too.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.config import RunConfig
from agents.dcl.algorithm import DCL
from agents.dcl.offset_fit import Evidence
from agents.dcl.rollouts import player_of
from agents.settings import RunSettings
from baselines.multi_agent import TeamPolicy
from baselines.policy import Policy
from baselines.references import find_reference
from baselines.registry import make_random
from baselines.rollout import run_episodes
from common.random_streams import Split
from envs.batch import Trace
from evaluation.statistics import plain_mean
from training.callbacks import BestModel, Score, Scored
from training.learners.build import Learners
from training.state_checks import check_number
from wrappers.vec_env import batch_of


class Evaluator:
    """Scores policies on a run's validation traces, the same ones each time.

    The gap is ``(reference - policy) / (reference - random)`` with all three means taken on
    these traces, the reference being the optimal policy's or, where that is unknown, a bound's.
    With `split` the traces are others, such as those of tuning.
    """

    def __init__(self, config: RunConfig, split: Split = "validation") -> None:
        self._config, self._measure, self._split = config, config.measure, split
        problem, episodes = config.problem, config.settings.evaluation.episodes
        self.trace: Trace = problem.traces(config.parameters, split, config.settings.seed, episodes)
        self.reference = self.random = math.nan
        measure = find_reference(problem.name, config.parameters, self._measure)
        best = measure.policy
        if best is not None:
            self.reference = float(self._returns(best).mean())
        elif measure.reference is not None and self._measure == "return":
            self.reference = measure.reference(self.trace).value
        if math.isfinite(self.reference):
            random = make_random(problem.name, measure=self._measure)
            self.random = float(self._returns(random).mean())

    def _returns(self, policy: Policy) -> NDArray[np.float64]:
        batch = self._config.problem.make_batch(
            self._config.parameters,
            self._config.settings.evaluation.episodes,
            split=self._split,
            observe_step=self._config.settings.observation.step,
        )
        policy.bind(batch)
        return run_episodes(batch, policy, self.trace)[self._measure]

    def score(self, policy: Policy) -> Score:
        """Return the policy's mean return, its gap, and the return of each episode."""
        returns = self._returns(policy)
        value = float(returns.mean())
        gap = (self.reference - value) / self._span if self.knows_gaps else None
        return Score(value, gap, returns)

    @property
    def knows_gaps(self) -> bool:
        """Whether there is an optimum or a bound to measure gaps by."""
        return self._span > 0 and math.isfinite(self._span)

    @property
    def _span(self) -> float:
        return self.reference - self.random


@dataclass(frozen=True)
class Lead:
    """By how much a generation does better than the rule, on the same traces.

    Attributes
    ----------
    generation : int
        Which one.
    mean, half_width : float
        Mean paired difference, and half of its 95% interval.
    """

    generation: int
    mean: float
    half_width: float

    @property
    def interval(self) -> list[float]:
        """Its two ends."""
        return [self.mean - self.half_width, self.mean + self.half_width]


class BestGeneration(BestModel):
    """Keep the best generation, and know how it compares with the rule that learning begins with.

    Parameters
    ----------
    judge : callable
        Scores a policy on the validation traces.
    beside : callable
        From the rule to the policy that plays it for the learner.
    *others, **more
        As for `BestModel`.
    """

    def __init__(
        self,
        judge: Callable[[Policy], Score],
        beside: Callable[[Policy], Policy],
        *others: Any,
        **more: Any,
    ) -> None:
        super().__init__(*others, **more)
        self._judge, self._beside = judge, beside
        self.rule: tuple[str, Score] | None = None
        self.kept: Lead | None = None
        self.evidence: Evidence | None = None
        self.progress = ""

    def _on_training_start(self) -> None:
        super()._on_training_start()
        assert isinstance(self.model, DCL)  # noqa: S101  (narrows SB3's type)
        if self.rule is None and self.model.generation <= 1:
            rule = self.model.starting_rule()
            if rule is not None:
                self.rule = repr(rule), self._judge(self._beside(rule))

    def _is_better(self, score: Score, best: Score) -> bool:
        """Keep the last generation of offsets: blocks of the calendar have judged them.

        The selection period is short, and by its chance it would undo what many months say.
        """
        assert isinstance(self.model, DCL)  # noqa: S101  (narrows SB3's type)
        return self.model.evidence is not None or super()._is_better(score, best)

    def _record(self, score: Score) -> None:
        super()._record(score)
        assert isinstance(self.model, DCL)  # noqa: S101  (narrows SB3's type)
        self.evidence = self.model.evidence or self.evidence
        log, generation = self.logger, self.model.generation - 1
        self._tell(generation, score)
        log.record("dcl/return", score.value)
        if score.gap is not None:
            log.record("dcl/gap", score.gap)
        if self.rule is None:
            return
        rule = self.rule[1]
        apart = plain_mean(score.returns - rule.returns)
        if self.best is score:
            self.kept = Lead(generation, apart.mean, apart.half_width)
        log.record("dcl/rule_return", rule.value)
        log.record("dcl/minus_rule", apart.mean)
        if self.kept is not None:
            log.record("dcl/kept_generation", self.kept.generation)

    def _tell(self, generation: int, score: Score) -> None:
        """Note what the progress bar shows, before the log is written and emptied."""
        values = self.logger.name_to_value
        if "dcl/certain" in values:
            speed, certain = values["dcl/steps_per_second"] / 1e6, values["dcl/certain"]
            self.progress = f"gen {generation} {speed:.1f}M/s {certain:.0%} sure {score.value:,.1f}"

    def state(self) -> dict[str, Any]:
        """Return what `BestModel` does, and how the rule did."""
        rule, kept, found = self.rule, self.kept, self.evidence
        return {
            **super().state(),
            "evidence": found and (found.saved, found.t, found.blocks, found.least),
            "rule": rule and (rule[0], rule[1].value, rule[1].gap, rule[1].returns),
            "kept": kept and (kept.generation, kept.mean, kept.half_width),
        }

    def load_state(self, state: dict[str, Any], seconds: float) -> None:
        """Load what `state` returned, `seconds` of training having passed before."""
        super().load_state(state, seconds)
        _check_state(state)
        if state["rule"] is not None:
            name, *score = state["rule"]
            self.rule = name, Score(*score)
        self.kept = state["kept"] and Lead(*state["kept"])
        self.evidence = state["evidence"] and Evidence(*state["evidence"])

    def facts(self) -> dict[str, Any]:
        """Return how the rule did on the validation traces, and what is kept."""
        if self.rule is None or self.kept is None:
            return {}
        name, score = self.rule
        facts = {
            "rule": name,
            "rule_return": score.value,
            "rule_gap": score.gap,
            "kept_generation": self.kept.generation,
            "kept_minus_rule": self.kept.mean,
            "interval": self.kept.interval,
            "reaches_rule": self.kept.interval[1] >= 0.0,
        }
        found = self.evidence
        if found is None:
            return {"starting_rule": facts}
        return {"starting_rule": facts, "offsets": {"used": found.used, **asdict(found)}}

    @property
    def verdict(self) -> str:
        """What the run says of the rule in the end, in a line or two."""
        if self.rule is None or self.kept is None:
            return ""
        (name, score), kept = self.rule, self.kept
        low, high = kept.interval
        gap = "" if score.gap is None else f", gap {score.gap:.3%}"
        lines = (
            f"the rule it begins with, {name}: {score.value:,.2f}{gap}\n"
            f"kept: generation {kept.generation}, minus the rule {kept.mean:+z.4f} "
            f"[{low:+.4f}, {high:+.4f}]"
        )
        if self.evidence is not None:
            lines = f"{lines}\n{self.evidence.sentence}"
        if high >= 0.0:
            return lines
        return (
            f"{lines}\nno generation reaches the rule, which is better by {-kept.mean:.4f}; "
            "use it: python tune.py --checkpoint {folder} --baseline all"
        )


def _check_state(state: dict[str, Any]) -> None:
    """Refuse a checkpoint whose rule or lead is not as `BestGeneration.state` returns it."""
    if state["evidence"] is not None:
        saved, t, blocks, least = state["evidence"]
        check_number(blocks, "blocks of the calendar", 0)
        for number in (saved, t, least):
            check_number(number, "evidence", -math.inf, math.inf, whole=False)
    if state["kept"] is not None:
        generation, *lead = state["kept"]
        check_number(generation, "the kept generation", 0)
        for number in lead:
            check_number(number, "a lead", -math.inf, math.inf, whole=False)
    if state["rule"] is not None:
        name, value, gap, returns = state["rule"]
        for number in (value, *(() if gap is None else (gap,))):
            check_number(number, "the rule's score", -math.inf, math.inf, whole=False)
        if not (isinstance(name, str) and isinstance(returns, np.ndarray) and returns.ndim == 1):
            raise ValueError("the rule's returns are not a row of numbers")


def best_keeper(
    learners: Learners,
    evaluator: Evaluator,
    save: Callable[[], None],
    settings: RunSettings,
    scored: Scored | None = None,
) -> BestModel:
    """Return what keeps the best model of a run.

    Parameters
    ----------
    learners : Learners
        Who learns and who plays.
    evaluator : Evaluator
        Scores policies on validation traces.
    save : callable
        Saves the present models as the best.
    settings : RunSettings
        How often to evaluate, and when to stop.
    scored : callable, optional
        As `BestModel` has it.
    """
    s = settings
    how = (
        lambda: evaluator.score(learners.policy),
        save,
        s.evaluation.every,
        s.stop.gap,
        s.stop.step,
        scored,
    )
    if len(learners.learners) > 1 or not isinstance(learners.learners[0].model, DCL):
        return BestModel(*how)
    return BestGeneration(evaluator.score, lambda rule: _playing(learners, rule), *how)


def _playing(learners: Learners, rule: Policy) -> Policy:
    """Return the policy of a run with the rule in place of its only learner."""
    (learner,), team = learners.learners, learners.policy
    if not isinstance(team, TeamPolicy):
        return rule
    own = player_of(rule, batch_of(learner.env))
    return TeamPolicy({**team.players, learner.player: own}, team.joint)
