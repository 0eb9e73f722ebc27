"""The supply chain in a report: its stocks, what returns are made of, its orders by state."""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from baselines.rollout import Observer, run_episodes
from envs.batch import Batch, Outcome
from evaluation.report.action_map import MOST_DOTS, ActionMap, actions_in, axis_levels
from evaluation.report.contents import ProblemView, ReportContents
from evaluation.report.episodes import EpisodeRecord, EpisodeRecorder, Floats
from evaluation.report.figures_play import bars_of, lines_of


class SupplyChainRecorder(EpisodeRecorder):
    """The supply chain: stocks, pipelines, orders and lost sales; parts of every tier's return."""

    def before_step(self, observation: Any, actions: NDArray[Any]) -> None:
        """Take note of stocks and of what is under way; orders are seen after the step."""
        del observation, actions
        b = self._batch
        self._state = {
            "on_hand": b.sites["on_hand"].copy(),
            "pipeline": b.pipelines.sum(axis=2) + b.sites["backorders"],
            "warehouse": b.hubs["on_hand"].copy(),
            "inbound": b.inbound.sum(axis=1) + b.hubs["on_desk"],
        }

    def after_step(self, outcome: Outcome, running: NDArray[np.bool_]) -> None:
        """Take note of orders and of demand that was not met."""
        del outcome  # the totals have it
        sites, hubs = self._batch.sites, self._batch.hubs
        self._steps.add(
            running,
            order=sites["order"],
            lost=sites["demand"] - sites["sales"],
            demand=sites["demand"],
            warehouse_order=hubs["on_desk"],
            **self._state,
        )

    def record(self) -> EpisodeRecord:
        """Return the parts of every tier's return, and the steps."""
        return EpisodeRecord(self._parts, self._steps.stacked())

    def finish(self) -> None:
        """Take the returns of all tiers to pieces."""
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
        self._parts = {tier: own for tier, own in parts.items() if own}


def _mean(sites: Any, total: str) -> Floats:
    values: Floats = sites[f"total_{total}"].mean(axis=1)
    return values


def supply_chain_orders(contents: ReportContents, name: str) -> ActionMap:
    """Return a store's order over its stock and pipeline in the middle of the agent's episode.

    Where the warehouse learned, it is the warehouse's order over its stock and what is on its way.
    All else is as in that episode, which the agent has played so far in all of the map's worlds.
    """
    p, hub = contents.parameters, contents.comparison.measure == "warehouse_return"
    store = int(np.argsort([site.demand_multiplier for site in p.stores])[p.num_stores // 2])
    stock, coming = ("warehouse", "inbound") if hub else ("on_hand", "pipeline")
    states = {n: _of(w.steps, stock, coming, store) for n, w in contents.records.items()}
    day = p.horizon // 2
    shown = [states[n] for n in (contents.agent, contents.rival) if n is not None]
    x = axis_levels(np.concatenate([s[0][day:].ravel() for s in shown]), 1.0)
    y = axis_levels(np.concatenate([s[1][day:].ravel() for s in shown]), 1.0)
    batch = _played_until(contents, day, x.size * y.size)
    if hub:
        batch.hubs["on_hand"] = np.tile(x, y.size)
        batch.hubs["on_desk"] = 0.0
        slots = max(1, p.lanes()[0].supplier.lead_time - 2)
        batch.inbound[:] = 0.0
        batch.inbound[:, :slots] = np.repeat(y, x.size)[:, None] / slots
    else:
        slots = max(1, p.lanes()[0].store.lead_time - 1)  # in the morning the last slot is empty
        batch.sites["on_hand"][:, store] = np.tile(x, y.size)
        batch.age_evenly()
        batch.sites["backorders"][:, store] = 0.0
        batch.pipelines[:, store, :] = 0.0
        batch.pipelines[:, store, :slots] = np.repeat(y, x.size)[:, None] / slots
    column = p.num_stores if hub else store
    chosen = actions_in(contents, name, batch)[:, column].reshape(y.size, x.size)
    orders = batch.warehouse_orders()[0] if hub else batch.store_orders()[0, store]
    own = [values[day:].ravel() for values in states[name]]
    pick = np.unique(np.linspace(0, own[0].size - 1, MOST_DOTS).astype(int))
    colours = [to_hex(mpl.colormaps["cividis"](v)) for v in np.linspace(0.95, 0.1, len(orders))]
    whose = "warehouse" if hub else f"store {store + 1}"
    return ActionMap(
        x,
        y,
        chosen,
        [f"order {units:,.0f}" for units in orders],
        colours,
        (own[0][pick], own[1][pick]),
        f"{whose}: on hand [units]",
        "on order [units]",
    )


def _of(steps: dict[str, Floats], stock: str, coming: str, store: int) -> tuple[Floats, Floats]:
    """Return stock and pipeline of one place, both of shape (steps, episodes)."""
    one, two = steps[stock], steps[coming]
    return (one[..., store], two[..., store]) if one.ndim == 3 else (one, two)


def _played_until(contents: ReportContents, day: int, worlds: int) -> Any:
    """Return worlds that are all in the agent's shown episode, at its first review from `day`."""
    c = contents.comparison
    trace = contents.problem.traces(contents.parameters, "evaluation", c.seed, c.episodes)
    at = contents.episode
    batch: Any = contents.problem.make_batch(
        contents.parameters, worlds, split="evaluation", observe_step=contents.observe_step
    )
    policy = contents.policies[contents.agent]
    policy.bind(batch)
    shown = {n: np.repeat(values[at : at + 1], worlds, axis=0) for n, values in trace.items()}
    run_episodes(batch, policy, shown, observer=_UntilReview(day))
    return batch


class _UntilReview(Observer):
    """Ends episodes on the first day of review from `day` on, at the latest on the last day."""

    def __init__(self, day: int) -> None:
        self._day = day

    def start(self, batch: Batch) -> None:
        """Watch this batch from now on."""
        self._batch: Any = batch

    @property
    def stops(self) -> bool:
        """Whether that day has come."""
        batch = self._batch
        over = batch.may_order().any() or batch.day + 1 == batch.parameters.horizon
        return bool(batch.day >= self._day and over)


PANELS = (
    ("on hand [units]", lines_of("on_hand")),
    ("orders [units]", lines_of("order")),
    ("lost sales, all stores [units]", bars_of("lost")),
    ("warehouse on hand [units]", lines_of("warehouse")),
)


def _map_caption(contents: ReportContents) -> str:
    whose = "a store's order over its stock and what is under way to it"
    if contents.comparison.measure == "warehouse_return":
        whose = "the warehouse's order over its stock and what it has ordered"
    return f"{whose}, on the middle day of the episode above"


VIEW = ProblemView(
    recorder=SupplyChainRecorder,
    panels=PANELS,
    step="day",
    action_map=supply_chain_orders,
    map_caption=_map_caption,
)
