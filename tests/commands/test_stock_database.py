import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest

import decide
from agents import run_folder
from commands import orders, stock_database
from commands.stock_database import Database
from common.errors import InputError
from demand.history import StoreDemand, store_history

DAYS = np.arange("2020-01-01", "2020-04-01", dtype="datetime64[D]")
TABLES = """
    create table stock (store text, on_hand real);
    insert into stock values ('south', 150), ('north', 30);
    create table outstanding (store text, due_date date, quantity real);
    insert into outstanding values ('south', '2020-04-02', 20), ('south', '2020-04-02', 5);
    create table demand (date date, store text, demand real);
"""
ORDERS = [
    {
        "date": "2020-04-01",
        "store": store,
        "sku": "all",
        "quantity": quantity,
        "days_of_cover": None,
        "stockout_chance": 0.1,
        "baseline": "rule",
        "baseline_quantity": 3.0,
        "unusual": "",
    }
    for store, quantity in (("north", 1.0), ("south", 2.0))
]


@pytest.fixture
def known(tmp_path):
    rows = [f"{day},{7 + i % 5},{9 + i % 3}" for i, day in enumerate(DAYS)]
    (tmp_path / "sales.csv").write_text("\n".join(["date,north,south", *rows]))
    return store_history(StoreDemand(file=tmp_path / "sales.csv"))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "stock.db"
    demand = [(str(day), store, k) for day in DAYS for k, store in enumerate(("north", "south"), 1)]
    with closing(sqlite3.connect(path)) as base:
        base.executescript(TABLES)
        base.executemany("insert into demand values (?, ?, ?)", demand)
        base.commit()
    return path


def changed(path, *commands):
    with closing(sqlite3.connect(path)) as base:
        for command in commands:
            base.execute(command)
        base.commit()


def written(path):
    with closing(sqlite3.connect(path)) as base:
        columns = "date, store, quantity, days_of_cover, run"
        return base.execute(f"select {columns} from orders order by date, store").fetchall()  # noqa: S608


@pytest.mark.parametrize("prefix", ["", "sqlite:///"])
def test_the_state_is_that_of_the_tables(file, known, prefix):
    state = Database(f"{prefix}{file}").read_state(known)
    assert state.places == [(0, 1), (0, 0)]
    assert state.on_hand.tolist() == [150, 30]
    assert str(state.day) == "2020-04-01"
    assert state.due(state.day, 2).tolist() == [[25, 0], [0, 0]]
    assert state.recent.tolist() == [[2] * 28, [1] * 28]
    earlier = Database(str(file)).read_state(known, DAYS[40].astype(object))
    assert (str(earlier.day), earlier.recent.shape) == ("2020-02-10", (2, 28))


def test_a_day_is_written_once_however_often(file):
    base = Database(str(file))
    base.write_orders(ORDERS, "runs/a")
    base.write_orders([{**ORDERS[0], "date": "2020-04-02"}], "runs/a")
    base.write_orders([{**row, "quantity": 9.0} for row in ORDERS], "runs/b")
    assert written(file) == [
        ("2020-04-01", "north", 9.0, None, "runs/b"),
        ("2020-04-01", "south", 9.0, None, "runs/b"),
        ("2020-04-02", "north", 1.0, None, "runs/a"),
    ]


def test_what_breaks_off_leaves_the_old_orders(file):
    base = Database(str(file))
    base.write_orders(ORDERS, "runs/a")
    before = written(file)
    with pytest.raises(InputError, match=r"stock\.db: .*NOT NULL"):
        base.write_orders([ORDERS[1], {**ORDERS[0], "quantity": None}], "runs/b")
    assert written(file) == before


def test_values_are_never_part_of_the_statement(file):
    base = Database(str(file))
    odd = "x'); drop table stock; --"
    base.write_orders([{**ORDERS[0], "store": odd}], odd)
    assert written(file) == [("2020-04-01", odd, 1.0, None, odd)]


