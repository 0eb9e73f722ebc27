"""Reward shaping by a rule of the stores: advice on orders, added to the rewards of training."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from baselines.multi_agent import columns_of
from baselines.rules.stock_rule import StoreRule, nearest_action
from common.errors import InputError
from wrappers.single_agent import ControlledAgents
from wrappers.vec_env import batch_of


class RuleShaping(VecEnvWrapper):
    """Add ``F_t = P_t - P_(t-1) / gamma`` to rewards, the potential P being a rule's advice.

    ``P_t = -k |q_t - q'_t|``, with q_t the order of a store and q'_t the order of the rule in its
    place, limits of orders included; at the start of an episode ``P_(t-1)`` is 0. The discounted
    terms add up to the last potential alone, so that advice is taken back a step later (look-back
    advice): it says at once which orders the rule disagrees with, and nothing about what is best in
    the end. Evaluation never sees it.

    Parameters
    ----------
    venv : VecEnv
        Wraps a `wrappers.vec_env.BatchVecEnv` whose rows are stores.
    rule : StoreRule
        The rule; a copy of it is bound.
    weight : float
        k [money/unit].
    gamma : float
        Discount factor of the learner, above 0.

    Attributes
    ----------
    potential : ndarray
        ``P_(t-1)``, shape (num_envs,).

    Raises
    ------
    InputError
        If rows are not stores that choose quantities.

    References
    ----------
    Wiewiora, Cottrell and Elkan (2003), Principled methods for advising reinforcement learning
    agents, ICML; De Moor, Gijsbrechts and Boute (2022), Reward shaping to improve the performance
    of deep reinforcement learning in perishable inventory management, European Journal of
    Operational Research 301(2).
    """

    def __init__(self, venv: VecEnv, rule: StoreRule, weight: float, gamma: float) -> None:
        super().__init__(venv)
        batch = batch_of(venv)
        known = isinstance(batch, ControlledAgents) and batch.player.startswith("store")
        if not isinstance(batch, ControlledAgents) or not known or batch.layout != "shared":
            raise InputError("reward.shaping: is for stores, each a row; use --policy shared")
        if batch.offsets is not None:
            raise InputError("reward.shaping: the stores choose offsets; set store.action=quantity")
        self._batch, self._rule = batch, rule
        self._weight, self._gamma = weight, gamma
        self._columns = columns_of(batch.player, batch.chain.num_stores)
        self._bound: Any = None
        self.potential = np.zeros(venv.num_envs)
        self._advice = self.potential

    def reset(self) -> Any:
        """Reset the environment and the potentials."""
        self.potential = np.zeros(self.num_envs)
        return self.venv.reset()

    def step_async(self, actions: NDArray[Any]) -> None:
        """Compare the orders that the actions stand for with the rule's, before the worlds move."""
        chain = self._batch.chain
        if self._bound is not chain.parameters:  # a stage of the curriculum has others
            self._rule.bind(chain)
            self._bound = chain.parameters
        orders = chain.store_orders()
        advised = nearest_action(orders, self._rule.wanted(chain))
        chosen = np.asarray(actions).reshape(len(orders), -1)
        apart = _units(orders[:, self._columns], chosen)
        apart -= _units(orders, advised)[:, self._columns]
        self._advice = -self._weight * np.abs(apart).reshape(-1)
        super().step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Add the shaping to the rewards."""
        observation, reward, done, infos = self.venv.step_wait()
        shaped = reward + self._advice - self.potential / self._gamma
        self.potential = np.where(done, 0.0, self._advice)
        return observation, shaped.astype(np.float32), done, infos


def _units(orders: NDArray[np.float64], actions: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Return the entries of `orders`, by action, that actions of shape (worlds, stores) choose."""
    found: NDArray[np.float64] = np.take_along_axis(orders, actions[..., None], axis=2)[..., 0]
    return found
