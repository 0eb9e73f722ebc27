"""What happens beside learning: metrics, selection of the best model, progress, pictures."""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import HParam, Image

from agents.models import PerWorldExploration
from baselines.multi_agent import chain_of
from baselines.policy import Policy
from baselines.rollout import Observer, run_episodes
from common.console import LINE_SECONDS, screen
from envs.batch import Batch, Outcome, Trace
from envs.problems import PROBLEMS
from envs.supply_chain.render import History, chain_picture
from training.state_checks import check_number
from wrappers.single_agent import ControlledAgents
from wrappers.vec_env import base_env, batch_of

WINDOW = 20
"""Ends of episodes (of any number of worlds at once) that logged means look back on."""


class BatchedBootstrap(BaseCallback):
    """Bootstrap from time limits with one forward pass for all worlds that ended.

    SB3 passes them one by one, which with a thousand worlds costs more than the simulation. The
    result is the same: ``reward + gamma * value(terminal observation)``.
    """

    def _on_step(self) -> bool:
        infos = self.locals["infos"]
        ended = [i for i in np.flatnonzero(self.locals["dones"]) if infos[i]["TimeLimit.truncated"]]
        if ended:
            model: Any = self.model
            terminal = np.stack([infos[i]["terminal_observation"] for i in ended])
            with torch.no_grad():
                values = model.policy.predict_values(model.policy.obs_to_tensor(terminal)[0])
            self.locals["rewards"][ended] += model.gamma * values.cpu().numpy().ravel()
            for i in ended:
                infos[i]["TimeLimit.truncated"] = False
        return True


class EpisodeMetrics(BaseCallback):
    """Log what the training episodes earned and moved, in the problem's own units."""

    def __init__(self, settings: dict[str, Any], hyperparameters: dict[str, Any]) -> None:
        super().__init__()
        self._settings, self._hyperparameters = settings, hyperparameters
        self._recent: deque[dict[str, Any]] = deque(maxlen=WINDOW)

    def _on_training_start(self) -> None:
        if self.num_timesteps and "configuration" not in self.logger.name_to_value:
            return  # it stands in the log already
        others = ("csv", "stdout", "json", "log")
        text = "\n".join(f"    {key}: {value}" for key, value in self._settings.items())
        self.logger.record("configuration", text, exclude=others)
        metrics: dict[str, float] = {"evaluation/return": 0.0, "evaluation/gap": 1.0}
        self.logger.record("hparams", HParam(self._hyperparameters, metrics), exclude=others)

    def _on_step(self) -> bool:
        finished = base_env(self.training_env).finished
        if finished:
            self._recent.append({name: float(v.mean()) for name, v in finished.items()})
            for name in finished:
                mean = float(np.mean([totals[name] for totals in self._recent]))
                self.logger.record(f"episode/{name}", mean)
            batch = batch_of(self.training_env)
            if isinstance(batch, ControlledAgents):
                for name, value in batch.finished_metrics.items():
                    self.logger.record(name, value)
            if isinstance(self.model, PerWorldExploration) and self.model.log_is_late():
                self.model.dump_logs()
        return True

    def state(self) -> list[dict[str, float]]:
        """Return the episodes that the logged means look back on."""
        return list(self._recent)

    def load_state(self, state: list[dict[str, float]]) -> None:
        """Load what `state` returned."""
        self._recent.extend(state)


@dataclass(frozen=True)
class Score:
    """How a policy did on the validation traces: mean return, its gap if there is one, and all."""

    value: float
    gap: float | None
    returns: NDArray[np.float64] = field(default_factory=lambda: np.empty(0), compare=False)


Scored = Callable[[int, Score], bool]
"""Told of every evaluation: the step and the score; returns whether to stop there."""


