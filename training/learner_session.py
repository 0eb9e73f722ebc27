"""One learner's part in a run: what happens beside its learning, and all that it depends on.

A checkpoint holds everything that its future depends on, so that it goes on to the same bits:
weights and optimiser, replay buffer, counters, worlds, running statistics, generators. A checkpoint
is taken between rollouts, where the buffer of an on-policy algorithm is empty.
"""

import random
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import (
    VecEnv,
    VecNormalize,
    unwrap_vec_normalize,
    unwrap_vec_wrapper,
)

from agents.algorithms import ALGORITHMS
from agents.config import RunConfig
from agents.hyperparameters import OnPolicy
from agents.weights import check_tensors
from training.callbacks import WINDOW, BatchedBootstrap, EpisodeMetrics
from training.learners.build import Learner
from training.logger import load_log_state, log_state
from training.numerical_guard import Guard
from training.state_checks import (
    MAX_COUNT,
    MAX_NUMBER,
    check_batch,
    check_bit_generator,
    check_episodes,
    check_generators,
    check_like,
    check_number,
    check_optimizer,
    check_rows,
)
from wrappers.curriculum import CurriculumCallback, Stage
from wrappers.normalize import moments_of
from wrappers.shaping import RuleShaping
from wrappers.vec_env import base_env, batch_of

_COUNTERS = (
    *("num_timesteps", "_episode_num", "_n_updates", "_n_calls", "rollouts"),
    *("exploration_rate", "_current_progress_remaining"),
)
_SHARES = ("exploration_rate", "_current_progress_remaining")
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
    """Load what `generators_state` returned."""
    check_generators(generators_state(), state)
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
        "optimizer": own.policy.optimizer.state_dict()["state"],
        "replay": _replay_state(getattr(own, "replay_buffer", None)),
        "episodes": None if own.ep_info_buffer is None else list(own.ep_info_buffer),
        "spaces": [_generator_of(s) for s in (own.action_space, own.observation_space)],
        "statistics": _statistics(unwrap_vec_normalize(env)),
        "potential": _potential(env),
        "batch": batch_of(env).get_state(),
        "seeds": list(base_env(env)._seeds),
    }


def load_learner_state(
    model: BaseAlgorithm, env: VecEnv, state: Mapping[str, Any], stages: Sequence[Any]
) -> None:
    """Load what `learner_state` returned into a model built from the same configuration.

    Parameters
    ----------
    model, env : BaseAlgorithm, VecEnv
        As built.
    state : mapping
        As `learner_state` returned it, or forged.
    stages : sequence
        The parameters of the run and of its stages.

    Raises
    ------
    LookupError, TypeError, ValueError, RuntimeError, ArithmeticError
        If it is of another model, or could not be of any.
    """
    own: Any = model
    check_tensors(own.policy.state_dict(), state["policy"])
    check_optimizer(own.policy.optimizer, state["optimizer"])
    _check_counters(own, state["counters"])
    _check_last(own, env, state["last"])
    _load_replay_state(own, getattr(own, "replay_buffer", None), state["replay"])
    _load_statistics(unwrap_vec_normalize(env), state["statistics"])
    _load_potential(env, state["potential"])
    _load_batch(env, state, stages)
    for name, value in state["counters"].items():
        setattr(own, name, value)
    for name, value in state["last"].items():
        if name == "_last_lstm_states" and value is not None:
            to = [tuple(t.to(own.device) for t in pair) for pair in value]
            value = type(own._last_lstm_states)(*to)
        setattr(own, name, value)
    own.policy.load_state_dict(state["policy"])
    groups = own.policy.optimizer.state_dict()["param_groups"]
    own.policy.optimizer.load_state_dict({"state": state["optimizer"], "param_groups": groups})
    if own.ep_info_buffer is not None or state["episodes"] is not None:
        check_episodes(state["episodes"], own._stats_window_size, ("r", "l", "t"), "its episodes")
        own.ep_info_buffer = deque(state["episodes"], maxlen=own._stats_window_size)
        own.ep_success_buffer = deque(maxlen=own._stats_window_size)
    _load_spaces((own.action_space, own.observation_space), state["spaces"])


