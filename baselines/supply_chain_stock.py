r"""Rules of stock control for the supply chain's stores and its warehouse.

All of them act on the inventory position, which for a store is

``IP = on hand + under way + backorders of the store at the warehouse`` [units].

With the store's lead time L, what it orders on day t arrives on the morning of day t + L, so an
order decides what the store has for the days t .. t + L. Of the demand of those days

``m_t = E[D_t + ... + D_(t+L)]``, ``s_t = sqrt(Var[D_t] + ... + Var[D_(t+L)])`` [units]

are mean and standard deviation by the law of demand, ``mu`` is the store's mean demand without
season [units/day] and ``sigma`` the standard deviation of the demand of L + 1 average days. The
quantity that a rule wants is met by the nearest one on offer.

A parameter of a rule is one number, or one number per world, so that tuning can play many
candidates in one batch.

References
----------
Zipkin (2000), Foundations of Inventory Management, chapters 6 and 9; Snyder and Shen (2019),
Fundamentals of Supply Chain Theory, 2nd ed., chapters 4 to 6.
"""

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from baselines.policy import Actions, Policy
from baselines.stock_kernels import nearest_action, store_positions
from baselines.team import chain_of
from inventory.batch import Batch
from inventory.errors import InputError
from inventory.supply_chain import SupplyChainBatch
from inventory.supply_chain_parameters import Lane, SupplyChainParameters

Values = NDArray[np.float64]

ALMOST_SURE = 1.0 - 1e-9
"""The largest chance of no stockout that a newsvendor aims at."""


def coming_demand(parameters: SupplyChainParameters) -> tuple[Values, Values]:
    """Return mean m_t and standard deviation s_t of the demand of the days t .. t + L.

    Returns
    -------
    tuple of ndarray
        Shape (SKUs, T, N) each [units]. Days after the last one have no demand. A normal law's
        moments are those before its floor at 0.
    """
    means, variances = _daily_moments(parameters)
    for lane, mean, variance in zip(parameters.lanes(), means, variances, strict=True):
        mean[:] = _window_sums(mean, lane.store.lead_time + 1)
        variance[:] = _window_sums(variance, lane.store.lead_time + 1)
    return means, np.sqrt(variances)


def usual_spread(parameters: SupplyChainParameters) -> Values:
    """Return sigma, the standard deviation of the demand of L + 1 average days.

    Returns
    -------
    ndarray
        Shape (SKUs, N) [units].
    """
    _, variances = _daily_moments(parameters)
    days = np.array([lane.store.lead_time + 1.0 for lane in parameters.lanes()])
    sigma: Values = np.sqrt(days[:, None] * variances.mean(axis=1))
    return sigma


def _daily_moments(parameters: SupplyChainParameters) -> tuple[Values, Values]:
    """Return mean and variance of each day's demand, shape (SKUs, T, N) each."""
    means, stds = parameters.demand_moments()
    variances = stds**2
    for lane, mean, variance in zip(parameters.lanes(), means, variances, strict=True):
        if lane.sku.demand_model == "poisson":
            variance[:] = mean
    return means, variances


def _window_sums(daily: Values, days: int) -> Values:
    """Return the sums of each day and those after it, `days` in all, shape (T, N)."""
    total = np.concatenate([np.zeros((1, daily.shape[1])), np.cumsum(daily, axis=0)])
    first = np.arange(len(daily))
    sums: Values = np.maximum(total[np.minimum(first + days, len(daily))] - total[first], 0.0)
    return sums


