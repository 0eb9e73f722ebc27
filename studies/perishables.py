"""Rules and agents on goods that perish: ``python -m studies.perishables``.

The instances are those of De Moor, Gijsbrechts and Boute (2022) whose goods keep two or three days.
What orders by stock and orders under way alone, as rules and DCL do, has its exact average cost, by
value iteration on all states. Other agents look at the last day's demand too: they play the same
traces as the best policy, and their cost is the optimum plus the mean difference, with a 95%
interval. Gaps are shares of the optimum.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.progress import track

from agents.config import RunConfig, resolve
from agents.run_files import BEST
from agents.run_folder import is_finished, read_versions
from agents.tuned_file import TunedFile
from baselines.average_perishable import policy_orders
from baselines.policy import Policy
from baselines.registry import make_baselines
from baselines.rollout import rollout
from baselines.rules.perishable import SolvedPerishable
from baselines.rules.reference import reference_team
from baselines.solvers.perishable.value_iteration import (
    PerishableOrders,
    orders_cost,
    solve_perishable,
)
from baselines.average_perishable import perishable_store
from commands import textbook
from common import console
from common.errors import InputError
from evaluation.statistics import plain_mean
from studies.experiment import runs_option, train_once
from training.learners.load import load_agent

EPISODES = 300
EVALUATION_SEED = 1
ROWS = tuple(f"perishable_m{m}_exp{e}" for m in (2, 3) for e in range(1, 9))
RULES = {
    "base stock": "tuned_level",
    "BSP-EW": "tuned_level_ew",
    "BSP-low-EW": "tuned_low_level_ew",
}
AGENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "dcl": ("dcl", ()),
    "ppo": ("ppo", ()),
    "dqn": ("dqn", ()),
    "dqn_base_stock": ("dqn", ("reward.shaping.rule=tuned_level",)),
    "dqn_low_ew": ("dqn", ("reward.shaping.rule=tuned_low_level_ew",)),
}
"""By name, the algorithm and what is set besides; DQN is shaped by a base stock and BSP-low-EW."""


@click.command()
@click.option("--agent", "agents", multiple=True, type=click.Choice(list(AGENTS)), help="[all]")
@click.option("--row", "patterns", multiple=True, default=("*",), help="Name or pattern [all 16].")
@click.option("--seed", default=0, show_default=True)
@click.option("--set", "assignments", multiple=True, help="As for train.py.")
@click.option("--rules/--no-rules", "ruled", default=True, help="Tune the rules too.")
@click.option("--train/--no-train", "trains", default=True, help="Or print what is finished.")
@runs_option
def main(
    agents: tuple[str, ...],
    patterns: tuple[str, ...],
    seed: int,
    assignments: tuple[str, ...],
    ruled: bool,
    trains: bool,
    kept: Path | None,
) -> None:
    """Train and print a table in Markdown: gaps to the optimum, and processor seconds.

    An agent is trained on all rows before the next one. Ctrl-C ends training and prints what is
    finished; with --runs the same command goes on from there.
    """
    rows = [row for row in ROWS if any(fnmatchcase(row, pattern) for pattern in patterns)]
    if not rows:
        raise click.BadParameter(f"{', '.join(patterns)}: names none of {ROWS[0]} to {ROWS[-1]}")
    names = [name for name in AGENTS if name in (agents or AGENTS)]
    with TemporaryDirectory() as scratch:
        folder = kept or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        if trains:
            wanted = [(name, row) for name in names for row in rows]
            for name, row in track(wanted, "training", console=Console(stderr=True)):
                run = _run(name, row, seed, assignments)
                if not train_once(run, folder / home_of(name, row, seed)):
                    break
        print_table(folder, RULES if ruled else {}, names, rows, seed)


def home_of(agent: str, row: str, seed: int) -> str:
    """Return the name of a run's folder."""
    return f"{row}__{agent}__seed_{seed}"


def _run(agent: str, row: str, seed: int, assignments: Iterable[str]) -> RunConfig:
    algo, own = AGENTS[agent]
    sets = (*own, *assignments)
    return resolve({"seed": seed, "algo": algo}, config=textbook.path_of(row), assignments=sets)


def print_table(
    folder: Path, rules: dict[str, str], agents: list[str], rows: list[str], seed: int
) -> None:
    """Print a line for every row, out of the runs that are finished in a folder."""
    print(f"| instance | optimum | {' | '.join((*rules, *agents))} |")
    print("|---" * (2 + len(rules) + len(agents)) + "|", flush=True)
    for row in rows:
        run, _ = textbook.load(row)
        store = perishable_store(run.parameters)
        if store is None:
            raise InputError(f"{row}: is no store whose goods perish")
        best = solve_perishable(store)
        tuned = make_baselines(
            run.problem.name,
            run.parameters,
            rules.values(),
            tuner=TunedFile(folder / f"{row}__rules.json"),
        )
        columns = [row, f"{best.cost.value:.4f}"]
        columns += [gap_of(run, tuned[name], best) for name in rules.values()]
        for agent in agents:
            home = folder / home_of(agent, row, seed)
            if not home.exists() or not is_finished(home):
                columns.append("")
                continue
            own, policy = load_agent(home, BEST)
            seconds = read_versions(home)["processor_seconds"]
            columns.append(f"{gap_of(own, policy, best)} ({seconds:.0f} s)")
        print(f"| {' | '.join(columns)} |", flush=True)


def gap_of(run: RunConfig, policy: Policy, best: PerishableOrders) -> str:
    """Return how much more than the best orders a policy costs: exactly, or with an interval."""
    orders = policy_orders(run.parameters, policy)
    if orders is not None:
        gap = orders_cost(best.store, orders).cost.value / best.cost.value - 1.0
        return f"{gap:z.4%}"  # values are exact to so many digits
    trace = textbook.traces(run, EPISODES, EVALUATION_SEED)
    teams = (policy, reference_team(store=SolvedPerishable(best)))
    mine, ideal = (rollout(run.problem, run.parameters, t, trace)["return"] for t in teams)
    days = run.parameters.horizon - run.parameters.warmup_days
    apart = plain_mean((ideal - mine) / days / best.cost.value)
    return f"{apart.mean:.2%} ± {apart.half_width:.2%}"


if __name__ == "__main__":
    console.run(main)
