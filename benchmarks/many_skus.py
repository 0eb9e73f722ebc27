"""A file of 1,000 SKUs beside the synthetic supply chain: ``python -m benchmarks.many_skus``.

The file is generated; it is read once, and then ``train.py`` learns on it and on the synthetic
problem in turns, each with its own default recipe, without the evaluations of selection.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.progress import track

from common.errors import validated
from demand.history import StoreDemand
from demand.reader import read_demand

ROOT = Path(__file__).resolve().parent.parent
FIRST_DAY = "2022-01-01"


def write_file(path: Path, skus: int, stores: int, days: int, seed: int = 0) -> None:
    """Write a long file of Poisson demand with weekdays and SKUs of very different size."""
    rng = np.random.default_rng(seed)
    base = rng.lognormal(2.5, 0.8, (skus, stores))
    week = 1.0 + 0.3 * np.sin(2.0 * np.pi * np.arange(days) / 7.0)
    demand = rng.poisson(base * week[:, None, None])
    dates = (np.datetime64(FIRST_DAY) + np.arange(days)).astype(str)
    names = [f"store_{n + 1},sku_{k + 1}" for k in range(skus) for n in range(stores)]
    with path.open("w") as file:
        file.write("date,store,sku,demand\n")
        for date, row in zip(dates, demand.reshape(days, -1).tolist(), strict=True):
            file.writelines(f"{date},{name},{x}\n" for name, x in zip(names, row, strict=True))


def train_steps(options: list[str], steps: int, scratch: Path) -> float:
    """Return the store-days per second of a run of ``train.py``.

    Raises
    ------
    RuntimeError
        If the run fails.
    """
    given = ["--timesteps", str(steps), "--set", f"evaluation.every={10**9}", "--quiet"]
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        command = [sys.executable, "train.py", "--algo", "ppo", *options, *given]
        done = subprocess.run(  # noqa: S603  (our own command)
            [*command, "--run-dir", folder], cwd=ROOT, capture_output=True, text=True, check=False
        )
    found = re.search(r"trained ([\d,]+) steps in ([\d.]+) s", done.stdout + done.stderr)
    if done.returncode or found is None:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return float(found[1].replace(",", "")) / float(found[2])


@click.command()
@click.option("--skus", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--steps", type=click.IntRange(1), default=900_000, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
def main(skus: int, steps: int, rounds: int) -> None:
    """Print how long the file takes to read, and how fast and large training on it is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "many.csv"
        write_file(path, skus, stores=3, days=730)
        begun = time.perf_counter()
        table = read_demand(validated(StoreDemand, {"file": path}))
        seconds = time.perf_counter() - begun
        size = path.stat().st_size / 2**20
        print(f"{len(table.skus):,} SKUs x {len(table.stores)} stores x {table.days} days")
        print(f"{size:.0f} MiB, read in {seconds:.1f} s")
        problems = {"synthetic": ["--stores", "3"], "file": ["--demand", str(path)]}
        speeds: dict[str, list[float]] = {name: [] for name in problems}
        for _ in track(range(rounds), console=Console(stderr=True)):
            for name, options in problems.items():
                speeds[name].append(train_steps(options, steps, Path(folder)))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    ratios = np.array(speeds["file"]) / np.array(speeds["synthetic"])
    for name, values in speeds.items():
        print(f"{name}: {np.median(values):,.0f} store-days/s in training, median of {rounds}")
    listed = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"file over synthetic: {np.median(ratios):.2f} ({listed}); peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
