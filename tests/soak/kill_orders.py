"""Orders of one day written by many processes at once, some killed: no row twice, none missing.

``python -m tests.soak.kill_orders`` writes from 8 processes, 20 times each, and kills a writer 100
times, in a PostgreSQL server that it starts and in a file of SQLite.
"""

import itertools
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from commands.database.database import Database
from tests import postgres

DAY, STORES = "2020-04-01", 50
ROOT = Path(__file__).parents[2]


def orders(writer: str) -> list[dict[str, object]]:
    """Return a day's orders; writers order for different stores."""
    rest = {"days_of_cover": None, "stockout_before": 0.1, "stockout_after": 0.1}
    rest |= {"rule": "rule", "rule_quantity": 3.0, "unusual": "", "quantity": 1.0}
    first = sum(writer.encode()) % 7
    names = [f"store {number}" for number in range(first, first + STORES)]
    return [{"date": DAY, "store": name, "sku": "all", **rest} for name in names]


def write(url: str, writer: str, times: int | None) -> None:
    """Write the orders so often, or until killed, and say so each time."""
    for number in itertools.count() if times is None else range(times):
        with Database(url).orders_replaced(orders(writer), writer):
            pass
        if times is not None or not number:
            print("written", flush=True)


def check(url: str, writers: set[str]) -> None:
    """Make sure that the day has the orders of one writer, all of them."""
    base = Database(url)
    with base._transaction("BEGIN") as connection:
        rows = list(connection.exec_driver_sql("select run, store from orders"))
    runs = {run for run, _ in rows}
    assert len(runs) == 1, runs
    assert runs <= writers
    wanted = sorted(str(row["store"]) for row in orders(runs.pop()))
    assert sorted(store for _, store in rows) == wanted, len(rows)


def start(url: str, writer: str, times: int | None) -> "subprocess.Popen[str]":
    """Start a process that writes."""
    command = [sys.executable, "-m", "tests.soak.kill_orders", url, writer, str(times)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def write_at_once(url: str, processes: int, rounds: int) -> None:
    """Write from several processes at once: all of them succeed."""
    names = [f"run{number}" for number in range(processes)]
    for writer in [start(url, name, rounds) for name in names]:
        said, _ = writer.communicate(timeout=600)
        assert (writer.returncode, said.count("written")) == (0, rounds)
    check(url, set(names))


def kill(url: str, times: int) -> None:
    """Kill writers at random moments, two at work all the time."""
    chance = random.Random(0)  # noqa: S311
    names = {f"killed{number}" for number in range(times)} | {"steady"}
    steady = start(url, "steady", None)
    try:
        for number in range(times):
            one = start(url, f"killed{number}", None)
            assert one.stdout is not None
            one.stdout.readline()
            time.sleep(chance.uniform(0.0, 0.05))
            one.kill()
            one.communicate()
            check(url, names)
            assert steady.poll() is None
    finally:
        steady.kill()
        steady.communicate()
    write_at_once(url, 1, 1)


def main() -> None:
    """Try both kinds of database in full."""
    with tempfile.TemporaryDirectory() as folder, postgres.server() as url:
        file = Path(folder, "stock.db")
        with closing(sqlite3.connect(file)) as base:
            base.execute("create table stock (store text)")
        for address in (url, str(file)):
            write_at_once(address, 8, 20)
            print("8 processes x 20 rounds: no order twice", flush=True)
            kill(address, 100)
            print("100 kills: all orders of one writer each time", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        address, writer, times = sys.argv[1:]
        write(address, writer, None if times == "None" else int(times))
