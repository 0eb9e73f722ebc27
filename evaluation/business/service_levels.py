"""How much was sold of what an items file asks a fill rate for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.replay import Replay

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ServiceRecord:
    """Demand for items that have a fill rate to reach, all together.

    Attributes
    ----------
    demand, missed : float
        What was asked for, and of it what was not sold [units].
    allowed : float
        What the fill rates allow to miss [units].
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
            Of every SKU and store.
        targets : ndarray
            Fill rates to reach, NaN for none, shape (SKUs, stores).
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
        """Return both shares, nothing where no fill rate is asked for."""
        if self.demand == 0.0:
            return ""
        sold, asked = (1.0 - units / self.demand for units in (self.missed, self.allowed))
        return f"{sold:.1%}, asked for {asked:.1%}"