class BestModel(BaseCallback):
    """Evaluate on validation traces every so many steps and keep the best model.

    Parameters
    ----------
    score : callable
        Evaluates the present model.
    save : callable
        Saves the present model as the best.
    every : int
        Environment steps between evaluations.
    stop_at_gap, stop_at_step : float, int, optional
        Stop training at an evaluation with at most this gap, or once this step is reached.
    scored : callable, optional
        Is told of every evaluation in training and may stop it.

    Attributes
    ----------
    tags : dict
        Logged with every score: the phase of a run, the turn of its learners.
    """

    def __init__(
        self,
        score: Callable[[], Score],
        save: Callable[[], None],
        every: int,
        stop_at_gap: float | None = None,
        stop_at_step: int | None = None,
        scored: Scored | None = None,
    ) -> None:
        super().__init__()
        self._score, self._save, self._every = score, save, every
        self._target = -np.inf if stop_at_gap is None else stop_at_gap
        self._last_step = np.inf if stop_at_step is None else stop_at_step
        self._next, self._scored = every, scored
        self.tags: dict[str, int] = {}
        self.best: Score | None = None
        self.last: Score | None = None
        self._before = 0.0
        self._begun = time.perf_counter()

    def state(self) -> dict[str, Any]:
        """Return the best and the last score, and the step of the next evaluation."""
        scores = [None if s is None else (s.value, s.gap) for s in (self.best, self.last)]
        return {"scores": scores, "next": self._next}

    def load_state(self, state: dict[str, Any], seconds: float) -> None:
        """Load what `state` returned, `seconds` of training having passed before."""
        for score in filter(None, state["scores"]):
            check_number(score[0], "a score", -math.inf, math.inf, whole=False)
            if score[1] is not None:
                check_number(score[1], "a gap", -math.inf, math.inf, whole=False)
        check_number(state["next"], "the next evaluation", 1)
        self.best, self.last = (None if s is None else Score(*s) for s in state["scores"])
        self._next, self._before = state["next"], seconds
        self._begun = time.perf_counter() - seconds

    def _on_training_start(self) -> None:
        self._begun = time.perf_counter() - self._before

    def _on_step(self) -> bool:
        if self.num_timesteps >= self._next:
            self._next = (self.num_timesteps // self._every + 1) * self._every
            return not self.ends(self.num_timesteps, self.evaluate())
        return self.num_timesteps < self._last_step

    def ends(self, step: int, score: Score) -> bool:
        """Return whether training stops at an evaluation: by its gap, its step, or who is told."""
        if score.gap is not None and score.gap <= self._target:
            return True
        told = self._scored is not None and self._scored(step, score)
        return told or step >= self._last_step

    def evaluate(self, model: BaseAlgorithm | None = None) -> Score:
        """Evaluate now, log it, and keep the model if it is the best so far.

        Outside of training, `model` is the one whose log and count of steps are used.
        """
        if model is not None:
            self.init_callback(model)
            self.num_timesteps = model.num_timesteps
        score = self.last = self._score()
        if self.best is None or self._is_better(score, self.best):
            self.best = score
            self._save()
        self._record(score)
        self.logger.dump(self.num_timesteps)
        return score

    def _is_better(self, score: Score, best: Score) -> bool:
        """Return whether the present model is to be kept in place of the best so far."""
        return score.value > best.value

    def _record(self, score: Score) -> None:
        """Log a score beside the best one, which it may be."""
        best = self.best or score
        self.logger.record("evaluation/return", score.value)
        self.logger.record("eval/mean_reward", score.value)  # as SB3's EvalCallback has it
        for name, value in self.tags.items():
            self.logger.record(name, value)
        if score.gap is not None:
            self.logger.record("evaluation/gap", score.gap)
        self.logger.record("evaluation/best_return", best.value)
        self.logger.record("evaluation/seconds", time.perf_counter() - self._begun)
        self.logger.record("time/total_timesteps", self.num_timesteps, exclude="tensorboard")


ShareReport = Callable[[float], None]
"""Called with the share of a run's steps that is done, up to 1."""


class StepShare(BaseCallback):
    """Tells another process how far a run is, twice a second.

    `before` counts the steps of other learners of the same run.
    """

    def __init__(self, total: int, report: ShareReport) -> None:
        super().__init__()
        self._total, self._report, self._shown = total, report, 0.0
        self.before = 0

    def _on_step(self) -> bool:
        now = time.perf_counter()
        if now - self._shown > 0.5:
            self._shown = now
            self._report(min(1.0, (self.before + self.num_timesteps) / self._total))
        return True

    def close(self) -> None:
        """Say nothing more."""


class ProgressBar(BaseCallback):
    """A bar within 80 columns: steps, speed, time left, return, gap, stage of the curriculum.

    Where there is no terminal, it is one line every `LINE_SECONDS`.

    `before` counts the steps of other learners of the same run.
    """

    def __init__(self, total: int, best: BestModel, stage: Callable[[], str]) -> None:
        super().__init__()
        self._best, self._stage, self._total = best, stage, total
        self._progress = Progress(
            BarColumn(bar_width=10),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[score]}"),
            console=screen,
        )
        self._task = self._progress.add_task("", total=total, speed="", score="")
        self._shown = self._begun = self._before = 0.0
        self.before = 0

    def since(self, seconds: float) -> None:
        """Count `seconds` that were trained before."""
        self._before = seconds

    def _on_training_start(self) -> None:
        self._begun = self._begun or time.perf_counter() - self._before
        if screen.is_terminal:
            self._progress.start()
        else:
            self._shown = self._shown or time.perf_counter()

    def _on_step(self) -> bool:
        now = time.perf_counter()
        if now - self._shown > (0.2 if screen.is_terminal else LINE_SECONDS):
            self._show(now)
        return True

    def _show(self, now: float) -> None:
        self._shown = now
        steps = self.before + self.num_timesteps
        speed = steps / max(now - self._begun, 1e-9)
        rewards: Any = [info["r"] for info in self.model.ep_info_buffer or ()]
        parts = [f"return {np.mean(rewards):,.1f}"] if rewards else []
        last = self._best.last
        if last is not None:
            small = last.gap is not None and last.gap < 1.0  # beyond, it is worse than random play
            parts.append(f"gap {last.gap:.2%}" if small else f"validated {last.value:,.1f}")
        score = " ".join([*parts, self._stage()])
        self._progress.update(self._task, completed=steps, speed=f"{speed:,.0f}/s", score=score)
        if not screen.is_terminal:
            screen.print(f"{steps:,}/{self._total:,} {speed:,.0f}/s {score}".rstrip(), markup=False)

    def close(self) -> None:
        """Take the bar off the screen, also after an interruption."""
        if self._begun and screen.is_terminal:
            self._show(time.perf_counter())
        self._progress.stop()


