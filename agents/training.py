"""Training: a configuration in, a run folder out."""

import json
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure

from agents import console, run_folder
from agents.algorithms import ALGORITHMS, check_device
from agents.callbacks import (
    BatchedBootstrap,
    BestModel,
    EpisodeMetrics,
    ProgressBar,
    Score,
    Turn,
)
from agents.cast import Learner, assemble, measure_of, player_config
from agents.config import RunConfig
from agents.hyperparameters import OnPolicy
from agents.pictures import EpisodePicture
from baselines.episodes import run_episodes
from baselines.policy import Policy
from baselines.registry import make_random
from baselines.yardstick import yardstick
from inventory.batch import Trace
from wrappers.curriculum import CurriculumCallback, Stage

DUMPS = 100
"""About so many rows of a run go to its logs."""


@dataclass(frozen=True)
class Trained:
    """What training left behind."""

    folder: Path
    best: Score | None
    steps: int
    seconds: float
    interrupted: bool


class Examiner:
    """Scores policies on a run's validation traces, the same ones each time.

    The gap is ``(reference - policy) / (reference - random)`` with all three means taken on
    these traces, the reference being the optimal policy's or, where that is unknown, a bound's.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config, self._measure = config, measure_of(config)
        problem, episodes = config.problem, config.settings.evaluation.episodes
        self.trace: Trace = problem.traces(
            config.parameters, "validation", config.settings.seed, episodes
        )
        self.reference = self.random = math.nan
        measure = yardstick(problem.name, config.parameters)
        best = measure.policy
        if best is not None:
            self.reference = float(self._returns(best).mean())
        elif measure.reference is not None and self._measure == "return":
            self.reference = measure.reference(self.trace).value
        if math.isfinite(self.reference):
            self.random = float(self._returns(make_random(problem.name)).mean())

    def _returns(self, policy: Policy) -> NDArray[np.float64]:
        batch = self._config.problem.make_batch(
            self._config.parameters,
            self._config.settings.evaluation.episodes,
            split="validation",
            observe_step=self._config.settings.observation.step,
        )
        policy.bind(batch)
        return run_episodes(batch, policy, self.trace)[self._measure]

    def score(self, policy: Policy) -> Score:
        """Return the policy's mean return and its gap."""
        value = float(self._returns(policy).mean())
        span = self.reference - self.random
        gap = (self.reference - value) / span if span > 0 and math.isfinite(span) else None
        return Score(value, gap)


