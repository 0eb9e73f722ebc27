"""The present state of stores in the tables of a database, and where the orders are written.

``stock`` (store, sku, on_hand), ``outstanding`` (store, sku, due_date, quantity) and ``demand``
(date, store, sku, demand) are read; ``orders`` gets a row per store and day, with what `decide`
says of it. ``sku`` may be absent where there is one only.
"""

import datetime as dt
import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agents.stock_state import StockState
from agents.stock_tables import Reader, check_columns
from inventory.errors import InputError, short
from inventory.store_history import StoreHistory

ORDERS = "orders"
MOST_TOLD = 200
"""Letters of a message of the database."""

DRIVERS = {"psycopg": "'psycopg[binary]'"}
SECONDS = 5
"""How long another program's lock is waited for."""


class Database:
    """A database with the tables of the stores.

    Parameters
    ----------
    address : str
        A file of SQLite, or a URL such as ``postgresql://user@host/name``.

    Raises
    ------
    InputError
        One line: SQLAlchemy or the driver is missing, or the address leads nowhere. What goes wrong
        later is told in one line too.
    """

    def __init__(self, address: str) -> None:
        try:
            self._sql: Any = importlib.import_module("sqlalchemy")
        except ImportError:
            raise InputError(
                "--database needs SQLAlchemy; pip install sqlalchemy, or use --state FILE"
            ) from None
        url, self.name = self._url(address)
        own = {"sqlite": {"timeout": SECONDS}, "postgresql": {"connect_timeout": SECONDS}}
        with self._told():
            self._engine = self._sql.create_engine(
                url, connect_args=own.get(url.get_backend_name(), {}), hide_parameters=True
            )

    def _url(self, address: str) -> tuple[Any, str]:
        """Return the URL, and what to call the database in messages: no password is told."""
        sql = self._sql
        if "://" not in address:
            url = sql.URL.create("sqlite", database=address)
        else:
            try:
                url = sql.make_url(address)
            except (sql.exc.ArgumentError, ValueError):
                raise InputError(
                    "--database: is no URL; give a file, or such as postgresql://user@host/name"
                ) from None
        told = url.render_as_string(hide_password=True)
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        if url.get_backend_name() == "sqlite":
            name = url.database or ""
            if not Path(name).is_file():
                raise InputError(f"--database {short(name, 300)}: no such file")
            return url, Path(name).name
        return url, told

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn whatever goes wrong in the database into one line."""
        name = getattr(self, "name", "--database")
        try:
            yield
        except ImportError as error:
            raise InputError(
                f"{name}: its driver {error.name} is missing; pip install "
                f"{DRIVERS.get(error.name or '', error.name)}"
            ) from None
        except (self._sql.exc.SQLAlchemyError, ValueError, OverflowError) as error:
            if isinstance(error, InputError):
                raise
            told = " ".join(str(getattr(error, "orig", None) or error).split())
            told = told if len(told) <= MOST_TOLD else f"{told[:MOST_TOLD]}..."
            remedy = "; let the other program end, and run again" if "locked" in told else ""
            raise InputError(f"{name}: {told}{remedy}") from None

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Any]:
        with self._told(), self._engine.begin() as connection:
            if self._engine.dialect.name == "sqlite":  # else only writing begins one
                connection.exec_driver_sql(begin)
            yield connection

    def read_state(
        self, history: StoreHistory, date: dt.date | None = None, *, demand: bool = True
    ) -> StockState:
        """Return the state that the tables tell, as of one moment.

        Parameters
        ----------
        history : StoreHistory
            The stores and SKUs known.
        date : date, optional
            The day that is decided on; by default that after the last one in ``demand``.
        demand : bool
            Whether to read ``demand`` of the days before it.

        Raises
        ------
        InputError
            One line with table and place: missing, unknown, twice, or no quantity.
        """
        with self._transaction("BEGIN") as connection:
            read = Reader(self.name, self._sql, connection, history)
            places, on_hand = read.stock()
            outstanding = tuple(read.outstanding(places))
            if not demand:
                return StockState(places, on_hand, outstanding, day=date)
            day = date or read.next_day()
            return StockState(places, on_hand, outstanding, read.recent(places, day), day)

    def write_orders(self, rows: Sequence[Mapping[str, Any]], run: str) -> None:
        """Write orders in place of those of the same day: all of them, or none.

        Parameters
        ----------
        rows : sequence of mapping
            As `agents.decisions.decide` returns them.
        run : str
            The policy's run.
        """
        sql = self._sql
        day = dt.date.fromisoformat(rows[0]["date"])
        table = _orders_table(sql)
        with self._transaction("BEGIN IMMEDIATE") as connection:
            table.create(connection, checkfirst=True)
            check_columns(self.name, sql, connection, ORDERS, [c.name for c in table.columns])
            connection.execute(sql.delete(table).where(table.c.date == day))
            told = [{**row, "date": day, "run": run} for row in rows]
            connection.execute(sql.insert(table), told)


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
        sql.Column("stockout_chance", number, nullable=False),
        sql.Column("baseline", text(255), nullable=False),
        sql.Column("baseline_quantity", number, nullable=False),
        sql.Column("unusual", sql.Text, nullable=False),
        sql.Column("run", sql.Text, nullable=False),
    )
