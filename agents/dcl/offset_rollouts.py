"""Labels of stores that choose offsets to the level of a rule, by roll-outs on resampled days.

From states of training episodes every offset is taken once and the current policy decides from then
on, for the days on which today's order can matter. All offsets of a state meet the same days, drawn
anew for every state (`envs.supply_chain.trace.draw_futures`), so that none is good merely by the
luck of the one future in a file.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.dcl.labels import Labels
from agents.dcl.rollouts import Encode, NetworkPolicy, play_part
from common.sharing import map_threads
from envs.batch import Futures
from wrappers.single_agent import ControlledAgents

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
COPIES = 8_192
"""Number of copies of worlds that are moved at once."""
APART = 5
"""Days from one state of an episode to the next: all weekdays occur, as episodes begin on any."""
MOMENTS = 5
"""Number of states of an episode that are rolled out."""
DAYS_AFTER = 6
"""Days that are counted beyond those until the next order after today's arrives."""
REAL_STATES = 2
"""States on days as they were, as a multiple of those on resampled days: each has one future."""
BLOCK_DAYS = 42
"""Days of a calendar block, the unit in which labels are held out."""
PASSED_OVER = ("season", "warehouse", "last demand", "demand_std")
"""Beginnings of the names of entries that let a network memorise single weeks of a short history;
they are hidden from the policy."""


@dataclass(frozen=True, eq=False)
class OffsetLabels:
    """States, and the cost of every offset in them relative to the rule.

    Attributes
    ----------
    observations : ndarray
        Inputs of the network, shape (n, size).
    costs : ndarray
        Cost of each offset minus that of the rule's own order, shape (n, offsets) [days of the
        store's own level times money].
    values : ndarray
        Return from each state if it follows the rule once more, shape (n,).
    blocks : ndarray
        Number of each state's block of `BLOCK_DAYS` days of the calendar, shape (n,).
    unseen : tuple of int
        Columns hidden from the policy.
    steps : int
        Number of simulated steps of stores.
    """

    observations: NDArray[np.float32]
    costs: Floats
    values: Floats
    blocks: Whole
    unseen: tuple[int, ...]
    steps: int

    def with_losses(self) -> Labels:
        """Return them as labels of a classifier, for the value head."""
        losses = self.costs - self.costs.min(axis=1, keepdims=True)
        ones = np.ones(len(losses))
        certain = np.zeros(len(losses), np.bool_)
        return Labels(
            self.observations, losses, ones, self.values, certain, self.steps, unseen=self.unseen
        )

    @property
    def rewards(self) -> Floats:
        """The values, by the name under which a buffer's callbacks look for them."""
        return self.values


