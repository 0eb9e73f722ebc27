"""The best (s, S) policy with backlog, and the newsvendor: benchmarks for lost sales.

Unmet demand is backlogged, supply is unlimited and an order serves the demand of its own day. With
a net inventory of y units after ordering (backlogged units count as negative) a day costs
``G(y) = h E(y - D)+ + p E(D - y)+``.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from baselines.solvers.store.checks import Floats, checked_costs, checked_law
from common.errors import InputError
from envs.supply_chain.reward import cost_weights, expected_rewards


@dataclass(frozen=True)
class ReorderPolicy:
    """Order up to a level whenever the inventory position is at or below a point.

    Attributes
    ----------
    reorder_point, order_up_to_level : int
        s and S [units].
    cost : float
        Long-run average cost [money/day].
    """

    reorder_point: int
    order_up_to_level: int
    cost: float


class Newsvendor(NamedTuple):
    """The best stock for one day and its cost.

    Attributes
    ----------
    base_stock_level : float
        S [units].
    cost : float
        Expected cost [money/day].
    """

    base_stock_level: float
    cost: float


def newsvendor(mean: float, std: float, *, holding_cost: float, stockout_cost: float) -> Newsvendor:
    """Return the best stock for normal demand.

    ``S = mean + std z`` with the critical fractile ``Phi(z) = p / (p + h)``; the cost is
    ``(h + p) std phi(z)``.

    Parameters
    ----------
    mean, std : float
        Mean and standard deviation of demand [units/day].
    holding_cost, stockout_cost : float
        Per unit left over (h) and per unit short (p) [money/unit].

    Examples
    --------
    Snyder and Shen (2019), Fundamentals of Supply Chain Theory, example 4.3:

    >>> best = newsvendor(50, 8, holding_cost=0.18, stockout_cost=0.70)
    >>> round(best.base_stock_level, 3), round(best.cost, 4)
    (56.604, 1.9976)
    """
    from scipy import stats

    checked_costs(holding_cost=holding_cost, stockout_cost=stockout_cost, least=1e-9)
    if not (math.isfinite(mean) and 0.0 <= std < math.inf):
        raise InputError(f"mean = {mean!r}, std = {std!r}: must be finite, std 0 or more")
    z = float(stats.norm.ppf(stockout_cost / (stockout_cost + holding_cost)))
    density = float(stats.norm.pdf(z))
    return Newsvendor(mean + std * z, (holding_cost + stockout_cost) * std * density)


def best_reorder_policy(
    pmf: ArrayLike, *, holding_cost: float, stockout_cost: float, fixed_cost: float
) -> ReorderPolicy:
    """Return the best (s, S) policy, which is optimal among all policies.

    Parameters
    ----------
    pmf : array_like
        Probability of demand 0, 1, 2, ... [units/day].
    holding_cost, stockout_cost : float
        Per unit and day left over (h) and backlogged (p) [money/unit].
    fixed_cost : float
        Per order (K) [money].

    Raises
    ------
    InputError
        If a value is out of range.

    References
    ----------
    Zheng and Federgruen (1991), Finding optimal (s, S) policies is about as simple as evaluating a
    single policy, Operations Research 39(4).

    Examples
    --------
    >>> from baselines.solvers.store.lost_sales_problem import poisson
    >>> best = best_reorder_policy(poisson(6), holding_cost=1, stockout_cost=4, fixed_cost=5)
    >>> best.reorder_point, best.order_up_to_level, round(best.cost, 5)
    (4, 10, 8.03411)
    """
    checked_costs(holding_cost=holding_cost, stockout_cost=stockout_cost, least=1e-9)
    checked_costs(fixed_cost=fixed_cost)
    renewals = _Renewals(checked_law(pmf), holding_cost, stockout_cost, fixed_cost)
    start = renewals.cheapest_level()
    s, up_to = start - 1, start
    while renewals.cost(s, up_to) > renewals.day_cost(s):
        s -= 1
    best, tried = renewals.cost(s, up_to), start + 1
    while renewals.day_cost(tried) <= best:  # no better S lies beyond
        if renewals.cost(s, tried) < best:
            up_to = tried
            while renewals.cost(s, up_to) <= renewals.day_cost(s + 1):
                s += 1
            best = renewals.cost(s, up_to)
        tried += 1
    return ReorderPolicy(s, up_to, best)


def best_base_stock(
    pmf: ArrayLike, *, holding_cost: float, stockout_cost: float, fixed_cost: float
) -> tuple[int, float]:
    """Return the best base-stock level and its average cost: the newsvendor's level.

    It orders after every day with demand, so that its fixed cost is ``K P(D > 0)`` at any level.

    Parameters
    ----------
    pmf, holding_cost, stockout_cost, fixed_cost
        As for `best_reorder_policy`.
    """
    checked_costs(holding_cost=holding_cost, stockout_cost=stockout_cost, least=1e-9)
    checked_costs(fixed_cost=fixed_cost)
    renewals = _Renewals(checked_law(pmf), holding_cost, stockout_cost, fixed_cost)
    level = renewals.cheapest_level()
    return level, renewals.cost(level - 1, level)


def reorder_cost(
    pmf: ArrayLike,
    reorder_point: int,
    level: int,
    *,
    holding_cost: float,
    stockout_cost: float,
    fixed_cost: float,
) -> float:
    """Return the average cost of an (s, S) policy, s below S.

    Parameters
    ----------
    pmf, holding_cost, stockout_cost, fixed_cost
        As for `best_reorder_policy`.
    reorder_point, level : int
        s and S [units].
    """
    if not reorder_point < level:
        raise InputError(f"reorder_point = {reorder_point!r}: must be below {level}")
    checked_costs(holding_cost=holding_cost, stockout_cost=stockout_cost, least=1e-9)
    checked_costs(fixed_cost=fixed_cost)
    renewals = _Renewals(checked_law(pmf), holding_cost, stockout_cost, fixed_cost)
    return renewals.cost(reorder_point, level)


class _Renewals:
    """Average costs of (s, S) policies, by renewals at S.

    With m(j) the expected number of days on which the position is j below S before it falls to s,
    ``c(s, S) = (K + sum over j < S - s of m(j) G(S - j)) / sum over j < S - s of m(j)``.
    """

    def __init__(
        self, law: Floats, holding_cost: float, stockout_cost: float, fixed_cost: float
    ) -> None:
        self._law, self._fixed_cost = law, fixed_cost
        self._weights = cost_weights(holding_cost, stockout_cost)
        self._service = stockout_cost / (stockout_cost + holding_cost)
        self._visits = [1.0 / (1.0 - law[0])]
        self._day_costs: dict[int, float] = {}

    def cheapest_level(self) -> int:
        """Return the newsvendor's stock."""
        return int(np.searchsorted(np.cumsum(self._law), self._service - 1e-12))

    def day_cost(self, level: int) -> float:
        """Return G(level)."""
        if level not in self._day_costs:
            demand, stock = np.arange(self._law.size, dtype=np.float64), np.array([float(level)])
            reward = expected_rewards(self._weights, stock, demand, self._law)
            self._day_costs[level] = -float(reward[0])
        return self._day_costs[level]

    def cost(self, s: int, up_to: int) -> float:
        """Return c(s, up_to)."""
        days = up_to - s
        while len(self._visits) < days:
            j = len(self._visits)
            law = self._law[1 : j + 1]
            near = np.array(self._visits[j - law.size : j])[::-1]
            self._visits.append(float(law @ near) / (1.0 - self._law[0]))
        costs = [m * self.day_cost(up_to - j) for j, m in enumerate(self._visits[:days])]
        return float((self._fixed_cost + sum(costs)) / sum(self._visits[:days]))
