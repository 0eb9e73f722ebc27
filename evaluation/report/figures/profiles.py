"""Reliability of a recipe over its seeds: performance profiles, probability of improvement."""

from typing import Any

import numpy as np

from evaluation.reliability import performance_profile
from evaluation.report.contents import ReportContents
from evaluation.report.theme import AGENT, INK, NARROW, WIDE, new_figure, spoken

POINTS = 400
"""Number of thresholds of a profile."""


def draw_profiles(contents: ReportContents, *, wide: bool) -> Any:
    """Draw the share of seeds above each score, and the probability of improvement, if several."""
    if contents.results.seeds is None:
        return None
    rivals = [name for name in contents.policies if name not in contents.agents]
    rows = len([name for name in rivals if name != "random"])
    height = max(2.9, 1.2 + 0.3 * rows)
    figure = new_figure(WIDE if wide else NARROW, height if wide else 3.0 + height)
    first, second = figure.subplots(1, 2) if wide else figure.subplots(2, 1)
    _profiles(first, contents, [name for name in rivals if name != "random"])
    _improvement(second, contents, [name for name in rivals if name != "random"])
    return figure


def _profiles(axes: Any, contents: ReportContents, rivals: list[str]) -> None:
    """Draw the seeds' profile with its band, and every rule, a single run, as a mark below it."""
    scores, of_rivals, what = contents.scores
    known = np.array([*scores.values(), *(of_rivals[name] for name in rivals)])
    usual = np.array([*scores.values()])
    room = max(float(np.ptp(usual)), 1e-9 * max(1.0, float(np.abs(usual).max())))
    low = max(float(known.min()), float(usual.min()) - 3.0 * room)
    high = min(float(known.max()), float(usual.max()) + 3.0 * room)
    pad = 0.08 * max(high - low, room)
    thresholds = np.linspace(low - pad, high + pad, POINTS)
    found = performance_profile(usual, thresholds)
    axes.fill_between(
        thresholds, 100 * found.low, 100 * found.high, color=AGENT, alpha=0.18, linewidth=0
    )
    axes.step(thresholds, 100 * found.share, color=AGENT, linewidth=2)
    axes.plot(
        usual, np.full(usual.shape, -6.0), "|", color=AGENT, markersize=7, clip_on=False, zorder=3
    )
    for name in rivals:
        if thresholds[0] <= of_rivals[name] <= thresholds[-1]:
            axes.axvline(of_rivals[name], color=contents.colours[name], linewidth=1.4)
    axes.set_xlim(thresholds[0], thresholds[-1])
    axes.set_ylim(-10, 104)
    axes.set_yticks(range(0, 101, 25))
    axes.locator_params(axis="x", nbins=4)
    axes.xaxis.set_major_formatter("{x:,.7g}")
    axes.set_xlabel(what)
    axes.set_ylabel("% of seeds above it")
    axes.set_title("Performance profile (lines: rules)")


def _improvement(axes: Any, contents: ReportContents, rivals: list[str]) -> None:
    """Draw the probability that a seed beats each rule, filled over seeds, hollow by episode."""
    seeds = contents.results.seeds
    if seeds is None:
        return
    for row, name in enumerate(rivals):
        rival, colour = seeds.rivals[name], contents.colours[name]
        over = contents.improvement(name)
        low, high = over.ci95 or (over.value, over.value)
        axes.plot([100 * low, 100 * high], [row - 0.13] * 2, color=colour, linewidth=2)
        axes.plot(100 * over.value, row - 0.13, "o", color=colour, markersize=5, clip_on=False)
        one = rival.better_episodes
        low, high = one.ci95 or (one.value, one.value)
        axes.plot([100 * low, 100 * high], [row + 0.17] * 2, color=colour, linewidth=1)
        axes.plot(
            100 * one.value, row + 0.17, "o", color=colour, markersize=5, fillstyle="none",
            clip_on=False,
        )  # fmt: skip
    axes.axvline(50.0, color=INK, linewidth=0.8, zorder=1)
    axes.set_xlim(-2, 102)
    axes.set_yticks(range(len(rivals)), [spoken(name) for name in rivals])
    axes.set_ylim(len(rivals) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("% (filled: seeds, hollow: episodes)")
    axes.set_title("Probability of improvement")
