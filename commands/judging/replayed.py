"""One past: a run's policy and the rules beside it, day after day through the evaluation period."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from agents import run_files
from agents.tuned_file import TunedFile, read_recommendation
from baselines.policy import Policy
from baselines.registry import rules_in_units
from baselines.rules.past_orders import ActualOrders
from baselines.rules.reference import reference_team
from baselines.tuned_rules import TunedRule
from commands.judging.checkpoints import LoadedCheckpoints
from commands.stock_state import read_state
from common.console import screen
from common.errors import InputError, choose
from demand.past_orders import read_past_orders
from evaluation.comparison import ACTUAL_ORDERS
from evaluation.replay import Interval, Opening, Replay, check_replayed, replay, saved_per_year

GROUPS = ("default", "tuned", "all", "none")

COLUMNS = {
    **dict.fromkeys(("cost a year", "it costs more", "95% CI", "fill rate %"), 0),
    **{"on hand": 105, "orders a year": 120, "units an order": 135},
}
"""Headings of the table, and from which width of the terminal on they are shown."""


@dataclass(frozen=True)
class Replays:
    """What policies did in the evaluation period, one day after the other.

    Attributes
    ----------
    own : str
        The run's policy, whose savings are counted; without one, the cheapest rule.
    played : dict
        By name.
    """

    own: str
    played: dict[str, Replay]

    def saved(self, name: str) -> Interval:
        """Return what the run's policy saves per year against another one."""
        return saved_per_year([self.played[self.own]], [self.played[name]])

    @property
    def ranked(self) -> list[str]:
        """All names, the run's policy first, then the cheapest."""
        costs = {name: one.cost_per_year for name, one in self.played.items()}
        return sorted(costs, key=lambda name: (name != self.own, costs[name]))

    @property
    def sentence(self) -> str:
        """What came of it."""
        own = self.played[self.own]
        text = (
            f"{self.own} costs {own.cost_per_year:,.0f} a year at a fill rate of "
            f"{own.fill_rate:.1%}, played from {own.first_day} on for {own.days:,} {own.period}s "
            "with stock carried over"
        )
        others = [name for name in self.ranked if name not in (self.own, ACTUAL_ORDERS)]
        if others:
            text += f": {self._beside(others[0], f'{others[0]}, the cheapest other one there')}"
        if ACTUAL_ORDERS not in self.played:
            return f"{text}."
        actual = self._beside(ACTUAL_ORDERS, "the orders really placed")
        return (
            f"{text}. That is {actual}; whatever these "
            "lost in sales is not in a file of sales, unless it says when goods ran out."
        )

    def _beside(self, name: str, called: str) -> str:
        """Return how much less or more the run's policy costs than another one."""
        saved = self.saved(name)
        than, by = "less" if saved.mean >= 0 else "more", saved.unsigned()
        chance = ", which may be chance" if saved.may_be_chance else ""
        interval = f"[{by.low:z,.0f}, {by.high:z,.0f}]"
        return f"{by.mean:,.0f} a year {than} than {called} {interval}{chance}"

    def table(self, width: int) -> Table:
        """Return a row per policy, with as many columns as `width` leaves room for."""
        columns = [name for name, least in COLUMNS.items() if width >= least]
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        table.add_column("ordered by", overflow="fold")
        for name in columns:
            table.add_column(name, justify="right", no_wrap=True)
        for name in self.ranked:
            cells = self._cells(name)
            table.add_row(name, *(cells[column] for column in columns))
        return table

    def _cells(self, name: str) -> dict[str, str]:
        one, saved, own = self.played[name], self.saved(name), name == self.own
        return {
            "cost a year": f"{one.cost_per_year:,.0f}",
            "it costs more": "" if own else f"{saved.mean:z,.0f}",
            "95% CI": "" if own else f"[{saved.low:z,.0f}, {saved.high:z,.0f}]",
            "fill rate %": f"{100 * one.fill_rate:.2f}",
            "on hand": f"{one.mean_on_hand:,.0f}",
            "orders a year": f"{one.orders_per_year:,.0f}",
            "units an order": f"{one.mean_order:,.1f}",
        }

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        own = self.played[self.own]
        return {
            "own": self.own,
            "first_day": own.first_day.isoformat(),
            f"{own.period}s": own.days,
            "sentence": self.sentence,
            "policies": {
                name: {
                    **self.played[name].to_json(),
                    "own_saves_per_year": self.saved(name).to_json(),
                }
                for name in self.ranked
            },
        }


