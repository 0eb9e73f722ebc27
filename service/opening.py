"""The first second of the service: the port is open before anything large is imported."""

import logging
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

from common.errors import InputError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

ALIVE = b'{"status":"ok"}'
LATER = b'{"detail":"starting; ask again in a moment, /ready says when"}'


class Opening:
    """An application (ASGI) that says that it lives until the whole one is there, and passes on.

    Attributes
    ----------
    whole : callable or None
        The application; None until it is made.
    stopped : Event
        Set when the service ends.
    """

    def __init__(self) -> None:
        self.whole: Application | None = None
        self.stopped = threading.Event()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if self.whole is not None:
            return await self.whole(scope, receive, send)
        lives = scope["path"] == "/health"
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        if not lives:
            headers.append((b"retry-after", b"1"))
        begin = {"type": "http.response.start", "status": 200 if lives else 503, "headers": headers}
        await send(begin)
        return await send({"type": "http.response.body", "body": ALIVE if lives else LATER})


class _Said(logging.Handler):
    """Keeps what was said last.

    Attributes
    ----------
    last : str
        It, in one line.
    """

    last = "nothing can listen there"

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.last = " ".join(record.getMessage().split())


def listen(host: str, port: int, start: Callable[[Opening], None]) -> None:
    """Answer until interrupted.

    Parameters
    ----------
    host, port : str, int
        Where.
    start : callable
        Makes the whole application, in a thread of its own, and may go on until `Opening.stopped`.

    Raises
    ------
    InputError
        If it cannot listen there or start, or whatever else `start` raises.
    """
    opening, said = Opening(), _Said()
    logging.getLogger("uvicorn.error").addHandler(said)  # until the service's own takes its place
    server = uvicorn.Server(
        uvicorn.Config(
            opening,
            host=host,
            port=port,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=30,
            limit_concurrency=500,
            ws="none",
            h11_max_incomplete_event_size=65_536,
        )
    )
    failures: list[Exception] = []

    def run() -> None:
        try:
            start(opening)
        except Exception as error:
            failures.append(InputError(str(error)) if isinstance(error, OSError) else error)
            server.should_exit = True

    threading.Thread(target=run, daemon=True).start()
    try:
        server.run()
    except SystemExit:  # uvicorn's way out, where it could not listen
        raise InputError(f"--host {host} --port {port}: {said.last}") from None
    opening.stopped.set()
    if failures:
        raise failures[0]
