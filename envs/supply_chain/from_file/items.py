"""Parameters of the stores that come from an items file, SKU by SKU and store by store."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from demand.economics.items import LIMITS, Items
from envs.supply_chain.sites import StoreParameters, least_order

Floats = NDArray[np.float64]


def item_parameters(
    stores: Sequence[StoreParameters], items: Items, service_costs: tuple[float, ...] | None
) -> dict[str, Floats]:
    """Return the stores' parameters that an items file sets, by name, shape (SKUs, N) each.

    `order_multiple` is 0 where any quantity may be ordered; ``least_order`` is as
    `StoreParameters.least_order`.

    Parameters
    ----------
    stores : sequence of StoreParameters
        Parameters that hold where the file says nothing, one per SKU.
    items : Items
        The file. Where goods perish, a wasted unit costs its unit cost less salvage.
    service_costs : tuple of float, optional
        Stockout costs that reach the fill rates asked for, as in `StoreDemand`.

    Raises
    ------
    InputError
        One line with the row: the least order exceeds the shelf capacity, or the stockout cost
        would have to come from the price although unmet demand is backlogged.
    """
    lost = items.lost_sale()
    if service_costs is not None:
        asked = ~np.isnan(items.targets)
        if len(service_costs) != asked.sum():
            raise InputError(
                f"service_costs: {len(service_costs)} numbers, and {items.name} asks for "
                f"{asked.sum()} service levels; leave them out to have them computed anew"
            )
        lost[asked] = service_costs
    waste = items.given("unit_cost") - np.nan_to_num(items.given("salvage"))
    if not any(store.shelf_life for store in stores):
        waste = np.full_like(waste, np.nan)
    own = {name: items.given(name) for name in ("holding_cost", "fixed_cost", *LIMITS)}
    values: dict[str, Floats] = {}
    for name, given in {**own, "stockout_cost": lost, "waste_cost": waste}.items():
        usual = np.array([float(getattr(store, name) or 0.0) for store in stores])
        values[name] = np.where(np.isnan(given), usual[:, None], given)
    least = least_order(values["order_multiple"], values["minimum_order"])
    for sku, store in np.argwhere(least > values["shelf_capacity"])[:1].tolist():
        raise InputError(
            f"{items.where(sku, store)}: shelf_capacity = {values['shelf_capacity'][sku, store]:g} "
            f"is less than the least order, {least[sku, store]:g}, so that nothing can be ordered; "
            "raise it, or lower order_multiple and minimum_order"
        )
    waits = np.array([store.unmet_demand == "backlog" for store in stores])[:, None]
    margin = waits & np.isnan(items.given("stockout_cost")) & ~np.isnan(lost)
    for sku, store in np.argwhere(margin & np.isnan(items.targets))[:1].tolist():
        raise InputError(
            f"{items.where(sku, store)}: price less unit cost is what a lost sale costs, and here "
            "customers wait (store.unmet_demand = backlog); give a stockout_cost, per unit and "
            "period that one waits"
        )
    return {**values, "least_order": least}


def shelf_lives(items: Items) -> list[int | None]:
    """Return each SKU's shelf life [periods], None where an items file says none.

    Raises
    ------
    InputError
        One line with the row: the product's shelf life differs between stores.
    """
    lives = np.nan_to_num(items.given("shelf_life")).astype(np.int64)
    for sku, store in np.argwhere(lives != lives[:, :1])[:1].tolist():
        here, there = (str(lives[sku, k] or "none") for k in (store, 0))
        raise InputError(
            f"{items.where(sku, store)}: shelf_life = {here}, and {there} at another store: a "
            "product has one shelf life in all stores; give it in a row about the product"
        )
    return [life or None for life in lives[:, 0].tolist()]
