r"""Serial systems with backorders, solved exactly by echelon base-stock levels.

Stage 1 meets the demand, stage 2 supplies stage 1, and so on; the last stage has unlimited supply.
The echelon stock of a stage is its stock on hand plus all stock on hand at or under way to the
stages below it, less customer backorders. Clark and Scarf showed that the best policy keeps the
echelon inventory position of every stage j at a level S_j, found stage by stage. With echelon
holding costs ``h_j = H_j - H_(j+1)`` and the demand D_j of the days that stage j's orders are under
way,

``C_j(y) = E[h_j (y - D_j) + C_(j-1)(min(S_(j-1), y - D_j))]``, ``C_0(x) = (p + H_1) max(0, -x)``,

S_j minimises C_j, and C_N(S_N) is the least long-run average cost per day.

**When costs are charged.** Under continuous review, the textbooks' case, an order of stage 1 must
cover the lead time L_1. In a chain that reviews its stock daily and is charged in the evening, an
order that arrives on the morning of a day must cover this day too: D_1 is the demand of
``L_1 + 1`` days, and an upper echelon's stock is charged after one more day's demand.

References
----------
Clark and Scarf (1960), Optimal policies for a multi-echelon inventory problem, Management Science
6(4); Chen and Zheng (1994), Lower bounds for multi-echelon stochastic inventory systems, Management
Science 40(11); Snyder and Shen (2019), Fundamentals of Supply Chain Theory, 2nd ed., section 6.2.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from baselines.solvers.store.checks import checked_costs
from common.errors import InputError

Floats = NDArray[np.float64]

NODES_PER_STD = 100
"""Nodes of the lattice per standard deviation of a day's normal demand."""
MAX_NODES = 200_000
_TAIL = 1e-12


@dataclass(frozen=True)
class SerialSystem:
    """Stages in a line, stage 1 first.

    Attributes
    ----------
    holding_costs : tuple of float
        H_1 > H_2 > ..., per unit and day on hand at a stage or under way from it [money].
    lead_times : tuple of int or float
        L_1, L_2, ... [days].
    stockout_cost : float
        p, per unit and day of a customer's backorder [money].
    model, mean, std : str, float, float
        Law of a day's demand, independent of other days' [units]; ``"poisson"`` needs no `std`.
    review : {"continuous", "daily"}
        Whether an order of stage 1 must cover its lead time, or a day more.
    """

    holding_costs: tuple[float, ...]
    lead_times: tuple[float, ...]
    stockout_cost: float
    model: Literal["normal", "poisson"]
    mean: float
    std: float = 0.0
    review: Literal["continuous", "daily"] = "daily"

    def __post_init__(self) -> None:
        costs = (*self.holding_costs, 0.0)
        if len(costs) < 2 or len(costs) - 1 != len(self.lead_times):
            raise InputError("holding_costs and lead_times: must have one entry per stage")
        if not all(a > b for a, b in pairwise(costs)):
            raise InputError(
                f"holding_costs = {self.holding_costs}: must fall from stage 1 upwards"
            )
        checked_costs(stockout_cost=self.stockout_cost, least=1e-9)
        if not all(0.0 <= days <= 1000.0 for days in self.lead_times):
            raise InputError(f"lead_times = {self.lead_times}: must be 0 to 1000")
        if not (0.0 < self.mean <= 1e6 and 0.0 <= self.std <= 1e6):
            raise InputError(f"mean = {self.mean!r}, std = {self.std!r}: must be positive numbers")
        if self.model == "normal" and self.std == 0.0:
            raise InputError("std = 0.0: must be positive for normal demand")

    @property
    def under_way(self) -> float:
        """Cost of the units under way between the stages, the same for all policies [money/day]."""
        pairs = zip(self.holding_costs[1:], self.lead_times, strict=False)
        return sum(cost * self.mean * days for cost, days in pairs)


@dataclass(frozen=True)
class EchelonLevels:
    """Base-stock levels of the echelons and their cost.

    Attributes
    ----------
    levels : tuple of float
        S_1, S_2, ... of the echelon inventory positions [units].
    cost : float
        Long-run average cost, units under way included [money/day].
    """

    levels: tuple[float, ...]
    cost: float


