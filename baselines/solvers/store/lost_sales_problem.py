"""A store with lost sales and a lead time, and its largest useful orders."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from baselines.solvers.store.checks import Floats, checked_costs, checked_law
from common.errors import InputError
from envs.supply_chain.reward import cost_weights, expected_rewards

Ints = NDArray[np.int64]

MAX_STOCK = 20_000
"""Largest inventory position of a problem that is solved [units]."""
_TAIL = 1e-13


def poisson(mean: float) -> Floats:
    """Return the Poisson law's probabilities of 0, 1, ..., its far tail lumped into the last.

    Examples
    --------
    >>> round(float(poisson(5) @ np.arange(poisson(5).size)), 9)
    5.0
    """
    from scipy import stats

    if not 0.0 < mean <= 1000.0:
        raise InputError(f"mean = {mean!r}: must be greater than 0 and at most 1000")
    last = int(stats.poisson.isf(_TAIL, mean))
    pmf: Floats = stats.poisson.pmf(np.arange(last + 1), mean)
    pmf[-1] += stats.poisson.sf(last, mean)
    return pmf


def negative_binomial(mean: float, std: float) -> Floats:
    """Return the negative binomial law's probabilities, its far tail lumped into the last.

    With a variance of ``mean * (1 + mean)`` it is the geometric law on 0, 1, 2, ...

    Examples
    --------
    >>> law = negative_binomial(5, 30**0.5)
    >>> round(float(law @ np.arange(law.size)), 9), round(float(law[0]), 9)
    (5.0, 0.166666667)
    """
    from scipy import stats

    if not 0.0 < mean <= 1000.0 or not mean < std**2 <= 1e6:
        raise InputError(
            f"mean = {mean!r}, std = {std!r}: mean must be greater than 0 and at most 1000, the "
            "variance above the mean and at most 1e6"
        )
    size, chance = mean**2 / (std**2 - mean), mean / std**2
    last = int(stats.nbinom.isf(_TAIL, size, chance))
    pmf: Floats = stats.nbinom.pmf(np.arange(last + 1), size, chance)
    pmf[-1] += stats.nbinom.sf(last, size, chance)
    return pmf


@dataclass(frozen=True, eq=False)
class LostSales:
    """A store with lost sales.

    Parameters
    ----------
    pmf : array_like
        Probability of demand 0, 1, 2, ... [units/day].
    lead_time : int
        Days from an order to its arrival (L); with L = 0 an order serves the demand of its day.
    holding_cost, stockout_cost : float
        Per unit left over at the end of a day (h) and per unit lost (p) [money/unit].
    fixed_cost : float
        Per order (K) [money].

    Raises
    ------
    InputError
        If a value is out of range.
    """

    pmf: ArrayLike
    lead_time: int
    holding_cost: float
    stockout_cost: float
    fixed_cost: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "pmf", checked_law(self.pmf))
        checked_costs(least=1e-9, holding_cost=self.holding_cost)
        checked_costs(stockout_cost=self.stockout_cost, fixed_cost=self.fixed_cost)
        if not 0 <= self.lead_time <= 10:
            raise InputError(f"lead_time = {self.lead_time!r}: must be 0 to 10 days")

    @property
    def law(self) -> Floats:
        """Probabilities of demand as an array."""
        return np.asarray(self.pmf, dtype=np.float64)

    def day_costs(self, levels: int) -> Floats:
        """Return c(x), the expected cost of a day, for x = 0 .. levels - 1."""
        weights = cost_weights(self.holding_cost, self.stockout_cost)
        points = np.arange(self.law.size, dtype=np.float64)
        stock = np.arange(levels, dtype=np.float64)
        return np.asarray(-expected_rewards(weights, stock, points, self.law))


def order_limits(store: LostSales) -> Ints:
    r"""Return the largest useful orders: entry k limits the sum of the newest k + 1 of them.

    Entry L is for the inventory position (on hand included), after ordering. Take a policy with a
    sum of y right after an order, and order one unit less, but one more at its next order. The unit
    is missed on the day when i units ahead of it (itself included) are used up. As long as it would
    have been left over, each day saves h; once it is demanded, p is lost and the states coincide
    again. Whatever the day of the next order, the gain is at least

    ``f(i) = sum over d < i of P(D = d) (h + min(0, f(i - d))) - p P(D >= i)``,

    and without a fixed cost the next order may be placed on the very next day, ``min(0, f) = 0``.
    On arrival there are at least ``y - D_k`` units, with D_k the demand of k days, and f is
    increasing: if ``E f(y - D_k) >= 0``, y units are too many. Without a fixed cost the limits are
    the newsvendor quantiles p / (p + h) of the demand of k + 1 days (Morton 1969,
    Bounds on the solution of the lagged optimal inventory equation with no demand backlogging and
    proportional costs, SIAM Review 11(4)).

    Returns
    -------
    ndarray
        Shape (L + 1,) [units].

    Examples
    --------
    >>> order_limits(LostSales(poisson(5), 4, holding_cost=1, stockout_cost=19))
    array([ 9, 15, 22, 28, 33])
    """
    limits, ahead, y = [], np.ones(1), 1
    gains = _Gains(store)
    for _ in range(store.lead_time + 1):
        while gains.after(ahead, y) < 0.0:
            y += 1
        limits.append(y - 1)
        ahead = np.convolve(ahead, store.law)
    return np.array(limits, dtype=np.int64)


class _Gains:
    """The function f of `order_limits`, computed as far as needed."""

    def __init__(self, store: LostSales) -> None:
        self._store, self._known = store, np.full(1, -store.stockout_cost)

    def after(self, ahead: Floats, y: int) -> float:
        """Return ``E f(y - D)`` for demand D of law `ahead`."""
        while self._known.size <= y:
            self._known = np.append(self._known, self._next())
        near = ahead[: y + 1]
        rest = 1.0 - near.sum()
        return float(near @ self._known[y - np.arange(near.size)] + rest * self._known[0])

    def _next(self) -> float:
        law, i, s = self._store.law, self._known.size, self._store
        if i > MAX_STOCK:
            raise InputError(
                f"more than {MAX_STOCK} units may be worth holding: lower demand (count in larger "
                "units) or stockout_cost, or raise holding_cost"
            )
        served = law[:i]
        gain = s.holding_cost * served.sum() - s.stockout_cost * (1.0 - served.sum())
        if s.fixed_cost == 0.0:
            return float(gain)
        gain += served[1:] @ np.minimum(0.0, self._known[i - np.arange(1, served.size)])
        return float(gain if gain >= 0.0 else gain / (1.0 - law[0]))
