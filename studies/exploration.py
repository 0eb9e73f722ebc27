"""Would longer exploration help? ``python -m studies.exploration``.

DQN's default recipe, with epsilon falling over several shares of training, five seeds each: the
gap to the exact optimum that is left at the end.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

import click
import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from rich.console import Console
from rich.progress import track

from studies.experiment import DOCS, EPISODES, experiment

mpl.use("Agg")

SHARES = (0.02, 0.1, 0.3, 0.6, 1.0)


@click.command()
@click.option("--seeds", default=5, show_default=True)
@click.option("--timesteps", default=30_000, show_default=True)
def main(seeds: int, timesteps: int) -> None:
    """Train, print a table in Markdown, and draw docs/exploration.png."""
    runs = [(share, seed) for share in SHARES for seed in range(seeds)]
    gaps: dict[float, list[tuple[float, float]]] = {share: [] for share in SHARES}
    for share, seed in track(runs, console=Console(stderr=True)):
        run = experiment(
            {"algo": "dqn", "seed": seed, "timesteps": timesteps},
            f"hyperparameters.exploration_fraction={share}",
        )
        gaps[share].append((run.gap, run.final_gap))
    print(f"| epsilon falls over | best model: median gap (worst of {seeds}) | last model |")
    print("|---|---|---|")
    for share, values in gaps.items():
        best, last = np.array(values).T * 100
        print(
            f"| {share * timesteps:,.0f} steps ({share:.0%}) "
            f"| {np.median(best):.2f}% ({best.max():.2f}%) "
            f"| {np.median(last):.2f}% ({last.max():.2f}%) |"
        )
    draw(gaps, timesteps)


def draw(gaps: dict[float, list[tuple[float, float]]], timesteps: int) -> None:
    """Draw one dot per seed, best and last model beside each other."""
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for column, (label, colour) in enumerate([("best model", "C0"), ("last model", "C1")]):
        for place, values in enumerate(gaps.values()):
            dots = [100 * pair[column] for pair in values]
            x = place + 0.24 * (column - 0.5) + np.linspace(-0.07, 0.07, len(dots))
            axes.scatter(x, dots, color=colour, s=22, label=label if place == 0 else None)
    axes.axhline(1.0, color="0.7", lw=0.8, zorder=0)
    axes.set_yscale("symlog", linthresh=0.1)
    axes.set_yticks([0, 0.1, 1, 10], ["0", "0.1", "1", "10"])
    axes.set_ylim(-0.03, 10)
    axes.set_xticks(range(len(gaps)), [f"{share * timesteps:,.0f}" for share in gaps])
    axes.set_xlabel(f"steps over which epsilon falls from 1 to 0.05, of {timesteps:,}")
    axes.set_ylabel("gap to the optimum [%]")
    axes.set_title(f"One dot per seed; {EPISODES:,} fresh episodes each", fontsize=10)
    axes.legend(frameon=False)
    DOCS.mkdir(exist_ok=True)
    figure.savefig(DOCS / "exploration.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    main()
