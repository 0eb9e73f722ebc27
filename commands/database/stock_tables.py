"""The present state of stores, as it stands in the tables of a database."""

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from commands.stock_state import EXPIRES, Outstanding
from common.errors import InputError, choose, short
from demand.dates import Periods, parse_day
from demand.history import StoreHistory
from demand.known_demand import KNOWN_DAYS, WEEK
from demand.sheet import MAX_DEMAND
from demand.table import DemandTable, Fill

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
        names = {"store": self._known.stores, "sku": self._known.skus}
        self._places = {key: {name: k for k, name in enumerate(own)} for key, own in names.items()}

    def stock(self) -> tuple[list[tuple[int, int]], dict[str, Floats], list[dt.date]]:
        """Return SKU and store of every row, its numbers by column, and its day if there is one.

        Numbers are ``on_hand`` and, where there are such columns, ``price`` and ``expires_1``, ...
        A column ``date`` says of which morning the row is.
        """
        most = len(self._known.stores) * len(self._known.skus)
        there = self._columns(STOCK, ["on_hand"])
        numbers = sorted(name for name in there if name == "price" or EXPIRES.fullmatch(name))
        optional = [*numbers, *(["date"] if "date" in there else [])]
        names = ["on_hand", *numbers]
        places: dict[tuple[int, int], list[float]] = {}
        days = []
        for where, place, values in self._rows(STOCK, ["on_hand", *optional], most + 1):
            if place in places:
                raise InputError(f"{where}: duplicate; remove one")
            places[place] = [_quantity(where, *pair) for pair in zip(names, values, strict=False)]
            days += [_date(where, "date", values[-1])] if "date" in there else []
        if not places:
            raise InputError(f"{self._name}: table {STOCK} is empty; put in a row for each store")
        columns = np.array(list(places.values())).T
        return list(places), dict(zip(names, columns, strict=True)), days

    def check_days(self, places: list[tuple[int, int]], days: list[dt.date]) -> None:
        """Make sure that all stock is of one morning.

        Raises
        ------
        InputError
            Naming the first row of another day.
        """
        morning = max(days)
        for place, day in zip(places, days, strict=True):
            if day != morning:
                raise InputError(
                    f"{self._name}: table {STOCK}, {self._label(place)} is of {day}; put in what "
                    f"is on hand in the morning of {morning}, or say --date"
                )

    def outstanding(self, places: list[tuple[int, int]]) -> Iterator[Outstanding]:
        """Return the orders under way, one by one."""
        columns = ["due_date", "quantity"]
        for where, place, (due, quantity) in self._rows(OUTSTANDING, columns, MOST_OUTSTANDING):
            if place not in places:
                raise InputError(f"{where}: is not in table {STOCK}; put it in there too")
            at = np.zeros(len(places))
            at[places.index(place)] = _quantity(where, "quantity", quantity)
            yield Outstanding(f"{where}, due_date {due}", _date(where, "due_date", due), at)

    @property
    def _periods(self) -> Periods:
        return self._known.periods

    def _after(self, day: dt.date, periods: int) -> dt.date:
        """Return the first day of the period so many after that of a day."""
        return self._periods.date(self._periods.number(day) + periods)

    def demand(
        self, until: dt.date | None, fill: Fill, places: list[tuple[int, int]]
    ) -> DemandTable:
        """Return the demand of the last periods before `until`, by default of the last there are.

        As of a file, names that the run does not know are left out, and where `fill` is ``"zero"``
        what is missing or no quantity is 0; so it is of all that is not among `places`, of which no
        demand is needed.

        Raises
        ------
        InputError
            If there is none, a period is missing or doubled, or there is no quantity.
        """
        until = until or self._next_day()
        first = self._after(until, -(KNOWN_DAYS + WEEK if fill == "zero" else KNOWN_DAYS))
        days = self._periods.number(until) - self._periods.number(first)
        found = np.full((days, len(self._known.skus), len(self._known.stores)), np.nan)
        there = np.zeros(found.shape, np.bool_)
        date = self._sql.column("date", self._sql.Date)
        within = (date >= first, date < until)
        for where, place, (on, demand) in self._rows(DEMAND, ["date", "demand"], None, within):
            day = f"{where} on {on}"
            cell = (self._begun(day, on) - self._periods.number(first), *place)
            if there[cell]:
                raise InputError(f"{day}: duplicate; remove one")
            there[cell] = True
            with suppress(InputError) if fill == "zero" else nullcontext():
                found[cell] = _quantity(day, "demand", demand)
        if not there.any():
            raise self._empty(f" before {until}")
        begun = np.flatnonzero(there.any(axis=(1, 2)))
        begin, end = int(begun[0]), int(begun[-1]) + 1
        found, needed = found[begin:end], np.zeros(found.shape[1:], np.bool_)
        needed[tuple(np.array(places, np.intp).T)] = fill != "zero"
        found[:, ~needed] = np.nan_to_num(found[:, ~needed])
        for at, *place in np.argwhere(np.isnan(found))[:1].tolist():
            raise InputError(
                f"{self._name}: table {DEMAND}: {self._after(first, begin + at)} of "
                f"{self._label(place)} is missing; the {KNOWN_DAYS} {self._periods.name}s before "
                f"{until} are needed: put them in, or name a file with --history"
            )
        return DemandTable(
            name=f"table {DEMAND} of {self._name}",
            kind="database",
            first_day=self._after(first, begin),
            period=self._periods.name,
            stores=self._known.stores,
            skus=self._known.skus,
            demand=found,
            columns="",
        )

    def _next_day(self) -> dt.date:
        """Return the first day of the period after the last one with demand."""
        self._columns(DEMAND, ["date", "demand"])
        sql = self._sql
        last = sql.select(sql.func.max(sql.column("date"))).select_from(sql.table(DEMAND))
        if (value := self._connection.execute(last).scalar()) is None:
            raise self._empty()
        return self._after(_date(f"{self._name}: table {DEMAND}", "date", value), 1)

    def _empty(self, before: str = "") -> InputError:
        """Return what to say where there is no demand."""
        days = f"{KNOWN_DAYS} {self._periods.name}s"
        return InputError(f"{self._name}: table {DEMAND} is empty{before}; put in the last {days}")

    def _begun(self, where: str, value: object) -> int:
        """Return the number of the period that begins on the date of a row."""
        day = _date(where, "date", value)
        if (begin := self._after(day, 0)) != day:
            raise InputError(
                f"{where}: no {self._periods.name} of {self._known.name} begins then, but on "
                f"{begin}; sum demand up by {self._periods.name}"
            )
        return self._periods.number(day)

    def _rows(
        self, table: str, wanted: list[str], most: int | None, within: Sequence[Any] = ()
    ) -> Iterator[tuple[str, tuple[int, int], list[Any]]]:
        """Return every row's name in messages, its place, and the columns wanted."""
        sql, there = self._sql, self._columns(table, wanted)
        keys = [key for key in ("store", "sku") if key in there]
        columns = [sql.column(name) for name in (*keys, *wanted)]
        query = sql.select(*columns).select_from(sql.table(table)).where(*within).limit(most)
        for row in self._connection.execute(query):
            named = dict(zip(keys, row, strict=False))
            place = self._index(table, "sku", named), self._index(table, "store", named)
            if -1 in place:
                continue
            yield (
                f"{self._name}: table {table}, {self._label(place)}",
                place,
                list(row[len(keys) :]),
            )

    def _columns(self, table: str, wanted: list[str]) -> set[str]:
        """Return the columns of a table, which must have those wanted, and store and sku if any."""
        keys = [key for key, places in self._places.items() if len(places) > 1]
        return check_columns(self._name, self._sql, self._connection, table, [*keys, *wanted])

    def _index(self, table: str, key: str, named: Mapping[str, Any]) -> int:
        """Return the place of a store or SKU; it may be left out where there is one only.

        That of one unknown is -1 in the table of demand, and refused elsewhere.
        """
        places = self._places[key]
        if key not in named or (named[key] is None and len(places) == 1):
            return 0
        if (name := str(named[key])) not in places and table != DEMAND:
            choose(f"{key} in table {table} of {self._name},", name, places)
        return places.get(name, -1)

    def _label(self, place: Sequence[int]) -> str:
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
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = value.isoformat()
    return parse_day(str(value)[:10], f"{where}: {name} =")
