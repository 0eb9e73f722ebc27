import datetime as dt
import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest

import decide
from agents import run_folder
from commands import order_output
from commands.database import database
from commands.database.database import Database
from commands.morning import Today
from common.errors import InputError
from demand.history import StoreDemand, store_history
from envs.supply_chain.parameters import SupplyChainParameters
from tests import postgres
from tests.soak import kill_orders

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
        "stockout_before": 0.1,
        "stockout_after": 0.2,
        "rule": "rule",
        "rule_quantity": 3.0,
        "unusual": "",
        "held_back": "",
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


def write_orders(base, rows, run):
    with base.orders_replaced(rows, run) as replaced:
        return replaced


def written(path):
    with closing(sqlite3.connect(path)) as base:
        columns = "date, store, quantity, days_of_cover, run"
        return base.execute(f"select {columns} from orders order by date, store").fetchall()  # noqa: S608


@pytest.mark.parametrize("prefix", ["", "sqlite:///"])
def test_the_state_is_that_of_the_tables(file, known, prefix):
    state, table = Database(f"{prefix}{file}").read_state(known)
    assert state.places.tolist() == [[0, 1], [0, 0]]
    assert state.on_hand.tolist() == [150, 30]
    due = state.due(dt.date(2020, 4, 1), 2, known.table.periods)
    assert due.tolist() == [[25, 0], [0, 0]]
    assert (str(table.last_day), table.demand.tolist()) == ("2020-03-31", [[[1, 2]]] * 28)
    earlier, table = Database(str(file)).read_state(known, DAYS[40].astype(object))
    assert (str(earlier.day), str(table.last_day), table.days) == ("2020-02-10", "2020-02-09", 28)


def test_demand_of_a_weekly_file_is_by_week(tmp_path, file):
    weeks = np.datetime64("2019-09-02") + 7 * np.arange(40)
    rows = [f"{week},{40 + i % 5},{60 + i % 3}" for i, week in enumerate(weeks)]
    (tmp_path / "weekly.csv").write_text("\n".join(["date,north,south", *rows]))
    known = store_history(StoreDemand(file=tmp_path / "weekly.csv"))
    assert known.table.period == "week"
    last = np.datetime64("2020-03-30")
    demand = ", ".join(
        f"('{last - 7 * k}', '{store}', {k})" for k in range(30) for store in ("north", "south")
    )
    changed(
        file,
        "delete from demand",
        f"insert into demand values {demand}",  # noqa: S608
        "delete from outstanding",
    )
    _, table = Database(str(file)).read_state(known)
    assert (str(table.date(table.days)), table.period) == ("2020-04-06", "week")
    assert table.demand[:, 0].tolist() == [[k, k] for k in range(27, -1, -1)]
    changed(file, "update demand set date = '2020-03-25' where date = '2020-03-23'")
    with pytest.raises(InputError, match=r"no week of weekly.csv begins then, but on 2020-03-30"):
        Database(str(file)).read_state(known)
    changed(file, "delete from demand where date = '2020-03-25'")
    with pytest.raises(InputError, match=r"2020-03-23 of .* is missing; the 28 weeks before"):
        Database(str(file)).read_state(known)


def test_a_day_is_written_once_however_often(file):
    base = Database(str(file))
    assert write_orders(base, ORDERS, "runs/a") == ""
    assert write_orders(base, [{**ORDERS[0], "date": "2020-04-02"}], "runs/a") == ""
    replaced = write_orders(base, [{**row, "quantity": 9.0} for row in ORDERS], "runs/b")
    assert replaced == "orders of 2020-04-01 replaced: 2 of runs/a"
    assert written(file) == [
        ("2020-04-01", "north", 9.0, None, "runs/b"),
        ("2020-04-01", "south", 9.0, None, "runs/b"),
        ("2020-04-02", "north", 1.0, None, "runs/a"),
    ]


def test_what_breaks_off_leaves_the_old_orders(file):
    base = Database(str(file))
    write_orders(base, ORDERS, "runs/a")
    before = written(file)
    with pytest.raises(InputError, match=r"stock\.db: .*NOT NULL"):
        write_orders(base, [ORDERS[1], {**ORDERS[0], "rule": None}], "runs/b")
    assert written(file) == before


def test_values_are_never_part_of_the_statement(file):
    base = Database(str(file))
    odd = "x'); drop table stock; --"
    write_orders(base, [{**ORDERS[0], "store": odd}], odd)
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
    "year 1": ("update outstanding set due_date='0001-01-01'", "must be a date from 1900 to 2199"),
    "year 9999": ("update demand set date='9999-12-31'", "must be a date from 1900 to 2199"),
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


