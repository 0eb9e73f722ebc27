"""The last days of the table of demand: they are filled, and warned of, as those of a file."""

import datetime as dt
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from commands.database.database import Database
from commands.morning import Today
from commands.stock_state import StockState
from common.errors import InputError
from envs.supply_chain.parameters import SupplyChainParameters

FIRST, MORNING = dt.date(2020, 1, 1), dt.date(2020, 4, 1)
DAYS = [FIRST + dt.timedelta(days=k) for k in range(91) if k % 7 < 5]  # the last two are closed
STORES = "north", "south"


def sold(days):
    return [(str(day), store, 7 + k % 5) for k, day in enumerate(days) for store in STORES]


def write_file(path, rows):
    lines = [",".join(map(str, row)) for row in rows]
    path.write_text("\n".join(["date,store,demand", *lines]))
    return path


@pytest.fixture
def parameters(tmp_path):
    path = write_file(tmp_path / "sales.csv", sold(DAYS[:55]))
    return SupplyChainParameters(demand_data={"file": path, "fill": "zero"})


def base_with(path, rows, date):
    with closing(sqlite3.connect(path)) as base:
        base.executescript(
            "create table stock (store text, on_hand real, date date);"
            "create table outstanding (store text, due_date date, quantity real);"
            "create table demand (date date, store text, demand real);"
        )
        base.executemany("insert into stock values (?, 5, ?)", [(s, date) for s in STORES])
        base.executemany("insert into demand values (?, ?, ?)", rows)
        base.commit()
    return Database(str(path))


@pytest.mark.parametrize(
    ("morning", "line"),
    [
        (MORNING, " has no rows of 2020-03-30, 2020-03-31: filled with 0, as on these weekdays"),
        (DAYS[-1] + dt.timedelta(days=1), " has no sale on 2020-03-29 at south, but on all four"),
    ],
)
def test_demand_is_filled_as_that_of_a_file(parameters, tmp_path, capsys, morning, line):
    rows = [row for row in sold(DAYS) if row[:2] != (str(DAYS[-1]), "south")]
    rows += [("2020-03-28", "new", 3)]
    rows[-9] = (*rows[-9][:2], -1)
    state = StockState(np.array([[0, 0], [0, 1]]), np.full(2, 5.0), (), day=morning)
    of_file = Today.of(parameters, state, history=write_file(tmp_path / "later.csv", rows))
    said = capsys.readouterr().err
    assert f"later.csv{line}" in said
    now, table = base_with(tmp_path / "stock.db", rows, morning).read_state(parameters.history)
    of_base = Today.of(parameters, now, history=table)
    assert capsys.readouterr().err == said.replace("later.csv", "table demand of stock.db")
    assert of_base.day == of_file.day == morning
    np.testing.assert_array_equal(of_base.recent, of_file.recent)


def test_few_days_are_not_filled_up_with_0(parameters, tmp_path):
    base = base_with(tmp_path / "stock.db", sold(DAYS[-15:]), MORNING)
    day = DAYS[-1] + dt.timedelta(days=1)
    now, table = base.read_state(parameters.history, day)
    with pytest.raises(InputError, match=r"28 days before 2020-03-30 are needed, and it has 2020-"):
        Today.of(parameters, now, history=table)
    with pytest.raises(InputError, match="table demand is empty before 2020-02-01; put in the"):
        base.read_state(parameters.history, dt.date(2020, 2, 1))


def test_stock_without_a_date_is_said_to_be_taken_for_that_of_the_day(parameters, tmp_path, capsys):
    base = base_with(tmp_path / "stock.db", sold(DAYS), None)
    with closing(sqlite3.connect(tmp_path / "stock.db")) as changed:
        changed.execute("alter table stock drop column date")
    now, table = base.read_state(parameters.history)
    assert Today.of(parameters, now, history=table).day == DAYS[-1] + dt.timedelta(days=1)
    assert "the state has no date: taken for that of 2020-03-30, after" in capsys.readouterr().err


def test_no_demand_is_needed_of_what_has_no_stock(tmp_path):
    days = [FIRST + dt.timedelta(days=k) for k in range(91)]
    path = write_file(tmp_path / "sales.csv", sold(days))
    known = SupplyChainParameters(demand_data={"file": path}).history
    rows = [row for row in sold(days) if row[1] == "north"]
    base = base_with(tmp_path / "stock.db", rows, MORNING)
    with pytest.raises(InputError, match="of store 'south' is missing; the 28 days before"):
        base.read_state(known)
    with closing(sqlite3.connect(tmp_path / "stock.db")) as changed:
        changed.execute("delete from stock where store = 'south'")
        changed.commit()
    state, table = base.read_state(known)
    assert (state.places.tolist(), table.days) == ([[0, 0]], 28)
    assert table.demand[:, 0, 0].tolist() == [row[2] for row in rows[-28:]]
