"""Training logs of the learners: losses, exploration, and training reward, for all seeds."""

from typing import Any

import numpy as np

from evaluation.report.contents import ReportContents, TrainingLog
from evaluation.report.episodes import Floats
from evaluation.report.theme import AGENT, DASHES, NARROW, SOFT, WIDE, new_figure, rival_colour

PANELS = {
    "rollout/ep_rew_mean": "reward of training episodes",
    "train/loss": "loss",
    "train/value_loss": "value loss",
    "train/critic_loss": "critic loss",
    "train/policy_gradient_loss": "policy gradient loss",
    "train/policy_objective": "policy objective",
    "train/policy_loss": "policy loss",
    "train/entropy_loss": "entropy loss",
    "rollout/exploration_rate": "exploration rate (epsilon)",
    "train/explained_variance": "explained variance",
    "train/accuracy": "accuracy",
}
"""Titles by tag; tags that were not logged have no panel."""

MOST_NAMED = 12
"""Most lines that a legend names."""


def draw_training(contents: ReportContents, *, wide: bool) -> Any:
    """Draw a panel per tag, a line per run, or per phase and model; None without logs."""
    tags = [tag for tag in PANELS if any(tag in log.columns for log in contents.logs)]
    if not tags:
        return None
    across = 3 if wide else 1
    rows = -(-len(tags) // across)
    figure = new_figure(WIDE if wide else NARROW, 2.1 * rows + 0.5)
    panels = figure.subplots(rows, across, squeeze=False).flat
    names = list(dict.fromkeys(map(_label, contents.logs)))
    lines: dict[str, Any] = {}
    for axes, tag in zip(panels, tags, strict=False):
        for log in contents.logs:
            if tag not in log.columns:
                continue
            steps, values = log.columns[tag]
            number = names.index(_label(log))
            (lines[_label(log)],) = axes.plot(
                steps,
                values,
                color=AGENT if number == 0 else rival_colour(number - 1),
                linestyle=DASHES[number % len(DASHES)],
                linewidth=1.1,
                marker="." if len(steps) == 1 else None,
            )
        _usual_height(axes, [log.columns[tag] for log in contents.logs if tag in log.columns])
        axes.set_title(PANELS[tag])
        axes.set_xlabel("environment steps")
        axes.locator_params(axis="both", nbins=4)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_major_formatter("{x:,.6g}")
        axes.tick_params(color=SOFT)
    for axes in list(panels)[len(tags) :]:
        axes.set_axis_off()
    shown = [name for name in names if name in lines][:MOST_NAMED]
    if len(shown) > 1:
        handles = [lines[name] for name in shown]
        figure.legend(handles, shown, loc="outside lower center", ncols=4 if wide else 2)
    return figure


def _usual_height(axes: Any, columns: list[tuple[Floats, Floats]]) -> None:
    """Keep the first steps and single updates from determining the scale."""
    usual = np.concatenate([v[s >= 0.05 * s[-1]] for s, v in columns])
    low, high = np.quantile(usual, (0.005, 0.995))
    room = 0.08 * max(float(high - low), 1e-9 * max(1.0, abs(float(high))))
    axes.set_ylim(low - room, high + room)


def _label(log: TrainingLog) -> str:
    """Return the label of a line."""
    name = log.run.replace("_", " ")
    if log.phase:
        name = log.phase if log.run == "agent" else f"{name}, {log.phase}"
    return f"{name}, {log.player}" if log.player else name
