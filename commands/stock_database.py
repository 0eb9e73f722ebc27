"""The present state of stores in a database's tables, and where orders are written."""

import datetime as dt
import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from commands.stock_state import Outstanding, StockState
from common.errors import InputError, choose, short
from demand.history import KNOWN_DAYS, StoreHistory
from demand.sheet import MAX_DEMAND

Floats = NDArray[np.float64]
STOCK, OUTSTANDING, DEMAND = "stock", "outstanding", "demand"
MOST_OUTSTANDING = 1_000_000


def check_columns(name: str, sql: Any, connection: Any, table: str, needed: list[str]) -> set[str]:
    """Return the columns of a table, which must have those that are needed."""
    about = sql.inspect(connection)
    if not (about.has_table(table) or table in about.get_view_names()):
        raise InputError(f"{name}: has no table {table}; make one with columns {', '.join(needed)}")
    columns = {str(column["name"]) for column in about.get_columns(table)}
    missing = [column for column in needed if column not in columns]
    if missing:
        raise InputError(
            f"{name}: table {table} has no column {missing[0]}; it has {', '.join(sorted(columns))}"
        )
    return columns


class Reader:
    """The tables as of one moment.

    Parameters
    ----------
    name : str
        What to call the database in messages.
    sql : module
        SQLAlchemy.
    connection : sqlalchemy.Connection
        Within a transaction.
    history : StoreHistory
        The stores and SKUs known.
    """

    def __init__(self, name: str, sql: Any, connection: Any, history: StoreHistory) -> None:
        self._name, self._sql, self._connection = name, sql, connection
        self._known = history.table

    def stock(self) -> tuple[list[tuple[int, int]], Floats]:
        """Return SKU and store of every row, and what is on hand [units]."""
        most = len(self._known.stores) * len(self._known.skus)
        places: dict[tuple[int, int], float] = {}
        for where, place, (on_hand,) in self._rows(STOCK, ["on_hand"], most + 1):
            if place in places:
                raise InputError(f"{where}: duplicate; remove one")
            places[place] = _quantity(where, "on_hand", on_hand)
        if not places:
            raise InputError(f"{self._name}: table {STOCK} is empty; put in a row for each store")
        return list(places), np.array(list(places.values()))

    def outstanding(self, places: list[tuple[int, int]]) -> Iterator[Outstanding]:
        """Return the orders under way, one by one."""
        columns = ["due_date", "quantity"]
        for where, place, (due, quantity) in self._rows(OUTSTANDING, columns, MOST_OUTSTANDING):
            if place not in places:
                raise InputError(f"{where}: is not in table {STOCK}; put it in there too")
            at = np.zeros(len(places))
            at[places.index(place)] = _quantity(where, "quantity", quantity)
            yield Outstanding(f"{where}, due_date {due}", _date(where, "due_date", due), at)

    def next_day(self) -> dt.date:
        """Return the day after the last one with demand."""
        check_columns(self._name, self._sql, self._connection, DEMAND, ["date", "demand"])
        sql = self._sql
        last = sql.select(sql.func.max(sql.column("date"))).select_from(sql.table(DEMAND))
        value = self._connection.execute(last).scalar()
        if value is None:
            raise InputError(
                f"{self._name}: table {DEMAND} is empty; put in the last {KNOWN_DAYS} days"
            )
        return _date(f"{self._name}: table {DEMAND}", "date", value) + dt.timedelta(days=1)

    def recent(self, places: list[tuple[int, int]], day: dt.date) -> Floats:
        """Return the demand of the days before `day`, shape (rows, `KNOWN_DAYS`)."""
        first = day - dt.timedelta(days=KNOWN_DAYS)
        found = np.full((len(places), KNOWN_DAYS), np.nan)
        rows = {place: row for row, place in enumerate(places)}
        date = self._sql.column("date", self._sql.Date)
        most = len(self._known.stores) * len(self._known.skus) * KNOWN_DAYS + 1
        within = (date >= first, date < day)
        for where, place, (on, demand) in self._rows(DEMAND, ["date", "demand"], most, within):
            at = (_date(where, "date", on) - first).days
            if place not in rows or not 0 <= at < KNOWN_DAYS:
                continue
            if not math.isnan(found[rows[place], at]):
                raise InputError(f"{where} on {on}: duplicate; remove one")
            found[rows[place], at] = _quantity(f"{where} on {on}", "demand", demand)
        missing = np.argwhere(np.isnan(found))
        if missing.size:
            row, at = (int(i) for i in missing[0])
            raise InputError(
                f"{self._name}: table {DEMAND}: {first + dt.timedelta(days=at)} of "
                f"{self._told(places[row])} is missing; the {KNOWN_DAYS} days before {day} are "
                "needed: put them in, or name a file with --history"
            )
        return found

    def _rows(
        self, table: str, wanted: list[str], most: int, within: Sequence[Any] = ()
    ) -> Iterator[tuple[str, tuple[int, int], list[Any]]]:
        """Return every row's name in messages, its place, and the columns wanted."""
        sql, known = self._sql, self._known
        needed = [*(["store"] if len(known.stores) > 1 else []), *wanted]
        needed += ["sku"] if len(known.skus) > 1 else []
        there = check_columns(self._name, sql, self._connection, table, needed)
        keys = [key for key in ("store", "sku") if key in there]
        columns = [sql.column(name) for name in (*keys, *wanted)]
        query = sql.select(*columns).select_from(sql.table(table)).where(*within).limit(most)
        for row in self._connection.execute(query):
            named = dict(zip(keys, row, strict=False))
            at = [self._index(table, key, named) for key in ("sku", "store")]
            place = at[0], at[1]
            yield f"{self._name}: table {table}, {self._told(place)}", place, list(row[len(keys) :])

    def _index(self, table: str, key: str, named: Mapping[str, Any]) -> int:
        """Return the place of a store or SKU; it may be left out where there is one only."""
        known = self._known.stores if key == "store" else self._known.skus
        if key not in named or (named[key] is None and len(known) == 1):
            return 0
        return known.index(
            choose(f"{key} in table {table} of {self._name},", str(named[key]), known)
        )

    def _told(self, place: tuple[int, int]) -> str:
        sku, store = place
        known = self._known
        skus = f", sku {short(known.skus[sku])}" if len(known.skus) > 1 else ""
        return f"store {short(known.stores[store])}{skus}"


def _quantity(where: str, name: str, value: object) -> float:
    number = math.nan
    if isinstance(value, int | float | Decimal | str) and not isinstance(value, bool):
        with suppress(ValueError):
            number = float(value)
    if not 0 <= number <= MAX_DEMAND:
        raise InputError(f"{where}: {name} = {short(value)}: must be a number of 0 or more")
    return number


def _date(where: str, name: str, value: object) -> dt.date:
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        return dt.datetime.fromisoformat(str(value)).date()
    except ValueError:
        raise InputError(
            f"{where}: {name} = {short(value)}: must be a date such as 2024-01-31"
        ) from None


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
            As `commands.orders.decide` returns them.
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
