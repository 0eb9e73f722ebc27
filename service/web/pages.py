"""The planner's page: made on the server, works without scripts and without a network beyond it."""

import csv
import datetime as dt
import io
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from commands.known_days import left_out
from common.console import spreadsheet_cell, spreadsheet_file
from common.errors import InputError, validated
from demand.history import StoreHistory
from service.explanation import explain
from service.guards import EXCEPTIONS
from service.policies import CHAMPION
from service.requests import Override
from service.store import order_book
from service.store.order_book import Change
from service.web.rendering import HERE, Day, Form, Visitor, field, render, stock_chart
from service.web.state import (
    SESSION_COOKIE,
    NotAllowedError,
    Service,
    TheService,
    check_form,
)

ROWS = 200
"""Of a part of the page; a search finds the others."""

MARKS = {
    "stockout": "runs out",
    "limit": "held back",
    "unusual": "unusual state",
    "drift": "demand has changed",
    "stale": "old data",
    "overstock": "overstock",
}
SHOWS = (("", "all"), ("exceptions", "exceptions"), *((name, name) for name in order_book.STATUSES))
CHANGES: dict[str, Change] = {
    "approve": "approve",
    "place": "place",
    "receive": "receive",
    "cancel": "cancel",
}
MOST_ORDERS = 100_000
NUMBER = re.compile(r"[1-9][0-9]{0,9}")

pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
ASSETS = {
    "page.css": ("text/css", (HERE / "static" / "page.css").read_bytes()),
    "page.js": ("text/javascript", (HERE / "static" / "page.js").read_bytes()),
}


@pages.get("/static/{name}")
def asset(name: str) -> Response:
    """Return a style sheet or script."""
    if name not in ASSETS:
        raise order_book.UnknownOrderError("there is no such file")
    kind, content = ASSETS[name]
    return Response(content, media_type=kind, headers={"cache-control": "max-age=300"})


@pages.get("/login")
def login(session: Visitor) -> Response:
    """Ask for a token."""
    return render("login.html", session)


@pages.post("/login")
def begin(request: Request, form: Form, service: TheService) -> Response:
    """Begin a session."""
    client = request.client.host if request.client else ""
    user = service.access.user(field(form, "token").strip())
    if user is None:
        if not service.logins.allows(client):
            raise NotAllowedError(429, "too many wrong tokens; wait a minute")
        raise NotAllowedError(403, "nobody has this token")
    done = RedirectResponse("/", 303)
    secure = request.url.scheme == "https"
    secret = service.access.begin_session(user)
    done.set_cookie(
        SESSION_COOKIE, secret, httponly=True, samesite="strict", secure=secure, path="/"
    )
    return done


@pages.post("/logout")
def end(request: Request, form: Form, session: Visitor, service: TheService) -> Response:
    """End the session."""
    check_form(session, field(form, "csrf"), "planner")
    service.access.end_session(request.cookies.get(SESSION_COOKIE, ""))
    done = RedirectResponse("/login", 303)
    done.delete_cookie(SESSION_COOKIE, path="/")
    return done


