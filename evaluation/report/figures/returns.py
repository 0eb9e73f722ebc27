"""Figures of policies' returns: distributions, differences, the gap, parts of the return."""

from typing import Any

import numpy as np

from evaluation.report.contents import ReportContents
from evaluation.report.episodes import Floats
from evaluation.report.theme import INK, NARROW, SOFT, WIDE, new_figure, spoken
from evaluation.statistics import worst_mean

FAR = 3.0
"""A policy is off the scale if its mean is this many times the others' range away from them."""


def draw_returns(contents: ReportContents, *, wide: bool) -> Any:
    """Draw the distribution of every policy's returns, and of the agent's paired differences."""
    names = [*contents.agents, *(n for n in contents.policies if n not in contents.agents)]
    rivals = [n for n in names if n not in contents.agents]
    height = 0.8 + 0.36 * len(names)
    figure = new_figure(WIDE if wide else NARROW, max(3.2, height) if wide else height + 3.6)
    ratio = {"width_ratios": (3, 2)} if wide else {"height_ratios": (height, 3.2)}
    grid = figure.subplots(1, 2, gridspec_kw=ratio) if wide else None
    left, right = figure.subplots(2, 1, gridspec_kw=ratio) if grid is None else grid
    _violins(left, contents, names)
    _differences(right, contents, rivals)
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4 if wide else 2)
    return figure


def _scale(returns: dict[str, Floats]) -> tuple[float, float]:
    """Return the limits of the scale, which leave out random play if it lies far away."""
    usual = [v for name, v in returns.items() if name != "random"] or list(returns.values())
    low = min(worst_mean(v) for v in usual)
    high = max(float(np.quantile(v, 0.998)) for v in usual)
    room = max(high - low, 1e-9 * max(abs(high), 1.0))
    random = returns.get("random")
    if random is not None and random.mean() > low - room / FAR:
        low = min(low, worst_mean(random))
    return low - 0.06 * room, high + 0.04 * room


def _violins(axes: Any, contents: ReportContents, names: list[str]) -> None:
    returns = {name: contents.comparison.policies[name].returns for name in names}
    low, high = _scale(returns)
    grid = np.linspace(low, high, 240)
    for row, name in enumerate(names):
        result, colour = contents.comparison.policies[name], contents.colours[name]
        if result.estimate.mean < low:
            note = f"◂ off the scale: mean {result.estimate.mean:,.0f}"
            axes.text(low, row, f" {note}", va="center", ha="left", fontsize=8, color=SOFT)
            continue
        density = _density(result.returns, grid)
        body = 0.4 * density / max(density.max(), 1e-300)
        visible = body > 0.004
        axes.fill_between(
            grid, row - body, row + body, where=visible, color=colour, alpha=0.35, linewidth=0
        )
        worst, mean = max(result.worst, low), result.estimate.mean
        axes.plot([mean, mean], [row - 0.3, row + 0.3], color=colour, linewidth=2.4)
        axes.plot(worst, row, marker="|", markersize=8, markeredgewidth=1.4, color=colour)
        axes.plot([worst, mean], [row, row], color=colour, linewidth=0.8)
    axes.set_yticks(range(len(names)), [spoken(name) for name in names])
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_xlim(low, high)
    axes.grid(visible=False, axis="y")
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("return (thick: mean, thin: worst 5%)")
    axes.set_title("Returns of the episodes")


def _density(values: Floats, grid: Floats) -> Floats:
    """Return a Gaussian kernel density, its bandwidth by Silverman's rule."""
    low, high = np.quantile(values, (0.25, 0.75))
    spread = min(float(values.std()), float(high - low) / 1.34) or float(values.std())
    width = max(0.9 * spread * values.size**-0.2, (grid[-1] - grid[0]) / 300)
    step = grid[1] - grid[0]
    edges = np.append(grid - step / 2, grid[-1] + step / 2)
    counts = np.histogram(values, edges)[0].astype(np.float64)
    kernel = np.exp(-0.5 * ((grid[:, None] - grid) / width) ** 2)
    density: Floats = kernel @ counts
    return density


def _differences(axes: Any, contents: ReportContents, rivals: list[str]) -> None:
    """Draw the distribution of the agent's paired differences to each rival, a curve per rival."""
    policies = contents.comparison.policies
    agent = policies[contents.agent].returns
    parts = {name: np.sort(agent - policies[name].returns) for name in rivals}
    near = {n: v for n, v in parts.items() if n != "random"} or parts
    ends = [np.quantile(v, (0.05, 0.95)) for v in near.values()] or [np.array([-1.0, 1.0])]
    low, high = min(0.0, *(float(e[0]) for e in ends)), max(0.0, *(float(e[1]) for e in ends))
    room = max(high - low, 1e-6)
    for name, values in near.items():
        share = np.arange(1, values.size + 1) / values.size
        at = np.unique(np.linspace(0, values.size - 1, 400).astype(int))
        axes.step(
            np.concatenate([[low - room], values[at], [high + room]]),
            100 * np.concatenate([[0.0], share[at], [1.0]]),
            where="post",
            color=contents.colours[name],
            label=spoken(name),
        )
    axes.axvline(0.0, color=INK, linewidth=0.8, zorder=1)
    axes.set_xlim(low - 0.05 * room, high + 0.05 * room)
    axes.set_ylim(0, 100)
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter("{x:,.6g}")
    axes.set_xlabel(f"{contents.label(contents.agent)} minus rival, same episode")
    axes.set_ylabel("% of episodes at or below")
    axes.set_title("Left of zero the rival wins")


