"""Forge leaves of checkpoints: each is taken up or refused in one line; no crash, no hang.

``python -m tests.fuzz.forge_checkpoints 10000`` forges so many, ``... 2000 stores`` of one kind of
run alone; the suite a few. What goes wrong is printed as it is found. Every forged run is resumed
in a process of its own, within a time limit; its checksums fit, as anybody can do sums. With
``RUN_KEY`` in the environment runs are signed, and nothing forged may be taken up at all.
"""

import faulthandler
import hashlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from agents import checkpoints, run_files
from agents.config import resolve
from common.errors import InputError, NumericalError
from training.resume import resume
from training.trainer import train

SECONDS = 60
"""Of processor time; ten times as many by the clock, as a busy machine is no hang."""

SMALL = (
    *("n_envs=4", "net_arch=[4]", "evaluation.every=60", "evaluation.episodes=2"),
    *("checkpoint.every=40", "timesteps=80"),
)
CASH = ("max_steps=5", "demand_std=0")
KINDS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "dqn": ({"algo": "dqn"}, (*SMALL, *CASH, "learning_starts=20", "buffer_size=60")),
    "ppo": (
        {"algo": "ppo"},
        (
            *(*SMALL, *CASH, "n_steps=5", "batch_size=20", "observation.normalize=running"),
            *("reward.normalize=running",),
        ),
    ),
    "recurrent": ({"algo": "recurrent_ppo"}, (*SMALL, *CASH, "n_steps=5", "batch_size=20")),
    "stages": (
        {"algo": "a2c"},
        (
            *(*SMALL, *CASH, "n_steps=5"),
            "curriculum.stages=[{start: 0, parameters: {}}, "
            "{start: 3, parameters: {max_steps: 4}}]",
        ),
    ),
    "stores": (
        {"algo": "ppo", "stores": 2},
        (*SMALL, "horizon=4", "n_steps=4", "batch_size=16", "evaluation.pictures=0"),
    ),
}
NUMBERS = (0, -1, 1, 2, 1e9, -1e9, 10**18, -(10**18), 2**63, 2**127, 1e300, -1e300, 3e38, 0.5)
OTHERS = (None, True, "", "x", [], {}, [[]], "9" * 50)


def make(kind: str, folder: Path) -> Path:
    """Train a small run that has a checkpoint."""
    flags, settings = KINDS[kind]
    return train(resolve(flags, assignments=settings), folder).folder


