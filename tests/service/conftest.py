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
