"""A period of a demand file played once, day after day, with stock carried over.

That is what happens in a shop: one history, not windows of it. A policy begins with the stock and
open orders that it would have itself, having played some uncounted days before the period, or with
those that a shop really had. Costs of neighbouring days are correlated, so intervals come from
resampling blocks of days, the same for all policies that are compared.

References
----------
Politis and Romano (1992), A circular block-resampling procedure for stationary data, in Exploring
the Limits of Bootstrap, Wiley.
"""

import copy
import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.multi_agent import chain_of
from baselines.policy import Policy
from baselines.rollout import CHUNK, Observer, run_episodes
from common.errors import InputError, validated
from common.random_streams import random_stream
from demand.dates import BLOCKS, PeriodName
from demand.known_demand import KNOWN_DAYS
from envs.batch import Batch, Outcome
from envs.problems import Problem
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.trace import whole_period
from evaluation.savings import PERIODS_A_YEAR
from evaluation.statistics import t_quantile

Floats = NDArray[np.float64]

DRAWS = 2000
SEED = 0


@dataclass(frozen=True)
class Replay:
    """The record of a policy in a period; every array has shape (days, SKUs, stores).

    Attributes
    ----------
    first_day : date
        The first day that counts.
    cost : ndarray
        Cost of every day [money].
    demand, sales : ndarray
        Demand and units sold [units].
    on_hand : ndarray
        Stock in the evening [units].
    orders : ndarray
        Orders placed [units].
    period : {"day", "week", "month"}
        The period that is called a day here.
    parts : dict
        Parts of the cost by their name in `PARTS`: totals over the days, shape (SKUs, stores)
        [money].
    """

    first_day: dt.date
    cost: Floats
    demand: Floats
    sales: Floats
    on_hand: Floats
    orders: Floats
    period: PeriodName = "day"
    parts: dict[str, Floats] = field(default_factory=dict)

    @property
    def a_year(self) -> float:
        """Number of periods in a year."""
        return PERIODS_A_YEAR[self.period]

    @property
    def days(self) -> int:
        """Number of days that count."""
        return len(self.cost)

    @property
    def cost_per_year(self) -> float:
        """Cost of the whole business per year [money]."""
        return self.a_year * float(self.cost.sum()) / self.days

    @property
    def fill_rate(self) -> float:
        """Units sold over units demanded."""
        asked = float(self.demand.sum())
        return float(self.sales.sum()) / asked if asked > 0 else 1.0

    @property
    def mean_on_hand(self) -> float:
        """Mean stock in the evening, all stores and SKUs together [units]."""
        return float(self.on_hand.sum()) / self.days

    @property
    def orders_per_year(self) -> float:
        """Number of orders per year, all stores and SKUs together."""
        return self.a_year * float((self.orders > 0).sum()) / self.days

    @property
    def mean_order(self) -> float:
        """Mean units of an order, 0 if there were none."""
        placed = int((self.orders > 0).sum())
        return float(self.orders.sum()) / placed if placed else 0.0

    def part_per_year(self, name: str) -> float:
        """Return a part of the business's cost per year, by its name in `PARTS` [money]."""
        return self.a_year * float(self.parts[name].sum()) / self.days

    def by_store(self) -> Floats:
        """Return each store's cost per year, shape (stores,) [money]."""
        total: Floats = self.a_year * self.cost.sum(axis=(0, 1)) / self.days
        return total

    def by_sku(self) -> Floats:
        """Return cost per year of each SKU at each store, shape (SKUs, stores) [money]."""
        total: Floats = self.a_year * self.cost.sum(axis=0) / self.days
        return total

    def together(self) -> "Replay":
        """Return the sums over all SKUs and stores, which take little memory."""

        def summed(values: Floats) -> Floats:
            total: Floats = values.sum(axis=(-2, -1), keepdims=True)
            return total

        arrays: dict[str, Any] = {name: summed(getattr(self, name)) for name in ARRAYS}
        parts = {name: summed(values) for name, values in self.parts.items()}
        return replace(self, **arrays, parts=parts)

    def to_json(self) -> dict[str, float]:
        """Return the figures of the whole business."""
        return {
            "cost_per_year": self.cost_per_year,
            "fill_rate": self.fill_rate,
            "mean_on_hand": self.mean_on_hand,
            "orders_per_year": self.orders_per_year,
            "mean_order": self.mean_order,
            **{f"{name}_per_year": self.part_per_year(name) for name in self.parts},
        }


