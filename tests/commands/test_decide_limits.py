"""Today's orders of stores that order on some days only, in packs, from a minimum on."""

import datetime as dt

import pytest

from agents.config import resolve
from commands.decide import decide
from commands.order_checks import OrderLimits
from demand.calendar import WEEKDAYS
from tests.commands.test_decide import demand
from training.trainer import train

RULE = {"baseline": "newsvendor_weekday", "limits": OrderLimits(allow=True)}
WEDNESDAY = dt.date(2021, 6, 30)
THURSDAY = WEDNESDAY + dt.timedelta(days=1)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decide")
    (folder / "sales.csv").write_text(demand())
    flags = {"algo": "ppo", "demand": folder / "sales.csv", "timesteps": 400, "n_envs": 8}
    limits = (
        *("store.review_days=[mon,thu]", "store.order_multiple=12", "store.minimum_order=30"),
        *("store.shelf_capacity=400", "horizon=10", "n_steps=10", "batch_size=40"),
        *("evaluation.episodes=10", "evaluation.pictures=0"),
    )
    config = resolve({**flags, "split": "2021-01-01"}, assignments=limits)
    return str(train(config, folder / "run").folder)


def first_order(run, tmp_path, on_hand, date):
    path = tmp_path / "stock.csv"
    path.write_text(f"store,on_hand\nnorth,{on_hand}\n")
    (row,) = decide(run, path, date=date, **RULE)
    return row


def test_nothing_is_ordered_on_a_day_without_review(run, tmp_path):
    closed, opened = (first_order(run, tmp_path, 45, date) for date in (WEDNESDAY, THURSDAY))
    assert (closed["quantity"], closed["rule_quantity"]) == (0, 0)
    assert opened["rule_quantity"] > 0


@pytest.mark.parametrize("on_hand", [0, 30, 75, 90, 130, 380])
def test_quantities_are_packs_from_the_minimum_on(run, tmp_path, on_hand):
    row = first_order(run, tmp_path, on_hand, THURSDAY)
    for quantity in (row["quantity"], row["rule_quantity"]):
        assert quantity % 12 == 0
        assert quantity == 0 or 36 <= quantity <= 400 - on_hand


def test_the_chance_is_that_until_the_order_of_the_next_review_arrives(run, tmp_path):
    """Sunday sells 75 until the order of Monday arrives on Wednesday, Friday 110."""
    days = {WEEKDAYS[d.weekday()]: d for d in (dt.date(2021, 6, k) for k in range(21, 28))}
    chance = {name: short(first_order(run, tmp_path, 90, date)) for name, date in days.items()}
    lasting = {name: first_order(run, tmp_path, 300, date) for name, date in days.items()}
    assert chance["sun"] < 0.3 < 0.8 < chance["fri"]
    assert all(short(row) == 0 for row in lasting.values())


def short(row):
    return max(row["stockout_before"], row["stockout_after"])
