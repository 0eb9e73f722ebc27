"""How much memory a run would need, so that it is refused before anything is allocated."""

import itertools
from typing import Any

from agents import hyperparameters as hp
from agents.config import RunConfig
from common.errors import InputError

GIB = 1 << 30
MAX_BYTES = 4 * GIB
_FLOAT, _DOUBLE = 4, 8
_AGENT = 40
_POINTS = 1000
"""Values per store and day that expected rewards are prepared from."""

_RESAMPLED = 8
"""Arrays of the size of all training days that resampling them takes, at most at once."""


def check_memory(config: RunConfig) -> None:
    """Refuse a run that would need more than `MAX_BYTES`, in any stage of its curriculum.

    Raises
    ------
    InputError
        Naming what takes most, and what to make smaller.
    """
    for parameters in (config.parameters, *(stage for _, stage in config.stages())):
        needs = estimate(config.settings, parameters, config.hyperparameters)
        total, most = sum(needs.values()), max(needs, key=lambda name: needs[name])
        if total > MAX_BYTES:
            raise InputError(
                f"the run would need about {total / GIB:,.1f} GiB of memory, at most "
                f"{MAX_BYTES / GIB:,.0f}; {needs[most] / GIB:,.1f} GiB are for {most}"
            )


def estimate(settings: Any, parameters: Any, h: hp.Hyperparameters) -> dict[str, float]:
    """Return about how many bytes a run takes, by what for and which settings it depends on."""
    worlds = settings.n_envs
    observation, actions = _sizes(settings, parameters)
    batch = getattr(h, "batch_size", worlds)
    batch = min(batch, worlds * h.n_steps) if isinstance(h, hp.OnPolicy) else batch
    widths = sum(h.net_arch) + observation + actions
    needs = {
        "the network (net_arch)": _network(h, observation, actions),
        "a minibatch (batch_size, n_envs, net_arch)": 3.0 * _FLOAT * max(batch, worlds) * widths,
        "traces (n_envs, evaluation.episodes, length of an episode)": _traces(settings, parameters),
    }
    if settings.problem == "stores" and parameters.history is not None:
        values = parameters.history.training.size
        needs["training days taken apart (the demand file)"] = 1.0 * _DOUBLE * _RESAMPLED * values
    elif settings.problem == "stores" and settings.reward.expected:
        days = len(parameters.sku) * parameters.horizon * parameters.num_stores
        needs["expected rewards (reward.expected, stores, horizon)"] = (
            3.0 * _DOUBLE * _POINTS * days
        )
    if isinstance(h, hp.DQN):
        row = 2 * _FLOAT * observation + 4 * _DOUBLE
        needs["the replay buffer (buffer_size)"] = float(h.buffer_size * row)
    elif isinstance(h, hp.OnPolicy):
        hidden = 4 * h.lstm_hidden_size * _FLOAT if isinstance(h, hp.RecurrentPPO) else 0
        row = _FLOAT * (observation + actions + 8) + hidden
        needs["the rollout (n_envs, n_steps)"] = 2.0 * worlds * h.n_steps * row
    return needs


def _sizes(settings: Any, parameters: Any) -> tuple[int, int]:
    """Return about how long a learner's observation is, and how many outputs its network has."""
    if settings.problem != "stores":
        return 7, int(parameters.num_actions)
    joint = settings.team.policy == "joint" and settings.team.learn == "store"
    agents = parameters.num_stores if joint else 1
    return _AGENT * agents, max(len(lane.store.grid) for lane in parameters.lanes()) * agents


def _network(h: hp.Hyperparameters, observation: int, actions: int) -> float:
    """Return the bytes of two networks, their gradients and the optimiser's two moments."""
    if isinstance(h, hp.QRDQN):
        actions *= h.n_quantiles
    sizes = [observation, *h.net_arch, actions]
    if isinstance(h, hp.RecurrentPPO):
        sizes.insert(1, 4 * h.lstm_hidden_size)
    weights = sum(a * b for a, b in itertools.pairwise(sizes))
    return 2 * 4 * _FLOAT * weights


def _traces(settings: Any, parameters: Any) -> float:
    """Return the bytes of the randomness of all episodes that are held at once."""
    worlds, episodes = settings.n_envs, 2 * settings.evaluation.episodes
    if settings.problem != "stores":
        return float(3 * _DOUBLE * (worlds + episodes) * parameters.max_steps)
    shared = settings.team.policy == "shared" and settings.team.learn == "store"
    worlds = worlds / parameters.num_stores if shared else worlds
    held = max(1, worlds) + episodes
    return float(_DOUBLE * held * parameters.horizon * (parameters.num_stores + 1))
