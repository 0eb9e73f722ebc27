"""The models that learn: SB3's classes as they are run here, built from a configuration.

SB3 begins with all actions about equally likely. Where these include quantities far above the mean
demand, such a policy overstocks, and takes long to learn that smaller orders are better. With the
head's biases at the logarithm of a normal density around the mean demand m,

``b(q) = -((q - m) / m)^2 / (2 * 0.4^2)``,

orders begin near the mean demand (`initialize_orders`): for a mean of 5, ``b(q) = -(q - 5)^2 / 8``.
"""

import time
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import QRDQN, TRPO, MaskablePPO, RecurrentPPO
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecEnv

from agents import hyperparameters as hp
from agents.algorithms import ALGORITHMS
from common.errors import InputError
from envs.batch import Batch
from wrappers.replay_buffer import StandardizedReplayBuffer
from wrappers.single_agent import ControlledAgents

LOG_SECONDS = 30.0
SPREAD = 0.4
"""Standard deviation of the first orders [mean demand]."""
LEAST = -30.0
"""Least bias: an order may be practically impossible, but its bias stays finite."""


class TimedLogs:
    """Tell when a row of the log is late, whatever its interval in episodes or rollouts."""

    _logged_at: float | None = None

    def log_is_late(self) -> bool:
        """Return whether the last row, or the start, is more than `LOG_SECONDS` ago."""
        now = time.perf_counter()
        self._logged_at = self._logged_at or now
        return now - self._logged_at > LOG_SECONDS

    def dump_logs(self, *iteration: int) -> None:
        """Log now."""
        self._logged_at = time.perf_counter()
        super().dump_logs(*iteration)  # type: ignore[misc]


class PerWorldExploration(TimedLogs):
    """Let every world draw for itself whether to explore.

    SB3 draws once for the whole batch, so with many worlds either all explore or none does.
    """

    exploration_rate: float
    action_space: Any
    policy: Any

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Return epsilon-greedy actions, shape (num_envs,)."""
        action, state = self.policy.predict(observation, state, episode_start, deterministic)
        if not deterministic:
            rng = self.action_space.np_random
            explore = rng.random(action.shape) < self.exploration_rate
            action = np.where(explore, rng.integers(0, self.action_space.n, action.shape), action)
        return action, state


class NumberedRollouts(TimedLogs):
    """Number the rollouts over all calls of `learn`, and log every so many of them, or by time.

    SB3 begins anew with each call, so a run that goes on would log other rollouts.
    """

    rollouts = 0
    log_every = 1

    def dump_logs(self, *_: int) -> None:
        """Log if it is time."""
        self.rollouts += 1
        if self.rollouts % self.log_every == 0 or self.log_is_late():
            super().dump_logs(self.rollouts)


class FallingEntropy:
    """Let the bonus for entropy follow a schedule, as SB3 does with the learning rate."""

    entropy_schedule: LinearSchedule | None = None
    ent_coef: float
    _current_progress_remaining: float

    def train(self) -> None:
        """Learn from a rollout, with the bonus of this moment."""
        if self.entropy_schedule is not None:
            self.ent_coef = self.entropy_schedule(self._current_progress_remaining)
        super().train()  # type: ignore[misc]


class BatchedPPO(FallingEntropy, NumberedRollouts, PPO):
    """PPO whose rollouts are numbered."""


class BatchedA2C(FallingEntropy, NumberedRollouts, A2C):
    """A2C whose rollouts are numbered."""


class BatchedTRPO(NumberedRollouts, TRPO):
    """TRPO whose rollouts are numbered."""


class BatchedMaskablePPO(FallingEntropy, NumberedRollouts, MaskablePPO):
    """PPO with masks whose rollouts are numbered."""


class BatchedRecurrentPPO(FallingEntropy, NumberedRollouts, RecurrentPPO):
    """Recurrent PPO whose rollouts are numbered."""


class BatchedDQN(PerWorldExploration, DQN):
    """DQN whose worlds explore independently."""


class BatchedQRDQN(PerWorldExploration, QRDQN):
    """QR-DQN whose worlds explore independently."""


_ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}


class NoOptimizer:
    """Replaces the optimiser where nothing is learned: torch's own takes seconds to import."""

    def __init__(self, parameters: Any, **options: Any) -> None:
        pass


