"""What better service costs: a policy whose stores order a little more, or a little less."""

import datetime as dt
import threading

from pydantic import BaseModel

from baselines.policy import Policy
from baselines.rollout import rollout
from baselines.rules.offset import ShiftedOrders
from commands.orders import Decider
from common.errors import InputError, NumericalError
from common.random_streams import Split
from demand.calendar import period_days
from envs.problems import PROBLEMS
from evaluation.savings import business_of

DAYS = (-0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)
"""By how many days of recent demand orders are moved."""

EPISODES = 200
SEED = 7


class CurvePoint(BaseModel):
    """What moved orders come to.

    Attributes
    ----------
    days : float
        By how many days of recent demand they are moved; 0 is the policy as it is.
    fill_rate : float
        Units sold over units asked for.
    on_hand : float
        Mean stock of a store in the evening, per product [units].
    cost_per_year : float or None
        Of all stores and products [money], where costs are what counts.
    """

    days: float
    fill_rate: float
    on_hand: float
    cost_per_year: float | None


class ServiceCurve(BaseModel):
    """Service and cost of a run, and of the rule beside it.

    Attributes
    ----------
    first_day, last_day : date
        Between which both were played; the first days of weeks or months, where a run is by these.
    """

    run: str
    rule: str
    first_day: dt.date
    last_day: dt.date
    policy: list[CurvePoint]
    by_rule: list[CurvePoint]


class PlayedCurve:
    """A curve that is played beside the requests, from when it is first asked for.

    Parameters
    ----------
    decider : Decider
        The run's policy, and the rule.
    """

    def __init__(self, decider: Decider) -> None:
        self._decider, self._starting = decider, threading.Lock()
        self._thread: threading.Thread | None = None
        self._curve: ServiceCurve | None = None
        self._failure = ""

    def get(self) -> ServiceCurve | None:
        """Return the curve, None while it is being played.

        Raises
        ------
        InputError
            If it cannot be played.
        """
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._play, daemon=True)
                self._thread.start()
        if self._failure:
            raise InputError(self._failure)
        return self._curve

    def _play(self) -> None:
        try:
            self._curve = service_curve(self._decider)
        except (InputError, NumericalError) as error:
            self._failure = str(error)


def service_curve(decider: Decider, *, episodes: int = EPISODES) -> ServiceCurve:
    """Return what better service costs with a run, and with the rule beside it.

    Both are played on the same episodes of days that neither was tuned on: the selection period, or
    where a recommended rule was tuned on all days before the split, and that is too short for an
    episode, the days from the split on.

    Parameters
    ----------
    decider : Decider
        The run's policy, and the rule.
    episodes : int
        How many of a SKU each.
    """
    (name, rule), (split, days) = decider.rule, _untuned(decider)
    table = decider.known.table
    return ServiceCurve(
        run=decider.folder.name,
        rule=name,
        first_day=table.date(days[0]),
        last_day=table.date(days[-1]),
        policy=_points(decider, decider.policy, split, episodes),
        by_rule=_points(decider, rule, split, episodes),
    )


def _untuned(decider: Decider) -> tuple[Split, range]:
    """Return a period that neither was tuned on, and its days of the file."""
    table, source = decider.known.table, decider.known.source
    selection = period_days(table, source, "validation")
    if len(selection) < decider.parameters.horizon:
        return "evaluation", period_days(table, source, "evaluation")
    return "validation", selection


def _points(decider: Decider, policy: Policy, split: Split, episodes: int) -> list[CurvePoint]:
    problem, parameters = PROBLEMS["stores"], decider.parameters
    trace = problem.traces(parameters, split, SEED, episodes)
    business = business_of(parameters)
    points = []
    for days in DAYS:
        totals = rollout(
            *(problem, parameters, ShiftedOrders(policy, days), trace),
            observe_step=decider.observe_step,
        )
        sold = float(totals["units_sold"].sum())
        asked = sold + float(totals["unmet_demand"].sum())
        cost = totals.get("cost_per_day")
        points.append(
            CurvePoint(
                days=days,
                fill_rate=round(sold / asked, 4) if asked else 1.0,
                on_hand=round(float(totals["on_hand"].mean()), 1),
                cost_per_year=None
                if cost is None or business is None
                else round(business.costs(float(cost.mean()))["business_per_year"], 2),
            )
        )
    return points
