"""The figures of a recommendation's report."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.dates import MONTHLY, AutoDateLocator, ConciseDateFormatter

from evaluation.business.weeks import by_week, first_days, span_name, whole_weeks
from evaluation.report.recommendation.contents import RecommendationContents
from evaluation.report.theme import (
    AGENT,
    FIRST_RIVALS,
    GRID,
    INK,
    NARROW,
    SOFT,
    WIDE,
    new_figure,
    spoken,
)

PARTS = {
    "holding": ("holding stock", FIRST_RIVALS[1]),
    "stockouts": ("lost sales", FIRST_RIVALS[0]),
    "ordering": ("orders", FIRST_RIVALS[5]),
    "waste": ("waste", FIRST_RIVALS[3]),
}
"""Parts of costs, their names, and their colours."""

FAR = 4.0
"""A bar longer than this multiple of the best one's is cut."""

MOST_LABELS = 9


def draw_money(contents: RecommendationContents, *, wide: bool) -> Any:
    """Draw the yearly cost of every policy, and its parts."""
    names = contents.ranked
    figure = new_figure(WIDE if wide else NARROW, 1.1 + (0.3 if wide else 0.34) * len(names))
    axes = figure.subplots()
    most = FAR * contents.replays[names[0]].cost_per_year or np.inf  # if the best costs nothing
    shown = [part for part in PARTS if any(_part(contents, n, part) > 0 for n in names)]
    left = np.zeros(len(names))
    for part in shown:
        word, colour = PARTS[part]
        values = np.array([_part(contents, name, part) for name in names])
        drawn = np.clip(values, 0.0, np.maximum(most - left, 0.0))
        axes.barh(range(len(names)), drawn, 0.62, left, color=colour, label=word, linewidth=0)
        left += drawn
    for row, name in enumerate(names):
        total = contents.replays[name].cost_per_year
        cut = " (cut)" if total > most else ""
        axes.annotate(
            f"{total:,.0f}{cut}",
            (left[row], row),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            fontweight="bold" if name == contents.choice else "normal",
        )
    labels = [spoken(name) for name in names]
    axes.set_yticks(range(len(names)), labels)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        if name == contents.choice:
            label.set_fontweight("bold")
            label.set_color(AGENT)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.margins(x=0.18)
    axes.set_xlim(left=0.0)
    axes.grid(visible=False, axis="y")
    axes.locator_params(axis="x", nbins=5 if wide else 3)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("cost a year")
    if shown:
        figure.legend(loc="outside lower center", ncols=4 if wide else 2)
    return figure


def _part(contents: RecommendationContents, name: str, part: str) -> float:
    played = contents.replays[name]
    return played.part_per_year(part) if part in played.parts else 0.0


def draw_service(contents: RecommendationContents, *, wide: bool) -> Any:
    """Draw the cost of stock against the fill rate."""
    figure = new_figure(WIDE if wide else NARROW, 3.6 if wide else 3.9)
    axes = figure.subplots()
    for name, points in contents.curves.items():
        x = [100 * point.fill_rate for point in points]
        y = [point.cost_without_lost_sales for point in points]
        style = "-" if name == contents.choice else "--"
        axes.plot(x, y, style, color=contents.colour(name), marker=".", markersize=6)
    inside = _limits(contents)
    for name in reversed(contents.ranked):
        played = contents.replays[name]
        kept = sum(_part(contents, name, part) for part in PARTS if part != "stockouts")
        at = 100 * played.fill_rate, kept
        if name not in contents.curves and not (inside[0] <= at[0] and kept <= inside[1]):
            continue  # a line is named below even if its point is out of sight
        own = name == contents.choice
        size = 9 if own else 5
        axes.plot(*at, "o", color=contents.colour(name), markersize=size, label=spoken(name))
    axes.set_xlim(inside[0], 100.0 + 0.03 * (100.0 - inside[0]))
    axes.set_ylim(0.0, inside[1] or 1.0)
    axes.xaxis.set_major_formatter("{x:,.4g}%")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="x", nbins=8 if wide else 5)
    axes.set_xlabel("demand served at once")
    axes.set_ylabel("cost of stock and orders a year")
    handles, labels = axes.get_legend_handles_labels()
    order = slice(None, None, -1)
    figure.legend(
        handles[order][:MOST_LABELS],
        labels[order][:MOST_LABELS],
        loc="outside lower center",
        ncols=3 if wide else 1,
    )
    return figure


