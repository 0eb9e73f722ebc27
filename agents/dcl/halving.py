"""Sequential halving: paths are spent on the actions that may still be the best."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEAST_LOSS = 1e-3
"""Least distance from the best of an action that is out [reward]."""


@dataclass(frozen=True)
class Halving:
    """The number of paths of each round, and the actions that stay after it.

    Attributes
    ----------
    paths : tuple of int
        Paths per action and round.
    keep : tuple of int
        Most actions kept after each round.
    errors : float
        Actions worse than the best by more than this many standard errors are dropped.
    """

    paths: tuple[int, ...]
    keep: tuple[int, ...]
    errors: float


class Race:
    """The actions of many states in a race for the best.

    Parameters
    ----------
    candidates : ndarray
        Which actions take part, shape (n, actions).
    errors : float
        As `Halving.errors`.

    Attributes
    ----------
    alive : ndarray
        Which actions may still be the best, shape (n, actions).
    certain : ndarray
        States in which all others are worse by more than those standard errors, shape (n,); with a
        single path there is no standard error, and nothing is certain.
    worse : ndarray
        Actions that are certainly worse than the best, shape (n, actions).
    """

    def __init__(self, candidates: Flags, errors: float) -> None:
        self.alive, self._errors = candidates.copy(), errors
        self._sum = np.zeros(candidates.shape)
        self._count = np.zeros(candidates.shape)
        self.certain = np.zeros(len(candidates), np.bool_)
        self.worse = np.zeros(candidates.shape, np.bool_)

    def add(self, rows: NDArray[np.intp], outcomes: Floats, keep: int) -> None:
        """Add the outcomes of a round in some states and drop actions.

        Parameters
        ----------
        rows : ndarray
            The states, shape (m,).
        outcomes : ndarray
            Return of each path of each action, shape (m, actions, paths), path j of all actions of
            a state on the same future; entries of actions that are not alive are ignored.
        keep : int
            Most actions kept.
        """
        alive, paths, at = self.alive[rows], outcomes.shape[2], np.arange(len(rows))
        self._sum[rows] += np.where(alive, outcomes.sum(axis=2), 0.0)
        self._count[rows] += np.where(alive, paths, 0)
        mean = self.means()[rows]
        best = mean.argmax(axis=1)
        apart = outcomes[at, best][:, None] - outcomes
        error = apart.std(axis=2) / np.sqrt(np.maximum(self._count[rows], 1.0))
        near = alive & (mean[at, best][:, None] - mean <= self._errors * error)
        near[at, best] = True
        rank = np.where(near, -mean, np.inf).argsort(axis=1, kind="stable").argsort(axis=1)
        self.worse[rows] |= alive & ~near
        self.certain[rows] = (near.sum(axis=1) == 1) & (paths > 1)
        self.alive[rows] = near & (rank < keep)

    def means(self) -> Floats:
        """Return mean outcomes, shape (n, actions); minus infinity for actions that are out."""
        mean = self._sum / np.maximum(self._count, 1.0)
        return np.where(self.alive, mean, -np.inf)

    def losses(self) -> Floats:
        """Return how much worse each action is than the best of those alive, shape (n, actions).

        For actions that are out it comes from the rounds that they took part in.
        """
        mean = self._sum / np.maximum(self._count, 1.0)
        best = self.means().max(axis=1, keepdims=True)
        found = np.where(self._count > 0, np.maximum(best - mean, 0.0), np.inf)
        least = np.where(self.alive, found, np.maximum(found, LEAST_LOSS))
        return np.asarray(least, np.float64)

    @property
    def undecided(self) -> Flags:
        """In which states more than one action is alive, shape (n,)."""
        return np.asarray(self.alive.sum(axis=1) > 1)
