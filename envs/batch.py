"""What every simulator offers: a batch of independent worlds, driven by traces.

The VecEnv, the Gymnasium faces, the roll-outs of evaluation and the tuning of baselines know a
problem through this protocol alone, so a new problem brings its physics and nothing else.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError

Trace = dict[str, NDArray[Any]]
"""All randomness of a batch of episodes, drawn before them; first axis = world."""


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

    Invalid ones are among them, unless the batch is `only_valid`.
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
    """Return actions as compiled steps take them.

    Raises
    ------
    InputError
        If they are no whole numbers, or not of this shape.
    """
    given = np.asarray(actions)
    if given.shape != shape:
        raise InputError(f"actions have shape {given.shape}, not {shape}")
    if given.dtype.kind not in "iu":
        raise InputError(f"actions are {given.dtype}: must be whole numbers, such as int64")
    return np.ascontiguousarray(given, np.int64)


class Outcome(NamedTuple):
    """What one step of the batch gave, one entry per world."""

    reward: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]


class Futures(NamedTuple):
    """Randomness drawn anew for copies of worlds, from the moment of the copy on.

    Attributes
    ----------
    rng : numpy.random.Generator
        Where it is drawn from.
    of : ndarray
        The number of each copy's future, from 0, shape (copies,): copies of the same number meet
        the same demand, so that their outcomes differ by their actions alone.
    paths : int
        Futures that belong together, numbers 0 to paths - 1 and so on: where a problem can, it
        spreads them evenly over its laws, so that few of them tell more than as many random ones.
    """

    rng: np.random.Generator
    of: NDArray[np.intp]
    paths: int = 1

    @property
    def different(self) -> int:
        """How many different futures there are."""
        return int(self.of.max(initial=-1)) + 1


class Fork(NamedTuple):
    """Copies of worlds: their batch, and the row of it that each copy of a row is, (copies,)."""

    batch: "Batch"
    rows: NDArray[np.intp]


class Batch(Protocol):
    """A batch of worlds of one problem.

    A world that has ended keeps its last state until `restart` gives it a new episode; stepping it
    before that is an error of the caller.
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
        """Whether what is still to come does not depend on what was, so that it can be redrawn."""

    @property
    def only_valid(self) -> bool:
        """Whether random play keeps to valid actions, as worlds may not bear others."""

    @property
    def num_actions(self) -> int | tuple[int, ...]:
        """Actions to choose from; a tuple where a world takes several decisions at once."""

    @property
    def observation_low(self) -> float:
        """What no entry of an observation falls below."""

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
        """Put back what `get_state` returned."""

    def fork(self, worlds: NDArray[np.intp], futures: "Futures | None" = None) -> "Fork":
        """Return copies of worlds, which go on by themselves.

        Parameters
        ----------
        worlds : ndarray
            Index of the world (the row) of each copy, shape (copies,); repeats are welcome.
        futures : Futures, optional
            What the copies meet; without it, what the worlds themselves are going to meet.

        Raises
        ------
        InputError
            If futures are to be drawn and the batch is not `memoryless`.
        """
