"""Orders of a service: the state of a file goes to it, and its orders come back as rows."""

import datetime as dt
import http.client
import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from commands.stock_state import with_known_names
from common.errors import InputError, short
from demand.dates import date_column, named_column, row_days
from demand.known_ahead.covariates import SKU_NAMES, STORE_NAMES
from demand.sheet import Sheet, read_sheet

TOKEN = "SERVICE_TOKEN"  # noqa: S105
"""Environment variable with the token: on a command line others could read it."""

SECONDS = 120
MOST_BYTES = 100_000_000
COLUMNS = (
    *("date", "store", "sku", "quantity", "days_of_cover", "stockout_before", "stockout_after"),
    *("rule", "rule_quantity", "unusual", "held_back", "status", "source", "id"),
)
"""Of an order, in the order in which they are written."""

_LISTS = {"due": re.compile(r"due_(\d{1,3})"), "recent": re.compile(r"d(\d{1,2})")}
_LISTS["expires"] = re.compile(r"expires_(\d{1,3})")
_DATED = re.compile(r"due_(\d{4}-\d\d-\d\d)")


def decide_remotely(
    server: str, state: Path, date: str | None, calendar: Path | None = None
) -> list[dict[str, Any]]:
    """Return the orders that a service proposes for a state.

    Parameters
    ----------
    server : str
        Its address, such as ``http://127.0.0.1:8000``.
    state : Path
        A file as `commands.stock_state.read_state` reads it.
    date : str, optional
        The day that is decided on; by default the file's, else the service's choice.
    calendar : Path, optional
        What is known of the coming days.

    Raises
    ------
    InputError
        One line: no token, no answer, or what the service says is wrong.
    """
    body = request_of(with_known_names(read_sheet(state)), date)
    if calendar is not None:
        body["calendar"] = calendar_of(read_sheet(calendar))
    token = os.environ.get(TOKEN, "")
    if not token:
        raise InputError(f"--server: set {TOKEN} to a token of the service")
    answer = _post(server, "/v1/decisions", token, body)
    try:
        return [{name: order[name] for name in COLUMNS} for order in answer["orders"]]
    except (KeyError, TypeError):
        raise InputError(f"--server {server}: its answer holds no orders") from None


def request_of(sheet: Sheet, date: str | None = None) -> dict[str, Any]:
    """Return the state of a file as the service takes it."""
    items, day = [], date
    for row in sheet.cells.to_dict("records"):
        item: dict[str, Any] = {}
        lists: dict[str, dict[int, str]] = {}
        dated: dict[str, str] = {}
        for name, text in row.items():
            column = str(name)
            if column == "date":
                day = day or text
            elif match := _DATED.fullmatch(column):
                dated[match[1]] = text
            elif found := _listed(column):
                lists.setdefault(found[0], {})[found[1]] = text
            else:
                item[column] = text
        for key, values in lists.items():
            numbers = range(1, max(values) + 1)
            if key == "recent" and (missing := [n for n in numbers if n not in values]):
                raise InputError(
                    f"{sheet.name}: recent demand needs all of d1 to d{max(values)}; check "
                    f"d{missing[0]}"
                )
            item[key] = [values.get(n, "0") for n in numbers]
        if dated:
            numbered = lists.get("due", {})
            if numbered:
                raise InputError(f"{sheet.name}: give due_1 ... or due_DATE ..., not both")
            item["due"] = dated
        items.append(item)
    return {"date": day, "items": items}


def calendar_of(sheet: Sheet) -> list[dict[str, Any]]:
    """Return a calendar as the service takes it.

    Raises
    ------
    InputError
        One line: no dates, or nothing that is known of them.
    """
    date = date_column(sheet, "add one, called date")
    days, _ = row_days(sheet, date, None, None)
    store, sku = named_column(sheet, STORE_NAMES), named_column(sheet, SKU_NAMES)
    rows = zip(days, sheet.cells.to_dict("records"), strict=True)
    return [
        {
            "date": dt.date.fromordinal(int(day)).isoformat(),
            "store": row.pop(store, None) or None,
            "sku": row.pop(sku, None) or None,
            "values": {name: text for name, text in row.items() if name != date},
        }
        for day, row in rows
    ]


def _listed(column: str) -> tuple[str, int] | None:
    for key, form in _LISTS.items():
        if match := form.fullmatch(column):
            return key, int(match[1])
    return None


def _post(server: str, path: str, token: str, body: dict[str, Any]) -> Any:
    """Return what a service answers, as JSON."""
    parts = urlsplit(server)
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    if parts.scheme not in kinds or not parts.hostname:
        raise InputError(f"--server {short(server)}: must be such as http://127.0.0.1:8000")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=SECONDS)
        connection.request("POST", parts.path.rstrip("/") + path, json.dumps(body), headers)
        answer = connection.getresponse()
        content = json.loads(answer.read(MOST_BYTES))
        connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(
            f"--server {server}: {short(str(error) or type(error).__name__)}"
        ) from None
    if answer.status != 200:
        detail = content.get("detail") if isinstance(content, dict) else None
        raise InputError(f"--server {server}: {detail or answer.status}")
    return content
