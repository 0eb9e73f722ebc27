"""Orders of many products by one command: ``python -m benchmarks.many_decisions``.

Demand, a state and a run that orders by a rule are generated (``--folder`` keeps them); then
``decide.py`` decides with one worker and with several, in turns, and the bytes are compared. The
first run, which compiles and parses the demand file, is not counted.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np

from agents.config import resolve
from agents.run_folder import claim, write_start, write_versions
from agents.tuned_file import Recommendation
from commands.recommendation.advice import in_words

ROOT = Path(__file__).resolve().parent.parent
FIRST_DAY = "2022-01-03"
RULE = "newsvendor_average"


def write_files(folder: Path, skus: int, stores: int, days: int, seed: int = 0) -> None:
    """Write ``demand.parquet`` and ``stock.parquet``, a row per SKU and store."""
    import pyarrow  # here: an extra
    from pyarrow import parquet

    rng = np.random.default_rng(seed)
    base = rng.lognormal(1.5, 0.8, (skus, stores))
    week = 1.0 + 0.3 * np.sin(2.0 * np.pi * np.arange(days) / 7.0)
    demand = rng.poisson(base * week[:, None, None]).astype(np.int32)
    rows = skus * stores

    def names(what: str, codes: np.ndarray) -> pyarrow.DictionaryArray:
        known = pyarrow.array([f"{what}_{n + 1}" for n in range(int(codes.max()) + 1)])
        return pyarrow.DictionaryArray.from_arrays(pyarrow.array(codes.astype(np.int32)), known)

    store, sku = np.tile(np.arange(stores), skus), np.repeat(np.arange(skus), stores)
    dates = np.datetime64(FIRST_DAY) + np.arange(days)
    long = {
        "date": pyarrow.array(np.repeat(dates, rows)),
        "store": names("store", np.tile(store, days)),
        "sku": names("sku", np.tile(sku, days)),
        "demand": pyarrow.array(demand.reshape(-1)),
    }
    parquet.write_table(pyarrow.table(long), folder / "demand.parquet")
    state = {
        "store": names("store", store),
        "sku": names("sku", sku),
        "on_hand": pyarrow.array(rng.poisson(3.0 * base).reshape(-1)),
        "due_1": pyarrow.array(rng.poisson(base).reshape(-1)),
        **{f"d{n}": pyarrow.array(demand[-n].reshape(-1)) for n in range(1, 8)},
    }
    parquet.write_table(pyarrow.table(state), folder / "stock.parquet")


def write_run(folder: Path) -> None:
    """Write a run that orders by a rule on the demand of the folder."""
    config = resolve({"algo": "ppo", "demand": folder / "demand.parquet"})
    with claim(config, folder / "run"):
        write_start(config, folder / "run", {})
        write_versions(folder / "run", finished=True)
        Recommendation(
            kind="rule", name=RULE, values={}, sentence=in_words(RULE), figures={}
        ).write(folder / "run")


def decide(folder: Path, workers: int) -> tuple[bytes, float, float]:
    """Return the orders, the seconds that passed, and the processor's.

    Raises
    ------
    RuntimeError
        If the command fails.
    """
    files = ["--checkpoint", str(folder / "run"), "--state", str(folder / "stock.parquet")]
    command = [sys.executable, "decide.py", *files, "--allow", "--workers", str(workers)]
    begun, before = time.perf_counter(), os.times()
    done = subprocess.run(  # noqa: S603  (our own command)
        command, cwd=ROOT, capture_output=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace").strip())
    passed, after = time.perf_counter() - begun, os.times()
    processor = sum(after[2:4]) - sum(before[2:4])
    return done.stdout, passed, processor


@click.command()
@click.option("--skus", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--stores", type=click.IntRange(1), default=100, show_default=True)
@click.option("--days", type=click.IntRange(120), default=365, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Where to keep the files.")
def main(skus: int, stores: int, days: int, workers: int, rounds: int, folder: Path | None) -> None:
    """Print how long the orders of all products take."""
    with tempfile.TemporaryDirectory() as name:
        home = folder or Path(name)
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "run").exists():
            write_files(home, skus, stores, days)
            write_run(home)
        first, seconds, processor = decide(home, 1)
        rows = len(first.splitlines()) - 1
        print(f"{rows:,} orders of {skus:,} SKUs in {stores:,} stores")
        print(f"the first time {seconds:.1f} s, {processor:.1f} s of processor time", flush=True)
        for _ in range(rounds):
            for count in dict.fromkeys((1, workers)):
                orders, seconds, processor = decide(home, count)
                same = "the same bytes" if orders == first else "OTHER BYTES"
                times = f"{seconds:.1f} s, {processor:.1f} s of processor time"
                print(f"--workers {count}: {times}, {same}", flush=True)


if __name__ == "__main__":
    main()