def _check_counters(own: Any, counters: Mapping[str, Any]) -> None:
    if set(counters) != {name for name in _COUNTERS if hasattr(own, name)}:
        raise ValueError("it has other counters")
    for name, value in counters.items():
        whole = isinstance(getattr(own, name), int)
        if name in _SHARES:
            check_number(value, name, -MAX_COUNT, 1, whole=False)
        else:
            check_number(value, name, 0, whole=whole)


def _check_last(own: Any, env: VecEnv, last: Mapping[str, Any]) -> None:
    """Check what a model saw last: a row for every environment."""
    if set(last) != set(_LAST):
        raise ValueError("it remembers other things")
    shape = (env.num_envs, *(env.observation_space.shape or ()))
    seen = np.empty(shape, env.observation_space.dtype)
    for name, like in (
        ("_last_obs", np.zeros_like(seen)),
        ("_last_original_obs", np.zeros_like(seen)),
        ("_last_episode_starts", np.zeros(env.num_envs, np.bool_)),
        ("_last_lstm_states", None),
    ):
        value = last[name]
        if value is not None and like is not None:
            check_like(like, value, name)
    states = getattr(own, "_last_lstm_states", None)
    if states is not None:
        check_like(
            [list(pair) for pair in states], [list(p) for p in last["_last_lstm_states"]], ""
        )


def _load_spaces(spaces: Sequence[Any], states: Any) -> None:
    """Load the generators of the spaces; one that was never used has none, and stays so."""
    for space, state in zip(spaces, states, strict=True):
        if state is not None:
            own = space.np_random.bit_generator
            check_bit_generator(own.state, state, "a space's generator")
            own.state = state


def _load_batch(env: VecEnv, state: Mapping[str, Any], stages: Sequence[Any]) -> None:
    batch = batch_of(env)
    check_batch(batch.get_state(), state["batch"], stages)
    batch.set_state(state["batch"])
    seeds = state["seeds"]
    if not isinstance(seeds, list) or len(seeds) != env.num_envs:
        raise ValueError("its worlds have other seeds")
    for seed in seeds:
        check_number(0 if seed is None else seed, "a seed of its worlds", 0, 2**32 - 1)
    base_env(env)._seeds = seeds


def _potential(env: VecEnv) -> Any:
    """Return the potential that shaped rewards take back next, None without shaping."""
    layer = unwrap_vec_wrapper(env, RuleShaping)
    return None if layer is None else layer.potential


def _load_potential(env: VecEnv, potential: Any) -> None:
    layer = unwrap_vec_wrapper(env, RuleShaping)
    if layer is None:
        check_like(None, potential, "the potential")
        return
    check_like(layer.potential, potential, "the potential")
    layer.potential = potential


def _generator_of(space: Any) -> Any:
    """Return a space's generator's state; one that was never used has none, and stays so."""
    generator = space._np_random
    return None if generator is None else generator.bit_generator.state


def _replay_state(buffer: Any) -> dict[str, Any] | None:
    if buffer is None:
        return None
    filled = {name: getattr(buffer, name)[: buffer.size()] for name in _REPLAY}
    return {"pos": buffer.pos, "full": buffer.full, **filled}


def _load_replay_state(own: Any, buffer: Any, state: Mapping[str, Any] | None) -> None:
    if buffer is None or state is None:
        if buffer is not None or state is not None:
            raise ValueError("it has another replay buffer")
        return
    check_number(state["pos"], "pos", 0, buffer.buffer_size - 1)
    check_like(True, state["full"], "full")
    size = buffer.buffer_size if state["full"] else state["pos"]
    check_like(
        {name: getattr(buffer, name)[:size] for name in _REPLAY},
        {name: state[name] for name in _REPLAY},
        "the replay buffer",
    )
    check_rows(state["actions"], 0, own.action_space.n - 1, "the replay buffer's actions")
    for name in ("dones", "timeouts"):
        check_rows(state[name], 0, 1, f"the replay buffer's {name}")
    buffer.pos, buffer.full = state["pos"], state["full"]
    for name in _REPLAY:
        getattr(buffer, name)[:size] = state[name]


def _statistics(layer: VecNormalize | None) -> dict[str, Any] | None:
    if layer is None:
        return None
    moments = {k: (m.mean, m.var, m.count) for k, m in moments_of(layer).items()}
    old = {"old_reward": layer.old_reward, "old_obs": getattr(layer, "old_obs", None)}
    return {"moments": moments, "returns": layer.returns, **old}


