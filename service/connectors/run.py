"""What ``connect.py`` does: stock from another system, approved orders into it."""

import base64
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from commands.order_output import as_csv
from common.errors import InputError
from common.files import write_whole
from service.connectors import erpnext, frepple, odoo
from service.connectors.transport import Send, Transport
from service.store import order_book
from service.store.database import Database

System = Literal["erpnext", "frepple", "odoo"]
USER = "connect.py"
Pull = Callable[[Send], list[dict[str, Any]]]
PULLS: dict[str, Pull] = {
    "erpnext": erpnext.pull_stock,
    "frepple": frepple.pull_stock,
    "odoo": odoo.pull_stock,
}
NEEDED = {
    "erpnext": ("ERPNEXT_URL", "ERPNEXT_KEY", "ERPNEXT_SECRET"),
    "frepple": ("FREPPLE_URL", "FREPPLE_USER", "FREPPLE_PASSWORD", "FREPPLE_SUPPLIER"),
    "odoo": ("ODOO_URL", "ODOO_KEY", "ODOO_DATABASE", "ODOO_VENDOR"),
}
"""Environment variables: on a command line others could read them."""


def transport(system: System) -> tuple[Transport, dict[str, str]]:
    """Return the way to a system, and its settings.

    Raises
    ------
    InputError
        If an environment variable is missing.
    """
    names = NEEDED[system]
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise InputError(f"{system}: set {', '.join(missing)} in the environment")
    url, *values = (os.environ[name] for name in names)
    if system == "erpnext":
        headers = erpnext.credentials(*values)
    elif system == "odoo":
        headers = odoo.credentials(*values[:2])
    else:
        pair = base64.b64encode(f"{values[0]}:{values[1]}".encode()).decode()
        headers = {"Authorization": f"Basic {pair}"}
    return Transport(url, headers), {name: os.environ[name] for name in names}


def pull(system: System, output: Path, send: Send) -> int:
    """Write what a system says is on hand as a state file; return its number of rows.

    Raises
    ------
    InputError
        If it cannot be asked, or holds nothing.
    """
    items = PULLS[system](send)
    if not items:
        raise InputError(f"{system}: holds no stock")
    write_whole(output, as_csv(items).encode())
    return len(items)


def push(
    system: System, base: Database, send: Send, settings: Mapping[str, str], *, apply: bool
) -> list[tuple[int, str]]:
    """Push approved orders, which are placed then; without `apply` only say what would be done."""
    orders: list[dict[str, Any]] = []
    with base.reading() as connection:
        while more := order_book.find(
            connection, status=order_book.APPROVED, after=orders[-1]["id"] if orders else 0
        ):
            orders += more
    done = []
    for order in orders:  # one by one: what was made there is placed here, whatever comes after
        if not order["quantity"]:
            said = "nothing to order"  # which an ERP would refuse
        elif system == "erpnext":
            said = erpnext.push(send, order, apply=apply)
        elif system == "odoo":
            said = odoo.push(send, order, vendor=_vendor(settings), apply=apply)
        else:
            supplier = settings["FREPPLE_SUPPLIER"]
            said = frepple.push(send, order, supplier=supplier, apply=apply)
        done.append((order["id"], said))
        if apply:
            reason = f"{system}: {said}"
            with base.writing() as connection:
                order_book.change(connection, USER, order["id"], "place", reason=reason)
    return done


def _vendor(settings: Mapping[str, str]) -> int:
    text = settings["ODOO_VENDOR"]
    if not text.isdigit():
        raise InputError(f"ODOO_VENDOR {text}: must be the number of a res.partner")
    return int(text)