def newest(run: Path) -> Path:
    return run / run_files.CHECKPOINTS / str(checkpoints.found(run)[-1])


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the paths of all parts of nested JSON."""
    yield path
    listed = enumerate(value) if isinstance(value, list) else ()
    for key, part in value.items() if isinstance(value, dict) else listed:
        yield from leaves(part, (*path, key))


def forge(folder: Path, rng: random.Random) -> str:
    """Change one part of a checkpoint and mend its sums; return what was changed."""
    before = [(folder / name).read_bytes() for name in (run_files.STATE, run_files.ARRAYS)]
    state = json.loads(before[0])
    with np.load(folder / run_files.ARRAYS) as file:
        arrays = dict(file)
    if rng.random() < 0.6:
        what = _forge_array(arrays, rng)
    else:
        path = rng.choice([path for path in leaves(state) if path])
        node = state
        for key in path[:-1]:
            node = node[key]
        value = rng.choice(NUMBERS + OTHERS) if rng.random() < 0.9 else float("nan")
        if rng.random() < 0.1 and isinstance(node, dict):
            del node[path[-1]]
            what = f"{path} left out"
        else:
            node[path[-1]] = value
            what = f"{path} = {value!r}"
    made = io.BytesIO()
    np.savez(made, **arrays)
    same_state = json.dumps(state) == json.dumps(json.loads(before[0]))
    if same_state and made.getvalue() == before[1]:
        return forge(folder, rng)  # a value or a type that it had
    _put(folder, run_files.STATE, json.dumps(state).encode())
    _put(folder, run_files.ARRAYS, made.getvalue())
    return what


def _forge_array(arrays: dict[str, Any], rng: random.Random) -> str:
    """Change the values, the length, the shape or the type of an array."""
    name = rng.choice(sorted(arrays))
    old = arrays[name]
    how = rng.choice(("entry", "all", "short", "long", "type", "shape", "scalar"))
    with np.errstate(all="ignore"):
        value = np.array(rng.choice((*NUMBERS[:9], *NUMBERS[10:], float("nan"), float("inf"))))
        if how == "entry" and old.size:
            arrays[name] = old.copy()
            arrays[name].reshape(-1)[rng.randrange(old.size)] = _cast(value, old.dtype)
        elif how in ("entry", "all"):
            arrays[name] = np.full_like(old, _cast(value, old.dtype))
        elif how == "short":
            arrays[name] = old[: len(old) // 2] if old.ndim else old.reshape(1)
        elif how == "long":
            arrays[name] = np.concatenate([old.reshape(-1)] * rng.choice((2, 1000)))
        elif how == "type":
            kind = rng.choice(("i1", "?", "f2", "f4", "f8", "i8", "u8"))
            arrays[name] = old.astype(kind)
        elif how == "shape":
            arrays[name] = old.reshape((1, *old.shape))
        else:
            arrays[name] = value
    if arrays[name].dtype.kind == "O":
        arrays[name] = arrays[name].astype(float)
    return f"array {name} {old.dtype}{old.shape}: {how} {value}"


def _cast(value: Any, dtype: Any) -> Any:
    return value.astype(float).astype(dtype)


def _put(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    listed = json.loads((folder / run_files.SUMS).read_bytes())
    listed["files"][name] = hashlib.sha256(content).hexdigest()
    (folder / run_files.SUMS).write_text(json.dumps(listed))


def outcome(run: Path) -> str:
    """Resume in a forked process: ``taken``, ``refused``, or what went wrong."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        status = 9
        try:
            resume(run, timesteps=160)
            status = 0
        except InputError as error:
            status = 2 if "\n" not in str(error) else 8
        except NumericalError:
            status = 3
        except BaseException:
            import traceback

            (run / "traceback.txt").write_text(traceback.format_exc())
        finally:
            os._exit(status)
    end = time.monotonic() + 10 * SECONDS
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            if os.WIFSIGNALED(status):
                if os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL):
                    return "hang"
                return f"crash {os.WTERMSIG(status)}"
            named = {0: "taken", 2: "refused", 3: "refused", 8: "several lines"}
            return named.get(os.WEXITSTATUS(status), "traceback")
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hang"


def attack(kind: str, count: int, home: Path, seed: int = 0) -> tuple[Counter[str], list[str]]:
    """Forge a kind of run so many times; return the outcomes, and what went wrong."""
    rng, outcomes, wrong = random.Random(seed), Counter[str](), []  # noqa: S311
    expected = ("refused",) if os.environ.get(run_files.KEY) else ("taken", "refused")
    original = make(kind, home / kind)
    for number in range(count):
        run = shutil.copytree(original, home / f"{kind} {number}")
        what = forge(newest(run), rng)
        came = outcome(run)
        outcomes[came] += 1
        if came not in expected:
            trace = run / "traceback.txt"
            last = trace.read_text() if trace.exists() else ""
            wrong.append(f"{kind}: {what}: {came}\n{last}")
            print(wrong[-1], flush=True)
        shutil.rmtree(run)
    return outcomes, wrong


def main(count: int, kinds: list[str]) -> int:
    """Forge as many leaves as asked for, spread over the kinds of runs."""
    total, failures = Counter[str](), 0
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds:
            begun = time.monotonic()
            outcomes, wrong = attack(kind, -(-count // len(kinds)), Path(folder))
            total += outcomes
            failures += len(wrong)
            print(f"{kind} {dict(outcomes)}, {time.monotonic() - begun:.0f} s", flush=True)
    print(f"all {dict(total)}")
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, sys.argv[2:] or list(KINDS)))
