"""Recommendations on real demand, split by split: ``python -m studies.recommend --demand FILE``.

For every lead time and split the choice is made on three rolling origins before the split, as
`recommend.py` makes it, and played once on the days from the split to the next one. It is held
against two choices made on the same days, the cheapest tuned rule that does not look at what is
known ahead and the choice among all rules that do not, or against one rule (``--rival``), and
against the cheapest of all on the evaluation days, which nobody can know. Splits, lead times and
costs are fixed here; all of them are printed as they fall, and so are the dearest rule and random
play beside the cheapest. With ``--algo`` an agent is trained for every period and is one more
candidate; the choice is held against the one among rules alone, and the agent's own cost against
that too.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

import datetime as dt
import hashlib
import io
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import pandas as pd

from commands.recommendation.agent import play_agent
from commands.recommendation.runs import runs_of_agent, runs_of_rules
from commands.recommendation.selection import Candidates, play_rules
from baselines.registry import RANDOM_PLAY, Baseline, rules_in_units
from demand.dates import PeriodName
from demand.forecasts.forecast import COVARIATES
from common.errors import InputError, choose
from common.files import read_arrays, write_whole
from evaluation.replay import ARRAYS, Replay, mean_cost, replay, saved_per_year
from studies.experiment import runs_option

SPLITS = ("2018-01-01", "2018-05-01", "2018-09-01", "2019-01-01")
LEAD_TIMES = (1, 2, 7)
ORIGINS = 3
DAYS_A_WEEK = 7
EVERY_STORE = ("2", "3", "17", "19", "20", "24", "26", "27")
"""Stores of the bakery's file that sell all the time."""


Rival = Callable[[Candidates], str]


