"""Scores on a run's validation traces."""

import math

import numpy as np
from numpy.typing import NDArray

from agents.config import RunConfig
from baselines.policy import Policy
from baselines.references import find_reference
from baselines.registry import make_random
from baselines.rollout import run_episodes
from envs.batch import Trace
from training.callbacks import Score


class Evaluator:
    """Scores policies on a run's validation traces, the same ones each time.

    The gap is ``(reference - policy) / (reference - random)`` with all three means taken on
    these traces, the reference being the optimal policy's or, where that is unknown, a bound's.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config, self._measure = config, config.measure
        problem, episodes = config.problem, config.settings.evaluation.episodes
        self.trace: Trace = problem.traces(
            config.parameters, "validation", config.settings.seed, episodes
        )
        self.reference = self.random = math.nan
        measure = find_reference(problem.name, config.parameters)
        best = measure.policy
        if best is not None:
            self.reference = float(self._returns(best).mean())
        elif measure.reference is not None and self._measure == "return":
            self.reference = measure.reference(self.trace).value
        if math.isfinite(self.reference):
            self.random = float(self._returns(make_random(problem.name)).mean())

    def _returns(self, policy: Policy) -> NDArray[np.float64]:
        batch = self._config.problem.make_batch(
            self._config.parameters,
            self._config.settings.evaluation.episodes,
            split="validation",
            observe_step=self._config.settings.observation.step,
        )
        policy.bind(batch)
        return run_episodes(batch, policy, self.trace)[self._measure]

    def score(self, policy: Policy) -> Score:
        """Return the policy's mean return and its gap."""
        value = float(self._returns(policy).mean())
        span = self.reference - self.random
        gap = (self.reference - value) / span if span > 0 and math.isfinite(span) else None
        return Score(value, gap)
