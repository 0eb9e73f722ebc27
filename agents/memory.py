"""One check on what numpy and torch will allocate, so that a run is refused before they do.

Sizes are read off the smallest batch of worlds: the arrays of its state, its observation and its
actions; the rest follows from the shapes of networks and buffers.
"""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from agents import hyperparameters as hp
from agents.config import RunConfig
from agents.players import learning_batch, learning_players
from common.errors import InputError

GIB = 1 << 30
MAX_BYTES = 4 * GIB
_FLOAT = np.dtype(np.float32).itemsize


def check_memory(config: RunConfig) -> None:
    """Refuse a run that would need more than `MAX_BYTES`, in any stage of its curriculum.

    Raises
    ------
    InputError
        Naming what takes most memory, and what to make smaller.
    """
    for parameters in (config.parameters, *(stage for _, stage in config.stages())):
        needs = needed_bytes(config, parameters)
        total, most = sum(needs.values()), max(needs, key=lambda name: needs[name])
        if total > MAX_BYTES:
            raise InputError(
                f"the run would need about {total / GIB:,.1f} GiB of memory, at most "
                f"{MAX_BYTES / GIB:,.0f}; {needs[most] / GIB:,.1f} GiB are for {most}"
            )


def needed_bytes(config: RunConfig, parameters: Any) -> dict[str, float]:
    """Return the bytes that a run takes, by purpose and the settings that it depends on."""
    s, h = config.settings, config.hyperparameters
    shown = {"observe_step": s.observation.step}
    batch: Any = learning_batch(config, learning_players(config)[0], None, 1, parameters, **shown)
    worlds = getattr(batch, "chain", batch).num_worlds
    world_bytes = array_bytes(batch.get_state()) / worlds
    held = max(1.0, s.n_envs * worlds / batch.num_worlds) + s.evaluation.episodes
    observation, actions = batch.observation_size, int(np.sum(batch.num_actions))
    minibatch = getattr(h, "batch_size", s.n_envs)
    minibatch = min(minibatch, s.n_envs * h.n_steps) if isinstance(h, hp.OnPolicy) else minibatch
    widths = sum(h.net_arch) + observation + actions
    return {
        "the network (net_arch)": _network(h, observation, actions),
        "a minibatch (batch_size, n_envs, net_arch)": 3.0
        * _FLOAT
        * max(minibatch, s.n_envs)
        * widths,
        # the trace as it is drawn, and as the worlds hold it
        "traces (n_envs, evaluation.episodes, length of an episode)": 2.0 * held * world_bytes,
        **config.problem.shared_bytes(parameters, bool(s.reward.expected)),
        **_buffer(h, s.n_envs, observation, actions),
    }


def array_bytes(values: Any) -> int:
    """Return the bytes of all arrays in nested mappings."""
    if isinstance(values, Mapping):
        return sum(map(array_bytes, values.values()))
    return int(values.nbytes) if isinstance(values, np.ndarray) else 0


def _buffer(h: hp.Hyperparameters, n_envs: int, observation: int, actions: int) -> dict[str, float]:
    """Return the bytes of the data to learn from: the replay buffer, or a rollout and its copy."""
    if isinstance(h, hp.DQN):
        row = 2 * _FLOAT * observation + 4 * np.dtype(np.float64).itemsize
        return {"the replay buffer (buffer_size)": float(h.buffer_size * row)}
    if not isinstance(h, hp.OnPolicy):
        return {}
    hidden = 4 * h.lstm_hidden_size * _FLOAT if isinstance(h, hp.RecurrentPPO) else 0
    row = _FLOAT * (observation + actions + 8) + hidden
    return {"the rollout (n_envs, n_steps)": 2.0 * n_envs * h.n_steps * row}


def _network(h: hp.Hyperparameters, observation: int, actions: int) -> float:
    """Return the bytes of two networks, their gradients and the optimiser's two moments."""
    if isinstance(h, hp.QRDQN):
        actions *= h.n_quantiles
    sizes = [observation, *h.net_arch, actions]
    if isinstance(h, hp.RecurrentPPO):
        sizes.insert(1, 4 * h.lstm_hidden_size)
    weights = sum(a * b for a, b in itertools.pairwise(sizes))
    return 2.0 * 4 * _FLOAT * weights
