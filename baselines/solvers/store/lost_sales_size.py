"""Size limits for solving a store with lost sales, and a bound on the cost of larger ones."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from baselines.solvers.store.lost_sales_kernels import count_states
from baselines.solvers.store.lost_sales_problem import Ints, LostSales, order_limits
from common.errors import InputError

MAX_STATES = 60_000_000
"""Most states (stock levels times pipelines) of a solvable problem: at least 24 bytes each."""
MAX_CHOICES = 1_000_000_000
"""Most states times orders of a problem whose best orders are sought, which takes minutes."""
QUICK_STATES = 4_000_000
"""Most states of a store solved in seconds, along with the saving from knowing its last day."""
QUICK_WORK = 1_500_000_000
"""Most states times orders times days of its largest stock, as sweeps grow: a minute."""


def is_solvable(store: LostSales) -> bool:
    """Whether `solve_lost_sales` accepts the store."""
    limits = _limits(store)
    return limits is not None and within_reach(limits)


def _limits(store: LostSales) -> Ints | None:
    """Return the limits of orders, None if even these are too large to compute."""
    try:
        return order_limits(store)
    except InputError:
        return None


def within_reach(limits: Ints) -> bool:
    """Whether memory and time suffice to find the best orders within limits."""
    states = count_states(limits)
    return states <= MAX_STATES and states * (int(limits[0]) + 1) <= MAX_CHOICES


def is_quick(store: LostSales) -> bool:
    """Whether a store is solved in seconds."""
    limits = _limits(store)
    if limits is None or count_states(limits) > QUICK_STATES:
        return False
    days = float(limits[-1] / (store.law @ np.arange(store.law.size)))
    return count_states(limits) * (int(limits[0]) + 1) * days <= QUICK_WORK


def sooner_store(store: LostSales, fits: Callable[[LostSales], bool]) -> LostSales:
    """Return the store with the longest lead time below its own that `fits`.

    No policy of `store` spends less than the best one of a store whose orders arrive k days sooner.
    The latter can delay each order by k days, and then has the same stock on every day, at the same
    cost (Zipkin 2008, On the structure of lost-sales inventory models, Operations Research 56(4),
    who shows that the least cost increases with the lead time). Within a fixed number of days, up
    to k orders more may fall.

    Raises
    ------
    InputError
        If no such store fits.
    """
    for lead_time in range(store.lead_time - 1, -1, -1):
        sooner = replace(store, lead_time=lead_time)
        if fits(sooner):
            return sooner
    raise too_many(order_limits(store))


def too_many(limits: Ints) -> InputError:
    """Return the error for a store with such limits."""
    return InputError(
        f"lead_time = {limits.size - 1} with stock up to {limits[-1]} has too many states; "
        "shorten it, or lower demand, stockout_cost or fixed_cost"
    )
