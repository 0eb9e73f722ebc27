"""Sales by week: the same law of motion as by day, with weeks for days and their dates."""

import datetime as dt
import json

import numpy as np
import pytest

import decide
from agents.config import resolve
from baselines.registry import rules_in_units
from common.errors import InputError
from evaluation.replay import replay
from tests.recommended import write_rule_run

FIRST, WEEKS = dt.date(2020, 1, 6), 150
RULE = "newsvendor_average"


def write(path, *, days):
    """Write the same numbers as sales by week, or by day."""
    units = np.random.default_rng(0).poisson(20, (WEEKS, 2))
    rows = ["date,north,south"]
    for k in range(WEEKS):
        date = FIRST + dt.timedelta(days=k * days)
        rows.append(f"{date},{units[k, 0]},{units[k, 1]}")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    home = tmp_path_factory.mktemp("weekly")
    files = {days: write(home / f"by_{days}.csv", days=days) for days in (1, 7)}
    return {days: resolve({"algo": "ppo", "demand": file}) for days, file in files.items()}


def test_weeks_are_played_as_days_are(runs):
    plays = []
    for run in runs.values():
        rule = rules_in_units(run.parameters)[RULE].make(run.parameters, 0)
        plays.append(replay(run.problem, run.parameters, rule))
    by_day, by_week = plays
    np.testing.assert_array_equal(by_week.orders, by_day.orders)
    np.testing.assert_array_equal(by_week.cost, by_day.cost)
    assert by_week.cost_per_year == pytest.approx(by_day.cost_per_year / 7)
    started = (by_day.first_day - FIRST).days
    assert by_week.first_day == FIRST + dt.timedelta(weeks=started)


def test_weeks_have_no_weekdays(runs):
    assert not any("weekday" in name for name in rules_in_units(runs[7].parameters))
    assert any("weekday" in name for name in rules_in_units(runs[1].parameters))
    with pytest.raises(InputError, match=r"review_days .* is by week, and orders are placed once"):
        resolve(
            {"algo": "ppo", "demand": runs[7].parameters.demand_data.file},
            assignments=("store.review_days=[mon, thu]",),
        )


def test_orders_of_a_weekly_run_are_for_the_next_week(run_command, runs, tmp_path):
    run, folder = runs[7], tmp_path / "run"
    write_rule_run(run, folder, RULE)
    monday = FIRST + dt.timedelta(weeks=WEEKS)
    state = tmp_path / "stock.csv"
    state.write_text("store,on_hand,due_1,due_2\nnorth,60,0,7\nsouth,0,0,0\n")
    done = run_command(decide.main, "--checkpoint", folder, "--state", state, "--json")
    assert done.status == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["date"] for row in rows] == [monday.isoformat()] * 2
    assert rows[0]["quantity"] < rows[1]["quantity"]
    state.write_text("store,on_hand,due_3\nnorth,60,7\nsouth,0,0\n")
    done = run_command(decide.main, "--checkpoint", folder, "--state", state)
    assert done.status == 2
    assert "1 to 2 weeks here" in done.stderr


def test_a_calendar_of_days_is_one_of_weeks(runs, tmp_path):
    path = tmp_path / "calendar.csv"
    days = [FIRST + dt.timedelta(days=k) for k in range(7 * WEEKS + 70)]
    path.write_text(
        "\n".join(
            ["date,closed,price", *(f"{d},{int(d.day == 13)},{2 + d.day / 100}" for d in days)]
        )
    )
    source = runs[7].parameters.demand_data
    run = resolve({"algo": "ppo", "demand": source.file, "calendar": path})
    known = run.parameters.history.covariates
    flag, price = known.columns
    assert known.days == WEEKS + 10
    weeks = np.array([d.day == 13 for d in days]).reshape(-1, 7)
    np.testing.assert_array_equal(flag.values[:, 0, 0], weeks.any(axis=1))
    means = np.array([2 + d.day / 100 for d in days]).reshape(-1, 7).mean(axis=1)
    np.testing.assert_allclose(price.values[:, 0, 0], means, rtol=1e-6)
