"""Episodes watched step by step: what the return is made of, and what stocks and orders did."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from baselines.policy import Policy
from envs.batch import Batch, Outcome, Trace
from envs.problems import Problem

Floats = NDArray[np.float64]
WATCHED = 300
"""Episodes whose steps are kept; the parts of the return are those of all that are played."""


@dataclass(frozen=True)
class EpisodeRecord:
    """What was seen of one policy.

    Attributes
    ----------
    parts : dict
        By whose return it is and part, the mean over the episodes; they add up to the return.
    steps : dict
        By name, what stood or happened in every step of the kept episodes, shape
        (steps, episodes) or (steps, episodes, stores); NaN after an episode's end.
    """

    parts: dict[str, dict[str, float]]
    steps: dict[str, Floats]


class Look(Protocol):
    """Takes note of a batch before and after every step."""

    def before(self, actions: NDArray[Any]) -> None:
        """Look at the worlds as the policy saw them, and at what it does."""

    def after(self, outcome: Outcome, running: NDArray[np.bool_]) -> None:
        """Look at the worlds after the step; `running` were in their first episode."""

    def seen(self) -> EpisodeRecord:
        """Return what was seen."""


def record_episodes(
    problem: Problem,
    parameters: Any,
    policy: Policy,
    trace: Trace,
    look_at: Callable[[Batch], Look],
    *,
    observe_step: bool,
    deterministic: bool = True,
) -> EpisodeRecord:
    """Play one episode per row of `trace` and watch it with `look_at`; all else as in `rollout`."""
    worlds = len(next(iter(trace.values())))
    batch = problem.make_batch(parameters, worlds, split="evaluation", observe_step=observe_step)
    policy.bind(batch)
    batch.reset(trace)
    look = look_at(batch)
    ended, start = np.zeros(worlds, np.bool_), np.ones(worlds, np.bool_)
    memory: Any = None
    while not ended.all():
        actions, memory = policy.predict(batch.observation(), memory, start, deterministic)
        look.before(np.asarray(actions))
        outcome = batch.step(np.asarray(actions))
        look.after(outcome, ~ended)
        start = outcome.terminated | outcome.truncated
        ended |= start
        if start.any() and not ended.all():
            batch.restart(np.flatnonzero(start))
    return look.seen()


class StepColumns:
    """Steps of the kept episodes, put together by name."""

    def __init__(self, worlds: int) -> None:
        self._kept = min(worlds, WATCHED)
        self._columns: dict[str, list[Floats]] = {}

    def note(self, running: NDArray[np.bool_], **columns: NDArray[Any]) -> None:
        """Add a step of the worlds that are `running`; columns have worlds as their first axis."""
        for name, values in columns.items():
            kept = values[: self._kept].astype(np.float64)
            kept[~running[: self._kept]] = np.nan
            kept[np.isinf(kept)] = np.nan  # a warehouse that is never short
            self._columns.setdefault(name, []).append(kept)

    def stacked(self) -> dict[str, Floats]:
        """Return the columns by name, steps as their first axis."""
        return {name: np.stack(values) for name, values in self._columns.items()}


class PlainLook:
    """Any problem: rewards, and actions where each world takes one."""

    def __init__(self, batch: Batch) -> None:
        self._batch, self._steps = batch, StepColumns(batch.num_worlds)

    def before(self, actions: NDArray[Any]) -> None:
        """Take note of the actions."""
        self._actions = actions.copy()

    def after(self, outcome: Outcome, running: NDArray[np.bool_]) -> None:
        """Take note of the rewards, of several agents their sum."""
        reward = outcome.reward.reshape(self._batch.num_worlds, -1).sum(axis=1)
        self._steps.note(running, action=self._actions, reward=reward)

    def seen(self) -> EpisodeRecord:
        """Return the steps; nothing is known of what the return is made of."""
        return EpisodeRecord({}, self._steps.stacked())