class EpisodePicture(BaseCallback):
    """Draw an episode on a validation trace: on-hand, pipeline and lost sales per site.

    Parameters
    ----------
    policy : Policy
        The team as it stands.
    parameters : SupplyChainParameters
        The problem.
    trace : dict
        Validation traces, of which the first is played.
    observe_step : bool
        As in training.
    steps : int
        Steps from one picture to the next.

    Attributes
    ----------
    next : int
        Step of the next picture.
    """

    def __init__(
        self,
        policy: Policy,
        parameters: object,
        trace: Trace,
        *,
        observe_step: bool,
        steps: int,
    ) -> None:
        super().__init__()
        self._policy, self._parameters, self._observe_step = policy, parameters, observe_step
        self._trace = {name: values[:1] for name, values in trace.items()}
        self.next = self._steps = steps

    def _on_step(self) -> bool:
        if self.num_timesteps >= self.next:
            self.next += self._steps
            self._draw()
        return True

    def _draw(self) -> None:
        batch = PROBLEMS["stores"].make_batch(
            self._parameters, 1, split="validation", observe_step=self._observe_step
        )
        self._policy.bind(batch)
        recorder = _HistoryRecorder()
        run_episodes(batch, self._policy, self._trace, observer=recorder)
        picture = Image(chain_picture(recorder.history), "HWC")
        self.logger.record("evaluation/episode", picture, exclude=("csv", "stdout", "json", "log"))
        self.logger.record("time/total_timesteps", self.num_timesteps, exclude="tensorboard")
        self.logger.dump(self.num_timesteps)


class _HistoryRecorder(Observer):
    """Keeps the stocks of every morning and the lost sales of every day."""

    def start(self, batch: Batch) -> None:
        """Take note of the first morning."""
        self.history = History(chain_of(batch))

    def after_step(self, outcome: Outcome, running: NDArray[np.bool_]) -> None:
        """Take note of the day and of the next morning."""
        self.history.record(self.history.batch)
