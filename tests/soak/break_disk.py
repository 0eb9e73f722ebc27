"""Let the disk fail at every call of a short run, one after another, and look what comes of it.

``python -m tests.soak.break_disk`` trains once per call that writes, with a disk that fails at that
call alone and with one that fails from it on. Training must end in one line with exit status 2, or
not mind; and once the disk works again, the run must end with the weights of an undisturbed one.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

import contextlib
import errno
import io
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.soak.command import carry_out, weights
from tests.soak.faults import Disk, failing

SETTINGS = (
    *("evaluation.every=60", "evaluation.episodes=2", "net_arch=[4]", "n_envs=4", "n_steps=10"),
    *("timesteps=120", "batch_size=20", "checkpoint.every=40"),
)
RUNS = {
    "ppo": ("--algo", "ppo", *SETTINGS, "max_steps=5", "observation.normalize=running"),
    "phases": ("--algo", "ppo", "--stores", "2", "--phases", "1-2", *SETTINGS, "horizon=4"),
}
ERRORS = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO)


def arguments(name: str) -> list[str]:
    """Return the command line of a kind of run, all but its folder."""
    options = ["--quiet"]
    for part in RUNS[name]:
        options += ["--set", part] if "=" in part else [part]
    return options


def said(*command: object) -> tuple[int, str]:
    """Run a command; return its exit status and what it said, a traceback with status -1."""
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        try:
            return carry_out(*command), err.getvalue()
        except Exception:
            return -1, traceback.format_exc()


def attempt(name: str, disk: Disk, expected: dict[str, object]) -> str:
    """Train on a disk that fails, then on a repaired one; return what was wrong, or nothing."""
    shutil.rmtree(disk.folder, ignore_errors=True)
    with failing(disk):
        status, printed = said(*arguments(name), "--run-dir", disk.folder)
    if status not in (0, 2) or (status == 2 and not _is_one_line(printed)):
        return f"status {status}: {printed}"
    if (disk.folder / "config.yaml").is_file():
        again, printed = said("--resume", disk.folder, "--quiet")
    else:
        again, printed = said(*arguments(name), "--run-dir", disk.folder)
    if again or weights(disk.folder) != expected:
        return f"on a repaired disk, status {again}, {weights(disk.folder)}: {printed}"
    left = [path.name for path in disk.folder.rglob(".*.tmp")]
    return f"left behind: {left}" if left else ""


def _is_one_line(message: str) -> bool:
    return message.startswith("error: ") and message.count("\n") == 1


def undisturbed(name: str, folder: Path) -> tuple[list[str], dict[str, object]]:
    """Return the calls that a run makes, and its weights."""
    disk = Disk(folder)
    with failing(disk):
        status, printed = said(*arguments(name), "--run-dir", folder)
    if status:
        raise SystemExit(printed)
    return disk.calls, weights(folder)


def main(names: list[str]) -> int:
    """Break the disk at every call; print a line per kind of run, and one per thing wrong."""
    wrong = 0
    for name in names or list(RUNS):
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as work:
            calls, expected = undisturbed(name, Path(work) / "whole")
            for at in range(1, len(calls) + 1):
                for lasting in (False, True):
                    error = ERRORS[at % len(ERRORS)]
                    disk = Disk(Path(work) / "run", at, error, lasting)
                    failure = attempt(name, disk, expected)
                    if failure:
                        print(f"WRONG {calls[at - 1]}, {at}, {lasting}: {failure}", flush=True)
                        wrong += 1
        seconds = time.monotonic() - begun
        print(f"{name}: {len(calls)} calls, {2 * len(calls)} runs, {wrong} wrong, {seconds:.0f} s")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
