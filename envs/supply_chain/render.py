"""A text table of a day of the supply chain, and a picture of an episode so far."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs.supply_chain.batch import SupplyChainBatch

Values = NDArray[np.float64]

MOST_ROWS = 50
"""Most stores that a table lists one by one."""
MOST_LINES = 6
"""Most lines in one panel of a picture; if there are more, their quantiles are drawn."""
_WIDTH = 11
_COLUMNS = ("on hand", "pipeline", "backorders", "order", "demand", "sales", "lost", "reward")


def chain_text(batch: SupplyChainBatch, world: int | None = None) -> str:
    """Return a table of the last day: a line per store, the warehouse and the supplier.

    Stock on hand, units in transit and units that the warehouse owes are those of this morning; the
    other columns are about the day before.

    Parameters
    ----------
    batch : SupplyChainBatch
        One world per SKU, where `world` is not given.
    world : int, optional
        The only one to show.
    """
    worlds = range(batch.num_worlds) if world is None else [world]
    tables = [_table(batch, shown) for shown in worlds]
    if len(tables) > 1:
        tables = [f"sku_{k + 1}\n{table}" for k, table in enumerate(tables)]
    return "\n\n".join([f"Day {batch.day} of {batch.parameters.horizon}", *tables])


def _table(batch: SupplyChainBatch, world: int) -> str:
    sites, hub, rewards = batch.sites[world], batch.hubs[world], batch.rewards[world]
    n = batch.num_stores
    columns = (
        sites["on_hand"],
        batch.pipelines[world].sum(axis=1),
        *(sites[name] for name in ("backorders", "order", "demand", "sales")),
        sites["demand"] - sites["sales"],
        rewards[:n],
    )
    rows = np.stack(columns, axis=1)
    lines = [_line("", _COLUMNS)]
    lines += [_line(f"store_{i + 1}", rows[i]) for i in range(min(n, MOST_ROWS))]
    if n > MOST_ROWS:
        lines += [f"... and {n - MOST_ROWS:,} more", _line("all stores", rows.sum(axis=0))]
    amounts = (
        *(hub["on_hand"], batch.inbound[world].sum(), sites["backorders"].sum(), hub["on_desk"]),
        f"service {hub['service']:.2f}, stores short: {hub['stockouts']:.0f}",
        rewards[n],
    )
    lines.append(_line("warehouse", amounts, span=3))
    delayed = "yes" if hub["delayed"] else "no"
    shipped = f"shipped {hub['fulfillment']:.0%} of the order, delayed: {delayed}; "
    desk = f"now on its desk: {hub['on_desk']:,.1f}"
    lines.append(_line("supplier", (shipped + desk, rewards[n + 1]), span=7))
    return "\n".join(lines)


def _line(name: str, values: Sequence[Any] | Values, span: int = 1) -> str:
    """Return a line of the table; a text takes the place of `span` columns."""
    width = _WIDTH * span
    cells = [f"{v:>{width}}" if isinstance(v, str) else f"{v:>{_WIDTH},.1f}" for v in values]
    return f"{name:<12}" + "".join(cells)


class History:
    """What a picture shows: stocks of every morning and lost sales of every day so far.

    Parameters
    ----------
    batch : SupplyChainBatch
        One world per SKU, at the start of an episode.
    """

    def __init__(self, batch: SupplyChainBatch) -> None:
        self.batch = batch
        self._stores: list[Values] = []
        self._warehouses: list[Values] = []
        self.record(batch)

    def record(self, batch: SupplyChainBatch) -> None:
        """Record this morning and the day before."""
        sites, hubs = batch.sites, batch.hubs
        pipeline, lost = batch.pipelines.sum(axis=2), sites["demand"] - sites["sales"]
        self._stores.append(np.stack([part.ravel() for part in (sites["on_hand"], pipeline, lost)]))
        inbound, owed = batch.inbound.sum(axis=1) + hubs["on_desk"], sites["backorders"].sum(axis=1)
        self._warehouses.append(np.stack([hubs["on_hand"], inbound, owed]))

    def stores(self) -> Values:
        """On hand, pipeline, lost sales: shape (3, days + 1, SKUs * N)."""
        return np.stack(self._stores, axis=1)

    def warehouses(self) -> Values:
        """On hand, inbound (orders on the desk included), backorders: shape (3, days + 1, SKUs)."""
        return np.stack(self._warehouses, axis=1)


_GRID = {
    **{"width_ratios": (3, 2), "height_ratios": (1, 1, 1, 0.22)},
    **{"left": 0.06, "right": 0.98, "top": 0.9, "bottom": 0.03, "hspace": 0.42, "wspace": 0.16},
}
"""Fixed, so that panels do not move during a video; computing a layout would double the time."""


def chain_picture(history: History) -> NDArray[np.uint8]:
    """Return a picture of the episode so far, shape (640, 1000, 3).

    Stores are on the left, the warehouse is on the right. Up to six stores have a line each; for
    more, the median and the quantiles are shown, and the sum of lost sales.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # here: only pictures need it
    from matplotlib.figure import Figure

    batch = history.batch
    n, skus = batch.num_stores, batch.num_worlds
    names, stores = [f"sku_{k + 1}" for k in range(skus)], list(batch.agents[:n])
    if skus > 1:
        stores = [f"{name}/{store}" for name in names for store in stores]
    figure = Figure(figsize=(10.0, 6.4), dpi=100)
    canvas: Any = FigureCanvasAgg(figure)
    figure.suptitle(_headline(batch), fontsize=11)
    grid = figure.subplots(4, 2, gridspec_kw=_GRID)
    left, right = history.stores(), history.warehouses()
    many = len(stores) > MOST_LINES
    _draw_lines(grid[0, 0], "Stores: on hand [units]", left[0], stores)
    _draw_lines(grid[1, 0], "Stores: under way [units]", left[1], stores)
    lost = left[2].sum(axis=1, keepdims=True) if many else left[2]
    title = "Lost sales, all stores [units/day]" if many else "Stores: lost sales [units/day]"
    _draw_stack(grid[2, 0], title, lost)
    _draw_lines(grid[0, 1], "Warehouse: on hand [units]", right[0], names)
    _draw_lines(grid[1, 1], "Warehouse: ordered, not yet here [units]", right[1], names)
    _draw_lines(grid[2, 1], "Warehouse: owed to stores [units]", right[2], names)
    for axes in grid[:3].flat:
        axes.set_xlim(0, batch.parameters.horizon)
        axes.set_ylim(0, max(1.0, 1.1 * axes.dataLim.y1))
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
    for column, show in enumerate((True, skus > 1)):
        grid[2, column].set_xlabel("days passed", fontsize=8)
        grid[3, column].set_axis_off()
        handles, labels = grid[0, column].get_legend_handles_labels()
        if show and handles:
            grid[3, column].legend(handles, labels, loc="center", ncols=3, fontsize=8)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _headline(batch: SupplyChainBatch) -> str:
    stores, hubs = batch.sites["total_return"], batch.hubs
    returns = (stores.mean(), hubs["total_return"].mean(), hubs["supplier_return"].mean())
    one = "mean store" if stores.size > 1 else "store"
    summary = "{} {:,.1f}, warehouse {:,.1f}, supplier {:,.1f}".format(one, *returns)
    return f"Day {batch.day} of {batch.parameters.horizon}.  Return so far: {summary}"


