"""What stores showed on training days, by which a state is known to be unlike those in training."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from agents import run_files
from agents.config import RunConfig
from baselines.multi_agent import chain_of
from baselines.policy import Policy
from baselines.rollout import Observer, run_episodes
from common.errors import FrozenModel, InputError
from envs.batch import Batch

Floats = NDArray[np.float64]
RANGE_WORLDS = 128


class _Range(FrozenModel):
    """The least and the most of each entry, as they are written."""

    low: list[float]
    high: list[float]


def observation_range(folder: Path, run: RunConfig, policy: Policy) -> tuple[Floats, Floats]:
    """Return the least and the most of each entry that stores showed on training days.

    Parameters
    ----------
    folder : Path
        The run's folder, or that of its last phase.
    run, policy : RunConfig, Policy
        As `training.learners.load.load_agent` gives them. They are played where training was killed
        before it kept the range.

    Returns
    -------
    low, high : ndarray
        Shape (entries,).
    """
    path = folder / run_files.RANGES
    if not run_files.exists(path):
        return _played(run, policy)
    try:
        kept = _Range.model_validate_json(run_files.read(path, run_files.MAX_BYTES))
    except ValidationError:
        raise InputError(f"{path}: damaged; remove it and train on") from None
    low, high = np.array(kept.low), np.array(kept.high)
    if low.shape != high.shape or not (low <= high).all():
        raise InputError(f"{path}: damaged; remove it and train on")
    return low, high


def write_observation_range(folder: Path, run: RunConfig, policy: Policy) -> None:
    """Keep the range with the run."""
    low, high = _played(run, policy)
    text = json.dumps({"low": low.tolist(), "high": high.tolist()})
    run_files.write(folder / run_files.RANGES, text.encode())


def _played(run: RunConfig, policy: Policy) -> tuple[Floats, Floats]:
    step = run.settings.observation.step
    batch = run.problem.make_batch(run.parameters, RANGE_WORLDS, observe_step=step)
    policy.bind(batch)
    seen = _StoreObservations()
    run_episodes(batch, policy, observer=seen)
    every = np.concatenate(seen.rows).astype(float)
    return every.min(axis=0), every.max(axis=0)


class _StoreObservations(Observer):
    """Keeps what the stores see, a row per store and step."""

    def start(self, batch: Batch) -> None:
        """Watch this batch from now on."""
        self._chain = chain_of(batch)
        self.rows: list[NDArray[np.float32]] = []

    def before_step(self, observation: Any, actions: NDArray[Any]) -> None:
        """Keep a step's observations."""
        del actions
        chain = self._chain
        stores = chain.by_tier(chain.observation() if observation is None else observation)["store"]
        self.rows.append(stores.reshape(-1, len(chain.observation_names["store"])))
