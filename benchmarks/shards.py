"""How well a second worker is used: ``python -m benchmarks.shards``.

Evaluation over processes and labels over threads, with one worker and with two in turns. Efficiency
is the wall time of one over twice that of two. On a machine that does other work too, look at the
processor time beside it: what two workers spend more than one is the price of sharing out.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

import resource
import time
from collections.abc import Callable
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from agents.config import resolve
from agents.players import learning_batch
from baselines.rules.reference import reference_team
from baselines.rules.stock_rule import StockLevels
from baselines.rules.store import Newsvendor
from commands import textbook
from common.sharing import share_out
from common.shards import Workers
from envs.problems import PROBLEMS
from envs.supply_chain.parameters import SupplyChainParameters
from evaluation.comparison import compare

Task = Callable[[Workers], Any]


def evaluation(episodes: int) -> Task:
    """Return what evaluates a rule on the chain of three stores."""
    rules = {"newsvendor": reference_team(store=Newsvendor())}
    parameters = SupplyChainParameters.model_validate({"stores": 3})

    def run(workers: Workers) -> None:
        how = {"episodes": episodes, "seed": 1, "workers": workers}
        compare(PROBLEMS["stores"], parameters, rules, None, **how)  # type: ignore[arg-type]

    return run


def store_labels(states: int) -> Task:
    """Return what labels states of a store with lost sales."""
    # here, as in `train.py`: processes of an evaluation begin without torch
    from agents.dcl.halving import Halving
    from agents.dcl.store_rollouts import StoreLabeller, Visits, compiled_store

    batch = learning_batch(textbook.load("lost_sales_p19_L4")[0], "store", None, 3)
    store = compiled_store(batch)
    if store is None:
        raise TypeError("a store that compiled roll-outs do not know")
    halving = Halving((32, 64, 128, 256, 512), (10, 5, 3, 2, 2), 3.0)
    labeller = StoreLabeller(batch, store, Visits(states, 0.15, 2), halving, 150, 1)  # type: ignore[arg-type]

    def run(workers: Workers) -> None:
        with share_out(workers):
            labeller.label(None, StockLevels(30, cap=8), 4)

    return run


def offset_labels(states: int) -> Task:
    """Return what labels states of the bakery's stores by offsets to a rule."""
    from agents.dcl.offset_rollouts import OffsetLabeller, OffsetSearch

    flags = {"algo": "dcl", "demand": "data/bakery_3stores.csv", "split": "2017-01-01"}
    run_of = resolve(flags, assignments=("offset.rule=newsvendor_smoothing",))
    rng = np.random.default_rng(0)
    batch: Any = learning_batch(run_of, "store", None, 12, rng=rng, expected_reward=True)
    labeller = OffsetLabeller(batch, OffsetSearch(states, 32, 0.3, 1), lambda seen: seen)

    def run(workers: Workers) -> None:
        with share_out(workers):
            labeller.label(None, 5)

    return run


def spent() -> float:
    """Return the processor seconds of this process and of its children that have ended."""
    who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, who))


def timed(task: Task, workers: int) -> tuple[float, float]:
    """Return the wall and the processor seconds of a task."""
    wall, processor = time.perf_counter(), spent()
    task(Workers(workers))
    return time.perf_counter() - wall, spent() - processor


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--episodes", type=click.IntRange(20_001), default=1_000_000, show_default=True)
@click.option("--states", type=click.IntRange(100), default=12_000, show_default=True)
def main(rounds: int, episodes: int, states: int) -> None:
    """Print the efficiency of two workers."""
    kinds = {
        "evaluation, processes": (evaluation, episodes),
        "labels of a store, threads": (store_labels, states),
        "labels of offsets, threads": (offset_labels, states),
    }
    for make, size in kinds.values():
        make(size // 50)(Workers(1))  # compiles
    tasks = {name: make(size) for name, (make, size) in kinds.items()}
    table = Table(box=None, pad_edge=False)
    for heading in ("", "1 worker [s]", "2 workers [s]", "efficiency", "processor 2 / 1"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, task in track(list(tasks.items()), console=Console(stderr=True)):
        found = np.array([[timed(task, n) for n in (1, 2)] for _ in range(rounds)])
        walls, processors = found[..., 0], found[..., 1]
        shares = walls[:, 0] / (2 * walls[:, 1])
        table.add_row(
            name,
            *(f"{value:.1f}" for value in np.median(walls, axis=0)),
            f"{np.median(shares):.2f} ({', '.join(f'{share:.2f}' for share in shares)})",
            f"{np.median(processors[:, 1] / processors[:, 0]):.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
