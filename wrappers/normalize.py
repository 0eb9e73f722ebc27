"""Normalisation of observations and rewards, and its statistics on disk without pickle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecNormalize
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from common.errors import InputError
from common.files import read_arrays

MAX_BYTES = 64 << 20
"""Of a file of running statistics."""


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
        """Start anew and return scaled observations."""
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

    Episode totals stay in the problem's own money.
    """

    def __init__(self, venv: VecEnv, shift: float, scale: float) -> None:
        super().__init__(venv)
        self.shift, self.scale = shift, scale

    def reset(self) -> Any:
        """Start anew."""
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
    layer = find_running(env)
    if layer is None:
        return {}
    statistics = {"returns": np.asarray(layer.returns)}
    for name, moments in moments_of(layer).items():
        statistics[f"{name}_mean"] = np.asarray(moments.mean)
        statistics[f"{name}_var"] = np.asarray(moments.var)
        statistics[f"{name}_count"] = np.asarray(moments.count)
    return statistics


def load_running_statistics(env: VecEnv, path: Path, *, frozen: bool = True) -> None:
    """Put statistics from an ``.npz`` file back into `env`, and freeze them if asked to.

    Raises
    ------
    InputError
        If the file is missing, damaged, or of another shape.
    """
    layer = find_running(env)
    if layer is None:
        return
    try:
        arrays = read_arrays(path, str(path), MAX_BYTES)
    except InputError as error:
        raise InputError(f"cannot read running statistics: {error}; train again") from None
    for name, moments in moments_of(layer).items():
        told = {part: arrays.get(f"{name}_{part}") for part in ("mean", "var", "count")}
        _check(told, np.shape(moments.mean), path)
        moments.mean = np.asarray(told["mean"], np.float64)
        moments.var = np.asarray(told["var"], np.float64)
        moments.count = float(np.asarray(told["count"]))
    if frozen:
        layer.training = False
        layer.norm_reward = False


def _check(told: Mapping[str, Any], shape: tuple[int, ...], path: Path) -> None:
    """Make sure that a file's mean, variance and count can be those of `shape`."""
    for part, values in told.items():
        if values is None:
            raise InputError(f"cannot read running statistics: {path} holds no {part}; train again")
        if values.shape != (() if part == "count" else shape):
            raise InputError(f"{path}: statistics of another shape; was it moved here?")
        if not np.isfinite(values).all():
            raise InputError(f"{path}: the {part} of its statistics holds NaN or infinity")
        if part != "mean" and (values < 0).any():
            raise InputError(f"{path}: the {part} of its statistics is negative")


def find_running(env: VecEnv) -> VecNormalize | None:
    """Return the running normalisation around `env`, if there is one."""
    while isinstance(env, VecEnvWrapper):
        if isinstance(env, VecNormalize):
            return env
        env = env.venv
    return None


def moments_of(layer: VecNormalize) -> dict[str, Any]:
    """Return the running moments of a `VecNormalize`, by what they are of."""
    moments: dict[str, Any] = {"reward": layer.ret_rms}
    if layer.norm_obs:
        moments["observation"] = layer.obs_rms
    return moments
