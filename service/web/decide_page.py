"""The page on which a morning is decided: the state is pasted, or taken from a file."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from commands.remote_orders import calendar_of, request_of
from common.errors import InputError, validated
from demand.history import StoreHistory
from demand.sheet import parse_csv
from service.requests import DecisionRequest
from service.web.rendering import Form, Visitor, field, render
from service.web.state import TheService, check_form

decide_page = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@decide_page.get("/decide")
def ask(session: Visitor, service: TheService) -> Response:
    """Ask for the state of the stores."""
    if session is None:
        return RedirectResponse("/login", 303)
    known = service.policies.champion.decider.known
    return render("decide.html", session, **_about(known), state="", calendar="", problem="")


@decide_page.post("/decide")
def decide(form: Form, session: Visitor, service: TheService) -> Response:
    """Decide, and show the orders; what was pasted comes back where it cannot be used."""
    session = check_form(session, field(form, "csrf"), "planner")
    state, calendar = field(form, "state"), field(form, "calendar")
    known = service.policies.champion.decider.known
    try:
        body = request_of(parse_csv("state", state), decimal=known.source.decimal)
        if calendar.strip():
            body["calendar"] = calendar_of(parse_csv("calendar", calendar))
        answer = service.decisions.decide(session.user.name, validated(DecisionRequest, body))
    except InputError as error:
        about = _about(known)
        more = {"state": state, "calendar": calendar, "problem": str(error)}
        return render("decide.html", session, 422, **about, **more)
    return RedirectResponse(f"/?date={answer.orders()[0]['date']}", 303)


def _about(known: StoreHistory) -> dict[str, Any]:
    """Return what a person must know of the state that is asked for."""
    table, ahead = known.table, known.covariates if known.levels is not None else None
    until = None
    if ahead is not None:  # whose periods are counted as days
        until = table.periods.of_ordinal(ahead.first_day.toordinal() + ahead.days - 1)
    several = len(table.skus) > 1
    example = [
        "store,sku,on_hand,due_1,price" if several else "store,on_hand,due_1,price",
        *(
            ",".join([store, *([table.skus[0]] if several else []), "120", "40", "1.5"])
            for store in table.stores[:2]
        ),
    ]
    return {
        "names": () if ahead is None else ahead.names,
        "until": until,
        "example": "\n".join(example),
        "last_day": table.last_day,
        "period": table.period,
    }
