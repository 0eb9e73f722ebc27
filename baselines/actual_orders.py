"""The orders that were really placed, as a policy."""

import numpy as np

from baselines.policy import Actions
from baselines.stock_kernels import nearest_action
from baselines.stock_rule import StockRule
from inventory.errors import InputError
from inventory.past_orders import PastOrders
from inventory.supply_chain import SupplyChainBatch
from inventory.supply_chain_parameters import SupplyChainParameters


class ActualOrders(StockRule):
    """Order what was ordered on that day; what the actions on offer leave is carried over.

    Parameters
    ----------
    past : PastOrders
        The orders, of every day that is played.
    """

    def __init__(self, past: PastOrders) -> None:
        super().__init__()
        self._past = past

    def __repr__(self) -> str:
        """Show the file."""
        return f"ActualOrders({self._past.table.name!r})"

    def _prepare(self, parameters: SupplyChainParameters) -> None:
        if parameters.history is None:
            raise InputError("ActualOrders needs demand of a file; set demand_data")

    def _choose(self, chain: SupplyChainBatch) -> Actions:
        if chain.past is None:
            raise TypeError("a batch without demand of a file")
        if chain.day == 0:
            self._carried = np.zeros((chain.num_worlds, chain.num_stores))
        placed = self._past.on(chain.past.start + chain.day, chain.lane_of)
        wanted, offered = placed + self._carried, chain.store_orders()
        actions = nearest_action(offered, wanted)
        ordered = np.take_along_axis(offered, actions[..., None], axis=2)[..., 0]
        self._carried = wanted - ordered
        return actions
