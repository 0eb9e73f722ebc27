"""Kill random workers of an evaluation and look whether it comes to the same.

``python -m tests.soak.kill_workers 20`` plays chunks of episodes over two processes and kills one
of them 20 times with SIGKILL, each time another, on a chunk that was not killed before (one that
dies twice is given up by design). What is merged has to be that of a single process, byte for byte.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

from baselines import chunks
from baselines.rules.reference import reference_team
from baselines.rules.store import Newsvendor
from common.shards import HERE, Report, Workers
from envs.problems import PROBLEMS
from envs.supply_chain.parameters import SupplyChainParameters
from evaluation.comparison import compare

EPISODES = 200_000
PLAY = chunks._work
FOLDER = "KILL_WORKERS_FOLDER"


def evaluate(workers: Workers) -> str:
    """Return what an evaluation comes to."""
    rules = {"reference_rules": reference_team(), "newsvendor": reference_team(store=Newsvendor())}
    parameters = SupplyChainParameters(stores=2, horizon=10)
    found = compare(
        PROBLEMS["stores"], parameters, rules, None, episodes=EPISODES, seed=1, workers=workers
    )
    return json.dumps(found.to_json())


def play_and_tell(shared: Any, chunk: int, report: Report) -> Any:
    """Play a chunk, and say in a file which process does."""
    Path(os.environ[FOLDER], str(os.getpid())).write_text(str(chunk))
    return PLAY(shared, chunk, report)


class Killer(threading.Thread):
    """Kills workers until there were enough kills, or it is told to stop."""

    def __init__(self, folder: Path, kills: int, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self._folder, self._kills, self._rng = folder, kills, rng
        self.hit: set[str] = set()
        self.stopped = threading.Event()

    def run(self) -> None:
        """Kill."""
        while len(self.hit) < self._kills and not self.stopped.is_set():
            time.sleep(self._rng.uniform(0.05, 1.0))
            child = self._rng.choice(multiprocessing.active_children() or [None])  # type: ignore[list-item]
            if child is None or child.pid is None:
                continue
            with suppress(OSError):
                chunk = (self._folder / str(child.pid)).read_text()
                if chunk and chunk not in self.hit:
                    os.kill(child.pid, signal.SIGKILL)
                    self.hit.add(chunk)


def main(kills: int) -> int:
    """Run the soak and print what came of it."""
    begun, expected, killed, runs, same = time.monotonic(), evaluate(HERE), 0, 0, 0
    with mock.patch.object(chunks, "_work", play_and_tell):
        while killed < kills:
            with tempfile.TemporaryDirectory() as folder:
                os.environ[FOLDER] = folder
                killer = Killer(Path(folder), kills - killed, random.Random(killed))  # noqa: S311
                killer.start()
                same += evaluate(Workers(2)) == expected
                killer.stopped.set()
                killer.join()
            runs, killed = runs + 1, killed + len(killer.hit)
    took = time.monotonic() - begun
    print(f"{killed} kills in {runs} evaluations, {same} of them with the same bytes, {took:.0f} s")
    return runs - same


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
