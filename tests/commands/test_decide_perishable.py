"""Today's orders of goods that perish: stock by age in the state file."""

import json
import sqlite3

import numpy as np
import pytest

import decide
from agents.config import resolve
from commands.stock_state import StockState
from common.errors import InputError
from demand.known_demand import KNOWN_DAYS
from training.trainer import train

DAYS = np.arange("2020-01-01", "2021-07-01", dtype="datetime64[D]")
RULE = ("--baseline", "tuned_base_stock_ew", "--allow", "--json")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decide")
    units = np.random.default_rng(0).poisson(30, DAYS.size)
    rows = [f"{day},{x}" for day, x in zip(DAYS, units, strict=True)]
    (folder / "sales.csv").write_text("\n".join(["date,north", *rows]))
    settings = ("horizon=10", "n_steps=10", "batch_size=40", "evaluation.episodes=10")
    perishes = ("store.shelf_life=3", "store.lead_time=1", "store.waste_cost=1")
    flags = {"algo": "ppo", "demand": folder / "sales.csv", "timesteps": 800, "n_envs": 8}
    config = resolve({**flags, "split": "2021-01-01"}, assignments=(*settings, *perishes))
    return train(config, folder / "run").folder


@pytest.fixture
def ask(run, tmp_path, run_command):
    def done(text):
        state = tmp_path / "stock.csv"
        state.write_text(text)
        return run_command(decide.main, "--checkpoint", run, "--state", state, *RULE)

    return done


def test_stock_that_expires_today_is_made_up_for(ask):
    old, fresh = (
        ask(f"store,on_hand,expires_1,expires_2,expires_3\nnorth,90,{ages}\n")
        for ages in ("90,0,0", "0,0,90")
    )
    assert old.status == fresh.status == 0, old.stderr
    quantity = [json.loads(done.stdout)[0]["rule_quantity"] for done in (old, fresh)]
    assert quantity[0] > quantity[1] + 20
    assert "of all ages alike" not in old.stderr


def test_stock_that_expires_today_is_neither_cover_nor_service(ask):
    old, fresh = (
        json.loads(ask(f"store,on_hand,expires_1,expires_2,expires_3\nnorth,90,{ages}\n").stdout)[0]
        for ages in ("90,0,0", "0,0,90")
    )
    assert old["stockout_before"] == fresh["stockout_before"]  # today they serve alike
    lasts = [row["days_of_cover"] - row["quantity"] / 30 for row in (old, fresh)]
    assert lasts[0] == pytest.approx(1, abs=0.3)
    assert lasts[1] == pytest.approx(3, abs=0.3)


def test_a_state_without_ages_is_taken_evenly_and_says_so(ask):
    evenly = ask("store,on_hand,expires_1,expires_2,expires_3\nnorth,90,30,30,30\n")
    untold = ask("store,on_hand\nnorth,90\n")
    assert untold.stdout == evenly.stdout
    assert untold.stderr.count("the state has no expires_1 ...: stock is taken to be of all") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("store,on_hand,expires_1\nnorth,9,4\n", "add up to 4, on_hand is 9; they must be equal"),
        ("store,on_hand,expires_4\nnorth,9,9\n", "expires_4 = 9: these goods keep 3 days here"),
        ("store,on_hand,expires_0\nnorth,9,9\n", "expires_0: expires_1 is lost this evening"),
        ("store,on_hand,expires_1\nnorth,9,-9\n", "expires_1 = '-9': must be a number of 0"),
    ],
)
def test_ages_that_cannot_be_are_told_in_one_line(ask, text, message):
    done = ask(text)
    assert (done.status, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr


def test_goods_that_keep_differently_each_have_their_own_ages():
    places, ages = np.zeros((2, 2), np.intp), {1: np.array([1.0, 2.0]), 3: np.array([4.0, 0.0])}
    now = StockState(places, np.array([5.0, 2.0]), (), expires=ages)
    assert now.by_age(np.array([3, 1]), str).tolist() == [[1, 0, 4], [2, 0, 0]]
    assert now.by_age(np.array([3, 2]), str).tolist() == [[1, 0, 4], [2, 0, 0]]
    with pytest.raises(InputError, match="0: expires_3 = 4: these goods keep 2 days here"):
        now.by_age(np.array([2, 3]), str)
    with pytest.raises(InputError, match="1: expires_1 = 2: these goods do not perish here"):
        now.by_age(np.array([3, 0]), str)


@pytest.fixture
def ask_database(run, tmp_path, run_command):
    def done(columns, *values):
        path = tmp_path / "stock.db"
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as database:
            database.execute(f"CREATE TABLE stock ({columns})")
            marks = ", ".join("?" * len(values))
            database.execute(f"INSERT INTO stock VALUES ({marks})", values)  # noqa: S608
            database.execute("CREATE TABLE outstanding (due_date TEXT, quantity REAL)")
            database.execute("CREATE TABLE demand (date TEXT, demand REAL)")
            rows = [(str(day), 30.0) for day in DAYS[-KNOWN_DAYS:]]
            database.executemany("INSERT INTO demand VALUES (?, ?)", rows)
        database.close()
        return run_command(decide.main, "--checkpoint", run, "--database", path, *RULE)

    return done


def test_a_database_says_how_old_stock_is(ask_database):
    columns = "on_hand, expires_1, expires_2, expires_3"
    old, fresh = (ask_database(columns, 90, *ages) for ages in ((90, 0, 0), (0, 0, 90)))
    assert old.status == fresh.status == 0, old.stderr
    quantity = [json.loads(done.stdout)[0]["rule_quantity"] for done in (old, fresh)]
    assert quantity[0] > quantity[1] + 20
    assert "of all ages alike" not in old.stderr
    untold, evenly = ask_database("on_hand", 90), ask_database(columns, 90, 30, 30, 30)
    assert untold.stdout == evenly.stdout
    assert "of all ages alike" in untold.stderr
    wrong = ask_database(columns, 90, 30, 30, 20)
    assert wrong.status == 2
    assert "add up to 80, on_hand is 90" in wrong.stderr
