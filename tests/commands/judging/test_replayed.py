"""Orders that were really placed, in a replay of the evaluation period."""

import json

import numpy as np
import pytest

import evaluate
from agents.config import resolve
from agents.tuned_file import read_recommendation
from commands.judging.replayed import read_opening
from evaluation.replay import replay
from tests.recommended import write_rule_run

DAYS = np.arange("2020-01-01", "2021-04-01", dtype="datetime64[D]")
UNITS = np.random.default_rng(0).poisson(20.0, (DAYS.size, 2))
RULE = "newsvendor_weekday"


def write(path, values, days):
    rows = (",".join(map(str, (day, *row))) for day, row in zip(days, values, strict=True))
    path.write_text("\n".join(["date,north,south", *rows]))
    return path


@pytest.fixture
def shop(tmp_path):
    """A run that recommends a rule, the stock of the first morning, and the rule's own orders."""
    (state := tmp_path / "stock.csv").write_text("store,on_hand,due_1\nsouth,31,4\nnorth,3,0\n")
    flags = {"algo": "ppo", "demand": write(tmp_path / "sales.csv", UNITS, DAYS)}
    config = resolve({**flags, "split": "2021-01-01"}, assignments=("store.lead_time=2",))
    write_rule_run(config, tmp_path / "run", RULE)
    rule = read_recommendation(tmp_path / "run").rule(config.parameters)
    opening = read_opening(state, config.parameters)
    own = replay(config.problem, config.parameters, rule, opening=opening).orders[:, 0]
    return tmp_path, state, own


def test_the_orders_of_the_rule_itself_cost_what_it_costs_and_others_are_held_against_it(
    run_command, shop
):
    folder, state, own = shop
    days = DAYS[-90:]  # from 2021-01-01 on
    asked = ("--checkpoint", folder / "run", "--replay", "--baselines", "none", "--state", state)
    orders = folder / "orders.csv"
    for more in (0.0, 1.0):
        write(orders, own + more, days)
        done = run_command(evaluate.main, *asked, "--actual-orders", orders, "--json")
        assert done.status == 0, done.stderr
        told = json.loads(done.stdout)
        actual, rule = (told["policies"][name] for name in ("actual_orders", RULE))
        saved = actual.pop("own_saves_per_year")
        rule.pop("own_saves_per_year")
        assert (actual == rule) == (more == 0)
    assert saved["low"] > 0  # a unit a day too many is never sold
    done = run_command(evaluate.main, *asked, "--actual-orders", orders)
    assert f"That is {saved['mean']:,.0f} a year less than the orders really placed" in done.stdout
    assert "actual_orders" in done.stdout


def test_orders_are_replayed_from_what_stores_really_had(run_command, shop):
    folder, _, own = shop
    orders = write(folder / "orders.csv", own, DAYS[-len(own) :])
    asked = ("--checkpoint", folder / "run", "--replay", "--actual-orders", orders)
    done = run_command(evaluate.main, *asked)
    assert (done.status, done.stderr.count("\n")) == (2, 1)
    assert "give it with --state" in done.stderr
