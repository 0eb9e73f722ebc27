"""Rules of the warehouse: base-stock policies on its installation and on its echelon stock."""

from abc import abstractmethod

import numpy as np
from numpy.typing import ArrayLike

from baselines.policy import Actions
from baselines.rules.stock_rule import StockRule, Values, nearest_action
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.order_limits import store_positions


class WarehouseRule(StockRule):
    """A rule of the warehouse: order the nearest quantity on offer to ``S M - position``.

    Parameters
    ----------
    level_days : array_like
        S [days of M, the mean demand of all stores].
    """

    at_least_zero = ("level_days",)

    def __init__(self, level_days: ArrayLike) -> None:
        super().__init__(level_days=level_days)

    def _choose(self, chain: SupplyChainBatch) -> Actions:
        total = self._by_world(self._mean.sum(axis=1, keepdims=True))
        position = self._position(chain)[:, None]
        never_short = np.isinf(position)
        wanted = self._columns["level_days"] * total - np.where(never_short, 0.0, position)
        wanted = np.where(never_short, 0.0, wanted)
        return nearest_action(chain.warehouse_orders()[:, None, :], wanted)

    @abstractmethod
    def _position(self, chain: SupplyChainBatch) -> Values:
        """Return what is compared with the level, shape (worlds,) [units]."""


class WarehouseBaseStock(WarehouseRule):
    """Base-stock policy of the warehouse on its installation stock.

    Its inventory position is what it has on hand, on the supplier's desk and inbound, less what
    it owes the stores.

    References
    ----------
    Zipkin (2000), chapter 8 (local policies); Snyder and Shen (2019), chapter 6.
    """

    def _position(self, chain: SupplyChainBatch) -> Values:
        owed: Values = chain.sites["backorders"].sum(axis=1)
        return _supply(chain) - owed


class EchelonBaseStock(WarehouseRule):
    """Base-stock policy of the warehouse on its echelon stock.

    The echelon inventory position is what the warehouse has on hand, on the supplier's desk and
    inbound, plus all units on hand at the stores and in transit to them.

    References
    ----------
    Clark and Scarf (1960), Optimal policies for a multi-echelon inventory problem, Management
    Science 6(4); Zipkin (2000), chapter 8; Snyder and Shen (2019), chapter 6.
    """

    def _position(self, chain: SupplyChainBatch) -> Values:
        sites = chain.sites
        stores: Values = store_positions(sites, chain.pipelines) - sites["backorders"]
        position: Values = _supply(chain) + stores.sum(axis=1)
        return position


def _supply(chain: SupplyChainBatch) -> Values:
    """Return the warehouse's units on hand, on the supplier's desk and inbound."""
    supply: Values = chain.hubs["on_hand"] + chain.hubs["on_desk"] + chain.inbound.sum(axis=1)
    return supply
