"""Normalisation of observations and rewards, and its statistics on disk without pickle."""

import io
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecNormalize
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from inventory.errors import InputError


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
    layer = _find(env)
    if layer is None:
        return {}
    statistics = {"returns": np.asarray(layer.returns)}
    for name, moments in _moments(layer).items():
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
    layer = _find(env)
    if layer is None:
        return
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            for name, moments in _moments(layer).items():
                mean, var = file[f"{name}_mean"], file[f"{name}_var"]
                if mean.shape != np.shape(moments.mean) or var.shape != np.shape(moments.var):
                    raise InputError(f"{path}: statistics of another shape; was it moved here?")
                moments.mean, moments.var = mean, var
                moments.count = float(file[f"{name}_count"])
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot read running statistics; train again") from None
    if frozen:
        layer.training = False
        layer.norm_reward = False


def _find(env: VecEnv) -> VecNormalize | None:
    while isinstance(env, VecEnvWrapper):
        if isinstance(env, VecNormalize):
            return env
        env = env.venv
    return None


def _moments(layer: VecNormalize) -> dict[str, Any]:
    moments: dict[str, Any] = {"reward": layer.ret_rms}
    if layer.norm_obs:
        moments["observation"] = layer.obs_rms
    return moments
