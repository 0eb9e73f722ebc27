"""One recipe on all instances of lost sales with a lead time: ``python -m studies.lost_sales``.

Every agent's best model plays the same fresh traces as the exact best policy, whose cost is known.
So its own cost is given as that optimum plus the mean difference on these traces, whose interval is
several times as narrow as that of the cost alone. Gaps are shares of the optimum. The exact gap is
that of `baselines.average_cost.exact_cost`, empty where the agent looks at more than its stock.

Without ``--row`` these are the 32 instances with published optima, lead times of 1 to 4. Those of 5
and 6 days (``--row 'lost_sales_*_L5'``) take up to minutes each to solve. Two have too many states:
there a lower bound takes the place of the optimum, and the best simple rule plays beside agents.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from agents.config import RunConfig, resolve
from agents.run_files import BEST
from agents.run_folder import is_finished, read_config, read_versions
from baselines.average_cost import Solved, exact_cost
from baselines.policy import Policy
from baselines.references import known_costs
from baselines.rollout import rollout
from baselines.rules.reference import reference_team
from baselines.solvers.store.lost_sales_size import MAX_STATES
from commands import textbook
from common import console
from envs.batch import Trace
from evaluation.statistics import Estimate, plain_mean
from studies.experiment import runs_option, train_once
from training.learners.load import load_agent

EPISODES = 1000
EVALUATION_SEED = 1
SECONDS = ("processor_seconds", "seconds")


def _rows(*lead_times: int) -> tuple[str, ...]:
    return tuple(
        f"lost_sales_{law}p{p}_L{lead_time}"
        for law in ("", "geometric_")
        for p in (4, 9, 19, 39)
        for lead_time in lead_times
    )


ROWS = _rows(1, 2, 3, 4)
"""The instances of Zipkin (2008), demand being Poisson or geometric."""
LONGER = _rows(5, 6)
"""The same with longer lead times."""
FIXED_COST = "lost_sales_fixed_cost"


@click.command()
@click.option("--seeds", default=3, show_default=True)
@click.option("--algo", default="ppo", show_default=True, help="As for train.py.")
@click.option("--row", "patterns", multiple=True, default=ROWS, help="Name or pattern [all 32].")
@click.option("--set", "assignments", multiple=True, help="As for train.py, of the instances too.")
@runs_option
def main(
    seeds: int,
    algo: str,
    patterns: tuple[str, ...],
    assignments: tuple[str, ...],
    kept: Path | None,
) -> None:
    """Train and print a table in Markdown, a figure for each seed.

    All rows are trained with a first seed, then with the next. Ctrl-C ends training and prints what
    is finished; with --runs the same command goes on from there.
    """
    known = *ROWS, *LONGER, FIXED_COST
    rows = [row for row in known if any(fnmatchcase(row, pattern) for pattern in patterns)]
    if not rows:
        raise click.BadParameter(f"{', '.join(patterns)}: names none of {ROWS[0]} to {known[-1]}")
    with TemporaryDirectory() as scratch:
        folder = kept or Path(scratch)
        wanted = {
            (row, seed): (
                resolve(
                    {"seed": seed, "algo": algo},
                    config=textbook.path_of(row),
                    assignments=assignments,
                ),
                folder / f"{row}__{algo}__seed_{seed}",
            )
            for seed in range(seeds)
            for row in rows
        }
        for run, home in track(wanted.values(), "training", console=Console(stderr=True)):
            if not train_once(run, home):
                break
        done: dict[str, list[Path]] = {}
        for (row, _), (_, home) in wanted.items():
            if home.exists() and is_finished(home):
                done.setdefault(row, []).append(home)
        print_table(algo, done)


def print_table(algo: str, done: dict[str, list[Path]]) -> None:
    """Print a line for every row, out of its finished runs."""
    found_out = "gap | exact gap | processor seconds | seconds"
    print(
        f"| instance | least cost | which is | simple rules | {algo}, cost per day | {found_out} |"
    )
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    gaps: list[float] = []
    for row, homes in done.items():
        run = read_config(homes[0])
        known = known_costs(run.parameters)
        beside, simple = known.rules[0], known.rules[known.is_optimum :]
        trace = textbook.traces(run, EPISODES, EVALUATION_SEED)
        best = _costs(run, reference_team(store=beside.rule), trace)
        agents = [load_agent(home, BEST) for home in homes]
        found = [_beside(beside, _costs(own, agent, trace) - best) for own, agent in agents]
        exact = [exact_cost(own.parameters, agent, MAX_STATES) for own, agent in agents]
        share = [one.mean / known.least - 1.0 for one in found]
        gaps += share
        spent = [[read_versions(home)[name] for home in homes] for name in SECONDS]
        columns = [
            row,
            f"{known.least:.4f}",
            "optimum" if known.is_optimum else "bound",
            "; ".join(
                f"{rule.name} {rule.cost:.4f} ({rule.cost / known.least - 1:.1%})"
                for rule in simple
            ),
            ", ".join(f"{one.mean:.4f} ± {one.half_width:.4f}" for one in found),
            ", ".join(f"{gap:.3%}" for gap in share),
            ", ".join("" if one is None else f"{one.value / known.least - 1:.4%}" for one in exact),
            *(", ".join(f"{s:.0f}" for s in seconds) for seconds in spent),
        ]
        print(f"| {' | '.join(columns)} |", flush=True)
    if gaps:
        print(f"\nMean gap {np.mean(gaps):.3%}, largest {np.max(gaps):.3%}.")


def _costs(run: RunConfig, policy: Policy, trace: Trace) -> NDArray[np.float64]:
    """Return what a policy spends per day that counts, shape (episodes,)."""
    days = run.parameters.horizon - run.parameters.warmup_days
    costs: NDArray[np.float64] = (
        -rollout(run.problem, run.parameters, policy, trace)["return"] / days
    )
    return costs


def _beside(solved: Solved, differences: NDArray[np.float64]) -> Estimate:
    """Return the cost of a policy from its differences to a solved one on the same traces."""
    difference = plain_mean(differences)
    return Estimate(solved.cost + difference.mean, difference.se, difference.dof)


if __name__ == "__main__":
    console.run(main)
