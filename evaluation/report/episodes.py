"""Episodes recorded step by step: the parts of the return, stocks and orders."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.rollout import Observer
from envs.batch import Batch, Outcome

Floats = NDArray[np.float64]
RECORDED = 300
"""Number of episodes whose steps are kept; the parts of the return are means over all."""


@dataclass(frozen=True)
class EpisodeRecord:
    """The record of one policy.

    Attributes
    ----------
    parts : dict
        Means over the episodes by owner of the return and part; they add up to the return.
    steps : dict
        States and events by name in every step of the kept episodes, shape (steps, episodes) or
        (steps, episodes, stores); NaN after an episode's end, and where there is no limit.
    places : dict
        Means over the episodes by store, or other place, and quantity.
    """

    parts: dict[str, dict[str, float]]
    steps: dict[str, Floats]
    places: dict[str, dict[str, float]] = field(default_factory=dict)


class EpisodeRecorder(Observer):
    """Records what happens in every step of an evaluation."""

    def start(self, batch: Batch) -> None:
        """Watch this batch from now on."""
        self._batch: Any = batch
        self._steps = StepColumns(batch.num_worlds)

    @abstractmethod
    def record(self) -> EpisodeRecord:
        """Return the record."""


class StepColumns:
    """Steps of the kept episodes, collected by name."""

    def __init__(self, worlds: int) -> None:
        self._kept = min(worlds, RECORDED)
        self._columns: dict[str, list[Floats]] = {}

    def add(self, running: NDArray[np.bool_], **columns: NDArray[Any]) -> None:
        """Add a step of the worlds that are `running`; columns have worlds as their first axis."""
        for name, values in columns.items():
            kept = values[: self._kept].astype(np.float64)
            kept[~running[: self._kept]] = np.nan
            kept[np.isinf(kept)] = np.nan  # a warehouse that is never short
            self._columns.setdefault(name, []).append(kept)

    def stacked(self) -> dict[str, Floats]:
        """Return the columns by name, steps as their first axis."""
        return {name: np.stack(values) for name, values in self._columns.items()}


class PlainRecorder(EpisodeRecorder):
    """Recorder for any problem: rewards, and actions if each world takes one."""

    def before_step(self, observation: Any, actions: NDArray[Any]) -> None:
        """Record the actions."""
        del observation
        self._actions = actions.copy()

    def after_step(self, outcome: Outcome, running: NDArray[np.bool_]) -> None:
        """Record the rewards, summed over agents."""
        reward = outcome.reward.reshape(self._batch.num_worlds, -1).sum(axis=1)
        self._steps.add(running, action=self._actions, reward=reward)

    def record(self) -> EpisodeRecord:
        """Return the steps; the parts of the return are unknown."""
        return EpisodeRecord({}, self._steps.stacked())
