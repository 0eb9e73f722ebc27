"""What stands before every route: hosts, sizes, rates, headers, measures and a line of log each."""

import json
import logging
import secrets
import sys
import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.store.database import now
from service.web.state import Service

LOG = logging.getLogger("service")
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
OPEN = ("/health", "/ready")
"""Paths that no rate is kept of: whoever watches over the service asks them."""


class Measures:
    """What Prometheus reads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "inventory_requests", "Requests", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "inventory_request_seconds", "Time to answer", ["route"], registry=self.registry
        )
        self.changes = Counter(
            "inventory_order_changes",
            "Decisions, and changes of orders",
            ["change"],
            registry=self.registry,
        )


class Border:
    """The outermost part of the application (plain ASGI, so that bodies are counted as they come).

    Parameters
    ----------
    app : ASGIApp
        What answers.
    service : Service
        Limits and names.
    measures : Measures
        What is counted.
    """

    def __init__(self, app: ASGIApp, service: Service, measures: Measures) -> None:
        self._app, self._service, self._measures = app, service, measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it here."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        begun, request_id = time.perf_counter(), secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                added = [(k.encode(), v.encode()) for k, v in HEADERS.items()]
                own = {name for name, _ in message["headers"]}
                headers = [pair for pair in added if pair[0] not in own]
                headers.append((b"x-request-id", request_id.encode()))
                message = {**message, "headers": [*message["headers"], *headers]}
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is not None:
                await _answer(answer, *refusal)
            else:
                await self._limited(scope, receive, answer)
        finally:
            self._note(scope, status, time.perf_counter() - begun)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if name.lower() not in self._service.hosts:
            return 421, "this service does not answer under that name (--host-name)"
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 12 or int(length) > self._service.max_bytes:
            return 413, f"the request has more than {self._service.max_bytes:,} bytes"
        client = scope.get("client")
        if scope["path"] not in OPEN and not self._service.rate.allows(client[0] if client else ""):
            return 429, "too many requests; wait a second"
        return None

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, counting the bytes of a body that does not say how long it is."""
        taken, most = 0, self._service.max_bytes

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                raise HTTPException(413, f"the request has more than {most:,} bytes")
            return message

        await self._app(scope, counted, send)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        """Count and log a request: never its query, headers or body, which may hold secrets."""
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        self._measures.requests.labels(method, route, str(status)).inc()
        self._measures.seconds.labels(route).observe(seconds)
        state = scope["state"]
        LOG.info(
            "request",
            extra={
                "fields": {
                    **{"method": method, "route": route, "status": status},
                    **{"ms": round(1000 * seconds, 1), "user": state.get("user", "")},
                    **{"request": state["request_id"]},
                }
            },
        )


METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"))


async def _answer(send: Send, status: int, message: str) -> None:
    body = json.dumps({"detail": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if status == 429:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class JsonLines(logging.Formatter):
    """A line of JSON per entry of the log."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields: dict[str, Any] = getattr(record, "fields", {})
        entry = {"time": now(), "level": record.levelname, "event": record.getMessage(), **fields}
        if record.exc_info and record.exc_info[0] is not None:
            entry["error"] = record.exc_info[0].__name__  # its text may hold what was sent
            trace = record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            if trace is not None:
                entry["at"] = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        return json.dumps(entry)


def log_as_json(stream: Any = None) -> None:
    """Write the service's log, and uvicorn's, as lines of JSON to standard error."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("service", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
