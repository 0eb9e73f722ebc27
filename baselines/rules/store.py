r"""Rules of stock control for the supply chain's stores.

All of them act on the inventory position, which for a store is

``IP = on hand + in transit + backorders of the store at the warehouse`` [units].

With the store's lead time L, an order of day t arrives on the morning of day t + L, so that it
determines the stock available for the days t .. t + L. The demand of those days has mean and
standard deviation

``m_t = E[D_t + ... + D_(t+L)]``, ``s_t = sqrt(Var[D_t] + ... + Var[D_(t+L)])`` [units]

(`baselines.rules.lead_time_demand`); ``mu`` is the store's mean demand without season [units/day]
and ``sigma`` the standard deviation of the demand of L + 1 average days. With days of review these
windows reach to the day before the next order can arrive. A rule orders the quantity on offer that
is nearest to the one it wants, all limits of orders applied.

References
----------
Zipkin (2000), Foundations of Inventory Management, chapters 6 and 9; Snyder and Shen (2019),
Fundamentals of Supply Chain Theory, 2nd ed., chapters 4 to 6.
"""

import numpy as np
from numpy.typing import ArrayLike

from baselines.policy import Actions
from baselines.rules.lead_time_demand import (
    critical_fractile,
    demand_quantile,
    lead_time_demand,
    perishable_levels,
    stock_to_build,
    usual_spread,
)
from baselines.rules.stock_rule import StoreRule, Values, nearest_action
from common.errors import InputError
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters


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


class ReorderQuantity(StoreRule):
    """(r, Q) policy: if ``IP <= r mu``, order ``n Q mu``, with the least n that lifts IP above it.

    After the order ``r mu < IP <= (r + Q) mu``. With unit demand and continuous review, n is 1.

    Parameters
    ----------
    reorder_days : array_like
        r, the reorder point [days of mean demand mu].
    quantity_days : array_like
        Q, the batch size [days of mean demand mu], above 0.

    References
    ----------
    Zheng (1992), On properties of stochastic inventory systems, Management Science 38(1); Zipkin
    (2000), chapter 6; Snyder and Shen (2019), chapter 5; with n batches, Veinott (1965), The
    optimal inventory policy for batch ordering, Operations Research 13(3).
    """

    at_least_zero = ("reorder_days",)

    def __init__(self, reorder_days: ArrayLike, quantity_days: ArrayLike) -> None:
        super().__init__(reorder_days=reorder_days, quantity_days=quantity_days)
        if (self.values["quantity_days"] <= 0).any():
            raise InputError(f"quantity_days = {self.values['quantity_days']}: must be above 0")

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        mean = self._by_world(self._mean)
        batch = self._columns["quantity_days"] * mean
        missing = self._columns["reorder_days"] * mean - position
        batches = np.floor(missing / np.where(batch > 0.0, batch, 1.0)) + 1.0
        return np.where(missing >= 0.0, batches * batch, 0.0)


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

    The difference to the nearest quantity on offer is carried over to the next day.

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
        if self.free:
            return super()._choose(chain)
        if chain.day == 0:
            self._owed[:] = 0.0
        self._owed += self._wanted(chain, self._owed)
        orders = chain.store_orders()
        actions = nearest_action(orders, self._owed)
        self._owed -= np.take_along_axis(orders, actions[..., None], axis=2)[..., 0]
        # where the forecast is 0 nothing can be ordered: what was missed then is not made up for,
        # but what was due on days without review is
        most = np.where(chain.may_order()[:, None], orders.max(axis=2), np.inf)
        self._owed = np.clip(self._owed, -most, most)
        return actions

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        usual: Values = self._columns["order_days"] * self._by_world(self._mean)
        return np.broadcast_to(usual, position.shape)


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
        coming, self._spread = lead_time_demand(parameters)
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

    Between a base-stock policy (no cap) and a constant order (an infinite level); where sales are
    lost and lead times are long, both are far from optimal, and this is near.

    Parameters
    ----------
    safety_factor, safety_days : array_like
        z and d of S_t.
    cap_days : array_like
        r, the largest order of a day [days of mean demand mu], infinite for no cap.

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
    """Base-stock policy at the critical fractile of the law: order ``F_t^-1(a) + b_t - IP``.

    F_t is the law of ``D_t + ... + D_(t+L)`` and ``a = u / (u + o)``, with u the cost of a unit
    short on day t + L and o that of a unit too many per day; there is no parameter to tune. Apart
    from b_t, which is that of `SeasonalBaseStock`, it looks at one day alone (myopic), and it
    treats unmet demand as backlogged. If the objective is reconciliation,
    ``u = w_p p + w_s / E[D_(t+L)]`` and ``o = w_h h``, with the weights of stockout penalty,
    service level and holding cost; if it is cost, ``u = p`` (``p - c`` where sales are lost) and
    ``o = h``. For perishable goods it balances a unit's chances of being used and of being wasted
    (`baselines.rules.newsvendor_costs`), and acts on the inventory position less the expected
    waste.

    The law of the sum is exact for normal (before the floor at 0) and Poisson demand; sums of
    negative binomial and gamma demand are approximated by that law with the same two moments.

    References
    ----------
    Veinott (1965), Optimal policy for a multi-product, dynamic, nonstationary inventory problem,
    Management Science 12(3) (myopic policies); Snyder and Shen (2019), chapter 4.
    """

    def _prepare(self, parameters: SupplyChainParameters) -> None:
        means, stds = lead_time_demand(parameters)
        daily, _ = parameters.demand_moments()
        levels = stock_to_build(parameters)
        for k, lane in enumerate(parameters.lanes()):
            if lane.store.shelf_life is not None:
                levels[k] += perishable_levels(parameters, k)
                continue
            fractile = critical_fractile(parameters, lane, daily[k])
            levels[k] += demand_quantile(lane.sku.demand_model, fractile, means[k], stds[k])
        self._level, self._perishes = levels, parameters.longest_shelf_life > 0

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        if self._perishes:
            position = position - chain.expected_waste()
        return self._by_world(self._level[:, chain.day]) - position
