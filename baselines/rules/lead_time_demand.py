r"""The demand that an order is to cover, by the law of demand: mean, spread and quantiles.

With a store's lead time L, an order of day t arrives on the morning of day t + L, and the order of
the next day of review, r days later, on the morning of day t + r + L. So an order determines the
stock available for the days t .. t + r + L - 1 (the protection interval), which are t .. t + L
where the store may order on every day. The demand of those days has mean and standard deviation

``m_t = E[D_t + ... + D_(t+r+L-1)]``, ``s_t = sqrt(Var[D_t] + ... + Var[D_(t+r+L-1)])`` [units].
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.rules.newsvendor_costs import days_of_use, newsvendor_costs
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.sites import Lane

Values = NDArray[np.float64]
Days = NDArray[np.int64]

ALMOST_SURE = 1.0 - 1e-9
"""The largest chance of no stockout that a newsvendor aims at."""


def lead_time_demand(parameters: SupplyChainParameters) -> tuple[Values, Values]:
    """Return mean m_t and standard deviation s_t of the demand that an order of day t covers.

    Returns
    -------
    tuple of ndarray
        Shape (SKUs, T, N) each [units]. Days after the last one have no demand. A normal law's
        moments are those before its floor at 0.
    """
    means, variances = _daily_moments(parameters)
    for lane, mean, variance in zip(parameters.lanes(), means, variances, strict=True):
        days = lane.store.lead_time + review_gaps(lane, len(mean))
        mean[:] = _window_sums(mean, days)
        variance[:] = _window_sums(variance, days)
    return means, np.sqrt(variances)


def review_gaps(lane: Lane, horizon: int) -> Days:
    """Return the days from each day of an episode to the next day of review, r, shape (T,)."""
    return np.array(lane.store.review_gaps)[np.arange(horizon) % len(lane.store.review_gaps)]


def usual_spread(parameters: SupplyChainParameters) -> Values:
    """Return sigma, the standard deviation of the demand of L + r average days, r on average.

    Returns
    -------
    ndarray
        Shape (SKUs, N) [units].
    """
    _, variances = _daily_moments(parameters)
    stores = [lane.store for lane in parameters.lanes()]
    days = np.array([s.lead_time + 7.0 / len(s.review_days) for s in stores])
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


def _window_sums(daily: Values, days: Days) -> Values:
    """Return the sums of each day and those after it, `days` in all, shape (T, N)."""
    total = np.concatenate([np.zeros((1, daily.shape[1])), np.cumsum(daily, axis=0)])
    first = np.arange(len(daily))
    sums: Values = np.maximum(total[np.minimum(first + days, len(daily))] - total[first], 0.0)
    return sums


def stock_to_build(parameters: SupplyChainParameters) -> Values:
    """Return b_t, the stock beyond m_t that a store needs as its later orders are limited [units].

    With c_t the largest order that a store is expected to be able to place on day t (the largest
    multiple of its forecast, or the largest quantity), stock for peaks that later orders cannot
    meet must be built up before: ``b_t = max over a >= 0 of sum_(j=1..a) (E[D_(t+L+j)] -
    c_(t+j))``, computed as ``b_t = max(0, E[D_(t+L+1)] - c_(t+1) + b_(t+1))``. With days of review,
    the next of these replaces t + 1, with the demand until the one after it.

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
        gaps, ahead = review_gaps(lane, len(mean)), lane.store.lead_time
        for t in range(len(mean) - ahead - 2, -1, -1):
            after = t + gaps[t]
            if after + ahead < len(mean):
                coming = mean[after + ahead : after + ahead + gaps[after]].sum(axis=0)
                build[t] = np.maximum(0.0, coming - most[after] + build[after])
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
    largest: Values = top * forecast * review_gaps(lane, len(mean))[:, None]
    return largest


def critical_fractile(parameters: SupplyChainParameters, lane: Lane, daily: Values) -> Values:
    """Return the critical fractile of the day on which today's order arrives, shape (T, N).

    Excess stock is held until the next order can take it into account; goods with a shelf life of
    one day are wasted.
    """
    short, held, expired = costs_by_day(parameters, lane, daily)
    over = expired if lane.store.shelf_life == 1 else held
    fractile: Values = short / np.maximum(short + over, 1e-300)
    return np.clip(fractile, 1.0 - ALMOST_SURE, ALMOST_SURE)


