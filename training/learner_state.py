"""What a checkpoint holds of a learner, so that it goes on to the same bits.

Everything that the future depends on: weights and optimiser, replay buffer, counters, worlds,
running statistics, generators. A checkpoint is taken between rollouts, where the buffer of an
on-policy algorithm is empty.
"""

import random
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from wrappers.normalize import find_running, moments_of
from wrappers.vec_env import base_env, batch_of

_COUNTERS = (
    *("num_timesteps", "_episode_num", "_n_updates", "_n_calls", "rollouts"),
    *("exploration_rate", "_current_progress_remaining"),
)
_LAST = ("_last_obs", "_last_original_obs", "_last_episode_starts", "_last_lstm_states")
_REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def generators_state() -> dict[str, Any]:
    """Return the states of the generators that a process has one of."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": cuda,
    }


def load_generators_state(state: Mapping[str, Any]) -> None:
    """Put back what `generators_state` returned."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])


def learner_state(model: BaseAlgorithm, env: VecEnv) -> dict[str, Any]:
    """Return everything that a model's learning depends on; arrays are not copied."""
    own: Any = model
    return {
        "counters": {name: getattr(own, name) for name in _COUNTERS if hasattr(own, name)},
        "last": {name: getattr(own, name, None) for name in _LAST},
        "policy": dict(own.policy.state_dict()),
        "optimizer": own.policy.optimizer.state_dict(),
        "replay": _replay_state(getattr(own, "replay_buffer", None)),
        "episodes": None if own.ep_info_buffer is None else list(own.ep_info_buffer),
        "spaces": [_generator_of(s) for s in (own.action_space, own.observation_space)],
        "statistics": _statistics(find_running(env)),
        "batch": batch_of(env).get_state(),
        "seeds": list(base_env(env)._seeds),
    }


def load_learner_state(model: BaseAlgorithm, env: VecEnv, state: Mapping[str, Any]) -> None:
    """Put back what `learner_state` returned into a model built from the same configuration.

    Raises
    ------
    KeyError, TypeError, ValueError, RuntimeError
        If it is of another model.
    """
    own: Any = model
    for name, value in state["counters"].items():
        if name not in _COUNTERS or not isinstance(value, int | float):
            raise ValueError(f"{name} is no counter")
        setattr(own, name, value)
    for name, value in state["last"].items():
        if name not in _LAST:
            raise ValueError(f"{name} is nothing that a model remembers")
        _check_rows(name, value, env.num_envs)
        if name == "_last_lstm_states" and value is not None:
            to = [tuple(t.to(own.device) for t in pair) for pair in value]
            value = type(own._last_lstm_states)(*to)
        setattr(own, name, value)
    own.policy.load_state_dict(state["policy"])
    own.policy.optimizer.load_state_dict(state["optimizer"])
    _load_replay_state(getattr(own, "replay_buffer", None), state["replay"])
    if state["episodes"] is not None:
        own.ep_info_buffer = deque(state["episodes"], maxlen=own._stats_window_size)
        own.ep_success_buffer = deque(maxlen=own._stats_window_size)
    for space, generator in zip((own.action_space, own.observation_space), state["spaces"]):  # noqa: B905
        if generator is not None:
            space.np_random.bit_generator.state = generator
    _load_statistics(find_running(env), state["statistics"])
    batch = batch_of(env)
    _check_form(batch.get_state(), state["batch"])
    batch.set_state(state["batch"])
    base_env(env)._seeds = state["seeds"]


def _check_rows(name: str, value: Any, rows: int) -> None:
    """Make sure that an array has a row for every environment."""
    if isinstance(value, np.ndarray) and value.shape[:1] != (rows,):
        raise ValueError(f"{name} has {value.shape[:1]} rows, not {rows}")


def _check_form(ours: Any, theirs: Any, name: str = "batch") -> None:
    """Make sure that a state has the parts of our own, with arrays of the same kind.

    The compiled law of motion trusts the arrays that it is given.
    """
    if isinstance(ours, Mapping):
        if not isinstance(theirs, Mapping) or set(ours) != set(theirs):
            raise ValueError(f"{name} has other parts")
        for part in ours:
            _check_form(ours[part], theirs[part], f"{name}.{part}")
    elif isinstance(ours, np.ndarray):
        same = isinstance(theirs, np.ndarray) and ours.dtype == theirs.dtype
        if not same or ours.ndim != theirs.ndim:
            raise ValueError(f"{name} is an array of another kind")


def _generator_of(space: Any) -> Any:
    """Return a space's generator's state; one that was never used has none, and stays so."""
    generator = space._np_random
    return None if generator is None else generator.bit_generator.state


def _replay_state(buffer: Any) -> dict[str, Any] | None:
    if buffer is None:
        return None
    filled = {name: getattr(buffer, name)[: buffer.size()] for name in _REPLAY}
    return {"pos": buffer.pos, "full": buffer.full, **filled}


def _load_replay_state(buffer: Any, state: Mapping[str, Any] | None) -> None:
    if buffer is None or state is None:
        return
    buffer.pos, buffer.full = state["pos"], state["full"]
    for name in _REPLAY:
        getattr(buffer, name)[: buffer.size()] = state[name]


def _statistics(layer: VecNormalize | None) -> dict[str, Any] | None:
    if layer is None:
        return None
    moments = {k: (m.mean, m.var, m.count) for k, m in moments_of(layer).items()}
    old = {"old_reward": layer.old_reward, "old_obs": getattr(layer, "old_obs", None)}
    return {"moments": moments, "returns": layer.returns, **old}


def _load_statistics(layer: VecNormalize | None, state: Mapping[str, Any] | None) -> None:
    if layer is None or state is None:
        return
    for name, moments in moments_of(layer).items():
        moments.mean, moments.var, moments.count = state["moments"][name]
    layer.returns, layer.old_reward = state["returns"], state["old_reward"]
    if state["old_obs"] is not None:
        layer.old_obs = state["old_obs"]
