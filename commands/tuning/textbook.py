"""Rules of textbook instances as tuning by simulation finds them, beside the best of their kind."""

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from baselines.average_cost import average_cost, solved_rules
from baselines.multi_agent import TeamPolicy
from baselines.registry import make_baselines
from baselines.rules.stock_rule import StockLevels
from baselines.serial_chain import serial_chain
from commands.textbook import is_large, load, names
from common.console import PlainConsole, screen
from common.errors import choose

WORSE = 0.002
"""Share of the least cost by which a tuned rule may cost more: about what its traces tell."""


@dataclass(frozen=True)
class Compared:
    """A tuned rule, what it costs, and the best of its kind, exactly [money/day]."""

    instance: str
    baseline: str
    best: StockLevels
    best_cost: float
    tuned: StockLevels
    tuned_cost: float

    @property
    def agrees(self) -> bool:
        """Whether tuning found the best rule or one that costs hardly more."""
        return self.tuned_cost <= (1.0 + WORSE) * self.best_cost

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "baseline": self.baseline,
            "tuned": _numbers(self.tuned),
            "tuned_cost": self.tuned_cost,
            "best": _numbers(self.best),
            "best_cost": self.best_cost,
            "agrees": self.agrees,
        }


def kind_of(rule: StockLevels) -> str:
    """Return the baseline whose family a rule belongs to."""
    if math.isfinite(float(rule.values["cap"])):
        return "tuned_capped_level"
    point = math.isfinite(float(rule.values["reorder_point"]))
    return "tuned_reorder_level" if point else "tuned_level"


def instances() -> list[str]:
    """Return the names of the instances of a single store whose rules are in whole units."""
    return [name for name in names() if name != "newsvendor" and not _is_other(name)]


def _is_other(name: str) -> bool:
    return is_large(name) or serial_chain(load(name)[0].parameters) is not None


def compare_tuned(name: str) -> list[Compared]:
    """Tune the rules of an instance and hold each against the best of its kind."""
    parameters = load(name)[0].parameters
    solved = [s for s in solved_rules(parameters) if isinstance(s.rule, StockLevels)]
    kinds = {kind_of(s.rule): s for s in solved if isinstance(s.rule, StockLevels)}
    found = []
    for kind, policy in make_baselines("stores", parameters, kinds).items():
        best = kinds[kind].rule
        rule = policy.players["store"] if isinstance(policy, TeamPolicy) else None
        assert isinstance(rule, StockLevels)  # noqa: S101  (that is what the families make)
        assert isinstance(best, StockLevels)  # noqa: S101
        cost = average_cost(parameters, rule)
        assert cost is not None  # noqa: S101  (the instance was solved)
        found.append(Compared(name, kind, best, kinds[kind].cost, rule, cost))
    return found


def check_all_tuned(wanted: Sequence[str], *, as_json: bool) -> bool:
    """Compare the rules of instances, all if none is named, and print them.

    Returns
    -------
    bool
        Whether all agree.
    """
    for name in wanted:
        choose("textbook instance", name, instances())
    found: list[Compared] = []
    for name in wanted or instances():
        with screen.status(name):
            found += compare_tuned(name)
    if as_json:
        rows = [{"instance": one.instance, **one.to_json()} for one in found]
        print(json.dumps(rows, indent=2, allow_nan=False))
    else:
        PlainConsole().print(tuned_table(found))
    return all(one.agrees for one in found)


def tuned_table(found: Sequence[Compared]) -> Table:
    """Return a table of instances, with a line for each rule."""
    shown = Table(box=None, pad_edge=False, caption_justify="left")
    shown.caption = f"Exact cost per day. Agrees: at most {WORSE:.1%} above the best of its kind."
    for heading in ("instance, rule", "tuned", "cost", "best", "cost", "agrees"):
        shown.add_column(heading, justify="right" if heading == "cost" else "left", no_wrap=True)
    for instance, rules in itertools.groupby(found, lambda one: one.instance):
        shown.add_row(instance)
        for one in rules:
            shown.add_row(
                f"  {one.baseline}",
                *(_parameter_text(one.tuned), f"{one.tuned_cost:.4f}"),
                *(_parameter_text(one.best), f"{one.best_cost:.4f}"),
                "yes" if one.agrees else f"NO, {one.tuned_cost / one.best_cost - 1.0:+.2%}",
            )
    return shown


SYMBOLS = {"level": "S", "reorder_point": "s", "cap": "r"}


def _numbers(rule: StockLevels) -> dict[str, float]:
    values = {SYMBOLS[name]: float(value) for name, value in rule.values.items()}
    return {symbol: value for symbol, value in values.items() if math.isfinite(value)}


def _parameter_text(rule: StockLevels) -> str:
    return " ".join(f"{symbol}={value:g}" for symbol, value in _numbers(rule).items())
