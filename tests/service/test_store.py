import datetime as dt
import sqlite3
import threading

import pytest

pytest.importorskip("alembic", reason="no alembic: pip install -e '.[serve]'")

import sqlalchemy as sql
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import serve
from common.errors import InputError
from service.store import audit_log, order_book
from service.store.database import Database
from service.store.order_book import PLANNER
from service.store.tables import HISTORY, LOG, METADATA, ORDERS
from tests import postgres

DAY = dt.date(2024, 5, 6)


def proposal(store="north", quantity=10.0, **more):
    numbers = ("asked", "rule_quantity", "on_hand", "on_order", "forecast", "level")
    numbers += ("stockout_before", "stockout_after")
    texts = ("reason", "held_back", "unusual", "exceptions", "decision")
    return {
        **{"policy": "champion", "date": DAY, "store": store, "sku": "all", "row": 0},
        **{"quantity": quantity, "source": "policy", "rule": "newsvendor", "price": None},
        **{"days_of_cover": 2.0, "arrives": DAY},
        **dict.fromkeys(numbers, 1.0),
        **dict.fromkeys(texts, ""),
        **more,
    }


@pytest.fixture(scope="module")
def server():
    if (why := postgres.missing()) is not None:
        pytest.skip(why)
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def base(request, tmp_path):
    if request.param == "sqlite":
        yield Database(str(tmp_path / "service.db"))
        return
    made = Database(request.getfixturevalue("server"))
    yield made
    with made.engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        connection.exec_driver_sql("DROP FUNCTION IF EXISTS refuse_change")
    made.engine.dispose()


def propose(base, *proposals):
    with base.writing() as connection:
        return order_book.propose(connection, "ann", proposals)


def change(base, number, what, **more):
    with base.writing() as connection:
        return order_book.change(connection, "bob", number, what, **more)


def test_the_tables_are_those_that_the_migrations_make(base):
    with base.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_orders_overridden_before_do_not_show_what_another_quantity_leads_to(tmp_path, monkeypatch):
    with monkeypatch.context() as then:
        upgrade = command.upgrade
        then.setattr(command, "upgrade", lambda config, _: upgrade(config, "0001"))
        older = Database(str(tmp_path / "service.db"))
    figures = {"on_hand": 50.0, "level": 61.0, "exceptions": "stockout,limit,overstock"}
    figures |= {"stockout_before": 0.0, "stockout_after": 1.0}
    propose(older, proposal("north", **figures), proposal("south", 12.0, **figures, source=PLANNER))
    older.engine.dispose()
    with Database(str(tmp_path / "service.db")).reading() as connection:
        north, south = order_book.find(connection)
    assert {name: north[name] for name in figures} == figures
    assert (south["level"], south["exceptions"]) == (63, "limit")
    assert south["days_of_cover"] is south["stockout_after"] is None


def test_an_order_lives(base):
    (order,) = propose(base, proposal()).orders
    assert (order["status"], order["version"], order["quantity"]) == ("proposed", 1, 10)
    number = order["id"]
    with pytest.raises(order_book.ConflictError, match="only an order that is approved can be"):
        change(base, number, "place")
    order, _ = change(base, number, "override", quantity=12.0, reason="fair in town")
    assert (order["quantity"], order["source"], order["asked"]) == (12, "planner", 1)
    assert change(base, number, "approve")[1]
    assert not change(base, number, "approve")[1]
    with pytest.raises(order_book.ConflictError):
        change(base, number, "override", quantity=1.0)
    change(base, number, "place")
    order, _ = change(base, number, "receive")
    assert (order["status"], order["version"]) == ("received", 5)
    with pytest.raises(order_book.ConflictError):
        change(base, number, "cancel")
    with pytest.raises(order_book.UnknownOrderError, match="no order 999"):
        change(base, 999, "approve")
    with base.reading() as connection:
        events = [row["event"] for row in order_book.history(connection, number)]
    assert events == ["override", "approve", "place", "receive"]
    assert audit_log.verify(base) == (4, None)


def test_a_new_proposal_replaces_a_proposed_order_and_no_other(base):
    first = propose(base, proposal("north"), proposal("south")).orders
    change(base, first[1]["id"], "approve")
    done = propose(base, proposal("south", 99.0), proposal("north", 5.0), proposal("east", 1.0))
    assert done.kept == [True, False, False]
    assert [order["quantity"] for order in done.orders] == [10, 5, 1]
    assert done.orders[1]["id"] == first[0]["id"]
    with base.reading() as connection:
        (past,) = order_book.history(connection, first[0]["id"])
        assert '"quantity":10.0' in past["before"]
        assert len(order_book.find(connection, date=DAY)) == 3
        assert len(order_book.find(connection, status="approved", most=5)) == 1
        assert order_book.last_day(connection, "champion") == DAY


def test_what_is_proposed_again_as_it_was_stays_as_it_is(base):
    first = propose(base, proposal("north"), proposal("south")).orders
    again = [{**proposal("south"), "decision": "other", "row": 0}, proposal("north", 5.0)]
    done = propose(base, *again).orders
    assert [order["version"] for order in done] == [1, 2]
    assert done[0] == first[1]
    with base.reading() as connection:
        assert not order_book.history(connection, first[1]["id"])


