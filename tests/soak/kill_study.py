"""Kill a search of hyperparameters at random moments and look whether it comes to the same.

``python -m tests.soak.kill_study 10`` kills a study with one worker 10 times with SIGKILL, goes on
each time with the same command, and holds its trials and the best of them against those of an
undisturbed study: the same numbers, settings, values and ends, none counted twice.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

import contextlib
import csv
import io
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import tune
from tests.soak.command import carry_out, in_child

TRIALS = 24
RUN = (
    *("timesteps=1600", "n_envs=16", "max_steps=20", "n_steps=20", "batch_size=80"),
    *("evaluation.every=400", "evaluation.episodes=20", "checkpoint.every=400"),
)
COLUMNS = ("number", "value", "state")


def arguments(folder: Path) -> list[object]:
    """Return the command line of the study."""
    sets = [part for setting in RUN for part in ("--set", setting)]
    counts = ["--trials", TRIALS, "--confirm", 0, "--quiet", "--run-dir", folder]
    return ["--problem", "cash", "--algo", "ppo", *counts, *sets]


def trials(folder: Path) -> list[dict[str, str]]:
    """Return what every trial of a study tried and came to."""
    with (folder / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    kept = [name for name in rows[0] if name in COLUMNS or name.startswith("params_")]
    return [{name: row[name] for name in kept} for row in rows]


def soak(kills: int, work: Path, rng: random.Random) -> bool:
    """Return whether a study that is killed comes to what an undisturbed one does."""
    whole, killed = work / "whole", work / "killed"
    begun = time.monotonic()
    with contextlib.redirect_stdout(io.StringIO()):
        if carry_out(*arguments(whole), command=tune.main):
            raise SystemExit("the study failed")
    longest, log = time.monotonic() - begun, work / "killed.log"
    for left in range(kills, -1, -1):
        child = in_child(*arguments(killed), log=log, command=tune.main)
        if left:
            time.sleep(rng.uniform(0, 1.5 * longest / kills))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not left and status:
            raise SystemExit(f"the study failed: {log.read_text()}")
    return trials(whole) == trials(killed)


def main(kills: int) -> int:
    """Run the soak and print what came of it."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        same = soak(kills, Path(work), random.Random(kills))  # noqa: S311
        rows = trials(Path(work, "killed"))
    ended = ", ".join(
        f"{sum(row['state'] == state for row in rows)} {state.lower()}"
        for state in ("COMPLETE", "PRUNED", "FAIL")
    )
    best = max((row for row in rows if row["value"]), key=lambda row: float(row["value"]))
    print(
        f"{kills} kills, {len(rows)} trials ({ended}), best trial {best['number']}, "
        f"{'the same as' if same else 'other than'} undisturbed, {time.monotonic() - begun:.0f} s"
    )
    return int(not same)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
