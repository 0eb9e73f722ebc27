"""What better service costs: a policy that orders a little more, or a little less, replayed.

A newsvendor is told that a lost sale costs a share or a multiple of what it does, and so orders
every item as it would then. Any other policy has its orders moved by so many days of recent demand.
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
"""What a lost sale is taken to cost, over what it costs."""

DAYS = (-1.0, -0.5, -0.25, 0.25, 0.5, 1.0)
"""By how many days of recent demand orders are moved; weeks and months by a quarter of it."""

MANY = 1_000
"""Where there are more stores and SKUs, every third of them is played alone."""


@dataclass(frozen=True)
class ServicePoint:
    """What a policy comes to that orders more, or less.

    Attributes
    ----------
    name : str
        How it orders.
    fill_rate : float
        Units sold over units asked for.
    on_hand : float
        In the evening, all stores and SKUs together [units].
    cost_without_lost_sales : float
        What stock, orders and waste cost a year, lost sales left out [money].
    cost : float
        What all costs a year, lost sales too [money].
    """

    name: str
    fill_rate: float
    on_hand: float
    cost_without_lost_sales: float
    cost: float

    @classmethod
    def of(cls, name: str, played: Replay) -> "ServicePoint":
        """Return what a replay came to."""
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
    """Return what a policy comes to as it is and with more or less stock, least service first.

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
        own = store.with_stockout_cost(costs)  # errors are worked out once
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
