"""Every algorithm's default recipe: ``python -m studies.algorithms``.

Five seeds each; the gap to the exact optimum on fresh traces, the steps and seconds to a gap of
1%, and the learning curves.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

import click
import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from rich.console import Console
from rich.progress import track

from agents.algorithms import ALGORITHMS
from studies.experiment import DOCS, Experiment, experiment

mpl.use("Agg")


@click.command()
@click.option("--seeds", default=5, show_default=True)
@click.option("--set", "assignments", multiple=True, help="As for train.py.")
@click.option("--algo", "algos", multiple=True, type=click.Choice(list(ALGORITHMS)))
@click.option("--picture/--no-picture", default=True, help="Draw docs/learning_curves.png.")
def main(seeds: int, assignments: tuple[str, ...], algos: tuple[str, ...], picture: bool) -> None:
    """Train, print a table in Markdown, and draw docs/learning_curves.png."""
    chosen = algos or tuple(ALGORITHMS)
    done: dict[str, list[Experiment]] = {algo: [] for algo in chosen}
    runs = [(algo, seed) for algo in chosen for seed in range(seeds)]
    for algo, seed in track(runs, console=Console(stderr=True)):
        done[algo].append(experiment({"algo": algo, "seed": seed}, *assignments))
    print("| algorithm | steps | seconds | gap of each seed | steps to 1% | seconds to 1% |")
    print("|---|---|---|---|---|---|")
    for algo, results in done.items():
        print(f"| {algo} | {_row(results)} |")
    if picture:
        draw(done)


def _row(results: list[Experiment]) -> str:
    gaps = " ".join(f"{100 * r.gap:.2f}%" for r in results)
    reached = [r.reached(0.01) for r in results]
    first = [point for point in reached if point is not None]
    steps, seconds = np.median(first, axis=0) if first else (np.nan, np.nan)
    failed = f" ({len(results) - len(first)} never)" if len(first) < len(results) else ""
    longest = max(r.seconds for r in results)
    return f"{results[0].steps:,} | {longest:.1f} | {gaps} | {steps:,.0f}{failed} | {seconds:.1f}"


def draw(done: dict[str, list[Experiment]]) -> None:
    """Draw the gap on validation traces over steps, the median of all seeds."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for algo, results in done.items():
        length = min(len(r.curve) for r in results)
        steps = [point[0] for point in results[0].curve[:length]]
        gaps = np.array([[100 * point[2] for point in r.curve[:length]] for r in results])
        axes.plot(steps, np.median(gaps, axis=0), label=algo, lw=1.6, marker="o", ms=2.5)
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = [0.1, 1, 10, 100]
    axes.set_ylim(0.05, 300)
    axes.set_yticks(ticks, [f"{tick:g}%" for tick in ticks])
    axes.axhline(100, color="0.6", lw=0.8, ls=":")
    axes.annotate(
        "random play",
        (1, 100),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="bottom",
        fontsize=8,
        color="0.4",
    )
    axes.set_xlabel("environment steps")
    axes.set_ylabel("gap to the exact optimum")
    seeds = len(next(iter(done.values())))
    axes.set_title(f"Median of {seeds} seeds on validation traces", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    DOCS.mkdir(exist_ok=True)
    figure.savefig(DOCS / "learning_curves.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    main()