def test_stock_of_another_morning_is_refused(file, known):
    changed(file, "alter table stock add column date", "update stock set date='2020-04-01'")
    base = Database(str(file))
    assert str(base.read_state(known)[0].day) == "2020-04-01"
    assert str(base.read_state(known, demand=False)[0].day) == "2020-04-01"
    changed(file, "update stock set date='2020-03-30' where store='north'")
    with pytest.raises(
        InputError, match=r"store 'north' is of 2020-03-30; .* morning of 2020-04-01"
    ):
        base.read_state(known, demand=False)
    changed(file, "update stock set date='2020-03-30'")
    now, table = base.read_state(known)
    parameters = SupplyChainParameters(demand_data=known.source)
    with pytest.raises(InputError, match=r"is of 2020-03-30, and table demand of stock\.db has"):
        Today.of(parameters, now, history=table)
    assert str(base.read_state(known, DAYS[-1].astype(object))[0].day) == "2020-03-31"


def test_bases_that_cannot_be_used_are_told_in_one_line(file, known, tmp_path, monkeypatch):
    (tmp_path / "text.db").write_text("no database at all, but long enough to be one" * 50)
    for address, message in (
        (tmp_path / "none.db", "none.db': no such file"),
        (f"sqlite:///{tmp_path}/none.db", "no such file"),
        ("sqlite://", "no such file"),
        (tmp_path / "text.db", "text.db: file is not a database"),
        ("oracle9://x/y", "oracle9"),
        ("mysql://me:secret@127.0.0.1/x", "'mysql': must be a file of SQLite, or such as postgres"),
        ("://", "is no URL"),
        ("postgresql+nodriver://me:secret@host/x", "nodriver"),
        ("postgresql://me:secret@127.0.0.1:1/x?password=secret", "postgresql"),
    ):
        with pytest.raises(InputError, match=message.replace(".", r"\.")) as refused:
            Database(str(address)).read_state(known)
        assert "secret" not in str(refused.value)
    monkeypatch.setattr(database, "LOCK_SECONDS", 0)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("begin exclusive")
        with pytest.raises(InputError, match=r"database is locked; let the other program end"):
            write_orders(Database(str(file)), ORDERS, "runs/a")
    monkeypatch.setitem(__import__("sys").modules, "sqlalchemy", None)
    with pytest.raises(InputError, match="--database needs SQLAlchemy; pip install sqlalchemy"):
        Database(str(file))


def test_the_command_reads_decides_and_writes(run_command, file, known, monkeypatch):
    def decided(checkpoint, state, **options):
        now, _ = state.read_state(known)
        return [{**row, "quantity": now.on_hand[0]} for row in ORDERS]

    monkeypatch.setattr("commands.decide.decide", decided)
    monkeypatch.setattr(run_folder, "find", lambda name: (f"runs/{name}", "model.zip"))
    for _ in range(2):
        done = run_command(decide.main, "--checkpoint", "a", "--database", file, "--json")
        assert done.status == 0, done.stderr
        assert [row["quantity"] for row in json.loads(done.stdout)] == [150, 150]
    assert [row[2:] for row in written(file)] == [(150, None, "runs/a")] * 2
    for options in ((), ("--database", file, "--state", file)):
        done = run_command(decide.main, *options)
        assert (done.status, done.stdout) == (2, "")
        assert "--state FILE or --database URL" in done.stderr


@pytest.fixture
def writes(monkeypatch):
    """Let decide.py write orders without a run."""
    monkeypatch.setattr("commands.decide.decide", lambda *_, **__: ORDERS)
    monkeypatch.setattr(run_folder, "find", lambda name: (f"runs/{name}", "model.zip"))


@pytest.mark.usefixtures("writes")
def test_a_database_and_a_file_are_written_together_or_not_at_all(
    run_command, file, tmp_path, monkeypatch
):
    output = tmp_path / "orders.csv"
    output.write_text("before")
    output.chmod(0o600)
    options = ("--checkpoint", "b", "--database", file, "--output", output)
    write_orders(Database(str(file)), ORDERS, "runs/a")
    before = written(file)
    monkeypatch.setattr(order_output, "write_whole", full)
    done = run_command(decide.main, *options)
    assert (done.status, written(file)) == (2, before)
    assert "No space left" in done.stderr
    monkeypatch.undo()
    changed(file, "create trigger no before insert on orders begin select raise(abort, 'no'); end")
    monkeypatch.setattr("commands.decide.decide", lambda *_, **__: ORDERS)
    monkeypatch.setattr(run_folder, "find", lambda name: (f"runs/{name}", "model.zip"))
    monkeypatch.chdir(tmp_path)
    done = run_command(decide.main, *options)
    assert (done.status, written(file), output.read_text()) == (2, before, "before")


def full(path, content):
    raise OSError(28, "No space left on device", str(path))