def costs_by_day(
    parameters: SupplyChainParameters, lane: Lane, daily: Values
) -> tuple[Values, Values, Values]:
    """Return the costs of a unit short, held and expired (`newsvendor_costs`), shape (T, N) each.

    Where stores are rewarded for their service level, a unit short also costs its share of the
    demand of the day of arrival.
    """
    gaps, weights = review_gaps(lane, len(daily)), parameters.weights.store
    costs = {gap: newsvendor_costs(parameters, lane.store, gap) for gap in set(gaps.tolist())}
    rows = [
        (costs[gap].underage, costs[gap].holding, costs[gap].outdating) for gap in gaps.tolist()
    ]
    short, held, expired = np.repeat(np.array(rows)[..., None], daily.shape[1], axis=-1).swapaxes(
        0, 1
    )
    if parameters.objective == "reconciliation":
        last = len(daily) - 1
        arrives = daily[np.minimum(np.arange(last + 1) + lane.store.lead_time, last)]
        short = short + weights.service_level / np.maximum(arrives, 1.0)
    return short, held, expired


def perishable_levels(parameters: SupplyChainParameters, sku: int) -> Values:
    """Return the order-up-to levels of perishable goods by the law, shape (T, N) [units].

    They balance the costs of a unit (`newsvendor_costs`).
    """
    lane, daily = parameters.lanes()[sku], parameters.demand_moments()[0][sku]
    mean, variance = (x[sku] for x in _daily_moments(parameters))
    short, held, expired = costs_by_day(parameters, lane, daily)
    days = [days_of_use(lane.store, gap) for gap in review_gaps(lane, len(daily)).tolist()]
    model, (first, later) = lane.sku.demand_model, np.array(days).T
    used = (_window_sums(mean, first), np.sqrt(_window_sums(variance, first)))
    wasted = (_window_sums(mean, later), np.sqrt(_window_sums(variance, later)))
    low = np.zeros_like(daily)
    high = np.ceil(demand_quantile(model, np.full_like(daily, ALMOST_SURE), *wasted))
    for _ in range(50):
        level = 0.5 * (low + high)
        share = demand_share(model, level, *used)
        over = held * share + expired * demand_share(model, level, *wasted)
        more = short * (1.0 - share) > over
        low, high = np.where(more, level, low), np.where(more, high, level)
    return high if model in ("normal", "gamma") else np.ceil(high - 1e-6)


def demand_quantile(model: str, fractile: Values, mean: Values, std: Values) -> Values:
    """Return the quantile of the demand of several days, 0 where there is none."""
    from scipy import special  # here: it takes long to import, and `stats` far longer

    some, variance = np.maximum(mean, 1e-9), np.maximum(std**2, 1e-18)
    level: Any
    if model == "normal":
        level = mean + std * special.ndtri(fractile)
    elif model == "poisson":
        from scipy import stats

        level = stats.poisson.ppf(fractile, some)
    elif model in ("gamma", "rounded_gamma"):
        level = special.gammaincinv(some**2 / variance, fractile) * (variance / some)
        level = np.rint(level) if model == "rounded_gamma" else level
    else:
        from scipy import stats

        over = np.maximum(variance - some, 1e-9)
        level = stats.nbinom.ppf(fractile, some**2 / over, some / (some + over))
    level = np.where(std > 0.0, level, mean)
    return np.where((mean > 0.0) | (model == "normal"), np.maximum(level, 0.0), 0.0)


def demand_share(model: str, level: Values, mean: Values, std: Values) -> Values:
    """Return the chance that demand of several days is `level` at most (see `demand_quantile`)."""
    from scipy import special

    some, variance = np.maximum(mean, 1e-9), np.maximum(std**2, 1e-18)
    share: Any
    if model == "normal":
        share = special.ndtr((level - mean) / np.sqrt(variance))
    elif model == "poisson":
        share = special.pdtr(level, some)
    elif model in ("gamma", "rounded_gamma"):
        rounded = np.floor(level) + 0.5 if model == "rounded_gamma" else level
        share = special.gammainc(some**2 / variance, rounded * (some / variance))
    else:
        over = np.maximum(variance - some, 1e-9)
        # not special.nbdtr, which takes whole numbers of successes alone
        share = special.betainc(some**2 / over, np.floor(level) + 1.0, some / (some + over))
    share = np.where(std > 0.0, share, level >= mean)
    return np.asarray(share, np.float64)
