"""The present state of stores: stock, orders under way, recent demand; and the file with it."""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError, choose, short
from demand.dates import Periods, parse_day, row_days
from demand.history import StoreHistory
from demand.known_ahead.column_names import SKU_NAMES, STORE_NAMES
from demand.known_demand import KNOWN_DAYS, check_recent, recent_demand
from demand.sheet import Mark, Sheet, decimal_mark, numbers, read_quantities, read_sheet

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
EXPIRES = re.compile(r"expires_(\d{1,3})")
_DUE = re.compile(r"due_(\d{1,3})"), "due_1 arrives tomorrow; count today's into on_hand"
_DAY = re.compile(r"d(\d{1,2})"), "d1 is yesterday's demand; leave today's out"
_EXPIRES = EXPIRES, "expires_1 is lost this evening; leave out what is lost already"
_COUNTED = {"due_": _DUE, "d": _DAY, "expires_": _EXPIRES}
"""Columns that are numbered from 1 on, and what to do with number 0."""

_DUE_ON = re.compile(r"due_(\d{4}-\d\d-\d\d)")
_ON_HAND = ("on_hand", "stock", "stock_on_hand", "inventory", "qty_on_hand", "bestand")
_SYNONYMS = {
    **dict.fromkeys(STORE_NAMES, "store"),
    **dict.fromkeys(SKU_NAMES, "sku"),
    **dict.fromkeys(_ON_HAND, "on_hand"),
    **dict.fromkeys(("unit_price", "unit_cost", "cost"), "price"),
    "datum": "date",
}


@dataclass(frozen=True)
class Outstanding:
    """Orders that arrive on the same morning.

    Attributes
    ----------
    label : str
        What to call them in messages.
    due : int or date
        The morning, counted from the day that is decided on, or its date.
    quantity : ndarray
        Shape (rows of the state,) [units].
    """

    label: str
    due: int | dt.date
    quantity: Floats


@dataclass(frozen=True)
class StockState:
    """What stores hold in the morning, before they order.

    Attributes
    ----------
    places : ndarray
        SKU and store of every row, as indices of the history's, shape (rows, 2).
    on_hand : ndarray
        Shape (rows,) [units], this morning's receipts included.
    outstanding : tuple of Outstanding
        What is under way.
    recent : ndarray or None
        Demand of the last `KNOWN_DAYS` days, the latest last, shape (rows, days), where it is
        given; a week that is given stands for the weeks before it too, unless nothing was sold.
    day : date or None
        The morning, where the source of the state says it.
    written : date or None
        The day after which the state cannot be known.
    price : ndarray or None
        Of a unit, shape (rows,), where the source of the state has it.
    expires : mapping
        By k the units on hand that can be sold on k more days, today included, shape (rows,); empty
        where the source of the state does not say how old they are.
    given : int
        Days of `recent` that the source of the state has: the last week stands for those before.
    """

    places: Places
    on_hand: Floats
    outstanding: tuple[Outstanding, ...]
    recent: Floats | None = None
    day: dt.date | None = None
    written: dt.date | None = None
    price: Floats | None = None
    expires: Mapping[int, Floats] = field(default_factory=dict)
    given: int = KNOWN_DAYS

    def part(self, rows: NDArray[np.intp]) -> "StockState":
        """Return the state of some of the rows."""
        return replace(
            self,
            places=self.places[rows],
            on_hand=self.on_hand[rows],
            outstanding=tuple(
                replace(one, quantity=one.quantity[rows]) for one in self.outstanding
            ),
            recent=None if self.recent is None else self.recent[rows],
            price=None if self.price is None else self.price[rows],
            expires={k: units[rows] for k, units in self.expires.items()},
        )

    def by_age(self, lives: NDArray[np.int64], label: Callable[[int], str]) -> Floats | None:
        """Return stock by age, shape (rows, longest life), oldest first; None if not known.

        Parameters
        ----------
        lives : ndarray
            The shelf life of each row's goods [days], 0 if they do not perish, shape (rows,).
        label : callable
            What to call a row in messages.

        Raises
        ------
        InputError
            If units keep longer than that, or do not add up to what is on hand.
        """
        if not self.expires:
            return None
        ages = np.zeros((len(self.places), int(lives.max())))
        for k, units in self.expires.items():
            for row in np.flatnonzero((units != 0.0) & ((lives < k) | (k < 1)))[:1].tolist():
                keeps = f"keep {lives[row]} days" if lives[row] else "do not perish"
                raise InputError(
                    f"{label(row)}: expires_{k} = {units[row]:g}: these goods {keeps} here "
                    "(store.shelf_life)"
                )
            if 1 <= k <= ages.shape[1]:
                ages[:, k - 1] = units
        total = ages.sum(axis=1)
        unequal = (lives > 0) & ~np.isclose(total, self.on_hand)
        for row in np.flatnonzero(unequal)[:1].tolist():
            raise InputError(
                f"{label(row)}: expires_1 to expires_{lives[row]} add up to {total[row]:g}, "
                f"on_hand is {self.on_hand[row]:g}; they must be equal"
            )
        return ages

    def due(self, day: dt.date, lead_time: int, periods: Periods) -> Floats:
        """Return what arrives in 1, 2 ... mornings from `day`, shape (rows, lead time) [units].

        Raises
        ------
        InputError
            If something is due on that day or before, or later than orders take.
        """
        due = np.zeros((len(self.places), lead_time))
        for order in self.outstanding:
            due[:, _mornings(order, day, lead_time, periods) - 1] += order.quantity
        return due


