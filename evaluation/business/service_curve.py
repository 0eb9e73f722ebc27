"""The price of better service: replays of a policy that orders a little more, or a little less.

A newsvendor is given a fraction or a multiple of the cost of a lost sale, and orders every item
accordingly. Any other policy has its orders shifted by a number of days of recent demand.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from baselines.multi_agent import TeamPolicy
from baselines.policy import Policy
from baselines.rules.offset import ShiftedOrders
from baselines.rules.rolling_newsvendor import RollingNewsvendor
from envs.problems import Problem
from evaluation.replay import Replay, replay

MULTIPLES = (0.1, 0.25, 0.5, 2.0, 4.0, 10.0)
"""Factors on the cost of a lost sale."""

DAYS = (-1.0, -0.5, -0.25, 0.25, 0.5, 1.0)
"""Days of recent demand by which orders are shifted; for weeks and months a quarter of it."""

MANY = 1_000
"""If there are more stores and SKUs, only every third point is replayed."""


@dataclass(frozen=True)
class ServicePoint:
    """Service and cost of a policy that orders more, or less.

    Attributes
    ----------
    name : str
        Description of its orders.
    fill_rate : float
        Units sold divided by units demanded.
    on_hand : float
        Mean evening stock, all stores and SKUs together [units].
    cost_without_lost_sales : float
        Cost of stock, orders and waste per year, without lost sales [money].
    cost : float
        Total cost per year, with lost sales [money].
    """

    name: str
    fill_rate: float
    on_hand: float
    cost_without_lost_sales: float
    cost: float

    @classmethod
    def of(cls, name: str, played: Replay) -> "ServicePoint":
        """Return the point of a replay."""
        kept = sum(played.part_per_year(part) for part in played.parts if part != "stockouts")
        return cls(name, played.fill_rate, played.mean_on_hand, kept, played.cost_per_year)


def service_curve(
    problem: Problem,
    parameters: Any,
    policy: Policy,
    played: Replay,
    *,
    observe_step: bool = False,
) -> list[ServicePoint]:
    """Return the points of a policy as it is and with more or less stock, least service first.

    Parameters
    ----------
    problem, parameters, policy, observe_step
        As for `evaluation.replay.replay`.
    played : Replay
        The policy as it is.
    """
    points = [ServicePoint.of("as recommended", played)]
    for name, variant in _variants(policy, parameters):
        again = replay(problem, parameters, variant, observe_step=observe_step)
        points.append(ServicePoint.of(name, again))
    return sorted(points, key=lambda point: (point.fill_rate, point.cost_without_lost_sales))


def _variants(policy: Policy, parameters: Any) -> Iterator[tuple[str, Policy]]:
    many = len(parameters.sku) * parameters.num_stores > MANY
    store = policy.players.get("store") if isinstance(policy, TeamPolicy) else None
    if isinstance(policy, TeamPolicy) and isinstance(store, RollingNewsvendor):
        costs = parameters.of_stores("stockout_cost")
        own = store.with_stockout_cost(costs)  # errors are computed once
        for multiple in MULTIPLES[1::3] if many else MULTIPLES:
            other = own.with_stockout_cost(multiple * costs)
            team = TeamPolicy({**policy.players, "store": other}, policy.joint)
            yield f"as if a lost sale cost {multiple:g} times as much", team
        return
    whole, period = parameters.history.whole_units, parameters.history.table.period
    for days in DAYS[1::3] if many else DAYS:
        word, moved = "more" if days > 0 else "less", days if period == "day" else days / 4.0
        name = f"{abs(moved):g} {period}s of demand {word}"
        yield name, ShiftedOrders(policy, moved, whole=whole)
