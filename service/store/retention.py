"""What is removed when it is old: contents, never the log, which keeps their digests."""

import datetime as dt

import sqlalchemy as sql

from service.store import audit_log
from service.store.database import Database
from service.store.order_book import CANCELLED, RECEIVED
from service.store.tables import DECISIONS, HISTORY, KEYS, ORDERS, SHADOWS


def remove_before(base: Database, first: dt.date, user: str) -> dict[str, int]:
    """Remove ended orders, decisions and keys of days before `first`; return how many of each.

    Orders that are not received or cancelled stay, and so do the decisions that they are from.
    """
    with base.writing() as connection:
        ended = ORDERS.c.status.in_((RECEIVED, CANCELLED))
        old = sql.select(ORDERS.c.id).where(ORDERS.c.date < first, ended)
        removed = {}
        for table, key in ((HISTORY, HISTORY.c.order_id), (SHADOWS, SHADOWS.c.order_id)):
            connection.execute(sql.delete(table).where(key.in_(old)))
        done = connection.execute(sql.delete(ORDERS).where(ORDERS.c.date < first, ended))
        removed["orders"] = done.rowcount
        used = sql.select(ORDERS.c.decision)
        unused = (DECISIONS.c.date < first, DECISIONS.c.id.not_in(used))
        removed["decisions"] = connection.execute(sql.delete(DECISIONS).where(*unused)).rowcount
        gone = KEYS.c.decision.not_in(sql.select(DECISIONS.c.id))
        keys = sql.delete(KEYS).where((KEYS.c.time < first.isoformat()) | gone)
        removed["keys"] = connection.execute(keys).rowcount
        audit_log.append(connection, user, [("retention", str(first), removed)])
    return removed
