"""Distribution of one run's computations: over threads of this process, or a Ray cluster."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from common import console
from common.shards import HERE, Report, Work, Workers, map_shards

Result = TypeVar("Result")
_place: ContextVar[Workers] = ContextVar("place", default=HERE)


@contextmanager
def share_out(workers: Workers) -> Iterator[None]:
    """Let `map_threads` use these workers from here on; on a cluster, stay connected to it.

    Parameters
    ----------
    workers : Workers
        Its `count` is a number of threads of this process; or a cluster.

    Raises
    ------
    InputError
        If the cluster cannot be used.
    """
    token = _place.set(workers)
    try:
        if workers.cluster is None:
            yield
        else:
            from common.ray_cluster import connected  # here: an extra, slow to import

            with connected(workers.cluster):
                yield
    finally:
        _place.reset(token)


def map_threads(
    work: Work[Result],
    shared: Any,
    shards: Sequence[Any],
    threads: int = 1,
    *,
    progress: Report | None = None,
) -> list[Result]:
    """Return the results of all shards, in their order, for work that is mostly compiled code.

    Compiled code releases the GIL, so that no processes, which take seconds to start, are needed
    for each of many short pieces of work.

    Parameters
    ----------
    work, shared, shards
        As in `common.shards.map_shards`.
    threads : int
        Number of threads, unless `share_out` asks for more.
    progress : callable, optional
        Called with the share of all work that is done.

    Raises
    ------
    KeyboardInterrupt
        At once after Ctrl-C, while threads still finish what they have started.
    """
    place = _place.get()
    if place.cluster is not None:
        return map_shards(work, shared, shards, place, progress=progress)
    report, results = progress or _unheard, []
    pool, wait = ThreadPoolExecutor(max(threads, place.count)), True
    try:
        for result in pool.map(lambda shard: work(shared, shard, _unheard), shards):
            results.append(result)
            report(len(results) / len(shards))
    except KeyboardInterrupt:
        wait = False
        console.leave_threads_behind()
        raise
    finally:
        pool.shutdown(wait=wait, cancel_futures=True)
    return results


def _unheard(share: float) -> None:
    """Ignore a report: the run shows its own progress."""
