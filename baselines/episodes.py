"""One roll-out of a policy on given traces: what tuning and evaluation both stand on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.policy import Policy, is_blind
from inventory.batch import Batch, Trace


def run_episodes(
    batch: Batch, policy: Policy, trace: Trace, *, deterministic: bool = True
) -> dict[str, NDArray[np.float64]]:
    """Play one episode per world, on `trace`, with a policy that is bound to `batch`.

    Returns
    -------
    dict
        `Batch.episode_totals` of every world at the moment its episode first ended, each of shape
        (num_worlds,).

    Notes
    -----
    A world that ends before the others starts anew on a drawn trace, as the contract of a batch
    asks; nothing of what happens in it from then on is counted.
    """
    batch.reset(trace)
    ended = np.zeros(batch.num_worlds, np.bool_)
    start = np.ones(batch.num_worlds, np.bool_)
    totals: dict[str, NDArray[np.float64]] = {}
    memory: Any = None
    while not ended.all():
        seen = None if is_blind(policy) else batch.observation()
        actions, memory = policy.predict(seen, memory, start, deterministic)
        outcome = batch.step(np.asarray(actions))
        start = outcome.terminated | outcome.truncated
        if start.any():
            _record(totals, batch.episode_totals(), start & ~ended)
            ended |= start
            if not ended.all():
                batch.restart(np.flatnonzero(start))
    return totals


def _record(
    totals: dict[str, NDArray[np.float64]],
    now: dict[str, NDArray[np.float64]],
    worlds: NDArray[np.bool_],
) -> None:
    """Keep the totals of the worlds whose episode has just ended for the first time."""
    for name, values in now.items():
        totals.setdefault(name, np.empty_like(values))[worlds] = values[worlds]
