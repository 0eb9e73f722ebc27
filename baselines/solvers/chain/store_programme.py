r"""Orders of a store that knows the law of its demand: a dynamic programme for each store.

The store's warehouse is assumed never to be short, and the quantities on offer are multiples of the
forecast, the mean demand of the last days. With x units on hand after the morning's receipts, z
that arrive tomorrow and lead time 2,

``V_t(x, z) = E max over a of E[reward_t(x, D_t)] + E V_(t+1)((x - D_t)+ + z, m_a F_t)``

and V = 0 after the last day. With lead time 1 the order itself arrives tomorrow, with 0 it adds to
x. Units that the warehouse still owes are shipped with the order of the day, and count with it.

**Approximations.** The forecast F_t is drawn anew every day, from a normal law with the moments of
a mean of the last days' demand, as if it were independent of the stock; the store knows its true
value when it orders. Stocks and orders lie on a grid, and V is linear between nodes. So the value
is neither an optimum nor a bound. Backorders, order limits, perishable goods, orders in units and
lead times over 2 are not covered.

References
----------
Zipkin (2008), Old and new methods for lost-sales inventory systems, Operations Research 56(5).
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from baselines.solvers.chain.bound_kernels import leftover_law
from baselines.solvers.chain.chain_bound import MAX_STORE_DAYS
from baselines.solvers.chain.demand_points import DemandPoints, demand_points
from baselines.solvers.chain.programme_kernels import after_demand, best_orders, best_values
from baselines.solvers.chain.store_bound import grid_unit, order_caps
from envs.supply_chain.constants import lane_constants
from envs.supply_chain.events import Floats
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.reward import expected_rewards, is_counted

LONGEST_LEAD_TIME = 2
UNITS_PER_STD = 4.0
"""Nodes per smallest standard deviation of a day's demand."""
MAX_ORDER_NODES = 80
MAX_STOCK_NODES = 400
"""Most nodes up to the largest demand of a day and up to the initial stock."""
FORECASTS = 7
"""Number of values of the forecast (Gauss-Hermite quadrature)."""
TABLE_BYTES = 256_000_000
"""Most bytes of daily tables that the programmes of a chain keep."""
FAR = 4.0
"""Standard deviations of the forecast up to which orders have nodes."""

Tables = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class StoreProgramme:
    """The solved programme of one store with one SKU.

    Attributes
    ----------
    values : ndarray
        V of the days 0 .. T, shape (T + 1, stocks, arrivals).
    earned : ndarray
        Expected reward by stock before demand, shape (T, stocks).
    demand : DemandPoints
        The law of every day's demand.
    lane : ndarray
        The store's constants, shape (1,), `envs.supply_chain.dynamics.LANE`.
    unit : float
        Distance of nodes [units].
    arrivals : int
        Number of nodes of tomorrow's arrivals.
    initial_on_hand : float
        Units on the first morning.
    warmup_days : int
        Number of first days whose rewards are 0.
    room : int
        Most bytes of daily tables that are kept; two are kept in any case.
    """

    values: Floats
    earned: Floats
    demand: DemandPoints
    lane: NDArray[np.void]
    unit: float
    arrivals: int
    initial_on_hand: float
    warmup_days: int
    room: int
    _tables: dict[int, Tables] = field(init=False, default_factory=dict)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    @property
    def value(self) -> float:
        """Expected reward of an episode, in the programme's own approximation."""
        stocks = self.unit * np.arange(self.values.shape[1])
        return float(np.interp(self.initial_on_hand, stocks, self.values[0, :, 0]))

    def _after(self, day: int) -> Tables:
        """Return `after_demand` of a day; tables of the last days are kept."""
        with self._lock:
            if day not in self._tables:
                law = self.demand.points[day], self.demand.chances[day]
                tables = _after(law, self.unit, self.values[day + 1], self.arrivals)
                self._tables[day] = tables[0].astype(np.float32), tables[1].astype(np.float32)
                own = sum(table.nbytes for table in self._tables[day])
                if len(self._tables) * own > max(self.room, 2 * own):
                    del self._tables[next(iter(self._tables))]
            return self._tables[day]

    def orders(self, day: int, stocks: tuple[Floats, Floats, Floats], offers: Floats) -> Floats:
        """Return the best quantity on offer in every world, shape (worlds,) [units].

        Parameters
        ----------
        day : int
            Number of days that have passed.
        stocks : tuple of ndarray
            Units on hand, arriving tomorrow, and owed by the warehouse, shape (worlds,) each.
        offers : ndarray
            Quantities on offer, shape (worlds, actions) [units].
        """
        counts = is_counted(day, self.warmup_days)
        tables = self.earned[day], *self._after(day)
        return best_orders(self.lane, counts, self.unit, *tables, *stocks, offers)


