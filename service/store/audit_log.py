"""The log of everything that was done: append-only, each entry holding the digest of the last."""

import hashlib
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from service.store.database import Database, canonical, now
from service.store.tables import DECISIONS, LOG

FIRST = "0" * 64
"""What the first entry holds as the digest of the one before."""

Entry = tuple[str, str, Any]
"""Event, subject and content."""


def digest(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def append(connection: Connection, user: str, entries: Iterable[Entry]) -> None:
    """Add entries to the end of the log.

    Parameters
    ----------
    connection : Connection
        Of the one writer (`Database.writing`).
    user : str
        Who did it.
    entries : iterable of tuple
        Event, subject and content; what is secret or personal does not belong into them.
    """
    last = connection.execute(
        sql.select(LOG.c.number, LOG.c.hash).order_by(LOG.c.number.desc()).limit(1)
    ).first()
    end, previous = (last.number, last.hash) if last else (0, FIRST)
    rows, time = [], now()
    for number, (event, subject, content) in enumerate(entries, end + 1):
        row = {"number": number, "time": time, "user": user, "event": event}
        row |= {"subject": subject, "content": canonical(content), "previous": previous}
        previous = row["hash"] = _hash(row)
        rows.append(row)
    if rows:
        connection.execute(LOG.insert(), rows)


def _hash(row: Any) -> str:
    names = ("number", "time", "user", "event", "subject", "content", "previous")
    return digest(canonical([row[name] for name in names]))


def verify(base: Database) -> tuple[int, str | None]:
    """Check the chain, and that decisions are what the log says they were.

    Returns
    -------
    entries : int
        How many there are.
    fault : str or None
        The first thing that is wrong, None if nothing is.
    """
    with base.reading() as connection:
        logged, previous, number = {}, FIRST, 0
        query = sql.select(LOG).order_by(LOG.c.number)
        for row in connection.execution_options(yield_per=1000).execute(query).mappings():
            number += 1
            if row["number"] != number:
                return number - 1, f"entry {number} is missing"
            if row["previous"] != previous:
                return number, f"entry {number} does not follow entry {number - 1}"
            if row["hash"] != _hash(row):
                return number, f"entry {number} was altered"
            previous = row["hash"]
            if row["event"] == "decision":
                logged[row["subject"]] = row["content"]
        return number, _decision_fault(connection, logged)


def _decision_fault(connection: Connection, logged: dict[str, str]) -> str | None:
    """Return which decision is not as it was logged; those that retention removed are left out."""
    query = sql.select(DECISIONS).order_by(DECISIONS.c.time)
    for row in connection.execution_options(yield_per=100).execute(query).mappings():
        content = logged.get(row["id"])
        if content is None:
            return f"decision {row['id']} is not in the log"
        if content != canonical(summary(row)):
            return f"decision {row['id']} was altered"
        if (
            digest(row["request"]) != row["input_hash"]
            or digest(row["answer"]) != row["answer_hash"]
        ):
            return f"decision {row['id']}: its request or answer was altered"
    return None


def summary(decision: Any) -> dict[str, str]:
    """Return what the log holds of a decision."""
    names = ("policy", "run", "manifest", "date", "input_hash", "answer_hash")
    return {name: str(decision[name]) for name in names}
