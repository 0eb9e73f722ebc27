"""What a day is worth to a store on average, by its stock before demand; checks of its numbers."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from common.compiled import compiled
from common.errors import InputError
from envs.supply_chain.dynamics import meet_demand
from envs.supply_chain.reward import StoreWeights, store_reward

Floats = NDArray[np.float64]

STORE_WEIGHTS = np.dtype(
    [
        *((f"store_{name}", "f8") for name in StoreWeights.model_fields),
        ("holding_cost", "f8"),
        ("stockout_cost", "f8"),
        ("excess_threshold", "f8"),
        ("cost", "?"),
    ],
    align=True,
)
"""What `envs.supply_chain.reward.store_reward` reads; any record with these fields will do."""


def checked_law(pmf: ArrayLike) -> Floats:
    """Return the probabilities of demand 0, 1, 2, ..., or refuse them."""
    law = np.asarray(pmf, dtype=np.float64)
    if law.ndim != 1 or not law.size or not (law >= 0).all() or abs(law.sum() - 1) > 1e-9:
        raise InputError("pmf: must be a list of probabilities that add up to 1")
    if law[0] > 1 - 1e-9:
        raise InputError("pmf: demand must not always be 0")
    return law


def checked_costs(least: float = 0.0, **costs: float) -> None:
    """Refuse costs below `least` or absurdly large."""
    for name, value in costs.items():
        if not least <= value <= 1e9:
            raise InputError(f"{name} = {value!r}: must be {least:g} to 1e9")


def cost_weights(holding_cost: float, stockout_cost: float) -> NDArray[np.void]:
    """Return weights, shape (1,), with which the reward is minus the money spent.

    Parameters
    ----------
    holding_cost, stockout_cost : float
        Per unit left over and per unit lost [money/unit].
    """
    weights = np.zeros(1, STORE_WEIGHTS)
    weights["holding_cost"], weights["stockout_cost"] = holding_cost, stockout_cost
    weights["cost"] = True
    return weights


@compiled
def expected_rewards(weights: Any, on_hand: Floats, points: Floats, chances: Floats) -> Floats:
    """Return the expected reward of a day for every stock before demand, shape of `on_hand`.

    Parameters
    ----------
    weights : ndarray
        Shape (1,), `STORE_WEIGHTS` or more. Where ``cost`` is set, a negative `on_hand` stands for
        backlogged units: each is charged as lost on every day that it waits.
    on_hand : ndarray
        Units before demand [units].
    points, chances : ndarray
        Values of demand [units] and their probabilities.
    """
    w = weights[0]
    rewards = np.zeros(on_hand.size)
    for i in range(on_hand.size):
        for j in range(points.size):
            sales, left = meet_demand(on_hand[i], points[j])
            rewards[i] += chances[j] * store_reward(w, left, sales, points[j])
    return rewards