def _load_statistics(layer: VecNormalize | None, state: Mapping[str, Any] | None) -> None:
    if layer is None or state is None:
        if layer is not None or state is not None:
            raise ValueError("it has other statistics")
        return
    for name, moments in moments_of(layer).items():
        mean, var, count = state["moments"][name]
        check_like(np.asarray(moments.mean), np.asarray(mean), f"the mean of the {name}")
        check_like(np.asarray(moments.var), np.asarray(var), f"the variance of the {name}")
        check_rows(np.asarray(var), 0, MAX_NUMBER, f"the variance of the {name}")
        check_number(count, f"the count of the {name}", 0, whole=False)
        moments.mean, moments.var, moments.count = mean, var, count
    check_like(layer.returns, state["returns"], "the returns")
    rewards = np.asarray(state["old_reward"])
    if rewards.shape not in ((0,), (layer.num_envs,)) or rewards.dtype.kind != "f":
        raise ValueError("the last rewards are of another kind")
    layer.returns, layer.old_reward = state["returns"], state["old_reward"]
    if state["old_obs"] is not None:
        shape = (layer.num_envs, *(layer.observation_space.shape or ()))
        check_like(np.zeros(shape, np.float32), state["old_obs"], "the last observations")
        layer.old_obs = state["old_obs"]


DUMPS = 1000
"""About so many rows of a run go to its logs."""


class LearnerSession:
    """One learner's part in a run: its folder, and the callbacks that have a state.

    Parameters
    ----------
    learner : Learner
        The learner.
    home : Path
        Where its files go.
    """

    def __init__(self, learner: Learner, home: Path) -> None:
        self.learner, self.home = learner, home
        config = learner.config
        numbers = _flat_numbers(config.hyperparameters.model_dump())
        self.metrics = EpisodeMetrics(config.to_dict(), numbers)
        self.guard = Guard(config, learner.player)
        self.guard.init_callback(learner.model)
        self.curriculum: CurriculumCallback | None = None
        if config.settings.curriculum.stages:
            stages = [Stage(start, parameters) for start, parameters in config.stages()]
            self.curriculum = CurriculumCallback(stages, config.settings.curriculum.unit)

    def callbacks(self) -> list[BaseCallback]:
        """Return what happens beside the learner's learning."""
        algorithm = ALGORITHMS[self.learner.config.settings.algo]
        curriculum = [self.curriculum] if self.curriculum else []
        bootstrap = [] if algorithm.off_policy or algorithm.recurrent else [BatchedBootstrap()]
        return [self.guard, self.metrics, *curriculum, *bootstrap]

    def state(self) -> dict[str, Any]:
        """Return everything that the learner's learning depends on."""
        stages = self.curriculum
        return {
            "learner": learner_state(self.learner.model, self.learner.env),
            "metrics": self.metrics.state(),
            "curriculum": None if stages is None else (stages.stage, stages.episodes),
            "log": log_state(self.learner.model.logger),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Load what `state` returned, the log being open already."""
        config, model, env = self.learner.config, self.learner.model, self.learner.env
        stages = [config.parameters, *(parameters for _, parameters in config.stages())]
        load_learner_state(model, env, state["learner"], stages)
        totals = list(batch_of(env).episode_totals())
        check_episodes(state["metrics"], WINDOW, totals, "the last episodes")
        self.metrics.load_state(state["metrics"])
        if self.curriculum is not None:
            stage, episodes = state["curriculum"]
            check_number(stage, "the stage", 0, len(self.curriculum.stages) - 1)
            check_number(episodes, "the episodes", 0)
            self.curriculum.stage, self.curriculum.episodes = stage, episodes
        load_log_state(model.logger, state["log"])


def log_interval(config: RunConfig) -> int:
    """Return SB3's log interval: rollouts for on-policy algorithms, episodes for the others."""
    s, settings = config.settings, config.hyperparameters
    if isinstance(settings, OnPolicy):
        return max(1, s.timesteps // (s.n_envs * settings.n_steps) // DUMPS)
    return max(s.n_envs, s.timesteps // int(config.parameters.max_steps) // DUMPS)


def _flat_numbers(values: dict[str, Any]) -> dict[str, Any]:
    """Return what TensorBoard's HPARAMS tab takes: numbers, booleans and strings."""
    simple = (bool, int, float, str)
    return {k: v if isinstance(v, simple) else str(v) for k, v in values.items()}
