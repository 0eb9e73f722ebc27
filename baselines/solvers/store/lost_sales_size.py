"""How large a store with lost sales may be to be solved, and what bounds the cost of others."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from baselines.solvers.store.lost_sales_kernels import count_states
from baselines.solvers.store.lost_sales_problem import Ints, LostSales, order_limits
from common.errors import InputError

MAX_STATES = 60_000_000
"""Stock levels times pipelines of the largest problem that is solved: 24 bytes each, and more."""
MAX_CHOICES = 1_000_000_000
"""States times orders of the largest problem whose best orders are sought, in minutes."""
QUICK_STATES = 4_000_000
"""States of a store that is solved in seconds, with what knowing its last day spares."""
QUICK_WORK = 1_500_000_000
"""Its states times orders times days that its largest stock lasts, as sweeps grow: a minute."""


def is_solvable(store: LostSales) -> bool:
    """Whether `solve_lost_sales` takes the store."""
    limits = _limits(store)
    return limits is not None and within_reach(limits)


def _limits(store: LostSales) -> Ints | None:
    """Return the limits of orders, None where even they are out of reach."""
    try:
        return order_limits(store)
    except InputError:
        return None


def within_reach(limits: Ints) -> bool:
    """Whether the best orders within limits are sought: memory and time allow it."""
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
    For that one can hold back each order for k days, and has the same stock on every day, at the
    same cost (Zipkin 2008, On the structure of lost-sales inventory models, Operations Research
    56(4), who shows that the least cost grows with the lead time). In a number of days, up to k
    orders more fall into them.

    Raises
    ------
    InputError
        If none fits.
    """
    for lead_time in range(store.lead_time - 1, -1, -1):
        sooner = replace(store, lead_time=lead_time)
        if fits(sooner):
            return sooner
    raise too_many(order_limits(store))


def too_many(limits: Ints) -> InputError:
    """Return the error that refuses a store with such limits."""
    return InputError(
        f"lead_time = {limits.size - 1} with stock up to {limits[-1]} has too many states; "
        "shorten it, or lower demand, stockout_cost or fixed_cost"
    )
