"""Odoo 19: stock from stock.quant, orders as draft purchase orders, by the JSON-2 API.

``POST /json/2/<model>/<method>`` with ``Authorization: bearer KEY`` and the arguments by name. A
store is a warehouse's stock location, an SKU a product's internal reference. The order's number
stands in ``origin``, and one that is there already is not made again.

References
----------
Odoo 19, External JSON-2 API; models stock.quant, product.product and purchase.order.
"""

from collections.abc import Mapping
from typing import Any

from common.errors import InputError, short
from service.connectors.transport import Send, number, title_of


def credentials(key: str, database: str) -> dict[str, str]:
    """Return the headers of a user's API key; the database matters where a server has several."""
    return {"Authorization": f"bearer {key}", "X-Odoo-Database": database}


def _call(send: Send, model: str, method: str, **arguments: Any) -> Any:
    return send("POST", f"/json/2/{model}/{method}", body=arguments)


def pull_stock(send: Send) -> list[dict[str, Any]]:
    """Return what internal locations hold: items of a decision, on hand [units]."""
    rows = _call(
        *(send, "stock.quant", "search_read"),
        domain=[["location_id.usage", "=", "internal"]],
        fields=["location_id", "product_id", "quantity"],
    )
    codes = _codes(send, {row["product_id"][0] for row in rows})
    held: dict[tuple[str, str], float] = {}
    for row in rows:
        place = str(row["location_id"][1]), codes[row["product_id"][0]]
        held[place] = held.get(place, 0.0) + number(row["quantity"], "quantity")
    return [
        {"store": store, "sku": sku, "on_hand": max(0.0, units)}
        for (store, sku), units in sorted(held.items())
    ]


def _codes(send: Send, products: set[int]) -> dict[int, str]:
    rows = _call(
        *(send, "product.product", "search_read"),
        domain=[["id", "in", sorted(products)]],
        fields=["default_code", "display_name"],
    )
    return {row["id"]: str(row["default_code"] or row["display_name"]) for row in rows}


def push(send: Send, order: Mapping[str, Any], *, vendor: int, apply: bool) -> str:
    """Make a draft purchase order of an approved order that has none.

    Parameters
    ----------
    send : callable
        A `Transport`.
    order : mapping
        An approved order.
    vendor : int
        Odoo's number of the supplier (res.partner).
    apply : bool
        Whether to make it, or only to say what would be made.

    Returns
    -------
    str
        ``there``, ``would be made`` or the new document's number.

    Raises
    ------
    InputError
        If its product has no such internal reference there.
    """
    if _call(send, "purchase.order", "search_count", domain=[["origin", "=", title_of(order)]]):
        return "there"
    known = [["default_code", "=", order["sku"]]]
    products = _call(send, "product.product", "search", domain=known, limit=1)
    if not products:
        raise InputError(f"order {order['id']}: Odoo has no product {short(order['sku'])}")
    if not apply:
        return "would be made"
    line = {"product_id": products[0], "product_qty": order["quantity"]}
    line |= {"date_planned": f"{order['arrives']} 08:00:00"}
    values = {"partner_id": vendor, "origin": title_of(order), "order_line": [[0, 0, line]]}
    made = _call(send, "purchase.order", "create", vals_list=[values])
    return str(made[0] if isinstance(made, list) else made)
