"""Labels of any batch, by roll-outs of copies of its worlds.

Only the interface of a batch is used: worlds are copied at a moment (`Batch.fork`), each candidate
action is taken in a copy, and the current policy decides from then on, on the same future for all
candidates (common random numbers). Where a future cannot be drawn anew, as on days of a file,
copies meet that of their world.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agents.dcl.halving import Halving, Race
from agents.dcl.labels import Labels, cautious, joined
from baselines.multi_agent import TeamPolicy, columns_of
from baselines.policy import Policy
from common.errors import InputError
from common.shards import Report
from common.sharing import map_threads
from envs.batch import Batch, Futures
from wrappers.single_agent import ControlledAgents

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
COPIES = 16_384
"""Number of copies of worlds that are moved at once."""
SEVERAL_DECISIONS = (
    "dcl tries every action of a row, and a row of --policy joint takes several at once; "
    "use --policy shared or independent"
)
FAMILIAR = 10
"""Number of worlds played for each one whose states are rolled out: a policy's actions cost next to
nothing, and a network that imitates it must have seen rare days too."""

Found = tuple[Labels, Whole, NDArray[np.bool_]]
Met = tuple[NDArray[np.float32], Whole]
Encode = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class RowPolicy:
    """Present a policy of a whole batch as one that decides for the rows of the learning batch.

    In the supply chain a rule is bound to the chain and decides for its tier; any other policy is
    used as it is.

    Parameters
    ----------
    policy : Policy
        The policy, such as a tuned rule of the registry.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on."""
        self._playing = copy.copy(player_of(self.policy, batch))
        self._playing.bind(batch.chain if isinstance(batch, ControlledAgents) else batch)

    def actions(self, batch: Batch) -> Whole:
        """Return one action per row."""
        chosen = np.asarray(self._playing.predict(None)[0], np.int64)
        if isinstance(batch, ControlledAgents) and chosen.size > batch.num_worlds:  # of all stores
            columns = columns_of(batch.player, batch.chain.num_stores)
            chosen = chosen.reshape(batch.chain.num_worlds, -1)[:, columns]
        return chosen.reshape(-1)


class NetworkPolicy:
    """An actor-critic policy that takes its most likely action.

    Parameters
    ----------
    policy : ActorCriticPolicy
        The network.
    encode : callable
        Maps observations of a batch to the network's inputs in training.
    """

    def __init__(self, policy: Any, encode: Encode) -> None:
        self._policy, self._encode = policy, encode

    def bind(self, batch: Batch) -> None:
        """Do nothing: it reads its batch's observations only."""

    def actions(self, batch: Batch) -> Whole:
        """Return one action per row."""
        seen = torch.as_tensor(self._encode(batch.observation()))
        with torch.no_grad():
            hidden = self._policy.mlp_extractor.forward_actor(seen)
            scores: torch.Tensor = self._policy.action_net(hidden)
        return np.asarray(scores.argmax(dim=1).numpy(), np.int64)


Decider = RowPolicy | NetworkPolicy


def player_of(policy: Policy, batch: Batch) -> Policy:
    """Return the policy that decides for the rows of a batch, out of a team if it is a team."""
    if isinstance(policy, TeamPolicy) and isinstance(batch, ControlledAgents):
        tier = "store" if batch.player.startswith("store") else batch.player
        return policy.players.get(batch.player, policy.players[tier])
    return policy


@dataclass(frozen=True)
class Search:
    """The extent of labelling, and its settings.

    Attributes
    ----------
    states : int
        Approximate number of states of each generation.
    moved_share : float
        Share of actions that are moved on the way, so that states around those of the policy are
        visited too.
    moved_by : int
        Largest distance by which an action's number is moved.
    least_gain : float or None
        As in `agents.dcl.labels.cautious`; None takes labels as they are.
    halving : Halving
        Rounds in which actions are tried.
    days : int
        Longest path [steps].
    gamma : float
        Discount factor of a step.
    workers : int
        Number of threads.
    """

    states: int
    moved_share: float
    moved_by: int
    least_gain: float | None
    halving: Halving
    days: int
    gamma: float
    workers: int


