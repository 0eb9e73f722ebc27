"""Bodies of requests: the state of stores in JSON, and changes of orders."""

import datetime as dt
import re
from collections import defaultdict
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, StringConstraints, field_validator

from commands.stock_state import Outstanding, StockState, first_duplicate
from common.errors import FrozenModel, InputError, choose, short
from demand.dates import FIRST_YEAR, LAST_YEAR
from demand.history import StoreHistory
from demand.known_ahead.covariates import MOST_COLUMNS
from demand.known_demand import KNOWN_DAYS, recent_demand
from demand.sheet import MAX_DEMAND, Sheet, sheet_of

MOST_ITEMS = 20_000
MOST_DAYS = 100
MOST_DAYS_AHEAD = 3660
"""Known days are held for every date up to the last: without a limit a date could fill memory."""


def _iso_date(value: Any) -> Any:
    """Refuse what pydantic would read as seconds since 1970."""
    if isinstance(value, str) and not ISO_DATE.fullmatch(value):
        raise ValueError("must be a date, YYYY-MM-DD")
    if isinstance(value, int | float):
        raise ValueError("must be a date in quotes, YYYY-MM-DD")
    return value


ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
IsoDate = Annotated[dt.date, BeforeValidator(_iso_date)]
_NOT_IN_NAMES = r"\x00-\x1f\[-^`{-\xa0\u2000-\u206f\ufeff"
r"""Characters not allowed in names; some readers of the document take ``\w`` as ASCII only."""
Units = Annotated[float, Field(ge=0, le=MAX_DEMAND)]
Dated = Annotated[dict[IsoDate, Units], Field(max_length=MOST_DAYS)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Known = (
    bool
    | Annotated[float, Field(allow_inf_nan=False)]
    | Annotated[str, StringConstraints(max_length=255)]
    | None
)
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00]*$"),
]


class Item(FrozenModel):
    """A store's stock of a product this morning, before it orders.

    Attributes
    ----------
    store, sku : str
        Names; may be left out if there is only one.
    on_hand : float
        Stock, this morning's receipts included [units].
    due : list or mapping
        Units that arrive tomorrow, the day after ..., or by date [units].
    recent : list
        Yesterday's demand, that of the day before ..., 7 to 28 days [units/day].
    expires : list
        Units of `on_hand` that expire this evening unless sold, tomorrow evening ... [units].
    price : float, optional
        Price of a unit.
    """

    store: Name | None = None
    sku: Name | None = None
    on_hand: Units
    due: Annotated[tuple[Units, ...], Field(max_length=MOST_DAYS)] | Dated = ()
    recent: Annotated[tuple[Units, ...], Field(max_length=KNOWN_DAYS)] = ()
    expires: Annotated[tuple[Units, ...], Field(max_length=MOST_DAYS)] = ()
    price: Units | None = None


class KnownDay(FrozenModel):
    """What is known ahead of a day, for all or for a single store or product.

    Attributes
    ----------
    date : date
        The day.
    store, sku : str, optional
        The store or product; by default all.
    values : dict
        Values by column of the demand file or calendar: a flag, a price, the name of an event.
    """

    date: IsoDate
    store: Name | None = None
    sku: Name | None = None
    values: Annotated[dict[Name, Known], Field(min_length=1, max_length=MOST_COLUMNS)]