def stock_to_build(parameters: SupplyChainParameters) -> Values:
    """Return what a store needs beyond m_t because its later orders have a limit, b_t [units].

    With c_t the largest order that a store is expected to be able to place on day t (the largest
    multiple of its forecast, or the largest quantity), peaks that later orders cannot meet have
    to be built up before: ``b_t = max over a >= 0 of sum_(j=1..a) (E[D_(t+L+j)] - c_(t+j))``,
    computed as ``b_t = max(0, E[D_(t+L+1)] - c_(t+1) + b_(t+1))``.

    Returns
    -------
    ndarray
        Shape (SKUs, T, N).

    References
    ----------
    Kapuscinski and Tayur (1998), A capacitated production-inventory model with periodic demand,
    Operations Research 46(6).
    """
    means, _ = parameters.demand_moments()
    usual = parameters.mean_demand()
    built = np.zeros_like(means)
    for lane, mean, base, build in zip(parameters.lanes(), means, usual, built, strict=True):
        most = _largest_orders(lane, mean, base, parameters.forecast_window)
        ahead = lane.store.lead_time + 1
        for t in range(len(mean) - ahead - 1, -1, -1):
            build[t] = np.maximum(0.0, mean[t + ahead] - most[t + 1] + build[t + 1])
    return built


def _largest_orders(lane: Lane, mean: Values, base: Values, window: int) -> Values:
    """Return the largest order of every day, by the mean of the forecast, shape (T, N)."""
    top = max(lane.store.grid)
    if lane.store.order_units is not None:
        return np.full_like(mean, top)
    past = np.concatenate([np.zeros((1, mean.shape[1])), np.cumsum(mean, axis=0)])
    days = np.arange(len(mean))
    first = np.maximum(days - window, 0)
    forecast = (past[days] - past[first]) / np.maximum(days - first, 1)[:, None]
    forecast[0] = base
    largest: Values = top * forecast
    return largest


