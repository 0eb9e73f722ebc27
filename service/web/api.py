"""The routes of the API; each says by its parameters which role it needs."""

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Query, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import generate_latest
from pydantic import BaseModel, StringConstraints
from starlette.requests import Request

from service.decisions import public
from service.explanation import Explanation, explain, forecast_of
from service.policies import CHAMPION, LoadedRun
from service.requests import (
    Because,
    Candidate,
    DecisionRequest,
    IsoDate,
    NewToken,
    Override,
    TokenName,
)
from service.service_curve import ServiceCurve
from service.store import order_book
from service.store.order_book import PAGE, Change
from service.web.state import Admin, Approver, Planner, Service, TheService

api = APIRouter()
OrderId = Annotated[int, Path(ge=1, le=2**31 - 1, description="An order's number.")]
Place = Annotated[str, Path(min_length=1, max_length=255)]
Key = Annotated[
    Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")] | None,
    Header(alias="Idempotency-Key", description="The same request under it is decided once."),
]


class Problem(BaseModel):
    """What went wrong, in one line."""

    detail: str


class Order(BaseModel):
    """An order as it is now."""

    id: int
    policy: str
    date: dt.date
    store: str
    sku: str
    status: str
    version: int
    quantity: float
    source: str
    reason: str
    asked: float
    rule: str
    rule_quantity: float
    on_hand: float
    on_order: float
    forecast: float
    level: float
    days_of_cover: float | None
    stockout_before: float
    stockout_after: float | None
    price: float | None
    cost: float | None
    arrives: dt.date
    held_back: str
    unusual: str
    exceptions: list[str]
    decision: str
    created: str
    updated: str


class Proposal(Order):
    """An order, and whether it stayed as it was because it was past being proposed."""

    kept: bool


class Decision(BaseModel):
    """What was decided.

    `notes` name what sells and has no row in the state, so that none is ordered.
    """

    decision: str
    policy: str
    run: str
    date: dt.date
    orders: list[Proposal]
    notes: list[str] = []


class Changed(BaseModel):
    """An order after a change, and whether it was not so before.

    `notes` say which limits of the store a new quantity does not keep.
    """

    order: Order
    changed: bool
    notes: list[str] = []


class Orders(BaseModel):
    """A page of orders; `next` asks for those after it, null if there are none."""

    orders: list[Order]
    next: int | None


class Policy(BaseModel):
    """A run that decides."""

    run: str
    manifest: str
    rule: str
    faults: list[str]


class Named(BaseModel):
    """The runs that decide."""

    champion: Policy
    candidate: Policy | None


class Token(BaseModel):
    """A new token, shown this once."""

    name: str
    role: str
    token: str


class Forecast(BaseModel):
    """Demand expected from the decision's day on [units/day]."""

    store: str
    sku: str
    date: dt.date
    forecast: list[float]


WRONG: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in (
        (400, "The request cannot be read."),
        (401, "No token, or nobody's."),
        (403, "The role is missing."),
        (404, "There is none."),
        (409, "The order's status or version, or another champion, does not allow it."),
        (413, "Too large."),
        (422, "A value cannot be used."),
        (429, "Too many requests."),
        (503, "Not ready yet, or the database cannot do it now."),
    )
}


@api.post("/v1/decisions", response_model=Decision, responses=WRONG)
def decide(
    request: Request, body: DecisionRequest, service: TheService, user: Planner, key: Key = None
) -> Response:
    """Decide a morning: the state in, the orders out, which are proposed.

    A repeat gets the first answer, with the header ``Idempotency-Replayed: true``.
    """
    answer = service.decisions.decide(user.name, body, key)
    headers = {"idempotency-replayed": "true" if answer.repeated else "false"}
    if not answer.repeated:
        request.app.state.measures.changes.labels("proposed").inc()
    return Response(answer.content, media_type="application/json", headers=headers)


