"""Rules of a store in units, and a solved store's orders: the policies of textbooks."""

import numpy as np
from numpy.typing import ArrayLike

from baselines.optimum.lost_sales import LostSalesOptimum
from baselines.stock_rule import StoreRule, Values
from inventory.supply_chain import SupplyChainBatch


class StockLevels(StoreRule):
    """Order ``min(S - IP, r)`` where the inventory position IP is at or below s.

    Base-stock policy with s and r without end, capped base-stock policy with r, (s, S) policy with
    s.

    Parameters
    ----------
    level : array_like
        S, of every day of the episode [units].
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
    """Order as the exact solution of a store with lost sales says.

    Parameters
    ----------
    solved : LostSalesOptimum
        Of the batch's one store.
    """

    def __init__(self, solved: LostSalesOptimum) -> None:
        super().__init__()
        self._solved = solved

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        ahead = max(self._solved.limits.size - 2, 0)
        on_hand = np.rint(chain.sites["on_hand"][:, 0]).astype(np.int64)
        under_way = np.rint(chain.pipelines[:, 0, :ahead]).astype(np.int64)
        return self._solved.order(on_hand, under_way)[:, None].astype(np.float64)
