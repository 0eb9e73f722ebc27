"""Scenarios: named ways in which the world differs from the normal one."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ScenarioName = Literal[
    "normal", "spike", "strong_seasonality", "supplier_delay", "high_variability"
]


@dataclass(frozen=True)
class Scenario:
    """What a scenario changes.

    Attributes
    ----------
    horizon : int or None
        Days of an episode that it needs; the default where none is given.
    spike_days, spike_factor : range, float
        Days on which demand is multiplied.
    seasonality_amplitude : float or None
        In place of the SKU's own.
    extra_lead_time : int
        Days added to the supplier's lead time.
    std_factor : float
        Multiplies the demand's standard deviation.
    """

    horizon: int | None = None
    spike_days: range = range(0)
    spike_factor: float = 1.0
    seasonality_amplitude: float | None = None
    extra_lead_time: int = 0
    std_factor: float = 1.0

    def demand_factor(self, days: int) -> NDArray[np.float64]:
        """Return what demand of each day is multiplied with, shape (days,)."""
        factor = np.ones(days)
        factor[[day for day in self.spike_days if day < days]] = self.spike_factor
        return factor


SCENARIOS: dict[ScenarioName, Scenario] = {
    "normal": Scenario(),
    "spike": Scenario(horizon=90, spike_days=range(30, 33), spike_factor=2.5),
    "strong_seasonality": Scenario(seasonality_amplitude=0.5),
    "supplier_delay": Scenario(extra_lead_time=7),
    "high_variability": Scenario(std_factor=2.0),
}
