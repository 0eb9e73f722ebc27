"""How connectors speak HTTP: one request, JSON in and out, and one line for what goes wrong."""

import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from common.errors import InputError, short

SECONDS = 60
MOST_BYTES = 100_000_000
Send = Callable[..., Any]
"""``send(method, path, body=None, query=None)`` gives the answer's JSON."""


@dataclass(frozen=True)
class Transport:
    """Requests to one system.

    Attributes
    ----------
    address : str
        Such as ``https://erp.example.com``.
    headers : mapping
        Of every request, the credentials among them.
    """

    address: str
    headers: Mapping[str, str]

    def __call__(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> Any:
        """Return what a request is answered.

        Raises
        ------
        InputError
            One line: no connection, a refusal, no JSON.
        """
        try:
            parts = urlsplit(self.address)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise InputError(f"{short(self.address)}: {error}") from None
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        if parts.scheme not in kinds or not host:
            raise InputError(f"{short(self.address)}: must be such as https://erp.example.com")
        if not all(text.isascii() and text.isprintable() for text in self.headers.values()):
            raise InputError(  # what refuses them would show them
                f"credentials for {host}: hold a character that no header can, the end of a line "
                "perhaps; set them again"
            )
        target = parts.path.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", **self.headers}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection = kinds[parts.scheme](host, port, timeout=SECONDS)
            content = None if body is None else json.dumps(body)
            connection.request(method, target, content, headers)
            answer = connection.getresponse()
            text = answer.read(MOST_BYTES)
            connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise InputError(f"{host}: {short(str(error))}") from None
        if not 200 <= answer.status < 300:
            raise InputError(f"{host}: {method} {path}: {answer.status} {answer.reason}")
        try:
            return json.loads(text) if text.strip() else None
        except ValueError:
            raise InputError(f"{host}: {method} {path}: the answer is no JSON") from None


def title_of(order: Mapping[str, Any]) -> str:
    """Return by what an order is known there."""
    return f"inventory-rl order {order['id']}"


def number(value: Any, where: str) -> float:
    """Return a quantity that another system gave."""
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        raise InputError(f"{where} = {short(value)}: must be a number") from None
