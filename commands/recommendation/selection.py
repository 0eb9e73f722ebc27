"""Which rule or agent to order by: rolling origins before the split choose, the days after tell.

The cheapest of a dozen on a few months is in part the luckiest. So the choice is the simplest
candidate that is not surely dearer than the cheapest: whose mean difference to it, paired day by
day, is within one standard error, from sums over blocks of the calendar. Simpler is what has fewer
parameters that were tuned on costs; of those that have the same number the cheapest is taken.
What a forecast learns of demand does not count: levels of what is known ahead are shrunk towards
none already, and pay on few days, so that months without a holiday say little against them; and
trees are judged by days that they were not fitted to. Nor does what multiplies a newsvendor's
safety stock, which needs no tuning where demand waits.

References
----------
Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees, section 3.4.3 (the
rule of one standard error); Cochran (1977), Sampling Techniques, 3rd ed., section 6.4 (the standard
error of a mean over blocks of unequal lengths).
"""

import datetime as dt
import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from agents.config import RunConfig
from agents.tuned_file import json_values
from baselines.policy import Policy
from baselines.registry import Baseline, count_tuned, installed, rules_in_units
from baselines.rule_choice import Difference
from baselines.rules.rolling_reorder_point import orders_in_lots
from baselines.tuned_rules import TunedRule, tune_rule
from common.errors import InputError
from common.sharing import map_threads
from demand.calendar import period_days
from demand.dates import BLOCKS, PeriodName
from demand.known_demand import KNOWN_DAYS
from evaluation.business.service_levels import ServiceRecord
from evaluation.replay import Replay, mean_cost, replay

FOLDS: dict[PeriodName, tuple[int, int]] = {"day": (28, 91), "week": (6, 13), "month": (4, 6)}
"""Shortest and longest period that chooses, by what the file's periods are."""
LEAST_TRAINING: dict[PeriodName, int] = {
    "day": 4 * KNOWN_DAYS,
    "week": KNOWN_DAYS + 26,
    "month": KNOWN_DAYS + 6,
}
"""Periods that a rule must have before the first origin."""

MOST_MISSED = 1.25
"""Of the units that fill rates allow to miss, or that the candidate nearest to them does."""

USUAL_RULE, USUAL_RULE_IN_LOTS = "tuned_base_stock", "tuned_reorder_point"
"""What savings are counted against."""

MANY = 1_000
"""Parameters that an agent counts for: more than are tuned of any rule."""

THREADS = 4
"""Rules that are tuned and played at a time, at most: each takes some room."""

Report = Callable[[str], None]
"""Called before each piece of work with what it is."""

Rules = Callable[[Any], Mapping[str, Baseline]]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Periods:
    """Days of a file by what a recommendation does with them.

    Attributes
    ----------
    origins : tuple of date
        First days of the periods that choose, each of which trains on all days before it.
    split, until : date
        First day of the evaluation period, and the first after it.
    """

    origins: tuple[dt.date, ...]
    split: dt.date
    until: dt.date

    def folds(self) -> Iterator[tuple[dt.date, dt.date]]:
        """Yield first day, and first day after it, of every period that chooses."""
        yield from zip(self.origins, (*self.origins[1:], self.split), strict=True)


