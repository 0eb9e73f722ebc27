"""Where one run shares out what it computes: threads of this process, or a Ray cluster."""

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
        So many threads of this process, or a cluster.

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
    """Return what every shard returns, in their order, for work that is mostly compiled.

    Such work lets other threads run meanwhile, so that processes, which take seconds to begin,
    need not be started for each of many short pieces of it.

    Parameters
    ----------
    work, shared, shards
        As `common.shards.map_shards` has them.
    threads : int
        At least so many, where `share_out` says no more.
    progress : callable, optional
        Called with the share of all that is done.

    Raises
    ------
    KeyboardInterrupt
        At once after Ctrl-C, while threads still do what they have begun.
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
    """Take a report that nobody waits for: the run shows its own progress."""
