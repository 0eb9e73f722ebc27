"""Accuracy of order-up-to levels as quantiles of future demand.

A level must cover the demand until the order of the next day of review can arrive, and is optimal
if demand stays within it with the probability of the newsvendor's critical fractile. Levels are
judged by how often it did, and by the pinball loss, which the true quantiles minimise in
expectation.

References
----------
Gneiting (2011), Quantiles as optimal point forecasts, International Journal of Forecasting 27(2).
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.multi_agent import TeamPolicy, chain_of
from baselines.policy import Policy
from baselines.rollout import CHUNK, Observer, run_episodes
from baselines.rules.forecast import HistoryRule
from baselines.rules.newsvendor_costs import newsvendor_costs
from baselines.rules.stock_rule import StoreRule
from common.random_streams import random_stream
from envs.batch import Batch
from envs.problems import Problem
from envs.supply_chain.order_limits import store_positions
from envs.supply_chain.trace import whole_period
from evaluation.replay import SEED, played_parameters

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LevelRecord:
    """Order-up-to levels of the evaluation days and the demand that they had to cover.

    Attributes
    ----------
    level, demand : ndarray
        Shape (days, SKUs, stores) [units].
    fractile : ndarray
        Share of days on which demand should stay within the level, shape (SKUs, stores).
    """

    level: Floats
    demand: Floats
    fractile: Floats

    @property
    def pinball(self) -> float:
        """The pinball loss, divided by the mean demand."""
        short = np.maximum(self.demand - self.level, 0.0)
        over = np.maximum(self.level - self.demand, 0.0)
        loss = self.fractile * short + (1.0 - self.fractile) * over
        return float(loss.mean() / max(float(self.demand.mean()), 1e-9))

    @property
    def coverage(self) -> float:
        """Share of days, SKUs and stores on which demand stayed within the level."""
        return float((self.demand <= self.level).mean())

    @property
    def aim(self) -> float:
        """The mean of the fractiles."""
        return float(self.fractile.mean())


class _Levels(Observer):
    """Records a rule's order-up-to level on every day."""

    def __init__(self, rule: StoreRule) -> None:
        self._rule, self.days = copy.copy(rule), list[Floats]()

    def start(self, batch: Batch) -> None:
        """Let the rule look at the worlds."""
        self._chain = chain_of(batch)
        self._rule.bind(batch)

    def before_step(self, observation: Any, actions: NDArray[Any]) -> None:
        """Record the morning's levels."""
        del observation, actions
        position = store_positions(self._chain.sites, self._chain.pipelines)
        self.days.append(self._rule.wanted(self._chain) + position)


def level_records(
    problem: Problem, parameters: Any, policies: Mapping[str, Policy]
) -> dict[str, LevelRecord]:
    """Return the order-up-to levels of all policies that have any, on all evaluation days.

    There are none for perishable goods, as part of the stock does not count then, nor if stores
    order only on some days.
    """
    lanes = parameters.lanes()
    if parameters.longest_review_gap > 1 or any(lane.store.shelf_life for lane in lanes):
        return {}
    p = played_parameters(parameters, 0, start_up=False)
    trace = whole_period(p, random_stream(SEED, "evaluation"), "evaluation", 0)
    days = parameters.longest_lead_time + 1
    first = p.history.starts("evaluation", 1).start
    daily = p.history.table.demand[first : first + p.horizon]
    if len(daily) < days:
        return {}
    demand = np.lib.stride_tricks.sliding_window_view(daily, days, axis=0).sum(axis=-1)
    fractile = _fractiles(p)
    found = {}
    for name, policy in policies.items():
        store = policy.players.get("store") if isinstance(policy, TeamPolicy) else policy
        if not isinstance(store, HistoryRule) or not store.is_base_stock:
            continue
        parts = []
        for begin in range(0, len(p.sku), CHUNK):
            some = {key: values[begin : begin + CHUNK] for key, values in trace.items()}
            batch = problem.make_batch(p, len(some["sku"]), split="evaluation")
            policy.bind(batch)
            levels = _Levels(store)
            run_episodes(batch, policy, some, observer=levels)
            parts.append(np.stack(levels.days))
        level = np.concatenate(parts, axis=1)[: len(demand)]
        found[name] = LevelRecord(level, demand, fractile)
    return found


def _fractiles(p: Any) -> Floats:
    """Return the share of days on which demand should stay within a level, shape (SKUs, N)."""
    found = np.empty(p.history.mean.shape)
    for sku, lane in enumerate(p.lanes()):
        stores = [lane.store] * found.shape[1]
        if p.item_values:
            stores = [p.store_at(sku, n) for n in range(found.shape[1])]
        costs = [newsvendor_costs(p, store, 1) for store in stores]
        found[sku] = [cost.underage / max(cost.underage + cost.holding, 1e-300) for cost in costs]
    return found
