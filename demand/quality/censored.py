"""Sales censored by stockouts: estimates of the demand.

If goods ran out, demand was at least what was sold. It is estimated by its conditional mean given
that, under the law of sales relative to usual sales (the level of the periods before, times the
weekday factor), in which sales of censored periods count as right-censored observations. Periods
before the first sale of a series are left out.

References
----------
Kaplan and Meier (1958), Nonparametric estimation from incomplete observations, Journal of the
American Statistical Association 53(282); Efron (1967), The two sample problem with censored data
(the largest value counts as uncensored).
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from demand.table import DemandTable

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEVEL_PERIODS = 56
"""Number of past periods whose mean is the level of a period."""

LEAST_SEEN = 20
"""Fewest uncensored periods of a series with a law of its own."""


def with_estimates(table: DemandTable, training_days: int) -> DemandTable:
    """Return a table whose censored sales are replaced by estimates of demand.

    Parameters
    ----------
    table : DemandTable
        The table as read.
    training_days : int
        Number of periods that the law is fitted to; later periods do not influence their estimates.
    """
    if table.cut_off is None or not table.cut_off.any():
        return table
    cycle = table.periods.cycle
    demand = estimated_demand(table.demand, table.cut_off, training_days, cycle)
    demand.flags.writeable = False
    more = float((demand - table.demand).sum())
    line = (
        f"cut off by empty shelves: {int(table.cut_off.sum()):,} of {table.cut_off.size:,} values; "
        f"demand there is estimated (Kaplan-Meier), {more:,.0f} units more than was sold"
    )
    filled = f"{table.filled}; {line}" if table.filled else line
    return replace(table, demand=demand, filled=filled)


def estimated_demand(sales: Floats, cut_off: Flags, training_days: int, cycle: int) -> Floats:
    """Return sales, where censored replaced by mean demand given that it was at least as much.

    Parameters
    ----------
    sales, cut_off : ndarray
        Shape (periods, SKUs, stores) [units].
    training_days : int
        As for `with_estimates`.
    cycle : int
        Periods in the short season.
    """
    begun = np.maximum.accumulate(sales > 0, axis=0)
    usual = _usual(sales, begun & ~cut_off, training_days, cycle)
    whole = bool((sales % 1 == 0).all())
    least = sales - 0.5 if whole else sales  # the same units are a different share every day
    shares = np.where(cut_off, least, sales) / usual
    shape = (len(sales), -1)
    flat, cut = shares.reshape(shape), cut_off.reshape(shape)
    there = begun.reshape(shape)[:training_days]
    seen = flat[:training_days], cut[:training_days]
    enough = (there & ~seen[1]).sum(axis=0) >= LEAST_SEEN
    common = _law(seen[0][there], seen[1][there])
    found = flat.copy()
    for series in np.flatnonzero(cut.any(axis=0)):
        own = (values[there[:, series], series] for values in seen)
        law = _law(*own) if enough[series] else common
        rows = np.flatnonzero(cut[:, series])
        found[rows, series] = [_mean_from(law, share) for share in flat[rows, series]]
    more = np.where(cut_off, np.maximum(found.reshape(sales.shape) * usual - sales, 0.0), 0.0)
    if whole:  # rounding errors are carried over, else 0.1 would always become 0
        more = np.diff(np.rint(np.cumsum(more, axis=0)), axis=0, prepend=0.0)
    demand: Floats = sales + more
    return demand


def _usual(sales: Floats, seen: Flags, training_days: int, cycle: int) -> Floats:
    """Return level times weekday factor of every period, from earlier periods and training."""
    total, count = (
        np.concatenate([np.zeros((1, *sales.shape[1:])), np.cumsum(x, axis=0)])
        for x in (np.where(seen, sales, 0.0), seen)
    )
    at = np.arange(len(sales))
    low = np.maximum(at - LEVEL_PERIODS, 0)
    days, units = count[at] - count[low], total[at] - total[low]
    train = np.where(seen[:training_days], sales[:training_days], 0.0).sum(axis=0)
    mean = train / np.maximum(seen[:training_days].sum(axis=0), 1)
    level = np.where(days >= cycle, units / np.maximum(days, 1), mean)
    factors = np.ones((cycle, *sales.shape[1:]))
    for day in range(cycle if training_days >= 2 * cycle else 0):
        own, ok = sales[day:training_days:cycle], seen[day:training_days:cycle]
        of_day = np.where(ok, own, 0.0).sum(axis=0) / np.maximum(ok.sum(axis=0), 1)
        factors[day] = np.where(mean > 0, of_day / np.maximum(mean, 1e-9), 1.0)
    usual: Floats = level * np.maximum(factors[at % cycle], 0.05)
    floor = np.maximum(0.05 * mean, 1e-6)
    return np.asarray(np.maximum(usual, floor), np.float64)


def _law(values: Floats, cut_off: Flags) -> tuple[Floats, Floats]:
    """Return ascending values and their probabilities (product-limit estimator).

    Among ties, censored values come first: demand may have been exactly as much.
    """
    order = np.lexsort((~cut_off, values))
    rising, cut = values[order], cut_off[order]
    at_risk = rising.size - np.arange(rising.size)
    survival = np.cumprod(np.where(cut, 1.0, 1.0 - 1.0 / at_risk))
    survival[-1:] = 0.0
    chances = -np.diff(survival, prepend=1.0)
    return rising, chances


def _mean_from(law: tuple[Floats, Floats], least: float) -> float:
    """Return the conditional mean given at least `least`, or `least` if no value is."""
    values, chances = law
    above = np.searchsorted(values, least)
    chance = chances[above:].sum()
    if chance <= 1e-12:
        return float(least)
    return float(values[above:] @ chances[above:] / chance)
