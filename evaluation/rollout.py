"""Roll-outs of a policy on given traces, one episode per trace."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from baselines.episodes import run_episodes
from baselines.policy import Policy
from inventory.batch import Trace
from inventory.errors import FrozenModel
from inventory.problems import Problem

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
    progress: Progress | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Play one episode per row of `trace`, on realised rewards.

    Parameters
    ----------
    problem, parameters : Problem, FrozenModel
        The problem to play.
    policy : Policy
        Bound once, to a batch that serves all chunks of the trace.
    trace : dict
        The episodes' randomness; first axis = episode.
    deterministic : bool
        Passed to the policy: its best action in place of a drawn one.
    observe_step : bool
        Show the policy the share of the episode that has passed.
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
        # the last chunk repeats its last episode until the batch is full; the copies are cut off
        rows = np.minimum(np.arange(chunk * size, (chunk + 1) * size), episodes - 1)
        some = {name: values[rows] for name, values in trace.items()}
        parts.append(run_episodes(batch, policy, some, deterministic=deterministic))
        if progress is not None:
            progress((chunk + 1) / chunks)
    return {name: np.concatenate([p[name] for p in parts])[:episodes] for name in parts[0]}
