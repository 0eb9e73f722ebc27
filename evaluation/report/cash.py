"""The cash problem in a report: its stocks, the parts of its return, its actions by state."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envs.batch import Batch, Outcome
from envs.cash import kernels as rows
from evaluation.report.action_map import (
    MOST_CELLS,
    MOST_DOTS,
    ActionMap,
    actions_in,
    axis_levels,
    shades,
)
from evaluation.report.contents import KeyFigure, ProblemView, ReportContents
from evaluation.report.episodes import EpisodeRecord, EpisodeRecorder, Floats
from evaluation.report.figures.play import action_marks, bars_of, lines_of

WAIT = "#c3c9cf"


class CashRecorder(EpisodeRecorder):
    """Recorder of stocks, cash and actions; and of revenue, bonus, penalties and costs."""

    def start(self, batch: Batch) -> None:
        """Watch this batch from now on."""
        super().start(batch)
        self._parts: dict[str, Floats] = {}
        self._lots = batch.parameters.lots()

    def before_step(self, observation: Any, actions: NDArray[Any]) -> None:
        """Record the state and the actions."""
        del observation
        self._before, self._actions = self._batch.rows.copy(), actions.copy()

    def after_step(self, outcome: Outcome, running: NDArray[np.bool_]) -> None:
        """Record sales, and split the reward into its parts."""
        p, now, then = self._batch.parameters, self._batch.rows, self._before
        revenue, holding, invalid = now[rows.REVENUE], now[rows.HOLDING_COST], now[rows.INVALID]
        unmet = now[rows.UNMET_DEMAND] - then[rows.UNMET_DEMAND]
        parts = {"revenue": revenue, "holding": -holding}
        if p.objective == "profit":
            parts["purchases"] = now[rows.CASH] - then[rows.CASH] - revenue
        else:
            made = self._lots[1][self._actions] * (invalid == 0)
            parts["conversion bonus"] = p.conversion_bonus * made
            parts["unmet demand"] = -p.stockout_penalty * unmet
            parts["invalid actions"] = -p.invalid_action_penalty * invalid
        parts["bankruptcy"] = outcome.reward - sum(parts.values())
        for name, values in parts.items():
            kept = np.where(running, values, 0.0)
            self._parts[name] = self._parts.get(name, 0.0) + kept
        self._steps.add(
            running,
            action=self._actions,
            sold=now[rows.SOLD],
            unmet=unmet,
            **{name: then[i] for i, name in enumerate(rows.OBSERVATION_NAMES)},
        )

    def record(self) -> EpisodeRecord:
        """Return the parts of the return that are not zero in every episode, and the steps."""
        means = {name: float(v.mean()) for name, v in self._parts.items() if np.abs(v).max() > 1e-6}
        return EpisodeRecord({"return": means}, self._steps.stacked())


def action_names(parameters: Any) -> list[str]:
    """Return the names of the cash problem's actions."""
    buys = [f"buy {lot}" for lot in parameters.buy_lots]
    return ["wait", *buys, *(f"convert {lot}" for lot in parameters.convert_lots)]


def cash_actions(contents: ReportContents, name: str) -> ActionMap:
    """Return the action over step and raw stock; the rest is the agent's median at that step."""
    p, own = contents.parameters, contents.records[contents.agent].steps
    steps = np.unique(np.linspace(0, p.max_steps - 1, MOST_CELLS + 20).astype(int))
    steps = steps[steps < len(own["raw"])]
    raw = axis_levels(own["raw"], max(p.buy_lots), whole=True)
    batch: Any = contents.problem.make_batch(
        p, raw.size * steps.size, split="evaluation", observe_step=contents.observe_step
    )
    batch.reset()
    for row, entry in enumerate(rows.OBSERVATION_NAMES):
        usual = np.nanmedian(own[entry][steps], axis=1)
        batch.rows[row] = np.tile(usual, raw.size)
    batch.rows[rows.RAW] = np.repeat(raw, steps.size)
    batch.rows[rows.STEP] = np.tile(steps, raw.size)
    chosen = actions_in(contents, name, batch).reshape(raw.size, steps.size)
    raw_levels = contents.records[name].steps["raw"]
    at, episodes = np.nonzero(np.isfinite(raw_levels))
    pick = np.unique(np.linspace(0, at.size - 1, MOST_DOTS).astype(int))
    colours = [*shades("Oranges", len(p.buy_lots)), *shades("GnBu", len(p.convert_lots))]
    return ActionMap(
        steps.astype(np.float64),
        raw,
        chosen,
        action_names(p),
        [WAIT, *colours],
        (at[pick].astype(np.float64), raw_levels[at[pick], episodes[pick]]),
        "step",
        "raw stock [units]",
    )


PANELS = (
    ("raw stock [units]", lines_of("raw")),
    ("product stock [units]", lines_of("product")),
    ("sold (dark), unmet (light)", bars_of("sold", "unmet")),
    ("cash", lines_of("cash")),
    ("action", action_marks),
)


def cash_figures(contents: ReportContents, name: str) -> list[KeyFigure]:
    """Return money, stock and service of a policy: cash at the end, units held, demand met."""
    metrics, steps = contents.comparison.policies[name].metrics, contents.records[name].steps
    held = float(np.nanmean(steps["raw"] + steps["product"]))
    return [
        KeyFigure("money: cash at the end", metrics["final_cash"], 1, more_is_better=True),
        KeyFigure("stock: units on hand, a step", held, 2, more_is_better=None),
        KeyFigure("service: demand met, %", 100 * metrics["fill_rate"], 2, more_is_better=True),
    ]


VIEW = ProblemView(
    key_figures=cash_figures,
    recorder=CashRecorder,
    panels=PANELS,
    action_names=action_names,
    action_map=cash_actions,
    map_caption=lambda contents: (
        "the action over step and raw stock, with the prices, the demand, the product and the cash "
        f"that {contents.label(contents.agent)} usually has at that step"
    ),
)
