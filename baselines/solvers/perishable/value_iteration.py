r"""The best orders of a store with perishable goods, by value iteration over stock by age.

Every morning the store knows its stock by remaining shelf life, ``a_1, ..., a_m`` (a_1 expires this
evening), and the orders ``z_1, ..., z_(L-1)`` under way. It orders q of 0 .. Q units at unit cost c
and fixed cost K; demand D is met oldest first (FIFO) or newest first (LIFO), and unmet demand is
lost at p per unit; units left of a_1 are wasted at w per unit, the other units left are held at h
per unit, and the order of L - 1 days ago arrives fresh. With c(a) the expected cost of holding,
lost sales and waste of the day,

``v(a, z) = min over q of c(a) + K 1{q > 0} + c q + gamma E v(a', z')``.

Stock is aged by the compiled functions of the law of motion (`envs.supply_chain.events`).
With a discount gamma < 1 a sweep T bounds v: ``Tv + gamma / (1 - gamma) min(Tv - v) <= v* <= Tv +
gamma / (1 - gamma) max(Tv - v)`` (MacQueen 1966, A modified dynamic programming method for
Markovian decision problems, Journal of Mathematical Analysis and Applications 14); with gamma = 1
the changes bound the average cost per day (Odoni 1969, On finding the maximal gain for Markov
decision processes, Operations Research 17).

The instances of De Moor, Gijsbrechts and Boute (2022), Reward shaping to improve the performance of
deep reinforcement learning in perishable inventory management, European Journal of Operational
Research 301(2), are such stores: Q = 10, c = 3, p = 5, h = 1, w = 7 or 10, gamma = 0.99. The first
row of the published table for their experiment 2 (two days, FIFO, L = 1), stock of today's
delivery 1, stock of yesterday's 0, 1, ...:

>>> from baselines.solvers.chain.demand_points import rounded_gamma
>>> costs = {"holding_cost": 1, "stockout_cost": 5, "waste_cost": 7, "unit_cost": 3}
>>> store = PerishableStore(rounded_gamma(4, 2), 2, 1, largest_order=10, **costs)
>>> best = solve_perishable(store, discount=0.99)
>>> best.order(np.array([[old, 1] for old in range(5)]), np.empty((5, 0))).tolist()
[4, 4, 3, 3, 3]
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from baselines.solvers.perishable.kernels import (
    day_costs,
    iterate,
    left_by_age,
    reached_orders,
    sweep,
)
from baselines.solvers.store.checks import Floats, checked_costs, checked_law
from baselines.solvers.store.lost_sales import AverageCost
from common.errors import InputError
from envs.supply_chain.reward import cost_weights

Ints = NDArray[np.int64]

MAX_STATES = 20_000_000
"""Most states of a problem that is solved: values twice, costs and orders take 640 MB."""
MAX_SWEEPS = 5_000
TOLERANCE = 1e-7
"""Default distance of the bounds on a cost, as a share of it."""


@dataclass(frozen=True, eq=False)
class PerishableStore:
    """A store with lost sales and perishable goods.

    Parameters
    ----------
    pmf : array_like
        Probability of demand 0, 1, 2, ... [units/day].
    shelf_life : int
        Days on which a unit can be sold (m).
    lead_time : int
        Days from an order to its arrival (L), at least 1.
    largest_order : int
        Q [units].
    holding_cost, stockout_cost, waste_cost, unit_cost : float
        Per unit held overnight (h), lost (p), wasted (w) and ordered (c) [money/unit].
    fixed_cost : float
        Per order (K) [money].
    lifo : bool
        Whether the newest units are sold first.

    Raises
    ------
    InputError
        If a value is out of range, or if there are more than `MAX_STATES` states.
    """

    pmf: ArrayLike
    shelf_life: int
    lead_time: int
    largest_order: int
    holding_cost: float
    stockout_cost: float
    waste_cost: float = 0.0
    unit_cost: float = 0.0
    fixed_cost: float = 0.0
    lifo: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "pmf", checked_law(self.pmf))
        checked_costs(holding_cost=self.holding_cost, stockout_cost=self.stockout_cost)
        checked_costs(waste_cost=self.waste_cost, unit_cost=self.unit_cost)
        checked_costs(fixed_cost=self.fixed_cost)
        whole = (self.shelf_life, self.lead_time, self.largest_order)
        if min(whole) < 1:
            raise InputError(f"shelf_life, lead_time, largest_order = {whole}: must be at least 1")
        if self.states > MAX_STATES:
            raise InputError(
                f"shelf_life = {self.shelf_life}, lead_time = {self.lead_time} with orders up to "
                f"{self.largest_order} have {self.states:,} states, more than {MAX_STATES:,}; "
                "shorten them, or lower the largest order"
            )

    @property
    def law(self) -> Floats:
        """Probabilities of demand as an array."""
        return np.asarray(self.pmf, dtype=np.float64)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Base and number of the digits of a state, and the number of digits that are stock."""
        return self.largest_order + 1, self.shelf_life + self.lead_time - 1, self.shelf_life

    @property
    def states(self) -> int:
        """Number of states."""
        base, size, _ = self.shape
        return int(base**size)

    def digits(self) -> Ints:
        """Return all states, shape (states, m + L - 1): stock oldest first, then orders."""
        base, size, _ = self.shape
        places = base ** np.arange(size - 1, -1, -1)
        return np.arange(self.states)[:, None] // places % base

    def find(self, ages: Ints, pipelines: Ints) -> Ints:
        """Return the numbers of states, shape (n,), with units capped at the largest order.

        Parameters
        ----------
        ages, pipelines : ndarray
            Stock by age, oldest first, shape (n, m), and orders under way, next to arrive first,
            shape (n, L - 1) [units].
        """
        base, size, _ = self.shape
        digits = np.clip(np.column_stack([ages, pipelines]), 0, base - 1).astype(np.int64)
        return np.asarray(digits @ base ** np.arange(size - 1, -1, -1))


