"""The application: routes, and one clear line for everything that goes wrong."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from sqlalchemy import exc
from starlette.exceptions import HTTPException

from common.errors import InputError, short
from service.decisions import KeyReusedError
from service.requests import one_line
from service.store.order_book import ConflictError, UnknownOrderError
from service.web.api import api
from service.web.border import Border, Measures
from service.web.decide_page import decide_page
from service.web.pages import pages
from service.web.policy_pages import policy_pages
from service.web.rendering import render
from service.web.state import NotAllowedError, Service, visitor

LOG = logging.getLogger("service")
STATUS: dict[type[Exception], int] = {
    InputError: 422,
    KeyReusedError: 422,
    ConflictError: 409,
    UnknownOrderError: 404,
}


def create_app(service: Service) -> Border:
    """Return the application of a service."""
    app = FastAPI(
        title="Inventory decisions",
        description="Orders that are proposed, approved and placed, each of them once.",
        version="1",
        docs_url=None,  # both fetch scripts from elsewhere; /docs is ours
        redoc_url=None,
    )
    measures = Measures()
    app.state.service, app.state.measures = service, measures
    app.include_router(api)
    for router in (pages, policy_pages, decide_page):
        app.include_router(router)
    for kind, status in STATUS.items():
        app.add_exception_handler(kind, _line(status))
    for lasting in (exc.OperationalError, exc.TimeoutError):
        app.add_exception_handler(lasting, _without_database)
    app.add_exception_handler(NotAllowedError, _not_allowed)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
    return Border(app, service, measures)


def _answer(
    request: Request, status: int, detail: str, headers: dict[str, str] | None = None
) -> Response:
    """Return what went wrong: a page for whoever looks at pages, else JSON."""
    if "text/html" in request.headers.get("accept", ""):
        return render("error.html", visitor(request), status, detail=detail)
    return JSONResponse({"detail": detail}, status, headers)


def _line(status: int) -> Any:
    def answer(request: Request, error: Exception) -> Response:
        return _answer(request, status, str(error))

    return answer


def _not_allowed(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, NotAllowedError) else 403
    if status != 401:
        return _answer(request, status, str(error))
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/login", 303)
    return JSONResponse({"detail": str(error)}, status, {"www-authenticate": "Bearer"})


def _invalid(request: Request, error: Exception) -> Response:
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    return _answer(request, 422, one_line(errors))


def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = str(error.detail) if isinstance(error, HTTPException) else "failed"
    headers = error.headers if isinstance(error, HTTPException) else None
    return _answer(request, status, detail, dict(headers) if headers else None)


def _without_database(request: Request, error: Exception) -> Response:
    """Say that the database is locked, full or gone; the log says which, without what was sent."""
    number = request.scope.get("state", {}).get("request_id", "")
    text = " ".join(str(getattr(error, "orig", None) or error).split())
    LOG.error("database", extra={"fields": {"request": number, "error": short(text, 200)}})
    detail = f"the database cannot do this now; the log has it under request {number}"
    return _answer(request, 503, detail)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    number = request.scope.get("state", {}).get("request_id", "")
    LOG.error("unexpected", exc_info=error, extra={"fields": {"request": number}})
    return JSONResponse({"detail": f"failed; the log has it under request {number}"}, 500)
