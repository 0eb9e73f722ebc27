"""A trained model as a policy for evaluation, beside the baselines."""

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from agents.config import RunConfig
from common.errors import NumericalError
from envs.batch import Batch
from wrappers.normalize import FixedNormalization, encode


def observe(config: RunConfig, env: VecEnv) -> VecEnv:
    """Wrap `env` in the normalisation of observations that the run asks for."""
    s = config.settings.observation
    if s.normalize == "fixed":
        scale = s.scale or config.problem.observation_scale
        if not scale:
            return env
        missing = (env.observation_space.shape or (0,))[0] - len(scale)
        return FixedNormalization(env, (*scale, *[1.0] * (missing == 1)))
    return env


def reward_and_running(config: RunConfig, env: VecEnv) -> VecEnv:
    """Add running normalisation if the run asks for it; outermost, as its statistics are saved."""
    observation = config.settings.observation.normalize == "running"
    reward = config.settings.reward.normalize == "running"
    if not (observation or reward):
        return env
    gamma = config.hyperparameters.gamma
    return VecNormalize(env, norm_obs=observation, norm_reward=reward, gamma=gamma)


def refuse_non_finite(model: BaseAlgorithm) -> None:
    """Make a model raise a NumericalError where its outputs are not finite.

    An argmax over NaN is an action like any other.
    """
    for name in ("action_net", "q_net", "quantile_net"):
        head = getattr(model.policy, name, None)
        if head is not None:
            head.register_forward_hook(_check_finite)


def _check_finite(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> None:
    del module, inputs  # a function of the module, so that models can go to other processes
    if not bool(torch.isfinite(output).all()):
        raise NumericalError("the model's outputs are not finite; train it again")


def apart(model: BaseAlgorithm) -> BaseAlgorithm:
    """Return a model of the same weights that another thread can use at the same time.

    SB3's actors store the distribution of the last observations until they have chosen.
    """
    model = copy.copy(model)
    model.policy = copy.copy(model.policy)
    if hasattr(model.policy, "action_dist"):
        model.policy.action_dist = copy.copy(model.policy.action_dist)
    return model


class AgentPolicy:
    """A model as a `Policy`, fed with raw observations of a batch.

    Bound copies can decide in several threads at once.

    Parameters
    ----------
    model : BaseAlgorithm
        The trained model.
    env : VecEnv
        An environment wrapped as in training; its normalisation is applied, not its worlds.
    masks : bool
        Whether the model takes action masks.
    """

    def __init__(self, model: BaseAlgorithm, env: VecEnv, *, masks: bool) -> None:
        self.model, self.env, self.masks = model, env, masks
        self._acting = model

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on."""
        self._batch = batch
        self._acting = apart(self.model)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Any, Any]:
        """Return the model's actions, shape (num_worlds,), and its hidden state."""
        masks = {"action_masks": self._batch.action_masks()} if self.masks else {}
        return self._acting.predict(
            encode(self.env, observation), state, episode_start, deterministic, **masks
        )
