"""Roll-outs of a policy: the only loop over steps, and observers of it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.policy import Policy, is_blind
from common.errors import FrozenModel
from envs.batch import Batch, Outcome, Trace
from envs.problems import Problem


class Observer:
    """Watches episodes step by step; methods that an observer does not need do nothing."""

    @property
    def stops(self) -> bool:
        """Whether the episodes end here, before the next action is chosen."""
        return False

    def start(self, batch: Batch) -> None:
        """Look at the worlds before the first step."""

    def before_step(self, observation: Any, actions: NDArray[Any]) -> None:
        """Look at the policy's observation (None if it needs none) and at its actions."""

    def after_step(self, outcome: Outcome, running: NDArray[np.bool_]) -> None:
        """Look at the worlds after the step; `running` were in their first episode."""

    def finish(self) -> None:
        """Look at the worlds after the last step."""


def run_episodes(
    batch: Batch,
    policy: Policy,
    trace: Trace | None = None,
    *,
    deterministic: bool = True,
    observer: Observer | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Play one episode per world with a policy that is bound to `batch`.

    Parameters
    ----------
    batch, policy : Batch, Policy
        The worlds, and the policy that plays in them.
    trace : dict, optional
        The episodes' randomness; by default the batch draws it.
    deterministic : bool
        Passed to the policy: its best action instead of a sampled one.
    observer : Observer, optional
        Watches the steps, and may end them early.

    Returns
    -------
    dict
        `Batch.episode_totals` of every world at the moment its episode first ended, each of shape
        (num_worlds,).

    Notes
    -----
    A world that ends before the others starts anew on a drawn trace, as the contract of a batch
    requires; nothing that happens in it from then on is counted.
    """
    batch.reset(trace)
    watch = observer or Observer()
    watch.start(batch)
    ended = np.zeros(batch.num_worlds, np.bool_)
    start = np.ones(batch.num_worlds, np.bool_)
    totals: dict[str, NDArray[np.float64]] = {}
    memory: Any = None
    while not (ended.all() or watch.stops):
        seen = None if is_blind(policy) else batch.observation()
        actions, memory = policy.predict(seen, memory, start, deterministic)
        watch.before_step(seen, np.asarray(actions))
        outcome = batch.step(np.asarray(actions))
        watch.after_step(outcome, ~ended)
        start = outcome.terminated | outcome.truncated
        if start.any():
            _record(totals, batch.episode_totals(), start & ~ended)
            ended |= start
            if not ended.all():
                batch.restart(np.flatnonzero(start))
    watch.finish()
    return totals


def _record(
    totals: dict[str, NDArray[np.float64]],
    now: dict[str, NDArray[np.float64]],
    worlds: NDArray[np.bool_],
) -> None:
    """Keep the totals of the worlds whose episode has just ended for the first time."""
    for name, values in now.items():
        totals.setdefault(name, np.empty_like(values))[worlds] = values[worlds]


CHUNK = 10_000
"""Most worlds in one batch, so that memory stays bounded."""

Progress = Callable[[float], None]
"""Called with the share of the work that is done, up to 1."""


def rollout(
    problem: Problem,
    parameters: FrozenModel,
    policy: Policy,
    trace: Trace,
    *,
    deterministic: bool = True,
    observe_step: bool = False,
    observer: Observer | None = None,
    progress: Progress | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Play one episode per row of `trace`, on realised rewards.

    Parameters
    ----------
    problem, parameters : Problem, FrozenModel
        The problem to play.
    policy : Policy
        The policy, bound once, to a batch that serves all chunks of the trace.
    trace : dict
        The episodes' randomness; first axis = episode.
    deterministic : bool
        Passed to the policy: its best action instead of a sampled one.
    observe_step : bool
        Show the policy the share of the episode that has passed.
    observer : Observer, optional
        Watches the episodes; of more than `CHUNK`, only the first ones.
    progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    dict
        The totals of each episode by name (`Batch.episode_totals`), each of shape (episodes,), as
        they stood when it ended.
    """
    episodes = len(next(iter(trace.values())))
    chunks = -(-episodes // CHUNK)
    size = -(-episodes // chunks)
    batch = problem.make_batch(parameters, size, split="evaluation", observe_step=observe_step)
    policy.bind(batch)
    parts: list[dict[str, NDArray[np.float64]]] = []
    for chunk in range(chunks):
        # the last chunk repeats its last episode until the batch is full; copies are dropped
        rows = np.minimum(np.arange(chunk * size, (chunk + 1) * size), episodes - 1)
        some = {name: values[rows] for name, values in trace.items()}
        watch = observer if chunk == 0 else None
        parts.append(run_episodes(batch, policy, some, deterministic=deterministic, observer=watch))
        if progress is not None:
            progress((chunk + 1) / chunks)
    return {name: np.concatenate([p[name] for p in parts])[:episodes] for name in parts[0]}
