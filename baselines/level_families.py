"""The policies of textbooks, in units: what tuning may choose from where orders are in units."""

import numpy as np

from baselines.stock_levels import StockLevels
from baselines.stock_rule import Values
from baselines.supply_chain_families import longest_lead_time
from baselines.supply_chain_rules import reference_team
from baselines.team import TeamPolicy
from baselines.tuning import Family
from inventory.supply_chain_parameters import SupplyChainParameters


def in_units(parameters: SupplyChainParameters) -> bool:
    """Whether all stores choose among quantities in units, not among multiples of a forecast."""
    return all(lane.store.order_units is not None for lane in parameters.lanes())


def _levels(parameters: SupplyChainParameters) -> tuple[float, ...]:
    """Return order-up-to levels from one unit to twice the usual demand of a lead time, and more.

    Whole numbers [units], about a tenth of the largest apart.
    """
    mean = float(parameters.mean_demand().max())
    most = 2.0 * (longest_lead_time(parameters) + 1.0) * mean + 10.0
    return tuple(dict.fromkeys(float(round(most * k / 10.0)) for k in range(1, 11)))


def _caps(parameters: SupplyChainParameters) -> tuple[float, ...]:
    """Return largest orders from half of the mean demand on [units]."""
    mean = float(parameters.mean_demand().max())
    shares = (0.5, 1.0, 1.25, 1.5, 2.0, 3.0)
    return tuple(dict.fromkeys(float(max(1, round(mean * share))) for share in shares))


def level_family(parameters: SupplyChainParameters) -> Family:
    """Return the base-stock policies, by their level in units."""

    def make(level: Values) -> TeamPolicy:
        return reference_team(store=StockLevels(level))

    return Family(make, {"level": _levels(parameters)}, ("level",), ("level",))


def capped_level_family(parameters: SupplyChainParameters) -> Family:
    """Return the capped base-stock policies, by level and largest order in units."""

    def make(level: Values, cap: Values) -> TeamPolicy:
        return reference_team(store=StockLevels(level, cap=cap))

    grid = {"level": _levels(parameters), "cap": _caps(parameters)}
    return Family(make, grid, tuple(grid), tuple(grid))


def reorder_level_family(parameters: SupplyChainParameters) -> Family:
    """Return the (s, S) policies in units, by S and the distance S - s."""

    def make(level: Values, gap: Values) -> TeamPolicy:
        return reference_team(store=StockLevels(level, np.maximum(level - gap, 0.0)))

    gaps = tuple(dict.fromkeys((1.0, *_caps(parameters))))
    grid = {"level": _levels(parameters), "gap": gaps}
    return Family(make, grid, tuple(grid), tuple(grid))
