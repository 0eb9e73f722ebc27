"""Which rule or agent to order by: rolling origins before the split choose, the days after tell."""

import datetime as dt
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.config import RunConfig
from agents.run_files import BEST
from agents.tuned_file import json_values
from baselines.policy import Policy
from baselines.registry import Baseline, rules_in_units
from baselines.tuned_rules import TunedRule, tune_rule
from common.errors import InputError
from demand.calendar import period_days
from demand.dates import PeriodName
from demand.known_demand import KNOWN_DAYS
from evaluation.replay import Replay, mean_cost, replay
from training.learners.load import load_agent
from training.trainer import train

FOLDS: dict[PeriodName, tuple[int, int]] = {"day": (28, 91), "week": (6, 13), "month": (4, 6)}
"""Shortest and longest period that chooses, by what the file's periods are."""
LEAST_TRAINING: dict[PeriodName, int] = {
    "day": 4 * KNOWN_DAYS,
    "week": KNOWN_DAYS + 26,
    "month": KNOWN_DAYS + 6,
}
"""Periods that a rule must have before the first origin."""

Report = Callable[[str], None]
"""Called before each piece of work with what it is."""

Rules = Callable[[Any], Mapping[str, Baseline]]


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
        raise InputError(
            f"{table.name}: {days.start} {table.period}s before the split are too few for "
            f"{origins} rolling origins, which need {least + origins * length}; lower "
            "--origins or move --split"
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
        Replays of the periods that choose.
    evaluation : dict
        Replay of the evaluation period.
    values : dict
        Tuned parameters of the rules, from all days before the split.
    policies : dict
        As tuned or trained on all days before the split.
    """

    folds: dict[str, list[Replay]] = field(default_factory=dict)
    evaluation: dict[str, Replay] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)

    def costs(self) -> dict[str, float]:
        """Return cost per year over the periods that choose, the cheapest first."""
        costs = mean_cost(self.folds)
        return dict(sorted(costs.items(), key=lambda item: item[1]))

    @property
    def choice(self) -> str:
        """The cheapest in the periods that choose; of equals the first that was tried."""
        return min(costs := mean_cost(self.folds), key=lambda name: costs[name])


def pieces_of_work(run: RunConfig, origins: int, algo: str | None) -> int:
    """Return how often `play_candidates` reports."""
    return (origins + 1) * (len(rules_in_units(run.parameters)) + (algo is not None))


def play_candidates(
    make_run: Callable[[dt.date, dt.date], RunConfig],
    periods: Periods,
    *,
    algo: str | None,
    folder: Path,
    report: Report,
    rules: Rules | None = None,
) -> Candidates:
    """Tune every rule, and train the agent, before each origin and play the days after it.

    Parameters
    ----------
    make_run : callable
        From a split and the first day after the evaluation period to the configuration.
    periods : Periods
        The days.
    algo : str or None
        The agent's algorithm.
    folder : Path
        Where the agent that is trained on all days before the split goes.
    report : callable
        Told of every piece of work.
    rules : callable, optional
        From the problem's parameters to the rules to choose among; by default all.
    """
    found = Candidates()
    for number, (split, until) in enumerate(periods.folds()):
        run, where = make_run(split, until), f"origin {number + 1} of {len(periods.origins)}"
        for name, (policy, _) in _rules(run, rules, where, report):
            found.folds.setdefault(name, []).append(replay(run.problem, run.parameters, policy))
        if algo is not None:
            report(f"{where}: training {algo}")
            with tempfile.TemporaryDirectory() as scratch:
                played = _agent(run, Path(scratch) / "run")[1]
            found.folds.setdefault(algo, []).append(played)
    run = make_run(periods.split, periods.until)
    for name, (policy, values) in _rules(run, rules, "all days", report):
        found.policies[name], found.values[name] = policy, values
        found.evaluation[name] = replay(run.problem, run.parameters, policy)
    if algo is not None:
        report(f"all days: training {algo}")
        found.policies[algo], found.evaluation[algo] = _agent(run, folder)
    return found


def _rules(
    run: RunConfig, rules: Rules | None, where: str, report: Report
) -> Iterator[tuple[str, tuple[Policy, dict[str, Any]]]]:
    """Yield every rule by name, with its parameters, as tuned on the run's training days."""
    for name, rule in (rules or rules_in_units)(run.parameters).items():
        report(f"{where}: {name}")
        if isinstance(rule, TunedRule):
            tuned = tune_rule(run.problem, run.parameters, name, rule)
            yield name, (tuned.policy, dict(json_values(tuned.values)))
        else:
            yield name, (rule.make(run.parameters, 0), {})


def _agent(run: RunConfig, folder: Path) -> tuple[Policy, Replay]:
    train(run, folder, quiet=True)
    policy = load_agent(folder, BEST)[1]
    step = run.settings.observation.step
    return policy, replay(run.problem, run.parameters, policy, observe_step=step)
