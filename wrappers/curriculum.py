"""Curriculum: stages of the problem's parameters, by episodes or by steps."""

from dataclasses import dataclass
from typing import Any, Literal

from stable_baselines3.common.callbacks import BaseCallback

from wrappers.vec_env import base_env, batch_of


@dataclass(frozen=True)
class Stage:
    """Parameters that hold from a number of episodes or steps on."""

    start: int
    parameters: Any


class CurriculumCallback(BaseCallback):
    """Change the parameters of the training worlds as training goes on.

    Each world changes at the start of its next episode, the one after the episode or step that a
    stage starts from, so the worlds must begin with the first stage's parameters. The stage
    (counted from 1) and the number of episodes are logged as ``curriculum/stage`` and
    ``curriculum/episodes``.

    Parameters
    ----------
    stages : sequence of Stage
        In order of their start, the first from 0.
    unit : {"episodes", "steps"}
        Unit in which starts are counted, over all worlds together.
    """

    def __init__(self, stages: list[Stage], unit: Literal["episodes", "steps"]) -> None:
        super().__init__()
        self.stages, self.unit = stages, unit
        self.stage, self.episodes = 0, 0

    def _on_training_start(self) -> None:
        self._enter(self.stage)
        base_env(self.training_env).before_restart = self._count_ended

    def _count_ended(self, worlds: int) -> None:
        """Change the stage before worlds that have ended start anew."""
        self.episodes += worlds
        self._go_on(self.model.num_timesteps + self.training_env.num_envs)  # of this step too

    def _on_step(self) -> bool:
        self._go_on(self.num_timesteps)
        self.logger.record("curriculum/stage", self.stage + 1)
        self.logger.record("curriculum/episodes", self.episodes)
        return True

    def _go_on(self, steps: int) -> None:
        passed = self.episodes if self.unit == "episodes" else steps
        reached = sum(stage.start <= passed for stage in self.stages) - 1
        if reached != self.stage:
            self._enter(reached)

    def _enter(self, stage: int) -> None:
        self.stage = stage
        batch_of(self.training_env).change_parameters(self.stages[stage].parameters)
