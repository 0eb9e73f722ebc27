"""How a demand file was understood, in words and a small table."""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.random_streams import Split
from demand.calendar import period_days
from demand.economics.items import Items
from demand.quality.anomalies import describe_anomalies, describe_new
from demand.quality.beginnings import describe_begins
from demand.reader import DemandSource
from demand.table import DemandTable

MOST_STORES = 12
"""Most stores with a line of their own."""

PERIODS: tuple[tuple[str, Split], ...] = (
    ("training", "training"),
    ("selection", "validation"),
    ("evaluation", "evaluation"),
)
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAYS_A_YEAR = 365.25


def describe_demand(table: DemandTable, source: DemandSource, what: str = "store") -> str:
    """Return a summary of how a file was understood.

    It states stores, SKUs, days, what was filled in, and for every store (its SKUs together) the
    share of days without demand, mean and standard deviation [units/day], trend [percent of the
    mean per year], and each weekday's mean over the mean of all days; then the use of the days.
    `what` is what a column of `table` stands for.
    """
    skus = f", {_count(len(table.skus), 'SKU')}" if what == "store" else ""
    lines = [
        f"{table.name}: {_count(len(table.stores), what)}{skus}, "
        f"{table.days:,} {table.period}s from {table.span()} ({table.kind})"
    ]
    lines += [table.columns, table.filled or "no gaps, nothing filled in"]
    lines += describe_begins(table)
    lines += describe_anomalies(table)
    if what == "store":
        lines += describe_new(table, len(period_days(table, source, "training")))
    lines += _stores(table)
    for name, split in PERIODS:
        days = period_days(table, source, split)
        lines.append(f"{name:<10} {table.span(days)}, {_count(len(days), table.period)}")
    if table.period != "day":
        lines.append(
            f"a step is a {table.period}: lead times, costs of holding and forecasts are by "
            f"{table.period}, and orders are placed once a {table.period}"
        )
    return "\n".join(lines)


def describe_items(items: Items | None, source: Any) -> str:
    """Return lines on an items file to follow `describe_demand`, empty without one.

    Parameters
    ----------
    items : Items or None
        The file.
    source : StoreDemand
        The demand file, with the costs that reach the target service levels.
    """
    if items is None:
        return ""
    lines = ["", items.note]
    if items.lead_time is not None:
        lines.append(f"{items.name}: lead time {items.lead_time}, of all items")
    costs, asked = source.service_costs, ~np.isnan(items.targets)
    if costs:
        levels = ends(items.targets[asked], ".1%")
        lines.append(
            f"service levels of {_count(len(costs), 'item')}, {levels}, are those of stockout "
            f"costs {ends(costs, ',.4g')} in the training period"
        )
    return "\n".join(lines)


def ends(values: Iterable[float], form: str) -> str:
    """Return the least and the largest of some values, or the one that both are."""
    every = list(values)
    return " to ".join(dict.fromkeys(f"{value:{form}}" for value in (min(every), max(every))))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _stores(table: DemandTable) -> Iterator[str]:
    names = [name[:16] for name in table.stores[:MOST_STORES]]
    width = max(5, *(len(name) for name in names))
    daily = table.period == "day"
    days = " ".join(f"{day:>4}" for day in WEEKDAYS if daily)
    yield f"{'':{width}} {'zeros':>6} {'mean':>9} {'std':>9} {'trend/year':>10}  {days}"
    whole = table.demand.sum(axis=1)
    zeros = (table.demand == 0).mean(axis=(0, 1))
    for i, name in enumerate(names):
        demand = whole[:, i]
        mean = float(demand.mean())
        pattern = weekday_pattern(demand, table.first_day)
        week = " ".join(f"{x:4.2f}" for x in pattern if daily)
        yield (
            f"{name:{width}} {zeros[i]:6.1%} {mean:9,.1f} {demand.std():9,.1f} "
            f"{trend_per_year(demand, table.periods.a_year):+10.1%}  {week}"
        )
    if len(table.stores) > MOST_STORES:
        yield f"and {len(table.stores) - MOST_STORES:,} more"


def trend_per_year(demand: NDArray[np.float64], days_a_year: float = DAYS_A_YEAR) -> float:
    """Return the slope of the least-squares line over a year, as a share of the mean.

    Examples
    --------
    >>> round(trend_per_year(100.0 + np.arange(-50, 51)), 4)
    3.6525
    """
    days = np.arange(demand.size) - (demand.size - 1) / 2
    mean = float(demand.mean())
    if demand.size < 2 or mean == 0:
        return 0.0
    return float(days @ demand / (days @ days)) * days_a_year / mean


def weekday_pattern(demand: NDArray[np.float64], first_day: dt.date) -> NDArray[np.float64]:
    """Return the mean of each weekday over that of all days, Monday first; NaN without any."""
    of_day = (np.arange(demand.size) + first_day.weekday()) % 7
    totals, counts = np.bincount(of_day, demand, 7), np.bincount(of_day, minlength=7)
    with np.errstate(invalid="ignore", divide="ignore"):
        pattern: NDArray[np.float64] = totals / counts / demand.mean()
    return pattern
