"""Text pictures of a world."""

from typing import Any


def cash_text(world: Any) -> str:
    """Return the five lines of one step.

    Parameters
    ----------
    world : numpy.void
        One entry of `inventory.cash_rows.STATE`.
    """
    return (
        f"Step: {world['step']}\n"
        f"Raw Inventory: {world['raw']:.1f}\n"
        f"Product Inventory Before Sale: {world['before_sale']:.1f}, "
        f"After Sale: {world['product']:.1f}\n"
        f"Raw Price: {world['raw_price']:.2f}, Product Price: {world['product_price']:.2f}\n"
        f"Demand: {world['demand']:.2f}, Cash: {world['cash']:.2f}"
    )
