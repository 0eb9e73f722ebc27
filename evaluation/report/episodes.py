"""Episodes watched step by step: what the return is made of, and what stocks and orders did."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from baselines.policy import Policy
from envs.batch import Batch, Outcome, Trace
from envs.cash import kernels as rows
from envs.problems import Problem

Floats = NDArray[np.float64]
WATCHED = 300
"""Episodes whose steps are kept; the parts of the return are those of all that are played."""


@dataclass(frozen=True)
class EpisodeRecord:
    """What was seen of one policy.

    Attributes
    ----------
    parts : dict
        By whose return it is and part, the mean over the episodes; they add up to the return.
    steps : dict
        By name, what stood or happened in every step of the kept episodes, shape
        (steps, episodes) or (steps, episodes, stores); NaN after an episode's end.
    """

    parts: dict[str, dict[str, float]]
    steps: dict[str, Floats]


class Look(Protocol):
    """Takes note of a batch before and after every step."""

    def before(self, actions: NDArray[Any]) -> None:
        """Look at the worlds as the policy saw them, and at what it does."""

    def after(self, outcome: Outcome, running: NDArray[np.bool_]) -> None:
        """Look at the worlds after the step; `running` were in their first episode."""

    def seen(self) -> EpisodeRecord:
        """Return what was seen."""


def record_episodes(
    problem: Problem,
    parameters: Any,
    policy: Policy,
    trace: Trace,
    *,
    observe_step: bool,
    deterministic: bool = True,
) -> EpisodeRecord:
    """Play one episode per row of `trace` and watch it; the arguments are those of `rollout`."""
    worlds = len(next(iter(trace.values())))
    batch = problem.make_batch(parameters, worlds, split="evaluation", observe_step=observe_step)
    policy.bind(batch)
    batch.reset(trace)
    look = LOOKS[problem.name](batch)
    ended, start = np.zeros(worlds, np.bool_), np.ones(worlds, np.bool_)
    memory: Any = None
    while not ended.all():
        actions, memory = policy.predict(batch.observation(), memory, start, deterministic)
        look.before(np.asarray(actions))
        outcome = batch.step(np.asarray(actions))
        look.after(outcome, ~ended)
        start = outcome.terminated | outcome.truncated
        ended |= start
        if start.any() and not ended.all():
            batch.restart(np.flatnonzero(start))
    return look.seen()


class _Steps:
    """Steps of the kept episodes, put together by name."""

    def __init__(self, worlds: int) -> None:
        self._kept = min(worlds, WATCHED)
        self._columns: dict[str, list[Floats]] = {}

    def note(self, running: NDArray[np.bool_], **columns: NDArray[Any]) -> None:
        for name, values in columns.items():
            kept = values[: self._kept].astype(np.float64)
            kept[~running[: self._kept]] = np.nan
            kept[np.isinf(kept)] = np.nan  # a warehouse that is never short
            self._columns.setdefault(name, []).append(kept)

    def stacked(self) -> dict[str, Floats]:
        return {name: np.stack(values) for name, values in self._columns.items()}


class CashLook:
    """The cash problem: stocks, cash and actions; what revenue, bonus, penalties and costs add."""

    def __init__(self, batch: Any) -> None:
        self._batch, self._steps = batch, _Steps(batch.num_worlds)
        self._parts: dict[str, Floats] = {}
        self._lots = batch.parameters.lots()

    def before(self, actions: NDArray[Any]) -> None:
        """Take note of the state and of the actions."""
        self._before, self._actions = self._batch.rows.copy(), actions.copy()

    def after(self, outcome: Outcome, running: NDArray[np.bool_]) -> None:
        """Take note of sales, and take the reward to pieces."""
        p, now, then = self._batch.parameters, self._batch.rows, self._before
        revenue, holding, invalid = now[rows.REVENUE], now[rows.HOLDING_COST], now[rows.INVALID]
        unmet = now[rows.UNMET_DEMAND] - then[rows.UNMET_DEMAND]
        parts = {"revenue": revenue, "holding": -holding}
        if p.objective == "profit":
            parts["purchases"] = now[rows.CASH] - then[rows.CASH] - revenue
        else:
            made = self._lots[1][self._actions] * (invalid == 0)
            parts["conversion bonus"] = p.conversion_bonus * made
            parts["unmet demand"] = -p.stockout_penalty * unmet
            parts["invalid actions"] = -p.invalid_action_penalty * invalid
        parts["bankruptcy"] = outcome.reward - sum(parts.values())
        for name, values in parts.items():
            kept = np.where(running, values, 0.0)
            self._parts[name] = self._parts.get(name, 0.0) + kept
        self._steps.note(
            running,
            action=self._actions,
            sold=now[rows.SOLD],
            unmet=unmet,
            **{name: then[i] for i, name in enumerate(rows.OBSERVATION_NAMES)},
        )

    def seen(self) -> EpisodeRecord:
        """Return the parts of the return that are not zero in every episode, and the steps."""
        means = {name: float(v.mean()) for name, v in self._parts.items() if np.abs(v).max() > 1e-6}
        return EpisodeRecord({"return": means}, self._steps.stacked())


class ChainLook:
    """The supply chain: stocks, pipelines, orders and lost sales; parts of every tier's return."""

    def __init__(self, batch: Any) -> None:
        self._batch, self._steps = batch, _Steps(batch.num_worlds)

    def before(self, actions: NDArray[Any]) -> None:
        """Take note of stocks and of what is under way."""
        del actions  # the orders that come of them are seen after the step
        b = self._batch
        self._state = {
            "on_hand": b.sites["on_hand"].copy(),
            "pipeline": b.pipelines.sum(axis=2) + b.sites["backorders"],
            "warehouse": b.hubs["on_hand"].copy(),
            "inbound": b.inbound.sum(axis=1) + b.hubs["on_desk"],
        }

    def after(self, outcome: Outcome, running: NDArray[np.bool_]) -> None:
        """Take note of orders and of demand that was not met."""
        del outcome  # the totals have it
        sites, hubs = self._batch.sites, self._batch.hubs
        self._steps.note(
            running,
            order=sites["order"],
            lost=sites["demand"] - sites["sales"],
            demand=sites["demand"],
            warehouse_order=hubs["on_desk"],
            **self._state,
        )

    def seen(self) -> EpisodeRecord:
        """Return the parts of every tier's return, and the steps."""
        b = self._batch
        sites, hubs, lanes = b.sites, b.hubs, b.parameters.lane_constants()
        c, cost = lanes[b.lane_of], bool(lanes["cost"].all())

        def weight(name: str) -> Floats:
            values: Floats = np.ones(b.num_worlds) if cost else c[name]
            return values

        store = {
            "service level": weight("store_service_level") * _mean(sites, "service_level"),
            "holding": -weight("store_holding_cost") * _mean(sites, "holding_cost"),
            "stockouts": -weight("store_stockout_penalty") * _mean(sites, "stockout_penalty"),
            "excess stock": -weight("store_excess_inventory") * _mean(sites, "excess_inventory"),
            "fixed order cost": -_mean(sites, "ordering_cost"),
        }
        warehouse = {
            "service level": weight("warehouse_service_level") * hubs["total_service_level"],
            "holding": -weight("warehouse_holding_cost") * hubs["total_holding_cost"],
            "stockouts": -weight("warehouse_stockout_count") * hubs["total_stockouts"],
        }
        supplier = {
            "fulfilment": weight("supplier_fulfillment_rate") * hubs["total_fulfillment"],
            "delays": -weight("supplier_delay_penalty") * hubs["total_delays"],
        }
        counted = {
            "store (mean)": ({"holding", "stockouts", "fixed order cost"}, store),
            "warehouse": ({"holding"}, warehouse),
            "supplier": (set[str](), supplier),
        }
        parts = {
            tier: {
                name: float(values.mean())
                for name, values in own.items()
                if (name in costs if cost else name != "fixed order cost")
            }
            for tier, (costs, own) in counted.items()
        }
        return EpisodeRecord(
            {tier: own for tier, own in parts.items() if own}, self._steps.stacked()
        )


def _mean(sites: Any, total: str) -> Floats:
    values: Floats = sites[f"total_{total}"].mean(axis=1)
    return values


LOOKS: dict[str, Callable[[Batch], Look]] = {"cash": CashLook, "stores": ChainLook}
"""By problem, how its episodes are watched."""
