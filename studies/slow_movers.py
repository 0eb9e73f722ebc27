"""Newsvendors where demand comes seldom, on made-up sales: ``python -m studies.slow_movers``.

Every series sells on 5 to 30 % of the days, 2 to 9 units on such a day. How often it does is
steady, wanders from day to day, or fades away. Rules learn from two years and are played on the
year after, one day after the other, stock carried over.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

import datetime as dt
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from numpy.typing import NDArray

from agents.config import resolve
from baselines.registry import RANDOM_PLAY, rules_in_units
from evaluation.replay import replay

FIRST, TRAINING, EVALUATION = dt.date(2021, 1, 1), 730, 365
KINDS = ("steady", "wandering", "fading")
RULES = ("newsvendor_average", "newsvendor_weekday", "newsvendor_smoothing", "newsvendor_tsb")


@click.command()
@click.option("--series", default=24, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--lead-time", "lead_times", type=int, multiple=True, default=(1, 7))
@click.option("--set", "assignments", multiple=True, help="As for train.py.")
def main(series: int, seed: int, lead_times: tuple[int, ...], assignments: tuple[str, ...]) -> None:
    """Print what every rule costs a year, for each kind of demand and lead time."""
    columns = ("demand", "lead time", *RULES, "random play")
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    with TemporaryDirectory() as scratch:
        for kind in KINDS:
            path = Path(scratch) / f"{kind}.csv"
            write(path, made_up(kind, series, seed))
            for lead_time in lead_times:
                costs = costs_of_rules(path, (f"store.lead_time={lead_time}", *assignments))
                cells = (kind, str(lead_time), *(f"{cost:,.0f}" for cost in costs))
                print(f"| {' | '.join(cells)} |", flush=True)


def made_up(kind: str, series: int, seed: int) -> NDArray[np.int64]:
    """Return demand of a kind, shape (days, series) [units/day]."""
    rng, days = np.random.default_rng(seed), TRAINING + EVALUATION
    often, much = rng.uniform(0.05, 0.3, series), rng.uniform(1.0, 8.0, series)
    if kind == "wandering":
        often = often * np.exp(np.cumsum(rng.normal(0.0, 0.03, (days, series)), axis=0))
    elif kind == "fading":
        often = often * np.exp(-np.arange(days)[:, None] / 400.0 * rng.uniform(0.0, 2.0, series))
    sold = rng.random((days, series)) < np.clip(often, 0.01, 0.9)
    return np.where(sold, 1 + rng.poisson(much, (days, series)), 0)


def write(path: Path, demand: NDArray[np.int64]) -> None:
    """Write a file with a column for every series, each a store."""
    rows = [f"date,{','.join(f'store {k}' for k in range(demand.shape[1]))}"]
    for t, units in enumerate(demand.tolist()):
        rows.append(f"{FIRST + dt.timedelta(days=t)},{','.join(map(str, units))}")
    path.write_text("\n".join(rows) + "\n")


def costs_of_rules(path: Path, assignments: tuple[str, ...]) -> list[float]:
    """Return the cost a year of every rule, and of random play [money]."""
    split = FIRST + dt.timedelta(days=TRAINING)
    days = {"split": str(split), "validation": str(split - dt.timedelta(days=1))}
    run = resolve({"algo": "ppo", "demand": path, **days}, assignments=assignments)
    known = rules_in_units(run.parameters)
    made = [known[name].make(run.parameters, 0) for name in RULES]  # type: ignore[union-attr]
    policies = [*made, RANDOM_PLAY.make(run.parameters, 0)]
    return [replay(run.problem, run.parameters, one).cost_per_year for one in policies]


if __name__ == "__main__":
    main()
