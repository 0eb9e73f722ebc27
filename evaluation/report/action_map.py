"""What a policy does in states laid out on a grid, everything else as in its usual episodes."""

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from envs.cash import kernels as rows
from evaluation.report.contents import ReportContents
from evaluation.report.episodes import Floats

WAIT = "#c3c9cf"
MOST_CELLS = 40
"""Cells along an axis, at most."""

MOST_DOTS = 400
"""States of the policy's own episodes that are shown, at most."""


@dataclass(frozen=True)
class ActionMap:
    """The actions of a policy over two entries of the state.

    Attributes
    ----------
    x, y : ndarray
        The states, shape (columns,) and (lines,).
    chosen : ndarray
        Index of the action, shape (lines, columns).
    labels, colours : list of str
        Of the actions.
    visited : tuple of ndarray
        x and y of states in which the policy was.
    x_label, y_label : str
        What the axes are.
    """

    x: Floats
    y: Floats
    chosen: NDArray[np.intp]
    labels: list[str]
    colours: list[str]
    visited: tuple[Floats, Floats]
    x_label: str
    y_label: str


def _shades(name: str, count: int) -> list[str]:
    """Return so many shades of a hue, light to dark, that hold on light and on dark."""
    places = np.linspace(0.42, 0.88, count) if count > 1 else np.array([0.62])
    return [to_hex(mpl.colormaps[name](place)) for place in places]


def action_names(parameters: Any) -> list[str]:
    """Return what the actions of the cash problem are called."""
    buys = [f"buy {lot}" for lot in parameters.buy_lots]
    return ["wait", *buys, *(f"convert {lot}" for lot in parameters.convert_lots)]


def cash_actions(material: ReportContents, name: str) -> ActionMap:
    """Return the action over step and raw stock; the rest is the agent's median at that step."""
    p, own = material.parameters, material.watched[material.agent].steps
    steps = np.unique(np.linspace(0, p.max_steps - 1, MOST_CELLS + 20).astype(int))
    steps = steps[steps < len(own["raw"])]
    raw = _levels(own["raw"], max(p.buy_lots), whole=True)
    batch: Any = material.problem.make_batch(
        p, raw.size * steps.size, split="evaluation", observe_step=material.observe_step
    )
    batch.reset()
    for row, entry in enumerate(rows.OBSERVATION_NAMES):
        usual = np.nanmedian(own[entry][steps], axis=1)
        batch.rows[row] = np.tile(usual, raw.size)
    batch.rows[rows.RAW] = np.repeat(raw, steps.size)
    batch.rows[rows.STEP] = np.tile(steps, raw.size)
    chosen = _acts(material, name, batch).reshape(raw.size, steps.size)
    seen = material.watched[name].steps["raw"]
    at, episodes = np.nonzero(np.isfinite(seen))
    pick = np.unique(np.linspace(0, at.size - 1, MOST_DOTS).astype(int))
    shades = [*_shades("Oranges", len(p.buy_lots)), *_shades("GnBu", len(p.convert_lots))]
    return ActionMap(
        steps.astype(np.float64),
        raw,
        chosen,
        action_names(p),
        [WAIT, *shades],
        (at[pick].astype(np.float64), seen[at[pick], episodes[pick]]),
        "step",
        "raw stock [units]",
    )


def chain_orders(material: ReportContents, name: str) -> ActionMap:
    """Return a store's order over its stock and pipeline in the middle of the agent's episode.

    Where the warehouse learned, it is the warehouse's order over its stock and what is on its way.
    All else is as in that episode, which the agent has played so far in all of the map's worlds.
    """
    p, hub = material.parameters, material.comparison.measure == "warehouse_return"
    store = int(np.argsort([site.demand_multiplier for site in p.stores])[p.num_stores // 2])
    stock, coming = ("warehouse", "inbound") if hub else ("on_hand", "pipeline")
    seen = {n: _of(w.steps, stock, coming, store) for n, w in material.watched.items()}
    day = p.horizon // 2
    shown = [seen[n] for n in (material.agent, material.rival) if n is not None]
    x = _levels(np.concatenate([s[0][day:].ravel() for s in shown]), 1.0)
    y = _levels(np.concatenate([s[1][day:].ravel() for s in shown]), 1.0)
    batch = _played_until(material, day, x.size * y.size)
    if hub:
        batch.hubs["on_hand"] = np.tile(x, y.size)
        batch.hubs["on_desk"] = 0.0
        slots = max(1, p.lanes()[0].supplier.lead_time - 2)
        batch.inbound[:] = 0.0
        batch.inbound[:, :slots] = np.repeat(y, x.size)[:, None] / slots
    else:
        slots = max(1, p.lanes()[0].store.lead_time - 1)  # in the morning the last slot is empty
        batch.sites["on_hand"][:, store] = np.tile(x, y.size)
        batch.sites["backorders"][:, store] = 0.0
        batch.pipelines[:, store, :] = 0.0
        batch.pipelines[:, store, :slots] = np.repeat(y, x.size)[:, None] / slots
    column = p.num_stores if hub else store
    chosen = _acts(material, name, batch)[:, column].reshape(y.size, x.size)
    orders = batch.warehouse_orders()[0] if hub else batch.store_orders()[0, store]
    own = [values[day:].ravel() for values in seen[name]]
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


def _levels(seen: Floats, least: float, *, whole: bool = False) -> Floats:
    """Return the grid of an axis: from 0 to a little over what is usual."""
    finite = seen[np.isfinite(seen)]
    high = 1.15 * max(float(np.quantile(finite, 0.99)) if finite.size else 0.0, least)
    if whole and high < MOST_CELLS:
        return np.arange(0.0, np.ceil(high) + 2.0)
    return np.linspace(0.0, high, MOST_CELLS)


def _played_until(material: ReportContents, day: int, worlds: int) -> Any:
    """Return worlds that are all in the agent's shown episode, at its first review from `day`."""
    c, horizon = material.comparison, material.parameters.horizon
    trace = material.problem.traces(material.parameters, "evaluation", c.seed, c.episodes)
    at = material.episode
    batch: Any = material.problem.make_batch(
        material.parameters, worlds, split="evaluation", observe_step=material.observe_step
    )
    policy = material.policies[material.agent]
    policy.bind(batch)
    batch.reset({n: np.repeat(values[at : at + 1], worlds, axis=0) for n, values in trace.items()})
    memory, start = None, np.ones(worlds, np.bool_)
    while batch.day < day or not (batch.may_order().any() or batch.day + 1 == horizon):
        actions, memory = policy.predict(batch.observation(), memory, start, True)
        batch.step(np.asarray(actions))
        start = np.zeros(worlds, np.bool_)
    return batch


def _acts(material: ReportContents, name: str, batch: Any) -> NDArray[np.intp]:
    """Return the best actions of a policy in the worlds of a batch, as if all began now."""
    policy = material.policies[name]
    policy.bind(batch)
    start = np.ones(batch.num_worlds, np.bool_)
    return np.asarray(policy.predict(batch.observation(), None, start, True)[0], np.intp)
