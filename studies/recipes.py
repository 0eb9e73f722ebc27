"""The write-up's recipe beside the project's own: ``python -m studies.recipes``.

Steps and seconds until the gap to the exact optimum, measured every 500 steps on validation
traces, is first at most 1%, and from which it stays there to the end of the run. The write-up's
recipe is cut off at a budget, its schedules unchanged, so that end is the cut-off and no more is
known; runs that do not get there are reported as such. Seconds include the evaluations.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

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
    """Train and print a table in Markdown, a value for each seed."""
    target = f"{TARGET:.0%}"
    heads = f"first within {target} | stays within {target} to the end from"
    print(f"| recipe | {heads} | gap at the end | steps/s |")
    print("|---|---|---|---|---|")
    for recipe, algo in RUNS:
        runs = [
            experiment(
                {"algo": algo, "recipe": recipe, "seed": seed},
                "evaluation.every=500",
                f"stop.step={budget}",
            )
            for seed in track(range(seeds), f"{recipe} {algo}", console=Console(stderr=True))
        ]
        first = ", ".join(_figure(run.reached(TARGET)) for run in runs)
        stays = ", ".join(_figure(run.stays(TARGET)) for run in runs)
        last = ", ".join(f"{run.final_gap:.2%}" for run in runs)
        speed = np.median([run.steps / run.seconds for run in runs])
        name = f"{recipe} {algo}, {runs[0].steps:,} steps"
        print(f"| {name} | {first} | {stays} | {last} | {speed:,.0f} |")


def _figure(point: tuple[int, float] | None) -> str:
    return "never" if point is None else f"{point[0]:,} ({point[1]:.1f} s)"


if __name__ == "__main__":
    main()
