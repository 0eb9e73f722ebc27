"""What ``serve.py`` does: start, verify, replay, back up, tidy."""

import datetime as dt
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from common.console import screen
from common.errors import InputError, short
from service.access import ROLES, Access
from service.connectors.inbox import Inbox
from service.decisions import Decisions
from service.guards import Guards
from service.opening import Opening
from service.policies import Policies
from service.requests import ALLOWED, NewToken
from service.store import audit_log, retention
from service.store.database import Database
from service.web.app import create_app
from service.web.border import log_as_json
from service.web.state import Service

ADMIN = "admin"


def start(
    opening: Opening,
    base: Database,
    checkpoint: str | None,
    *,
    host: str,
    port: int,
    guards: Guards,
    baseline: str | None = None,
    names: tuple[str, ...] = (),
    inbox: Path | None = None,
) -> None:
    """Make the application and load the policy; ``/ready`` says when it is there.

    Raises
    ------
    InputError
        If there is no such inbox, or the policy cannot be loaded.
    """
    policies = Policies(base, baseline)
    policies.champion_of(checkpoint)  # before a token is made, which is shown once
    service = Service(base, policies, guards, hosts=_hosts(host, names))
    watched = None if inbox is None else Inbox(inbox, service.decisions)
    first_token(service.access)
    log_as_json()
    opening.whole = create_app(service)
    policies.start(checkpoint)
    screen.print(f"ready: http://{host}:{port}", soft_wrap=True)
    if watched is not None:
        watched.watch(opening.stopped)


def _hosts(host: str, names: tuple[str, ...]) -> tuple[str, ...]:
    own = f"[{host}]" if ":" in host else host
    return ("127.0.0.1", "localhost", "[::1]", own.lower(), *(name.lower() for name in names))


def first_token(access: Access) -> None:
    """Print a token of an admin where nobody has one yet."""
    if access.is_empty():
        token = access.issue(ADMIN, "admin", "serve.py")
        screen.print(
            f"token of {ADMIN}, shown this once: {token}\n"
            "give it at the page, or send it as: Authorization: Bearer TOKEN",
            soft_wrap=True,
        )


def add_token(base: Database, text: str) -> str:
    """Return a new token for ``NAME:ROLE``."""
    name, _, role = text.partition(":")
    try:  # as the API has it, which must be able to revoke it
        asked = NewToken.model_validate({"name": name, "role": role})
    except ValidationError:
        roles = ", ".join(ROLES)
        raise InputError(
            f"--token {short(text)}: must be NAME:ROLE; NAME {ALLOWED['name']}, ROLE {roles}"
        ) from None
    return Access(base).issue(asked.name, asked.role, "serve.py")


def verify(base: Database) -> None:
    """Check the log.

    Raises
    ------
    InputError
        If it was altered.
    """
    entries, fault = audit_log.verify(base)
    if fault is not None:
        raise InputError(f"{base.name}: {fault}; restore a backup, and find out who wrote to it")
    print(f"{base.name}: {entries:,} entries, none altered or missing")


def replay(base: Database, decision: str) -> None:
    """Print what a decision answered, after it was made anew to the same bytes.

    Raises
    ------
    InputError
        If it gives other bytes now.
    """
    service: Any = Policies(base)
    then, again = Decisions(base, service, Guards()).replay(decision)
    if then != again:
        raise InputError(f"decision {decision}: gives another answer now")
    print(again)


def retain(base: Database, days: int) -> None:
    """Remove what is older: see `service.store.retention`."""
    first = dt.date.today() - dt.timedelta(days=days)
    removed = retention.remove_before(base, first, "serve.py")
    print(", ".join(f"{count:,} {name}" for name, count in removed.items()) + " removed")


def backup(base: Database, path: Path) -> None:
    """Write a copy of everything to a file of SQLite."""
    rows = base.backup(path)
    print(f"{path}: {rows:,} rows; start from it with --database {path}")
