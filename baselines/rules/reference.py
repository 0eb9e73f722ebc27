"""The reference rules of the supply chain: what every tier does until it learns."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.multi_agent import TeamPolicy, chain_of
from baselines.policy import Actions, Policy, Rule, seed_of_chunk
from envs.batch import Batch
from envs.supply_chain.batch import SUPPLIER_ACTIONS
from envs.supply_chain.observation import Tier

Values = NDArray[np.float64]
LOW_SERVICE = 0.95
"""Mean service level below which the reference warehouse orders a little in any case."""


class StoreReorder(Rule):
    """(s, S) on the stock on hand: below s order up to S, in the nearest quantity on offer.

    With ``q = S - on_hand`` the order is the quantity that the midpoints between the positive ones
    assign to q; nothing at or above s. It looks at the stock on hand alone, as the reference does,
    not at the inventory position.
    """

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on."""
        self._chain = chain = chain_of(batch)
        own = chain.parameters.reorder_levels()
        self._reorder_point, self._order_up_to_level = own[..., 0], own[..., 1]

    def actions(self) -> Actions:
        """Return one action per store of every world, shape (num_worlds * N,)."""
        chain = self._chain
        on_hand = chain.sites["on_hand"]
        wanted = self._order_up_to_level[chain.lane_of] - on_hand
        wanted[on_hand >= self._reorder_point[chain.lane_of]] = 0.0
        return nearest_order(chain.store_orders(), wanted).reshape(-1)


def nearest_order(orders: Values, wanted: Values) -> NDArray[np.intp]:
    """Return the action whose positive quantity is nearest to what is wanted, ties to the larger.

    Parameters
    ----------
    orders : ndarray
        Quantity of each action, shape (..., actions) [units].
    wanted : ndarray
        Shape (...) [units]; where it is 0 or less the action with the least quantity is returned.
    """
    rank = np.argsort(orders, axis=-1, kind="stable")
    sorted_orders = np.take_along_axis(orders, rank, axis=-1)
    middle = (sorted_orders[..., 1:-1] + sorted_orders[..., 2:]) / 2
    at = (wanted[..., None] >= middle).sum(axis=-1) + min(1, orders.shape[-1] - 1)
    at = np.where(wanted > 0.0, at, 0)
    chosen: NDArray[np.intp] = np.take_along_axis(rank, at[..., None], axis=-1)[..., 0]
    return chosen


class WarehouseReorder(Rule):
    """The reference warehouse: how far on-hand is below s decides among the quantities on offer.

    It orders the largest quantity if the shortage is over it, another one if the shortage is over
    80 % of it, else the smallest; without a shortage it orders the smallest while the stores' mean
    service level is below 0.95. It too looks at the stock on hand alone.
    """

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on."""
        self._chain = chain = chain_of(batch)
        lanes = chain.parameters.lanes()
        self._reorder_point = np.array([lane.warehouse.reorder_point for lane in lanes])

    def actions(self) -> Actions:
        """Return one action per world, shape (num_worlds,)."""
        chain = self._chain
        shortage = self._reorder_point[chain.lane_of] - chain.hubs["on_hand"]
        orders = chain.warehouse_orders()
        threshold = 0.8 * orders
        threshold[:, -1] = orders[:, -1]
        threshold[:, :2] = -np.inf  # the smallest order needs no more than a reason
        level = np.where(shortage[:, None] > threshold, np.arange(orders.shape[1]), 0).max(axis=1)
        low = chain.hubs["service"] < LOW_SERVICE
        smallest = min(1, orders.shape[1] - 1)
        return np.where(shortage > 0.0, level, np.where(low, smallest, 0))


class ShipInFull(Rule):
    """The reference supplier: ship every order in full and at once."""

    def actions(self) -> Actions:
        """Return action 0 for every world, shape (num_worlds,)."""
        return np.zeros(self._batch.num_worlds, np.int64)


class RandomTier(Rule):
    """Every action of a tier equally likely.

    Parameters
    ----------
    tier : {"store", "warehouse", "supplier"}
        Tier whose actions are drawn.
    seed : int or SeedSequence
        Seed of the actions; the same actions again after each `bind`.
    """

    def __init__(self, tier: Tier, seed: int | np.random.SeedSequence = 0) -> None:
        self._tier, self._seed = tier, seed

    def of_chunk(self, chunk: int) -> "RandomTier":
        """Return random play with other actions for every chunk of episodes."""
        return RandomTier(self._tier, seed_of_chunk(self._seed, chunk))

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on."""
        chain = chain_of(batch)
        self._rng = np.random.default_rng(self._seed)
        stores, warehouse = chain.num_actions[0], chain.num_actions[-2]
        counts = {"store": stores, "warehouse": warehouse, "supplier": SUPPLIER_ACTIONS}
        self._count = counts[self._tier]
        self._rows = chain.num_worlds * (chain.num_stores if self._tier == "store" else 1)

    def actions(self) -> Actions:
        """Return one uniformly drawn action per agent of the tier."""
        return self._rng.integers(0, self._count, self._rows)


def reference_rules() -> dict[str, Any]:
    """Return the reference rule of every tier, by tier."""
    return {"store": StoreReorder(), "warehouse": WarehouseReorder(), "supplier": ShipInFull()}


def teams_by(rule: Callable[..., Rule], tier: Tier = "store") -> Callable[..., TeamPolicy]:
    """Return a factory of teams in which a tier follows a rule, given the rule's parameters."""
    return lambda **values: reference_team(**{tier: rule(**values)})


MOST_NAMED = 5
"""Most stores whose own levels a note lists."""


def reorder_note(policies: Mapping[str, Policy], parameters: Any) -> tuple[str, ...]:
    """Return a line with the stores' s and S, if stores of a policy follow the reference rule.

    Parameters
    ----------
    policies : mapping
        Policies by name.
    parameters : FrozenModel
        Parameters of the problem.
    """
    teams = (policy for policy in policies.values() if isinstance(policy, TeamPolicy))
    if not any(isinstance(team.players.get("store"), StoreReorder) for team in teams):
        return ()
    pairs = [f"{s:g}, {up_to:g}" for s, up_to in parameters.reorder_levels()[0]]
    usual = Counter(pairs).most_common(1)[0][0]
    others = [f"store_{i} {own}" for i, own in enumerate(pairs, 1) if own != usual]
    named = "; ".join(others[:MOST_NAMED]) + ("; ..." if len(others) > MOST_NAMED else "")
    line = f"Stores' reference rule: below s order up to S, s, S = {usual} units"
    return (f"{line} ({named})." if named else f"{line}.",)


def reference_team(**players: Any) -> TeamPolicy:
    """Return the reference rules of all tiers, except those replaced by `players`."""
    return TeamPolicy({**reference_rules(), **players})