class StockRule(Policy):
    """What all rules share: parameters by name, checked, and binding.

    Parameters
    ----------
    **values : array_like
        The rule's parameters: one number each, or one per world.
    """

    at_least_zero: tuple[str, ...] = ()
    """Parameters that must not be negative."""

    def __init__(self, **values: ArrayLike) -> None:
        self.values = {name: np.asarray(value, np.float64) for name, value in values.items()}
        for name, value in self.values.items():
            if np.isnan(value).any():
                raise InputError(f"{name} = {value}: must be a number")
            if name in self.at_least_zero and (value < 0).any():
                raise InputError(f"{name} = {value}: must be at least 0")

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value:g}" for name, value in self.values.items())
        return f"{type(self).__name__}({values})"

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on."""
        self._chain = chain = chain_of(batch)
        for name, value in self.values.items():
            if value.shape not in ((), (chain.num_worlds,)):
                raise InputError(f"{name} has shape {value.shape}, not ({chain.num_worlds},)")
        self._columns = {name: value.reshape(-1, 1) for name, value in self.values.items()}
        self._mean = chain.parameters.mean_demand()
        self._prepare(chain.parameters)

    def _prepare(self, parameters: SupplyChainParameters) -> None:
        """Compute what the rule needs of the parameters, once."""

    def _by_world(self, of_lane: Values) -> Values:
        """Return rows of lanes, shape (SKUs, N), as rows of worlds; one row if they are equal."""
        return of_lane if len(of_lane) == 1 else of_lane[self._chain.lane_of]

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Actions, None]:
        """Return one action per agent of the tier, read from the state of the batch."""
        return self._choose(self._chain).reshape(-1), None

    @abstractmethod
    def _choose(self, chain: SupplyChainBatch) -> Actions:
        """Return the actions, one row per world."""


class StoreRule(StockRule):
    """A rule that all stores of all worlds follow, each with its own demand."""

    def _choose(self, chain: SupplyChainBatch) -> Actions:
        wanted = self._wanted(chain, store_positions(chain.sites, chain.pipelines))
        return nearest_action(chain.store_orders(), wanted)

    @abstractmethod
    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        """Return the quantity to order [units], shape of `position`, (worlds, N)."""


class ReorderPoint(StoreRule):
    """(s, S) policy: if ``IP < s mu``, order ``S mu - IP``, otherwise nothing.

    Parameters
    ----------
    reorder_days, order_up_to_days : array_like
        s and S [days of mean demand mu]; s is at most S.

    References
    ----------
    Scarf (1960), The optimality of (S, s) policies in the dynamic inventory problem; Zipkin
    (2000), chapter 9; Snyder and Shen (2019), chapter 4.
    """

    at_least_zero = ("reorder_days", "order_up_to_days")

    def __init__(self, reorder_days: ArrayLike, order_up_to_days: ArrayLike) -> None:
        super().__init__(reorder_days=reorder_days, order_up_to_days=order_up_to_days)

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        mean = self._by_world(self._mean)
        up_to = self._columns["order_up_to_days"]
        below = position < np.minimum(self._columns["reorder_days"], up_to) * mean
        return np.where(below, up_to * mean - position, 0.0)


class PeriodicReview(StoreRule):
    """(R, S) policy: on every R-th day order ``S mu - IP``, on the others nothing.

    Parameters
    ----------
    review_period : array_like
        R [days], at least 1; the first day is one of review.
    order_up_to_days : array_like
        S [days of mean demand mu].

    References
    ----------
    Silver, Pyke and Thomas (2017), Inventory and Production Management in Supply Chains, 4th ed.,
    chapter 6.
    """

    at_least_zero = ("order_up_to_days",)

    def __init__(self, review_period: ArrayLike, order_up_to_days: ArrayLike) -> None:
        super().__init__(review_period=review_period, order_up_to_days=order_up_to_days)
        if (self.values["review_period"] < 1).any():
            raise InputError(f"review_period = {self.values['review_period']}: must be at least 1")

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        reviews = chain.day % np.floor(self._columns["review_period"]) < 1
        level = self._columns["order_up_to_days"] * self._by_world(self._mean)
        return np.where(reviews, level - position, 0.0)


class ConstantOrder(StoreRule):
    """Order the same every day, ``q mu``, whatever the stock.

    What the nearest quantity on offer adds or leaves out is carried over to the next day.

    Parameters
    ----------
    order_days : array_like
        q [days of mean demand mu].

    References
    ----------
    Goldberg, Katz-Rogozhnikov, Lu, Sharma and Squillante (2016), Asymptotic optimality of
    constant-order policies for lost sales inventory models with large lead times, Mathematics of
    Operations Research 41(3).
    """

    at_least_zero = ("order_days",)

    def __init__(self, order_days: ArrayLike) -> None:
        super().__init__(order_days=order_days)

    def _prepare(self, parameters: SupplyChainParameters) -> None:
        self._owed = np.zeros((self._chain.num_worlds, self._chain.num_stores))

    def _choose(self, chain: SupplyChainBatch) -> Actions:
        if chain.day == 0:
            self._owed[:] = 0.0
        self._owed += self._columns["order_days"] * self._by_world(self._mean)
        orders = chain.store_orders()
        actions = nearest_action(orders, self._owed)
        self._owed -= np.take_along_axis(orders, actions[..., None], axis=2)[..., 0]
        # where the forecast is 0 nothing can be ordered: what was missed then is not made up for
        self._owed = np.clip(self._owed, -orders.max(axis=2), orders.max(axis=2))
        return actions

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        return self._owed


class ForecastBaseStock(StoreRule):
    """Base-stock policy on the store's own forecast F: order ``k F + z sigma - IP``.

    Parameters
    ----------
    forecast_days : array_like
        k [days of forecast demand].
    safety_factor : array_like
        z [standard deviations sigma of the demand of L + 1 days].

    References
    ----------
    Chen, Drezner, Ryan and Simchi-Levi (2000), Quantifying the bullwhip effect in a simple supply
    chain, Management Science 46(3) (base stock on a moving average); Snyder and Shen (2019),
    chapter 4.
    """

    at_least_zero = ("forecast_days",)

    def __init__(self, forecast_days: ArrayLike, safety_factor: ArrayLike) -> None:
        super().__init__(forecast_days=forecast_days, safety_factor=safety_factor)

    def _prepare(self, parameters: SupplyChainParameters) -> None:
        self._spread = usual_spread(parameters)

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        safety = self._columns["safety_factor"] * self._by_world(self._spread)
        level: Values = self._columns["forecast_days"] * chain.sites["forecast"] + safety
        return level - position


class SeasonalBaseStock(StoreRule):
    """Base-stock policy on the known law: order ``S_t - IP``, ``S_t = m_t + b_t + z s_t + d mu``.

    b_t is what has to be built up for peaks that later orders cannot meet, `stock_to_build`.

    Parameters
    ----------
    safety_factor : array_like
        z [standard deviations s_t of the coming demand].
    safety_days : array_like
        d [days of mean demand mu].

    References
    ----------
    Karlin (1960), Dynamic inventory policy with varying stochastic demands, Management Science
    6(3); Zipkin (2000), chapter 9 (base-stock levels that follow the season).
    """

    def __init__(self, safety_factor: ArrayLike, safety_days: ArrayLike = 0.0) -> None:
        super().__init__(safety_factor=safety_factor, safety_days=safety_days)

    def _prepare(self, parameters: SupplyChainParameters) -> None:
        coming, self._spread = coming_demand(parameters)
        self._coming = coming + stock_to_build(parameters)

    def _level(self, chain: SupplyChainBatch) -> Values:
        """Return S_t, shape (worlds, N) or (1, N) [units]."""
        coming = self._by_world(self._coming[:, chain.day])
        spread = self._by_world(self._spread[:, chain.day])
        safety = self._columns["safety_days"] * self._by_world(self._mean)
        return coming + self._columns["safety_factor"] * spread + safety

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        return self._level(chain) - position


class CappedBaseStock(SeasonalBaseStock):
    """Capped base-stock policy: order ``min(S_t - IP, r mu)``, S_t as in `SeasonalBaseStock`.

    Between a base-stock policy (no cap) and a constant order (a level without end); where sales
    are lost and lead times are long, both are far from optimal, and this is near.

    Parameters
    ----------
    safety_factor, safety_days : array_like
        z and d of S_t.
    cap_days : array_like
        r, the most to order in a day [days of mean demand mu], infinite for no cap.

    References
    ----------
    Xin (2021), Understanding the performance of capped base-stock policies in lost-sales
    inventory models, Operations Research 69(1).
    """

    at_least_zero = ("cap_days",)

    def __init__(
        self, safety_factor: ArrayLike, safety_days: ArrayLike = 0.0, cap_days: ArrayLike = np.inf
    ) -> None:
        StoreRule.__init__(
            self, safety_factor=safety_factor, safety_days=safety_days, cap_days=cap_days
        )

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        mean = self._by_world(self._mean)
        with np.errstate(invalid="ignore"):  # no cap on a store without demand
            cap = np.where(mean > 0.0, self._columns["cap_days"] * mean, np.inf)
        return np.minimum(self._level(chain) - position, cap)


class Newsvendor(StoreRule):
    """Base-stock policy on the critical fractile of the law: order ``F_t^-1(a) + b_t - IP``.

    F_t is the law of ``D_t + ... + D_(t+L)`` and ``a = u / (u + o)``, with u what a unit too few
    costs on day t + L and o what a unit too many costs a day; no parameter to tune. But for b_t,
    which is that of `SeasonalBaseStock`, it looks at one day alone (myopic); it takes unmet demand
    for backlogged. By the reward of reconciliation ``u = w_p p + w_s / E[D_(t+L)]`` and
    ``o = w_h h``, with the weights of stockout penalty, service level and holding cost; by cost
    ``u = p`` and ``o = h``.

    The law of the sum is exact for normal (before the floor at 0) and Poisson demand; sums of
    negative binomial and gamma demand are taken as of that law with the same two moments.

    References
    ----------
    Veinott (1965), Optimal policy for a multi-product, dynamic, nonstationary inventory problem,
    Management Science 12(3) (myopic policies); Snyder and Shen (2019), chapter 4.
    """

    def _prepare(self, parameters: SupplyChainParameters) -> None:
        means, stds = coming_demand(parameters)
        daily, _ = parameters.demand_moments()
        self._level = stock_to_build(parameters) + np.stack(
            [
                _quantile(lane.sku.demand_model, _fractile(parameters, lane, day), mean, std)
                for lane, day, mean, std in zip(parameters.lanes(), daily, means, stds, strict=True)
            ]
        )

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        return self._by_world(self._level[:, chain.day]) - position


def _fractile(parameters: SupplyChainParameters, lane: Lane, daily: Values) -> Values:
    """Return the critical fractile of the day on which today's order arrives, shape (T, N)."""
    store, weights = lane.store, parameters.weights.store
    under, over = np.full_like(daily, store.stockout_cost), store.holding_cost
    if parameters.objective == "reconciliation":
        last = len(daily) - 1
        arrives = daily[np.minimum(np.arange(last + 1) + store.lead_time, last)]
        under = weights.stockout_penalty * under + weights.service_level / np.maximum(arrives, 1.0)
        over = weights.holding_cost * over
    fractile: Values = under / np.maximum(under + over, 1e-300)
    return np.clip(fractile, 1.0 - ALMOST_SURE, ALMOST_SURE)