ARRAYS = ("cost", "demand", "sales", "on_hand", "orders")
"""Fields of a replay that have a value for every day, SKU and store."""

PARTS = {
    "holding": "total_holding_cost",
    "stockouts": "total_stockout_penalty",
    "ordering": "total_ordering_cost",
    "waste": "total_waste_cost",
}
"""Parts of the cost, and the fields in which a batch adds them up."""


@dataclass(frozen=True)
class Opening:
    """A shop's stock and open orders on the first morning of a replay, before it ordered.

    Attributes
    ----------
    on_hand : ndarray
        Stock, that morning's receipts included, shape (SKUs, stores) [units].
    due : ndarray
        Units that arrive in 1, 2 ... mornings, shape (SKUs, stores, mornings) [units].
    """

    on_hand: Floats
    due: Floats


class _Diary(Observer):
    """Records every day of a batch of the supply chain.

    Parameters
    ----------
    days : dict
        Where to, by name: arrays of shape (days, worlds, stores).
    skipped : int
        Days before the first one that is recorded.
    opening : Opening, optional
        Stock and open orders to begin with, for the worlds' SKUs.
    """

    def __init__(self, days: dict[str, Floats], skipped: int, opening: Opening | None) -> None:
        self._days, self._day, self._opening = days, -skipped, opening

    def start(self, batch: Batch) -> None:
        """Look at the worlds before the first step."""
        self._chain = chain_of(batch)
        if self._opening is not None:
            _begin_with(self._opening, self._chain)

    def after_step(self, outcome: Outcome, running: NDArray[np.bool_]) -> None:
        """Record the day."""
        del running
        sites, day = self._chain.sites, self._day
        self._day += 1
        if day < 0:
            return
        for name in ("sales", "left", "order"):
            self._days[name][day] = sites[name]
        self._days["cost"][day] = -np.asarray(outcome.reward)[:, : sites.shape[1]]

    def finish(self) -> None:
        """Record the parts of the costs."""
        self.parts = {name: self._chain.sites[total].copy() for name, total in PARTS.items()}


def _begin_with(opening: Opening, chain: SupplyChainBatch) -> None:
    """Put stock, of unknown age, and open orders into a batch before its first day."""
    on_hand, due = (values[chain.lane_of] for values in (opening.on_hand, opening.due))
    chain.sites["on_hand"] = on_hand
    chain.age_evenly()
    chain.pipelines[..., : due.shape[-1]] = due


def replay(
    problem: Problem,
    parameters: Any,
    policy: Policy,
    *,
    observe_step: bool = False,
    opening: Opening | None = None,
) -> Replay:
    """Play the evaluation period once, with stock carried over from day to day.

    Parameters
    ----------
    problem, parameters : Problem, FrozenModel
        Stores with demand from a file.
    policy : Policy
        The policy that orders.
    observe_step : bool
        As in `baselines.rollout.rollout`.
    opening : Opening, optional
        Stock and open orders on the first morning of the period. By default the policy plays some
        uncounted days before it (`days_before`), and begins with what it has then.

    Raises
    ------
    InputError
        If demand does not come from a file, or returns are not costs.
    """
    check_replayed(parameters)
    before = days_before(parameters) if opening is None else 0
    p = played_parameters(parameters, before, start_up=opening is None)
    trace = whole_period(p, random_stream(SEED, "evaluation"), "evaluation", before)
    shape = (p.horizon - p.warmup_days, len(p.sku), p.num_stores)
    whole = {name: np.empty(shape) for name in ("cost", "sales", "left", "order")}
    totals: dict[str, list[Floats]] = {}
    for first in range(0, len(p.sku), CHUNK):
        chunk = slice(first, first + CHUNK)
        some = {name: values[chunk] for name, values in trace.items()}
        worlds = len(some["sku"])
        batch = problem.make_batch(p, worlds, split="evaluation", observe_step=observe_step)
        player = copy.copy(policy)  # bound itself, it would keep the batch for as long as it lives
        player.bind(batch)
        days = {name: values[:, chunk] for name, values in whole.items()}
        diary = _Diary(days, p.warmup_days, opening)
        run_episodes(batch, player, some, observer=diary)
        for name, values in diary.parts.items():
            totals.setdefault(name, []).append(values)
    table = p.history.table
    start = p.history.starts("evaluation", 1).start - before
    return Replay(
        table.date(start + p.warmup_days),
        whole["cost"],
        table.demand[start + p.warmup_days : start + p.horizon],  # of all policies the same
        whole["sales"],
        whole["left"],
        whole["order"],
        table.period,
        {name: np.concatenate(values) for name, values in totals.items()},
    )


