"""Offsets to the order-up-to level of a rule, as the actions of stores that learn.

An offset of a days of recent demand moves the level S_t of a rule: the store wants

``S_t + a mu_t - IP`` [units],

or, with an (s, S) policy, the same once IP is below ``s_t + a mu_t``, with mu_t the mean of the
last 28 days and IP the inventory position. As with every rule, it orders the nearest quantity on
offer, all limits of orders applied; with a rule that orders any quantity, or whole units, it orders
those. At ``a = 0`` it is the rule itself, so that a policy that has learned nothing is as good as
the rule.
"""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.multi_agent import TeamPolicy, chain_of, columns_of
from baselines.policy import Policy, is_blind
from baselines.rules.stock_rule import StoreRule
from common.errors import InputError
from demand.known_demand import KNOWN_DAYS
from envs.batch import Batch
from envs.supply_chain.batch import SupplyChainBatch

Whole = NDArray[np.int64]


class OffsetOrders:
    """Turns offsets into actions of a batch.

    Parameters
    ----------
    rule : StoreRule
        Rule whose level is moved; copies of it are bound.
    offsets : tuple of float
        Offset of each choice [days of recent demand], 0 among them.
    """

    def __init__(self, rule: StoreRule, offsets: tuple[float, ...]) -> None:
        self.rule, self.offsets = rule, offsets
        self._days = np.array(offsets)

    @property
    def unmoved(self) -> int:
        """The choice that is the rule itself."""
        return self.offsets.index(0.0)

    def bound(self, chain: SupplyChainBatch) -> "OffsetOrders":
        """Return a copy bound to the worlds of a batch.

        Raises
        ------
        InputError
            If its demand does not come from a file.
        """
        if chain.past is None:
            raise InputError("store.action = offset: needs demand of a file; set demand_data")
        new = OffsetOrders(copy.copy(self.rule), self.offsets)
        new.rule.bind(chain)
        new._chain = chain
        return new

    _chain: SupplyChainBatch

    def actions(self, chosen: Whole) -> Whole:
        """Return the stores' actions, shape (worlds, N).

        Parameters
        ----------
        chosen : ndarray
            Indices of offsets, shape (worlds, N).
        """
        chain = self._chain
        assert chain.past is not None  # noqa: S101  (see bound)
        recent, _ = chain.past.recent(chain.day, KNOWN_DAYS)
        wanted = self.rule.wanted(chain, self._days[chosen] * recent)
        return np.asarray(self.rule.order(chain, wanted), np.int64)

    def actions_of(self, columns: NDArray[np.intp], chosen: NDArray[np.integer[Any]]) -> Whole:
        """Return the actions of some stores only, shape (worlds, stores).

        Parameters
        ----------
        columns : ndarray
            Indices of the stores.
        chosen : ndarray
            Indices of their offsets, shape (worlds, stores).
        """
        moved = np.full((self._chain.num_worlds, self._chain.num_stores), self.unmoved)
        moved[:, columns] = chosen
        return self.actions(moved)[:, columns]


class OffsetPolicy:
    """Present a policy that chooses offsets as one that chooses quantities.

    Parameters
    ----------
    policy : Policy
        Policy that returns indices of offsets, one per row of its player.
    orders : OffsetOrders
        Turns the offsets into actions.
    player : str
        ``"store"``, or ``"store_1"`` ... for a single one.

    Attributes
    ----------
    is_rule : bool
        Whether it is known to choose 0 in every state, so that it is the rule itself.
    """

    is_rule = False

    def __init__(self, policy: Policy, orders: OffsetOrders, player: str) -> None:
        self.policy, self._orders, self._player = policy, orders, player

    @property
    def rule(self) -> StoreRule:
        """The rule whose level the offsets move."""
        return self._orders.rule

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on."""
        chain = chain_of(batch)
        self._playing = copy.copy(self.policy)
        self._playing.bind(batch)
        self._bound = self._orders.bound(chain)
        self._columns = columns_of(self._player, chain.num_stores)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Any, Any]:
        """Return actions, shape (worlds, agents), and the policy's hidden state."""
        chosen, state = self._playing.predict(observation, state, episode_start, deterministic)
        rows = np.asarray(chosen).reshape(-1, len(self._columns))
        return self._bound.actions_of(self._columns, rows), state


class ShiftedOrders:
    """Any policy, with some days of recent demand added to every order of its stores.

    For a base-stock policy that raises the level by as much; limits of orders apply as usual.

    Parameters
    ----------
    policy : Policy
        Policy whose orders are moved.
    days : float
        Days of recent demand to add, negative to order less.
    whole : bool
        Whether the orders stay whole units.
    """

    def __init__(self, policy: Policy, days: float, *, whole: bool = False) -> None:
        self._policy, self._days, self._whole = policy, days, whole

    @property
    def blind(self) -> bool:
        """Whether the policy does without observations."""
        return is_blind(self._policy)

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on."""
        self._chain = chain_of(batch)
        self._playing = copy.copy(self._policy)
        self._playing.bind(batch)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Any, Any]:
        """Return the policy's actions, and have other quantities ordered."""
        actions, state = self._playing.predict(observation, state, episode_start, deterministic)
        chain = self._chain
        if self._days and chain.past is not None:
            orders = chain.orders_of(actions)
            recent, _ = chain.past.recent(chain.day, KNOWN_DAYS)
            moved = np.where(orders > 0, orders + self._days * recent, 0.0)
            chain.order_units(np.floor(moved + 0.5) if self._whole else moved)
        return actions, state


def followed_rule(policy: Policy) -> StoreRule | None:
    """Return the rule that stores follow exactly although they choose offsets to it; else None."""
    for player in policy.players.values() if isinstance(policy, TeamPolicy) else ():
        if isinstance(player, OffsetPolicy) and player.is_rule:
            return player.rule
    return None
