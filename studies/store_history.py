"""Stores on real demand: five seeds beside tuned rules: ``python -m studies.store_history``.

Every seed is trained on the days before the split, its best model is selected on the last of them,
and all play the same windows of the days after it, which neither training nor tuning has seen. With
several splits each evaluation ends where the next one begins, so that recipes can be chosen by
earlier periods than the one that they are reported on.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from rich.console import Console
from rich.progress import Progress

from agents.config import resolve
from agents.run_files import BEST
from baselines.policy import AGENT, Policy
from baselines.references import find_reference
from baselines.registry import baseline_kinds, make_baselines
from evaluation.comparison import Comparison, compare
from evaluation.headline import headline
from evaluation.savings import Savings
from studies.experiment import EVALUATION_SEED
from training.learners.load import load_agent
from training.trainer import train

BAKERY = Path(__file__).resolve().parent.parent / "data" / "bakery_3stores.csv"
SPLIT = "2018-07-01"
EPISODES = 2000


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--algo", default="ppo", show_default=True)
@click.option("--demand", type=click.Path(path_type=Path), default=BAKERY, help="[the bakery's]")
@click.option("--split", "splits", multiple=True, default=[SPLIT], show_default=True)
@click.option("--baselines", default="default", show_default=True, help="As for evaluate.py.")
@click.option("--set", "assignments", multiple=True, help="As for train.py.")
def main(
    seeds: int,
    algo: str,
    demand: Path,
    splits: tuple[str, ...],
    baselines: str,
    assignments: tuple[str, ...],
) -> None:
    """Train and print a table in Markdown for every split, and what the recipe saves."""
    comparisons: dict[str, Comparison] = {}
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("training", total=seeds * len(splits))
        for split, until in zip(splits, [*splits[1:], None], strict=True):
            flags = {"algo": algo, "demand": demand, "split": split}
            limit = () if until is None else (f"parameters.demand_data.until={until}",)
            policies = {}
            for seed in range(seeds):
                policies[f"seed_{seed}"] = _trained({**flags, "seed": seed}, assignments)
                progress.advance(task)
            comparisons[split] = _compared(flags, (*assignments, *limit), policies, baselines)
    for split, comparison in comparisons.items():
        heading = [f"From {split} on:", ""] if len(comparisons) > 1 else []
        for line in [*heading, *table(comparison), ""]:
            print(line)
    if len(comparisons) > 1:
        for line in over_periods({split: _money(c) for split, c in comparisons.items()}):
            print(line)


def _trained(flags: dict[str, object], assignments: tuple[str, ...]) -> Policy:
    with TemporaryDirectory() as scratch:
        folder = train(resolve(flags, assignments=assignments), Path(scratch)).folder
        return load_agent(folder, BEST)[1]


def _compared(
    flags: dict[str, object],
    assignments: tuple[str, ...],
    policies: dict[str, Policy],
    baselines: str,
) -> Comparison:
    run = resolve(flags, assignments=assignments)
    names = baselines.split(",")
    rules = make_baselines("stores", run.parameters, names, seed=EVALUATION_SEED)
    return compare(
        run.problem,
        run.parameters,
        {**policies, **rules},
        find_reference("stores", run.parameters).reference,
        episodes=EPISODES,
        seed=EVALUATION_SEED,
        observe_step=run.settings.observation.step,
        kinds={
            **baseline_kinds("stores", run.parameters),
            **dict.fromkeys(policies, AGENT),
        },
    )


def _money(comparison: Comparison) -> Savings:
    if comparison.savings is None:
        raise click.UsageError("returns must be money: objective=cost")
    return comparison.savings


def table(comparison: Comparison) -> list[str]:
    """Return cost and fill rate of every policy, what the seeds save against it, and sentences."""
    money = _money(comparison)
    lines = [
        "| policy | cost per store and day | fill rate | saved against it [95% CI] |",
        "|---|---|---|---|",
    ]
    mean = f"| mean of {len(money.agents)} seeds | {money.cost:.2f} | {money.fill_rate:.1%} | |"
    for name, result in comparison.policies.items():
        cost, fill = result.metrics["cost_per_day"], result.metrics["fill_rate"]
        saving = money.savings.get(name)
        cell = ""
        if saving is not None:
            low, high = saving.ci95
            cell = f"{saving.saved:+.1%} [{low:+.1%}, {high:+.1%}]"
        lines.append(f"| {name} | {cost:.2f} | {fill:.1%} | {cell} |")
        if name == money.agents[-1] and len(money.agents) > 1:
            lines.append(mean)
    return [*lines, "", headline(comparison) or "", *comparison.notes]


def over_periods(moneys: dict[str, Savings]) -> list[str]:
    """Return costs by period, and what the agents save on average over the periods.

    Periods share no evaluation day, so the variances of their savings are added up; all counts are
    in shares of the rule's cost over all periods.
    """
    title = " | ".join(("policy", *(f"from {split}" for split in moneys), "mean"))
    lines = [f"| {title} | saved against it [95% CI] |", "|---" * (len(moneys) + 3) + "|"]
    own = [money.cost for money in moneys.values()]
    lines.append(_row("agents", own, ""))
    for name in next(iter(moneys.values())).savings:
        rule = [money.savings[name] for money in moneys.values()]
        costs = [one.cost for one in rule]
        saved = 1.0 - sum(own) / sum(costs)
        halves = [one.cost * (one.ci95[1] - one.ci95[0]) / 2 for one in rule]
        half = math.hypot(*halves) / sum(costs)
        cell = f"{saved:+.1%} [{saved - half:+.1%}, {saved + half:+.1%}]"
        lines.append(_row(name, costs, cell))
    return lines


def _row(name: str, costs: list[float], message: str) -> str:
    cells = [f"{cost:.2f}" for cost in (*costs, float(np.mean(costs)))]
    return f"| {name} | {' | '.join(cells)} | {message} |"


if __name__ == "__main__":
    main()