def _limits(contents: RecommendationContents) -> tuple[float, float]:
    """Return the least fill rate [%] and the highest cost shown, from the choice and those near."""
    points = contents.curves[contents.choice]
    low = min(100 * point.fill_rate for point in points)
    high = max(point.cost_without_lost_sales for point in points)
    low = max(0.0, low - 0.25 * (100.2 - low))
    near = [100 * one.fill_rate >= low for one in contents.replays.values()]
    kept = [one.cost_per_year - _part(contents, name, "stockouts")
            for name, one in contents.replays.items()]  # fmt: skip
    others = [cost for cost, is_near in zip(kept, near, strict=True) if is_near]
    return min(low, 99.9), 1.12 * max([high, *(cost for cost in others if cost < 2.0 * high)])


def draw_weeks(contents: RecommendationContents, *, wide: bool) -> Any:
    """Draw the weekly costs of the choice and of the usual rule, with the worst weeks marked."""
    figure = new_figure(WIDE if wide else NARROW, 2.9 if wide else 3.2)
    axes = figure.subplots()
    days: Any = _dates(contents)
    names = dict.fromkeys((contents.usual, contents.choice))
    for name in names:
        played = contents.replays[name]
        cost = by_week(played.cost.sum(axis=(1, 2)), played.period)[: len(days)]
        own = name == contents.choice
        axes.plot(
            days,
            cost,
            color=contents.colour(name),
            linewidth=1.8 if own else 1.2,
            linestyle="-" if own else "--",
            label=spoken(name),
        )
    for rank, week in enumerate(contents.bad_weeks, 1):
        axes.annotate(
            str(rank),
            (week.first_day, week.cost),
            (0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=INK,
        )
    _over_time(axes, wide=wide)
    axes.set_ylabel(f"cost of a {span_name(contents.own.period)}")
    figure.legend(loc="outside lower center", ncols=2 if wide else 1)
    return figure


def draw_forecast(contents: RecommendationContents, *, wide: bool) -> Any:
    """Draw weekly forecasts and sales: of all products, and of those that sell most."""
    record = contents.forecast
    days: Any = _dates(contents)
    totals = record.demand.sum(axis=0)
    largest = [int(k) for k in np.argsort(-totals.reshape(-1), kind="stable")[:3]]
    panels = [("everything", slice(None), slice(None))]
    if totals.size > 1:
        for k in largest:
            sku, store = divmod(k, totals.shape[1])
            panels.append(
                (contents.place(sku, store), slice(sku, sku + 1), slice(store, store + 1))
            )
    across = 2 if wide and len(panels) > 1 else 1
    rows = -(-len(panels) // across)
    figure = new_figure(WIDE if wide else NARROW, 1.9 * rows + 0.5)
    grid = figure.subplots(rows, across, squeeze=False)
    for axes, (title, sku_of, store_of) in zip(grid.flat, panels, strict=False):
        for values, colour, word in (
            (record.demand, SOFT, "asked for"),
            (record.expected, AGENT, "forecast"),
        ):
            own = values[:, sku_of, store_of].sum(axis=(1, 2))
            weekly = by_week(own, contents.own.period)[: len(days)]
            if word == "asked for":
                axes.fill_between(days, 0.0, weekly, color=GRID, linewidth=0)
            axes.plot(days, weekly, color=colour, label=word, linewidth=1.4)
        axes.set_title(title[:48])
        axes.set_ylim(bottom=0.0)
        _over_time(axes, wide=wide)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_axis_off()
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _dates(contents: RecommendationContents) -> list[Any]:
    """Return the first days of the complete weeks, or of the only week."""
    return first_days(contents.own)[: max(1, whole_weeks(contents.own))]


def _over_time(axes: Any, *, wide: bool) -> None:
    locator: Any = AutoDateLocator(minticks=3, maxticks=7 if wide else 5)  # type: ignore[no-untyped-call]
    locator.intervald[MONTHLY] = [1, 2, 3, 4, 6, 12]  # 12: for two or three years
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.locator_params(axis="y", nbins=4)
    axes.yaxis.set_major_formatter("{x:,.6g}")
    axes.set_ylim(bottom=0.0)


FIGURES: dict[str, tuple[str, Callable[..., Any]]] = {
    "money": ("What it costs a year", draw_money),
    "service": ("What better service costs", draw_service),
    "weeks": ("Good times and bad ones", draw_weeks),
    "forecast": ("Forecast and sales", draw_forecast),
}
"""Heading and drawing function of each figure by name."""
