"""The common part of the supply chain's stock rules, and textbook rules in units."""

import copy
from abc import abstractmethod
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from baselines.multi_agent import chain_of
from baselines.policy import Actions, Rule
from baselines.solvers.chain.store_programme import chain_programmes
from baselines.solvers.store.lost_sales import LostSalesOptimum
from common.compiled import compiled
from common.errors import InputError
from envs.batch import Batch
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.order_limits import store_positions
from envs.supply_chain.parameters import SupplyChainParameters

Floats = NDArray[np.float64]


@compiled
def nearest_action(orders: Floats, wanted: Floats) -> NDArray[np.int64]:
    """Return the action whose quantity is nearest to what is wanted, ties to the larger quantity.

    Parameters
    ----------
    orders : ndarray
        Quantity of each action, shape (rows, N, actions) [units].
    wanted : ndarray
        Shape (rows, N) [units]; negative quantities count as 0.

    Returns
    -------
    ndarray
        Shape (rows, N); the first of actions with equal quantities.
    """
    chosen = np.zeros(wanted.shape, np.int64)
    for w in range(wanted.shape[0]):
        for i in range(wanted.shape[1]):
            target = max(wanted[w, i], 0.0)
            best = orders[w, i, 0]
            for a in range(1, orders.shape[2]):
                order = orders[w, i, a]
                nearer, near = abs(order - target), abs(best - target)
                if nearer < near or (nearer == near and order > best):
                    chosen[w, i], best = a, order
    return chosen


Values = NDArray[np.float64]


