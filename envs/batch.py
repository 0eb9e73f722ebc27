"""The interface of every simulator: a batch of independent worlds, driven by traces.

The VecEnv, the Gymnasium environments, the roll-outs of evaluation and the tuning of baselines know
a problem through this protocol alone, so a new problem brings its physics and nothing else.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError

Trace = dict[str, NDArray[Any]]
"""All randomness of a batch of episodes, drawn before they begin; first axis = world."""


NOT_MEMORYLESS = (
    "futures: days of a file depend on the days before them, so a future cannot be drawn anew; "
    "fork with futures=None"
)

LAW_UNKNOWN = (
    "reward.expected needs the law of demand, which days of a file do not give unless training "
    "resamples them (stores with --augment bootstrap); set reward.expected=false"
)


def random_actions(batch: "Batch", rng: np.random.Generator) -> NDArray[np.int64]:
    """Return uniformly random actions for every world, in the shape that `Batch.step` takes.

    They include invalid actions, unless the batch is `only_valid`.
    """
    counts = batch.num_actions
    if batch.only_valid:
        masks = batch.action_masks()
        drawn = np.where(masks, rng.random(masks.shape), -1.0)
        parts = np.split(drawn, np.cumsum(counts)[:-1], axis=1)
        chosen = np.stack([part.argmax(axis=1) for part in parts], axis=1)
        return chosen[:, 0] if isinstance(counts, int) else chosen
    if isinstance(counts, int):
        return rng.integers(0, counts, batch.num_worlds)
    return rng.integers(0, np.array(counts), (batch.num_worlds, len(counts)))


def whole_actions(actions: Any, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return actions as the int64 array that compiled steps take.

    Raises
    ------
    InputError
        If they are not whole numbers, or not of this shape.
    """
    given = np.asarray(actions)
    if given.shape != shape:
        raise InputError(f"actions have shape {given.shape}, not {shape}")
    if given.dtype.kind not in "iu":
        raise InputError(f"actions are {given.dtype}: must be whole numbers, such as int64")
    return np.ascontiguousarray(given, np.int64)


class Outcome(NamedTuple):
    """The result of one step of the batch, one entry per world."""

    reward: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]


class Futures(NamedTuple):
    """Fresh randomness for copies of worlds, from the moment of the copy on.

    Attributes
    ----------
    rng : numpy.random.Generator
        Generator that it is drawn from.
    of : ndarray
        The number of each copy's future, from 0, shape (copies,): copies with the same number meet
        the same demand (common random numbers), so that their outcomes differ by their actions
        alone.
    paths : int
        Size of a group of futures: numbers 0 to ``paths - 1`` are the first group, and so on. Where
        a problem can, it spreads each group evenly over its laws, so that a few futures tell more
        than as many independent ones.
    """

    rng: np.random.Generator
    of: NDArray[np.intp]
    paths: int = 1

    @property
    def different(self) -> int:
        """How many different futures there are."""
        return int(self.of.max(initial=-1)) + 1


class Fork(NamedTuple):
    """Copies of worlds: their batch, and each copy's row in it, shape (copies,)."""

    batch: "Batch"
    rows: NDArray[np.intp]


class Batch(Protocol):
    """A batch of worlds of one problem.

    A world that has ended keeps its last state until `restart` gives it a new episode; stepping it
    before that is the caller's error.
    """

    num_worlds: int
    observation_size: int
    rng: np.random.Generator

    @property
    def parameters(self) -> Any:
        """Parameters of the present episodes."""

    @property
    def expected_reward(self) -> bool:
        """Whether `step` returns expected instead of realised rewards (training only)."""

    @property
    def memoryless(self) -> bool:
        """Whether the future does not depend on the past, so that it can be redrawn."""

    @property
    def only_valid(self) -> bool:
        """Whether random play keeps to valid actions, since invalid ones may break a world."""

    @property
    def num_actions(self) -> int | tuple[int, ...]:
        """Number of actions; a tuple of numbers where a world takes several decisions at once."""

    @property
    def observation_low(self) -> float:
        """Lower bound of every entry of an observation."""

    def reset(self, trace: Mapping[str, Any] | None = None) -> None:
        """Start a new episode in every world, on `trace` (first axis = world) or a drawn one."""

    def restart(self, worlds: NDArray[np.intp]) -> None:
        """Start a new episode, on a drawn trace, in the worlds given by index."""

    def change_parameters(self, parameters: Any) -> None:
        """Use other parameters from each world's next episode on; the spaces stay the same."""

    def step(self, actions: NDArray[np.integer[Any]]) -> Outcome:
        """Move every world by one step; `actions` has shape (num_worlds,) or (num_worlds, k)."""

    def observation(self) -> NDArray[np.float32]:
        """Return a fresh array of shape (num_worlds, observation_size)."""

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which actions are valid now, shape (num_worlds, num_actions)."""

    def episode_totals(self) -> dict[str, NDArray[np.float64]]:
        """Return sums over the current episode by name, each of shape (num_worlds,).

        ``return`` is the undiscounted sum of realised rewards and ``length`` the steps so far.
        """

    def get_state(self) -> dict[str, Any]:
        """Return everything that the future depends on, as arrays and plain values."""

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `get_state` returned."""

    def fork(self, worlds: NDArray[np.intp], futures: "Futures | None" = None) -> "Fork":
        """Return copies of worlds, which go on independently of the originals.

        Parameters
        ----------
        worlds : ndarray
            Index of the world (the row) of each copy, shape (copies,); repeats are allowed.
        futures : Futures, optional
            Randomness that the copies meet; by default, what the worlds themselves will meet.

        Raises
        ------
        InputError
            If futures are to be drawn and the batch is not `memoryless`.
        """
