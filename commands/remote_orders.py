"""Orders of a service: the state of a file goes to it, and its orders come back as rows."""

import datetime as dt
import http.client
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from commands.stock_state import state_columns, written_on
from common.console import screen
from common.errors import InputError, short
from demand.dates import date_column, named_column, parse_day, row_days
from demand.known_ahead.column_names import SKU_NAMES, STORE_NAMES
from demand.sheet import Mark, Sheet, read_sheet

TOKEN = "SERVICE_TOKEN"  # noqa: S105
"""Environment variable with the token: on a command line others could read it."""

SECONDS = 120
MOST_BYTES = 100_000_000
COLUMNS = (
    *("date", "store", "sku", "quantity", "days_of_cover", "stockout_before", "stockout_after"),
    *("rule", "rule_quantity", "unusual", "held_back", "status", "source", "id"),
)
"""Of an order, in the order in which they are written."""


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
    body = request_of(read_sheet(state), date, written=written_on(state))
    if calendar is not None:
        body["calendar"] = calendar_of(read_sheet(calendar))
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        raise InputError(f"--server: set {TOKEN} to a token of the service")
    if not (token.isascii() and token.isprintable()):  # what refuses it would show it
        raise InputError(f"{TOKEN}: holds a character that no token has; copy it again")
    answer = _post(server, "/v1/decisions", token, body)
    try:
        rows = [{name: order[name] for name in COLUMNS} for order in answer["orders"]]
        for note in answer.get("notes", ()):
            screen.print(note, soft_wrap=True)
    except (KeyError, TypeError):
        raise InputError(f"--server {server}: its answer holds no orders") from None
    return rows


def request_of(
    sheet: Sheet,
    date: str | None = None,
    decimal: Mark | None = None,
    written: dt.date | None = None,
) -> dict[str, Any]:
    """Return the state of a file as the service takes it.

    Parameters
    ----------
    sheet : Sheet
        The file, as `commands.stock_state.read_state` reads it.
    date : str, optional
        The day that is decided on; by default the file's, if it has one.
    decimal : {".", ","}, optional
        The decimal mark of a file whose numbers do not tell theirs.
    written : date, optional
        On which the file was written: it says how old a state is that has no date.

    Raises
    ------
    InputError
        One line with the row or column that cannot be used.
    """
    state = state_columns(sheet, decimal)
    day = state.day if date is None else parse_day(date, "--date")
    columns: dict[str, list[Any]] = {"on_hand": state.on_hand.tolist()}
    for name in ("store", "sku"):
        if name in state.sheet.columns:
            columns[name] = _names(state.sheet, name)
    if state.price is not None:
        columns["price"] = state.price.tolist()
    dated = {str(on): at for on, at in state.due.items() if isinstance(on, dt.date)}
    listed = {k: at for k, at in state.due.items() if isinstance(k, int)}
    if dated and listed:
        raise InputError(f"{sheet.name}: give due_1 ... or due_DATE ..., not both")
    if dated:
        rows = np.stack(list(dated.values()), axis=1).tolist()
        columns["due"] = [dict(zip(dated, row, strict=True)) for row in rows]
    for name, numbered in {"due": listed, "recent": state.recent, "expires": state.expires}.items():
        if numbered:
            nothing = np.zeros(len(state.on_hand))
            every = [numbered.get(k, nothing) for k in range(1, max(numbered) + 1)]
            columns[name] = np.stack(every, axis=1).tolist()
    items = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if day is not None:
        return {"date": day.isoformat(), "items": items}
    return {"written": None if written is None else written.isoformat(), "items": items}


def _names(sheet: Sheet, column: str) -> list[str]:
    """Return every row's store or SKU, none of which may be empty."""
    names: list[str] = sheet.cells[column].tolist()
    if "" in names:
        raise InputError(f"{sheet.row(names.index(''))}: {column} is empty; add it")
    return names


def calendar_of(sheet: Sheet) -> list[dict[str, Any]]:
    """Return a calendar as the service takes it.

    Raises
    ------
    InputError
        One line: no dates, or nothing that is known of them.
    """
    date = date_column(sheet)
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


def _post(server: str, path: str, token: str, body: dict[str, Any]) -> Any:
    """Return what a service answers, as JSON."""
    try:
        parts = urlsplit(server)
    except ValueError as error:
        raise InputError(f"--server {short(server)}: {error}") from None
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