def build_model(
    name: str,
    settings: hp.Hyperparameters,
    env: VecEnv,
    *,
    seed: int,
    device: str = "cpu",
    standardize_rewards: bool = False,
    learns: bool = True,
) -> BaseAlgorithm:
    """Build a fresh model.

    Parameters
    ----------
    name : str
        A key of `ALGORITHMS`.
    settings : Hyperparameters
        Hyperparameters of the algorithm's type.
    env : VecEnv
        Environment that it learns from.
    seed : int
        Seed of the weights, the exploration and the environment.
    device : str
        Device by torch's name.
    standardize_rewards : bool
        Standardise rewards within each minibatch (off-policy only).
    learns : bool
        Whether it is to learn, and so needs an optimiser.

    Raises
    ------
    InputError
        If it would have to normalise the advantage of a single state.
    """
    algorithm = ALGORITHMS[name]
    if learns:
        _check_minibatches(name, settings, env.num_envs)
    options = settings.model_dump(
        exclude={
            "learning_rate",
            "learning_rate_final",
            "ent_coef_final",
            "initial_order",
            "net_arch",
            "activation",
            "n_quantiles",
            "lstm_hidden_size",
        }
    )
    policy: dict[str, Any] = {
        "net_arch": list(settings.net_arch),
        "activation_fn": _ACTIVATIONS[settings.activation],
    }
    if isinstance(settings, hp.QRDQN):
        policy["n_quantiles"] = settings.n_quantiles
    if isinstance(settings, hp.RecurrentPPO):
        policy["lstm_hidden_size"] = settings.lstm_hidden_size
    if not learns:
        policy["optimizer_class"] = NoOptimizer
    elif not getattr(settings, "use_rms_prop", False):
        # one kernel for all parameters: faster for small networks, the same rule
        policy["optimizer_kwargs"] = {"fused": True}
        policy["optimizer_class"] = torch.optim.Adam
    if standardize_rewards:
        options["replay_buffer_class"] = StandardizedReplayBuffer
    with warnings.catch_warnings():
        # a last minibatch that is smaller than the others does no harm
        warnings.filterwarnings("ignore", message="You have specified a mini-batch size")
        model: BaseAlgorithm = algorithm.load_model()(
            algorithm.policy,
            env,
            learning_rate=_learning_rate(settings),
            policy_kwargs=policy,
            seed=seed,
            device=device,
            **options,
        )
    final = getattr(settings, "ent_coef_final", None)
    if isinstance(model, FallingEntropy) and final is not None:
        model.entropy_schedule = LinearSchedule(model.ent_coef, final, 1.0)
    return model


def _check_minibatches(name: str, settings: hp.Hyperparameters, worlds: int) -> None:
    """Refuse to normalise the advantage of one state: it has no deviation, and weights become NaN.

    SB3's own PPO skips a last minibatch of one state; those of sb3_contrib do not.
    """
    if not isinstance(settings, hp.OnPolicy) or not getattr(settings, "normalize_advantage", False):
        return
    states = worlds * settings.n_steps
    if states == 1:
        raise InputError(
            "n_steps = 1: is a single state, whose advantage cannot be normalised; take more steps "
            "or n_envs, or normalize_advantage=false"
        )
    size = getattr(settings, "batch_size", states)
    if (ALGORITHMS[name].masks or ALGORITHMS[name].recurrent) and states % size == 1:
        raise InputError(
            f"batch_size = {size}: leaves one of {states:,} states (n_steps by worlds) to the last "
            "minibatch, whose advantage cannot be normalised; take another one, or "
            "normalize_advantage=false"
        )


def check_device(device: str) -> None:
    """Refuse a device that torch does not find here; SB3 would silently take the CPU.

    Raises
    ------
    InputError
        If the device is not available.
    """
    kind, _, number = device.partition(":")
    found = {
        "cuda": torch.cuda.device_count() > int(number or 0),
        "mps": torch.backends.mps.is_available(),
    }
    if not found.get(kind, True):
        raise InputError(f"device = {device!r}: torch finds none here; use --device cpu")


def _learning_rate(settings: hp.Hyperparameters) -> Any:
    final = settings.learning_rate_final
    if final is None:
        return settings.learning_rate
    return LinearSchedule(settings.learning_rate, final, 1.0)


def initialize_orders(model: BaseAlgorithm, batch: Batch) -> None:
    """Set the biases of a fresh model's head so that its orders begin near the mean demand.

    Parameters
    ----------
    model : BaseAlgorithm
        On-policy model with discrete actions.
    batch : Batch
        Worlds that it learns in.

    Raises
    ------
    InputError
        If the actions are not quantities: in the cash problem, and for the supplier.
    """
    if not isinstance(batch, ControlledAgents) or batch.player == "supplier":
        raise InputError("initial_order = mean: only stores and the warehouse order quantities")
    if batch.offsets is not None:
        raise InputError("initial_order = mean: the stores choose offsets; leave it out")
    biases = order_biases(_orders_in_means(batch), joint=batch.layout == "joint")
    policy: Any = model.policy
    with torch.no_grad():
        policy.action_net.bias.copy_(torch.as_tensor(biases, dtype=torch.float32))


def order_biases(orders: NDArray[np.float64], *, joint: bool = False) -> NDArray[np.float64]:
    """Return the biases of the actions.

    Parameters
    ----------
    orders : ndarray
        Order of each action of each agent, shape (agents, actions) [mean demand].
    joint : bool
        Whether there is one head per agent, side by side; else one serves all, with the mean of
        their biases.

    Examples
    --------
    >>> order_biases(np.array([[0.0, 1.0, 2.0]])).round(2).tolist()
    [-3.12, 0.0, -3.12]
    """
    biases = np.maximum(-((orders - 1.0) ** 2) / (2.0 * SPREAD**2), LEAST)
    return biases.reshape(-1) if joint else np.asarray(biases.mean(axis=0))


def _orders_in_means(batch: ControlledAgents) -> NDArray[np.float64]:
    """Return orders at the start of an episode, shape (agents or worlds, actions)."""
    chain = batch.chain
    means = chain.parameters.mean_demand()[chain.lane_of]
    if batch.player == "warehouse":
        orders, means = chain.warehouse_orders()[:, None, :], means.sum(axis=1, keepdims=True)
    else:
        orders = chain.store_orders()
        if batch.player != "store":
            one = [int(batch.player.removeprefix("store_")) - 1]
            orders, means = orders[:, one], means[:, one]
    relative = np.ones_like(orders)
    np.divide(orders, means[..., None], out=relative, where=means[..., None] > 0.0)
    return np.asarray(relative.mean(axis=0 if batch.layout == "joint" else 1))
