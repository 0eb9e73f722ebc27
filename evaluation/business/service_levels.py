"""Achieved fill rates of the items with a target fill rate."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.replay import Replay

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ServiceRecord:
    """Total demand for items with a target fill rate.

    Attributes
    ----------
    demand, missed : float
        Units demanded, and units of them not sold [units].
    allowed : float
        Most units not sold that the targets allow [units].
    """

    demand: float = 0.0
    missed: float = 0.0
    allowed: float = 0.0

    @classmethod
    def of(cls, played: Replay, targets: Floats) -> "ServiceRecord":
        """Return the record of a replay.

        Parameters
        ----------
        played : Replay
            A replay of every SKU and store.
        targets : ndarray
            Target fill rates, NaN for none, shape (SKUs, stores).
        """
        asked = ~np.isnan(targets)
        demand, sales = (x.sum(axis=0)[asked] for x in (played.demand, played.sales))
        allowed = demand * (1.0 - targets[asked])
        return cls(float(demand.sum()), float((demand - sales).sum()), float(allowed.sum()))

    def __add__(self, other: "ServiceRecord") -> "ServiceRecord":
        return ServiceRecord(
            self.demand + other.demand, self.missed + other.missed, self.allowed + other.allowed
        )

    def __str__(self) -> str:
        """Return both shares as text, empty without a target."""
        if self.demand == 0.0:
            return ""
        sold, asked = (1.0 - units / self.demand for units in (self.missed, self.allowed))
        return f"{sold:.1%}, asked for {asked:.1%}"
