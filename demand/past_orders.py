"""The orders that stores placed in the past, from a file in the format of demand files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError, choose
from demand.calendar import period_days
from demand.history import StoreHistory
from demand.known_ahead.column_names import DEMAND_NAMES
from demand.quality.beginnings import check_begun
from demand.reader import read_demand
from demand.table import DemandTable

Floats = NDArray[np.float64]
ORDER_NAMES = ("orders", "order", "ordered", "order_quantity", "orders_placed", "bestellung")
"""Names of the column of orders in a file that also has demand."""


@dataclass(frozen=True, eq=False)
class PastOrders:
    """The stores' orders on every day of the evaluation period.

    Attributes
    ----------
    table : DemandTable
        The file, with units ordered in place of demand.
    orders : ndarray
        Shape (days, SKUs, stores) [units], stores and SKUs as in the demand file.
    """

    table: DemandTable
    orders: Floats

    def on(self, days: NDArray[np.int64], sku: NDArray[np.int64]) -> Floats:
        """Return the orders of each world's day (an ordinal) and SKU, shape (worlds, stores)."""
        placed: Floats = self.orders[days - self.table.first_day.toordinal(), sku]
        return placed


def read_past_orders(file: Path, history: StoreHistory) -> PastOrders:
    """Read a file of orders; it may be the demand file itself if that has a column of orders.

    Raises
    ------
    InputError
        As for `read_demand`, and if stores, SKUs or days of the evaluation period are missing.
    """
    known, source = history.table, history.source
    same = file.resolve() == source.file.resolve()
    usual = () if same else (source.demand or "", *DEMAND_NAMES)
    changes = {"file": file, "demand": None, "layout": "long" if same else source.layout}
    if not file.is_file():
        raise InputError(f"--actual-orders {file}: no such file")
    table = read_demand(source.model_copy(update=changes), quantities=(*ORDER_NAMES, *usual))
    for kind, names, there in (
        ("store", known.stores, table.stores),
        ("SKU", known.skus, table.skus),
    ):
        for name in names:
            choose(f"{kind} in {table.name}", name, there)
    days = period_days(known, source, "evaluation")
    first, last = (known.date(row) for row in (days.start, days.stop - 1))
    if table.period != known.period:
        raise InputError(
            f"{table.name}: is by {table.period}, and {known.name} by {known.period}; give orders "
            f"of every {known.period}"
        )
    if table.first_day > first or table.last_day < last:
        raise InputError(
            f"{table.name}: orders of {known.span(days)} are needed, the evaluation period, and it "
            f"has {table.span()}"
        )
    if source.fill != "zero":
        check_begun(table, known, first, table.name)
    skus = [table.skus.index(name) for name in known.skus]
    stores = [table.stores.index(name) for name in known.stores]
    return PastOrders(table, table.demand[:, skus][:, :, stores])
