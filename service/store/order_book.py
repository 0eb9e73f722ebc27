"""Orders and their lives: proposed, approved, placed, received or cancelled; what was is kept."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from common.errors import choose
from service.store import audit_log
from service.store.database import canonical, now
from service.store.tables import HISTORY, ORDERS, SHADOWS

Change = Literal["approve", "place", "receive", "cancel", "override"]
PROPOSED, APPROVED, PLACED, RECEIVED, CANCELLED = (
    *("proposed", "approved", "placed"),
    *("received", "cancelled"),
)
STATUSES = PROPOSED, APPROVED, PLACED, RECEIVED, CANCELLED
LIFE: dict[Change, tuple[tuple[str, ...], str]] = {
    "approve": ((PROPOSED,), APPROVED),
    "place": ((APPROVED,), PLACED),
    "receive": ((PLACED,), RECEIVED),
    "cancel": ((PROPOSED, APPROVED, PLACED), CANCELLED),
    "override": ((PROPOSED,), PROPOSED),
}
"""From which status a change leads to which."""

PLANNER = "planner"
"""Source of a quantity that somebody overrode."""

PAGE = 500


class ConflictError(Exception):
    """A change that the order's status does not allow; the message is one line."""


class UnknownOrderError(Exception):
    """There is no such order."""


@dataclass(frozen=True)
class Proposals:
    """What became of the proposals of a decision.

    Attributes
    ----------
    orders : list of dict
        The orders as they are now, one per proposal, in the same order.
    kept : list of bool
        Whether the order was approved, placed, received or cancelled before, and stays as it was.
    """

    orders: list[dict[str, Any]]
    kept: list[bool]


def propose(connection: Connection, user: str, proposals: Sequence[Mapping[str, Any]]) -> Proposals:
    """Write the proposals of one policy and day.

    A proposed order is replaced, and what it was goes into its history; any other is kept, and so
    is one that is proposed as it was, in another place of the state perhaps.

    Parameters
    ----------
    connection : Connection
        Of the one writer.
    user : str
        Who asked.
    proposals : sequence of mapping
        Columns of `ORDERS` but status, version and times; of distinct places.
    """
    policy, date, time = proposals[0]["policy"], proposals[0]["date"], now()
    there = _of_day(connection, policy, date)
    new, replaced, history, kept = [], [], [], []
    for one in proposals:
        place = one["store"], one["sku"]
        before = there.get(place)
        kept.append(before is not None and before["status"] != PROPOSED)
        if before is None:
            life = {"status": PROPOSED, "version": 1, "created": time, "updated": time}
            new.append({**one, **life})
        elif not kept[-1] and _differ(before, one):
            history.append(_past(before, time, user, "proposed"))
            fresh = {**one, "version": before["version"] + 1, "updated": time}
            there[place] = {**before, **fresh}
            replaced.append({f"new_{k}": v for k, v in fresh.items()} | {"order": before["id"]})
    if new:
        connection.execute(ORDERS.insert(), new)
    if replaced:
        connection.execute(HISTORY.insert(), history)
        names = [*proposals[0], "version", "updated"]
        values: dict[str, Any] = {name: sql.bindparam(f"new_{name}") for name in names}
        change = ORDERS.update().where(ORDERS.c.id == sql.bindparam("order"))
        connection.execute(change.values(values), replaced)
    if new:  # whose ids the database has given
        there = _of_day(connection, policy, date)
    return Proposals([there[one["store"], one["sku"]] for one in proposals], kept)