@pytest.mark.usefixtures("writes")
@pytest.mark.parametrize(
    ("output", "message"),
    [
        (".", "--output .: is a folder; name a file"),
        ("/", "--output /: is a folder; name a file"),
        ("", "--output: is empty; name a file"),
        ("/dev/null", "--output /dev/null: is no regular file"),
        ("link", "link: is no regular file"),
        ("none/orders.csv", "there is no folder none; make it first"),
    ],
)
def test_only_a_regular_file_is_replaced(run_command, file, tmp_path, output, message):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    done = run_command(decide.main, "--database", file, "--output", output)
    assert (done.status, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr
    with closing(sqlite3.connect(file)) as base:
        assert not base.execute("select * from sqlite_master where name='orders'").fetchall()


def test_names_are_no_formulas_in_a_table():
    rows = [{**ORDERS[0], "store": "=cmd|' /C calc'!A0", "sku": "\x1b[31mred", "quantity": -1.0}]
    text = order_output.as_csv(rows).splitlines()[1]
    assert text.startswith("2020-04-01,'=cmd|' /C calc'!A0,\\x1b[31mred,-1.0,")


def test_a_file_of_orders_has_the_mark_without_which_excel_garbles_names(tmp_path, capsys):
    rows = [{**ORDERS[0], "store": "Zürich"}]
    for as_json, mark in ((False, b"\xef\xbb\xbf"), (True, b"")):
        for output in (tmp_path / "orders", None):
            order_output.write_orders(rows, output, as_json=as_json, tables=None, run="runs/a")
        printed = capsys.readouterr().out.encode()
        assert (tmp_path / "orders").read_bytes() == mark + printed


def test_held_back_orders_are_not_in_the_database(file):
    write_orders(Database(str(file)), [{**ORDERS[0], "quantity": None}, ORDERS[1]], "runs/a")
    assert [row[1] for row in written(file)] == ["south"]
    write_orders(Database(str(file)), [{**ORDERS[0], "quantity": None}], "runs/b")
    assert written(file) == []


KEYLESS = """
    create table orders (date date, store varchar(99), sku varchar(99), quantity float,
    days_of_cover float, stockout_before float, stockout_after float, baseline varchar(99),
    baseline_quantity float, unusual varchar(99), run varchar(99))
"""


def test_a_table_of_orders_needs_a_key(file):
    base = Database(str(file))
    changed(file, KEYLESS)
    with pytest.raises(InputError, match=r"no key \(date, store, sku\).*CREATE UNIQUE INDEX"):
        write_orders(base, ORDERS, "runs/a")
    changed(file, "create unique index one_order on orders (date, store, sku)")
    write_orders(base, ORDERS, "runs/a")
    assert len(written(file)) == 2
    changed(file, "select rule, rule_quantity from orders")  # whatever they were called before


@pytest.fixture(scope="module")
def server():
    reason = postgres.missing()
    if reason is not None:
        pytest.skip(reason)
    with postgres.server() as url:
        yield url


@pytest.fixture
def base(request, tmp_path):
    """The address of a database without orders, of either kind."""
    if request.param == "sqlite":
        with closing(sqlite3.connect(tmp_path / "stock.db")) as made:
            made.execute("create table stock (store text)")
        return str(tmp_path / "stock.db")
    url = request.getfixturevalue("server")
    run_in(url, "drop table if exists orders")
    return url


def run_in(url, command):
    with Database(url)._transaction("BEGIN") as connection:
        connection.exec_driver_sql(command)


@pytest.mark.parametrize("base", ["sqlite", "postgresql"], indirect=True)
def test_writers_of_one_day_wait_for_one_another(base):
    kill_orders.write_at_once(base, processes=2, rounds=3)
    kill_orders.kill(base, times=1)


def test_postgresql_needs_a_key_and_sees_what_was_written(server, known):
    run_in(server, "drop table if exists orders, stock, outstanding, demand")
    run_in(server, KEYLESS)
    with pytest.raises(InputError, match=r"no key \(date, store, sku\)"):
        write_orders(Database(server), ORDERS, "runs/a")
    run_in(server, "alter table orders add primary key (date, store, sku)")
    write_orders(Database(server), ORDERS, "runs/a")
    replaced = write_orders(Database(server), ORDERS[:1], "runs/b")
    assert replaced == "orders of 2020-04-01 replaced: 2 of runs/a"
    with pytest.raises(InputError, match="too long") as refused:
        write_orders(Database(server), [{**ORDERS[0], "store": "x" * 100}], "runs/c")
    assert "\n" not in str(refused.value)
    run_in(server, TABLES.replace("real", "numeric"))
    rows = [f"('{day}', '{s}', {n})" for day in DAYS for n, s in enumerate(("north", "south"), 1)]
    run_in(server, f"insert into demand values {', '.join(rows)}")  # noqa: S608
    state, table = Database(server).read_state(known)
    assert (state.on_hand.tolist(), table.demand.tolist()) == ([150, 30], [[[1, 2]]] * 28)
