"""The events of a day of the supply chain, as equations of one agent or one store.

`envs.supply_chain.dynamics` applies them to the state of a world.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled

Floats = NDArray[np.float64]


@compiled
def supply(order: float, decision: int, capacity: float, works: bool) -> tuple[float, bool]:
    """Event 1: return the units that the supplier ships of `order` and whether a day later."""
    share = 0.8 if decision == 1 else 1.0
    return (min(share * order, capacity) if works else 0.0), decision == 2


@compiled
def allocate(on_hand: float, claims: float) -> float:
    """Event 2: return the share of every claim that the warehouse ships."""
    return 1.0 if claims <= on_hand else on_hand / claims


@compiled
def meet_demand(on_hand: float, demand: float) -> tuple[float, float]:
    """Event 4: return units sold and units left; the rest of the demand is lost.

    With a backlog, `on_hand` is the inventory level. Below 0 the units sold are that level too, so
    that ``demand - sold`` is always what was lost or what is owed now.
    """
    sales = min(on_hand, demand)
    return sales, on_hand - sales


@compiled
def receive(pipeline: Floats) -> float:
    """Event 6: return what arrives this morning and move the pipeline on by a day."""
    arriving = pipeline[0]
    for k in range(pipeline.size - 1):
        pipeline[k] = pipeline[k + 1]
    pipeline[-1] = 0.0
    return float(arriving)


@compiled
def forecast(window: Floats, observed: int, default: float, default_std: float) -> Any:
    """Return mean and standard deviation of the last `observed` days' demand.

    With no day observed the mean, and with fewer than 2 the deviation, is the default.
    """
    if observed == 0:
        return default, default_std
    mean = window[:observed].mean()
    if observed < 2:
        return mean, default_std
    return mean, np.sqrt(np.mean((window[:observed] - mean) ** 2))