def _quantile(model: str, fractile: Values, mean: Values, std: Values) -> Values:
    """Return the quantile of the demand of several days, 0 where there is none."""
    from scipy import stats  # here: it takes long to import

    some, variance = np.maximum(mean, 1e-9), np.maximum(std**2, 1e-18)
    level: Any
    if model == "normal":
        level = mean + std * stats.norm.ppf(fractile)
    elif model == "poisson":
        level = stats.poisson.ppf(fractile, some)
    elif model == "gamma":
        level = stats.gamma.ppf(fractile, some**2 / variance, scale=variance / some)
    else:
        over = np.maximum(variance - some, 1e-9)
        level = stats.nbinom.ppf(fractile, some**2 / over, some / (some + over))
    level = np.where(std > 0.0, level, mean)
    return np.where((mean > 0.0) | (model == "normal"), np.maximum(level, 0.0), 0.0)


class WarehouseRule(StockRule):
    """A rule of the warehouse: order the nearest quantity on offer to ``S M - position``.

    Parameters
    ----------
    level_days : array_like
        S [days of M, the mean demand of all stores].
    """

    at_least_zero = ("level_days",)

    def __init__(self, level_days: ArrayLike) -> None:
        super().__init__(level_days=level_days)

    def _choose(self, chain: SupplyChainBatch) -> Actions:
        total = self._by_world(self._mean.sum(axis=1, keepdims=True))
        position = self._position(chain)[:, None]
        never_short = np.isinf(position)
        wanted = self._columns["level_days"] * total - np.where(never_short, 0.0, position)
        wanted = np.where(never_short, 0.0, wanted)
        return nearest_action(chain.warehouse_orders()[:, None, :], wanted)

    @abstractmethod
    def _position(self, chain: SupplyChainBatch) -> Values:
        """Return what is compared with the level, shape (worlds,) [units]."""


