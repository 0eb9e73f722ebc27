"""A native SB3 `VecEnv` over a batch of worlds: one call moves them all."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from common.random_streams import Split, random_stream
from envs.batch import Batch

_NO_INFO: dict[str, Any] = {}


class BatchVecEnv(VecEnv):
    """Serve a `Batch` under SB3's contract.

    Parameters
    ----------
    batch : Batch
        The worlds. Worlds that end start anew in the same step.
    split : {"training", "validation", "tuning", "evaluation"}
        Split whose random stream `seed` opens.
    bootstrap_time_limit : bool
        Whether the end of an episode's time is reported as a time limit
        (``infos[i]["TimeLimit.truncated"]``), from which learners bootstrap. For an agent that
        observes the step the end is part of the problem, and this should be False (Pardo et al.
        2018, Time Limits in Reinforcement Learning).

    Attributes
    ----------
    finished : dict of ndarray
        Totals of the episodes that ended in the last step, by name, each of shape (ended,).
    before_restart : callable, optional
        Called with the number of worlds that have ended, before they start anew.

    Notes
    -----
    ``set_options({"trace": trace})`` before `reset` gives the next episodes' randomness.
    """

    def __init__(
        self, batch: Batch, *, split: Split = "training", bootstrap_time_limit: bool = True
    ) -> None:
        self.batch = batch
        self.split: Split = split
        self.bootstrap_time_limit = bootstrap_time_limit
        self.render_mode: str | None = None
        self.finished: dict[str, NDArray[np.float64]] = {}
        self.before_restart: Callable[[int], None] | None = None
        self._start = time.time()
        self._actions: NDArray[np.int64] = np.zeros(batch.num_worlds, np.int64)
        counts = batch.num_actions
        super().__init__(
            batch.num_worlds,
            spaces.Box(batch.observation_low, np.inf, (batch.observation_size,), np.float32),
            spaces.Discrete(counts)
            if isinstance(counts, int)
            else spaces.MultiDiscrete(list(counts)),
        )

    def reset(self) -> NDArray[np.float32]:
        """Start an episode in every world and return observations, shape (num_envs, size)."""
        if self._seeds[0] is not None:
            self.batch.rng = random_stream(self._seeds[0], self.split)
        self.batch.reset(self._options[0].get("trace"))
        self._reset_seeds()
        self._reset_options()
        self.finished = {}
        return self.batch.observation()

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions, shape (num_envs,), for `step_wait`."""
        self._actions = np.asarray(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Move every world; observations are the next episode's where one has ended."""
        reward, terminated, truncated = self.batch.step(self._actions)
        observation = self.batch.observation()
        done = terminated | truncated
        infos = [_NO_INFO] * self.num_envs
        self.finished = {}
        if done.any():
            ended = np.flatnonzero(done)
            time_is_up = truncated & ~terminated & self.bootstrap_time_limit
            self._report(ended, observation, time_is_up, infos)
            if self.before_restart is not None:
                self.before_restart(len(ended))
            self.batch.restart(ended)
            observation = self.batch.observation()
        return observation, reward.astype(np.float32), done, infos

    def _report(
        self,
        ended: NDArray[np.intp],
        observation: NDArray[np.float32],
        time_is_up: NDArray[np.bool_],
        infos: list[dict[str, Any]],
    ) -> None:
        """Fill `finished` and the infos of the worlds that have ended."""
        self.finished = {k: v[ended] for k, v in self.batch.episode_totals().items()}
        elapsed = round(time.time() - self._start, 6)
        totals = zip(self.finished["return"].tolist(), self.finished["length"], strict=True)
        for i, (total, length) in zip(ended.tolist(), totals, strict=True):
            infos[i] = {
                "terminal_observation": observation[i],
                "TimeLimit.truncated": bool(time_is_up[i]),
                "episode": {"r": total, "l": int(length), "t": elapsed},
            }

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Open the random stream of `seed` at the next reset."""
        self._seeds = [seed] * self.num_envs
        return self._seeds

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return the attribute, once per world asked for."""
        return [getattr(self, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(
        self,
        attr_name: str,
        value: Any,
        indices: VecEnvIndices = None,  # noqa: ARG002
    ) -> None:
        """Set an attribute of the whole batch."""
        setattr(self, attr_name, value)

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which actions are valid now, shape (num_envs, number of actions)."""
        return self.batch.action_masks()

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Call a method of this class and return its rows, one per world asked for."""
        rows = getattr(self, method_name)(*method_args, **method_kwargs)
        return [rows[i] for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:
        """Return whether SB3 may regard the worlds as wrapped: by a Monitor, and nothing else."""
        # `infos[i]["episode"]` is what SB3 wants a Monitor for
        return [wrapper_class is Monitor] * len(list(self._get_indices(indices)))


def batch_of(env: VecEnv) -> Batch:
    """Return the batch beneath a (wrapped) `BatchVecEnv`."""
    batch: Batch = base_env(env).batch
    return batch


def base_env(env: VecEnv) -> BatchVecEnv:
    """Return the `BatchVecEnv` beneath its wrappers."""
    base = env.unwrapped
    if not isinstance(base, BatchVecEnv):
        raise TypeError(f"{type(base).__name__} is not a BatchVecEnv")
    return base
