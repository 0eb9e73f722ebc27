"""A database of stores: their present state is read, the orders of a day are written."""

import datetime as dt
import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from commands.database.address import CONNECT_SECONDS, LOCK_SECONDS, check_there, parse_address
from commands.database.stock_tables import Reader, check_columns
from commands.stock_state import EXPIRES, StockState
from common.errors import InputError
from demand.history import StoreHistory
from demand.table import DemandTable

ORDERS = "orders"
KEY = ("date", "store", "sku")
"""What no two rows of the table of orders share."""

RENAMED = {"baseline": "rule", "baseline_quantity": "rule_quantity"}
"""Columns of the table of orders as earlier versions made it."""

MOST_LETTERS = 200
"""Of a message of the database."""

ADVISORY_LOCK = 0x6F726472
"""Class of the advisory locks on PostgreSQL; with it goes the ordinal of a day, or 0."""


class Database:
    """A database with the tables of the stores.

    Parameters
    ----------
    address : str
        A file of SQLite, or a URL such as ``postgresql://user@host/name``.

    Raises
    ------
    InputError
        One line: SQLAlchemy or the driver is missing, or the address leads nowhere. So is whatever
        goes wrong later.
    """

    def __init__(self, address: str) -> None:
        try:
            self._sql: Any = importlib.import_module("sqlalchemy")
        except ImportError:
            raise InputError(
                "--database needs SQLAlchemy; pip install sqlalchemy, or use --state FILE"
            ) from None
        url, self.name = parse_address(self._sql, address)
        check_there(url)
        self._lite = url.get_backend_name() == "sqlite"
        own: dict[str, Any] = {"connect_args": {"timeout": LOCK_SECONDS}}
        if not self._lite:
            own = {
                "connect_args": {"connect_timeout": CONNECT_SECONDS},
                "isolation_level": "READ COMMITTED",  # sees what was committed before it locked
            }
        with self._one_line_errors():
            self._engine = self._sql.create_engine(
                url, poolclass=self._sql.NullPool, hide_parameters=True, **own
            )

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        """Turn whatever goes wrong in the database into one line."""
        try:
            yield
        except ImportError as error:
            raise InputError(
                f"{self.name}: its driver {error.name} is missing; pip install "
                f"'{error.name}[binary]'"
            ) from None
        except (self._sql.exc.SQLAlchemyError, ValueError, OverflowError) as error:
            if isinstance(error, InputError):
                raise
            text = " ".join(str(getattr(error, "orig", None) or error).split())
            text = text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}..."
            waited = "locked" in text or "lock timeout" in text
            remedy = "; let the other program end, and run again" if waited else ""
            raise InputError(f"{self.name}: {text}{remedy}") from None

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Any]:
        with self._one_line_errors(), self._engine.begin() as connection:
            if self._lite:  # else only writing begins one
                connection.exec_driver_sql(begin)
            yield connection

    def read_state(
        self, history: StoreHistory, date: dt.date | None = None, *, demand: bool = True
    ) -> tuple[StockState, DemandTable | None]:
        """Return the state in the tables, and the demand of the last days, as of one moment.

        Parameters
        ----------
        history : StoreHistory
            The stores and SKUs known.
        date : date, optional
            The day that is decided on.
        demand : bool
            Whether to read ``demand`` of the days before it, by default of its last.

        Raises
        ------
        InputError
            One line with table and place: missing, unknown, duplicate, no quantity, or stock of
            several mornings.
        """
        with self._transaction("BEGIN") as connection:
            read = Reader(self.name, self._sql, connection, history)
            places, stock, days = read.stock()
            outstanding = tuple(read.outstanding(places))
            if days and date is None:
                read.check_days(places, days)
            ages = {name: EXPIRES.fullmatch(name) for name in stock}
            state = StockState(
                np.array(places, np.intp),
                stock["on_hand"],
                outstanding,
                day=date or max(days, default=None),
                written=dt.date.today(),
                price=stock.get("price"),
                expires={int(k[1]): stock[name] for name, k in ages.items() if k},
            )
            return state, read.demand(date, history.source.fill, places) if demand else None

    @contextmanager
    def orders_replaced(self, rows: Sequence[Mapping[str, Any]], run: str) -> Iterator[str]:
        """Write orders in place of those of the same day, and commit where the context ends well.

        One call at a time writes the orders of a day: a later one waits, and replaces those of the
        earlier one.

        Parameters
        ----------
        rows : sequence of mapping
            As `commands.decide.decide` returns them, all of one day; those without a quantity are
            left out.
        run : str
            The policy's run.

        Yields
        ------
        str
            Which orders were replaced, nothing if there were none.
        """
        sql, table = self._sql, _orders_table(self._sql)
        day = dt.date.fromisoformat(rows[0]["date"])
        with self._transaction("BEGIN IMMEDIATE") as connection:
            self._make_table(connection, table)
            self._lock(connection, day.toordinal())
            own = table.c.date == day
            count = sql.select(table.c.run, sql.func.count()).where(own).group_by(table.c.run)
            before = [f"{number} of {name}" for name, number in connection.execute(count)]
            connection.execute(sql.delete(table).where(own))
            values = [
                {c.name: {**row, "date": day, "run": run}[c.name] for c in table.columns}
                for row in rows
                if row["quantity"] is not None
            ]
            if values:
                connection.execute(sql.insert(table), values)
            yield f"orders of {day} replaced: {', '.join(before)}" if before else ""

    def _make_table(self, connection: Any, table: Any) -> None:
        """Make the table of orders where there is none, and make sure that it is as it must be."""
        sql = self._sql
        if not sql.inspect(connection).has_table(ORDERS):
            self._lock(connection, 0)
            table.create(connection, checkfirst=True)
        present = {column["name"] for column in sql.inspect(connection).get_columns(ORDERS)}
        for old, new in RENAMED.items():
            if old in present and new not in present:
                connection.exec_driver_sql(f"ALTER TABLE {ORDERS} RENAME COLUMN {old} TO {new}")
        check_columns(self.name, sql, connection, ORDERS, [c.name for c in table.columns])
        about = sql.inspect(connection)
        keys = [about.get_pk_constraint(ORDERS)["constrained_columns"]]
        keys += [one["column_names"] for one in about.get_unique_constraints(ORDERS)]
        keys += [one["column_names"] for one in about.get_indexes(ORDERS) if one["unique"]]
        if not any(set(key) == set(KEY) for key in keys):
            raise InputError(
                f"{self.name}: table {ORDERS} has no key ({', '.join(KEY)}), so a day's orders "
                f"could be doubled; CREATE UNIQUE INDEX one_order ON {ORDERS} ({', '.join(KEY)})"
            )

    def _lock(self, connection: Any, number: int) -> None:
        """Wait for a lock until the end of the transaction; SQLite's locks the whole database."""
        if not self._lite:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
            connection.exec_driver_sql(
                "SELECT pg_advisory_xact_lock(%s, %s)", (ADVISORY_LOCK, number)
            )


def _orders_table(sql: Any) -> Any:
    text, number = sql.String, sql.Float
    return sql.Table(
        ORDERS,
        sql.MetaData(),
        sql.Column("date", sql.Date, primary_key=True),
        sql.Column("store", text(255), primary_key=True),
        sql.Column("sku", text(255), primary_key=True),
        sql.Column("quantity", number, nullable=False),
        sql.Column("days_of_cover", number),
        sql.Column("stockout_before", number, nullable=False),
        sql.Column("stockout_after", number, nullable=False),
        sql.Column("rule", text(255), nullable=False),
        sql.Column("rule_quantity", number, nullable=False),
        sql.Column("unusual", sql.Text, nullable=False),
        sql.Column("run", sql.Text, nullable=False),
    )
