"""Shards on a Ray cluster: an extra, ``pip install -e '.[cluster]'``."""

import copy
import logging
import os
import platform
import re
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from common.errors import InputError, NumericalError
from common.shards import ATTEMPTS, Outcome, ShardError, Work, describe, is_final

Result = TypeVar("Result")
ROOT = Path(__file__).resolve().parent.parent
AHEAD = 2
"""Shards per core handed out at a time, lest the results of a million fill the object store."""


def iterate_on_cluster(
    work: Work[Result], shared: Any, shards: Sequence[Any], address: str
) -> Generator[Outcome[Result], None, None]:
    """Yield the outcome of every shard on a cluster, as each ends.

    Parameters
    ----------
    work, shared, shards
        As in `common.shards.map_shards`; `shared` goes into the object store once.
    address : str
        ``auto``, or the address of the cluster's head.

    Raises
    ------
    InputError
        If Ray is not installed, there is no such cluster, or it runs a different version of Ray
        or Python.
    """
    pending: dict[Any, int] = {}
    with connected(address) as ray:
        run = ray.remote(max_retries=0, num_cpus=1)(_attempt)
        everyone = [ray.put(shared)]  # in a list, so that a worker fetches it once, not every shard
        most = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        attempts = dict.fromkeys(range(len(shards)), 0)
        waiting = deque(range(len(shards)))
        try:
            while waiting or pending:
                while waiting and len(pending) < most:
                    index = waiting.popleft()
                    attempts[index] += 1
                    pending[run.remote(work, everyone, shards[index])] = index
                done, _ = ray.wait(list(pending))
                index = pending.pop(done[0])
                outcome = _outcome(ray, done[0])
                if outcome.error and not is_final(outcome.error) and attempts[index] < ATTEMPTS:
                    waiting.appendleft(index)
                else:
                    yield Outcome(index, outcome.value, outcome.error)
        finally:
            for reference in pending:
                ray.cancel(reference, force=True)


_connections: list[Any] = []


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Give the Ray library, connected to a cluster; nested calls share the connection.

    Raises
    ------
    InputError
        As for `iterate_on_cluster`.
    """
    if _connections:
        yield _connections[0]
        return
    _connections.append(_connect(address))
    try:
        yield _connections[0]
    finally:
        _connections.pop().shutdown()  # cancels unfinished work


_kept: dict[str, Any] = {}
"""In a worker: the shared object of the present call, by its reference in the object store."""


def _attempt(work: Work[Any], shared: list[Any], shard: Any) -> Outcome[Any]:
    import ray

    key = shared[0].hex()
    try:
        if key not in _kept:
            _kept.clear()
            _kept[key] = copy.deepcopy(ray.get(shared[0]))  # objects in the store are read-only
        return Outcome(-1, work(_kept[key], shard, lambda _share: None))
    except (InputError, NumericalError) as error:
        return Outcome(-1, None, error)
    except Exception as error:
        return Outcome(-1, None, ShardError(describe(error)))


def _outcome(ray: Any, reference: Any) -> Outcome[Any]:
    try:
        outcome: Outcome[Any] = ray.get(reference)
    except (ray.exceptions.RayError, OSError) as error:
        return Outcome(-1, None, ShardError(f"its worker died ({type(error).__name__})"))
    return outcome


def _connect(address: str) -> Any:
    """Return the Ray library, connected to a cluster whose workers can import this checkout."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray warns
    try:
        import ray
    except ImportError:
        raise InputError("--cluster needs Ray; pip install -e '.[cluster]'") from None
    variables = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    try:
        ray.init(
            address=address,
            runtime_env={"env_vars": variables},
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except RuntimeError as error:
        raise InputError(f"--cluster {address}: {_version_line(ray, str(error))}") from None
    except (ConnectionError, ValueError) as error:
        raise InputError(
            f"--cluster {address}: no Ray cluster there ({' '.join(str(error).split())[:100]}); "
            "start one with ray start --head, or leave the option out"
        ) from None
    return ray


def _version_line(ray: Any, message: str) -> str:
    """Return both versions in one line if a mismatch is the error."""
    found = re.findall(r"(Ray|Python): *(\d+(?:\.\d+)+)", message)
    if "ersion mismatch" not in message or len(found) < 2:
        return " ".join(message.split())[:200]
    theirs = dict(found[:2])
    return (
        f"the cluster has Ray {theirs.get('Ray')} and Python {theirs.get('Python')}, this machine "
        f"Ray {ray.__version__} and Python {platform.python_version()}; they must be the same"
    )