@api.get("/v1/orders", response_model=Orders, responses=WRONG)
def orders(
    service: TheService,
    _: Planner,
    date: Annotated[IsoDate | None, Query(description="Of this day alone.")] = None,
    status: Annotated[str | None, Query(max_length=16)] = None,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    most: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
) -> dict[str, Any]:
    """Return orders, page by page."""
    with service.base.reading() as connection:
        found = order_book.find(connection, date=date, status=status, after=after, most=most)
    last = found[-1]["id"] if len(found) == most else None
    return {"orders": [public(order) for order in found], "next": last}


def _change(
    request: Request, service: Service, user: str, number: int, what: Change, why: Because | None
) -> dict[str, Any]:
    asked = why or Because()
    with service.base.writing() as connection:
        order, changed = order_book.change(
            connection, user, number, what, reason=asked.reason or "", seen=asked.version
        )
    return _changed(request, what, order, changed=changed)


def _changed(
    request: Request, what: Change, order: dict[str, Any], *, changed: bool
) -> dict[str, Any]:
    if changed:
        request.app.state.measures.changes.labels(what).inc()
    return {"order": public(order), "changed": changed}


Why = Annotated[Because | None, Body()]


@api.post("/v1/orders/{number}/approve", response_model=Changed, responses=WRONG)
def approve(
    request: Request, number: OrderId, service: TheService, user: Approver, body: Why = None
) -> dict[str, Any]:
    """Approve a proposed order."""
    return _change(request, service, user.name, number, "approve", body)


@api.post("/v1/orders/{number}/place", response_model=Changed, responses=WRONG)
def place(
    request: Request, number: OrderId, service: TheService, user: Approver, body: Why = None
) -> dict[str, Any]:
    """Place an approved order; it is never overwritten from then on."""
    return _change(request, service, user.name, number, "place", body)


@api.post("/v1/orders/{number}/receive", response_model=Changed, responses=WRONG)
def receive(
    request: Request, number: OrderId, service: TheService, user: Approver, body: Why = None
) -> dict[str, Any]:
    """Say that a placed order has arrived."""
    return _change(request, service, user.name, number, "receive", body)


@api.post("/v1/orders/{number}/cancel", response_model=Changed, responses=WRONG)
def cancel(
    request: Request, number: OrderId, service: TheService, user: Approver, body: Why = None
) -> dict[str, Any]:
    """Cancel an order that has not arrived."""
    return _change(request, service, user.name, number, "cancel", body)


@api.post("/v1/orders/{number}/override", response_model=Changed, responses=WRONG)
def override(
    request: Request, number: OrderId, body: Override, service: TheService, user: Planner
) -> dict[str, Any]:
    """Give a proposed order another quantity, with a reason."""
    order, changed, notes = service.override(user.name, number, body)
    return {**_changed(request, "override", order, changed=changed), "notes": notes}


@api.get("/v1/orders/{number}/why", response_model=Explanation, responses=WRONG)
def why_of(number: OrderId, service: TheService, _: Planner) -> Explanation:
    """Say how an order came about: each number."""
    with service.base.reading() as connection:
        order = order_book.get(connection, number)
    return explain(service.decisions, service.policies, order)


@api.get("/v1/items/{store}/{sku}/why", response_model=Explanation, responses=WRONG)
def why(store: Place, sku: Place, service: TheService, _: Planner) -> Explanation:
    """Say how the newest order of a store and product came about: each number.

    Of names with a slash, which no path can hold, ask by the order's number.
    """
    return explain(service.decisions, service.policies, _newest(service, store, sku))


@api.get("/v1/forecast", response_model=Forecast, responses=WRONG)
def forecast(
    service: TheService,
    _: Planner,
    store: Annotated[str, Query(min_length=1, max_length=255)],
    sku: Annotated[str, Query(min_length=1, max_length=255)] = "all",
    days: Annotated[int, Query(ge=1, le=28)] = 14,
) -> dict[str, Any]:
    """Return the demand expected, as of the newest decision."""
    order = _newest(service, store, sku)
    expected = forecast_of(service.decisions, service.policies, order, days)
    return {"store": store, "sku": sku, "date": order["date"], "forecast": expected}