def solve_serial(system: SerialSystem) -> EchelonLevels:
    """Return the best echelon base-stock levels, which are optimal among all policies.

    Examples
    --------
    Snyder and Shen (2019), example 6.1, with levels 6.49, 12.02 and 22.71, and a cost of 47.65 on a
    coarser lattice:

    >>> best = solve_serial(
    ...     SerialSystem((7, 4, 2), (1, 1, 2), 37.12, "normal", 5, 1, review="continuous")
    ... )
    >>> [round(level, 2) for level in best.levels], round(best.cost, 2)
    ([6.49, 12.02, 22.71], 47.66)
    """
    return _descend(system, None)


def echelon_cost(system: SerialSystem, levels: Sequence[float]) -> EchelonLevels:
    """Return the cost of given levels; a level between two nodes of the lattice is moved to one.

    A stage whose level is above that of the next echelon holds all that it receives.
    """
    if len(levels) != len(system.lead_times) or not np.isfinite(levels).all():
        raise InputError(f"levels = {tuple(levels)}: must be one number per stage")
    return _descend(system, tuple(levels))


def _descend(system: SerialSystem, levels: tuple[float, ...] | None) -> EchelonLevels:
    """Evaluate the stages upwards; if no levels are given, take those of the lowest cost."""
    unit = 1.0 if system.model == "poisson" else system.std / NODES_PER_STD
    days = list(system.lead_times)
    days[0] += system.review == "daily"
    laws = [_law(system, d, unit) for d in days]
    low = min(0, *(0, *(first for first, _ in laws))) * len(laws) - 2
    high = sum(first + law.size for first, law in laws) + 2
    if levels is not None:
        low = min(low, *(math.floor(level / unit) - 2 for level in levels))
        high = max(high, *(math.ceil(level / unit) + 2 for level in levels))
    if high - low > MAX_NODES:
        raise InputError(
            f"mean = {system.mean:g}, lead_times = {system.lead_times}: too many nodes; measure "
            "demand in larger units"
        )
    stock = unit * np.arange(low, high + 1)
    costs = (*system.holding_costs, 0.0)
    value = (system.stockout_cost + costs[0]) * np.maximum(0.0, -stock)
    found: list[float] = []
    for j, (first, law) in enumerate(laws):
        evening = system.mean if j and system.review == "daily" else 0.0
        value = _before(value + (costs[j] - costs[j + 1]) * (stock - evening), first, law)
        at = int(value.argmin()) if levels is None else round(levels[j] / unit) - low
        found.append(float(stock[at]))
        value[at:] = value[at]
    return EchelonLevels(tuple(found), float(value[-1]))


def _before(value: Floats, first: int, law: Floats) -> Floats:
    """Return ``E[value(y - D)]`` on the nodes of `value`, which is linear below them."""
    last = first + law.size - 1
    slope = value[1] - value[0]
    below = value[0] + slope * np.arange(-max(last, 0), 0)
    above = np.full(max(-first, 0), value[-1])  # demand below 0: beyond all useful positions
    extended = np.concatenate([below, value, above])
    start = max(last, 0) - last
    size = value.size + law.size - 1
    return np.convolve(extended[start : start + size], law, mode="valid")


def _law(system: SerialSystem, days: float, unit: float) -> tuple[int, Floats]:
    """Return the first node and the probabilities of the demand of `days` days."""
    from scipy import stats

    mean = system.mean * days
    if days == 0.0:
        return 0, np.ones(1)
    if system.model == "poisson":
        last = int(stats.poisson.isf(_TAIL, mean))
        return 0, _between(stats.poisson(mean).cdf, 0, last, unit)
    spread = system.std * math.sqrt(days)
    reach = float(stats.norm.isf(_TAIL)) * spread
    first, last = math.floor((mean - reach) / unit), math.ceil((mean + reach) / unit)
    return first, _between(stats.norm(mean, spread).cdf, first, last, unit)


def _between(below: Callable[[Floats], Floats], first: int, last: int, unit: float) -> Floats:
    """Return the probabilities of values nearest to each node, tails added to the outermost."""
    edges = unit * (np.arange(first, last, dtype=np.float64) + 0.5)
    chances = np.diff(below(edges), prepend=0.0, append=1.0)
    return np.asarray(chances, np.float64)