class BatchLabeller:
    """Labels states that worlds of a batch reach.

    Parameters
    ----------
    batch : Batch
        Worlds like those to label; they themselves are not moved.
    search : Search
        Settings of the labelling.
    encode : callable
        As for `NetworkPolicy`.

    Raises
    ------
    InputError
        If a row takes several decisions at once.
    """

    def __init__(self, batch: Batch, search: Search, encode: Encode) -> None:
        if not isinstance(batch.num_actions, int):
            raise InputError(SEVERAL_DECISIONS)
        self._batch, self._search, self._encode = batch, search, encode
        self._actions = batch.num_actions

    def label(self, policy: Any, rule: Policy | None, seed: int) -> tuple[Labels, Whole]:
        """Return the labels of a generation, and its policy's actions in the same states.

        Parameters
        ----------
        policy : ActorCriticPolicy
            The current network.
        rule : Policy or None
            The rule that decides in its place, if any.
        seed : int
            Seed of all randomness.
        """
        decider = RowPolicy(rule) if rule is not None else NetworkPolicy(policy, self._encode)
        rng = np.random.default_rng(seed)
        walked = list(self._walk(decider, rng))
        found = [one for one, _ in walked]
        seen, does = (np.concatenate([met[k] for _, met in walked]) for k in (0, 1))
        labels = replace(joined([part for part, _, _ in found]), familiar=(seen, does))
        own, unsure = (np.concatenate([part[k] for part in found]) for k in (1, 2))
        counts = [own.size for _, own, _ in found]
        clock = _clock(labels.observations, counts, int(self._batch.parameters.max_steps))
        labels, least = replace(labels, clock=clock), self._search.least_gain
        return (labels if least is None else cautious(labels, own, unsure, least)), own

    def _walk(self, decider: Decider, rng: np.random.Generator) -> Iterator[tuple[Found, Met]]:
        """Play worlds through an episode; label some at every step, and record the others."""
        steps = int(self._batch.parameters.max_steps)
        each = max(1, -(-self._search.states // steps))
        batch = self._batch.fork(np.zeros(FAMILIAR * each, np.intp)).batch
        batch.rng = rng
        batch.reset()
        decider.bind(batch)
        ended = np.zeros(batch.num_worlds, np.bool_)
        for step in range(steps):
            actions = decider.actions(batch)
            mixed = rng.permutation(np.flatnonzero(~ended))
            rows, others = np.sort(mixed[:each]), mixed[each:]
            met = batch.observation()[others], actions[others]
            yield self._label(batch, rows, actions[rows], decider, steps - step, rng), met
            outcome = batch.step(self._moved(actions, rng))
            ended |= outcome.terminated | outcome.truncated
            if ended.all():
                return
            if ended.any():  # a world that has ended starts anew, and no longer counts
                batch.restart(np.flatnonzero(outcome.terminated | outcome.truncated))

    def _moved(self, actions: Whole, rng: np.random.Generator) -> Whole:
        """Return actions with a share of them perturbed."""
        s = self._search
        by = rng.integers(-s.moved_by, s.moved_by + 1, actions.size)
        moved = np.where(rng.random(actions.size) < s.moved_share, by, 0)
        return np.asarray(np.clip(actions + moved, 0, self._actions - 1), np.int64)

    def _label(
        self,
        batch: Batch,
        rows: NDArray[np.intp],
        own: Whole,
        decider: Decider,
        left: int,
        rng: np.random.Generator,
    ) -> Found:
        """Return labels of rows now, their own actions, and whether these may be the best."""
        seen = batch.observation()[rows]
        days = min(left, self._search.days)
        race = Race(np.ones((rows.size, self._actions), np.bool_), self._search.halving.errors)
        values, steps = np.zeros(rows.size), 0
        for number, (paths, keep) in enumerate(
            zip(self._search.halving.paths, self._search.halving.keep, strict=True)
        ):
            racing = np.flatnonzero(race.undecided)
            if not racing.size:
                break
            paths = paths if batch.memoryless else 1
            alive = race.alive[racing]
            earned = self._earned(batch, rows[racing], alive, paths, days, decider, rng)
            steps += int(alive.sum()) * paths * days
            if number == 0:
                values = earned[np.arange(rows.size), own].mean(axis=1)
            race.add(racing, earned, keep)
            if not batch.memoryless:
                break
        unsure = ~race.worse[np.arange(rows.size), own]
        labels = Labels(seen, race.losses(), np.ones(rows.size), values, race.certain.copy(), steps)
        return labels, own, unsure

    def _earned(
        self,
        batch: Batch,
        rows: NDArray[np.intp],
        alive: NDArray[np.bool_],
        paths: int,
        days: int,
        decider: Decider,
        rng: np.random.Generator,
    ) -> Floats:
        """Return the return of each path of each action alive, shape (rows, actions, paths)."""
        most = max(1, COPIES // (self._actions * paths))
        parts = [slice(k, k + most) for k in range(0, rows.size, most)]
        seeds = rng.integers(0, 2**63, len(parts))

        shared = self, batch, paths, days, decider
        shards = [(rows[p], alive[p], s) for p, s in zip(parts, seeds.tolist(), strict=True)]
        return np.concatenate(map_threads(play_part, shared, shards, self._search.workers))

    def play(
        self,
        batch: Batch,
        paths: int,
        days: int,
        decider: Decider,
        rows: NDArray[np.intp],
        alive: NDArray[np.bool_],
        seed: int,
    ) -> Floats:
        """Return the reward of each path of each action of some rows, (rows, actions, paths)."""
        row, action = (np.repeat(x, paths) for x in np.nonzero(alive))
        path = np.tile(np.arange(paths), int(alive.sum()))
        rng = np.random.default_rng(seed)
        futures = Futures(rng, row * paths + path, paths) if batch.memoryless else None
        world, at = batch.fork(rows[row], futures)
        world.rng = rng
        who = copy.copy(decider)
        who.bind(world)
        chosen = who.actions(world)
        chosen[at] = action
        out = np.zeros((len(rows), alive.shape[1], paths))
        out[row, action, path] = self._follow(world, at, chosen, who, days)
        return out

    def _follow(
        self, world: Batch, at: NDArray[np.intp], chosen: Whole, who: Decider, days: int
    ) -> Floats:
        """Return the discounted rewards of rows `at` from first actions on, shape of `at`."""
        earned, weight = np.zeros(at.size), 1.0
        running = np.ones(at.size, np.bool_)
        for day in range(days):
            outcome = world.step(chosen)
            earned += weight * np.where(running, outcome.reward[at], 0.0)
            weight *= self._search.gamma
            ended = outcome.terminated | outcome.truncated
            running &= ~ended[at]
            if day + 1 == days or not running.any():
                break
            if ended.any():  # those worlds go on in an episode that does not count
                world.restart(np.flatnonzero(ended))
            chosen = who.actions(world)
        return earned


def play_part(shared: tuple[Any, ...], shard: tuple[Any, ...], report: Report) -> Floats:
    """Play a part of the rows, by `play` of the labeller, the first item of `shared`."""
    del report
    labeller, *given = shared
    found: Floats = labeller.play(*given, *shard)
    return found


def _clock(seen: NDArray[np.float32], counts: list[int], steps: int) -> tuple[int, float] | None:
    """Return the column that holds the share of the episode that has passed, if there is one.

    Parameters
    ----------
    seen : ndarray
        Observations, shape (n, size).
    counts : list of int
        Number of observations of each step.
    steps : int
        Number of steps of an episode.
    """
    shares = np.repeat(np.arange(len(counts)) / steps, counts)
    same = np.abs(seen - shares[:, None]).max(axis=0) < 1e-6
    return (int(np.flatnonzero(same)[0]), 1.0 / steps) if same.any() and steps > 1 else None
