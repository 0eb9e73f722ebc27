"""One learner's part in a run: what happens beside its learning, and all that it depends on."""

from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from agents.algorithms import ALGORITHMS
from agents.config import RunConfig
from agents.hyperparameters import OnPolicy
from training.callbacks import WINDOW, BatchedBootstrap, EpisodeMetrics
from training.learner_state import learner_state, load_learner_state
from training.learners import Learner
from training.logger import load_log_state, log_state
from training.numerical_guard import Guard
from training.state_checks import check_episodes, check_number
from wrappers.curriculum import CurriculumCallback, Stage
from wrappers.vec_env import batch_of

DUMPS = 1000
"""About so many rows of a run go to its logs."""


class LearnerSession:
    """One learner's part in a run: its folder, and the callbacks that have a state.

    Parameters
    ----------
    learner : Learner
        The learner.
    home : Path
        Where its files go.
    """

    def __init__(self, learner: Learner, home: Path) -> None:
        self.learner, self.home = learner, home
        config = learner.config
        numbers = _flat_numbers(config.hyperparameters.model_dump())
        self.metrics = EpisodeMetrics(config.to_dict(), numbers)
        self.guard = Guard(config, learner.player)
        self.guard.init_callback(learner.model)
        self.curriculum: CurriculumCallback | None = None
        if config.settings.curriculum.stages:
            stages = [Stage(start, parameters) for start, parameters in config.stages()]
            self.curriculum = CurriculumCallback(stages, config.settings.curriculum.unit)

    def callbacks(self) -> list[BaseCallback]:
        """Return what happens beside the learner's learning."""
        algorithm = ALGORITHMS[self.learner.config.settings.algo]
        curriculum = [self.curriculum] if self.curriculum else []
        bootstrap = [] if algorithm.off_policy or algorithm.recurrent else [BatchedBootstrap()]
        return [self.guard, self.metrics, *curriculum, *bootstrap]

    def state(self) -> dict[str, Any]:
        """Return everything that the learner's learning depends on."""
        stages = self.curriculum
        return {
            "learner": learner_state(self.learner.model, self.learner.env),
            "metrics": self.metrics.state(),
            "curriculum": None if stages is None else (stages.stage, stages.episodes),
            "log": log_state(self.learner.model.logger),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Load what `state` returned, the log being open already."""
        config, model, env = self.learner.config, self.learner.model, self.learner.env
        stages = [config.parameters, *(parameters for _, parameters in config.stages())]
        load_learner_state(model, env, state["learner"], stages)
        totals = list(batch_of(env).episode_totals())
        check_episodes(state["metrics"], WINDOW, totals, "the last episodes")
        self.metrics.load_state(state["metrics"])
        if self.curriculum is not None:
            stage, episodes = state["curriculum"]
            check_number(stage, "the stage", 0, len(self.curriculum.stages) - 1)
            check_number(episodes, "the episodes", 0)
            self.curriculum.stage, self.curriculum.episodes = stage, episodes
        load_log_state(model.logger, state["log"])


def log_interval(config: RunConfig) -> int:
    """Return SB3's log interval: rollouts for on-policy algorithms, episodes for the others."""
    s, settings = config.settings, config.hyperparameters
    if isinstance(settings, OnPolicy):
        return max(1, s.timesteps // (s.n_envs * settings.n_steps) // DUMPS)
    return max(s.n_envs, s.timesteps // int(config.parameters.max_steps) // DUMPS)


def _flat_numbers(values: dict[str, Any]) -> dict[str, Any]:
    """Return what TensorBoard's HPARAMS tab takes: numbers, booleans and strings."""
    simple = (bool, int, float, str)
    return {k: v if isinstance(v, simple) else str(v) for k, v in values.items()}
