"""Training: a configuration in, a run folder out."""

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv

from agents import console, run_folder
from agents.algorithms import ALGORITHMS, build_model, check_device
from agents.callbacks import BatchedBootstrap, BestModel, EpisodeMetrics, ProgressBar, Score
from agents.config import RunConfig
from agents.hyperparameters import OnPolicy
from agents.policy import AgentPolicy, observe, reward_and_running
from baselines.episodes import run_episodes
from baselines.policy import Policy, RandomPolicy
from baselines.yardstick import yardstick
from inventory.batch import Trace, random_actions, random_stream
from wrappers.curriculum import CurriculumCallback, Stage
from wrappers.normalize import FixedRewardScale
from wrappers.vec_env import BatchVecEnv

CALIBRATION_WORLDS = 256
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


def calibrate(config: RunConfig) -> RunConfig:
    """Replace ``auto`` in the reward settings by numbers.

    The shift is minus the mean, the scale one over the deviation, of a step's reward under
    uniformly random play on training traces of the run's seed.
    """
    reward = config.settings.reward
    if "auto" not in (reward.shift, reward.scale):
        return config
    rng = random_stream(config.settings.seed, "training")
    batch = config.problem.make_batch(
        config.parameters, CALIBRATION_WORLDS, rng=rng, expected_reward=reward.expected
    )
    batch.reset()
    rewards = []
    ended = np.zeros(batch.num_worlds, np.bool_)
    while not ended.any():
        outcome = batch.step(random_actions(batch, rng))
        ended = outcome.terminated | outcome.truncated
        rewards.append(outcome.reward)
    spread = float(np.std(rewards))
    shift = -float(np.mean(rewards)) if reward.shift == "auto" else reward.shift
    scale = 1.0 / spread if spread > 0 else 1.0
    numbers = {"shift": _rounded(shift)}
    numbers["scale"] = _rounded(scale) if reward.scale == "auto" else reward.scale
    settings = config.settings.model_copy(update={"reward": reward.model_copy(update=numbers)})
    return replace(config, settings=settings)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def training_env(config: RunConfig) -> VecEnv:
    """Return the batch that the run learns from, wrapped as its configuration says."""
    s, stages = config.settings, config.stages()
    batch = config.problem.make_batch(
        stages[0][1] if stages else config.parameters,
        s.n_envs,
        rng=random_stream(s.seed, "training"),
        split="training",
        observe_step=s.observation.step,
        expected_reward=s.reward.expected,
    )
    env = observe(config, BatchVecEnv(batch, bootstrap_time_limit=not s.observation.step))
    if (s.reward.shift, s.reward.scale) != (0.0, 1.0):
        env = FixedRewardScale(env, float(s.reward.shift), float(s.reward.scale))
    return reward_and_running(config, env)


class Examiner:
    """Scores policies on a run's validation traces, the same ones each time.

    The gap is ``(reference - policy) / (reference - random)`` with all three means taken on
    these traces, the reference being the optimal policy's or, where that is unknown, a bound's.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        problem, episodes = config.problem, config.settings.evaluation.episodes
        self.trace: Trace = problem.traces(
            config.parameters, "validation", config.settings.seed, episodes
        )
        measure = yardstick(problem.name, config.parameters)
        best = measure.policy
        self.reference = (
            float(self._returns(best).mean()) if best else measure.reference(self.trace).value
        )
        self.random = float(self._returns(RandomPolicy()).mean())

    def _returns(self, policy: Policy) -> NDArray[np.float64]:
        batch = self._config.problem.make_batch(
            self._config.parameters,
            self._config.settings.evaluation.episodes,
            split="validation",
            observe_step=self._config.settings.observation.step,
        )
        policy.bind(batch)
        return run_episodes(batch, policy, self.trace)["return"]

    def score(self, policy: Policy) -> Score:
        """Return the policy's mean return and its gap."""
        value = float(self._returns(policy).mean())
        span = self.reference - self.random
        gap = (self.reference - value) / span if span > 0 and math.isfinite(span) else None
        return Score(value, gap)


def train(config: RunConfig, folder: Path | None = None, *, quiet: bool = True) -> Trained:
    """Train a run to its end, or until Ctrl-C, and write its folder.

    Parameters
    ----------
    config : RunConfig
        The resolved run.
    folder : Path, optional
        An empty or new folder; by default one under ``runs/``, named by problem, algorithm, seed
        and time.
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
        config = calibrate(config)
        examiner = Examiner(config)
    s = config.settings
    env = training_env(config)
    model = build_model(
        s.algo,
        config.hyperparameters,
        env,
        seed=s.seed,
        device=s.device,
        standardize_rewards=s.reward.standardize,
    )
    folder = run_folder.create(config, folder)
    model.set_logger(configure(str(folder), ["csv", "tensorboard"]))
    policy = AgentPolicy(model, env, masks=ALGORITHMS[s.algo].masks)
    best = BestModel(
        lambda: examiner.score(policy),
        lambda: run_folder.save_model(model, env, folder, run_folder.BEST),
        s.evaluation.every,
        s.stop.gap,
        s.stop.step,
    )
    seconds, interrupted = _learn(config, model, best, quiet)
    run_folder.save_model(model, env, folder, run_folder.FINAL)
    facts = {"weights": run_folder.weights_hash(model), "steps": model.num_timesteps}
    text = json.dumps(run_folder.versions(**facts), indent=2)
    run_folder.write_whole(folder / "versions.json", text.encode())
    model.logger.close()
    return Trained(folder, best.best, model.num_timesteps, seconds, interrupted)


def _learn(
    config: RunConfig, model: BaseAlgorithm, best: BestModel, quiet: bool
) -> tuple[float, bool]:
    """Run SB3's loop; return its seconds and whether it was interrupted."""
    s = config.settings
    callbacks: list[BaseCallback] = [
        EpisodeMetrics(config.to_dict(), _flat_numbers(config.hyperparameters.model_dump()))
    ]
    stage: Callable[[], str] = lambda: ""  # noqa: E731
    if s.curriculum.stages:
        stages = [Stage(start, parameters) for start, parameters in config.stages()]
        curriculum = CurriculumCallback(stages, s.curriculum.unit)
        callbacks.append(curriculum)
        stage = lambda: f"stage {curriculum.stage + 1}/{len(curriculum.stages)}"  # noqa: E731
    algorithm = ALGORITHMS[s.algo]
    if not (algorithm.off_policy or algorithm.recurrent):
        callbacks.append(BatchedBootstrap())
    callbacks.append(best)
    bar = None if quiet else ProgressBar(s.timesteps, best, stage)
    callbacks += [bar] if bar else []
    begun, interrupted = time.perf_counter(), False
    try:
        with _stop_signals():
            model.learn(s.timesteps, callback=callbacks, log_interval=_log_interval(config))
            best.evaluate()
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if bar:
            bar.close()
    return time.perf_counter() - begun, interrupted


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
