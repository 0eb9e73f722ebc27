"""Shift and scale of rewards, found by play before training."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from agents.config import RunConfig
from agents.players import (
    learning_batch,
)
from baselines.multi_agent import TeamPolicy
from baselines.policy import Actions, RandomPolicy, Rule
from baselines.rollout import Observer, run_episodes
from baselines.rules.store import Newsvendor
from common.errors import InputError
from common.random_streams import random_stream
from envs.batch import Batch, Outcome
from wrappers.single_agent import ControlledAgents

CALIBRATION_WORLDS = 256


def calibrate(config: RunConfig, player: str = "", others: TeamPolicy | None = None) -> RunConfig:
    """Replace ``auto`` in the reward settings by numbers.

    The shift is minus the mean, the scale one over the deviation, of a step's reward on training
    traces of the run's seed, days of warm-up left out: under uniformly random play, or with stores
    that follow the newsvendor rule (``reward.calibration``).

    Raises
    ------
    InputError
        If the rule is asked for, and the player is not the stores.
    """
    reward = config.settings.reward
    if "auto" not in (reward.shift, reward.scale):
        return config
    rng = random_stream(config.settings.seed, "training")
    batch = learning_batch(
        config, player, others, CALIBRATION_WORLDS, rng=rng, expected_reward=reward.expected
    )
    policy = _StoresNewsvendor() if reward.calibration == "newsvendor" else RandomPolicy(rng)
    policy.bind(batch)
    seen = _Rewards()
    run_episodes(batch, policy, observer=seen)
    rewards = seen.rewards[getattr(config.parameters, "warmup_days", 0) :] or seen.rewards
    spread = float(np.std(rewards))
    shift = -float(np.mean(rewards)) if reward.shift == "auto" else reward.shift
    scale = 1.0 / spread if spread > 0 and math.isfinite(spread) else 1.0
    numbers = {"shift": _rounded(shift)}
    numbers["scale"] = _rounded(scale) if reward.scale == "auto" else reward.scale
    return replace(config, settings=config.settings.with_numbers(numbers))


class _Rewards(Observer):
    """Keeps the rewards of all worlds until the first of them ends."""

    def __init__(self) -> None:
        self.rewards: list[NDArray[np.float64]] = []
        self._over = False

    @property
    def stops(self) -> bool:
        """Whether a world has ended."""
        return self._over

    def after_step(self, outcome: Outcome, running: NDArray[np.bool_]) -> None:
        """Keep a step's rewards."""
        self.rewards.append(outcome.reward)
        self._over = bool((outcome.terminated | outcome.truncated).any())


class _StoresNewsvendor(Rule):
    """The newsvendor rule, in a batch that the stores alone control."""

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on.

        Raises
        ------
        InputError
            If it is controlled by others.
        """
        if not isinstance(batch, ControlledAgents) or batch.player != "store":
            raise InputError("reward.calibration = newsvendor: is for the stores; take random")
        if batch.offsets is not None:
            raise InputError(
                "reward.calibration = newsvendor: the stores choose offsets; take random"
            )
        self._rule, self._shape = Newsvendor(), (batch.num_worlds, -1)
        self._rule.bind(batch.chain)
        self._joint = batch.layout == "joint"

    def actions(self) -> Actions:
        """Return one action per store, or a row of them per world."""
        actions = self._rule.actions()
        return actions.reshape(self._shape) if self._joint else actions


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
