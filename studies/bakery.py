"""Agents on real demand beside tuned rules: ``python -m studies.bakery``.

Every agent plays the same windows of the evaluation days of ``configs/bakery.yaml`` as the rules,
which were tuned on the training days.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.progress import track

from agents.config import CONFIGS, resolve
from agents.run_files import BEST
from baselines.policy import Policy
from baselines.references import find_reference
from baselines.registry import make_baselines
from evaluation.comparison import compare
from evaluation.statistics import Estimate
from studies.experiment import EVALUATION_SEED
from training.learners.load import load_agent
from training.trainer import train

RIVAL = "tuned_base_stock"
EPISODES = 2000


@click.command()
@click.option("--seeds", default=5, show_default=True)
@click.option("--algo", "algos", multiple=True, default=("dqn", "ppo", "maskable_ppo"))
@click.option("--set", "assignments", multiple=True, help="As for train.py.")
def main(seeds: int, algos: tuple[str, ...], assignments: tuple[str, ...]) -> None:
    """Train and print a table in Markdown."""
    config = CONFIGS / "bakery.yaml"
    policies: dict[str, Policy] = {}
    wanted = [(algo, seed) for algo in algos for seed in range(seeds)]
    for algo, seed in track(wanted, console=Console(stderr=True)):
        with TemporaryDirectory() as scratch:
            flags = {"algo": algo, "seed": seed}
            asked = resolve(flags, config=config, assignments=assignments)
            trained = train(asked, Path(scratch))
            policies[f"{algo}, seed {seed}"] = load_agent(trained.folder, BEST)[1]
    run = resolve({"algo": algos[0]}, config=config, assignments=assignments)
    rules = make_baselines(run.problem.name, run.parameters, ["tuned"], seed=EVALUATION_SEED)
    comparison = compare(
        run.problem,
        run.parameters,
        {**policies, **rules},
        find_reference(run.problem.name, run.parameters).reference,
        episodes=EPISODES,
        seed=EVALUATION_SEED,
        observe_step=run.settings.observation.step,
    )
    days = run.parameters.max_steps
    print(f"| policy | profit in {days} days | minus {RIVAL} [95% CI] | fill rate | gap |")
    print("|---|---|---|---|---|")
    for name, result in comparison.policies.items():
        difference = "" if name == RIVAL else _interval(result.paired[RIVAL])
        fill = f"{result.metrics['fill_rate']:.1%}"
        mean, gap = f"{result.estimate.mean:,.0f}", f"{result.gap or 0.0:.1%}"
        print(f"| {name} | {mean} | {difference} | {fill} | {gap} |")


def _interval(estimate: Estimate) -> str:
    low, high = estimate.ci95
    return f"{estimate.mean:+z,.0f} [{low:+,.0f}, {high:+,.0f}]"


if __name__ == "__main__":
    main()