def _mornings(order: Outstanding, day: dt.date, lead_time: int, periods: Periods) -> int:
    dated = isinstance(order.due, dt.date)
    today, mornings = periods.number(day), order.due
    if isinstance(mornings, dt.date):
        mornings = periods.number(mornings) - today
    if 1 <= mornings <= lead_time:
        return mornings
    if dated and mornings < 1:
        raise InputError(
            f"{order.label}: was due by {day}, the day that is decided on; count it into on_hand, "
            "or give the day on which it will arrive"
        )
    until = f", {periods.date(today + 1)} to {periods.date(today + lead_time)}"
    last = periods.date(today + lead_time) if dated else lead_time
    late = f"; give what comes later as due_{last}, or it is ordered again" if lead_time else ""
    raise InputError(
        f"{order.label}: orders arrive in 1 to {lead_time} {periods.name}s here (store.lead_time)"
        f"{until if dated else ''}{late}"
    )


@dataclass(frozen=True)
class StateColumns:
    """A file with the state of stores, column by column, whatever stores they are.

    Attributes
    ----------
    sheet : Sheet
        The file, its columns called as here.
    on_hand, price : ndarray
        Shape (rows,); there may be no price.
    due, recent, expires : mapping
        Units of ``due_1`` or ``due_2024-01-31``, ``d1`` and ``expires_1``, shape (rows,), by number
        or date.
    day : date or None
        The morning, where there is a column ``date``.
    """

    sheet: Sheet
    on_hand: Floats
    price: Floats | None
    due: Mapping[int | dt.date, Floats]
    recent: Mapping[int, Floats]
    expires: Mapping[int, Floats]
    day: dt.date | None


def state_columns(
    sheet: Sheet, decimal: Mark | None = None, date_format: str | None = None
) -> StateColumns:
    """Return the columns of a file as `read_state` describes them.

    Parameters
    ----------
    sheet : Sheet
        The file.
    decimal : {".", ","}, optional
        The decimal mark of a file whose numbers do not tell theirs.
    date_format : str, optional
        The format of its date, as of strptime.

    Raises
    ------
    InputError
        One line with the row or column: unknown, missing, no quantity, no date or not one.
    """
    sheet = with_known_names(sheet)
    if sheet.cells.empty:
        raise InputError(f"{sheet.name}: holds a header and no stores; put in a row for each")
    names: dict[tuple[str, int | dt.date], str] = {}
    for name in (column for column in sheet.columns if column not in ("store", "sku", "date")):
        place = _place(sheet, name)
        if place in names:
            raise InputError(f"{sheet.name}: {names[place]} and {name} are the same; remove one")
        names[place] = name
    choose(f"column in {sheet.name}", "on_hand", sheet.columns)
    units = dict(zip(names, _units(sheet, list(names.values()), decimal), strict=True))

    def numbered(kind: str) -> dict[int, Floats]:
        return {k: at for (of, k), at in units.items() if of == kind and isinstance(k, int)}

    recent = numbered("d")
    if recent:
        check_recent(sheet.name, recent)
    return StateColumns(
        sheet,
        on_hand=units["on_hand", 0],
        price=units.get(("price", 0)),
        due={day: at for (of, day), at in units.items() if of == "due_"},
        recent=recent,
        expires=numbered("expires_"),
        day=_date(sheet, date_format),
    )


def read_state(path: Path, history: StoreHistory, sheet: Sheet | None = None) -> StockState:
    """Read a file with a row per store (and SKU), or what `read_sheet` gave of it before.

    Columns are ``store``, ``sku`` if there are several, ``on_hand``, ``due_1`` (arrives tomorrow),
    ``due_2`` ... or ``due_2024-01-31`` ..., ``d1`` (yesterday's demand), ``d2`` ... at least to
    ``d7``, or none of these, and possibly ``price`` (of a unit) and ``date``, the morning that all
    this is of. Of goods that perish, ``expires_1`` (of `on_hand`, lost this evening unless sold),
    ``expires_2`` ... say how old they are. Capitals do not count, and there are synonyms such as
    ``product`` and ``stock``. Where numbers do not tell their decimal mark, it is the one that was
    set for the history's file.

    Raises
    ------
    InputError
        One line with the row: a column, store or SKU that is missing or unknown, or no quantity.
    """
    source = history.source
    columns = state_columns(sheet or read_sheet(path), source.decimal, source.date_format)
    sheet = columns.sheet
    stores = _indices(sheet, "store", history.table.stores)
    skus = _indices(sheet, "sku", history.table.skus)
    places = np.stack([skus, stores], axis=1)
    if (twice := first_duplicate(places)) is not None:
        row, known = twice[1], sheet.cells.index[twice[0]]
        raise InputError(f"{sheet.row(row)}: is a duplicate of row {known}; remove one")
    due = columns.due.items()
    return StockState(
        places,
        columns.on_hand,
        tuple(Outstanding(f"{sheet.name}: due_{day}", day, units) for day, units in due),
        recent_demand(sheet.name, columns.recent, history.mean[skus, stores]),
        columns.day,
        written_on(path),
        columns.price,
        columns.expires,
        max(columns.recent, default=KNOWN_DAYS),
    )


