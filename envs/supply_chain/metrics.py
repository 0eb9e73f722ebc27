"""Reports of a day and totals of an episode of the supply chain, per world and per tier."""

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from envs.supply_chain.observation import Tier
from envs.supply_chain.reward import (
    STORE_REPORT,
    SUPPLIER_REPORT,
    WAREHOUSE_REPORT,
    store_terms_of,
)

Floats = NDArray[np.float64]
MOST_NAMED = 10
"""Most stores that have totals of their own."""


def day_reports(
    agents: tuple[str, ...], sites: Any, hubs: Any, lanes: Any
) -> dict[str, dict[str, NDArray[Any]]]:
    """Return the last day's reconciliation, by agent and name, each of shape (worlds,).

    Parameters
    ----------
    agents : tuple of str
        Stores, warehouse, supplier.
    sites, hubs, lanes : ndarray
        Records of `envs.supply_chain.dynamics`, shape (worlds, N), (worlds,), and (worlds, 1) or
        (worlds, N).
    """
    s, n = sites, sites.shape[1]
    backlog = lanes["backlog"]
    short = np.where(backlog, s["owed"], s["demand"] - s["sales"])
    lost = np.where(backlog, 0.0, short)
    on_hand = s["left"]  # before the morning's receipts
    columns = (
        s["demand"],
        s["sales"],
        lost,
        on_hand,
        s["service"],
        *store_terms_of(lanes, on_hand, short),
    )
    stores = {
        name: {key: values[:, i] for key, values in zip(STORE_REPORT, columns, strict=True)}
        for i, name in enumerate(agents[:n])
    }
    if backlog.any():
        for i in range(n):
            stores[agents[i]]["owed"] = s["owed"][:, i]
    if lanes["shelf_life"].any():
        cost = lanes["waste_cost"] * s["wasted"]
        for i in range(n):
            stores[agents[i]]["wasted"] = s["wasted"][:, i]
            stores[agents[i]]["waste_cost"] = cost[:, i]
    holding = np.where(
        np.isinf(hubs["left"]), 0.0, lanes["warehouse_unit_holding_cost"][:, 0] * hubs["left"]
    )
    warehouse = (hubs["service"], holding, hubs["stockouts"], hubs["left"])
    supplier = (hubs["fulfillment"], hubs["delayed"])
    return {
        **stores,
        "warehouse": dict(zip(WAREHOUSE_REPORT, warehouse, strict=True)),
        "supplier": dict(zip(SUPPLIER_REPORT, supplier, strict=True)),
    }


def all_totals(sites: Any, hubs: Any, lanes: Any, length: Floats, days: int) -> dict[str, Floats]:
    """Return all totals of an episode, each of shape (worlds,); up to `MOST_NAMED` stores' own too.

    Parameters
    ----------
    sites, hubs, lanes : ndarray
        Records of `envs.supply_chain.dynamics`, shape (worlds, N), (worlds,) and (SKUs, 1 or N).
    length : ndarray
        Days that have passed, shape (worlds,).
    days : int
        Days that were counted, at least 1.
    """
    return {
        "return": sites["total_return"].mean(axis=1),
        "length": length,
        **world_totals(sites, hubs, days),
        **extra_totals(sites, lanes, days),
        **(store_returns(sites) if sites.shape[1] <= MOST_NAMED else {}),
    }


def world_totals(sites: Any, hubs: Any, days: int) -> dict[str, Floats]:
    """Return the stores' totals, and the returns of the other tiers, each of shape (worlds,).

    Parameters
    ----------
    sites, hubs : ndarray
        Records of `envs.supply_chain.dynamics`, shape (worlds, N) and (worlds,).
    days : int
        Days that were counted, at least 1.

    Returns
    -------
    dict
        ``units_sold`` and ``unmet_demand`` are sums over all stores, costs are means per store;
        backlogged demand counts as unmet on its day, and not as sold when it is served later;
        ``system_return`` is the sum of the returns of all agents.
    """
    sold, asked = sites["total_sales"].sum(axis=1), sites["total_demand"].sum(axis=1)
    stores: Floats = sites["total_return"].sum(axis=1)
    return {
        "warehouse_return": hubs["total_return"].copy(),
        "supplier_return": hubs["supplier_return"].copy(),
        "system_return": stores + hubs["total_return"] + hubs["supplier_return"],
        "units_sold": sold,
        "unmet_demand": asked - sold,
        "fill_rate": _ratio(sold, asked, 1.0),
        "service_level": sites["total_service_level"].mean(axis=1) / days,
        "holding_cost": sites["total_holding_cost"].mean(axis=1),
        "stockout_penalty": sites["total_stockout_penalty"].mean(axis=1),
        "excess_inventory": sites["total_excess_inventory"].mean(axis=1),
        "on_hand": sites["total_on_hand_days"].mean(axis=1) / days,
    }


