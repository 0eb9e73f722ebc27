"""Recommendations on real demand, split by split: ``python -m studies.recommend --demand FILE``.

For every lead time and split the choice is made on three rolling origins before the split, as
`recommend.py` makes it, and played once on the days from the split to the next one. It is held
against the choice among rules that do not look at what is known ahead, made on the same days, or
against one rule (``--rival``), and against the cheapest of all on the evaluation days, which nobody
can know. Splits, lead times and costs are fixed here; all of them are printed as they fall, and so
are the dearest rule and random play beside the cheapest.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

import datetime as dt
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import pandas as pd

from agents.config import RunConfig, resolve
from commands.recommendation.selection import (
    Candidates,
    Periods,
    period_before,
    periods_of,
    play_candidates,
)
from baselines.registry import RANDOM_PLAY, Baseline, rules_in_units
from demand.forecast import COVARIATES
from common.errors import choose
from evaluation.replay import Replay, mean_cost, replay, saved_per_year

SPLITS = ("2018-01-01", "2018-05-01", "2018-09-01", "2019-01-01")
LEAD_TIMES = (1, 2, 7)
ORIGINS = 3
DAYS_A_WEEK = 7
EVERY_STORE = ("2", "3", "17", "19", "20", "24", "26", "27")
"""Stores of the bakery's file that sell all the time."""


@click.command()
@click.option("--demand", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--stores", default=",".join(EVERY_STORE), show_default=True)
@click.option("--rules", "prefixes", multiple=True, help="Only rules whose names begin so [all].")
@click.option("--rival", help="The rule to hold the choice against [one without covariates].")
@click.option("--holidays", help="As for train.py.")
@click.option("--lead-time", "lead_times", type=int, multiple=True, default=LEAD_TIMES)
@click.option("--weekly", is_flag=True, help="Weekly sums of the file, and lead times in weeks.")
@click.option("--set", "assignments", multiple=True, help="As for train.py.")
def main(
    *,
    demand: Path,
    stores: str,
    prefixes: tuple[str, ...],
    rival: str | None,
    holidays: str | None,
    lead_times: tuple[int, ...],
    weekly: bool,
    assignments: tuple[str, ...],
) -> None:
    """Print a row for every lead time and split, and a line over all of them."""
    names = f"demand_data.stores=[{', '.join(repr(name) for name in stores.split(','))}]"
    against = rival or "without covariates"
    heads = ("lead time", "from", "chosen", "cost a year", against, "saved")
    more = ("cheapest", "dearer than it", "dearest", "random play")
    print(f"| {' | '.join((*heads, *more))} |")
    print("|---" * (len(heads) + len(more)) + "|")
    own: list[Replay] = []
    others: list[Replay] = []
    held = ExitStack()
    if weekly:
        demand = _weekly_sums(demand, Path(held.enter_context(TemporaryDirectory())))
    for lead_time in lead_times:
        given = (names, f"store.lead_time={lead_time}", *assignments)
        for split, until in zip(SPLITS, (*SPLITS[1:], None), strict=True):
            flags = {"demand": demand, "holidays": holidays}
            found, random = _cell(flags, given, prefixes, split, until)
            choice = found.choice
            other = _blind_choice(found) if rival is None else choose("rule", rival, found.folds)
            own.append(found.evaluation[choice])
            others.append(found.evaluation[other])
            print(_row(lead_time, split, found, (choice, other), random), flush=True)
    held.close()
    saved = saved_per_year(own, others)
    base = mean_cost({"rival": others})["rival"]
    print(
        f"\nOver all: {saved.mean / base:+.1%} [{saved.low / base:+.1%}, {saved.high / base:+.1%}] "
        f"saved against {rival or 'the choice without covariates'}."
    )


def _cell(
    flags: dict[str, Any],
    given: tuple[str, ...],
    prefixes: tuple[str, ...],
    split: str,
    until: str | None,
) -> tuple[Candidates, Replay]:
    def make_run(start: dt.date, end: dt.date) -> RunConfig:
        days = {"split": str(start), "validation": period_before(first, start)}
        asked = {"algo": "ppo", **flags, **days}
        return resolve(asked, assignments=(*given, f"demand_data.until={end}"))

    last = () if until is None else (f"demand_data.until={until}",)
    first = resolve({"algo": "ppo", **flags, "split": split}, assignments=(*given, *last))
    periods: Periods = periods_of(first, ORIGINS)

    def some(parameters: Any) -> dict[str, Baseline]:
        every = rules_in_units(parameters)
        return {name: rule for name, rule in every.items() if name.startswith(prefixes or ("",))}

    with TemporaryDirectory() as scratch:
        where: dict[str, Any] = {"folder": Path(scratch), "report": lambda _: None}
        found = play_candidates(make_run, periods, algo=None, rules=some, **where)
    run = make_run(periods.split, periods.until)
    random = RANDOM_PLAY.make(run.parameters, 0)
    return found, replay(run.problem, run.parameters, random)


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


def _blind_choice(found: Candidates) -> str:
    costs = found.costs()
    return min((n for n in costs if not n.endswith(COVARIATES)), key=lambda name: costs[name])


def _row(
    lead_time: int, split: str, found: Candidates, names: tuple[str, str], random: Replay
) -> str:
    choice, rival = names
    costs = {name: one.cost_per_year for name, one in found.evaluation.items()}
    cheapest, dearest = (pick(costs, key=lambda name: costs[name]) for pick in (min, max))
    saved = saved_per_year([found.evaluation[choice]], [found.evaluation[rival]])
    base = costs[rival]
    cells = (
        str(lead_time),
        split,
        choice,
        f"{costs[choice]:,.0f}",
        f"{rival}: {base:,.0f}",
        f"{saved.mean / base:+.1%} [{saved.low / base:+.1%}, {saved.high / base:+.1%}]",
        cheapest,
        f"{costs[choice] / costs[cheapest] - 1:+.1%}",
        f"{dearest}: {costs[dearest] / costs[cheapest] - 1:+.0%}",
        f"{random.cost_per_year / costs[cheapest] - 1:+.0%}",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
