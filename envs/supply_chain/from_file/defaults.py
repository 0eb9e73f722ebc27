"""Parameters of the supply chain that a demand file determines, and defaults that suit it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from common.errors import short, validated
from demand.calendar import WEEKDAYS
from demand.economics.items import Items
from demand.history import StoreDemand, store_history
from envs.supply_chain.from_file.items import shelf_lives
from envs.supply_chain.sites import HORIZON, SkuParameters, StoreParameters, is_list


def with_file(values: dict[str, Any]) -> dict[str, Any]:
    """Return parameters with those that a demand file determines, and defaults that suit it.

    Raises
    ------
    ValueError
        If a parameter is given that the file determines.
    """
    given = values["demand_data"]
    if not isinstance(given, StoreDemand | Mapping):
        return values  # the field itself refuses it
    source = (
        given if isinstance(given, StoreDemand) else validated(StoreDemand, given, "demand_data")
    )
    history = store_history(source)
    values = _with_lead_time(values, history.items)
    _check_reviews(values, history.table.period)
    start_up = _start_up_days(values)
    initial_days = start_up + 1.0 if source.initial_days is None else source.initial_days
    names, base = history.table.stores, history.mean.mean(axis=0)
    sites = values.get("stores", len(names))
    if not is_list(sites):
        if sites != len(names):
            raise ValueError(
                f"stores = {sites}: {history.table.name} has {len(names)}; leave it out"
            )
        sites = [
            {"demand_multiplier": m / base.mean(), "initial_on_hand": initial_days * m}
            for m in base.tolist()
        ]
    if len(sites) != len(names):
        raise ValueError(f"stores: {history.table.name} has {len(names)}, not {len(sites)}")
    sku = values.get("sku", {})
    if is_list(sku) and len(sku) > 1:
        raise ValueError(
            f"sku has {len(sku)} entries: {history.table.name} says which products there are, and "
            "one entry holds for all of them"
        )
    own = sku[0] if is_list(sku) and sku else sku
    own = own.model_dump() if isinstance(own, SkuParameters) else own
    kept = ("store", "warehouse", "supplier")
    own = {name: own[name] for name in kept if isinstance(own, Mapping) and name in own}
    skus = [
        {**one, "base_demand": m, "demand_std": s, "demand_model": "empirical"}
        for one, m, s in zip(
            _with_shelf_lives(own, history.items, len(history.table.skus)),
            history.mean.mean(axis=1).tolist(),
            history.std.mean(axis=1).tolist(),
            strict=True,
        )
    ]
    filled = {**values, "demand_data": source, "stores": sites, "sku": skus}
    horizon = values.get("horizon", HORIZON)
    if isinstance(horizon, int):
        filled.setdefault("warmup_days", min(start_up, max(horizon, 0) // 2))
    defaults = {
        "warehouse": {"initial_on_hand": np.inf},
        "store": {"excess_threshold": float(f"{10 * history.mean.mean():.3g}")},
    }
    for name, default in defaults.items():
        if isinstance(filled.get(name, {}), Mapping):
            filled[name] = {**default, **filled.get(name, {})}
    return filled


def _check_reviews(values: Mapping[str, Any], period: str) -> None:
    """Refuse weekdays of review where periods are not days."""
    store = values.get("store", {})
    given = store.get("review_days") if isinstance(store, Mapping) else None
    if period != "day" and given is not None and len(given) < len(WEEKDAYS):
        raise ValueError(
            f"store.review_days = {short(given)}: the demand file is by {period}, and orders are "
            f"placed once a {period}; leave it out"
        )


def _with_lead_time(values: dict[str, Any], items: Items | None) -> dict[str, Any]:
    """Return parameters with the lead time of the items file, if it has one.

    Raises
    ------
    ValueError
        If another one is given.
    """
    store = values.get("store", {})
    if items is None or items.lead_time is None or not isinstance(store, Mapping):
        return values
    given = store.get("lead_time", items.lead_time)
    if given != items.lead_time:
        raise ValueError(
            f"store.lead_time = {given}: {items.name} says {items.lead_time}; leave one of them out"
        )
    return {**values, "store": {**store, "lead_time": items.lead_time}}


def _with_shelf_lives(own: dict[str, Any], items: Items | None, skus: int) -> list[dict[str, Any]]:
    """Return the entry for all SKUs once for each, with the shelf lives of the items file."""
    lives = [None] * skus if items is None else shelf_lives(items)
    return [
        own if life is None else {**own, "store": {**own.get("store", {}), "shelf_life": life}}
        for life in lives
    ]


def _start_up_days(values: Mapping[str, Any]) -> int:
    """Return the most days until an order of the first day of review has arrived."""
    own = values.get("sku", {})
    own = own[0] if is_list(own) and own else own
    own = own.get("store", {}) if isinstance(own, Mapping) else getattr(own, "store", {})
    store: dict[str, Any] = {}
    for part in (values.get("store", {}), own):
        given = part.model_dump() if isinstance(part, StoreParameters) else part
        store |= given if isinstance(given, Mapping) else {}
    limits = validated(StoreParameters, store, "store")
    return limits.lead_time + max(limits.review_gaps)
