"""Which total of an episode is whose in the supply chain."""

from typing import Final, Literal

from inventory.supply_chain_view import Tier

TOTALS: Final[dict[Tier | Literal["all"], str]] = {
    "store": "return",
    "warehouse": "warehouse_return",
    "supplier": "supplier_return",
    "all": "system_return",
}
"""By tier, or for all agents together; names as in `inventory.supply_chain_totals`."""


def tier_of_total(total: str) -> Tier | None:
    """Return the tier that `total` is about, None where it is about all.

    Examples
    --------
    >>> tier_of_total("return"), tier_of_total("system_return")
    ('store', None)
    """
    return next((tier for tier, own in TOTALS.items() if tier != "all" and own == total), None)
