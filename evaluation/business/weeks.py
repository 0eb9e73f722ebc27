"""A replay week by week, and what happened in the worst weeks."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demand.dates import PeriodName, Periods
from evaluation.replay import Replay

Floats = NDArray[np.float64]

IN_A_SPAN: dict[PeriodName, int] = {"day": 7, "week": 1, "month": 1}
"""Number of periods grouped together: days into weeks; weeks and months stay as they are."""


@dataclass(frozen=True)
class BadWeek:
    """An expensive week.

    Attributes
    ----------
    first_day : date
        Its first day.
    cost, other_cost : float
        Costs of the policy and of the one that it is compared with [money].
    demand, usual, lost : float
        Units demanded, units of a usual week, and units not sold.
    sku, store : int
        The SKU and store with the largest cost.
    share : float
        Their share of the cost.
    """

    first_day: dt.date
    cost: float
    other_cost: float
    demand: float
    usual: float
    lost: float
    sku: int
    store: int
    share: float


def span_name(period: PeriodName) -> str:
    """Return the name of a group of `IN_A_SPAN` periods: a week, or a month."""
    return "week" if period == "day" else period


def by_week(daily: Floats, period: PeriodName) -> Floats:
    """Return sums over weeks along the first axis, including an incomplete last week."""
    return np.add.reduceat(daily, np.arange(0, len(daily), IN_A_SPAN[period]), axis=0)


def first_days(played: Replay) -> list[dt.date]:
    """Return the first day of every week of a replay."""
    periods = Periods(played.period, played.first_day)
    return [periods.date(k) for k in range(0, played.days, IN_A_SPAN[played.period])]


def whole_weeks(played: Replay) -> int:
    """Return the number of complete weeks of a replay."""
    return played.days // IN_A_SPAN[played.period]


def worst_weeks(played: Replay, other: Replay, count: int) -> list[BadWeek]:
    """Return the complete weeks in which a policy cost most, the most expensive first.

    Parameters
    ----------
    played, other : Replay
        The policy, and the one that it is compared with, on the same days.
    count : int
        Most weeks to return.
    """
    cost, whole = by_week(played.cost, played.period), whole_weeks(played)
    demand = by_week(played.demand.sum(axis=(1, 2)), played.period)
    sold = by_week(played.sales.sum(axis=(1, 2)), played.period)
    others = by_week(other.cost.sum(axis=(1, 2)), other.period)
    total, days = cost.sum(axis=(1, 2)), first_days(played)
    usual = float(np.median(demand[:whole])) if whole else 0.0
    found = []
    for week in np.argsort(-total[:whole], kind="stable")[:count].tolist():
        sku, store = divmod(int(cost[week].argmax()), cost.shape[2])
        found.append(
            BadWeek(
                first_day=days[week],
                cost=float(total[week]),
                other_cost=float(others[week]),
                demand=float(demand[week]),
                usual=usual,
                lost=float(demand[week] - sold[week]),
                sku=sku,
                store=store,
                share=float(cost[week, sku, store] / max(total[week], 1e-9)),
            )
        )
    return found
