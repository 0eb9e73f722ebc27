"""Carry out N bad inputs and tell what came of them: python -m tests.fuzz.run_generated N."""

import collections
import resource
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz import inputs


def main(count: int) -> int:
    """Return 0 if every input was accepted or refused in one line."""
    statuses: collections.Counter[int] = collections.Counter()
    wrong: dict[str, tuple[inputs.Attempt, inputs.Outcome]] = {}
    totals: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        run, home = inputs.example_run(Path(folder) / "run"), Path(folder) / "home"
        stores = inputs.example_stores(Path(folder) / "stores" / "run")
        home.mkdir()
        begun, slowest = time.perf_counter(), 0.0
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            derandomize=False,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(inputs.attempts(run, stores))
        def attempt(tried: inputs.Attempt) -> None:
            nonlocal slowest
            before = time.perf_counter()
            outcome = inputs.carry_out(tried, home)
            slowest = max(slowest, time.perf_counter() - before)
            statuses[outcome.status] += 1
            totals["tracebacks"] += bool(outcome.trace)
            totals["files left behind"] += len(outcome.left)
            if not outcome.fine:
                where = outcome.trace.strip().splitlines()[-3:] or [outcome.message[:80]]
                wrong.setdefault(" | ".join(line.strip() for line in where), (tried, outcome))

        attempt()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = time.perf_counter() - begun
    print(f"inputs {sum(statuses.values()):,} in {seconds:.0f} s, slowest {slowest:.2f} s")
    print(f"exit statuses {dict(sorted(statuses.items()))}")
    print(f"tracebacks {totals['tracebacks']}, files left behind {totals['files left behind']}")
    print(f"peak memory {peak / 1024:.0f} MiB, of which {base / 1024:.0f} MiB before the first")
    for message, (tried, outcome) in wrong.items():
        print(f"WRONG {message}\n  {tried.command} {tried.arguments!r} -> {outcome.status}")
        print(
            f"  {outcome.message[:300]!r} { ({k: v[:200] for k, v in tried.files.items()}) }"[:900]
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
