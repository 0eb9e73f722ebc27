"""The costs counted, the value of stock, and the best choice if costs were different."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from demand.summary import ends
from evaluation.replay import PARTS, Replay

FACTORS = (0.5, 1.0, 2.0)
"""Factors on the costs that are varied."""
CHANGED = "holding", "stockouts", "ordering"


def costs_in_words(parameters: Any) -> str:
    """Return the costs counted for stock, lost sales, orders and waste, and the lead time.

    Parameters
    ----------
    parameters : SupplyChainParameters
        Parameters with demand of a file.
    """
    p, period = parameters, parameters.history.table.period
    waits = any(lane.store.unmet_demand == "backlog" for lane in p.lanes())
    missed = f"a unit that is waited for, each {period}," if waits else "a lost sale"
    times = sorted({lane.store.lead_time for lane in p.lanes()})
    parts = [
        f"a unit held for a {period} costs {_range(p, 'holding_cost')}",
        f"{missed} {_range(p, 'stockout_cost')}",
        f"an order {_range(p, 'fixed_cost')}",
        *([f"a unit wasted {_range(p, 'waste_cost')}"] if p.longest_shelf_life else []),
        f"and orders take {' or '.join(map(str, times))} {period}{'' if times == [1] else 's'}",
    ]
    return ", ".join(parts)


def _range(parameters: Any, name: str) -> str:
    """Return a cost, or the least and the most where products or stores differ."""
    return ends(parameters.of_stores(name).ravel(), ",.6g")


@dataclass(frozen=True)
class StockValue:
    """The value of stock.

    Attributes
    ----------
    value : float
        Mean over evenings, at unit cost [money].
    known : float
        Share of the units on hand whose unit cost is known.
    """

    value: float
    known: float


def stock_value(played: Replay, parameters: Any) -> StockValue | None:
    """Return the mean value of a replay's stock, None if no unit cost is known."""
    shape = played.on_hand.shape[1:]
    usual = np.array([lane.store.unit_cost for lane in parameters.lanes()], np.float64)
    costs = np.repeat(np.where(usual > 0, usual, np.nan)[:, None], shape[1], axis=1)
    items = parameters.history.items
    if items is not None:
        own = items.given("unit_cost")
        costs = np.where(np.isnan(own), costs, own)
    units = played.on_hand.mean(axis=0)
    known = ~np.isnan(costs)
    if not known.any():
        return None
    share = float(units[known].sum() / max(units.sum(), 1e-9))
    return StockValue(float((units * np.nan_to_num(costs)).sum()), share)


@dataclass(frozen=True)
class OtherCosts:
    """Total costs of policies if unit costs were different and all orders the same.

    Attributes
    ----------
    holding, stockouts, ordering : float
        Factors on these costs.
    costs : dict
        Cost per year by policy [money].
    """

    holding: float
    stockouts: float
    ordering: float
    costs: dict[str, float]

    @property
    def cheapest(self) -> str:
        """The policy with the lowest cost."""
        return min(self.costs, key=lambda name: self.costs[name])


def other_costs(replays: Mapping[str, Replay]) -> list[OtherCosts]:
    """Return the total costs of policies with other holding, lost-sale and ordering costs.

    Ordering costs are varied if there are any. Costs are sums of their parts, so that nothing is
    simulated again; orders stay the same, though a newsvendor would change them.
    """
    ordering = any(np.any(one.parts.get("ordering", 0.0)) for one in replays.values())
    cases = [(h, p, 1.0) for h in FACTORS for p in FACTORS]
    cases += [(1.0, 1.0, k) for k in FACTORS if ordering and k != 1.0]
    found = []
    for case in cases:
        factors = {**dict.fromkeys(PARTS, 1.0), **dict(zip(CHANGED, case, strict=True))}
        costs = {
            name: sum(factors[part] * one.part_per_year(part) for part in one.parts)
            for name, one in replays.items()
        }
        found.append(OtherCosts(*case, costs))
    return found
