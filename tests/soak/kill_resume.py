"""Kill training at random moments and look whether it goes on to the same bits.

``python -m tests.soak.kill_resume 50`` kills 50 times per algorithm with SIGKILL, resumes each
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

from agents.config import RunConfig, resolve
from agents.resume import resume
from agents.training import train

COMMON = ("evaluation.every=700", "evaluation.episodes=5", "max_steps=20", "net_arch=[16]")
OFF_POLICY = ("timesteps=3200", "n_envs=16", "learning_starts=300", "buffer_size=2000")
ON_POLICY = ("timesteps=9600", "n_envs=16", "n_steps=20", "checkpoint.every=900")
RUNS = {
    "dqn": (*COMMON, *OFF_POLICY, "checkpoint.every=300"),
    "qrdqn": (*COMMON, *OFF_POLICY, "checkpoint.every=300"),
    "ppo": (*COMMON, *ON_POLICY),
    "maskable_ppo": (*COMMON, *ON_POLICY),
}


def weights(folder: Path) -> str:
    """Return the digest of a finished run's weights."""
    facts = json.loads((folder / "versions.json").read_text())
    return str(facts["weights"])


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


def soak(algo: str, kills: int, work: Path, rng: random.Random) -> tuple[int, int]:
    """Kill runs of an algorithm `kills` times; return how many were finished, and how many well."""
    config = resolve({"algo": algo, "problem": "cash"}, assignments=RUNS[algo])
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


def main(kills: int, algos: list[str]) -> int:
    """Run the soak and print a line per algorithm."""
    worst = 0
    for algo in algos or list(RUNS):
        with tempfile.TemporaryDirectory() as work:
            finished, well = soak(algo, kills, Path(work), random.Random(kills))  # noqa: S311
        print(f"{algo}: {kills} kills, {well} of {finished} runs ended with the same weights")
        worst = max(worst, finished - well)
    return worst


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
