"""Pages about who decides: champion and candidate, what better service costs, and the API."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from agents import run_files
from agents.tuned_file import read_recommendation
from common.errors import validated
from service.policies import CHAMPION
from service.requests import Candidate
from service.store import order_book
from service.web.pages import ROWS, orders_of
from service.web.rendering import Form, Visitor, curve_chart, field, render
from service.web.state import Service, TheService, check_form

policy_pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@policy_pages.get("/policies")
def policies(session: Visitor, service: TheService) -> Response:
    """Show champion and candidate, side by side."""
    if session is None:
        return RedirectResponse("/login", 303)
    day, orders = orders_of(service, None)
    shadows = {}
    if day is not None:
        with service.base.reading() as connection:
            shadows = order_book.shadows(connection, CHAMPION, day)
    rows = [(order, shadows[order["id"]]) for order in orders if order["id"] in shadows]
    priced = bool(rows) and all(order["price"] is not None for order, _ in rows)
    totals = {
        "ours": sum(order["asked"] for order, _ in rows),
        "theirs": sum(theirs for _, theirs in rows),
        "ours_cost": sum(o["asked"] * o["price"] for o, _ in rows) if priced else None,
        "theirs_cost": sum(theirs * o["price"] for o, theirs in rows) if priced else None,
    }
    return render(
        *("policies.html", session),
        champion=service.policies.champion,
        candidate=service.policies.candidate,
        beside=_beside(service.policies.champion.folder),
        limits=[
            ("Largest order", service.guards.max_order, "units"),
            ("Value of an order", service.guards.max_value, "by the prices in the state"),
            ("Value of a day", service.guards.max_day_value, "by the prices in the state"),
            ("Times the rule's order", service.guards.max_multiple, "at most"),
            ("Age of a state", service.guards.max_age, f"{_period(service)}s"),
        ],
        day=day,
        rows=rows[:ROWS],
        totals=totals,
    )


def _period(service: Service) -> str:
    return service.policies.champion.decider.known.table.period


def _beside(champion: Path) -> list[str]:
    """Return the runs that lie beside the champion's folder."""
    found = (path for path in champion.parent.iterdir() if path != champion)
    return sorted(path.name for path in found if (path / run_files.MANIFEST).exists())[:ROWS]


@policy_pages.get("/curve")
def curve(session: Visitor, service: TheService) -> Response:
    """Show what better service costs with the champion, and with the rule beside it."""
    if session is None:
        return RedirectResponse("/login", 303)
    champion = service.policies.champion
    advice, found = read_recommendation(champion.folder), champion.curve.get()
    return render(
        *("curve.html", session),
        curve=found,
        chart=None if found is None else curve_chart(found),
        advice="" if advice is None else advice.sentence,
        period=_period(service),
    )


@policy_pages.post("/policies/{what}")
def change_policies(what: str, form: Form, session: Visitor, service: TheService) -> Response:
    """Name a candidate, promote it, or roll back."""
    user = check_form(session, field(form, "csrf"), "admin").user
    if what == "candidate":
        run = validated(Candidate, {"run": field(form, "run")}).run
        service.policies.nominate(user.name, run)
    elif what == "promote":
        service.policies.promote(user.name)
    elif what == "roll-back":
        service.policies.roll_back(user.name)
    else:
        raise order_book.UnknownOrderError("there is no such page")
    return RedirectResponse("/policies", 303)


@policy_pages.get("/docs")
def docs(request: Request, session: Visitor) -> Response:
    """Show the routes of the API."""
    document: dict[str, Any] = request.app.openapi()
    return render("docs.html", session, paths=document["paths"])