@pages.get("/")
def overview(
    session: Visitor,
    service: TheService,
    date: Day = None,
    find: Annotated[str, Query(max_length=100)] = "",
    show: Annotated[str, Query(max_length=20)] = "",
    said: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Show the orders of a day, exceptions first."""
    if session is None:
        return RedirectResponse("/login", 303)
    champion = service.policies.champion
    day, orders = orders_of(service, date)
    wanted = [order for order in orders if _matches(order, find, show)]
    wanted.sort(key=lambda order: (_severity(order), order["store"], order["sku"]))
    pressing = [order for order in wanted if order["exceptions"]]
    counts = Counter(order["status"] for order in orders)
    counts["exceptions"] = sum(bool(order["exceptions"]) for order in orders)
    counted = [order for order in orders if order["status"] != order_book.CANCELLED]
    worth = [order["price"] * order["quantity"] for order in counted if order["price"] is not None]
    parts = [
        {"name": "exceptions", "title": "Exceptions", "orders": pressing[:ROWS]}
        | {"total": len(pressing)},
    ]
    if show != "exceptions":
        others = [order for order in wanted if not order["exceptions"]]
        parts.append(
            {"name": "others", "title": "All others", "orders": others[:ROWS]}
            | {"total": len(others)}
        )
    return render(
        *("orders.html", session),
        day=day,
        parts=parts,
        counts=counts,
        value=sum(worth) if worth else None,
        find=find,
        show=show,
        shows=SHOWS,
        said=said if said in SAID else "",
        run=champion.folder.name,
        period=champion.decider.known.table.period,
        rule=champion.decider.rule[0],
        faults=_of_all(orders),
        note=_left_out(champion.decider.known, day, orders),
    )


def _left_out(known: StoreHistory, day: dt.date | None, orders: list[dict[str, Any]]) -> str:
    """Return a note on what sells and has no order of a day after the policy's own."""
    table = known.table
    if day is None or day <= table.last_day:
        return ""
    skus = {name: at for at, name in enumerate(table.skus)}
    stores = {name: at for at, name in enumerate(table.stores)}
    both = ((skus.get(order["sku"]), stores.get(order["store"])) for order in orders)
    places = np.array([place for place in both if None not in place], np.intp)
    return left_out(known, places.reshape(-1, 2), day)


def _of_all(orders: list[dict[str, Any]]) -> list[str]:
    """Return why the rule orders everywhere, where it does."""
    reasons = [order["held_back"].split("; ") for order in orders]
    if not reasons:
        return []
    common = set(reasons[0]).intersection(*reasons)
    return [reason for reason in reasons[0] if reason and reason in common]


SAID = {"approved", "placed", "received", "cancelled", "overridden", "done"}
AFTER = {"approve": "approved", "place": "placed", "receive": "received", "cancel": "cancelled"}


def orders_of(
    service: Service, date: dt.date | None
) -> tuple[dt.date | None, list[dict[str, Any]]]:
    """Return a day, by default the last, and its orders with their marks."""
    with service.base.reading() as connection:
        day = date or order_book.last_day(connection, CHAMPION)
        found = [] if day is None else order_book.find(connection, date=day, most=MOST_ORDERS)
    return day, [_marked(order) for order in found]


def _marked(order: dict[str, Any]) -> dict[str, Any]:
    names = [name for name in order["exceptions"].split(",") if name]
    return {**order, "marks": [{"name": name, "text": MARKS[name]} for name in names]}


def _severity(order: Mapping[str, Any]) -> int:
    first = order["exceptions"].split(",")[0]
    return EXCEPTIONS.index(first) if first else len(EXCEPTIONS)


def _matches(order: Mapping[str, Any], find: str, show: str) -> bool:
    named = find.casefold() in f"{order['store']} {order['sku']}".casefold()
    kind = not show or order["status"] == show or (show == "exceptions" and order["exceptions"])
    return named and bool(kind)


@pages.get("/orders/{number}")
def item(
    number: str,
    session: Visitor,
    service: TheService,
    said: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Show an order: what to do, why, and the stock that it leads to."""
    if session is None:
        return RedirectResponse("/login", 303)
    with service.base.reading() as connection:
        order = order_book.get(connection, _number(number))
        past = order_book.history(connection, order["id"])
    try:
        why = explain(service.decisions, service.policies, order)
    except InputError:
        why = None
    return render(
        *("order.html", session),
        o=_marked(order),
        why=why,
        chart=stock_chart(why),
        history=[{**one, "was": json.loads(one["before"])} for one in past],
        run=service.policies.champion.folder.name,
        said=said if said in SAID else "",
    )


def _number(text: str) -> int:
    if not NUMBER.fullmatch(text) or int(text) >= 2**31:
        raise order_book.UnknownOrderError("there is no such order")
    return int(text)


def _seen(text: str) -> tuple[int, int]:
    """Return an order's number and the version of it that the page showed."""
    number, _, version = text.partition("v")
    return _number(number), _number(version)


@pages.post("/orders/changes")
def change_several(form: Form, session: Visitor, service: TheService) -> Response:
    """Change the selected orders, all of them or none."""
    user = check_form(session, field(form, "csrf"), "approver").user
    what = CHANGES.get(field(form, "what"))
    chosen = [_seen(text) for text in form.get("order", [])]
    if what is None or not chosen:
        raise InputError("select orders first")
    with service.base.writing() as connection:
        for number, seen in chosen:
            order, _ = order_book.change(connection, user.name, number, what, seen=seen)
    return RedirectResponse(f"/?date={order['date']}&said={AFTER[what]}", 303)


@pages.post("/orders/{number}/change")
def changefield(number: str, form: Form, session: Visitor, service: TheService) -> Response:
    """Lead an order on in its life."""
    user = check_form(session, field(form, "csrf"), "approver").user
    what = CHANGES.get(field(form, "what"))
    if what is None:
        raise InputError("the form says nothing to do")
    seen = _seen(f"{number}v{field(form, 'version')}")[1]
    with service.base.writing() as connection:
        order_book.change(connection, user.name, _number(number), what, seen=seen)
    return RedirectResponse(f"/orders/{_number(number)}?said={AFTER[what]}", 303)


@pages.post("/orders/{number}/override")
def overridefield(number: str, form: Form, session: Visitor, service: TheService) -> Response:
    """Give an order another quantity."""
    user = check_form(session, field(form, "csrf"), "planner").user
    asked = validated(
        Override, {name: field(form, name) for name in ("quantity", "reason", "version")}
    )
    service.override(user.name, _number(number), asked)
    return RedirectResponse(f"/orders/{_number(number)}?said=overridden", 303)


COLUMNS = ("date", "store", "sku", "status", "quantity", "price", "arrives", "source", "reason")


@pages.get("/export.csv")
def export(session: Visitor, service: TheService, date: Day = None) -> Response:
    """Return the orders of a day as a table for spreadsheets."""
    if session is None:
        return RedirectResponse("/login", 303)
    day, orders = orders_of(service, date)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()
    for order in orders:
        cells = {k: spreadsheet_cell(v) if isinstance(v, str) else v for k, v in order.items()}
        writer.writerow(cells)
    name = quote(f"orders-{day}.csv")
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    table = spreadsheet_file(text.getvalue())
    return Response(table, media_type="text/csv; charset=utf-8", headers=headers)
