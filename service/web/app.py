"""The application: routes, and one clear line for everything that goes wrong."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from common.errors import InputError
from service.decisions import KeyReusedError
from service.requests import one_line
from service.store.order_book import ConflictError, UnknownOrderError
from service.web.api import api
from service.web.border import Border, Measures
from service.web.pages import pages
from service.web.state import NotAllowedError, Service

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
    app.include_router(pages)
    for kind, status in STATUS.items():
        app.add_exception_handler(kind, _line(status))
    app.add_exception_handler(NotAllowedError, _not_allowed)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
    return Border(app, service, measures)


def _line(status: int) -> Any:
    def answer(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status)

    return answer


def _not_allowed(_: Request, error: Exception) -> JSONResponse:
    status = error.status if isinstance(error, NotAllowedError) else 403
    headers = {"www-authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"detail": str(error)}, status, headers)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    return JSONResponse({"detail": one_line(errors)}, 422)


def _http(_: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = str(error.detail) if isinstance(error, HTTPException) else "failed"
    headers = error.headers if isinstance(error, HTTPException) else None
    return JSONResponse({"detail": detail}, status, headers)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    number = request.scope.get("state", {}).get("request_id", "")
    LOG.error("unexpected", exc_info=error, extra={"fields": {"request": number}})
    return JSONResponse({"detail": f"failed; the log has it under request {number}"}, 500)
