"""The orders actually placed in the past, as a policy."""

from baselines.rules.stock_rule import StoreRule, Values
from common.errors import InputError
from demand.past_orders import PastOrders
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters


class ActualOrders(StoreRule):
    """Order what was ordered on that day, in any quantity.

    Parameters
    ----------
    past : PastOrders
        The orders of every day played.
    """

    free = True

    def __init__(self, past: PastOrders) -> None:
        super().__init__()
        self._past = past

    def __repr__(self) -> str:
        """Show the file."""
        return f"ActualOrders({self._past.table.name!r})"

    def _prepare(self, parameters: SupplyChainParameters) -> None:
        if parameters.history is None:
            raise InputError("ActualOrders needs demand of a file; set demand_data")

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        assert chain.past is not None  # noqa: S101  (see _prepare)
        return self._past.on(chain.past.start + chain.day, chain.lane_of)
