"""An upper bound on the profit of a chain's stores: the bounds of single stores combined."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baselines.solvers.chain.backlog_bound import backlog_bound
from baselines.solvers.chain.demand_points import demand_points
from baselines.solvers.chain.store_bound import StoreBound, store_bound
from baselines.solvers.reference import Reference
from envs.batch import Trace
from envs.supply_chain.constants import lane_constants
from envs.supply_chain.parameters import SupplyChainParameters

Floats = NDArray[np.float64]

MAX_STORE_DAYS = 1100
"""Most store-days that a bound is computed for: three stores for a year."""

PROGRAMME = "Dynamic programming of each store on its own"
DAY_BY_DAY = "Every day of each store at its best, as customers wait"


@dataclass(frozen=True)
class ChainBound:
    """An upper bound on the mean of the stores' expected sums of rewards, by SKU.

    Attributes
    ----------
    value, tolerance : ndarray
        The bound, and the most by which it is above the exact value, shape (SKUs,).
    unit : float
        Distance of the finest grid's nodes [units].
    method, left_out : str
        How it was found, and the text of `costs_left_out`.
    """

    value: Floats
    tolerance: Floats
    unit: float
    method: str
    left_out: str

    def reference(self, trace: Trace) -> Reference:
        """Return the mean bound of the SKUs in a trace."""
        skus = trace["sku"]
        note = (
            f"{self.method}, its warehouse never short and its orders of any size; stocks by "
            f"{self.unit:.3g} units or more, which puts it up to {self.tolerance[skus].mean():.2g} "
            f"too high. No policy of the chain gives its stores more.{self.left_out}"
        )
        return Reference("upper_bound", float(self.value[skus].mean()), note)


def chain_bound(parameters: SupplyChainParameters) -> ChainBound | None:
    """Return the bound of a chain, or None if it is unknown.

    It is unknown if demand comes from a file, so that its law is unknown, and if there are too many
    days of different stores.
    """
    p = parameters
    kinds = len(set(p.stores)) * len(p.sku)
    if p.demand_data is not None or kinds * p.horizon > MAX_STORE_DAYS:
        return None
    shares = {p.stores.index(site): n / p.num_stores for site, n in Counter(p.stores).items()}
    bounds = [{i: _of_store(p, k, i) for i in shares} for k in range(len(p.sku))]
    return ChainBound(
        np.array([sum(shares[i] * b.value for i, b in own.items()) for own in bounds]),
        np.array([sum(shares[i] * b.tolerance for i, b in own.items()) for own in bounds]),
        min(b.unit for own in bounds for b in own.values()),
        DAY_BY_DAY if p.backlog else PROGRAMME,
        costs_left_out(p),
    )


def costs_left_out(p: SupplyChainParameters) -> str:
    """Return a sentence stating that the bounds leave out the costs of orders, if there are any."""
    paid = p.of_stores("fixed_cost").any() or p.of_stores("unit_cost").any()
    return " What orders cost is left out of it." if p.objective == "cost" and paid else ""


def _of_store(p: SupplyChainParameters, sku: int, store: int) -> StoreBound:
    """Return the bound of one store with one SKU."""
    lane, (means, stds) = p.lanes()[sku], p.demand_moments()
    solve = backlog_bound if lane.store.unmet_demand == "backlog" else store_bound
    return solve(
        demand_points(lane.sku.demand_model, means[sku, :, store], stds[sku, :, store]),
        lane_constants(p)[sku : sku + 1, 0],
        lead_time=lane.store.lead_time,
        initial_on_hand=float(p.initial_on_hand()[sku, store]),
        warmup_days=p.warmup_days,
    )