def replay_loaded(
    loaded: LoadedCheckpoints,
    *,
    baselines: str = "default",
    state: Path | None = None,
    actual_orders: Path | None = None,
) -> Replays:
    """Play a run's policies, and rules, through the evaluation period.

    Parameters
    ----------
    loaded : LoadedCheckpoints
        Whom to judge, and on which problem; of a run that recommends something, rules are those
        that it tuned.
    baselines : str
        Names of rules, or ``default`` or ``all`` for every one, ``tuned``, ``none``.
    state : Path, optional
        What the stores had in the first morning, as for `decide.py`.
    actual_orders : Path, optional
        The orders that were placed in the evaluation period, played as one more policy.

    Raises
    ------
    InputError
        If demand is of no file, the state is of another day or lacks a store or product, or orders
        are given without a state, or not of every day.
    """
    p = loaded.run.parameters
    check_replayed(p)
    opening = None if state is None else read_opening(state, p)
    policies, played = _policies(loaded, baselines), {}
    if actual_orders is not None:
        if opening is None:
            raise InputError(
                "--actual-orders: a replay of them begins with what the stores really had; give it "
                "with --state"
            )
        past = read_past_orders(actual_orders, p.history)
        policies[ACTUAL_ORDERS] = reference_team(store=ActualOrders(past))
    if not policies:
        raise InputError("--baselines none: there is nobody to play; name rules or a --checkpoint")
    with screen.status("playing") as status:
        for name, policy in policies.items():
            status.update(f"playing {name}")
            step = loaded.run.settings.observation.step and name in loaded.policies
            played[name] = replay(loaded.run.problem, p, policy, observe_step=step, opening=opening)
    own = next(iter(loaded.policies), None)
    rules = [name for name in played if name != ACTUAL_ORDERS] or [ACTUAL_ORDERS]
    return Replays(own or min(rules, key=lambda name: played[name].cost_per_year), played)


def _policies(loaded: LoadedCheckpoints, baselines: str) -> dict[str, Policy]:
    run, known = loaded.run, rules_in_units(loaded.run.parameters)
    wanted: set[str] = set()
    for name in (part.strip() for part in baselines.split(",")):
        choose("baseline", name, [*known, *GROUPS])
        of_group = {n for n, rule in known.items() if isinstance(rule, TunedRule)}
        groups = {"default": set(known), "all": set(known), "tuned": of_group, "none": set[str]()}
        wanted |= groups.get(name, {name})
    home = loaded.home or next(iter(loaded.folders), None)
    advice = None if home is None else read_recommendation(home)
    kept = {} if advice is None else advice.rules(run.parameters)
    policies = dict(loaded.policies)
    tuner = TunedFile(home / run_files.TUNED if home else None)
    with screen.status("tuning") as status:
        for name, rule in known.items():
            if name not in wanted or name in policies:
                continue
            if name in kept:
                policies[name] = kept[name]
                continue
            if not isinstance(rule, TunedRule):
                policies[name] = rule.make(run.parameters, 0)
                continue
            status.update(f"tuning {name}")
            label = f"{name}_in_units"  # else it would be taken for the one that orders by actions
            policies[name] = tuner(run.problem, run.parameters, label, rule).policy
    return policies


def read_opening(path: Path, parameters: Any) -> Opening:
    """Return what stores had in the first morning of the evaluation period.

    Raises
    ------
    InputError
        If the file is of another morning, or says nothing of a store and SKU.
    """
    history = parameters.history
    state = read_state(path, history)
    first = history.table.date(history.starts("evaluation", 1).start)
    if state.day is not None and state.day != first:
        raise InputError(
            f"{path.name}: date = {state.day}: the evaluation begins on {first}; give the state of "
            "that morning, or move --split"
        )
    shape = history.mean.shape
    missing = np.ones(shape, np.bool_)
    for sku, store in state.places:
        missing[sku, store] = False
    for sku, store in np.argwhere(missing)[:1].tolist():
        names = history.table.stores[store], history.table.skus[sku]
        what = ", ".join(names if shape[0] > 1 else names[:1])
        raise InputError(f"{path.name}: has no row of {what}; a replay begins with all of them")
    at = tuple(np.array(state.places).T)
    lead_time = parameters.longest_lead_time
    on_hand, due = np.zeros(shape), np.zeros((*shape, lead_time))
    on_hand[at] = state.on_hand
    due[at] = state.due(first, lead_time, history.table.periods)
    return Opening(on_hand, due)
