"""Figures of policies' behaviour: one episode, and the action by state."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.patches import Patch

from evaluation.report.action_map import ActionMap
from evaluation.report.contents import ReportContents
from evaluation.report.episodes import Floats
from evaluation.report.theme import DASHES, INK, NARROW, SOFT, WIDE, new_figure

MOST_LINES = 4
"""Most stores with a line each; of more, the median and the range are drawn."""


def draw_episode(contents: ReportContents, *, wide: bool) -> Any:
    """Draw one episode, the agent's on the left and the best rival's on the right."""
    names = [n for n in (contents.agent, contents.rival) if n is not None]
    panels, names_of = contents.view.panels, contents.view.line_names
    lines_called = names_of(contents.parameters) if names_of is not None else []
    across = len(names) if wide else 1
    blocks = [names] if wide else [[name] for name in names]
    lines = len(panels) * len(blocks)
    figure = new_figure(WIDE if wide else NARROW, 1.35 * lines + 0.5)
    grid = figure.subplots(lines, across, squeeze=False, sharex=True)
    for number, (title, draw) in enumerate(panels):
        shown = []
        for block, own in enumerate(blocks):
            for column, name in enumerate(own):
                axes = grid[block * len(panels) + number, column]
                steps = {k: v[:, contents.episode] for k, v in contents.records[name].steps.items()}
                draw(axes, steps, contents.colours[name], lines_called)
                axes.set_title(f"{contents.label(name)}: {title}")
                if draw is action_marks and contents.view.action_names is not None:
                    action_names = contents.view.action_names(contents.parameters)
                    axes.set_yticks(range(len(action_names)), action_names)
                    axes.set_ylim(-0.6, len(action_names) - 0.4)
                else:
                    axes.locator_params(axis="y", nbins=4)
                    axes.yaxis.set_major_formatter("{x:,.6g}")
                shown.append(axes)
        low = min(axes.get_ylim()[0] for axes in shown)
        high = max(axes.get_ylim()[1] for axes in shown)
        for axes in shown:
            axes.set_ylim(low, high)
    for axes in grid[-1]:
        axes.set_xlabel(contents.view.step)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    if handles:
        legend = figure.legend(handles, labels, loc="outside lower center", ncols=4 if wide else 3)
        for line in legend.get_lines():
            line.set_color(SOFT)  # the dashes distinguish the stores, the colours the policies
    return figure


def lines_of(name: str) -> Callable[..., None]:
    """Return a function that draws a quantity of every store, or one number per step."""

    def draw(axes: Any, steps: dict[str, Floats], colour: str, names: Sequence[str]) -> None:
        values = steps[name] if steps[name].ndim == 2 else steps[name][:, None]
        days = np.arange(len(values))
        if not np.isfinite(values).any():  # a warehouse that is never short
            axes.text(0.5, 0.5, "without limit", transform=axes.transAxes, ha="center", color=SOFT)
            axes.set_yticks([])
            return
        single = values.shape[1] == 1
        if values.shape[1] <= MOST_LINES:
            for i, line in enumerate(values.T):
                label = None if single else str(names[i])
                axes.plot(days, line, color=colour, linestyle=DASHES[i], label=label)
        else:
            low, middle, high = np.quantile(values, (0.0, 0.5, 1.0), axis=1)
            axes.fill_between(
                days, low, high, color=colour, alpha=0.2, linewidth=0, label="lowest to highest"
            )
            axes.plot(days, middle, color=colour, label=f"median of {values.shape[1]} stores")
        least = float(np.nanmin(values))
        high = max(1.0, _highest(values))
        bottom = least - 0.1 * (high - least) if high > least > 0.6 * high else 0.0
        axes.set_ylim(bottom, high + 0.08 * (high - bottom))

    return draw


def bars_of(*names: str) -> Callable[..., None]:
    """Return a function that draws the sum over stores of one quantity, or of two, stacked."""

    def draw(axes: Any, steps: dict[str, Floats], colour: str, labels: Sequence[str]) -> None:
        del labels  # their sum is drawn
        bottom: Any = 0.0
        for number, name in enumerate(names):
            values = steps[name].reshape(len(steps[name]), -1).sum(axis=1)
            alpha = 0.95 if number == 0 else 0.35
            axes.bar(range(len(values)), values, 0.85, bottom, color=colour, alpha=alpha)
            bottom = bottom + np.nan_to_num(values)
        if not np.any(bottom):
            axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", color=SOFT)
        axes.set_ylim(0, max(1.0, 1.08 * _highest(np.asarray(bottom))))

    return draw


def _highest(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max()) if finite.size else 0.0


def action_marks(axes: Any, steps: dict[str, Floats], colour: str, names: Sequence[str]) -> None:
    """Draw the action taken in every step."""
    del names
    axes.plot(steps["action"], "|", color=colour, markersize=5, markeredgewidth=1.8)


def draw_policy(contents: ReportContents, *, wide: bool) -> Any:
    """Draw the actions of the agent, the best rival and the optimum by state, if mapped."""
    make = contents.view.action_map
    if make is None:
        return None
    optimum = "optimum" if "optimum" in contents.policies else None
    names = [n for n in (contents.agent, contents.rival, optimum) if n is not None]
    maps = {name: make(contents, name) for name in names}
    across = len(names) if wide else 1
    size = (WIDE, 3.5) if wide else (NARROW, 2.3 * len(names) + 0.7)
    figure = new_figure(*size)
    grid = figure.subplots(-(-len(names) // across), across, sharey=wide, squeeze=False)
    for axes, (name, drawn) in zip(grid.flat, maps.items(), strict=True):
        _map(axes, drawn)
        axes.set_title(contents.label(name))
        if not wide or axes is grid[0, 0]:
            axes.set_ylabel(drawn.y_label)
        if wide or axes is grid[-1, 0]:
            axes.set_xlabel(drawn.x_label)
    used = sorted({int(i) for drawn in maps.values() for i in np.unique(drawn.chosen)})
    labels, colours = maps[names[0]].labels, maps[names[0]].colours
    patches = [Patch(facecolor=colours[i], label=labels[i]) for i in used]
    figure.legend(handles=patches, loc="outside lower center", ncols=6 if wide else 3)
    return figure


def _map(axes: Any, drawn: ActionMap) -> None:
    """Draw the actions as cells, with a dot at each state that the policy visited."""
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in drawn.colours], np.uint8)
    x, y = drawn.x, drawn.y
    extent = (*_edges(x), *_edges(y))
    axes.imshow(
        rgb[drawn.chosen], origin="lower", aspect="auto", extent=extent, interpolation="nearest"
    )
    axes.plot(*drawn.visited, ".", color="#101419", markersize=2.2, alpha=0.75, linestyle="none")
    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])
    axes.locator_params(axis="both", nbins=5)
    axes.xaxis.set_major_formatter("{x:,.6g}")
    axes.yaxis.set_major_formatter("{x:,.6g}")
    axes.grid(visible=False)
    axes.tick_params(color=SOFT, labelcolor=INK)


def _edges(values: Floats) -> tuple[float, float]:
    half = (values[1] - values[0]) / 2 if values.size > 1 else 0.5
    return float(values[0] - half), float(values[-1] + half)
