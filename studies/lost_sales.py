"""One recipe on all instances of lost sales with a lead time: ``python -m studies.lost_sales``.

Every agent's best model plays the same fresh traces as the exact best policy, whose cost is known.
So its own cost is given as that optimum plus the mean difference on these traces, whose interval is
several times as narrow as that of the cost alone. Gaps are shares of the optimum.
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
from baselines.average_cost import Solved, solved_rules
from baselines.policy import Policy
from baselines.rollout import rollout
from baselines.rules.reference import reference_team
from commands import textbook
from envs.batch import Trace
from evaluation.statistics import Estimate, plain_mean
from training.learners import load_agent
from training.trainer import train

EPISODES = 1000
EVALUATION_SEED = 1
ROWS = tuple(
    f"lost_sales_{law}p{p}_L{lead_time}"
    for law in ("", "geometric_")
    for p in (4, 9, 19, 39)
    for lead_time in (1, 2, 3, 4)
)
"""The instances of Zipkin (2008), demand being Poisson or geometric."""


@click.command()
@click.option("--seeds", default=3, show_default=True)
@click.option("--algo", default="ppo", show_default=True, help="As for train.py.")
@click.option("--row", "patterns", multiple=True, default=("*",), help="Name or pattern [all 32].")
@click.option("--set", "assignments", multiple=True, help="As for train.py.")
def main(seeds: int, algo: str, patterns: tuple[str, ...], assignments: tuple[str, ...]) -> None:
    """Train and print a table in Markdown, a figure for each seed."""
    rows = [row for row in ROWS if any(fnmatchcase(row, pattern) for pattern in patterns)]
    if not rows:
        raise click.BadParameter(f"{', '.join(patterns)}: names none of {ROWS[0]} to {ROWS[-1]}")
    simple_rules = "best base-stock | best capped"
    print(f"| instance | optimum | {simple_rules} | {algo}, cost per day | gap | seconds |")
    print("|---|---|---|---|---|---|---|", flush=True)
    gaps: list[float] = []
    for row in rows:
        run, _ = textbook.load(row)
        optimum, *simple = solved_rules(run.parameters)
        trace = textbook.traces(run, EPISODES, EVALUATION_SEED)
        best = _costs(run, reference_team(store=optimum.rule), trace)
        found: list[Estimate] = []
        seconds: list[float] = []
        for seed in track(range(seeds), row, console=Console(stderr=True)):
            with TemporaryDirectory() as scratch:
                asked = resolve(
                    {"seed": seed, "algo": algo},
                    config=textbook.path_of(row),
                    assignments=assignments,
                )
                trained = train(asked, Path(scratch))
                agent = load_agent(trained.folder, BEST)[1]
            seconds.append(trained.seconds)
            found.append(_beside(optimum, _costs(asked, agent, trace) - best))
        own = [one.mean / optimum.cost - 1.0 for one in found]
        gaps += own
        costs = ", ".join(f"{one.mean:.4f} ± {one.half_width:.4f}" for one in found)
        share = ", ".join(f"{gap:.3%}" for gap in own)
        others = " | ".join(
            f"{rule.cost:.4f} ({rule.cost / optimum.cost - 1:.1%})" for rule in simple
        )
        times = ", ".join(f"{s:.0f}" for s in seconds)
        print(
            f"| {row} | {optimum.cost:.4f} | {others} | {costs} | {share} | {times} |", flush=True
        )
    print(f"\nMean gap {np.mean(gaps):.3%}, largest {np.max(gaps):.3%}.")


def _costs(run: RunConfig, policy: Policy, trace: Trace) -> NDArray[np.float64]:
    """Return what a policy spends per day that counts, shape (episodes,)."""
    days = run.parameters.horizon - run.parameters.warmup_days
    costs: NDArray[np.float64] = (
        -rollout(run.problem, run.parameters, policy, trace)["return"] / days
    )
    return costs


def _beside(optimum: Solved, differences: NDArray[np.float64]) -> Estimate:
    """Return the cost of a policy from its differences to the best one on the same traces."""
    difference = plain_mean(differences)
    return Estimate(optimum.cost + difference.mean, difference.se, difference.dof)


if __name__ == "__main__":
    main()
