"""Gap against seconds, algorithm by algorithm, on eight instances: ``python -m studies.frontier``.

The gap is what a policy falls short of the reference, as a share of it: of the exact optimum of the
cash problem and of a store with lost sales; of an upper bound of the stores of a chain, which
nobody reaches. Best models and rules play the same fresh traces; where the best policy is known,
so does it, and the gap is the paired difference. Seconds are of the processor: tuning of the rule
that learning begins with, learning, and the evaluations under way.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

import time
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import matplotlib as mpl
from matplotlib import pyplot as plt
from rich.console import Console
from rich.progress import track

from agents.config import RunConfig, resolve
from agents.dcl.starting_rule import best_starting_rule
from agents.run_files import BEST
from agents.run_folder import is_finished, read_config, read_versions
from baselines.policy import AGENT, OPTIMUM, Policy
from baselines.references import find_reference
from commands import textbook
from common import console
from evaluation.comparison import compare
from studies.experiment import DOCS, EVALUATION_SEED, progress_curve, runs_option, train_once
from training.evaluator import Evaluator
from training.learners.load import load_agent

mpl.use("Agg")

ALGOS = ("dcl", "ppo", "maskable_ppo", "dqn")
EPISODES = 1000
LOST_SALES = (
    *("lost_sales_p4_L2", "lost_sales_p4_L4", "lost_sales_p19_L2", "lost_sales_p19_L4"),
    *("lost_sales_geometric_p19_L2", "lost_sales_fixed_cost"),
)
INSTANCES: dict[str, tuple[dict[str, Any], Path | None]] = {
    "cash": ({"problem": "cash"}, None),
    "stores": ({"problem": "stores", "stores": 3}, None),
    **{name: ({}, textbook.path_of(name)) for name in LOST_SALES},
}
RULE = "best rule"
COLORS = {
    "dcl": "#0072b2",
    "ppo": "#d55e00",
    "maskable_ppo": "#cc79a7",
    "dqn": "#009e73",
    RULE: "#7f7f7f",
}
CURVES = "lost_sales_p4_L4"
"""The instance whose learning curves are drawn."""
LEAST_GAP = 1e-5
"""Where the logarithmic axis of the picture ends: gaps below are drawn there."""


@dataclass(frozen=True)
class Point:
    """What a policy of an instance cost to find, and how far it is from the reference.

    Attributes
    ----------
    policy : str
        An algorithm, or `RULE`.
    seconds : float
        Of the processor.
    gap, half_width : float
        Share of the reference, and half of its 95% interval.
    """

    policy: str
    seconds: float
    gap: float
    half_width: float


@click.command()
@click.option("--seeds", default=1, show_default=True)
@click.option("--algo", "algos", multiple=True, type=click.Choice(ALGOS), default=ALGOS)
@click.option("--row", "patterns", multiple=True, default=("*",), help="Name or pattern [all 8].")
@click.option("--set", "assignments", multiple=True, help="As for train.py.")
@click.option(
    "--picture/--no-picture", default=True, help="Draw docs/frontier.png and docs/dcl.png."
)
@runs_option
def main(
    seeds: int,
    algos: tuple[str, ...],
    patterns: tuple[str, ...],
    assignments: tuple[str, ...],
    picture: bool,
    kept: Path | None,
) -> None:
    """Train, print a table in Markdown, and draw docs/frontier.png and docs/dcl.png.

    Ctrl-C ends training; what is finished is printed. With --runs the same command goes on from
    there.
    """
    names = [name for name in INSTANCES if any(fnmatchcase(name, one) for one in patterns)]
    if not names:
        raise click.BadParameter(f"{', '.join(patterns)}: names none of {', '.join(INSTANCES)}")
    with TemporaryDirectory() as scratch:
        wanted = {
            (name, algo, seed): (
                configured(name, {"algo": algo, "seed": seed}, assignments),
                (kept or Path(scratch)) / f"{name}__{algo}__seed_{seed}",
            )
            for seed in range(seeds)
            for algo in algos
            for name in names
        }
        for run, home in track(wanted.values(), "training", console=Console(stderr=True)):
            if not train_once(run, home):
                break
        done = {key: home for key, (_, home) in wanted.items() if home.exists()}
        done = {key: home for key, home in done.items() if is_finished(home)}
        found = {name: points(name, done) for name in names}
        curves = {algo: curve(done[CURVES, algo, 0]) for algo in algos if (CURVES, algo, 0) in done}
    print_table(found)
    if picture:
        draw(found, DOCS / "frontier.png")
        draw_curves(curves, DOCS / "dcl.png")


def configured(name: str, flags: Mapping[str, Any], assignments: tuple[str, ...] = ()) -> RunConfig:
    """Return the configuration of an instance."""
    own, config = INSTANCES[name]
    return resolve({**own, **flags}, config=config, assignments=assignments)


def points(name: str, done: Mapping[tuple[str, str, int], Path]) -> list[Point]:
    """Return the points of an instance: its best rule, and every finished run."""
    begun = time.process_time()
    run = configured(name, {})
    rule = best_starting_rule(run.problem, run.parameters)
    seconds = {RULE: time.process_time() - begun}
    groups: dict[tuple[bool, str], tuple[RunConfig, dict[str, Policy]]] = {}
    if rule is not None:
        groups[_observation_key(run)] = run, {RULE: rule}
    for (own, algo, seed), home in done.items():
        if own == name:
            label = f"{algo}, seed {seed}"
            run, policy = load_agent(home, BEST)
            seconds[label] = read_versions(home)["processor_seconds"]
            groups.setdefault(_observation_key(run), (run, {}))[1][label] = policy
    gaps = {label: gap for group in groups.values() for label, gap in shortfalls(*group).items()}
    return [Point(label.partition(",")[0], seconds[label], *gap) for label, gap in gaps.items()]


def _observation_key(run: RunConfig) -> tuple[bool, str]:
    """Return what agents have in common that can play at once."""
    return run.settings.observation.step, run.parameters.model_dump_json()


def shortfalls(run: RunConfig, policies: Mapping[str, Policy]) -> dict[str, tuple[float, float]]:
    """Return gap and half of its interval of policies, all on the same fresh traces."""
    source = find_reference(run.problem.name, run.parameters)
    best = {} if source.policy is None else {"optimum": source.policy}
    comparison = compare(
        run.problem,
        run.parameters,
        {**policies, **best},
        source.reference,
        episodes=EPISODES,
        seed=EVALUATION_SEED,
        observe_step=run.settings.observation.step,
        kinds={**dict.fromkeys(policies, AGENT), **dict.fromkeys(best, OPTIMUM)},
    )
    reference = comparison.reference
    if reference is None:
        raise ValueError(f"{run.problem.name}: no reference")
    gaps = {}
    for name in policies:
        result = comparison.policies[name]
        short = result.paired["optimum"].mean if best else result.estimate.mean - reference.value
        half = (result.paired["optimum"] if best else result.estimate).half_width
        gaps[name] = -short / abs(reference.value), half / abs(reference.value)
    return gaps


def curve(home: Path) -> list[tuple[float, float]]:
    """Return seconds of a run and by how much it fell short then, on its validation traces.

    A share of the best policy's return on the same traces, of every evaluation under way.
    """
    run = read_config(home)
    ends = Evaluator(run)
    share = (ends.reference - ends.random) / abs(ends.reference)
    return [(seconds, gap * share) for _, seconds, gap in progress_curve(home)]


def print_table(found: Mapping[str, list[Point]]) -> None:
    """Print a row for each instance: gap and seconds of the rule and of every algorithm."""
    shown = [
        RULE,
        *(algo for algo in ALGOS if any(p.policy == algo for f in found.values() for p in f)),
    ]
    print(f"| instance | {' | '.join(shown)} |")
    print("|---" * (len(shown) + 1) + "|")
    for name, own in found.items():
        cells = [", ".join(_cell(p) for p in own if p.policy == policy) for policy in shown]
        print(f"| {name} | {' | '.join(cells)} |")


def _cell(point: Point) -> str:
    return f"{point.gap:.3%} ± {point.half_width:.3%} ({point.seconds:.0f} s)"


def draw(found: Mapping[str, list[Point]], path: Path) -> None:
    """Draw gap against seconds, a panel for each instance."""
    rows = -(-len(found) // 4)
    columns = min(4, len(found))
    figure, panels = plt.subplots(
        *(rows, columns),
        figsize=(2.6 * columns, 2.5 * rows + 0.4),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes in panels.flat[len(found) :]:
        axes.set_visible(False)
    for axes, (name, own) in zip(panels.flat, found.items(), strict=False):
        for p in own:
            gap = max(p.gap, LEAST_GAP)
            marker = "s" if p.policy == RULE else "o"
            axes.plot(p.seconds, gap, marker, color=COLORS[p.policy], ms=6, label=p.policy)
        axes.set(xscale="log", yscale="log")
        axes.set_title(name.replace("_", " "), fontsize=8)
        axes.yaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda y, _: f"{100 * y:g}%"))
        axes.xaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1.0, 3.0)))
        axes.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_formatter(mpl.ticker.NullFormatter())
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3, which="major")
    figure.supxlabel("seconds of one processor core", fontsize=8)
    figure.supylabel("short of the optimum, or of a bound (stores)", fontsize=8)
    marks: dict[str, Any] = {}
    for axes in panels.flat:
        handles, labels = axes.get_legend_handles_labels()
        marks |= dict(zip(labels, handles, strict=True))
    order = [name for name in COLORS if name in marks]
    figure.legend(
        [marks[name] for name in order],
        [name.replace("_", " ") for name in order],
        loc="outside upper center",
        ncols=len(order),
        fontsize=8,
        frameon=False,
    )
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_curves(curves: Mapping[str, list[tuple[float, float]]], path: Path) -> None:
    """Draw how far runs of one instance fell short of its optimum as they learned."""
    figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    for algo, own in curves.items():
        seconds, gaps = zip(*own, strict=True)
        shown = [max(gap, LEAST_GAP) for gap in gaps]
        marker = "o-" if algo == "dcl" else "-"
        axes.plot(seconds, shown, marker, color=COLORS[algo], label=algo.replace("_", " "), ms=5)
    axes.set(xlabel="seconds", yscale="log", xlim=(0, None))
    axes.set_ylabel("short of the optimum")
    axes.set_title(f"{CURVES.replace('_', ' ')}: a dot is a generation", fontsize=9)
    axes.yaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda y, _: f"{100 * y:g}%"))
    axes.grid(alpha=0.3, which="major")
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    console.run(main)