def _after(
    law: tuple[Floats, Floats], unit: float, value: Floats, arrivals: int
) -> tuple[Floats, Floats]:
    """Return `after_demand` for a law of demand, in points and probabilities."""
    return after_demand(*leftover_law(unit, len(value), *law), value, arrivals)


def is_programmable(parameters: SupplyChainParameters) -> bool:
    """Whether the programme covers all stores of a chain."""
    p = parameters
    kinds = len(set(p.stores)) * len(p.sku)
    if p.demand_data is not None or kinds * p.horizon > MAX_STORE_DAYS:
        return False
    if p.backlog or p.limited or p.longest_shelf_life > 0:
        return False
    stores = [lane.store for lane in p.lanes()]
    return all(s.lead_time <= LONGEST_LEAD_TIME and s.order_units is None for s in stores)


@lru_cache(maxsize=2)
def chain_programmes(
    parameters: SupplyChainParameters,
) -> Mapping[tuple[int, int], StoreProgramme]:
    """Return the programme of every store, by SKU and store; identical stores share one."""
    p, kinds = parameters, len(set(parameters.stores)) * len(parameters.sku)
    found: dict[tuple[int, int], StoreProgramme] = {}
    for sku in range(len(p.sku)):
        for store, site in enumerate(p.stores):
            alike = (sku, p.stores.index(site))
            found[sku, store] = (
                found[alike] if alike in found else _solve(p, sku, store, TABLE_BYTES // kinds)
            )
    return found


def _solve(p: SupplyChainParameters, sku: int, store: int, room: int) -> StoreProgramme:
    lane, (means, stds) = p.lanes()[sku], p.demand_moments()
    mean, std = means[sku, :, store], stds[sku, :, store]
    demand = demand_points(lane.sku.demand_model, mean, std)
    initial = float(p.initial_on_hand()[sku, store])
    unit = grid_unit(demand, initial, UNITS_PER_STD, MAX_ORDER_NODES, MAX_STOCK_NODES)
    lead_time = lane.store.lead_time
    usual = float(p.mean_demand()[sku, store])
    forecasts = [_forecast(demand, day, p.forecast_window, usual) for day in range(p.horizon)]
    multiples = np.array(lane.store.grid)
    largest = float(multiples.max()) * max(middle + FAR * apart for middle, apart in forecasts)
    orders = int(np.ceil(largest / unit)) + 2
    stock = max(int(np.ceil(initial / unit)), int(order_caps(demand, lead_time, unit)[1].max()))
    stocks = unit * np.arange(stock + orders, dtype=np.float64)
    constants = lane_constants(p)[sku : sku + 1, 0]
    values = np.zeros((p.horizon + 1, stocks.size, orders if lead_time == LONGEST_LEAD_TIME else 1))
    earned = np.zeros((p.horizon, stocks.size))
    arrivals = orders if lead_time else 1
    nodes, chances = np.polynomial.hermite_e.hermegauss(FORECASTS)
    for day in range(p.horizon - 1, -1, -1):
        counts = is_counted(day, p.warmup_days)
        law = demand.points[day], demand.chances[day]
        if counts:
            earned[day] = expected_rewards(constants, stocks, *law)
        after = _after(law, unit, values[day + 1], arrivals)
        middle, apart = forecasts[day]
        offers = np.maximum(middle + apart * nodes, 0.0)[:, None] * multiples
        seen = (earned[day], *after, offers, chances / chances.sum())
        values[day] = best_values(constants, counts, unit, *seen)
    days = p.warmup_days
    return StoreProgramme(values, earned, demand, constants, unit, arrivals, initial, days, room)


def _forecast(demand: DemandPoints, day: int, window: int, usual: float) -> tuple[float, float]:
    """Return mean and standard deviation of a forecast, the mean demand of the last days."""
    past = slice(max(0, day - window), day)
    points, chances = demand.points[past], demand.chances[past]
    if day == 0:
        return usual, 0.0
    means = (chances * points).sum(axis=1)
    variances = (chances * (points - means[:, None]) ** 2).sum(axis=1)
    return float(means.mean()), float(np.sqrt(variances.sum()) / len(points))