@dataclass(frozen=True, eq=False)
class PerishableOrders:
    """A policy of the store, and its cost.

    Attributes
    ----------
    store : PerishableStore
        The problem.
    orders : ndarray
        Orders by state, shape (states,) [units].
    cost : AverageCost
        Long-run average cost [money/day].
    values : ndarray or None
        Expected discounted cost by state, shape (states,), if costs are discounted.
    """

    store: PerishableStore
    orders: Ints
    cost: AverageCost
    values: Floats | None = None

    def order(self, ages: Ints, pipelines: Ints) -> Ints:
        """Return the orders in states as `PerishableStore.find` takes them, shape (n,) [units]."""
        return np.asarray(self.orders[self.store.find(ages, pipelines)])


def packed_store(
    store: PerishableStore, bits: int, demands: int
) -> tuple[Floats, NDArray[np.int32]]:
    """Return a store's day as tables by its stock, packed as in `left_by_age`.

    Parameters
    ----------
    store : PerishableStore
        The problem.
    bits : int
        Bits for the units of an age; the largest order must fit.
    demands : int
        Demand is 0, 1, ... and less than this [units].

    Returns
    -------
    tuple of ndarray
        Expected cost of a day without its order, shape (2^(m * bits),) [money], 0 if the units of
        an age exceed the largest order, and the result of `left_by_age`.
    """
    costs = np.zeros(1 << (store.shelf_life * bits))
    base, life = store.largest_order + 1, store.shelf_life
    weights, shape = perishable_weights(store), (base, life, life)
    number = np.arange(base**life)
    places = base ** np.arange(life - 1, -1, -1)
    stock = (number[:, None] // places % base) @ (1 << bits * np.arange(life))
    costs[stock] = day_costs(weights, shape, store.lifo, store.law)
    return costs, left_by_age(life, bits, store.lifo, demands)


def solve_perishable(
    store: PerishableStore, *, discount: float = 1.0, tolerance: float = TOLERANCE
) -> PerishableOrders:
    """Return the best orders by discounted cost or, without a discount, by average cost.

    Parameters
    ----------
    store : PerishableStore
        The problem.
    discount : float
        gamma, above 0 and at most 1.
    tolerance : float
        Largest distance of the bounds on the average cost, or on values, as a share of the long-run
        cost of a day.
    """
    if not 0.0 < discount <= 1.0:
        raise InputError(f"discount = {discount!r}: must be above 0 and at most 1")
    orders, values = np.zeros(store.states, np.int64), np.zeros(store.states)
    given = _arguments(store)
    bounds = _iterate(given, discount, orders, False, values, tolerance, np.inf)
    if discount == 1.0:
        return PerishableOrders(store, orders, bounds)
    return PerishableOrders(store, orders, orders_cost(store, orders).cost, values)


def orders_cost(
    store: PerishableStore, orders: Ints, *, tolerance: float = TOLERANCE
) -> PerishableOrders:
    """Return a policy, given by its order in every state, with its average cost.

    It is the cost of a store that begins empty: other states may lead to other recurrent states.
    """
    cost = _cost_from_empty(store, _arguments(store), orders, tolerance, np.inf)
    return PerishableOrders(store, orders, cost)


def base_stock_orders(store: PerishableStore, level: int) -> Ints:
    """Return the orders of the base-stock policy, ``min(S - inventory position, Q)``, by state."""
    position = store.digits().sum(axis=1)
    return np.asarray(np.clip(level - position, 0, store.largest_order))


def best_base_stock(store: PerishableStore) -> tuple[int, AverageCost]:
    """Return the best base-stock level and its cost, starting from an empty store.

    All levels are tried, the nearest to the demand of the lead time and a day first: with a fixed
    cost expensive levels may lie between cheap ones, and ordering nothing may be best.
    """
    usual = float(store.law @ np.arange(store.law.size)) * (store.lead_time + 1)
    levels = range(store.largest_order * (store.shelf_life + store.lead_time) + 1)
    given, level, best = _arguments(store), 0, AverageCost(np.inf, np.inf)
    for tried in sorted(levels, key=lambda s: abs(s - usual)):
        cost = _cost_from_empty(store, given, base_stock_orders(store, tried), 1e-6, best.value)
        if cost.value < best.value:
            level, best = tried, cost
    return level, best


def spared(store: PerishableStore, cost: float, *, tolerance: float = 1e-5) -> float:
    """Return the most by which any number of days can cost less than as many average ones [money].

    It is ``max over n of n g - min over x of V_n(x)``, with V_n(x) the least expected cost of n
    days from state x (see `baselines.solvers.store.lost_sales.spared`).

    Parameters
    ----------
    store : PerishableStore
        The problem.
    cost : float
        Its least average cost g [money/day].
    tolerance : float
        The maximum is taken as converged when it changes by less, as a share of `cost`, over
        `store`'s shelf life and lead time.
    """
    compiled: Any = sweep
    given = _arguments(store)
    values, improved = np.zeros(store.states), np.empty(store.states)
    orders = np.zeros(store.states, np.int64)
    most, since, days, small = 0.0, 0, 0, tolerance * cost
    while since <= 2 * (store.shelf_life + store.lead_time) and days < MAX_SWEEPS:
        compiled(*given, 1.0, orders, False, values, improved)
        values, improved, days = improved, values, days + 1
        ahead = days * cost - float(values.min())
        most, since = (ahead, 0) if ahead > most + small else (max(most, ahead), since + 1)
    return most


def _arguments(store: PerishableStore) -> tuple[Any, ...]:
    """Return a store as arguments of the compiled loops."""
    paid = store.unit_cost * np.arange(store.largest_order + 1.0)
    paid[1:] += store.fixed_cost
    costs = day_costs(perishable_weights(store), store.shape, store.lifo, store.law)
    return costs, paid, store.shape, store.lifo, store.law


def _cost_from_empty(
    store: PerishableStore,
    given: tuple[Any, ...],
    orders: Ints,
    tolerance: float,
    ceiling: float,
) -> AverageCost:
    """Return a policy's cost from an empty store on, less exactly above the ceiling."""
    find: Any = reached_orders
    reached, values = np.full(store.states, -1), np.zeros(store.states)
    find(np.asarray(orders, np.int64), *given[2:], reached)
    return _iterate(given, 1.0, reached, True, values, tolerance, ceiling)


def _iterate(given: tuple[Any, ...], *rest: Any) -> AverageCost:
    """Return the final bounds of the compiled loop."""
    compiled: Any = iterate
    lower, upper = compiled(*given, *rest, MAX_SWEEPS)
    return AverageCost(float(lower), float(upper))


def perishable_weights(store: PerishableStore) -> NDArray[np.void]:
    """Return the record that `envs.supply_chain.reward` reads, for the objective cost."""
    weights = cost_weights(store.holding_cost, store.stockout_cost)
    weights["waste_cost"] = store.waste_cost
    return weights
