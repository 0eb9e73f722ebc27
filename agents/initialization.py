"""Where the orders of an untrained policy of the supply chain lie.

SB3 begins with all actions about equally likely. Where these are quantities far above the mean
demand, such a policy floods the stock, and learns first of all, and for long, that anything less is
better. With the head's biases at the logarithm of a normal law around the mean demand m,

``b(q) = -((q - m) / m)^2 / (2 * 0.4^2)``,

orders begin near what is sold: for a mean of 5, ``b(q) = -(q - 5)^2 / 8``.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm

from common.errors import InputError
from envs.batch import Batch
from wrappers.single_agent import ControlledAgents

SPREAD = 0.4
"""Deviation of the first orders [mean demand]."""
LEAST = -30.0
"""Biases end here: an order may be as good as impossible, not beyond all numbers."""


def initialize_orders(model: BaseAlgorithm, batch: Batch) -> None:
    """Set the biases of a fresh model's head so that its orders begin near the mean demand.

    Parameters
    ----------
    model : BaseAlgorithm
        On-policy, with discrete actions.
    batch : Batch
        What it learns in.

    Raises
    ------
    InputError
        If the actions are no quantities: in the cash problem, and of the supplier.
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
        What each action of each agent orders, shape (agents, actions) [mean demand].
    joint : bool
        One head for each agent, side by side; else one for all, with the mean of their biases.

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
