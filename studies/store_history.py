"""Stores on real demand: five seeds beside tuned rules: ``python -m studies.store_history``.

Every seed is trained on the days before the split, its best model is selected on the last of them,
and all play the same windows of the days after it, which neither training nor tuning has seen.
"""

import agents  # noqa: F401, I001  (first: it limits the threads that numpy starts)

from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.progress import track

from agents.cast import load_agent
from agents.config import resolve
from agents.run_folder import BEST
from agents.training import train
from baselines.policy import Policy
from baselines.registry import make_baselines
from baselines.yardstick import yardstick
from evaluation.comparison import Comparison, compare
from studies.experiment import EVALUATION_SEED

BAKERY = Path(__file__).resolve().parent.parent / "data" / "bakery_3stores.csv"
SPLIT = "2018-07-01"
EPISODES = 2000


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--algo", default="ppo", show_default=True)
@click.option("--demand", type=click.Path(path_type=Path), default=BAKERY, help="[the bakery's]")
@click.option("--split", default=SPLIT, show_default=True)
@click.option("--set", "assignments", multiple=True, help="As for train.py.")
def main(seeds: int, algo: str, demand: Path, split: str, assignments: tuple[str, ...]) -> None:
    """Train and print a table in Markdown, and what the recipe saves."""
    flags = {"algo": algo, "demand": demand, "split": split}
    policies: dict[str, Policy] = {}
    for seed in track(range(seeds), console=Console(stderr=True)):
        with TemporaryDirectory() as scratch:
            asked = resolve({**flags, "seed": seed}, assignments=assignments)
            folder = train(asked, Path(scratch)).folder
            policies[f"seed_{seed}"] = load_agent(folder, BEST)[1]
    run = resolve(flags, assignments=assignments)
    rules = make_baselines("stores", run.parameters, ["default"], seed=EVALUATION_SEED)
    comparison = compare(
        run.problem,
        run.parameters,
        {**policies, **rules},
        yardstick("stores", run.parameters).reference,
        episodes=EPISODES,
        seed=EVALUATION_SEED,
        observe_step=run.settings.observation.step,
    )
    for line in table(comparison):
        print(line)


def table(comparison: Comparison) -> list[str]:
    """Return cost and fill rate of every policy, what the seeds save against it, and sentences."""
    money = comparison.money
    if money is None:
        raise click.UsageError("returns must be money: objective=cost")
    lines = [
        "| policy | cost per store and day | fill rate | saved against it [95% CI] |",
        "|---|---|---|---|",
    ]
    mean = f"| mean of {len(money.agents)} seeds | {money.cost:.2f} | {money.fill_rate:.1%} | |"
    for name, result in comparison.policies.items():
        cost, fill = result.metrics["cost_per_day"], result.metrics["fill_rate"]
        saving = money.savings.get(name)
        told = ""
        if saving is not None:
            low, high = saving.ci95
            told = f"{saving.saved:+.1%} [{low:+.1%}, {high:+.1%}]"
        lines.append(f"| {name} | {cost:.2f} | {fill:.1%} | {told} |")
        if name == money.agents[-1]:
            lines.append(mean)
    return [*lines, "", *comparison.notes]


if __name__ == "__main__":
    main()