class StockRule(Rule):
    """Common part of all rules: parameters by name, checked, and binding.

    Parameters
    ----------
    **values : array_like
        The rule's parameters: one number each, or one per world.
    """

    at_least_zero: tuple[str, ...] = ()
    """Parameters that must not be negative."""

    def __init__(self, **values: ArrayLike) -> None:
        self.values = {name: np.asarray(value, np.float64) for name, value in values.items()}
        for name, value in self.values.items():
            if np.isnan(value).any():
                raise InputError(f"{name} = {value}: must be a number")
            if name in self.at_least_zero and (value < 0).any():
                raise InputError(f"{name} = {value}: must be at least 0")

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value:g}" for name, value in self.values.items())
        return f"{type(self).__name__}({values})"

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on."""
        self._chain = chain = chain_of(batch)
        for name, value in self.values.items():
            if value.shape not in ((), (chain.num_worlds,)):
                raise InputError(f"{name} has shape {value.shape}, not ({chain.num_worlds},)")
        self._columns = {name: value.reshape(-1, 1) for name, value in self.values.items()}
        self._mean = chain.parameters.mean_demand()
        self._prepare(chain.parameters)

    def _prepare(self, parameters: SupplyChainParameters) -> None:
        """Compute what the rule needs of the parameters, once."""

    def _by_world(self, of_lane: Values) -> Values:
        """Return rows of lanes, shape (SKUs, N), as rows of worlds; one row if they are equal."""
        return of_lane if len(of_lane) == 1 else of_lane[self._chain.lane_of]

    def actions(self) -> Actions:
        """Return one action per agent of the tier, read from the state of the batch."""
        return self._choose(self._chain).reshape(-1)

    @abstractmethod
    def _choose(self, chain: SupplyChainBatch) -> Actions:
        """Return the actions, one row per world."""


class StoreRule(StockRule):
    """A rule that all stores of all worlds follow, each with its own demand.

    Attributes
    ----------
    free : bool
        Whether it orders any quantity, on offer or not.
    whole : bool
        Whether any quantity means any whole number of units.
    is_base_stock : bool
        Whether it orders up to one level on every day, wherever its forecast puts that level.
    """

    free = False
    whole = False
    is_base_stock = False

    def in_any_quantity(self, *, whole: bool = False) -> Self:
        """Return the same rule, ordering exactly what it wants, not the nearest quantity on offer.

        With `whole` it orders the nearest whole number of units.
        """
        rule = copy.copy(self)
        rule.free, rule.whole = True, whole
        return rule

    def __repr__(self) -> str:
        how = ", in whole units" if self.whole else ", in any quantity" if self.free else ""
        return super().__repr__() + how

    def wanted(self, chain: SupplyChainBatch, more: Values | float = 0.0) -> Values:
        """Return the quantity that the rule wants now, on offer or not, shape (worlds, N) [units].

        For a base-stock policy it is the order-up-to level less the inventory position, even where
        that is negative.

        Parameters
        ----------
        chain : SupplyChainBatch
            The worlds.
        more : ndarray or float
            Amount added to all levels of the rule [units].
        """
        position = store_positions(chain.sites, chain.pipelines)
        if self.is_base_stock:
            return self._wanted(chain, position) + more
        return self._wanted(chain, position - more)

    def _choose(self, chain: SupplyChainBatch) -> Actions:
        return self.order(chain, self.wanted(chain))

    def order(self, chain: SupplyChainBatch, wanted: Values) -> Actions:
        """Let all stores order what they want, and return actions, shape (worlds, N)."""
        if self.free:
            chain.order_units(np.floor(wanted + 0.5) if self.whole else wanted)
            return np.zeros(wanted.shape, np.int64)
        return nearest_action(chain.store_orders(), wanted)

    @abstractmethod
    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        """Return the quantity to order [units], shape of `position`, (worlds, N)."""


class StockLevels(StoreRule):
    """Order ``min(S - IP, r)`` where the inventory position IP is at or below s.

    By default s and r are infinite, which is a base-stock policy; with a finite r it is a capped
    base-stock policy, with a finite s an (s, S) policy.

    Parameters
    ----------
    level : array_like
        S, on every day of the episode [units].
    reorder_point, cap : array_like
        s and r [units].

    References
    ----------
    Zipkin (2008), Old and new methods for lost-sales inventory systems, Operations Research 56(5);
    Xin (2021), Understanding the performance of capped base-stock policies in lost-sales inventory
    models, Operations Research 69(1).
    """

    at_least_zero = ("level", "cap")

    def __init__(
        self, level: ArrayLike, reorder_point: ArrayLike = np.inf, cap: ArrayLike = np.inf
    ) -> None:
        super().__init__(level=level, reorder_point=reorder_point, cap=cap)

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        order = np.minimum(self._columns["level"] - position, self._columns["cap"])
        return np.where(position <= self._columns["reorder_point"], order, 0.0)


class SolvedOrders(StoreRule):
    """Order by the exact solution of a store with lost sales.

    Parameters
    ----------
    solved : LostSalesOptimum
        Solution for the batch's only store.
    """

    def __init__(self, solved: LostSalesOptimum) -> None:
        super().__init__()
        self._solved = solved

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        ahead = max(self._solved.limits.size - 2, 0)
        on_hand = np.rint(chain.sites["on_hand"][:, 0]).astype(np.int64)
        under_way = np.rint(chain.pipelines[:, 0, :ahead]).astype(np.int64)
        return self._solved.order(on_hand, under_way)[:, None].astype(np.float64)


class ProgrammedOrders(StoreRule):
    """Order by the dynamic programme of each store, which knows the law of demand.

    See `baselines.solvers.chain.store_programme`.
    """

    def __repr__(self) -> str:
        return type(self).__name__

    def _prepare(self, parameters: SupplyChainParameters) -> None:
        self._programmes = chain_programmes(parameters)

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        offers, wanted = chain.store_orders(), np.zeros(position.shape)
        for (sku, store), programme in self._programmes.items():
            rows = np.flatnonzero(chain.lane_of == sku)
            sites, pipelines = chain.sites[rows, store], chain.pipelines[rows, store]
            arriving = pipelines[:, :1].sum(axis=1)
            stocks = sites["on_hand"].copy(), arriving, sites["backorders"].copy()
            wanted[rows, store] = programme.orders(chain.day, stocks, offers[rows, store])
        return wanted