def train(
    config: RunConfig,
    folder: Path | None = None,
    *,
    start: Path | None = None,
    quiet: bool = True,
) -> Trained:
    """Train a run to its end, or until Ctrl-C, and write its folder.

    Parameters
    ----------
    config : RunConfig
        The resolved run.
    folder : Path, optional
        An empty or new folder; by default one under ``runs/``, named by problem, algorithm, seed
        and time.
    start : Path, optional
        A run folder whose models are begun with, or play those who do not learn.
    quiet : bool
        Show no progress.

    Raises
    ------
    InputError
        If the configuration does not fit together or the folder cannot be used; nothing has been
        written then.
    """
    check_device(config.settings.device)
    torch.set_num_threads(1)
    torch.distributions.Distribution.set_default_validate_args(False)
    status = console.screen.status("preparing (the first time, compiling takes a moment)")
    with nullcontext() if quiet else status:
        examiner = Examiner(config)
        cast = assemble(config, start)
    single = len(cast.learners) == 1
    folder = run_folder.create(cast.learners[0].config if single else config, folder)
    for name, source in cast.frozen.items():
        run_folder.copy_player(source, folder / run_folder.PLAYERS / name)
    homes = [_home(folder, learner, single=single) for learner in cast.learners]

    def save(name: run_folder.ModelFile) -> None:
        for learner, home in zip(cast.learners, homes, strict=True):
            run_folder.save_model(learner.model, learner.env, home, name)

    s = config.settings
    best = BestModel(
        lambda: examiner.score(cast.policy),
        lambda: save(run_folder.BEST),
        s.evaluation.every,
        s.stop.gap,
        s.stop.step,
    )
    beside: list[BaseCallback] = []
    if single:
        beside = [best]
        if s.problem == "stores" and s.evaluation.pictures:
            picture = EpisodePicture(
                cast.policy,
                config.parameters,
                examiner.trace,
                observe_step=s.observation.step,
                steps=max(1, s.timesteps // s.evaluation.pictures),
            )
            beside.append(picture)
    seconds, interrupted = _learn(config, cast.learners, best, beside, quiet=quiet)
    save(run_folder.FINAL)
    steps = sum(learner.model.num_timesteps for learner in cast.learners)
    hashes = {learner.player: run_folder.weights_hash(learner.model) for learner in cast.learners}
    facts = {"weights": next(iter(hashes.values())) if single else hashes, "steps": steps}
    text = json.dumps(run_folder.versions(**facts), indent=2)
    run_folder.write_whole(folder / "versions.json", text.encode())
    for learner in cast.learners:
        learner.model.logger.close()
    return Trained(folder, best.best, steps, seconds, interrupted)


def _home(folder: Path, learner: Learner, *, single: bool) -> Path:
    """Return where a learner's files go, with its configuration in it and its log opened."""
    home = folder
    if not single:
        home = folder / run_folder.PLAYERS / learner.player
        home.mkdir(parents=True)
        text = player_config(learner).to_yaml()
        run_folder.write_whole(home / run_folder.CONFIG, text.encode())
    learner.model.set_logger(configure(str(home), ["csv", "tensorboard"]))
    return home


def _learn(
    config: RunConfig,
    learners: list[Learner],
    best: BestModel,
    beside: list[BaseCallback],
    *,
    quiet: bool,
) -> tuple[float, bool]:
    """Let the learners take turns; return the seconds and whether they were interrupted.

    `beside` are further callbacks of a single learner, `best` among them.
    """
    single = len(learners) == 1
    turns = 1 if single else config.settings.team.turns
    share = max(1, config.settings.timesteps // len(learners))
    stage = _Stage()
    bar = None if quiet else ProgressBar(config.settings.timesteps, best, stage.told)
    ending = Turn()
    callbacks = {
        learner.player: [*_callbacks(learner, stage, beside, bar), *([] if single else [ending])]
        for learner in learners
    }
    begun, interrupted = time.perf_counter(), False
    try:
        with _stop_signals():
            for turn in range(turns):
                for learner in learners:
                    stage.turn = "" if single else f"turn {turn + 1}/{turns} {learner.player}"
                    if bar:
                        bar.before = sum(x.model.num_timesteps for x in learners if x != learner)
                    ending.until = share * (turn + 1) // turns
                    learner.model.learn(
                        share - learner.model.num_timesteps,
                        callback=callbacks[learner.player],
                        log_interval=_log_interval(learner.config),
                        reset_num_timesteps=turn == 0,
                    )
                best.evaluate(learners[0].model)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if bar:
            bar.close()
    return time.perf_counter() - begun, interrupted


class _Stage:
    """What the progress bar says of the stage of training."""

    turn = ""
    curriculum: CurriculumCallback | None = None

    def told(self) -> str:
        stages = self.curriculum
        of = f"stage {stages.stage + 1}/{len(stages.stages)}" if stages else ""
        return " ".join(part for part in (self.turn, of) if part)


def _callbacks(
    learner: Learner,
    stage: _Stage,
    beside: list[BaseCallback],
    bar: ProgressBar | None,
) -> list[BaseCallback]:
    """Return what happens beside a learner's learning."""
    config, algorithm = learner.config, ALGORITHMS[learner.config.settings.algo]
    numbers = _flat_numbers(config.hyperparameters.model_dump())
    callbacks: list[BaseCallback] = [EpisodeMetrics(config.to_dict(), numbers)]
    if config.settings.curriculum.stages:
        stages = [Stage(start, parameters) for start, parameters in config.stages()]
        stage.curriculum = CurriculumCallback(stages, config.settings.curriculum.unit)
        callbacks.append(stage.curriculum)
    if not (algorithm.off_policy or algorithm.recurrent):
        callbacks.append(BatchedBootstrap())
    return [*callbacks, *beside, *([bar] if bar else [])]


def _log_interval(config: RunConfig) -> int:
    """Return SB3's log interval: rollouts for on-policy algorithms, episodes for the others."""
    s, settings = config.settings, config.hyperparameters
    if isinstance(settings, OnPolicy):
        return max(1, s.timesteps // (s.n_envs * settings.n_steps) // DUMPS)
    return max(s.n_envs, s.timesteps // int(config.parameters.max_steps) // DUMPS)


def _flat_numbers(values: dict[str, Any]) -> dict[str, Any]:
    """Return what TensorBoard's HPARAMS tab takes: numbers, booleans and strings."""
    simple = (bool, int, float, str)
    return {k: v if isinstance(v, simple) else str(v) for k, v in values.items()}


@contextmanager
def _stop_signals() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C while learning, so that what was learned is saved."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
