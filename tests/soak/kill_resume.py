"""Kill training at random moments and look whether it goes on to the same bits.

``python -m tests.soak.kill_resume 50`` kills 50 times per kind of run with SIGKILL, resumes each
time, and holds the weights of every run that came to its end against those of an undisturbed one.
"""

import agents  # noqa: F401, I001  (first: it limits the threads that numpy starts)

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from agents.config import RunConfig, resolve
from agents.resume import resume
from agents.training import train

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
}


def weights(folder: Path) -> Any:
    """Return the digests of a finished run's weights."""
    facts = json.loads((folder / "versions.json").read_text())
    return facts["weights"]


def in_child(config: RunConfig, folder: Path) -> int:
    """Begin the run in a process of its own, or go on with it; return the process's number."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        if (folder / "config.yaml").exists():
            resume(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            train(config, folder)
        status = 0
    finally:
        os._exit(status)


def ended(child: int, seconds: float) -> bool:
    """Kill a process after some seconds; return whether it had come to its end before."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if status:
                raise SystemExit(f"training failed with status {status}")
            return True
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def soak(name: str, kills: int, work: Path, rng: random.Random) -> tuple[int, int]:
    """Kill runs of a kind `kills` times; return how many were finished, and how many well."""
    flags, settings = RUNS[name]
    config = resolve({"algo": name, **flags}, assignments=settings)
    train(config, work / "warm")
    begun = time.monotonic()
    train(config, work / "whole")
    longest = time.monotonic() - begun
    expected = weights(work / "whole")
    folder, killed, finished, well = work / "killed", 0, 0, 0
    while killed < kills or folder.exists():
        patience = rng.uniform(0, longest) if killed < kills else 1e9
        if not ended(in_child(config, folder), patience):
            killed += 1
            continue
        finished += 1
        well += weights(folder) == expected
        shutil.rmtree(folder)
    return finished, well


def main(kills: int, names: list[str]) -> int:
    """Run the soak and print a line per kind of run."""
    worst = 0
    for name in names or list(RUNS):
        with tempfile.TemporaryDirectory() as work:
            finished, well = soak(name, kills, Path(work), random.Random(kills))  # noqa: S311
        print(f"{name}: {kills} kills, {well} of {finished} runs ended with the same weights")
        worst = max(worst, finished - well)
    return worst


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