def test_writers_at_once_make_one_order_and_one_chain(base):
    def work(number):
        propose(base, proposal(quantity=float(number)))
        with base.writing() as connection:
            audit_log.append(connection, "ann", [("note", str(number), {"n": number})])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert audit_log.verify(base) == (8, None)
    with base.reading() as connection:
        count = sql.select(sql.func.count())
        assert connection.execute(count.select_from(ORDERS)).scalar() == 1
        assert connection.execute(count.select_from(HISTORY)).scalar() == 7


@pytest.mark.parametrize("change", ["UPDATE log SET content = '1'", "DELETE FROM log"])
def test_the_log_cannot_be_changed(base, change):
    with base.writing() as connection:
        audit_log.append(connection, "ann", [("note", "1", {})])
    with pytest.raises(sql.exc.DBAPIError, match="append-only"), base.writing() as connection:
        connection.exec_driver_sql(change)
    assert audit_log.verify(base) == (1, None)


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        ("UPDATE log SET content = '{}' WHERE number = 2", "entry 2 was altered"),
        ("DELETE FROM log WHERE number = 2", "entry 2 is missing"),
        ("UPDATE log SET previous = hash WHERE number = 3", "entry 3 does not follow entry 2"),
    ],
)
def test_whoever_gets_around_that_is_found_out(tmp_path, harm, fault):
    base = Database(str(tmp_path / "service.db"))
    with base.writing() as connection:
        audit_log.append(connection, "ann", [("note", str(n), {"n": n}) for n in range(3)])
    base.engine.dispose()
    with sqlite3.connect(tmp_path / "service.db") as forger:
        forger.execute("DROP TRIGGER log_no_update")
        forger.execute("DROP TRIGGER log_no_delete")
        forger.execute(harm)
    forger.close()
    assert audit_log.verify(Database(str(tmp_path / "service.db")))[1] == fault


def test_a_backup_is_a_database_of_its_own(base, tmp_path):
    propose(base, proposal("north"), proposal("south"))
    with base.writing() as connection:
        audit_log.append(connection, "ann", [("note", "é", {"text": "ü"})])
    assert base.backup(tmp_path / "[1]copy.db") == 3
    copy = Database(str(tmp_path / "[1]copy.db"))
    assert audit_log.verify(copy) == (1, None)
    with copy.reading() as there, base.reading() as here:
        assert order_book.find(there) == order_book.find(here)
        assert there.execute(sql.select(LOG)).all() == here.execute(sql.select(LOG)).all()
    with pytest.raises(InputError, match="exists; name a new file"):
        base.backup(tmp_path / "[1]copy.db")
    assert sorted(p.name for p in tmp_path.glob("*copy*") if "-" not in p.name) == ["[1]copy.db"]


def test_nobody_else_on_the_machine_reads_a_database_or_its_backup(tmp_path):
    base = Database(str(tmp_path / "service.db"))
    propose(base, proposal("north"))
    base.backup(tmp_path / "copy.db")
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert {"service.db", "service.db-wal", "copy.db"} <= set(modes)
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize(
    "asked", [("--verify",), ("--replay", "1"), ("--retain", 400), ("--backup", "{}/copy.db")]
)
def test_what_looks_at_a_database_makes_none(run_command, tmp_path, asked):
    there, missing = tmp_path / "other.db", tmp_path / "service.db"
    there.touch()
    asked = [str(one).format(tmp_path) for one in asked]
    no_file = "service.db': no such file; serve.py --checkpoint RUN makes it"
    for path, line in ((missing, no_file), (there, "holds no tables of the service")):
        done = run_command(serve.main, "--database", path, *asked)
        assert (done.status, done.stdout) == (2, "")
        assert line in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["other.db"]
    assert not there.read_bytes()
    done = run_command(serve.main, "--database", missing, "--token", "ann:planner")
    assert (done.status, missing.is_file()) == (0, True)
    done = run_command(serve.main, "--database", missing, "--verify")
    assert (done.status, done.stdout) == (0, "service.db: 1 entries, none altered or missing\n")
    done = run_command(serve.main, "--database", missing, "--retain", 10_000_000)
    assert (done.status, done.stdout) == (2, "")
    assert "--retain" in done.stderr


def test_a_wrong_database_is_one_line(tmp_path):
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("create table orders (id integer)")
    other.close()
    for address, message in (
        (str(tmp_path), "must be a file in a folder that is"),
        (str(tmp_path / "none" / "x.db"), "must be a file in a folder that is"),
        ("mysql://x/y", "must be a file of SQLite"),
        (str(tmp_path / "other.db"), "has a table orders that is not the service's"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            Database(address)
        assert "\n" not in str(caught.value)
    newer = Database(str(tmp_path / "new.db"))
    with newer.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    newer.engine.dispose()
    with pytest.raises(InputError, match="start the version that wrote them"):
        Database(str(tmp_path / "new.db"))
