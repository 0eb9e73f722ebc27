"""Normalisation of observations and rewards, and its statistics on disk without pickle."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from stable_baselines3.common.vec_env import (
    VecEnv,
    VecEnvWrapper,
    VecNormalize,
    unwrap_vec_normalize,
)
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from common.errors import InputError


class FixedNormalization(VecEnvWrapper):
    """Divide observations by a fixed scale.

    Parameters
    ----------
    venv : VecEnv
        The environment to wrap.
    scale : array_like
        Positive divisors, shape (observation size,).
    """

    def __init__(self, venv: VecEnv, scale: ArrayLike) -> None:
        super().__init__(venv)
        self.scale = np.asarray(scale, np.float32)
        if self.scale.shape != venv.observation_space.shape:
            raise InputError(
                f"observation.scale has {self.scale.size} entries, the observation has "
                f"{(venv.observation_space.shape or (0,))[0]}"
            )

    def normalize_obs(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return scaled observations of any leading shape."""
        return observation / self.scale

    def reset(self) -> NDArray[np.float32]:
        """Reset the environment and return scaled observations."""
        observation = self.venv.reset()
        assert isinstance(observation, np.ndarray)  # noqa: S101  (narrows SB3's union)
        return self.normalize_obs(observation)

    def step_wait(self) -> VecEnvStepReturn:
        """Scale the observations, those of ended episodes included."""
        observation, reward, done, infos = self.venv.step_wait()
        assert isinstance(observation, np.ndarray)  # noqa: S101
        for i in np.flatnonzero(done):
            infos[i]["terminal_observation"] = self.normalize_obs(infos[i]["terminal_observation"])
        return self.normalize_obs(observation), reward, done, infos


class FixedRewardScale(VecEnvWrapper):
    """Shift and scale rewards: the learner sees ``(reward + shift) * scale``.

    Episode totals stay in the problem's own units of money.
    """

    def __init__(self, venv: VecEnv, shift: float, scale: float) -> None:
        super().__init__(venv)
        self.shift, self.scale = shift, scale

    def reset(self) -> Any:
        """Reset the environment."""
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """Shift and scale the rewards."""
        observation, reward, done, infos = self.venv.step_wait()
        return observation, (reward + self.shift) * self.scale, done, infos


def encode(env: VecEnv, observation: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pass raw observations through every normalisation that `env` is wrapped in.

    Evaluation steps a batch of its own; this gives a model what it saw in training. Running
    statistics are read, never changed.
    """
    if isinstance(env, VecEnvWrapper):
        observation = encode(env.venv, observation)
        if isinstance(env, FixedNormalization | VecNormalize):
            return env.normalize_obs(observation)  # type: ignore[return-value]
    return observation


def running_statistics(env: VecEnv) -> dict[str, NDArray[np.float64]]:
    """Return the running statistics of the `VecNormalize` around `env` (empty without one)."""
    layer = unwrap_vec_normalize(env)
    if layer is None:
        return {}
    statistics = {"returns": np.asarray(layer.returns)}
    for name, moments in moments_of(layer).items():
        statistics[f"{name}_mean"] = np.asarray(moments.mean)
        statistics[f"{name}_var"] = np.asarray(moments.var)
        statistics[f"{name}_count"] = np.asarray(moments.count)
    return statistics


MAX_MOMENT = 1e30
"""Larger means, variances or counts cannot come from float32 values."""


def load_running_statistics(
    env: VecEnv, arrays: Mapping[str, NDArray[Any]], name: str, *, frozen: bool = True
) -> None:
    """Load what `running_statistics` returned into `env`, and freeze it if asked.

    Raises
    ------
    InputError
        If arrays are missing, of another shape or out of range; `name` is the file they are from.
    """
    layer = unwrap_vec_normalize(env)
    if layer is None:
        return
    for kind, moments in moments_of(layer).items():
        own = {part: arrays.get(f"{kind}_{part}") for part in ("mean", "var", "count")}
        _check(own, np.shape(moments.mean), name)
        moments.mean = np.asarray(own["mean"], np.float64)
        moments.var = np.asarray(own["var"], np.float64)
        moments.count = float(np.asarray(own["count"]))
    if frozen:
        layer.training = False
        layer.norm_reward = False


def _check(arrays: Mapping[str, Any], shape: tuple[int, ...], name: str) -> None:
    """Refuse means, variances and counts that cannot belong to observations of `shape`."""
    for part, values in arrays.items():
        if values is None:
            raise InputError(f"{name}: holds no {part} of running statistics; train again")
        if values.shape != (() if part == "count" else shape) or values.dtype != np.float64:
            raise InputError(
                f"{name}: statistics of another shape than what is observed now; it is a file of "
                "another run, or an earlier version trained it: train again"
            )
        if not (np.abs(values) <= MAX_MOMENT).all():
            raise InputError(f"{name}: the {part} of its statistics is not finite or far too large")
        if part != "mean" and (values < 0).any():
            raise InputError(f"{name}: the {part} of its statistics is negative")


def moments_of(layer: VecNormalize) -> dict[str, Any]:
    """Return the running moments of a `VecNormalize` by name: reward, and observation if any."""
    moments: dict[str, Any] = {"reward": layer.ret_rms}
    if layer.norm_obs:
        moments["observation"] = layer.obs_rms
    return moments
