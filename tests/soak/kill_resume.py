"""Kill training at random moments and look whether it goes on to the same bits.

``python -m tests.soak.kill_resume 50`` kills 50 times per kind of run with SIGKILL, resumes each
time, and holds the weights of every run that came to its end against those of an undisturbed one.
All that is said to training is said through its command line.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

import contextlib
import io
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.soak.command import carry_out, in_child, weights

COMMON = ("evaluation.every=700", "evaluation.episodes=5", "max_steps=20", "net_arch=[16]")
OFF_POLICY = ("timesteps=3200", "n_envs=16", "learning_starts=300", "buffer_size=2000")
ON_POLICY = ("timesteps=9600", "n_envs=16", "n_steps=20", "checkpoint.every=900")
STORES = (
    *("timesteps=2400", "n_envs=12", "horizon=8", "parameters.observation=full"),
    *("evaluation.every=700", "evaluation.episodes=5", "net_arch=[16]", "checkpoint.every=200"),
)
CASH = {"problem": "cash"}
RUNS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "dqn": (CASH, (*COMMON, *OFF_POLICY, "checkpoint.every=300")),
    "qrdqn": (CASH, (*COMMON, *OFF_POLICY, "checkpoint.every=300")),
    "ppo": (CASH, (*COMMON, *ON_POLICY)),
    "maskable_ppo": (CASH, (*COMMON, *ON_POLICY)),
    "ppo, stores in turns": (
        {"algo": "ppo", "stores": 2, "policy": "independent"},
        (*STORES, "n_steps=8", "batch_size=48", "team.turns=4"),
    ),
    "dqn, joint stores": (
        {"algo": "dqn", "stores": 2, "policy": "joint"},
        (*STORES, "learning_starts=100"),
    ),
    "dcl": (
        CASH,
        (
            *("timesteps=480", "n_states=60", "fit_steps=60", "batch_size=32", "net_arch=[16,16]"),
            *("paths=[4,8]", "keep=[3,2]", "max_steps=20", "checkpoint.every=60"),
            *("evaluation.every=60", "evaluation.episodes=5"),
        ),
    ),
    "phases": (
        {"algo": "ppo", "stores": 2, "phases": "1-4"},
        (*STORES, "n_steps=8", "batch_size=48", "timesteps=600"),
    ),
}


def arguments(name: str) -> list[str]:
    """Return the command line of a kind of run, all but its folder."""
    flags, settings = RUNS[name]
    options = [(f"--{key}", str(value)) for key, value in {"algo": name, **flags}.items()]
    options += [("--set", setting) for setting in settings]
    return ["--quiet", *(part for option in options for part in option)]


def train(name: str, folder: Path) -> int:
    """Begin a run in a process of its own, or go on with it; return the process's number.

    A run that was killed before it began is begun anew, in what is left of its folder.
    """
    begun = (folder / "config.yaml").is_file()
    if begun:
        return in_child("--resume", folder, "--quiet", log=folder.with_suffix(".log"))
    return in_child(*arguments(name), "--run-dir", folder, log=folder.with_suffix(".log"))


def ended(child: int, folder: Path, due: Callable[[], bool]) -> bool:
    """Kill a process when it is due; return whether it had come to its end before."""
    while not due():
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if status:
                raise SystemExit(f"training failed: {folder.with_suffix('.log').read_text()}")
            return True
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def moment(folder: Path, longest: float, rng: random.Random) -> Callable[[], bool]:
    """Return whether it is time to kill: at any moment, or just when a phase is over."""
    at_once = time.monotonic() + rng.uniform(0, longest)
    before = len(weights(folder)) + 1
    if rng.random() < 0.5 or "phase" not in folder.name:
        return lambda: time.monotonic() > at_once
    return lambda: len(weights(folder)) > before or time.monotonic() > at_once + longest


def soak(name: str, kills: int, work: Path, rng: random.Random) -> tuple[int, int]:
    """Kill runs of a kind `kills` times; return how many were finished, and how many well."""
    for folder in (work / "warm", work / "whole"):  # in this process: no child compiles then
        begun = time.monotonic()
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            if carry_out(*arguments(name), "--run-dir", folder):
                raise SystemExit(errors.getvalue())
    longest = time.monotonic() - begun
    expected = weights(work / "whole")
    folder, killed, finished, well = work / f"killed {name}", 0, 0, 0
    while killed < kills or folder.exists():
        due = moment(folder, longest, rng) if killed < kills else lambda: False
        if not ended(train(name, folder), folder, due):
            killed += 1
            continue
        finished += 1
        well += bool(expected) and weights(folder) == expected
        shutil.rmtree(folder)
    return finished, well


def main(kills: int, names: list[str]) -> int:
    """Run the soak and print a line per kind of run."""
    worst = 0
    for name in names or list(RUNS):
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as work:
            finished, well = soak(name, kills, Path(work), random.Random(kills))  # noqa: S311
        summary = f"{well} of {finished} runs ended with the same weights"
        print(f"{name}: {kills} kills, {summary}, {time.monotonic() - begun:.0f} s", flush=True)
        worst = max(worst, finished - well)
    return worst


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
