"""Days of a replay week by week, and what happened in the worst of them."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demand.dates import PeriodName, Periods
from evaluation.replay import Replay

Floats = NDArray[np.float64]

IN_A_SPAN: dict[PeriodName, int] = {"day": 7, "week": 1, "month": 1}
"""Periods that are looked at together: days as weeks, weeks and months as they are."""


@dataclass(frozen=True)
class BadWeek:
    """A week that cost much.

    Attributes
    ----------
    first_day : date
        On which it begins.
    cost, other_cost : float
        Of the policy and of the one beside it [money].
    demand, usual, lost : float
        Units asked for, those of a usual week, and those not sold.
    sku, store : int
        Where most of the cost was.
    share : float
        Their share of it.
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
    """Return what `IN_A_SPAN` periods are called together: a week, or a month."""
    return "week" if period == "day" else period


def by_week(daily: Floats, period: PeriodName) -> Floats:
    """Return sums over weeks along the first axis; days of a last week that is not whole too."""
    return np.add.reduceat(daily, np.arange(0, len(daily), IN_A_SPAN[period]), axis=0)


def first_days(played: Replay) -> list[dt.date]:
    """Return the first day of every week of a replay."""
    periods = Periods(played.period, played.first_day)
    return [periods.date(k) for k in range(0, played.days, IN_A_SPAN[played.period])]


def whole_weeks(played: Replay) -> int:
    """Return how many weeks of a replay are whole."""
    return played.days // IN_A_SPAN[played.period]


def worst_weeks(played: Replay, other: Replay, count: int) -> list[BadWeek]:
    """Return the whole weeks in which a policy cost most, the dearest first.

    Parameters
    ----------
    played, other : Replay
        The policy, and one beside it, on the same days.
    count : int
        How many, at most.
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
