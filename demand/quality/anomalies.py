"""Anomalies of a file, listed for the user: outliers, level shifts, series that are new.

The data are not changed: a promotion is not an error. An outlier lies `OUTLIER` robust deviations
above the median of the surrounding periods with sales, so that neither an opening nor a usual sale
of a slow mover is one; a level shift is where the means of the `SHIFT_PERIODS` before and after
differ by a factor of `SHIFT_FACTOR` and by `SHIFT` standard errors.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from common.errors import and_more
from demand.known_demand import new_series
from demand.table import DemandTable

Floats = NDArray[np.float64]
OUTLIER, AROUND = 8.0, 28
SHIFT, SHIFT_FACTOR, SHIFT_PERIODS = 8.0, 1.6, {"day": 56, "week": 13, "month": 6}
MOST_NAMED = 3


def describe_anomalies(table: DemandTable) -> Iterator[str]:
    """Yield a line on outliers and one on level shifts, where there are any."""
    demand = table.demand.reshape(table.days, -1)
    for what, found in (("outliers", outliers(demand)), ("level shifts", level_shifts(table))):
        if not found:
            continue
        named = "; ".join(
            f"{f'{table.date(row)} {table.series(place)}'.strip()} "
            f"({was:,.0f}, {usual:,.0f} {'usual' if what == 'outliers' else 'before'})"
            for row, place, was, usual in found[:MOST_NAMED]
        )
        more = and_more(len(found) - MOST_NAMED)
        yield f"{what}, left as they are: {named}{more}"


def describe_new(table: DemandTable, training_days: int) -> Iterator[str]:
    """Yield a line on the series that are new after `training_days`, unless none or all are."""
    demand = table.demand[:training_days].reshape(training_days, -1)
    new = new_series(demand)
    if new.all() or not new.any():
        return
    sold, places = demand > 0, np.flatnonzero(new).tolist()
    since = {
        k: f"since {table.date(int(sold[:, k].argmax()))}"
        if sold[:, k].any()
        else f"no sales on training {table.period}s"
        for k in places[:MOST_NAMED]
    }
    named = "; ".join(f"{table.series(k)} ({when})" for k, when in since.items())
    more = and_more(len(places) - MOST_NAMED)
    yield f"new, and taken to be like the others until their own sales tell: {named}{more}"


def outliers(demand: Floats) -> list[tuple[int, int, float, float]]:
    """Return row, series, value and median of the surrounding sales, the largest first.

    Parameters
    ----------
    demand : ndarray
        Shape (periods, series) [units].
    """
    days = len(demand)
    blocks = [slice(k, min(k + AROUND, days)) for k in range(0, days, AROUND)]
    found = []
    for block in blocks:
        around = demand[max(block.start - AROUND, 0) : block.stop + AROUND]
        sold = np.where(around > 0, around, np.nan)
        sold[:, np.isnan(sold).all(axis=0)] = 0.0
        middle = np.nanmedian(sold, axis=0)
        spread = 1.4826 * np.nanmedian(np.abs(sold - middle), axis=0)
        limit = middle + OUTLIER * np.maximum(spread, np.sqrt(middle) + 1.0)
        for row, series in np.argwhere(demand[block] > limit).tolist():
            value = float(demand[block.start + row, series])
            found.append((block.start + row, series, value, float(middle[series])))
    return sorted(found, key=lambda one: one[3] - one[2])


def level_shifts(table: DemandTable) -> list[tuple[int, int, float, float]]:
    """Return row, series, mean after and mean before of each series' largest shift.

    The launch of a series does not count as one.
    """
    demand = table.demand.reshape(table.days, -1)
    width = SHIFT_PERIODS[table.period]
    if table.days < 2 * width:
        return []
    total, squares = (
        np.concatenate([np.zeros((1, demand.shape[1])), np.cumsum(x, axis=0)])
        for x in (demand, demand**2)
    )
    at = np.arange(width, table.days - width + 1)
    before, after = ((total[at + d] - total[at + d - width]) / width for d in (0, width))
    spread = (squares[at + width] - squares[at - width]) / (2 * width)
    within = np.maximum(spread - (before**2 + after**2) / 2, 1e-9)
    apart = np.abs(after - before) / np.sqrt(2 * within / width)
    ratio = np.maximum(before, after) / np.maximum(np.minimum(before, after), 1e-9)
    score = np.where((ratio >= SHIFT_FACTOR) & (apart >= SHIFT), apart, 0.0)
    if table.begins is not None:
        score[at[:, None] - width < table.begins.reshape(-1)] = 0.0
    best = score.argmax(axis=0)
    order = np.argsort(-score.max(axis=0), kind="stable")
    return [
        (int(at[best[k]]), int(k), float(after[best[k], k]), float(before[best[k], k]))
        for k in order
        if score[best[k], k] > 0
    ]