def _newest(service: Service, store: str, sku: str) -> dict[str, Any]:
    table = service.policies.champion.decider.known.table
    if store not in table.stores or sku not in table.skus:
        raise order_book.UnknownOrderError("there is no such store and product")
    with service.base.reading() as connection:
        return order_book.newest_of(connection, CHAMPION, (store, sku))


@api.get("/v1/policies", response_model=Named, responses=WRONG)
def policies(service: TheService, _: Planner) -> dict[str, Any]:
    """Return the runs that decide."""
    candidate = service.policies.candidate
    return {
        "champion": _policy(service.policies.champion),
        "candidate": None if candidate is None else _policy(candidate),
    }


@api.get(
    "/v1/policies/curve",
    response_model=ServiceCurve,
    responses={**WRONG, 202: {"model": Problem, "description": "It is being played; ask again."}},
)
def curve(service: TheService, _: Planner) -> Any:
    """Return what better service costs: orders moved by days of demand, before the split."""
    found = service.policies.champion.curve.get()
    if found is None:
        return problem(202, "the policy is being played; ask again")
    return found


def _policy(run: LoadedRun) -> dict[str, Any]:
    decider = run.decider
    return {"run": run.folder.name, "manifest": run.manifest, "rule": decider.rule[0]} | {
        "faults": decider.faults
    }


@api.post("/v1/policies/candidate", response_model=Policy, responses=WRONG)
def nominate(body: Candidate, service: TheService, user: Admin) -> dict[str, Any]:
    """Let a run that lies beside the champion's decide in its shadow."""
    return _policy(service.policies.nominate(user.name, body.run))


@api.post("/v1/policies/promote", response_model=Policy, responses=WRONG)
def promote(service: TheService, user: Admin) -> dict[str, Any]:
    """Make the candidate the champion."""
    return _policy(service.policies.promote(user.name))


@api.post("/v1/policies/roll-back", response_model=Policy, responses=WRONG)
def roll_back(service: TheService, user: Admin) -> dict[str, Any]:
    """Make the champion before this one the champion again."""
    return _policy(service.policies.roll_back(user.name))


@api.post("/v1/tokens", response_model=Token, responses=WRONG)
def issue(body: NewToken, service: TheService, user: Admin) -> dict[str, Any]:
    """Give somebody a token."""
    token = service.access.issue(body.name, body.role, user.name)
    return {"name": body.name, "role": body.role, "token": token}


@api.post("/v1/tokens/revoke", responses=WRONG)
def revoke(body: TokenName, service: TheService, user: Admin) -> dict[str, str]:
    """Take a token away."""
    service.access.revoke(body.name, user.name)
    return {"revoked": body.name}


@api.head("/health", include_in_schema=False)
@api.get("/health")
def health() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "ok"}


@api.head("/ready", include_in_schema=False)
@api.get("/ready", responses={503: {"model": Problem}})
def ready(service: TheService) -> Response:
    """Say whether decisions can be made."""
    if not service.policies.is_ready():
        return problem(503, "the policy is being loaded")
    if not service.base.ping():
        return problem(503, "the database does not answer")
    return Response('{"status":"ready"}', media_type="application/json")


def problem(status: int, message: str) -> Response:
    """Return what went wrong, in one line."""
    return Response(
        Problem(detail=message).model_dump_json(), status, media_type="application/json"
    )


@api.get("/metrics", response_class=PlainTextResponse, responses=WRONG)
def metrics(request: Request, _: Planner) -> Response:
    """Return counts and times for Prometheus."""
    text = generate_latest(request.app.state.measures.registry)
    return Response(text, media_type="text/plain; version=0.0.4")
