"""The supply chain in a report: its stocks, the parts of its returns, its orders by state."""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from baselines.chunks import Play
from baselines.rollout import Observer, run_episodes
from envs.batch import Batch, Outcome
from envs.supply_chain.constants import lane_constants
from evaluation.report.action_map import MOST_DOTS, ActionMap, actions_in, axis_levels
from evaluation.report.contents import KeyFigure, ProblemView, ReportContents
from evaluation.report.episodes import EpisodeRecord, EpisodeRecorder, Floats
from evaluation.report.figures.play import bars_of, lines_of


class SupplyChainRecorder(EpisodeRecorder):
    """Recorder of stocks, pipelines, orders and lost sales; and of the parts of tiers' returns."""

    def before_step(self, observation: Any, actions: NDArray[Any]) -> None:
        """Record stocks and pipelines; orders are recorded after the step."""
        del observation, actions
        b = self._batch
        self._state = {
            "on_hand": b.sites["on_hand"].copy(),
            "pipeline": b.pipelines.sum(axis=2) + b.sites["backorders"],
            "warehouse": b.hubs["on_hand"].copy(),
            "inbound": b.inbound.sum(axis=1) + b.hubs["on_desk"],
        }

    def after_step(self, outcome: Outcome, running: NDArray[np.bool_]) -> None:
        """Record orders and unmet demand."""
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
        return EpisodeRecord(self._parts, self._steps.stacked(), self._places)

    def finish(self) -> None:
        """Split the returns of all tiers into their parts."""
        b = self._batch
        sites, hubs, lanes = b.sites, b.hubs, lane_constants(b.parameters)[:, 0]
        cost, of = bool(lanes["cost"].all()), lanes[b.lane_of]
        parts = _COSTS if cost else _WEIGHTED
        self._parts = {}
        for tier, own in parts.items():
            made = {}
            for name, total, weight in own:
                values = sites[total].mean(axis=1) if tier == STORES else hubs[total]
                scale = of[weight] if weight else 1.0
                sign = 1.0 if name in _GAINS else -1.0
                label = _with_weight(name, lanes[weight]) if weight else name
                made[label] = sign * float((scale * values).mean())
            self._parts[tier] = made
        self._places = places_of(b)


STORES = "store (mean)"
_GAINS = frozenset(("service level", "fulfilment"))
"""Parts that add to a return; all others reduce it."""

_COSTS = {
    STORES: (
        ("holding", "total_holding_cost", None),
        ("stockouts", "total_stockout_penalty", None),
        ("fixed order cost", "total_ordering_cost", None),
        ("waste", "total_waste_cost", None),
    ),
    "warehouse": (("holding", "total_holding_cost", None),),
}
_WEIGHTED = {
    STORES: (
        ("service level", "total_service_level", "store_service_level"),
        ("holding", "total_holding_cost", "store_holding_cost"),
        ("stockouts", "total_stockout_penalty", "store_stockout_penalty"),
        ("excess stock", "total_excess_inventory", "store_excess_inventory"),
        ("waste", "total_waste_cost", "store_waste_cost"),
    ),
    "warehouse": (
        ("service level", "total_service_level", "warehouse_service_level"),
        ("holding", "total_holding_cost", "warehouse_holding_cost"),
        ("stockouts", "total_stockouts", "warehouse_stockout_count"),
    ),
    "supplier": (
        ("fulfilment", "total_fulfillment", "supplier_fulfillment_rate"),
        ("delays", "total_delays", "supplier_delay_penalty"),
    ),
}
"""Parts of a return by tier, for the objective cost and for weighted terms: name, total of the
episode and weight."""


def _with_weight(name: str, weights: NDArray[np.float64]) -> str:
    """Return the label of a part: with its weight, or the range of weights of several SKUs."""
    low, high = float(weights.min()), float(weights.max())
    return f"{name}, weight {low:g}" + (f" to {high:g}" if high > low else "")


