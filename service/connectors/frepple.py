"""frePPLe: stock from its buffers, orders as proposed purchase orders, by REST.

REST under ``/api/input/``, with ``Authorization: Basic``. A store is a location, an SKU an item. A
purchase order's reference is the order's number, and one that is there is not made again.

References
----------
frePPLe, REST API and data model: /api/input/buffer/, /api/input/purchaseorder/.
"""

from collections.abc import Mapping
from typing import Any

from service.connectors.transport import Send, number

BUFFERS, PURCHASES = "/api/input/buffer/", "/api/input/purchaseorder/"


def pull_stock(send: Send) -> list[dict[str, Any]]:
    """Return what locations hold: items of a decision, on hand [units]."""
    rows = send("GET", BUFFERS, query={"format": "json"})
    return [
        {
            "store": row["location"],
            "sku": row["item"],
            "on_hand": max(0.0, number(row.get("onhand"), "onhand")),
        }
        for row in rows
    ]


def purchase_of(order: Mapping[str, Any], supplier: str) -> dict[str, Any]:
    """Return the purchase order of an order."""
    return {
        "reference": f"inventory-rl-{order['id']}",
        "item": order["sku"],
        "location": order["store"],
        "supplier": supplier,
        "quantity": order["quantity"],
        "startdate": f"{order['date']}T00:00:00",
        "enddate": f"{order['arrives']}T00:00:00",
        "status": "confirmed",
    }


def push(send: Send, order: Mapping[str, Any], *, supplier: str, apply: bool) -> str:
    """Write a purchase order of an approved order that has none.

    Returns
    -------
    str
        ``there``, ``would be made`` or the new document's reference.
    """
    purchase = purchase_of(order, supplier)
    if send("GET", PURCHASES, query={"format": "json", "reference": purchase["reference"]}):
        return "there"
    if not apply:
        return "would be made"
    send("POST", PURCHASES, body=[purchase])
    return str(purchase["reference"])
