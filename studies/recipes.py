"""The write-up's recipe beside the project's own: ``python -m studies.recipes``.

Steps and seconds until the gap to the exact optimum, measured every 500 steps on validation
traces, is at most 1%. Runs that do not get there within the budget are reported as such.
"""

import agents  # noqa: F401, I001  (first: it limits the threads that numpy starts)

import click
import numpy as np
from rich.console import Console
from rich.progress import track

from studies.experiment import experiment

RUNS = (("reference", "dqn"), ("default", "dqn"), ("default", "ppo"), ("default", "maskable_ppo"))
TARGET = 0.01


@click.command()
@click.option("--seeds", default=3, show_default=True)
@click.option("--budget", default=300_000, show_default=True, help="Steps at most.")
def main(seeds: int, budget: int) -> None:
    """Train until the target is reached and print a table in Markdown."""
    print(f"| recipe | steps to a gap of {TARGET:.0%} | seconds | steps/s |")
    print("|---|---|---|---|")
    for recipe, algo in RUNS:
        points, speeds = [], []
        for seed in track(range(seeds), f"{recipe} {algo}", console=Console(stderr=True)):
            run = experiment(
                {"algo": algo, "recipe": recipe, "seed": seed},
                "evaluation.every=500",
                f"stop.gap={TARGET}",
                f"stop.step={budget}",
            )
            points.append(run.reached(TARGET))
            speeds.append(run.steps / run.seconds)
        print(f"| {recipe} {algo} | {_figures(points, budget)} | {np.median(speeds):,.0f} |")


def _figures(points: list[tuple[int, float] | None], budget: int) -> str:
    steps = [f"{p[0]:,}" if p else f"not within {budget:,}" for p in points]
    seconds = [f"{p[1]:.1f}" if p else "-" for p in points]
    return f"{', '.join(steps)} | {', '.join(seconds)}"


if __name__ == "__main__":
    main()
