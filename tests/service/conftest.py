import datetime as dt

import numpy as np
import pytest

from agents.config import resolve
from training.trainer import train

DAYS = np.arange("2020-01-01", "2021-07-01", dtype="datetime64[D]")
TODAY = dt.date(2021, 7, 1)
RULE = "newsvendor_weekday"


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Two runs on the same two stores, trained for a second."""
    folder = tmp_path_factory.mktemp("service")
    units = np.random.default_rng(0).poisson([20, 60], (DAYS.size, 2))
    rows = [f"{day},{a},{b}" for day, (a, b) in zip(DAYS, units, strict=True)]
    (folder / "sales.csv").write_text("\n".join(["date,north,south", *rows]))
    settings = ("horizon=10", "n_steps=10", "batch_size=40", "evaluation.episodes=10")
    settings += ("evaluation.pictures=0",)
    for seed, name in enumerate(("first", "second")):
        flags = {"algo": "ppo", "demand": folder / "sales.csv", "timesteps": 400, "n_envs": 8}
        config = resolve({**flags, "split": "2021-01-01", "seed": seed}, assignments=settings)
        train(config, folder / name)
    return folder


@pytest.fixture(scope="session")
def informed_run(tmp_path_factory):
    """A run on two stores whose demand doubles with promotions, which are known ahead."""
    folder = tmp_path_factory.mktemp("informed")
    promoted = np.arange(DAYS.size) % 9 == 4
    units = np.random.default_rng(0).poisson(np.outer(1 + promoted, [20, 60]))
    rows = [f"{d},{a},{b},{int(p)}" for d, (a, b), p in zip(DAYS, units, promoted, strict=True)]
    (folder / "sales.csv").write_text("\n".join(["date,north,south,promotion", *rows]))
    settings = ("horizon=10", "n_steps=10", "batch_size=40", "evaluation.episodes=10")
    settings += ("evaluation.pictures=0",)
    flags = {"algo": "ppo", "demand": folder / "sales.csv", "timesteps": 400, "n_envs": 8}
    train(resolve({**flags, "split": "2021-01-01"}, assignments=settings), folder / "run")
    return folder / "run"