@click.command()
@click.option("--demand", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--stores", default=",".join(EVERY_STORE), show_default=True)
@click.option("--rules", "prefixes", multiple=True, help="Only rules whose names begin so [all].")
@click.option("--rival", help="The rule to hold the choice against [two choices, see above].")
@click.option("--algo", help="Train an agent beside the rules, as recommend.py does.")
@click.option("--holidays", help="As for train.py.")
@click.option("--lead-time", "lead_times", type=int, multiple=True, default=LEAD_TIMES)
@click.option("--split", "splits", type=click.Choice(SPLITS), multiple=True, default=SPLITS)
@click.option("--weekly", is_flag=True, help="Weekly sums of the file, and lead times in weeks.")
@click.option("--set", "assignments", multiple=True, help="As for train.py.")
@runs_option
def main(
    *,
    demand: Path,
    stores: str,
    prefixes: tuple[str, ...],
    rival: str | None,
    algo: str | None,
    holidays: str | None,
    lead_times: tuple[int, ...],
    splits: tuple[str, ...],
    weekly: bool,
    assignments: tuple[str, ...],
    kept: Path | None,
) -> None:
    """Print a row for every lead time and split, and a line over all of them for each rival."""
    names = f"demand_data.stores=[{', '.join(repr(name) for name in stores.split(','))}]"
    if algo is not None and (len(prefixes) > 1 or rival):
        raise InputError("--algo: goes with one --rules at most, and not with --rival")
    rivals = _rivals(prefixes, rival) if algo is None else {"the choice among rules": _best_rule}
    heads = ("lead time", "from", "chosen", "cost a year")
    against = [head for name in rivals for head in (name, "saved")]
    agent = () if algo is None else (algo, "saved against the rule")
    more = ("cheapest", "dearer than it", "dearest", "random play")
    columns = (*heads, *against, *agent, *more)
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    own: list[Replay] = []
    others: dict[str, list[Replay]] = {name: [] for name in rivals}
    held = ExitStack()
    agents: list[Replay] = []
    flags: dict[str, Any] = {"demand": demand, "holidays": holidays}
    if weekly:
        flags["demand"] = _weekly_sums(demand, Path(held.enter_context(TemporaryDirectory())))
    for lead_time in lead_times:
        given = (names, f"store.lead_time={lead_time}", *assignments)
        for split, until in zip(SPLITS, (*SPLITS[1:], None), strict=True):
            if split not in splits:
                continue
            cell = _Cell(flags, given, split, until, algo)
            found, random = cell.played(prefixes or ("",), kept)
            own.append(found.evaluation[found.choice])
            chosen = {name: choice(found) for name, choice in rivals.items()}
            for name, one in chosen.items():
                others[name].append(found.evaluation[one])
            agents += [] if algo is None else [found.evaluation[algo]]
            cells = _row(lead_time, split, found, list(chosen.values()), random, algo)
            print(f"| {' | '.join(cells)} |", flush=True)
    held.close()
    for name, replays in others.items():
        print(f"\nOver all: {_saved(own, replays)} saved against {name}.")
        if agents:
            print(f"{algo}, chosen or not: {_saved(agents, replays)} saved against it.")


def _rivals(prefixes: tuple[str, ...], rival: str | None) -> dict[str, Rival]:
    """Return what the choice is held against, as functions of the candidates."""
    if rival is not None:
        return {rival: lambda found: choose("rule", rival, found.folds)}
    tuned = {"the best tuned rule without covariates": lambda name: name.startswith("tuned_")}
    every = {"the choice without covariates": lambda _: True}
    some = any("tuned_".startswith(p[:6]) for p in prefixes or ("",))

    def choice_among(admits: Callable[[str], bool]) -> Rival:
        return lambda found: _blind(found, admits)

    return {
        name: choice_among(admits) for name, admits in {**(tuned if some else {}), **every}.items()
    }


def _best_rule(found: Candidates) -> str:
    """Return the choice among rules; what is known of an agent is no tuned value."""
    return found.choice_among(found.values)


def _blind(found: Candidates, admits: Callable[[str], bool]) -> str:
    """Return the cheapest in the periods that choose of those that look at nothing known ahead."""
    costs = found.costs()
    some = [name for name in costs if not name.endswith(COVARIATES) and admits(name)]
    return min(some, key=lambda name: costs[name])


@dataclass(frozen=True)
class _Cell:
    """One split and lead time of the study."""

    flags: Mapping[str, Any]
    given: tuple[str, ...]
    split: str
    until: str | None
    algo: str | None

    def played(self, prefixes: tuple[str, ...], kept: Path | None) -> tuple[Candidates, Replay]:
        """Return what the rules whose names begin so did, and random play; kept where asked to.

        They are kept prefix by prefix: more rules join those that were played before.
        """
        found, random = Candidates(), None
        for prefix in prefixes:
            path = kept and kept / f"{self.split}__{self._digest(prefix)}.npz"
            if path is not None and path.exists():
                some, random = _read_cell(path, self.algo)
            else:
                some, random = self._play(prefix)
                if path is not None:
                    _write_cell(path, some, random)
            found = _together(found, some)
        assert random is not None  # noqa: S101  (there is a prefix)
        return found, random

    def _digest(self, prefix: str) -> str:
        asked = {**self.flags, "demand": self.flags["demand"].name}
        text = str((asked, self.given, self.split, self.until, self.algo, prefix))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _play(self, prefix: str) -> tuple[Candidates, Replay]:
        last = () if self.until is None else (f"demand_data.until={self.until}",)
        asked = {**self.flags, "split": self.split}, (*self.given, *last), self.algo
        rules, periods = runs_of_rules(*asked, ORIGINS)

        def some(parameters: Any) -> dict[str, Baseline]:
            every = rules_in_units(parameters)
            return {name: rule for name, rule in every.items() if name.startswith(prefix)}

        found = play_rules(rules, periods, report=_silent, rules=some)
        agent = runs_of_agent(*asked, rules, periods)
        if agent is not None:
            with TemporaryDirectory() as scratch:
                folder = Path(scratch) / "run"
                if play_agent(found, agent, periods, folder=folder, report=_silent):
                    raise KeyboardInterrupt
        run = rules(periods.split, periods.until)
        random = RANDOM_PLAY.make(run.parameters, 0)
        return found, replay(run.problem, run.parameters, random)


def _silent(what: str) -> None:
    """Report nothing: a row is printed when it is complete."""
    del what


def _together(some: Candidates, others: Candidates) -> Candidates:
    return Candidates(
        {**some.folds, **others.folds},
        {**some.evaluation, **others.evaluation},
        {**some.values, **others.values},
        same_as={**some.same_as, **others.same_as},
    )


PERIODS: tuple[PeriodName, ...] = ("day", "week", "month")


def _write_cell(path: Path, found: Candidates, random: Replay) -> None:
    """Write what was played, so that the same command prints it without playing it again."""
    played = {f"evaluation/{name}/0": one for name, one in found.evaluation.items()}
    for name, replays in found.folds.items():
        played |= {f"fold/{name}/{k}": one for k, one in enumerate(replays)}
    arrays: dict[str, Any] = {}
    for where, one in {**played, "random/random/0": random}.items():
        arrays |= {f"{where}/{name}": getattr(one, name) for name in ARRAYS}
        what = one.first_day.toordinal(), PERIODS.index(one.period)
        arrays[f"{where}/first day, period"] = np.array(what)
    for name, values in found.values.items():
        arrays |= {f"values/{name}/0/{key}": np.array(float(x)) for key, x in values.items()}
    arrays |= {f"same as/{name}/0/{rule}": np.array(0) for name, rule in found.same_as.items()}
    file = io.BytesIO()
    np.savez(file, **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, file.getvalue())


def _read_cell(path: Path, algo: str | None) -> tuple[Candidates, Replay]:
    """Return what `_write_cell` wrote, without the policies."""
    parts: dict[tuple[str, ...], dict[str, Any]] = {}
    for key, array in read_arrays(path, path.name).items():
        *where, name = key.split("/")
        parts.setdefault(tuple(where), {})[name] = array
    found, random = Candidates(), None
    for (kind, name, _), arrays in parts.items():
        if kind == "values":
            found.values[name] = {key: float(value) for key, value in arrays.items()}
            continue
        if kind == "same as":
            (found.same_as[name],) = arrays
            continue
        day, period = arrays["first day, period"].tolist()
        whole: dict[str, Any] = {name: arrays[name] for name in ARRAYS}
        one = Replay(dt.date.fromordinal(day), **whole, period=PERIODS[period])
        if kind == "fold":
            found.folds.setdefault(name, []).append(one)
        elif kind == "evaluation":
            found.evaluation[name] = one
            if name != algo:  # nothing is tuned of some rules
                found.values.setdefault(name, {})
        else:
            random = one
    if random is None:
        raise InputError(f"{path}: holds no cell of this study; remove it")
    return found, random


def _weekly_sums(demand: Path, folder: Path) -> Path:
    """Write weekly sums of a long file, those of flags being days of them; whole weeks alone."""
    days = pd.read_csv(demand, parse_dates=["date"])
    weeks = days["date"] - pd.to_timedelta(days["date"].dt.day_of_week, unit="D")
    whole = days["date"].groupby(weeks).transform("nunique") == DAYS_A_WEEK
    keys = [days.loc[whole, name] for name in ("store", "product")]
    sums = days[whole].drop(columns=["date", "store", "product"])
    path = folder / f"weekly_{demand.name}"
    sums.groupby([weeks[whole].rename("week"), *keys]).sum().to_csv(path)
    return path


def _row(
    lead_time: int,
    split: str,
    found: Candidates,
    rivals: list[str],
    random: Replay,
    algo: str | None,
) -> list[str]:
    """Return the cells of a row."""
    costs = {name: one.cost_per_year for name, one in found.evaluation.items()}
    cheapest, dearest = (pick(costs, key=lambda name: costs[name]) for pick in (min, max))
    own = found.evaluation[found.choice]
    cells = [str(lead_time), split, found.choice, f"{costs[found.choice]:,.0f}"]
    for rival in rivals:
        saved = _saved([own], [found.evaluation[rival]])
        cells += [f"{rival}: {costs[rival]:,.0f}", saved]
    if algo is not None:
        saved = _saved([found.evaluation[algo]], [found.evaluation[rivals[0]]])
        cells += [f"{costs[algo]:,.0f}", saved]
    cells += [
        cheapest,
        f"{costs[found.choice] / costs[cheapest] - 1:+.1%}",
        f"{dearest}: {costs[dearest] / costs[cheapest] - 1:+.0%}",
        f"{random.cost_per_year / costs[cheapest] - 1:+.0%}",
    ]
    return cells


def _saved(own: list[Replay], others: list[Replay]) -> str:
    """Return what is saved, in percent of the others' cost, with its interval."""
    saved, base = saved_per_year(own, others), mean_cost({"rival": others})["rival"]
    return f"{saved.mean / base:+.1%} [{saved.low / base:+.1%}, {saved.high / base:+.1%}]"


if __name__ == "__main__":
    main()
