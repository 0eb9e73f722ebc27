"""Work in shards: in this process, over processes of this machine, or over a Ray cluster.

A shard is an argument, ideally an index and a seed; data shared by all shards goes to each worker
once. Results do not depend on the number of workers or on which worker runs a shard.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from common.console import LINE_SECONDS, screen
from common.errors import InputError, NumericalError, short

Result = TypeVar("Result")
Report = Callable[[float], None]
"""Callback within a shard, with the share of it that is done, up to 1."""

Work = Callable[[Any, Any, Report], Result]
"""A module-level function: ``work(shared, shard, report)``."""

ATTEMPTS = 2
"""How often a shard is tried that failed, or whose worker died."""
GRACE = 1.5
"""Seconds that workers have to save and exit after an interruption."""


@dataclass(frozen=True)
class Workers:
    """Where shards run.

    Attributes
    ----------
    count : int
        Number of processes of this machine; 1 is this process itself.
    cluster : str or None
        ``auto``, or the address of a Ray cluster; then `count` has no meaning.
    """

    count: int = 1
    cluster: str | None = None

    @property
    def here(self) -> bool:
        """Whether this process runs all shards."""
        return self.count == 1 and self.cluster is None


HERE = Workers()
"""This process alone."""


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """The outcome of a shard.

    Attributes
    ----------
    index : int
        Index of the shard.
    value : object
        Its return value; None if it failed.
    error : Exception or None
        Why it failed.
    """

    index: int
    value: Result | None
    error: Exception | None = None


class ShardError(RuntimeError):
    """The failure of a shard in another process, or the death of that process."""


def ordered_shards(
    work: Work[Result],
    shared: Any,
    shards: Sequence[Any],
    workers: Workers = HERE,
    *,
    progress: Callable[[float], None] | None = None,
) -> Generator[Result, None, None]:
    """Yield the result of every shard, in the order of the shards.

    Few results are held at once, as shards are started in this order too.

    Parameters
    ----------
    work : callable
        ``work(shared, shard, report)``, a module-level function.
    shared : object
        Data that all shards need; it is sent to every worker once.
    shards : sequence
        The arguments.
    workers : Workers
        Where they run.
    progress : callable, optional
        Called with the share of all work that is done.

    Raises
    ------
    InputError
        If a shard has bad input, or fails for another reason `ATTEMPTS` times.
    """
    values: dict[int, Any] = {}
    shares = dict.fromkeys(range(len(shards)), 0.0)
    following = 0

    def report(index: int, share: float) -> None:
        shares[index] = share
        if progress is not None:
            progress(sum(shares.values()) / max(1, len(shares)))

    with closing(iterate_shards(work, shared, shards, workers, report=report)) as outcomes:
        for outcome in outcomes:
            if isinstance(outcome.error, InputError | NumericalError):
                raise outcome.error
            if outcome.error is not None:
                raise InputError(
                    f"shard {outcome.index} of {len(shards)} failed {ATTEMPTS} times: "
                    f"{describe(outcome.error)}"
                )
            values[outcome.index] = outcome.value
            report(outcome.index, 1.0)
            while following in values:
                yield values.pop(following)
                following += 1


def map_shards(
    work: Work[Result], shared: Any, shards: Sequence[Any], workers: Workers = HERE, **options: Any
) -> list[Result]:
    """Return the results of all shards, in their order; see `ordered_shards`."""
    return list(ordered_shards(work, shared, shards, workers, **options))


@contextmanager
def shard_progress(
    of: int,
    noun: str,
    *,
    shown: bool = True,
    more: Callable[[], str] = str,
    count: bool = True,
) -> Iterator[Callable[[int, float], None]]:
    """Show how many shards are done; give a callback that takes a shard's index and share.

    Where there is no terminal, it prints one line every `LINE_SECONDS`.

    Parameters
    ----------
    of, noun : int, str
        Number of shards, and what they are called.
    shown : bool
        Whether to show anything.
    more : callable
        Returns the text that follows the count.
    count : bool
        Whether to show how many have ended.
    """
    from rich import progress  # here: workers show nothing

    columns = progress.TextColumn("{task.description}"), progress.BarColumn()
    left = progress.TaskProgressColumn(), progress.TimeRemainingColumn()
    drawn = shown and screen.is_terminal
    with progress.Progress(
        *columns, *left, console=screen, transient=True, disable=not drawn
    ) as bar:
        begun = f"0 of {of} {noun}" if count else noun
        task = bar.add_task(begun, total=float(max(1, of)))
        shares = dict.fromkeys(range(of), 0.0)
        last = time.monotonic()

        def report(index: int, share: float) -> None:
            nonlocal last
            shares[index] = share
            ended, done = sum(one >= 1.0 for one in shares.values()), sum(shares.values())
            text = f"{ended} of {of} {noun}{more()}" if count else noun
            bar.update(task, completed=done, description=text)
            if shown and not drawn and time.monotonic() - last > LINE_SECONDS:
                last = time.monotonic()
                screen.print(f"{text}, {done / max(1, of):.0%}")

        yield report


@contextmanager
def share_progress(what: str) -> Iterator[Callable[[float], None]]:
    """Show the share of some work that is done; give the callback that takes it."""
    with shard_progress(1, what, count=False) as report:
        yield lambda share: report(0, share)


def describe(error: Exception) -> str:
    """Return an error as one line."""
    text = " ".join(str(error).split())
    if isinstance(error, InputError | NumericalError | ShardError):
        return text
    quoted = short(f"{type(error).__name__}: {text}", 200)
    return quoted[1:].removesuffix(quoted[0])


def iterate_shards(
    work: Work[Result],
    shared: Any,
    shards: Sequence[Any],
    workers: Workers = HERE,
    *,
    report: Callable[[int, float], None] = lambda _index, _share: None,
) -> Generator[Outcome[Result], None, None]:
    """Yield the outcome of every shard, as each ends.

    A shard that fails, or whose worker dies, is tried again, except after bad input or numbers that
    are not finite, where it would fail again. Closing the iterator, as an interruption does, stops
    all workers within two seconds and leaves none running.

    Parameters
    ----------
    work, shared, shards, workers
        As in `map_shards`.
    report : callable
        Called with a shard's index and the share of it that is done.
    """
    if workers.cluster is not None:
        from common.ray_cluster import iterate_on_cluster  # here: an extra, slow to import

        yield from iterate_on_cluster(work, shared, shards, workers.cluster)
    elif workers.here:
        for index, shard in enumerate(shards):
            yield _here(work, shared, index, shard, report)
    else:
        yield from _over_processes(work, shared, shards, workers.count, report)


def _here(
    work: Work[Result],
    shared: Any,
    index: int,
    shard: Any,
    report: Callable[[int, float], None],
) -> Outcome[Result]:
    last: Exception | None = None
    for _ in range(ATTEMPTS):
        try:
            return Outcome(index, work(shared, shard, lambda share: report(index, share)))
        except Exception as error:
            last = error
            if is_final(error):
                break
    return Outcome(index, None, last)


def is_final(error: Exception) -> bool:
    """Return whether a shard that failed with this error would fail again."""
    return isinstance(error, InputError | NumericalError)


@dataclass
class _Worker:
    """A process of this machine and the shard that it works on."""

    process: Any
    pipe: Connection
    shard: int | None = None


@dataclass
class _Pool:
    """Processes that are started on demand and replaced when they die."""

    work: Work[Any]
    shared: Any
    count: int
    idle: list[_Worker] = field(default_factory=list)
    busy: list[_Worker] = field(default_factory=list)

    def give(self, index: int, shard: Any) -> None:
        """Hand a shard to an idle process, or to a new one."""
        worker = self.idle.pop() if self.idle else self._start()
        worker.shard = index
        self.busy.append(worker)
        with suppress(OSError):  # it died: noticed when it is waited for
            worker.pipe.send(shard)

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")  # a fork would copy locks held by threads
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self.work, self.shared), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def messages(self) -> Iterator[tuple[_Worker, Any]]:
        """Wait, and yield the processes' messages; None from one that died."""
        pipes = {worker.pipe: worker for worker in self.busy}
        for pipe in wait(list(pipes)):
            worker = pipes[pipe]  # type: ignore[index]
            try:
                yield worker, worker.pipe.recv()
            except (EOFError, OSError):
                worker.process.join()
                yield worker, None

    def stop(self) -> None:
        """End every process: those at work may save first, within `GRACE` seconds."""
        for worker in self.idle:
            worker.pipe.close()  # it then exits by itself
        for worker in self.busy:
            with suppress(OSError, ValueError):
                os.kill(worker.process.pid, signal.SIGINT)
        limit = time.monotonic() + GRACE
        for worker in [*self.idle, *self.busy]:
            worker.process.join(max(0.0, limit - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


def _over_processes(
    work: Work[Result],
    shared: Any,
    shards: Sequence[Any],
    count: int,
    report: Callable[[int, float], None],
) -> Generator[Outcome[Result], None, None]:
    pool = _Pool(work, shared, count)
    waiting = deque(range(len(shards)))
    attempts = dict.fromkeys(range(len(shards)), 0)
    try:
        while waiting or pool.busy:
            while waiting and len(pool.busy) < count:
                index = waiting.popleft()
                attempts[index] += 1
                pool.give(index, shards[index])
            for worker, message in pool.messages():
                index = worker.shard if worker.shard is not None else -1
                if isinstance(message, float):
                    report(index, message)
                    continue
                pool.busy.remove(worker)
                if message is None:
                    message = Outcome(-1, None, _death(worker))
                else:
                    pool.idle.append(worker)
                error = message.error
                if error is not None and not is_final(error) and attempts[index] < ATTEMPTS:
                    waiting.appendleft(index)  # so that results still come in order
                else:
                    yield Outcome(index, message.value, error)
    finally:
        pool.stop()


def _death(worker: _Worker) -> ShardError:
    code = worker.process.exitcode
    how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
    return ShardError(f"its process died ({how})")


def _serve(pipe: Connection, work: Work[Any], shared: Any) -> None:
    """Run shards for the process that started this one, until it closes the pipe."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # Ctrl-C reaches the first process alone, which passes it on
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            shard = pipe.recv()
            pipe.send(_attempt(pipe, work, shared, shard))


def _attempt(pipe: Connection, work: Work[Any], shared: Any, shard: Any) -> Outcome[Any]:
    try:
        return Outcome(-1, work(shared, shard, pipe.send))
    except (InputError, NumericalError) as error:
        return Outcome(-1, None, error)
    except Exception as error:  # as text: another process may be unable to rebuild it
        return Outcome(-1, None, ShardError(describe(error)))


def _end_with_parent() -> None:
    """End this process when its parent is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