class DecisionRequest(FrozenModel):
    """A morning: the state of every store and product that may order.

    Attributes
    ----------
    date : date, optional
        The day to decide on; by default the one after the last with known demand.
    written : date, optional
        Day on which the state was written; without `date`, an outdated one is refused.
    items : list of Item
        Stock by store and product, in any order, each once.
    calendar : list of KnownDay
        What is known of the coming days, and of those since the last that the policy was made with,
        if the policy uses it; days left out between the first and the last have no event and no
        flag.
    """

    date: IsoDate | None = None
    written: IsoDate | None = None
    items: Annotated[list[Item], Field(min_length=1, max_length=MOST_ITEMS)]
    calendar: Annotated[tuple[KnownDay, ...], Field(max_length=MOST_ITEMS)] = ()

    @field_validator("date")
    @classmethod
    def _sensible(cls, day: dt.date | None) -> dt.date | None:
        if day is not None and not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise ValueError(f"must be a date from {FIRST_YEAR} to {LAST_YEAR}")
        return day

    def state(self, known: StoreHistory) -> StockState:
        """Return the state for a policy that knows these stores and products.

        Raises
        ------
        InputError
            One line: a name that is unknown or missing, a duplicate, lists of unequal length.
        """
        items, table = self.items, known.table
        skus = _indices("sku", [one.sku for one in items], table.skus)
        stores = _indices("store", [one.store for one in items], table.stores)
        places = np.stack([skus, stores], axis=1)
        if (twice := first_duplicate(places)) is not None:
            raise InputError(f"items[{twice[1]}]: duplicate of items[{twice[0]}]")
        days = _columns([one.recent for one in items], "recent", equal=True)
        usual = known.mean[skus, stores]
        prices = [one.price for one in items]
        if None in prices and any(price is not None for price in prices):
            raise InputError(f"items[{prices.index(None)}]: has no price, others have; give all")
        return StockState(
            places,
            np.array([one.on_hand for one in items]),
            self._outstanding(),
            recent_demand("items", days, usual),
            self.date,
            self.written,
            price=None if prices[0] is None else np.array(prices, float),
            expires=_columns([one.expires for one in items], "expires", equal=False),
            given=max(days, default=KNOWN_DAYS),
        )

    def known_days(self, known: StoreHistory) -> Sheet | None:
        """Return the calendar as a file's content for a policy that knows these columns.

        Raises
        ------
        InputError
            One line: the policy has no such column, or the days are too far from those it knows.
        """
        if not self.calendar:
            return None
        names = () if known.covariates is None else known.covariates.names
        last = known.table.last_day + dt.timedelta(days=MOST_DAYS_AHEAD)
        rows = []
        for number, one in enumerate(self.calendar):
            for name in one.values if names else ():
                choose(f"column in calendar[{number}],", name, names)
            if not known.table.first_day <= one.date <= last:
                raise InputError(
                    f"calendar[{number}]: date = {one.date}: must be from "
                    f"{known.table.first_day} to {last}, {MOST_DAYS_AHEAD:,} days after the last "
                    "that the policy was made with"
                )
            about = {"date": one.date.isoformat(), "store": one.store or "", "sku": one.sku or ""}
            rows.append({**{name: _text(value) for name, value in one.values.items()}, **about})
        return sheet_of("calendar", rows)

    def _outstanding(self) -> tuple[Outstanding, ...]:
        listed = [one.due if isinstance(one.due, tuple) else () for one in self.items]
        columns: dict[int | dt.date, Any] = {}
        columns.update(_columns(listed, "due", equal=False).items())
        for row, one in enumerate(self.items):
            for day, units in one.due.items() if isinstance(one.due, dict) else ():
                if day not in columns and len(columns) >= 2 * MOST_DAYS:
                    raise InputError(f"items[{row}]: due has more than {2 * MOST_DAYS} days in all")
                columns.setdefault(day, np.zeros(len(self.items)))[row] = units
        return tuple(Outstanding(f"items: due {day}", day, at) for day, at in columns.items())


def _text(value: bool | float | str | None) -> str:
    """Return a value as text, as in a file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _indices(kind: str, names: list[str | None], known: tuple[str, ...]) -> NDArray[np.intp]:
    """Return the indices of names; they may be left out if there is only one."""
    at: dict[str | None, int] = {name: place for place, name in enumerate(known)}
    if len(known) == 1:
        at[None] = 0
    for row, name in enumerate(names):
        if name not in at:
            if name is None:
                raise InputError(f"items[{row}]: {kind} is missing")
            choose(f"{kind} in items[{row}],", name, known)
    return np.array([at[name] for name in names], np.intp)


def _columns(lists: list[tuple[float, ...]], name: str, *, equal: bool) -> dict[int, Any]:
    """Return by position, from 1 on, the entries of lists, shape (rows,); missing ones are 0."""
    longest = max(map(len, lists))
    for row, values in enumerate(lists):
        if equal and len(values) != longest:
            raise InputError(
                f"items[{row}]: {name} has {len(values)} entries, others have {longest}; give all "
                "the same days"
            )
    columns: dict[int, Any] = defaultdict(lambda: np.zeros(len(lists)))
    for row, values in enumerate(lists):
        for k, value in enumerate(values, 1):
            columns[k][row] = value
    return dict(columns)


class Seen(FrozenModel):
    """The version of an order that the caller saw, if no other version may be changed."""

    version: Annotated[int, Field(ge=1)] | None = None


class Override(Seen):
    """Another quantity [units], and why."""

    quantity: Units
    reason: Reason


class Because(Seen):
    """Why an order is changed."""

    reason: Reason | None = None


class TokenName(FrozenModel):
    """The name that a token belongs to."""

    name: Annotated[str, StringConstraints(pattern=rf"^[^{_NOT_IN_NAMES}!-,/:-?]{{1,64}}$")]


class NewToken(TokenName):
    """The name and role of a new token."""

    role: Literal["planner", "approver", "admin"]


class Candidate(FrozenModel):
    """A run folder, by its name in the service's folder of runs."""

    run: Annotated[
        str,
        StringConstraints(pattern=rf"^[^{_NOT_IN_NAMES} -/:-@][^{_NOT_IN_NAMES} -,/:-@]{{0,200}}$"),
    ]


ALLOWED = {
    "run": "must be the name of a run folder: letters, digits, _, . and -, without /",
    "name": "must be up to 64 letters, digits, spaces, _, ., @ and -",
    "reason": "must hold no NUL character",
    "Idempotency-Key": "must be up to 200 visible characters of ASCII",
}
"""Messages for fields of text whose pattern would be hard to read."""


def one_line(errors: Any) -> str:
    """Return pydantic's first error in one line."""
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "json_invalid":
        why = first.get("ctx", {}).get("error", "")
        return f"the body is not JSON, from character {where} on: {why}"
    if first["type"] == "model_attributes_type" and not where:  # curl -d sends it as a form
        return "the body must be an object in JSON, with the header Content-Type: application/json"
    if first["type"] == "string_pattern_mismatch":
        message = ALLOWED.get(where.rpartition(".")[2], message)
    return f"{short(where, 100)[1:-1] or 'the request'}: {message[:1].lower()}{message[1:]}{more}"
