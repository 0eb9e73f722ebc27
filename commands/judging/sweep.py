"""A parameter with several values in turn: what a run's policy comes to at each, untrained."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from commands.evaluate import play_against_baselines
from commands.judging.checkpoints import LoadedCheckpoints
from commands.judging.replayed import replay_loaded
from commands.judging.what_if import load_changed
from common import console
from common.errors import InputError, short

MOST_VALUES = 50


@dataclass(frozen=True)
class Outcome:
    """What a policy came to at one value of a sweep.

    Attributes
    ----------
    what : str
        What `amount` is.
    amount : float
        What it costs, or earns.
    figures : dict
        All that is known of it, by name; ``fill_rate`` where goods are sold.
    """

    what: str
    amount: float
    figures: dict[str, float]


Outcomes = dict[str, dict[str, Outcome]]
"""By value, then by policy."""
Judge = Callable[[LoadedCheckpoints], dict[str, Outcome]]


@dataclass(frozen=True)
class Sweep:
    """A parameter and the values that it is to have in turn."""

    key: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Sweep":
        """Return what ``--sweep store.stockout_cost=2,4,8`` says.

        Raises
        ------
        InputError
            If it is no key with values.
        """
        key, equals, rest = text.partition("=")
        values = tuple(part.strip() for part in rest.split(",") if part.strip())
        if not key or not equals or not 1 <= len(values) <= MOST_VALUES:
            raise InputError(
                f"--sweep {short(text)}: must be a key and 1 to {MOST_VALUES} values, such as "
                "store.stockout_cost=2,4,8"
            )
        return cls(key.strip(), values)

    def play(self, checkpoint: str, assignments: tuple[str, ...], judge: Judge) -> Outcomes:
        """Judge a run's policy on the problem that has each value in turn."""
        found: Outcomes = {}
        for value in self.values:
            changed = (*assignments, f"{self.key}={value}")
            found[value] = judge(load_changed(checkpoint, changed, notes=not found))
        return found


def in_episodes(baselines: str, *, episodes: int, seed: int) -> Judge:
    """Return a judge that plays policies, and baselines, on the same fresh traces."""

    def judge(loaded: LoadedCheckpoints) -> dict[str, Outcome]:
        comparison = play_against_baselines(
            loaded.run, loaded.policies, baselines=baselines, episodes=episodes, seed=seed
        )[1]
        period = comparison.business.period if comparison.business else "day"
        found = {}
        for name, result in comparison.policies.items():
            mean, metrics = result.estimate.mean, result.metrics
            cost = metrics.get("cost_per_day")
            what = "mean return" if cost is None else f"cost /{period}"
            figures = {"mean_return": mean, **metrics}
            found[name] = Outcome(what, mean if cost is None else cost, figures)
        found.pop("random", None)
        return found

    return judge


def in_replay(baselines: str, state: Path | None) -> Judge:
    """Return a judge that plays policies, and rules, through the evaluation period of a file."""

    def judge(loaded: LoadedCheckpoints) -> dict[str, Outcome]:
        played = replay_loaded(loaded, baselines=baselines, state=state).played
        return {
            name: Outcome("cost a year", one.cost_per_year, one.to_json())
            for name, one in played.items()
        }

    return judge


def print_sweep(
    text: str,
    checkpoints: tuple[str, ...],
    assignments: tuple[str, ...],
    judge: Judge,
    in_json: bool,
) -> None:
    """Print what a run's policy comes to at several values of a parameter.

    Parameters
    ----------
    text : str
        ``key=value,value,...``
    checkpoints : tuple of str
        As ``--checkpoint`` names it: one.
    assignments : tuple of str
        What else is changed, ``key=value``.
    judge : callable
        Who plays the policy.
    in_json : bool
        Whether JSON is printed, not a table.

    Raises
    ------
    InputError
        If there is not one checkpoint, or `text` is no key with values.
    """
    sweep = Sweep.parse(text)
    if len(checkpoints) != 1:
        raise InputError("--sweep: is of one run's policy; name it with --checkpoint")
    found = sweep.play(checkpoints[0], assignments, judge)
    if in_json:
        print(json.dumps(_rows(found), indent=2))
    else:
        console.PlainConsole().print(sweep_table(sweep, found))


def sweep_table(sweep: Sweep, found: Outcomes) -> Table:
    """Return what every policy costs, or earns, at every value."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(sweep.key)
    for name, outcome in next(iter(found.values())).items():
        table.add_column(f"{name}\n{outcome.what}", justify="right")
        if "fill_rate" in outcome.figures:
            table.add_column("fill rate %", justify="right")
    for value, outcomes in found.items():
        cells = []
        for outcome in outcomes.values():
            cells.append(f"{outcome.amount:,.2f}")
            if "fill_rate" in outcome.figures:
                cells.append(f"{100 * outcome.figures['fill_rate']:.1f}")
        table.add_row(value, *cells)
    return table


def _rows(found: Outcomes) -> list[dict[str, Any]]:
    """Return the same as JSON values, a row per value."""
    return [
        {"value": value, "policies": {name: one.figures for name, one in outcomes.items()}}
        for value, outcomes in found.items()
    ]
