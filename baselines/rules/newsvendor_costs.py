"""Underage and overage costs of a store, and the order-up-to level that balances them.

With a store's lead time L and r days to the next day of review, the last unit of an order is of use
if the demand of the L + r days from today on reaches it; if not, it is held, and the next order is
one unit less. With a shelf life of m days, and sold oldest first, it is wasted if the demand of
L + m days does not reach it either. So the level S at which one more unit gains what it costs is
given by

``u (1 - F(S)) = h F(S) + o G(S)``,

F and G being the distribution functions of the demand of L + min(r, m) and of L + m days. Levels
apply to the inventory position less the expected waste, as units that expire before serve nobody.
If goods are sold newest first, more is wasted than this says.

References
----------
Nahmias (1976), Myopic approximations for the perishable inventory problem, Management Science 22(9)
(an order is charged with its eventual waste); Chiu (1995), An approximation to the continuous
review inventory model with perishable items and lead times, European Journal of Operational
Research 87(1) (the demand of L + m days); Broekmeulen and van Donselaar (2009), Computers &
Operations Research 36(11) (the inventory position less the expected waste).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled
from demand.known_demand import KNOWN_DAYS
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.sites import StoreParameters

Values = NDArray[np.float64]


@dataclass(frozen=True)
class NewsvendorCosts:
    """Costs of a unit [money].

    Attributes
    ----------
    underage : float
        u, of a unit short.
    holding : float
        h, of a unit held until the next order can count on it.
    outdating : float
        o, of a unit wasted.
    """

    underage: float
    holding: float
    outdating: float


def newsvendor_costs(
    parameters: SupplyChainParameters, store: StoreParameters, gap: int
) -> NewsvendorCosts:
    """Return the costs of a unit where the next day of review is `gap` days later.

    If the objective is cost, u is the stockout cost, less the unit cost where unmet demand is lost,
    as a lost unit need not be bought; o is the waste cost plus the unit cost, and h counts the
    evenings before a unit expires. If it is reconciliation, costs are weighted and the unit cost
    does not count.
    """
    bought = store.unit_cost if parameters.objective == "cost" else 0.0
    lost = store.unmet_demand == "lost"
    underage = max(store.stockout_cost - bought, 0.0) if lost else store.stockout_cost
    evenings = gap if store.shelf_life is None else min(gap, store.shelf_life - 1)
    holding, outdating = store.holding_cost * evenings, store.waste_cost + bought
    if parameters.objective == "reconciliation":
        weights = parameters.weights.store
        return NewsvendorCosts(
            weights.stockout_penalty * underage,
            weights.holding_cost * holding,
            weights.waste_cost * outdating,
        )
    return NewsvendorCosts(underage, holding, outdating)


def days_of_use(store: StoreParameters, gap: int) -> tuple[int, int]:
    """Return the numbers of days whose demand decides if a unit ordered today is used, or wasted.

    Waste is considered for at most four weeks after its arrival.
    """
    life = store.shelf_life or KNOWN_DAYS
    return store.lead_time + min(gap, life), store.lead_time + min(life, KNOWN_DAYS)


SHARES = np.linspace(0.0, 1.0, 201)
"""Probabilities at which `balanced_levels` takes the quantiles of errors."""


@compiled
def _share_below(quantiles: Values, error: float) -> float:
    """Return the share of errors below `error`, interpolated linearly between quantiles."""
    last = quantiles.size - 1
    k = np.searchsorted(quantiles, error, side="right")
    if k == 0:
        return 0.0
    if k > last:
        return 1.0
    return float((k - 1 + (error - quantiles[k - 1]) / (quantiles[k] - quantiles[k - 1])) / last)


@compiled
def balanced_levels(
    expected: Values,
    scale: Values,
    quantiles: Values,
    later_quantiles: Values,
    costs: Values,
    row_of: NDArray[np.int64],
) -> Values:
    """Return the levels at which one more unit gains what it costs, shape (worlds, N) [units].

    Parameters
    ----------
    expected : ndarray
        Forecasts of the days that decide whether a unit is used and whether it is wasted, shape
        (2, worlds, N) [units].
    scale : ndarray
        Factors of their errors, shape (2, worlds, N).
    quantiles, later_quantiles : ndarray
        Quantiles of the errors of both, at `SHARES`, shape (rows, N, shares): a row is about an SKU
        and the days to the next review.
    costs : ndarray
        u, h and o, shape (rows, 1 or N, 3).
    row_of : ndarray
        Each world's row, shape (worlds,).
    """
    levels = np.empty(scale.shape[1:])
    for w in range(scale.shape[1]):
        k = row_of[w]
        for i in range(scale.shape[2]):
            short, held, expired = costs[k, min(i, costs.shape[1] - 1)]
            own, later = quantiles[k, i], later_quantiles[k, i]
            size, later_size = max(scale[0, w, i], 1e-9), max(scale[1, w, i], 1e-9)
            first, second = expected[0, w, i], expected[1, w, i]
            low = min(first + size * own[0], second + later_size * later[0])
            high = max(first + size * own[-1], second + later_size * later[-1])
            for _ in range(50):
                level = 0.5 * (low + high)
                used = _share_below(own, (level - first) / size)
                wasted = _share_below(later, (level - second) / later_size)
                if short * (1.0 - used) > held * used + expired * wasted:
                    low = level
                else:
                    high = level
            levels[w, i] = high
    return levels