def extra_totals(sites: Any, lanes: Any, days: int) -> dict[str, Floats]:
    """Return totals that exist under some parameters only, each of shape (worlds,).

    Parameters
    ----------
    sites, lanes : ndarray
        Records of `envs.supply_chain.dynamics`, shape (worlds, N) and (SKUs, 1 or N).
    days : int
        Days that were counted, at least 1.

    Returns
    -------
    dict
        ``cost_per_day``, the money spent, mean per store and day, where that is the objective, and
        its parts ``holding_cost_per_day``, ``stockout_cost_per_day`` and, where they are known,
        ``ordering_cost_per_day`` and ``waste_cost_per_day``;
        ``ordering_cost``, the cost of all orders, mean per store, where they cost anything;
        ``units_wasted``, of all stores, and ``waste_cost``, mean per store, where goods perish;
        ``owed``, backorders in the evening, mean per store and day, where demand is backlogged.
    """
    totals: dict[str, Floats] = {}
    per_order = bool((lanes["fixed_cost"] + lanes["unit_cost"] > 0.0).any())
    perishable = bool(lanes["shelf_life"].any())
    if lanes["cost"].all():
        totals["cost_per_day"] = -sites["total_return"].mean(axis=1) / days
        parts = {"holding_cost": "holding_cost", "stockout_cost": "stockout_penalty"}
        parts |= {"ordering_cost": "ordering_cost"} if per_order else {}
        parts |= {"waste_cost": "waste_cost"} if perishable else {}
        for name, total in parts.items():
            totals[f"{name}_per_day"] = sites[f"total_{total}"].mean(axis=1) / days
    if per_order:
        totals["ordering_cost"] = sites["total_ordering_cost"].mean(axis=1)
    if perishable:
        totals["units_wasted"] = sites["total_wasted"].sum(axis=1)
        totals["waste_cost"] = sites["total_waste_cost"].mean(axis=1)
    if lanes["backlog"].any():
        totals["owed"] = sites["total_owed_days"].mean(axis=1) / days
    return totals


def store_returns(sites: Any) -> dict[str, Floats]:
    """Return the return of every store by its name, each of shape (worlds,)."""
    returns = sites["total_return"]
    return {f"store_{i + 1}": returns[:, i].copy() for i in range(returns.shape[1])}


def tier_metrics(sites: Any, hubs: Any, days: int, *, perishable: bool = False) -> dict[str, float]:
    """Return means over agents and worlds by ``tier/name``, for a training log.

    The bullwhip ratio is the variance of a tier's orders over that of the demand that it serves,
    both over the days of an episode (Lee, Padmanabhan and Whang 1997). For perishable goods, units
    wasted and their cost are reported too.
    """
    waste = ("wasted", "waste_cost") if perishable else ()
    sold, asked = float(sites["total_sales"].sum()), float(sites["total_demand"].sum())
    return {
        "store/reward": float(sites["total_return"].mean()) / days,
        "store/service_level": float(sites["total_service_level"].mean()) / days,
        "store/fill_rate": sold / asked if asked > 0 else 1.0,
        "store/holding_cost": float(sites["total_holding_cost"].mean()),
        "store/stockout_penalty": float(sites["total_stockout_penalty"].mean()),
        "store/excess_inventory": float(sites["total_excess_inventory"].mean()),
        "store/lost_sales": (asked - sold) / max(1, sites.size),
        "store/on_hand": float(sites["total_on_hand_days"].mean()) / days,
        "store/order_rate": float(sites["total_orders"].mean()) / days,
        "store/bullwhip": _bullwhip(sites, days),
        **{f"store/{name}": float(sites[f"total_{name}"].mean()) for name in waste},
        "warehouse/reward": float(hubs["total_return"].mean()) / days,
        "warehouse/service_level": float(hubs["total_service_level"].mean()) / days,
        "warehouse/holding_cost": float(hubs["total_holding_cost"].mean()),
        "warehouse/stockouts": float(hubs["total_stockouts"].mean()),
        "warehouse/on_hand": float(hubs["total_on_hand_days"].mean()) / days,
        "warehouse/order_rate": float(hubs["total_orders"].mean()) / days,
        "warehouse/bullwhip": _bullwhip(hubs, days),
        "supplier/reward": float(hubs["supplier_return"].mean()) / days,
        "supplier/fulfillment_rate": float(hubs["total_fulfillment"].mean()) / days,
        "supplier/delays": float(hubs["total_delays"].mean()),
    }


def _bullwhip(records: Any, days: int) -> float:
    """Return the mean ratio of variances over the records with any variance of demand."""
    orders = _variance(records["total_ordered"], records["total_ordered_squared"], days)
    demand = _variance(records["total_demand"], records["total_demand_squared"], days)
    return float(_ratio(orders, demand, 1.0).mean())


def _variance(total: Floats, squares: Floats, days: int) -> Floats:
    return np.maximum(0.0, squares / days - (total / days) ** 2)


def _ratio(part: Floats, whole: Floats, otherwise: float) -> Floats:
    out = np.full_like(whole, otherwise)
    np.divide(part, whole, out=out, where=whole > 1e-12)
    return out


TOTALS: Final[dict[Tier | Literal["all"], str]] = {
    "store": "return",
    "warehouse": "warehouse_return",
    "supplier": "supplier_return",
    "all": "system_return",
}
"""The total to maximise, by tier or for all agents; named as in `envs.supply_chain.metrics`."""


def tier_of_total(total: str) -> Tier | None:
    """Return the tier that `total` belongs to, None if it is about all of them.

    Examples
    --------
    >>> tier_of_total("return"), tier_of_total("system_return")
    ('store', None)
    """
    return next((tier for tier, own in TOTALS.items() if tier != "all" and own == total), None)