def periods_of(run: RunConfig, origins: int) -> Periods:
    """Return the periods of a run's file.

    Raises
    ------
    InputError
        If there are too few days before the split.
    """
    table, source = run.parameters.history.table, run.parameters.demand_data
    days = period_days(table, source, "evaluation")
    shortest, longest = FOLDS[table.period]
    shortest = max(shortest, run.parameters.warmup_days + 1)
    length = min(max(longest, shortest), max(shortest, days.start // (2 * (origins + 1))))
    if days.start - origins * length < (least := LEAST_TRAINING[table.period]):
        fewer = "lower --origins or move --split" if origins > 1 else "move --split later"
        raise InputError(
            f"{table.name}: {days.start} of {table.days} {table.period}s lie before the split, and "
            f"--origins {origins} needs {least + origins * length}; {fewer}, or give a longer file"
        )

    first = [days.start - length * (origins - k) for k in range(origins)]
    return Periods(tuple(map(table.date, first)), table.date(days.start), table.date(days.stop))


def period_before(run: RunConfig, split: dt.date) -> str:
    """Return the date on which the last period before a split begins.

    Rules need none that select a model, so that this one is enough for selection.
    """
    periods = run.parameters.history.table.periods
    before: dt.date = periods.date(periods.number(split) - 1)
    return before.isoformat()


@dataclass
class Candidates:
    """What may be recommended, and what it did; dictionaries by name.

    Attributes
    ----------
    folds : dict
        Replays of the periods that choose, of all SKUs and stores together.
    evaluation : dict
        Replay of the evaluation period.
    values : dict
        Tuned parameters of the rules, from all days before the split.
    fold_values : dict
        The same from all days before each origin.
    policies : dict
        As tuned or trained on all days before the split.
    same_as : dict
        The rule that an agent follows exactly after all days before the split.
    service : dict
        What was sold of items with a fill rate to reach, in the periods that choose.
    served : dict
        The same in the evaluation period.
    usual : str
        The rule that savings are counted against.
    """

    folds: dict[str, list[Replay]] = field(default_factory=dict)
    evaluation: dict[str, Replay] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    fold_values: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)
    same_as: dict[str, str] = field(default_factory=dict)
    service: dict[str, ServiceRecord] = field(default_factory=dict)
    served: dict[str, ServiceRecord] = field(default_factory=dict)
    usual: str = USUAL_RULE

    def costs(self) -> dict[str, float]:
        """Return cost per year over the periods that choose, the cheapest first."""
        costs = mean_cost(self.folds)
        return dict(sorted(costs.items(), key=lambda item: item[1]))

    @property
    def agent(self) -> str | None:
        """The agent among them, None without one."""
        return next((name for name in self.evaluation if name not in self.values), None)

    @property
    def cheapest(self) -> str:
        """The cheapest of `serving` in the periods that choose; of equals the first tried."""
        return self._cheapest(self.serving(self.folds))

    def serving(self, names: Iterable[str]) -> list[str]:
        """Return those of the candidates that reach the fill rates asked for, or come nearest.

        Stockout costs that reach a fill rate are those of one rule, and others may miss more with
        them. Those that miss `MOST_MISSED` times what fill rates allow are left out, unless even
        the one that misses least misses more than they allow: then by its own.
        """
        known = {name: self.service.get(name, ServiceRecord()) for name in names}
        least = min(one.missed for one in known.values())
        return [
            name
            for name, one in known.items()
            if one.missed <= MOST_MISSED * max(one.allowed, least)
        ]

    @property
    def choice(self) -> str:
        """The simplest candidate within one standard error of the cheapest, or what it follows."""
        chosen = self.choice_among(self.folds)
        return self.same_as.get(chosen, chosen)

    def choice_among(self, names: Iterable[str]) -> str:
        """Return the choice among some of the candidates: none that is as simple is cheaper."""
        names = self.serving(names)
        best = self._cheapest(names)
        near = [name for name in names if self.dearer(name, best).is_chance]
        simplest = min(map(self.parameters, near))
        return self._cheapest(name for name in names if self.parameters(name) <= simplest)

    def _cheapest(self, names: Iterable[str]) -> str:
        costs = mean_cost(self.folds)
        return min(names, key=lambda name: costs[name])

    def add(self, name: str, played: Replay, served: ServiceRecord) -> None:
        """Add what a candidate did in the next of the periods that choose."""
        self.folds.setdefault(name, []).append(played)
        self.service[name] = self.service.get(name, ServiceRecord()) + served

    def parameters(self, name: str) -> int:
        """Return how many parameters of a candidate were tuned; an agent has many."""
        return count_tuned(self.values[name]) if name in self.values else MANY

    def dearer(self, name: str, other: str) -> Difference:
        """Return how much a candidate costs more per day than another, in the periods that choose.

        A block ends where a period ends, so that all are about as long.
        """
        sums, days = [], []
        for own, its in zip(self.folds[name], self.folds[other], strict=True):
            daily = (own.cost - its.cost).sum(axis=(1, 2))
            count = max(1, round(daily.size / BLOCKS[own.period]))
            for part in np.array_split(daily, count):
                sums.append(float(part.sum()))
                days.append(part.size)
        return Difference.of(np.array(sums), np.array(days))


def usual_rule(parameters: Any, known: Container[str]) -> str:
    """Return the rule among those known that savings are counted against: what most shops do."""
    lots = USUAL_RULE_IN_LOTS in known and orders_in_lots(parameters)
    return USUAL_RULE_IN_LOTS if lots else USUAL_RULE


def pieces_of_work(run: RunConfig, origins: int, *, agent: bool) -> int:
    """Return how often work on all candidates is reported."""
    return (origins + 1) * (len(installed(rules_in_units(run.parameters))) + agent)


def play_rules(
    make_run: Callable[[dt.date, dt.date], RunConfig],
    periods: Periods,
    *,
    report: Report,
    rules: Rules | None = None,
) -> Candidates:
    """Tune every rule before each origin and play the days after it.

    Which rules there are is asked once, of all days before the split: whether stores order in lots
    may change from one origin to the next.

    Parameters
    ----------
    make_run : callable
        From a split and the first day after the evaluation period to the configuration.
    periods : Periods
        The days.
    report : callable
        Told of every piece of work.
    rules : callable, optional
        From the problem's parameters to the rules to choose among; by default all.
    """
    found, folds = Candidates(), list(enumerate(periods.folds(), 1))
    whole = make_run(periods.split, periods.until)
    known = installed((rules or rules_in_units)(whole.parameters))
    for number, days in folds:
        one = _Rules(make_run(*days), known, f"origin {number} of {len(folds)}", report)
        for name, (values, played, service) in one.each(_Rules.play_together).items():
            found.fold_values.setdefault(name, []).append(values)
            found.add(name, played, service)
    every = _Rules(whole, known, f"all before {periods.split}", report)
    for name, (policy, values, played) in every.each(_Rules.play).items():
        found.policies[name], found.values[name] = policy, values
        found.evaluation[name], found.served[name] = played, served(whole, played)
    found.usual = usual_rule(whole.parameters, found.evaluation)
    return found


def served(run: RunConfig, played: Replay) -> ServiceRecord:
    """Return what was sold of items with a fill rate to reach."""
    items = run.parameters.history.items
    return ServiceRecord() if items is None else ServiceRecord.of(played, items.targets)


class _Rules:
    """The rules of a run, which are tuned and played on all cores, several at a time.

    Parameters
    ----------
    run : RunConfig
        Of the training days on which they are tuned, and of the days on which they play.
    known : mapping
        The rules by name.
    where : str
        What to call the days.
    report : callable
        Told of every rule.
    """

    def __init__(
        self, run: RunConfig, known: Mapping[str, Baseline], where: str, report: Report
    ) -> None:
        self._run, self._known, self._where, self._report = run, known, where, report

    def each(self, work: Callable[["_Rules", str], Result]) -> dict[str, Result]:
        """Return what comes of every rule, by name."""
        names, threads = list(self._known), min(os.cpu_count() or 1, THREADS)
        results = map_threads(lambda rules, name, _: work(rules, name), self, names, threads)
        return dict(zip(names, results, strict=True))

    def play(self, name: str) -> tuple[Policy, dict[str, Any], Replay]:
        """Return a rule, its tuned parameters, and what it does on the days that it plays."""
        self._report(f"{self._where}: {name}")
        problem, parameters, rule = self._run.problem, self._run.parameters, self._known[name]
        if isinstance(rule, TunedRule):
            tuned = tune_rule(problem, parameters, name, rule)
            policy, values = tuned.policy, dict(json_values(tuned.values))
        else:
            policy, values = rule.make(parameters, 0), {}
        return policy, values, replay(problem, parameters, policy)

    def play_together(self, name: str) -> tuple[dict[str, Any], Replay, ServiceRecord]:
        """Return its parameters, what it does, all SKUs and stores together, and how it serves."""
        _, values, played = self.play(name)
        return values, played.together(), served(self._run, played)