WRONG = {
    "no table": ("drop table stock", "has no table stock; make one with columns store, on_hand"),
    "no column": (
        "alter table stock rename column on_hand to units",
        "table stock has no column on_hand; it has store, units",
    ),
    "empty": ("delete from stock", "table stock is empty; put in a row for each store"),
    "unknown": ("update stock set store='nort' where on_hand=30", "unknown store in table stock"),
    "twice": ("insert into stock values ('south', 1)", "store 'south': duplicate; remove one"),
    "negative": ("update stock set on_hand=-1", "on_hand = -1.0: must be a number of 0 or more"),
    "no number": ("update stock set on_hand='few'", "on_hand = 'few': must be a number"),
    "null": ("update stock set on_hand=null", "on_hand = None: must be a number"),
    "no date": ("update outstanding set due_date='soon'", "due_date = 'soon': must be a date"),
    "without stock": (
        "delete from stock where store='south'",
        "outstanding, store 'south': is not in table stock",
    ),
    "missing day": (
        "delete from demand where date='2020-03-10' and store='south'",
        "2020-03-10 of store 'south' is missing; the 28 days before 2020-04-01 are needed",
    ),
    "day twice": (
        "insert into demand values ('2020-03-10', 'south', 2)",
        "store 'south' on 2020-03-10: duplicate; remove one",
    ),
    "no demand": ("delete from demand", "table demand is empty; put in the last 28 days"),
}


@pytest.mark.parametrize(("command", "message"), WRONG.values(), ids=WRONG.keys())
def test_tables_that_cannot_be_used_are_told_in_one_line(file, known, command, message):
    changed(file, command)
    with pytest.raises(InputError) as refused:
        Database(str(file)).read_state(known)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_bases_that_cannot_be_used_are_told_in_one_line(file, known, tmp_path, monkeypatch):
    (tmp_path / "text.db").write_text("no database at all, but long enough to be one" * 50)
    for address, message in (
        (tmp_path / "none.db", "none.db': no such file"),
        (f"sqlite:///{tmp_path}/none.db", "no such file"),
        ("sqlite://", "no such file"),
        (tmp_path / "text.db", "text.db: file is not a database"),
        ("oracle9://x/y", "oracle9"),
        ("://", "is no URL"),
        ("postgresql+nodriver://me:secret@host/x", "nodriver"),
        ("postgresql://me:secret@127.0.0.1:1/x", "postgresql"),
    ):
        with pytest.raises(InputError, match=message.replace(".", r"\.")) as refused:
            Database(str(address)).read_state(known)
        assert "secret" not in str(refused.value)
    monkeypatch.setattr(stock_database, "SECONDS", 0)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("begin exclusive")
        with pytest.raises(InputError, match=r"database is locked; let the other program end"):
            Database(str(file)).write_orders(ORDERS, "runs/a")
    monkeypatch.setitem(__import__("sys").modules, "sqlalchemy", None)
    with pytest.raises(InputError, match="--database needs SQLAlchemy; pip install sqlalchemy"):
        Database(str(file))


def test_the_command_reads_decides_and_writes(run_command, file, known, monkeypatch):
    def decided(checkpoint, state, **options):
        now = state.read_state(known)
        return [{**row, "quantity": now.on_hand[0]} for row in ORDERS]

    monkeypatch.setattr(orders, "decide", decided)
    monkeypatch.setattr(run_folder, "find", lambda name: (f"runs/{name}", "model.zip"))
    for _ in range(2):
        done = run_command(decide.main, "--checkpoint", "a", "--database", file, "--json")
        assert done.status == 0, done.stderr
        assert [row["quantity"] for row in json.loads(done.stdout)] == [150, 150]
    assert [row[2:] for row in written(file)] == [(150, None, "runs/a")] * 2
    for options in ((), ("--database", file, "--state", "stock.csv")):
        done = run_command(decide.main, *options)
        assert (done.status, done.stdout) == (2, "")
        assert "--state FILE or --database URL" in done.stderr
