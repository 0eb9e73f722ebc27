"""What the stock rules of the supply chain share.

A parameter of a rule is one number, or one number per world, so that tuning can play many
candidates in one batch.
"""

import copy
from abc import abstractmethod
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from baselines.policy import Actions, Rule
from baselines.stock_kernels import nearest_action
from baselines.team import chain_of
from inventory.batch import Batch
from inventory.errors import InputError
from inventory.store_order_law import store_positions
from inventory.supply_chain import SupplyChainBatch
from inventory.supply_chain_parameters import SupplyChainParameters

Values = NDArray[np.float64]


class StockRule(Rule):
    """What all rules share: parameters by name, checked, and binding.

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
    """

    free = False

    def freely(self) -> Self:
        """Return the same rule, ordering exactly what it wants in place of the nearest on offer."""
        rule = copy.copy(self)
        rule.free = True
        return rule

    def __repr__(self) -> str:
        return super().__repr__() + (", in any quantity" if self.free else "")

    def _choose(self, chain: SupplyChainBatch) -> Actions:
        wanted = self._wanted(chain, store_positions(chain.sites, chain.pipelines))
        if self.free:
            chain.order_units(wanted)
            return np.zeros(wanted.shape, np.int64)
        return nearest_action(chain.store_orders(), wanted)

    @abstractmethod
    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        """Return the quantity to order [units], shape of `position`, (worlds, N)."""
