"""Gymnasium wrappers that do what the recipes do, for training with plain SB3.

`train.py` wraps whole batches (`wrappers.normalize`); these wrap a single environment, of this
project or any other. Each records its arguments, so that ``gymnasium.make(env.spec)`` makes a
wrapped environment anew, as Gymnasium's own checker does.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.wrappers import TransformReward
from numpy.typing import ArrayLike, NDArray

from common.errors import InputError
from envs.problems import PROBLEMS

Environment = gymnasium.Env[Any, Any]


def _box(env: Environment, wrapper: str) -> spaces.Box:
    """Return the space of observations, which must be a vector."""
    space = env.observation_space
    if not isinstance(space, spaces.Box) or len(space.shape) != 1:
        raise InputError(f"{wrapper}: takes observations that are a vector, not {space}")
    return space


class ScaleObservation(
    gymnasium.ObservationWrapper[NDArray[np.float32], Any, Any], RecordConstructorArgs
):
    """Divide observations by a fixed scale, as ``observation.normalize=fixed`` does.

    Unlike `gymnasium.wrappers.NormalizeObservation` it keeps no running statistics, so that no
    file of statistics has to be kept with a model.

    Parameters
    ----------
    env : gymnasium.Env
        Environment whose observations are vectors.
    scale : array_like, optional
        Positive divisors, shape (observation size,); by default those of the cash problem.
        An entry for the share of the episode that has passed may be left out.

    Raises
    ------
    InputError
        If the scale does not fit the observation.
    """

    def __init__(self, env: Environment, scale: ArrayLike | None = None) -> None:
        RecordConstructorArgs.__init__(self, scale=scale)
        gymnasium.ObservationWrapper.__init__(self, env)
        space = _box(env, "ScaleObservation")
        given = PROBLEMS["cash"].observation_scale if scale is None else scale
        divisors = np.asarray(given, np.float32)
        if scale is None and divisors.size == space.shape[0] - 1:
            divisors = np.append(divisors, np.float32(1.0))  # the step is a share already
        if divisors.shape != space.shape:
            raise InputError(
                f"scale: has {divisors.size} entries, the observation has {space.shape[0]}"
            )
        if not (np.isfinite(divisors) & (divisors > 0)).all():
            raise InputError(f"scale = {divisors.tolist()}: every entry must be positive")
        self.scale = divisors
        self.observation_space = spaces.Box(
            space.low / divisors, space.high / divisors, dtype=np.float32
        )

    def observation(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scaled observation."""
        return np.asarray(observation / self.scale, np.float32)


class ScaleReward(TransformReward[Any, Any]):
    """Shift and scale rewards: the learner sees ``(reward + shift) * scale``.

    Parameters
    ----------
    env : gymnasium.Env
        The environment to wrap.
    shift : float
        Added first; minus the mean reward of random play is a good choice.
    scale : float
        Factor; one over the standard deviation of a step's reward is a good choice.
    """

    def __init__(self, env: Environment, shift: float = 0.0, scale: float = 1.0) -> None:
        RecordConstructorArgs.__init__(self, shift=shift, scale=scale)
        super().__init__(env, lambda reward: (float(reward) + shift) * scale)


class StepNumber(
    gymnasium.Wrapper[NDArray[np.float32], Any, NDArray[np.float32], Any], RecordConstructorArgs
):
    """Append the share of the episode that has passed to the observation.

    The agent then sees how much time is left (Pardo et al. 2018, Time Limits in Reinforcement
    Learning), so that it can stop buying before the end. ``observe_step=True`` does the same in
    this project's own environments.

    Parameters
    ----------
    env : gymnasium.Env
        Environment whose observations are vectors.
    max_steps : int, optional
        Length of an episode; by default that of the environment's parameters, or of its
        registration with Gymnasium.

    Raises
    ------
    InputError
        If the length of an episode is not known.
    """

    def __init__(self, env: Environment, max_steps: int | None = None) -> None:
        RecordConstructorArgs.__init__(self, max_steps=max_steps)
        gymnasium.Wrapper.__init__(self, env)
        space = _box(env, "StepNumber")
        parameters = getattr(env.unwrapped, "parameters", None)
        registered = env.spec.max_episode_steps if env.spec is not None else None
        found = max_steps or getattr(parameters, "max_steps", None) or registered
        if not found or found < 1:
            raise InputError("StepNumber: give max_steps, the number of steps of an episode")
        self.max_steps, self._step = int(found), 0
        self.observation_space = spaces.Box(
            np.append(space.low, np.float32(0.0)),
            np.append(space.high, np.float32(1.0)),
            dtype=np.float32,
        )

    def _with_step(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        share = min(1.0, self._step / self.max_steps)
        return np.append(observation, np.float32(share)).astype(np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode at step 0."""
        self._step = 0
        observation, info = self.env.reset(seed=seed, options=options)
        return self._with_step(observation), info

    def step(self, action: Any) -> tuple[NDArray[np.float32], Any, bool, bool, dict[str, Any]]:
        """Move by one step and count it."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._step += 1
        return self._with_step(observation), reward, terminated, truncated, info