def places_of(batch: Any) -> dict[str, dict[str, float]]:
    """Return the totals of every store, the warehouse and the supplier, means over the worlds."""
    sites, hubs, p = batch.sites, batch.hubs, batch.parameters
    days = max(1, p.horizon - p.warmup_days)
    sold, asked = (sites[f"total_{name}"].sum(axis=0) for name in ("sales", "demand"))
    fill = 100.0 * np.divide(sold, asked, out=np.ones_like(sold), where=asked > 0)
    columns = {
        "return": sites["total_return"].mean(axis=0),
        "on hand": sites["total_on_hand_days"].mean(axis=0) / days,
        "orders": sites["total_orders"].mean(axis=0),
        "fill rate %": fill,
        "service level %": 100.0 * sites["total_service_level"].mean(axis=0) / days,
        "holding cost": sites["total_holding_cost"].mean(axis=0),
        "stockout cost": sites["total_stockout_penalty"].mean(axis=0),
    }
    if p.longest_shelf_life > 0:
        columns["units wasted"] = sites["total_wasted"].mean(axis=0)
        columns["waste cost"] = sites["total_waste_cost"].mean(axis=0)
    places = {
        store: {name: float(values[i]) for name, values in columns.items()}
        for i, store in enumerate(store_names(p))
    }
    if np.isfinite(hubs["on_hand"]).all():  # else it is never short, and not of interest
        places["warehouse"] = {
            "return": float(hubs["total_return"].mean()),
            "on hand": float(hubs["total_on_hand_days"].mean()) / days,
            "orders": float(hubs["total_orders"].mean()),
            "service level %": 100.0 * float(hubs["total_service_level"].mean()) / days,
            "holding cost": float(hubs["total_holding_cost"].mean()),
        }
        places["supplier"] = {"return": float(hubs["supplier_return"].mean())}
    return places


def supply_chain_figures(contents: ReportContents, name: str) -> list[KeyFigure]:
    """Return money, stock, service and waste of a policy's stores, per store and day."""
    metrics, p = contents.comparison.policies[name].metrics, contents.parameters
    days = max(1, p.horizon - p.warmup_days)
    costs = ("holding_cost", "stockout_penalty", "ordering_cost", "waste_cost")
    spent = sum(metrics.get(cost, 0.0) for cost in costs) / days
    figures = [
        KeyFigure("money: cost of a store a day", spent, 2, more_is_better=False),
        KeyFigure("stock: units on hand in a store", metrics["on_hand"], 1, more_is_better=None),
        KeyFigure("service: demand met, %", 100 * metrics["fill_rate"], 2, more_is_better=True),
    ]
    if "units_wasted" in metrics:
        wasted = metrics["units_wasted"] / days / p.num_stores
        figures.append(KeyFigure("waste: units of a store a day", wasted, 2, more_is_better=False))
    return figures


def supply_chain_orders(contents: ReportContents, name: str) -> ActionMap:
    """Return a store's order over its stock and pipeline in the middle of the agent's episode.

    If the warehouse learned, it is the warehouse's order over its stock and pipeline. All else is
    as in that episode, which the agent has played up to then in all of the map's worlds.
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
    orders = batch.warehouse_orders()[0] if hub else batch.store_orders()[0, store]
    actions = actions_in(contents, name, batch)
    if hub:
        chosen = actions[:, p.num_stores]
    else:  # what is ordered need not be on offer
        units = batch.orders_of(actions)[:, store]
        chosen = np.abs(units[:, None] - orders).argmin(axis=1)
    own = [values[day:].ravel() for values in states[name]]
    pick = np.unique(np.linspace(0, own[0].size - 1, MOST_DOTS).astype(int))
    colours = [to_hex(mpl.colormaps["cividis"](v)) for v in np.linspace(0.95, 0.1, len(orders))]
    whose = "warehouse" if hub else store_names(p)[store]
    return ActionMap(
        x,
        y,
        chosen.reshape(y.size, x.size),
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
    """Return worlds all in the agent's shown episode, on its first day of review from `day` on."""
    c = contents.comparison
    trace = Play(contents.problem, contents.parameters, {}, c.episodes, c.seed).trace()
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


def store_names(parameters: Any) -> list[str]:
    """Return the names of the stores: those of the demand file, if there is one."""
    if parameters.history is not None:
        return list(parameters.history.table.stores)
    return [f"store {i + 1}" for i in range(parameters.num_stores)]


VIEW = ProblemView(
    key_figures=supply_chain_figures,
    recorder=SupplyChainRecorder,
    panels=PANELS,
    line_names=store_names,
    step="day",
    action_map=supply_chain_orders,
    map_caption=_map_caption,
)
