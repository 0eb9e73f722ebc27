"""Who may do what: tokens with roles, sessions of the page, and how often one may ask."""

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import sqlalchemy as sql

from common.errors import InputError
from service.store import audit_log
from service.store.database import Database, now
from service.store.tables import SESSIONS, TOKENS

Role = Literal["planner", "approver", "admin"]
ROLES: tuple[Role, ...] = ("planner", "approver", "admin")
"""Each may do what those before it may."""

SESSION_HOURS = 12
REMEMBERED = 5.0
"""Seconds for which a token that was looked up is not looked up again."""

MOST_REMEMBERED = 10_000


@dataclass(frozen=True)
class User:
    """Somebody with a token."""

    name: str
    role: Role
    token_id: int

    def may(self, role: Role) -> bool:
        """Return whether the user has the role, or one that includes it."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True)
class Session:
    """Somebody at the page, and what a form must send back."""

    user: User
    csrf: str


def hashed(secret: str) -> str:
    """Return what is kept of a secret of 256 random bits: nothing slower is needed for those."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Access:
    """Tokens and sessions.

    Parameters
    ----------
    base : Database
        Where their digests are kept.
    """

    def __init__(self, base: Database) -> None:
        self._base = base
        self._known: dict[str, tuple[float, User | None]] = {}

    def issue(self, name: str, role: Role, by: str) -> str:
        """Return a new token, which is shown this once.

        Raises
        ------
        InputError
            If the name has one, or had one: in the log it stands for one token.
        """
        token = f"ir_{secrets.token_urlsafe(32)}"
        row = {"name": name, "role": role, "hash": hashed(token), "time": now()}
        with self._base.writing() as connection:
            there = sql.select(TOKENS.c.revoked).where(TOKENS.c.name == name)
            if (last := connection.execute(there).first()) is not None:
                has = (
                    "has a token already" if last.revoked is None else "had a token, revoked since"
                )
                raise InputError(f"name {name!r}: {has}; take another name")
            connection.execute(TOKENS.insert(), row)
            audit_log.append(connection, by, [("token", name, {"role": role})])
        self._known.clear()
        return token

    def revoke(self, name: str, by: str) -> None:
        """Let a token and its sessions end.

        Raises
        ------
        InputError
            If nobody of that name has one.
        """
        with self._base.writing() as connection:
            own = sql.select(TOKENS.c.id).where(TOKENS.c.name == name, TOKENS.c.revoked.is_(None))
            row = connection.execute(own).first()
            if row is None:
                raise InputError(f"name {name!r}: has no token")
            ended = TOKENS.update().where(TOKENS.c.id == row.id).values(revoked=now())
            connection.execute(ended)
            connection.execute(sql.delete(SESSIONS).where(SESSIONS.c.token_id == row.id))
            audit_log.append(connection, by, [("revoke", name, {})])
        self._known.clear()

    def is_empty(self) -> bool:
        """Return whether nobody has a token yet."""
        with self._base.reading() as connection:
            return connection.execute(sql.select(TOKENS.c.id).limit(1)).first() is None

    def user(self, token: str) -> User | None:
        """Return whose token it is, None if nobody's."""
        mark, moment = hashed(token), time.monotonic()
        kept = self._known.get(mark)
        if kept is not None and kept[0] > moment:
            return kept[1]
        with self._base.reading() as connection:
            valid = (TOKENS.c.hash == mark, TOKENS.c.revoked.is_(None))
            row = connection.execute(sql.select(TOKENS).where(*valid)).first()
        found = None if row is None else User(row.name, row.role, row.id)
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        if found is not None:
            self._known[mark] = moment + REMEMBERED, found
        return found

    def begin_session(self, user: User) -> str:
        """Return the secret of a new session."""
        secret, until = (
            secrets.token_urlsafe(32),
            datetime.now(UTC) + timedelta(hours=SESSION_HOURS),
        )
        row = {"hash": hashed(secret), "token_id": user.token_id, "csrf": secrets.token_urlsafe(32)}
        row["expires"] = until.isoformat(timespec="microseconds")
        with self._base.writing() as connection:
            connection.execute(sql.delete(SESSIONS).where(SESSIONS.c.expires < now()))
            connection.execute(SESSIONS.insert(), row)
            audit_log.append(connection, user.name, [("login", user.name, {})])
        return secret

    def session(self, secret: str) -> Session | None:
        """Return whose session it is, None if it is none or over."""
        with self._base.reading() as connection:
            row = connection.execute(
                sql.select(SESSIONS.c.csrf, TOKENS)
                .join(TOKENS, TOKENS.c.id == SESSIONS.c.token_id)
                .where(SESSIONS.c.hash == hashed(secret), SESSIONS.c.expires >= now())
                .where(TOKENS.c.revoked.is_(None))
            ).first()
        return None if row is None else Session(User(row.name, row.role, row.id), row.csrf)

    def end_session(self, secret: str) -> None:
        """Forget a session."""
        with self._base.writing() as connection:
            connection.execute(sql.delete(SESSIONS).where(SESSIONS.c.hash == hashed(secret)))


def same(given: str, wanted: str) -> bool:
    """Return whether two secrets are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode(), wanted.encode())


class RateLimit:
    """A bucket of requests per caller, refilled at a steady rate.

    Parameters
    ----------
    per_second, burst : float
        How many are let through in the long run, and at once.
    """

    def __init__(self, per_second: float, burst: float) -> None:
        self._rate, self._burst = per_second, burst
        self._left: dict[str, tuple[float, float]] = {}

    def allows(self, caller: str) -> bool:
        """Return whether one more request of a caller is let through."""
        moment = time.monotonic()
        left, since = self._left.get(caller, (self._burst, moment))
        left = min(self._burst, left + (moment - since) * self._rate)
        if len(self._left) > MOST_REMEMBERED:
            self._left.clear()
        self._left[caller] = max(left - 1.0, 0.0), moment
        return left >= 1.0