def draw_gap(contents: ReportContents, *, wide: bool) -> Any:
    """Draw every policy's gap to the reference with its interval; None without a reference."""
    c, policies = contents.comparison, contents.comparison.policies
    names = [*contents.agents, *(n for n in contents.policies if n not in contents.agents)]
    names = [n for n in names if n != "random" and policies[n].gap is not None]
    if c.reference is None or not names:
        return None
    figure = new_figure(WIDE if wide else NARROW, 1.0 + 0.3 * len(names))
    axes = figure.subplots()
    for row, name in enumerate(names):
        middle, colour = 100.0 * float(policies[name].gap or 0.0), contents.colours[name]
        low, high = policies[name].gap_ci95 or (0.0, 0.0)
        axes.plot([100.0 * low, 100.0 * high], [row, row], color=colour, linewidth=2)
        axes.plot(middle, row, "o", color=colour, markersize=5)
        axes.annotate(
            f"{middle:z.2f}%", (middle, row), (0, 6), textcoords="offset points",
            ha="center", va="bottom", fontsize=8,
        )  # fmt: skip
    axes.axvline(0.0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(names)), [spoken(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.8)
    axes.margins(x=0.12)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("% (random play: 100)")
    axes.set_title(f"Gap to the {c.reference.name}, 95% intervals")
    return figure


def draw_parts(contents: ReportContents, *, wide: bool) -> Any:
    """Draw the parts of the return: a panel per part, a bar per policy; None if unknown."""
    records, names = contents.records, contents.shown
    found = [
        (whose, part) for n in names for whose, own in records[n].parts.items() for part in own
    ]
    panels = [
        (whose, part)
        for whose, part in dict.fromkeys(found)
        if any(records[n].parts[whose].get(part) for n in names)
    ]
    if not panels:
        return None
    columns = min(len(panels), 4 if wide else 2)
    lines = -(-len(panels) // columns)
    size = (WIDE if wide else NARROW, lines * ((0.8 if wide else 0.95) + 0.2 * len(names)) + 0.2)
    figure = new_figure(*size)
    grid = figure.subplots(lines, columns, squeeze=False)
    for place, axes in enumerate(grid.flat):
        if place >= len(panels):
            axes.set_axis_off()
            continue
        whose, part = panels[place]
        values = [records[name].parts[whose].get(part, 0.0) for name in names]
        usual = [v for v, name in zip(values, names, strict=True) if name != "random"]
        _bars(axes, values, usual or values, [contents.colours[name] for name in names])
        several = len(records[names[0]].parts) > 1
        part = part if wide else part.replace(", ", "\n")
        axes.set_title(f"{whose}\n{part}" if several else part)
        shown = [contents.label(n) for n in names] if place % columns == 0 else [""] * len(names)
        axes.set_yticks(range(len(names)), shown)
    return figure


def _bars(axes: Any, values: list[float], usual: list[float], colours: list[str]) -> None:
    """Draw a bar and its number per value; a bar far off the usual ones is cut and marked."""
    most = FAR * max(abs(value) for value in usual)
    cut = [most < abs(value) and most > 0 for value in values]
    drawn = [float(np.clip(v, -most, most)) if c else v for v, c in zip(values, cut, strict=True)]
    axes.barh(range(len(values)), drawn, color=colours, height=0.62, linewidth=0)
    low, high = min(0.0, *drawn), max(0.0, *drawn)
    room = max(high - low, 1e-9)
    axes.set_xlim(low - (0.55 * room if low < 0 else 0), high + (0.55 * room if high > 0 else 0))
    digits = 3 if 0.0 < most < FAR else 1
    for row, value in enumerate(values):
        label = _component_label(value, digits)
        if cut[row]:
            axes.text(drawn[row] / 2, row, f"{label} (cut)", va="center", ha="center", fontsize=7.5)
            continue
        side = -1 if value < 0 else 1
        axes.annotate(
            label, (value, row), (3 * side, 0), textcoords="offset points", va="center",
            ha="right" if side < 0 else "left", fontsize=7.5, color=INK,
        )  # fmt: skip
    axes.axvline(0.0, color=SOFT, linewidth=0.7)
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _component_label(value: float, digits: int) -> str:
    """Return a number with few significant digits, zero without a sign."""
    return f"{value:z,.{digits if abs(value) < 1000 else 0}f}"