def _differ(before: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
    """Return whether a proposal says something else than an order does."""
    return any(before[name] != one[name] for name in one if name not in ("decision", "row"))


def _of_day(
    connection: Connection, policy: str, date: dt.date
) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the orders of a policy and day by store and SKU."""
    query = sql.select(ORDERS).where(ORDERS.c.policy == policy, ORDERS.c.date == date)
    found = connection.execute(query)
    names = tuple(found.keys())  # plain tuples: there may be thousands
    orders = (dict(zip(names, row, strict=True)) for row in found)
    return {(order["store"], order["sku"]): order for order in orders}


def _past(before: Mapping[str, Any], time: str, user: str, event: str) -> dict[str, Any]:
    content = canonical({**before, "date": str(before["date"]), "arrives": str(before["arrives"])})
    return {"order_id": before["id"], "version": before["version"], "time": time} | {
        "user": user,
        "event": event,
        "before": content,
    }


def change(
    connection: Connection,
    user: str,
    order_id: int,
    what: Change,
    *,
    quantity: float | None = None,
    reason: str = "",
    leads_to: Mapping[str, Any] | None = None,
    seen: int | None = None,
) -> tuple[dict[str, Any], bool]:
    """Lead an order on in its life.

    Parameters
    ----------
    connection : Connection
        Of the one writer.
    user, order_id, what
        Who changes which order, and how.
    quantity : float, optional
        In place of the proposed one, of an override [units].
    reason : str
        Why.
    leads_to : mapping, optional
        Columns that follow from another quantity.
    seen : int, optional
        The version that the user looked at: another one is not changed.

    Returns
    -------
    order : dict
        As it is now.
    changed : bool
        Whether it was not so before: a change that is repeated does nothing.

    Raises
    ------
    UnknownOrderError, ConflictError
        If there is none, its status does not allow the change, or it is another version.
    """
    before = get(connection, order_id)
    allowed, after = LIFE[what]
    new: dict[str, Any] = {"status": after}
    if quantity is not None:
        new |= {"quantity": quantity, "source": PLANNER, "reason": reason}
    if all(before[name] == value for name, value in new.items()):
        return before, False
    if before["status"] not in allowed:
        raise ConflictError(
            f"order {order_id} is {before['status']}; only an order that is "
            f"{' or '.join(allowed)} can be: {what}"
        )
    if seen not in (None, before["version"]):
        raise ConflictError(
            f"order {order_id} was changed since it was looked at, to {before['quantity']:,.12g} "
            f"units (version {before['version']}, not {seen}); look at it again"
        )
    time = now()
    connection.execute(HISTORY.insert(), _past(before, time, user, what))
    new |= {**(leads_to or {}), "version": before["version"] + 1, "updated": time}
    connection.execute(ORDERS.update().where(ORDERS.c.id == order_id).values(new))
    order = {**before, **new}
    said = {"order": order_id, "version": order["version"], "status": after, "reason": reason}
    said |= {"quantity": order["quantity"], "before": before["quantity"]}
    audit_log.append(connection, user, [(what, str(order_id), said)])
    return order, True


def get(connection: Connection, order_id: int) -> dict[str, Any]:
    """Return an order.

    Raises
    ------
    UnknownOrderError
        If there is none.
    """
    row = connection.execute(sql.select(ORDERS).where(ORDERS.c.id == order_id)).mappings().first()
    if row is None:
        raise UnknownOrderError(f"there is no order {order_id}")
    return dict(row)


def find(
    connection: Connection,
    *,
    policy: str | None = None,
    date: dt.date | None = None,
    status: str | None = None,
    item: tuple[str, str] | None = None,
    after: int = 0,
    most: int = PAGE,
) -> list[dict[str, Any]]:
    """Return orders in the order of their ids, at most `most` after the id `after`.

    `item` is a store and an SKU.
    """
    query = sql.select(ORDERS).where(ORDERS.c.id > after).order_by(ORDERS.c.id).limit(most)
    if policy is not None:
        query = query.where(ORDERS.c.policy == policy)
    if date is not None:
        query = query.where(ORDERS.c.date == date)
    if status is not None:
        query = query.where(ORDERS.c.status == choose("status", status, STATUSES))
    if item is not None:
        query = query.where(ORDERS.c.store == item[0], ORDERS.c.sku == item[1])
    return [dict(row) for row in connection.execute(query).mappings()]


def last_day(connection: Connection, policy: str) -> dt.date | None:
    """Return the last day that has orders."""
    query = sql.select(sql.func.max(ORDERS.c.date)).where(ORDERS.c.policy == policy)
    day: dt.date | None = connection.execute(query).scalar()
    return day


def newest_of(connection: Connection, policy: str, item: tuple[str, str]) -> dict[str, Any]:
    """Return the newest order of a store and SKU.

    Raises
    ------
    UnknownOrderError
        If there is none.
    """
    own = (ORDERS.c.policy == policy, ORDERS.c.store == item[0], ORDERS.c.sku == item[1])
    query = sql.select(ORDERS).where(*own).order_by(ORDERS.c.date.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise UnknownOrderError(f"nothing was decided for store {item[0]!r}, SKU {item[1]!r} yet")
    return dict(row)


def history(connection: Connection, order_id: int) -> list[dict[str, Any]]:
    """Return what an order was before each of its changes, the first one first."""
    query = sql.select(HISTORY).where(HISTORY.c.order_id == order_id).order_by(HISTORY.c.version)
    return [dict(row) for row in connection.execute(query).mappings()]


def write_shadows(connection: Connection, run: str, quantities: Mapping[int, float]) -> None:
    """Write what the candidate would have ordered, by the order's id, in place of what it would."""
    time, ids = now(), list(quantities)
    for first in range(0, len(ids), PAGE):
        part = ids[first : first + PAGE]
        connection.execute(sql.delete(SHADOWS).where(SHADOWS.c.order_id.in_(part)))
        rows = [{"order_id": n, "run": run, "quantity": quantities[n], "time": time} for n in part]
        connection.execute(SHADOWS.insert(), rows)


def shadows(connection: Connection, policy: str, date: dt.date) -> dict[int, float]:
    """Return what the candidate would have ordered that day, by the order's id."""
    query = (
        sql.select(SHADOWS.c.order_id, SHADOWS.c.quantity)
        .join(ORDERS, ORDERS.c.id == SHADOWS.c.order_id)
        .where(ORDERS.c.policy == policy, ORDERS.c.date == date)
    )
    return {row.order_id: row.quantity for row in connection.execute(query)}
