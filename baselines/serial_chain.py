"""A warehouse with a single store and backorders: the chain as a serial system."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines.average_cost import NEGLIGIBLE, forgets_start
from baselines.multi_agent import TeamPolicy
from baselines.rules.reference import reference_team
from baselines.rules.stock_rule import StockLevels
from baselines.rules.warehouse import EchelonBaseStock
from baselines.solvers.reference import Reference
from baselines.solvers.store.clark_scarf import (
    EchelonLevels,
    SerialSystem,
    solve_serial,
)
from common.errors import InputError
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.sites import Lane


@dataclass(frozen=True)
class SerialChain:
    """A chain that is a serial system.

    Attributes
    ----------
    system : SerialSystem
        Its two stages.
    """

    system: SerialSystem

    def solved(self) -> EchelonLevels:
        """Return the best levels and their cost, without that of units under way [money/day]."""
        found = solve_serial(self.system)
        return EchelonLevels(found.levels, found.cost - self.system.under_way)

    def team(self, store: float, echelon: float) -> TeamPolicy:
        """Return the base-stock policies of all agents with these levels [units]."""
        return reference_team(
            store=StockLevels(store), warehouse=EchelonBaseStock(echelon / self.system.mean)
        )

    def reference(self, parameters: SupplyChainParameters) -> Reference | None:
        """Return the largest sum of all agents' returns, or None if it is unknown.

        Every day's expected cost is at least the least average, if the echelon's stock of a day is
        counted together with the store's of a lead time later. A policy that knows the last day can
        save the cost of the echelon's stock in the lead time before it, which has to be negligible;
        and the days on which the first morning's stock is sold must not count.
        """
        best, days = self.solved(), parameters.horizon - parameters.warmup_days
        spared = self.system.holding_costs[1] * self.system.lead_times[0] * best.levels[1]
        total = best.cost * days
        first = float(parameters.initial_on_hand().sum() + parameters.warehouse_on_hand().sum())
        if not forgets_start(parameters, first) or spared > NEGLIGIBLE * total:
            return None
        note = (
            f"Long-run average optimum of the serial system, {best.cost:.4f} a day, times the "
            f"{days} days that count; echelon base-stock levels {best.levels[0]:g} and "
            f"{best.levels[1]:g}. A policy that knew the last day could spend about {spared:.2g} "
            "less."
        )
        return Reference("optimum", -total, note)


def serial_chain(parameters: SupplyChainParameters) -> SerialChain | None:
    """Return the serial system that the parameters describe, if they describe one.

    One store with one SKU, with backorders and stationary Poisson demand; money as the objective,
    without a fixed cost; a supplier that never fails and can ship all that is ordered; a holding
    cost that is higher at the store than at the warehouse; and order quantities of both that
    include every whole number up to the largest demand considered.
    """
    p = parameters
    if p.num_stores != 1 or len(p.sku) != 1 or p.objective != "cost" or not p.backlog:
        return None
    (lane,), (means, stds) = p.lanes(), p.demand_moments()
    steady = np.ptp(means) == 0.0 and np.ptp(stds) == 0.0
    if not steady or lane.sku.demand_model != "poisson" or not _unhindered(lane):
        return None
    try:
        system = SerialSystem(
            (lane.store.holding_cost, lane.warehouse.holding_cost),
            (lane.store.lead_time, p.supplier_lead_time(lane)),
            lane.store.stockout_cost,
            "poisson",
            float(means.flat[0]),
        )
    except InputError:
        return None
    return SerialChain(system) if _on_offer(lane, system.mean) else None


def _unhindered(lane: Lane) -> bool:
    """Whether lead times are the only restriction on an order."""
    capacity = lane.supplier.production_capacity >= max(lane.warehouse.order_units)
    free = lane.store.fixed_cost == lane.store.unit_cost == 0.0 and not lane.store.limited
    free = free and lane.store.shelf_life is None
    short = np.isfinite(lane.warehouse.initial_on_hand)
    return bool(capacity and free and short and lane.supplier.reliability == 1.0)


def _on_offer(lane: Lane, mean: float) -> bool:
    """Whether an order equal to any day's demand can be placed."""
    largest = int(mean + 6.0 * np.sqrt(mean)) + 1
    grids: tuple[Any, ...] = (lane.store.order_units or (), lane.warehouse.order_units)
    return all(set(range(largest + 1)) <= set(grid) for grid in grids)
