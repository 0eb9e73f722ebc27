"""How the agents learned, over training steps and over seeds."""

from typing import Any

import numpy as np

from evaluation.report.material import Material
from evaluation.report.theme import AGENT, INK, NARROW, SOFT, WIDE, new_figure, spoken
from evaluation.seeds import stratified_bootstrap


def draw_learning(material: Material, *, wide: bool) -> Any:
    """Draw the scores on validation traces while the agents learned; None without any."""
    curves = [c for c in material.curves if c.steps.size]
    if not curves:
        return None
    figure = new_figure(WIDE if wide else NARROW, 3.0 if wide else 5.2)
    first, second = figure.subplots(1, 2) if wide else figure.subplots(2, 1)
    _curves(first, material, curves)
    _curves(second, material, curves)
    later = np.concatenate([c.returns[c.steps >= c.steps.max() / 2] for c in curves])
    goals = _goals(material)
    low, high = min(float(later.min()), *goals), max(float(later.max()), *goals)
    room = max(high - low, 1e-6 * max(abs(high), 1.0))
    second.set_ylim(low - 0.1 * room, high + 0.15 * room)
    first.set_title("From the beginning")
    second.set_title("The second half's scale")
    first.set_ylabel("mean return, validation traces")
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4 if wide else 2)
    return figure


def _goals(material: Material) -> list[float]:
    """Return the values that lines are drawn at: the reference and the best rival."""
    c = material.comparison
    values = [c.reference.value] if c.reference is not None else []
    rival = material.rival
    return [*values, *([c.policies[rival].estimate.mean] if rival else [])]


def _curves(axes: Any, material: Material, curves: list[Any]) -> None:
    c, rival = material.comparison, material.rival
    many = len(curves) > 1 and material.results.seeds is not None
    for number, curve in enumerate(curves):
        label = curve.label if not many else "seeds" if number == 0 else None
        alpha = 0.35 if many else 1.0
        mark = "o" if curve.steps.size == 1 else None
        own = AGENT if many or number == 0 else SOFT
        axes.plot(curve.steps, curve.returns, color=own, alpha=alpha, label=label, marker=mark)
    if many:
        _middle(axes, curves)
    if c.reference is not None:
        word = "optimum" if c.reference.kind == "optimum" else "upper bound"
        axes.axhline(c.reference.value, color=INK, linewidth=1, linestyle="--", label=word)
    if rival is not None:
        value = c.policies[rival].estimate.mean
        colour = material.colours[rival]
        axes.axhline(value, color=colour, linewidth=1.2, linestyle=":", label=spoken(rival))
    axes.set_xlim(0, max(float(curve.steps.max()) for curve in curves) * 1.02)
    axes.locator_params(axis="x", nbins=5)
    axes.locator_params(axis="y", nbins=6)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter(lambda x, _: f"{x:,.6g}")
    axes.set_xlabel("environment steps")


def _middle(axes: Any, curves: list[Any]) -> None:
    """Draw the interquartile mean over the seeds with its pointwise 95% bootstrap band."""
    start = max(float(curve.steps[0]) for curve in curves)
    end = min(float(curve.steps[-1]) for curve in curves)
    steps = np.unique(np.concatenate([curve.steps for curve in curves]))
    steps = steps[(steps >= start) & (steps <= end)]
    if not steps.size:
        return
    steps = steps[np.unique(np.linspace(0, steps.size - 1, 120).astype(int))]
    table = np.stack([np.interp(steps, curve.steps, curve.returns) for curve in curves])
    middle = [stratified_bootstrap(column, resamples=1000) for column in table.T]
    bands = np.array([interval.ci95 for interval in middle])
    axes.fill_between(steps, bands[:, 0], bands[:, 1], color=AGENT, alpha=0.18, linewidth=0)
    label = "interquartile mean and 95% band"
    axes.plot(steps, [interval.value for interval in middle], color=AGENT, linewidth=2, label=label)
