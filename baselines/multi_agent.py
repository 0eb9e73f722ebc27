"""A policy for all agents of the supply chain, composed of one policy per tier.

A tier's policy is bound to the whole batch and receives its own rows of the observation: those of
all stores of all worlds, or one per world for the warehouse and for the supplier.
"""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.policy import Actions, Policy, is_blind, of_chunk
from envs.batch import Batch
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.observation import Tier


def chain_of(batch: Batch) -> SupplyChainBatch:
    """Return `batch` as the supply chain's.

    Raises
    ------
    TypeError
        If it belongs to another problem.
    """
    if not isinstance(batch, SupplyChainBatch):
        raise TypeError(f"{type(batch).__name__} is not a supply chain")
    return batch


def columns_of(player: str, num_stores: int) -> NDArray[np.intp]:
    """Return the columns of the actions that belong to a tier or to one agent.

    Examples
    --------
    >>> columns_of("store", 3).tolist(), columns_of("store_2", 3).tolist()
    ([0, 1, 2], [1])
    >>> columns_of("supplier", 3).tolist()
    [4]
    """
    if player == "store":
        return np.arange(num_stores)
    if player.startswith("store_"):
        return np.array([int(player.removeprefix("store_")) - 1])
    return np.array([num_stores + (player == "supplier")])


class TeamPolicy:
    """All agents of the supply chain, each played by the policy of its tier.

    Parameters
    ----------
    players : mapping
        Policies by ``"store"`` (all stores), ``"store_1"`` ... (a single one, in place of the
        tier's), ``"warehouse"`` and ``"supplier"``.
    joint : set of str
        Players whose model observes all stores of a world in one row and decides for all.
    """

    def __init__(self, players: Mapping[str, Policy], joint: frozenset[str] = frozenset()) -> None:
        self.players, self.joint = dict(players), joint

    def __repr__(self) -> str:
        """Show the players with a `repr` of their own, which the reference rules lack."""
        shown = [p for p in self.players.values() if type(p).__repr__ is not object.__repr__]
        return ", ".join(map(repr, shown)) or "TeamPolicy()"

    @property
    def blind(self) -> bool:
        """Whether no player looks at its observation."""
        return all(map(is_blind, self.players.values()))

    def of_chunk(self, chunk: int) -> "TeamPolicy":
        """Return the same team, its stochastic players drawing the actions of this chunk."""
        players = {name: of_chunk(player, chunk) for name, player in self.players.items()}
        return TeamPolicy(players, self.joint)

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on."""
        self._batch = chain_of(batch)
        # copies are bound: a player may sit in several teams, each with a batch of its own
        self._playing = {name: copy.copy(player) for name, player in self.players.items()}
        for player in self._playing.values():
            player.bind(batch)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Actions, Any]:
        """Return actions of shape (num_worlds, N + 2) and the players' hidden states by name."""
        worlds, n = self._batch.num_worlds, self._batch.num_stores
        actions = np.zeros((worlds, n + 2), np.int64)
        memory = dict(state or {})
        tiers = None if observation is None else self._batch.by_tier(observation)
        for name, policy in self._playing.items():
            columns = columns_of(name, n)
            rows, start = None, episode_start
            if tiers is not None and not is_blind(policy):
                rows = rows_of(tiers, name, columns, joint=name in self.joint)
                if start is not None and len(rows) != len(start):
                    start = np.repeat(start, len(columns))
            chosen, memory[name] = policy.predict(rows, memory.get(name), start, deterministic)
            actions[:, columns] = np.asarray(chosen).reshape(worlds, len(columns))
        return actions, memory


def rows_of(
    tiers: Mapping[str, NDArray[np.float32]],
    player: str,
    columns: NDArray[np.intp],
    *,
    joint: bool,
) -> NDArray[np.float32]:
    """Return a player's observation: one row per agent, or per world if it decides for all stores.

    Parameters
    ----------
    tiers : mapping
        As `SupplyChainBatch.by_tier` returns them.
    player : str
        A tier, or one agent.
    columns : ndarray
        Its columns of the actions.
    joint : bool
        Whether it observes its agents of a world side by side in one row.
    """
    if not player.startswith("store"):
        return tiers[player]
    stores = tiers["store"] if player == "store" else tiers["store"][:, columns]
    size = stores.shape[2] * (stores.shape[1] if joint else 1)
    return stores.reshape(-1, size)


def tier_of(player: str) -> Tier:
    """Return the tier of a player such as ``"store_2"``."""
    return "store" if player.startswith("store") else _OTHERS[player]


_OTHERS: dict[str, Tier] = {"warehouse": "warehouse", "supplier": "supplier"}
