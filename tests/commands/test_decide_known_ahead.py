"""Orders of a run that knew promotions ahead: the coming ones have to be told."""

import json

import numpy as np
import pytest

import decide
from agents.config import resolve
from tests.commands.test_decide import DAYS, STATE, WEEK
from training.trainer import train

PROMOTED = np.arange(DAYS.size) % 9 == 4


@pytest.fixture(scope="module")
def informed_run(tmp_path_factory):
    """A run on a file with promotions, which double the demand and are known ahead."""
    folder = tmp_path_factory.mktemp("informed")
    week = WEEK[np.arange(DAYS.size) % 7] * (1 + PROMOTED)
    units = np.random.default_rng(0).poisson(week[:, None] * np.array([1, 3]))
    rows = [f"{d},{a},{b},{int(p)}" for d, (a, b), p in zip(DAYS, units, PROMOTED, strict=True)]
    (folder / "sales.csv").write_text("\n".join(["date,north,south,promotion", *rows]))
    settings = ("horizon=10", "n_steps=10", "batch_size=40", "evaluation.episodes=10")
    flags = {"algo": "ppo", "demand": folder / "sales.csv", "timesteps": 800, "n_envs": 8}
    config = resolve({**flags, "split": "2021-01-01"}, assignments=settings)
    return train(config, folder / "run").folder


def test_orders_ask_for_what_is_known_of_the_coming_days(run_command, informed_run, tmp_path):
    (state := tmp_path / "stock.csv").write_text(STATE)
    rule = ("--baseline", "newsvendor_smoothing_covariates", "--allow", "--json")
    asked = ("--checkpoint", informed_run, "--state", state, *rule)
    done = run_command(decide.main, *asked)
    assert done.status == 2
    assert "promotion: not known of 2021-07-01" in done.stderr
    assert "need it up to 2021-07-03; give these days in the calendar (--calendar)" in done.stderr
    orders = {}
    for name, days in {
        "plain": "2021-07-03,0\n",
        "promoted": "2021-07-02,1\n2021-07-03,1\n",
    }.items():
        path = tmp_path / f"{name}.csv"
        path.write_text(f"date,promotion\n2021-07-01,0\n{days}")
        done = run_command(decide.main, *asked, "--calendar", path)
        assert done.status == 0, done.stderr
        orders[name] = [row["rule_quantity"] for row in json.loads(done.stdout)]
    assert all(b >= a for a, b in zip(orders["plain"], orders["promoted"], strict=True))
    assert orders["promoted"][0] > orders["plain"][0]


def test_a_history_tells_what_was_known_of_the_days_that_follow(
    run_command, informed_run, tmp_path
):
    (state := tmp_path / "stock.csv").write_text(STATE)
    rule = ("--baseline", "newsvendor_smoothing_covariates", "--allow", "--json")
    asked = ("--checkpoint", informed_run, "--state", state, *rule)
    known = (informed_run.parent / "sales.csv").read_text()
    orders = {}
    for promoted in (0, 1):
        path = tmp_path / f"{promoted}.csv"
        days = [f"2021-07-{day:02},10,30,{promoted}" for day in range(1, 5)]
        path.write_text("\n".join([known, *days]))
        done = run_command(decide.main, *asked, "--history", path, "--date", "2021-07-01")
        assert done.status == 0, done.stderr
        orders[promoted] = [row["rule_quantity"] for row in json.loads(done.stdout)]
    assert orders[1][0] > orders[0][0]