def pooled(parts: list[OffsetLabels]) -> OffsetLabels:
    """Return all labels together, in their order."""
    return replace(
        parts[0],
        observations=np.concatenate([part.observations for part in parts]),
        costs=np.concatenate([part.costs for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        blocks=np.concatenate([part.blocks for part in parts]),
        steps=sum(part.steps for part in parts),
    )


@dataclass(frozen=True)
class OffsetSearch:
    """The extent of labelling.

    Attributes
    ----------
    states : int
        Approximate number of states.
    paths : int
        Number of futures of each.
    moved_share : float
        Share of offsets drawn at random on the way, so that states around those of the policy are
        visited too.
    workers : int
        Number of threads; the labels do not depend on it.
    """

    states: int
    paths: int
    moved_share: float
    workers: int


class OffsetLabeller:
    """A labeller of states of stores that choose offsets.

    Parameters
    ----------
    batch : ControlledAgents
        Stores like those to label; they themselves are not moved.
    search : OffsetSearch
        Extent of the labelling.
    encode : callable
        Maps observations of the batch to inputs of the network.
    """

    def __init__(self, batch: ControlledAgents, search: OffsetSearch, encode: Encode) -> None:
        assert batch.offsets is not None  # noqa: S101  (see DCL._make_labeller)
        self._batch, self._search, self._encode = batch, search, encode
        self.offsets = batch.offsets.offsets
        self._unmoved, self._count = batch.offsets.unmoved, len(self.offsets)
        p = batch.parameters
        lead_time = p.longest_lead_time
        self._days = lead_time + p.longest_review_gap + DAYS_AFTER
        names = batch.chain.observation_names["store"]
        self._unseen = tuple(k for k, name in enumerate(names) if name.startswith(PASSED_OVER))
        # if the warehouse is never short, the stores of a world can be tried side by side
        free = all(np.isinf(lane.warehouse.initial_on_hand) for lane in p.lanes())
        self._together = batch.rows_per_world if free else 1

    def on_real_days(self) -> "OffsetLabeller":
        """Return a labeller on training days as they were, not resampled: one future each.

        Resampled days leave out, above all, that levels of demand shift; this makes them too easy,
        and offsets learned on them too low. Days as they were show this, although with much noise.
        """
        batch: Any = self._batch.fork(np.zeros(1, np.intp)).batch
        batch.chain.split, batch.chain.expected_reward = "tuning", False
        more = replace(self._search, states=REAL_STATES * self._search.states)
        return OffsetLabeller(batch, more, self._encode)

    def label(self, policy: Any | None, seed: int) -> OffsetLabels:
        """Return labels of a generation.

        Parameters
        ----------
        policy : ActorCriticPolicy or None
            The current network; None for the rule.
        seed : int
            Seed of all randomness.
        """
        decider = None if policy is None else NetworkPolicy(policy, self._encode)
        rng = np.random.default_rng(seed)
        return pooled(list(self._walk(decider, rng)))

    def _walk(
        self, decider: NetworkPolicy | None, rng: np.random.Generator
    ) -> Iterator[OffsetLabels]:
        """Play worlds through an episode, and label their states every few days."""
        worlds = max(1, round(self._search.states / MOMENTS / self._batch.rows_per_world))
        batch: Any = self._batch.fork(np.zeros(worlds, np.intp)).batch
        last = APART * (MOMENTS - 1)
        horizon = last + self._days
        longer = batch.parameters.model_copy(update={"horizon": horizon, "warmup_days": 0})
        batch.change_parameters(longer)
        batch.rng = rng
        batch.reset()
        for day in range(last + 1):
            own = self._decide(decider, batch)
            if day % APART == 0:
                yield self._label(batch, own, decider, rng)
            moved = rng.random(own.size) < self._search.moved_share
            batch.step(np.where(moved, rng.integers(0, self._count, own.size), own))

    def _decide(self, decider: NetworkPolicy | None, batch: Any) -> Whole:
        if decider is None:
            return np.full(batch.num_worlds, self._unmoved)
        return decider.actions(batch)

    def _label(
        self,
        batch: ControlledAgents,
        own: Whole,
        decider: NetworkPolicy | None,
        rng: np.random.Generator,
    ) -> OffsetLabels:
        """Return labels of all rows at this moment."""
        paths = self._search.paths if batch.memoryless else 1
        groups = batch.num_worlds // self._together  # groups of rows that take the same offset
        most = max(1, COPIES // (paths * self._count))
        parts = [np.arange(k, min(k + most, groups)) for k in range(0, groups, most)]
        seeds = rng.integers(0, 2**63, len(parts)).tolist()

        shared, shards = (self, batch, paths, decider), list(zip(parts, seeds, strict=True))
        earned = np.concatenate(map_threads(play_part, shared, shards, self._search.workers))
        mean = earned.mean(axis=1).transpose(0, 2, 1).reshape(own.size, self._count)
        past = batch.chain.past
        assert past is not None  # noqa: S101  (offsets need a file)
        if batch.chain.split != "training":  # rewards of training are per unit of the level already
            mean = mean / past.level.reshape(-1, 1)
        days = past.start + batch.chain.day
        return OffsetLabels(
            self._encode(batch.observation()),
            mean[:, [self._unmoved]] - mean,
            mean[:, self._unmoved],
            np.repeat(days // BLOCK_DAYS, batch.rows_per_world),
            self._unseen,
            earned.size * self._days,
        )

    def play(
        self,
        batch: ControlledAgents,
        paths: int,
        decider: NetworkPolicy | None,
        groups: NDArray[np.intp],
        seed: int,
    ) -> Floats:
        """Return the returns, shape (groups, paths, offsets, rows of a group)."""
        rng = np.random.default_rng(seed)
        future = np.repeat(np.arange(groups.size * paths), self._count)
        rows = np.repeat(groups * self._together, paths * self._count)
        fork = batch.fork(rows, Futures(rng, future) if batch.memoryless else None)
        world: Any = fork.batch
        world.rng = rng
        who = copy.copy(decider)
        at = (fork.rows[:, None] + np.arange(self._together)).reshape(-1)
        chosen = self._decide(who, world)
        chosen[at] = np.repeat(np.tile(np.arange(self._count), groups.size * paths), self._together)
        earned = np.zeros(at.size)
        for day in range(self._days):
            earned += world.step(chosen).reward[at]
            if day + 1 < self._days:
                chosen = self._decide(who, world)
        return earned.reshape(groups.size, paths, self._count, self._together)