def check_replayed(parameters: Any) -> None:
    """Refuse parameters without a period of a file, or without costs, to play.

    Raises
    ------
    InputError
        If demand does not come from a file, or returns are not costs.
    """
    if getattr(parameters, "demand_data", None) is None or parameters.history is None:
        raise InputError("--replay: plays the days of a demand file; name one with --demand")
    if parameters.objective != "cost":
        raise InputError("--replay: counts money; say --set objective=cost")


def days_before(parameters: Any) -> int:
    """Return how many days before the period a policy plays to begin with a stock of its own.

    By then its first stock is sold and an order has arrived; fewer days if the file has fewer.
    """
    start: int = parameters.history.starts("evaluation", 1).start
    lead_time = parameters.longest_lead_time
    wanted: int = KNOWN_DAYS + lead_time + parameters.longest_review_gap
    return max(0, min(wanted, start - KNOWN_DAYS))


def played_parameters(parameters: Any, before: int, *, start_up: bool) -> Any:
    """Return parameters whose episode is the evaluation period and `before` days before it.

    Days before it are not counted; nor, with `start_up`, are the file's warm-up days if these are
    more.
    """
    days = len(parameters.history.starts("evaluation", 1))
    skipped = max(before, parameters.warmup_days) if start_up else 0
    changed = {"horizon": before + days, "warmup_days": min(skipped, before + days - 1)}
    return validated(type(parameters), {**parameters.model_dump(), **changed})


@dataclass(frozen=True)
class Interval:
    """A mean per year with its 95 % interval [money]."""

    mean: float
    low: float
    high: float

    @property
    def may_be_chance(self) -> bool:
        """Whether zero is in it."""
        return self.low <= 0 <= self.high

    def unsigned(self) -> "Interval":
        """Return the interval of the amount that is less, or more where the mean is below zero."""
        return self if self.mean >= 0 else Interval(-self.mean, -self.high, -self.low)

    def to_json(self) -> dict[str, float]:
        """Return the numbers."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


def saved_per_year(own: Sequence[Replay], others: Sequence[Replay]) -> Interval:
    """Return how much less a policy costs per year than another on the same days.

    Parameters
    ----------
    own, others : sequence of Replay
        Replays of both in the same one or several periods; blocks of days never cross their ends.

    Returns
    -------
    Interval
        Quantiles of circular block resamples of the days, all stores and SKUs together. A replay
        shorter than four blocks is resampled in quarters. Resamples of a few blocks vary too
        little: they vary about their own replay's mean, and ignore that the variance is estimated.
        So they are spread by ``1 / sqrt(1 - b / n)``, with blocks of b of n days, and by Student's
        t over the normal quantile.

    References
    ----------
    Politis and Romano (1992), A circular block-resampling procedure for stationary data.
    """
    rng = np.random.default_rng(SEED)
    days = sum(one.days for one in own)
    apart, mean, freedom = np.zeros(DRAWS), 0.0, 0.0
    for mine, theirs in zip(own, others, strict=True):
        daily = (theirs.cost - mine.cost).sum(axis=(1, 2))
        mean += float(daily.sum())
        block = max(1, min(BLOCKS[mine.period], daily.size // 4))
        blocks = -(-daily.size // block)
        first = rng.integers(0, daily.size, (DRAWS, blocks))
        at = (first[..., None] + np.arange(block)) % daily.size
        total = daily[at.reshape(DRAWS, -1)[:, : daily.size]].sum(axis=1)
        more = daily.size / block - 1  # blocks than one
        apart += (total - daily.sum()) * math.sqrt((more + 1) / max(more, 1))
        freedom += more
    wider = t_quantile(max(freedom, 1.0)) / NormalDist().inv_cdf(0.975)
    low, high = mean + wider * np.quantile(apart, (0.025, 0.975))
    a_year = own[0].a_year / days
    return Interval(a_year * mean, a_year * float(low), a_year * float(high))


def mean_cost(replays: Mapping[str, Sequence[Replay]]) -> dict[str, float]:
    """Return each policy's cost per year over all its periods [money]."""
    return {
        name: rs[0].a_year * sum(float(r.cost.sum()) for r in rs) / sum(r.days for r in rs)
        for name, rs in replays.items()
    }
