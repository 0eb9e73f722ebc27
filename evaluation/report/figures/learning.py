"""Learning curves of the agents, over training steps and over seeds."""

from typing import Any

import numpy as np

from evaluation.report.contents import Curve, ReportContents
from evaluation.report.episodes import Floats
from evaluation.report.theme import AGENT, INK, NARROW, RIVALS, SOFT, WIDE, new_figure, spoken
from evaluation.seeds import stratified_bootstrap

MOST_POINTS = 120
"""Most points of the curve over seeds."""


def draw_learning(contents: ReportContents, *, wide: bool) -> Any:
    """Draw the scores on validation traces during training; None without any.

    If a reference was known, the second panel shows the gap to it: validation traces differ from
    those of the comparison, so that returns on the two are not comparable, but gaps are. Phases, in
    which different tiers learn, with returns that are not comparable either, have a panel each.
    """
    curves = [curve for curve in contents.curves if curve.steps.size]
    if not curves:
        return None
    phases = [[c for c in curves if c.phase == p] for p in dict.fromkeys(c.phase for c in curves)]
    if len(phases) > 1:
        return _phases(contents, phases, wide=wide)
    gaps = all(np.isfinite(curve.gaps).all() for curve in curves)
    figure = new_figure(WIDE if wide else NARROW, 3.0 if wide else 5.2)
    first, second = figure.subplots(1, 2) if wide else figure.subplots(2, 1)
    _curves(first, contents, curves, [curve.returns for curve in curves])
    first.set_title("Mean return on validation traces")
    if gaps:
        values = [100.0 * curve.gaps for curve in curves]
        lines = _goals(second, contents)
        second.set_title("Gap in %, second half in full")
    else:
        values, lines = [curve.returns for curve in curves], []
        second.set_title("The same, second half in full")
    _curves(second, contents, curves, values)
    _second_half(second, curves, values, lines)
    handles = dict(zip(*reversed(first.get_legend_handles_labels()), strict=True))
    handles |= dict(zip(*reversed(second.get_legend_handles_labels()), strict=True))
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=4 if wide else 2
    )
    return figure


def _phases(contents: ReportContents, phases: list[list[Curve]], *, wide: bool) -> Any:
    """Draw a panel per phase, each on an axis of its own."""
    rows, columns = (1, len(phases)) if wide else (len(phases), 1)
    figure = new_figure(WIDE if wide else NARROW, 2.8 if wide else 2.2 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for number, (axes, curves) in enumerate(zip(panels, phases, strict=True)):
        returns = [curve.returns for curve in curves]
        _curves(axes, contents, curves, returns, first=number)
        _second_half(axes, curves, returns, [])
        axes.set_title(curves[0].phase)
        axes.locator_params(axis="x", nbins=3)
    figure.supylabel("mean return on validation traces", fontsize=8.5)
    return figure


def _second_half(axes: Any, curves: list[Curve], values: list[Floats], lines: list[float]) -> None:
    """Scale the axis to the second half of the curves, and the lines."""
    later = [v[c.steps >= c.steps.max() / 2] for c, v in zip(curves, values, strict=True)]
    low, high = min(*map(np.min, later), *lines, np.inf), max(*map(np.max, later), *lines, -np.inf)
    room = max(high - low, 1e-3 * max(abs(high), 1.0))
    axes.set_ylim(low - 0.08 * room, high + 0.12 * room)


def _goals(axes: Any, contents: ReportContents) -> list[float]:
    """Draw the reference and the best rival as gaps, and return where they lie."""
    c, rival = contents.comparison, contents.rival
    word = "optimum" if c.reference is None else c.reference.name
    axes.axhline(0.0, color=INK, linewidth=1, linestyle="--", label=word)
    if rival is None or c.policies[rival].gap is None:
        return [0.0]
    value = 100.0 * float(c.policies[rival].gap or 0.0)
    colour = contents.colours[rival]
    axes.axhline(value, color=colour, linewidth=1.4, linestyle=":", label=spoken(rival))
    return [0.0, value]


def _curves(
    axes: Any, contents: ReportContents, curves: list[Curve], values: list[Floats], first: int = 0
) -> None:
    """Draw a line per run, in shades from `first` on; for several seeds also their aggregate."""
    seeds = contents.results.seeds is not None
    many = seeds and len(curves) > 1
    shades = [AGENT, *RIVALS]
    for number, (curve, own) in enumerate(zip(curves, values, strict=True), first):
        label = "seeds" if seeds else curve.phase or "agent"
        axes.plot(
            curve.steps,
            own,
            color=AGENT if seeds else shades[number % len(shades)],
            alpha=0.4 if many else 1.0,
            linewidth=1.0 if many else 1.6,
            marker="o" if curve.steps.size == 1 else None,
            label=label if number == first or not seeds else None,
        )
    if many:
        _together(axes, curves, values)
    axes.set_xlim(0, max(float(curve.steps.max()) for curve in curves) * 1.02)
    axes.locator_params(axis="x", nbins=5)
    axes.locator_params(axis="y", nbins=6)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:,.6g}")
    axes.set_xlabel("environment steps")
    axes.tick_params(color=SOFT)


def _together(axes: Any, curves: list[Curve], values: list[Floats]) -> None:
    """Draw the interquartile mean over the seeds with its pointwise 95% bootstrap band."""
    start = max(float(curve.steps[0]) for curve in curves)
    end = min(float(curve.steps[-1]) for curve in curves)
    steps = np.unique(np.concatenate([curve.steps for curve in curves]))
    steps = steps[(steps >= start) & (steps <= end)]
    if not steps.size:
        return
    steps = steps[np.unique(np.linspace(0, steps.size - 1, MOST_POINTS).astype(int))]
    lines = zip(curves, values, strict=True)
    table = np.stack([np.interp(steps, curve.steps, own) for curve, own in lines])
    middle = [stratified_bootstrap(column, resamples=1000) for column in table.T]
    bands = np.array([interval.ci95 for interval in middle])
    axes.fill_between(steps, bands[:, 0], bands[:, 1], color=AGENT, alpha=0.18, linewidth=0)
    label = "interquartile mean, 95% band"
    axes.plot(steps, [interval.value for interval in middle], color=AGENT, linewidth=2, label=label)
