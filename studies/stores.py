"""Agents in the supply chain beside tuned rules and the bound: ``python -m studies.stores``.

Every agent's best model plays the same fresh traces as the rules, which were tuned on traces of
their own.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

from pathlib import Path
from tempfile import TemporaryDirectory

import click
import matplotlib as mpl
from matplotlib import pyplot as plt
from rich.console import Console
from rich.progress import track

from agents.config import resolve
from agents.run_files import BEST
from baselines.policy import AGENT, Policy
from baselines.references import find_reference
from baselines.registry import baseline_kinds, make_baselines
from evaluation.comparison import Comparison, compare
from evaluation.statistics import Estimate
from studies.experiment import DOCS, EVALUATION_SEED
from training.learners.load import load_agent
from training.trainer import train

mpl.use("Agg")

EPISODES = 2000
RULES = "reference_rules"


@click.command()
@click.option("--seeds", default=5, show_default=True)
@click.option("--algo", "algos", multiple=True, default=("ppo",), show_default=True)
@click.option("--policy", default="shared", show_default=True)
@click.option("--recipe", default="default", show_default=True)
@click.option("--stores", default=3, show_default=True)
@click.option("--rules/--no-rules", default=True, help="Show the other rules too.")
@click.option("--picture", metavar="NAME", help="Draw docs/NAME.png.")
@click.option("--set", "assignments", multiple=True, help="As for train.py.")
def main(
    seeds: int,
    algos: tuple[str, ...],
    policy: str,
    recipe: str,
    stores: int,
    rules: bool,
    picture: str | None,
    assignments: tuple[str, ...],
) -> None:
    """Train and print a table in Markdown."""
    policies: dict[str, Policy] = {}
    seconds: dict[str, float] = {}
    wanted = [(algo, seed) for algo in algos for seed in range(seeds)]
    flags = {"stores": stores, "policy": policy, "recipe": recipe}
    for algo, seed in track(wanted, console=Console(stderr=True)):
        name = f"{algo}, seed {seed}"
        with TemporaryDirectory() as scratch:
            asked = resolve({**flags, "algo": algo, "seed": seed}, assignments=assignments)
            trained = train(asked, Path(scratch))
            seconds[name] = trained.seconds
            policies[name] = load_agent(trained.folder, BEST)[1]
    run = resolve({**flags, "algo": algos[0]}, assignments=assignments)
    groups = ["default", "tuned"] if rules else [RULES]
    comparison = compare(
        run.problem,
        run.parameters,
        {**policies, **make_baselines("stores", run.parameters, groups, seed=EVALUATION_SEED)},
        find_reference("stores", run.parameters).reference,
        episodes=EPISODES,
        seed=EVALUATION_SEED,
        observe_step=run.settings.observation.step,
        kinds={
            **baseline_kinds("stores", run.parameters),
            **dict.fromkeys(policies, AGENT),
        },
    )
    results, rival = comparison.policies, comparison.rival or RULES
    days = run.parameters.horizon
    print(
        f"| policy | return in {days} days | minus {RULES} | minus {rival} | fill rate | seconds |"
    )
    print("|---|---|---|---|---|---|")
    for name, result in results.items():
        low, high = result.estimate.ci95
        print(
            f"| {name} | {result.estimate.mean:,.2f} [{low:,.2f}, {high:,.2f}] "
            f"| {_difference(result.paired.get(RULES))} | {_difference(result.paired.get(rival))} "
            f"| {result.metrics['fill_rate']:.2%} | {_seconds(seconds.get(name))} |"
        )
    if picture is not None:
        draw(comparison, days, picture)
    if comparison.reference is not None:
        print(f"| {comparison.reference.name} | {comparison.reference.value:.2f} |")


def draw(comparison: Comparison, days: int, name: str) -> None:
    """Draw every policy's mean return with its interval, and the upper bound."""
    shown = {k: r for k, r in comparison.policies.items() if r.kind.role != "random"}
    ranked = sorted(shown, key=lambda policy: shown[policy].estimate.mean)
    figure, axes = plt.subplots(figsize=(7, 0.9 + 0.28 * len(ranked)), layout="constrained")
    for at, policy in enumerate(ranked):
        estimate, agent = shown[policy].estimate, shown[policy].kind.role == "agent"
        axes.errorbar(
            estimate.mean,
            at,
            xerr=estimate.half_width,
            fmt="o" if agent else "s",
            color="#0072b2" if agent else "#7f7f7f",
            ms=5,
            capsize=2,
        )
    if comparison.reference is not None:
        bound = comparison.reference.value
        axes.axvline(bound, color="#d55e00", lw=1.2)
        axes.annotate(
            "upper bound",
            (bound, 0),
            xytext=(-4, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=8,
            color="#d55e00",
        )
    axes.set_yticks(range(len(ranked)), [p.replace("_", " ") for p in ranked], fontsize=8)
    axes.set_xlabel(f"mean return of a store in {days} days, 95% intervals", fontsize=9)
    axes.grid(axis="x", alpha=0.3)
    DOCS.mkdir(exist_ok=True)
    figure.savefig(DOCS / f"{name}.png", dpi=150)
    plt.close(figure)


def _difference(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    low, high = estimate.ci95
    return f"{estimate.mean:+z,.2f} [{low:+,.2f}, {high:+,.2f}]"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


if __name__ == "__main__":
    main()
