"""Speed of the simulator and of training: ``python -m benchmarks.speed``.

Every figure is a median over rounds in which the things compared take turns, so that a machine
whose speed drifts does not favour one of them.
"""

import common  # noqa: F401, I001  (first: it limits the threads that numpy starts)

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from gymnasium import Env, spaces
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

from agents.config import resolve
from benchmarks.plain_python import PlainCashEnv
from envs.cash.batch import CashBatch
from envs.cash.env import CashInventoryEnv
from envs.cash.parameters import CashParameters
from envs.problems import PROBLEMS
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters
from training.callbacks import BatchedBootstrap
from training.trainer import train
from wrappers.normalize import FixedNormalization, FixedRewardScale
from wrappers.vec_env import BatchVecEnv

ROUNDS = 5
WORLDS = 4096
TRAINING_WORLDS = 256
TRAINING_STEPS = 8 * 8192


def batched_steps() -> tuple[int, float]:
    """Random play in `WORLDS` worlds: traces drawn, observations written, worlds reset."""
    batch = CashBatch(CashParameters(), WORLDS)
    batch.reset()
    actions = np.random.default_rng(0).integers(0, 3, (50, WORLDS))
    begun = time.perf_counter()
    for _ in range(10):
        for k in range(50):
            outcome = batch.step(actions[k])
            batch.observation()
            ended = np.flatnonzero(outcome.terminated | outcome.truncated)
            if ended.size:
                batch.restart(ended)
    return 500 * WORLDS, time.perf_counter() - begun


def single_steps(env: Env[Any, Any], episodes: int) -> tuple[int, float]:
    """Random play in one Gymnasium environment."""
    actions: list[Any] = np.random.default_rng(0).integers(0, 3, 50).tolist()
    env.reset(seed=0)
    begun = time.perf_counter()
    for _ in range(episodes):
        env.reset()
        for action in actions:
            env.step(action)
    return 50 * episodes, time.perf_counter() - begun


def store_days(stores: int) -> tuple[int, float]:
    """Random play in the supply chain, in about 12,000 stores, traces and observations included."""
    parameters = SupplyChainParameters(stores=stores)  # type: ignore[arg-type]  # repeated
    batch = SupplyChainBatch(parameters, 12_000 // stores)
    rng = np.random.default_rng(0)
    actions = rng.integers(0, 3, (parameters.horizon, batch.num_worlds, stores + 2))
    batch.reset()
    begun = time.perf_counter()
    for _ in range(5):
        for day in range(parameters.horizon):
            batch.step(actions[day])
            batch.observation()
        batch.reset()
    days = 5 * parameters.horizon * batch.num_worlds * stores
    return days, time.perf_counter() - begun


class NullVecEnv(VecEnv):
    """Returns constants: what is left is what SB3 itself costs."""

    def __init__(self, num_envs: int) -> None:
        self.render_mode = None
        super().__init__(num_envs, spaces.Box(0.0, np.inf, (6,), np.float32), spaces.Discrete(3))
        self._observation = np.ones((num_envs, 6), np.float32)
        self._done = np.zeros(num_envs, np.bool_)
        self._infos: list[dict[str, Any]] = [{}] * num_envs

    def reset(self) -> NDArray[np.float32]:
        """Return ones."""
        return self._observation

    def step_async(self, actions: NDArray[Any]) -> None:
        """Ignore the actions."""

    def step_wait(self) -> Any:
        """Return ones and no reward."""
        return self._observation, np.zeros(self.num_envs, np.float32), self._done, self._infos

    def close(self) -> None:
        """Do nothing."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:  # noqa: ARG002
        """Return an attribute for every world."""
        return [getattr(self, attr_name)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Do nothing."""

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        """Do nothing."""

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:  # noqa: ARG002
        """Return False."""
        return [False] * self.num_envs


def our_vec_env() -> VecEnv:
    """Return the cash problem as training wraps it."""
    batch = CashBatch(CashParameters(), TRAINING_WORLDS)
    env = FixedNormalization(BatchVecEnv(batch), PROBLEMS["cash"].observation_scale)
    return FixedRewardScale(env, 45.0, 0.06)


def ppo_steps(env: VecEnv, callback: BaseCallback | None) -> tuple[int, float]:
    """Train PPO for `TRAINING_STEPS` steps."""
    model = PPO("MlpPolicy", env, n_steps=32, batch_size=1024, n_epochs=4, seed=0, device="cpu")
    model.set_logger(Logger(None, []))  # SB3's own would leave a folder behind
    begun = time.perf_counter()
    model.learn(TRAINING_STEPS, callback=callback)
    return TRAINING_STEPS, time.perf_counter() - begun


def whole_run(algo: str, steps: int, every: int | str) -> tuple[int, float]:
    """Train by the default recipe, saving every so many steps, or ``"auto"``; 0 saves nothing."""
    settings = (f"timesteps={steps}", f"checkpoint.every={every or 10**12}")
    config = resolve({"problem": "cash", "algo": algo}, assignments=settings)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        if not every:
            stack.enter_context(mock.patch("agents.checkpoints.write"))  # the last one too
        begun = time.perf_counter()
        done = train(config, Path(folder))
        return done.steps, time.perf_counter() - begun


def take_turns(runs: dict[str, Callable[[], tuple[int, float]]], rounds: int) -> dict[str, Any]:
    """Return each run's steps per second, one value per round; a round of warm-up is dropped."""
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            steps, seconds = run()
            speeds[name].append(steps / seconds)
    return {name: np.array(values[1:]) for name, values in speeds.items()}


def main() -> None:
    """Run every benchmark and print the table."""
    torch.set_num_threads(1)
    simulators = take_turns(
        {
            "plain Python environment": lambda: single_steps(PlainCashEnv(), 100),
            "CashInventoryEnv (Gymnasium)": lambda: single_steps(CashInventoryEnv(), 1000),
            f"batch of {WORLDS} worlds": batched_steps,
        },
        ROUNDS,
    )
    chains = take_turns(
        {
            "supply chain, 3 stores, in store-days": lambda: store_days(3),
            "supply chain, 300 stores, in store-days": lambda: store_days(300),
        },
        ROUNDS,
    )
    training = take_turns(
        {
            "PPO on a null VecEnv": lambda: ppo_steps(NullVecEnv(TRAINING_WORLDS), None),
            "PPO on the cash VecEnv": lambda: ppo_steps(our_vec_env(), BatchedBootstrap()),
        },
        ROUNDS,
    )
    saving = [
        take_turns(
            {
                f"{algo}, the whole run without checkpoints": partial(whole_run, algo, steps, 0),
                f"{algo} with them, as often as usual": partial(whole_run, algo, steps, "auto"),
            },
            ROUNDS,
        )
        for algo, steps in (("dqn", 20_000), ("ppo", 40_000))
    ]
    table = Table(title=f"steps per second, median of {ROUNDS} rounds in turns, one thread")
    for column in ("what", "steps/s", "ratio to the first of its group", "range of the ratio"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for group in (simulators, chains, training, *saving):
        base = next(iter(group.values()))
        for name, speeds in group.items():
            ratios = speeds / base
            table.add_row(
                name,
                f"{np.median(speeds):,.0f}",
                f"{np.median(ratios):,.2f}",
                f"{ratios.min():,.2f} to {ratios.max():,.2f}",
            )
        table.add_section()
    Console().print(table)


if __name__ == "__main__":
    main()
