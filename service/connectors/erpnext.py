"""ERPNext: stock from Bin, orders as Material Requests of type Purchase.

REST as of Frappe 14 and later (``/api/resource``), with ``Authorization: token KEY:SECRET``. A
store is a warehouse, an SKU an item code. Each request carries the order's number in its title, and
one that is there already is not made again.

References
----------
Frappe Framework, REST API; ERPNext, Material Request.
"""

import json
from collections.abc import Mapping
from typing import Any

from service.connectors.transport import Send, number, title_of

REQUEST = "/api/resource/Material Request".replace(" ", "%20")
PAGE = 1000


def credentials(key: str, secret: str) -> dict[str, str]:
    """Return the header of a user's API key."""
    return {"Authorization": f"token {key}:{secret}"}


def pull_stock(send: Send) -> list[dict[str, Any]]:
    """Return what warehouses hold: items of a decision, on hand [units]."""
    fields = json.dumps(["item_code", "warehouse", "actual_qty"])
    items: list[dict[str, Any]] = []
    while True:
        query = {"fields": fields, "limit_page_length": str(PAGE), "limit_start": str(len(items))}
        rows = send("GET", "/api/resource/Bin", query=query)["data"]
        for row in rows:
            on_hand = max(0.0, number(row["actual_qty"], "actual_qty"))
            items.append({"store": row["warehouse"], "sku": row["item_code"], "on_hand": on_hand})
        if len(rows) < PAGE:
            return items


def request_of(order: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Material Request of an order."""
    return {
        "material_request_type": "Purchase",
        "title": title_of(order),
        "transaction_date": str(order["date"]),
        "schedule_date": str(order["arrives"]),
        "items": [
            {
                "item_code": order["sku"],
                "warehouse": order["store"],
                "qty": order["quantity"],
                "schedule_date": str(order["arrives"]),
            }
        ],
    }


def push(send: Send, order: Mapping[str, Any], *, apply: bool) -> str:
    """Make a Material Request of an approved order that has none.

    Returns
    -------
    str
        ``there``, ``would be made`` or the new document's name.
    """
    filters = json.dumps([["title", "=", title_of(order)]])
    if send("GET", REQUEST, query={"filters": filters, "limit_page_length": "1"})["data"]:
        return "there"
    if not apply:
        return "would be made"
    return str(send("POST", REQUEST, body=request_of(order))["data"]["name"])
