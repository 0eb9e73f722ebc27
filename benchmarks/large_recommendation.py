"""A recommendation for a large file: ``python -m benchmarks.large_recommendation``.

The file is generated: daily demand of products of very different size in three stores over three
years, with promotions that are known ahead, and an items file with prices, packs and suppliers.
``recommend.py`` chooses among all rules on it in a process of its own, with an empty cache.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
FIRST_DAY = "2021-01-01"
STORES = "north", "south", "west"
PROMOTED, LIFT = 0.05, 2.0
"""Share of days on which a product is promoted, and the factor on its demand then."""


class Cost(NamedTuple):
    """What a run took.

    Attributes
    ----------
    seconds, cpu_seconds : float
        Time on the clock, and of all processors together [s].
    peak : float
        Most resident memory [GiB].
    """

    seconds: float
    cpu_seconds: float
    peak: float


def write_files(folder: Path, skus: int, days: int, seed: int = 0) -> tuple[Path, Path]:
    """Write a long file of Poisson demand with weekdays, a season and promotions, and its items.

    Returns
    -------
    tuple of Path
        ``sales.csv`` and ``items.csv``.
    """
    rng = np.random.default_rng(seed)
    usual = rng.lognormal(1.2, 1.0, (skus, 1)) * np.array([0.7, 1.0, 1.4])
    week = np.array([0.8, 0.7, 0.9, 1.0, 1.2, 1.5, 0.9])
    dates = np.datetime64(FIRST_DAY) + np.arange(days)
    names = [f"p{k:04d}" for k in range(skus)]
    sales, items = folder / "sales.csv", folder / "items.csv"
    with sales.open("w") as file:
        file.write("date,store,sku,demand,promotion\n")
        for day, date in enumerate(dates.astype(str).tolist()):
            promoted = rng.random(skus) < PROMOTED
            season = week[day % 7] * (1.0 + 0.2 * np.sin(2.0 * np.pi * day / 365.25))
            demand = rng.poisson(season * usual * np.where(promoted, LIFT, 1.0)[:, None]).tolist()
            file.writelines(
                f"{date},{store},{name},{units},{on:d}\n"
                for name, row, on in zip(names, demand, promoted.tolist(), strict=True)
                for store, units in zip(STORES, row, strict=True)
            )
    price = rng.uniform(1.0, 20.0, skus)
    packs, suppliers = rng.choice([1, 1, 1, 6, 12], skus), rng.choice(["a", "b"], skus)
    with items.open("w") as file:
        file.write("sku,price,unit_cost,holding_cost,order_multiple,supplier\n")
        file.writelines(
            f"{name},{x:.2f},{0.6 * x:.2f},{0.006 * x:.4f},{pack},{supplier}\n"
            for name, x, pack, supplier in zip(names, price, packs, suppliers, strict=True)
        )
    return sales, items


def recommend(sales: Path, items: Path, *options: str) -> tuple[str, Cost]:
    """Return the sentence that ``recommend.py`` prints, and what it took.

    Raises
    ------
    RuntimeError
        If it fails.
    """
    scratch = sales.parent
    given = ["--demand", str(sales), "--items", str(items), "--run-dir", str(scratch / "run")]
    command = [sys.executable, "recommend.py", "--algo", "none", *given, *options]
    place = {**os.environ, "XDG_CACHE_HOME": str(scratch / "cache")}
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(  # noqa: S603  (our own command)
        command, cwd=ROOT, env=place, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - begun
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout.strip(), Cost(seconds, used, after.ru_maxrss / 2**20)


@click.command()
@click.option("--skus", type=click.IntRange(1), default=2000, show_default=True)
@click.option("--days", type=click.IntRange(400), default=1096, show_default=True)
def main(skus: int, days: int) -> None:
    """Print how long a recommendation for a large file takes, and how much memory."""
    with tempfile.TemporaryDirectory() as folder:
        sales, items = write_files(Path(folder), skus, days)
        size = sales.stat().st_size / 2**20
        print(f"{skus:,} SKUs x {len(STORES)} stores x {days:,} days, {size:.0f} MiB", flush=True)
        advice, cost = recommend(sales, items)
    print(advice)
    print(
        f"{cost.seconds:,.0f} s ({cost.cpu_seconds:,.0f} s of processor time) on "
        f"{os.cpu_count()} cores; peak memory {cost.peak:.2f} GiB"
    )


if __name__ == "__main__":
    main()