class WarehouseBaseStock(WarehouseRule):
    """Base-stock policy of the warehouse on its installation stock.

    Its inventory position is what it has on hand, on the supplier's desk and inbound, less what
    it owes the stores.

    References
    ----------
    Zipkin (2000), chapter 8 (local policies); Snyder and Shen (2019), chapter 6.
    """

    def _position(self, chain: SupplyChainBatch) -> Values:
        owed: Values = chain.sites["backorders"].sum(axis=1)
        return _supply(chain) - owed


class EchelonBaseStock(WarehouseRule):
    """Base-stock policy of the warehouse on its echelon stock.

    The echelon inventory position is what the warehouse has on hand, on the supplier's desk and
    inbound, plus all that the stores have on hand and under way to them.

    References
    ----------
    Clark and Scarf (1960), Optimal policies for a multi-echelon inventory problem, Management
    Science 6(4); Zipkin (2000), chapter 8; Snyder and Shen (2019), chapter 6.
    """

    def _position(self, chain: SupplyChainBatch) -> Values:
        sites = chain.sites
        stores: Values = store_positions(sites, chain.pipelines) - sites["backorders"]
        position: Values = _supply(chain) + stores.sum(axis=1)
        return position


def _supply(chain: SupplyChainBatch) -> Values:
    """Return the warehouse's units on hand, on the supplier's desk and inbound."""
    supply: Values = chain.hubs["on_hand"] + chain.hubs["on_desk"] + chain.inbound.sum(axis=1)
    return supply