def written_on(path: Path) -> dt.date:
    """Return the day on which a file was written, after which its state cannot be known."""
    return dt.date.fromtimestamp(path.stat().st_mtime)


def first_duplicate(places: Places) -> tuple[int, int] | None:
    """Return the first row whose place an earlier one has, behind that one; None if there is none.

    Examples
    --------
    >>> first_duplicate(np.array([[0, 1], [0, 2], [0, 1]]))
    (0, 2)
    """
    _, first, which = np.unique(places, axis=0, return_index=True, return_inverse=True)
    former = first[which.reshape(-1)]
    later = np.flatnonzero(former != np.arange(len(places)))
    return (int(former[later[0]]), int(later[0])) if later.size else None


def with_known_names(sheet: Sheet) -> Sheet:
    """Return the sheet with its columns called as here, whatever their capitals and synonyms."""
    names: list[str] = []
    for title in sheet.columns:
        name = re.sub(r"\s+|-(?=[a-z])", "_", title.strip().lower())
        name = _SYNONYMS.get(name, name)
        if name in names:
            raise InputError(f"{sheet.name}: two columns are {name}, one is {short(title)}")
        names.append(name)
    return replace(sheet, cells=sheet.cells.set_axis(names, axis="columns"))


def _date(sheet: Sheet, form: str | None) -> dt.date | None:
    """Return the day in the column ``date``, which must be one."""
    if "date" not in sheet.columns:
        return None
    texts = sorted(set(sheet.cells["date"]))
    if all(re.match(r"\d{4}-\d\d-", text) for text in texts):
        days = {parse_day(text, f"{sheet.name}: date =") for text in texts}
    else:
        try:
            ordinals, _ = row_days(sheet, "date", form, None)
        except InputError:  # none, or one that may be either of two
            what = f"{sheet.name}: date = {short(texts[0])}"
            raise InputError(f"{what}: must be a date such as 2024-01-31") from None
        days = {dt.date.fromordinal(number) for number in ordinals.tolist()}
    if len(days) != 1:
        raise InputError(f"{sheet.name}: date has {len(days)} days; give the state of one morning")
    return days.pop()


def _place(sheet: Sheet, name: str) -> tuple[str, int | dt.date]:
    """Return the kind of a column of quantities, and its number or date."""
    for kind, (form, remedy) in _COUNTED.items():
        if match := form.fullmatch(name):
            if int(match[1]) < 1:
                raise InputError(f"{sheet.name}: {name}: {remedy}")
            return kind, int(match[1])
    if match := _DUE_ON.fullmatch(name):
        return "due_", parse_day(match[1], "due_")
    names = ["store", "sku", "on_hand", "due_1", "d1", "expires_1", "date", "price"]
    return choose(f"column in {sheet.name}", name, names), 0


def _indices(sheet: Sheet, name: str, known: tuple[str, ...]) -> NDArray[np.intp]:
    """Return the place of every row's store or SKU; without a column there must be one only."""
    if name not in sheet.columns:
        if len(known) > 1:
            raise InputError(f"{sheet.name}: has no column {name}; add one")
        return np.zeros(len(sheet.cells), np.intp)
    places = {word: place for place, word in enumerate(known)}
    texts, codes = sheet.texts(name), sheet.codes(name)
    at: NDArray[np.intp] = np.array([places.get(text, -1) for text in texts], np.intp)[codes]
    for row in np.flatnonzero(at < 0)[:1].tolist():
        choose(f"{name} in {sheet.row(row)},", texts[codes[row]], known)
    return at


def _units(sheet: Sheet, names: list[str], decimal: Mark | None) -> Floats:
    """Return the quantities in columns, shape (columns, rows)."""
    mark = decimal_mark(sheet, names, decimal)
    values = read_quantities(sheet, names, mark)
    if not (values >= 0).all():
        row, column = divmod(int((values >= 0).argmin()), len(names))
        text = str(sheet.cells[names[column]].iloc[row])
        what = f"{sheet.row(row)}: {names[column]} = {short(text)}: must be a number of 0 or more"
        own, other = numbers([text], mark)[0], numbers([text], "," if mark == "." else ".")[0]
        mixed = np.isnan(own) and np.isfinite(other)
        raise InputError(f"{what}, with the decimal mark {mark!r} of the others" if mixed else what)
    return np.ascontiguousarray(values.T)