def _draw_lines(axes: Any, title: str, values: Values, labels: list[str]) -> None:
    """Draw values of shape (mornings, lines): one by one, or their quantiles if they are many."""
    axes.set_title(title, fontsize=9, loc="left")
    shown = np.where(np.isfinite(values), values, np.nan)
    if np.isnan(shown).all():
        axes.text(0.5, 0.5, "never short", ha="center", transform=axes.transAxes)
        axes.set_yticks([])
        return
    days = np.arange(len(values))
    marker = "o" if len(values) == 1 else None  # a line of one point would not be seen
    if shown.shape[1] <= MOST_LINES:
        for line, label in zip(shown.T, labels, strict=True):
            axes.plot(days, line, label=label, marker=marker, linewidth=1.5, clip_on=False)
    else:
        low, q1, median, q3, high = np.nanquantile(shown, (0, 0.25, 0.5, 0.75, 1), axis=1)
        label = f"median of {shown.shape[1]}"
        axes.fill_between(days, low, high, alpha=0.15, color="C0", label="lowest to highest")
        axes.fill_between(days, q1, q3, alpha=0.35, color="C0", label="middle half")
        axes.plot(days, median, color="C0", marker=marker, clip_on=False, label=label)


def _draw_stack(axes: Any, title: str, values: Values) -> None:
    """Draw amounts per day, shape (days + 1, parts), stacked."""
    axes.set_title(title, fontsize=9, loc="left")
    tops = np.cumsum(values, axis=1)
    for k in range(values.shape[1]):
        bottom = tops[:, k - 1] if k else np.zeros(len(values))
        axes.fill_between(np.arange(len(values)), bottom, tops[:, k], step="pre", linewidth=0)
