"""Many episodes in chunks, each with a random stream of its own, so that any process can play it.

The result of a chunk depends only on its number and the seed, and the result of all chunks on their
order, never on which process played them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from baselines.policy import Policy, of_chunk
from baselines.rollout import CHUNK, Observer, rollout
from common.errors import FrozenModel, InputError
from common.shards import HERE, Report, Workers, ordered_shards
from envs.batch import Trace
from envs.problems import PROBLEMS, Problem

Part = TypeVar("Part")
Totals = dict[str, NDArray[np.float64]]
MAX_HELD = 1_000_000
"""Most episodes whose totals, or whose days of a file, may be held at once."""


def check_episodes(parameters: FrozenModel, episodes: int, *, hold: bool) -> None:
    """Refuse more episodes than may be held, if all have to be held at once.

    Raises
    ------
    InputError
        If there are too many and days come from a file, or `hold` asks for every episode.
    """
    if episodes <= MAX_HELD:
        return
    if in_one_chunk(parameters):
        raise InputError(f"--episodes {episodes}: days of a file are few; at most {MAX_HELD:,}")
    if hold:
        raise InputError(
            f"--episodes {episodes}: at most {MAX_HELD:,} where every episode is wanted, as for a "
            "report, a file of episodes, or several seeds"
        )


def in_one_chunk(parameters: FrozenModel) -> bool:
    """Return whether days come from a file: intervals need to know which episodes share days."""
    return getattr(parameters, "demand_data", None) is not None


@dataclass(frozen=True, eq=False)
class Play:
    """Policies, and the episodes of the stream ``"evaluation"`` that all of them play.

    Attributes
    ----------
    problem : Problem
        The problem that is played.
    parameters : FrozenModel
        Its parameters.
    policies : mapping
        Policies by name.
    episodes, seed : int
        Number and seed of the traces.
    deterministic, observe_step : bool
        As in `baselines.rollout.rollout`.
    """

    problem: Problem
    parameters: FrozenModel
    policies: Mapping[str, Policy] = field(repr=False)
    episodes: int
    seed: int
    deterministic: bool = True
    observe_step: bool = False

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs; it finds the problem by its name."""
        return {**vars(self), "problem": self.problem.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what `__getstate__` returned."""
        vars(self).update(state, problem=PROBLEMS[state["problem"]])

    @property
    def chunks(self) -> int:
        """Number of chunks of up to `CHUNK` episodes; 1 if days come from a file."""
        return 1 if in_one_chunk(self.parameters) else max(1, -(-self.episodes // CHUNK))

    def trace(self, chunk: int = 0) -> Trace:
        """Return the randomness of a chunk; the first does not depend on how many follow."""
        count = self.episodes
        if self.chunks > 1:
            count = min(CHUNK, self.episodes - chunk * CHUNK)
        return self.problem.traces(self.parameters, "evaluation", self.seed, count, chunk)

    def totals(
        self,
        trace: Trace,
        chunk: int = 0,
        observers: Mapping[str, Observer] | None = None,
        report: Report = lambda _share: None,
    ) -> dict[str, Totals]:
        """Return the totals of every episode of a chunk, by policy.

        Parameters
        ----------
        trace, chunk : dict, int
            The chunk and its randomness.
        observers : mapping, optional
            Observer of each policy, by the policy's name.
        report : callable
            Called with the share that is done.
        """
        if self.chunks > 1 and not self.deterministic:
            seed_sampling(self.seed, chunk)
        found: dict[str, Totals] = {}
        for name, policy in self.policies.items():
            found[name] = rollout(
                self.problem,
                self.parameters,
                of_chunk(policy, chunk),
                trace,
                deterministic=self.deterministic,
                observe_step=self.observe_step,
                observer=None if observers is None else observers[name],
                progress=lambda share: report((len(found) + share) / len(self.policies)),
            )
        return found


def seed_sampling(seed: int, chunk: int) -> None:
    """Seed the action sampling of agents for a chunk."""
    import torch  # here: rules do not need it

    state = np.random.SeedSequence(seed, spawn_key=(chunk,)).generate_state(1, np.uint64)
    torch.manual_seed(int(state[0]))


Summary = Callable[[Trace, dict[str, Totals]], Part]
"""A function of a chunk's randomness and totals by policy; returns the summary to keep."""


@dataclass(frozen=True)
class _Shared(Generic[Part]):
    play: Play
    summary: Summary[Part]


def iterate_chunks(
    play: Play,
    summary: Summary[Part],
    workers: Workers = HERE,
    *,
    first: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Iterator[Part]:
    """Yield the summary of every chunk, in their order.

    Parameters
    ----------
    play : Play
        The policies and their episodes.
    summary : callable
        Summary of a chunk; it must be picklable for other processes.
    workers : Workers
        Where chunks are played; no result depends on it.
    first : int
        The first chunk to play.
    progress : callable, optional
        Called with the share that is done.
    """
    chunks = range(first, play.chunks)
    yield from ordered_shards(_work, _Shared(play, summary), chunks, workers, progress=progress)


def _work(shared: _Shared[Part], chunk: int, report: Report) -> Part:
    trace = shared.play.trace(chunk)
    return shared.summary(trace, shared.play.totals(trace, chunk, report=report))
