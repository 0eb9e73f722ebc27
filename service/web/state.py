"""What every request needs: one service, and who asks."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request

from service.access import Access, RateLimit, Role, Session, User, same
from service.decisions import Decisions
from service.explanation import with_quantity
from service.guards import Guards
from service.policies import Policies
from service.requests import Override
from service.store import order_book
from service.store.database import Database

SESSION_COOKIE = "session"


class NotAllowedError(Exception):
    """Nobody we know, or somebody who may not; `status` is that of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Service:
    """The parts of the service.

    Attributes
    ----------
    base, policies, guards
        Where things are kept, who decides, within which limits.
    per_second : float
        Requests of one caller in the long run.
    max_bytes : int
        Of a request.
    hosts : tuple of str
        Names under which it answers: others may be a page that rebinds its name to ours.
    """

    base: Database
    policies: Policies
    guards: Guards = field(default_factory=Guards)
    per_second: float = 500.0
    max_bytes: int = 32_000_000
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    today: Callable[[], dt.date] = dt.date.today

    def __post_init__(self) -> None:
        self.access = Access(self.base)
        self.decisions = Decisions(self.base, self.policies, self.guards, self.today)
        self.rate = RateLimit(self.per_second, 2 * self.per_second)
        self.logins = RateLimit(0.1, 10)

    def override(
        self, user: str, number: int, asked: Override
    ) -> tuple[dict[str, Any], bool, list[str]]:
        """Give an order another quantity, with all that follows from it.

        Returns
        -------
        order, changed : dict, bool
            As of `order_book.change`.
        notes : list of str
            Limits of the store that the quantity does not keep.

        Raises
        ------
        UnknownOrderError, ConflictError
            If there is no such order, or its status does not allow it.
        InputError
            If no policy is loaded yet.
        """
        with self.base.reading() as connection:
            order = order_book.get(connection, number)
        while True:  # outside of the one writer's time, so again if the order changed meanwhile
            new = with_quantity(self.decisions, self.policies, order, asked.quantity)
            with self.base.writing() as connection:
                seen, order = order, order_book.get(connection, number)
                if order["version"] == seen["version"]:
                    done, changed = order_book.change(
                        *(connection, user, number, "override"),
                        quantity=asked.quantity,
                        reason=asked.reason,
                        leads_to=new.leads_to,
                        seen=asked.version,
                    )
                    return done, changed, new.notes


def service_of(request: Request) -> Service:
    """Return the service."""
    service: Service = request.app.state.service
    return service


TheService = Annotated[Service, Depends(service_of)]


def bearer(request: Request) -> User:
    """Return whose token a request of the API carries.

    Raises
    ------
    NotAllowedError
        If there is none, or it is nobody's.
    """
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    user = service_of(request).access.user(token) if kind.lower() == "bearer" and token else None
    if user is None:
        raise NotAllowedError(401, "a token is needed: Authorization: Bearer TOKEN")
    request.state.user = user.name
    return user


def _of_role(role: Role) -> Any:
    def check(user: Annotated[User, Depends(bearer)]) -> User:
        if not user.may(role):
            raise NotAllowedError(403, f"{user.name} is {user.role}; this needs {role}")
        return user

    return Depends(check)


Planner = Annotated[User, _of_role("planner")]
Approver = Annotated[User, _of_role("approver")]
Admin = Annotated[User, _of_role("admin")]


def visitor(request: Request) -> Session | None:
    """Return who is at the page, None if nobody is logged in."""
    secret = request.cookies.get(SESSION_COOKIE, "")
    session = service_of(request).access.session(secret) if secret else None
    if session is not None:
        request.state.user = session.user.name
    return session


def check_form(session: Session | None, csrf: str, role: Role) -> Session:
    """Return who sent a form, which must be our own.

    Raises
    ------
    NotAllowedError
        If nobody is logged in, the form is not of the session's pages, or the role is missing.
    """
    if session is None:
        raise NotAllowedError(401, "log in first")
    if not same(csrf, session.csrf):
        raise NotAllowedError(403, "the form is out of date; load the page again")
    if not session.user.may(role):
        raise NotAllowedError(403, f"{session.user.name} is {session.user.role}; this needs {role}")
    return session
