"""The configurations of rules and of the agent, for every period of a recommendation.

An agent's models are selected on days of their own before each origin. Rules are tuned on those
days too, so that what comes of them is the same with an agent beside them and without one. So is
the rule that a trained agent chooses offsets to: an agent that moves no order is the rule, exactly.
"""

import datetime as dt
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from agents.algorithms import ALGORITHMS
from agents.config import RunConfig, resolve
from commands.recommendation.selection import Periods, period_before, periods_of
from common.console import screen
from common.errors import InputError
from demand.calendar import period_days
from demand.known_demand import KNOWN_DAYS

ANY_ALGORITHM = "ppo"
"""Whose recipe gives the parameters of the problem where rules play."""

AUTO, DEFAULT_AGENT = "auto", "dcl"
MOST_SERIES = 1_000
"""Stores x SKUs of a file, at most, for which an agent is trained without being asked for."""

LEAST_EPISODE = 6
"""Periods of an episode, at least, where rules are tuned and agents are trained."""


class NoRoomError(InputError):
    """There are too few days before the first origin."""


class Runs:
    """From a split and the first day after the evaluation period to the configuration.

    Parameters
    ----------
    flags : mapping
        As `agents.config.resolve`; also ``until``.
    assignments : tuple of str
        ``key=value``, as ``--set``.
    rules : Runs, optional
        Those of the rules, for an agent's, which is judged by the same costs.
    selects : bool
        Whether the last days before a split select models, and do not train.
    """

    def __init__(
        self,
        flags: Mapping[str, Any],
        assignments: tuple[str, ...],
        rules: "Runs | None" = None,
        *,
        selects: bool = False,
    ) -> None:
        own = dict(flags)
        until = own.pop("until", None)
        last = () if until is None else (f"demand_data.until={until}",)
        self._flags, self._given, self._rules = own, (*assignments, *last), rules
        self._selects = selects
        self._shorter: tuple[str, ...] = ()
        self.make = cache(self._make)  # finding the costs of service levels takes long

    def __call__(self, split: dt.date, end: dt.date) -> RunConfig:
        """Return the configuration for a split and the first day after the evaluation period."""
        return self.make(split, end)

    def _make(self, split: dt.date | None = None, end: dt.date | None = None) -> RunConfig:
        own, more = dict(self._flags), () if end is None else (f"demand_data.until={end}",)
        if split is not None and end is not None:
            own["split"] = split.isoformat()
            if not self._selects:
                own["validation"] = period_before((self._rules or self).make(), split)
            if self._rules is not None:
                costs = self._rules(split, end).parameters.demand_data.service_costs
                more = (*more, f"demand_data.service_costs={list(costs)}") if costs else more
        run = resolve(own, assignments=(*self._shorter, *self._given, *more))
        if run.parameters.objective != "cost":
            raise InputError("objective: a recommendation counts money; leave it at cost")
        return run

    def on_all_days(self) -> "Runs":
        """Return the same configurations, none of whose days before a split select models."""
        return Runs(self._flags, (*self._shorter, *self._given), self._rules)

    def fit_episodes(self, periods: Periods) -> None:
        """Make episodes so short that there is room for them before the first origin.

        Raises
        ------
        NoRoomError
            If there is none for `LEAST_EPISODE` periods, or for as many as the user asks for.
        """
        first = self(*next(periods.folds()))
        table, room = first.parameters.history.table, self._longest_episode(first)
        if room < LEAST_EPISODE:
            raise NoRoomError(
                f"{table.name}: before the first origin there is room for episodes of {room} "
                f"{table.period}s, and {LEAST_EPISODE} are needed; lower --origins or move --split"
            )
        if room < first.parameters.horizon:
            self._shorter = (f"horizon={room}",)
            self.make.cache_clear()
        asked = self(periods.split, periods.until).parameters.horizon
        if room < asked:
            raise NoRoomError(
                f"horizon = {asked}: before the first origin there is room for {room} "
                f"{table.period}s; say --set horizon={room}, or nothing"
            )

    def _longest_episode(self, first: RunConfig) -> int:
        """Return how long episodes can be before the first origin [periods]."""
        table, source = first.parameters.history.table, first.parameters.demand_data
        training, selection = (
            len(period_days(table, source, split)) for split in ("training", "validation")
        )
        room = training - KNOWN_DAYS
        return min(room, selection) if self._selects else room


def runs_of_rules(
    flags: Mapping[str, Any], assignments: tuple[str, ...], algo: str | None, origins: int
) -> tuple[Runs, Periods]:
    """Return the rules' configurations, and the periods of the file.

    Parameters
    ----------
    flags, assignments : mapping, tuple of str
        As for `Runs`.
    algo : str or None
        As for `runs_of_agent`; what is assigned to its hyperparameters is nothing to rules.
    origins : int
        How many periods before the split choose.

    Raises
    ------
    InputError
        As `agents.config.resolve`, and if there are too few days.
    """
    named = DEFAULT_AGENT if algo == AUTO else algo
    known = ALGORITHMS[named].settings.model_fields if named in ALGORITHMS else {}
    heads = {one: one.partition("=")[0].partition(".")[0] for one in assignments}
    of_problem = [one for one in assignments if heads[one] not in {"hyperparameters", *known}]
    runs = Runs({**flags, "algo": ANY_ALGORITHM}, tuple(of_problem))
    periods = periods_of(runs.make(), origins)
    runs.fit_episodes(periods)
    return runs, periods


def runs_of_agent(
    flags: Mapping[str, Any],
    assignments: tuple[str, ...],
    algo: str | None,
    rules: Runs,
    periods: Periods,
) -> Runs | None:
    """Return the configurations of an agent, None if none is trained.

    Parameters
    ----------
    flags, assignments : mapping, tuple of str
        As for `Runs`.
    algo : str or None
        The algorithm, None for no agent, or `AUTO`: `DEFAULT_AGENT`, unless the file is large or
        too short for it.
    rules, periods : Runs, Periods
        As returned by `runs_of_rules`.

    Raises
    ------
    InputError
        As `runs_of_rules`.
    """
    if algo is None:
        return None
    p = rules(periods.split, periods.until).parameters
    series = len(p.sku) * p.num_stores
    if algo == AUTO and series > MOST_SERIES:
        say_no_agent(
            f"{series:,} stores x SKUs are more than {MOST_SERIES:,} (--algo {DEFAULT_AGENT} "
            "trains one)"
        )
        return None
    named = DEFAULT_AGENT if algo == AUTO else algo
    cores: tuple[str, ...] = ()
    if named in ALGORITHMS and "workers" in ALGORITHMS[named].settings.model_fields:
        cores = (f"workers={os.cpu_count() or 1}",)  # nothing that is learned depends on it
    runs = Runs({**flags, "algo": named}, (*cores, *assignments), rules, selects=True)
    try:
        runs.fit_episodes(periods)
    except NoRoomError as error:
        if algo != AUTO:
            raise
        say_no_agent(error)
        return None
    return runs


def say_no_agent(why: object) -> None:
    """Print why no agent is trained, where nobody asked for one."""
    screen.print(f"no agent is trained beside the rules: {why}", soft_wrap=True)
