"""What a demand file says of a supply chain: its stores and products, and defaults that suit it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from inventory.errors import validated
from inventory.store_history import StoreDemand, store_history
from inventory.supply_chain_sites import SkuParameters


def with_file(values: dict[str, Any]) -> dict[str, Any]:
    """Return parameters with what a demand file says, and defaults that suit it.

    Raises
    ------
    ValueError
        If something is given that the file says.
    """
    given = values["demand_data"]
    source = given if isinstance(given, StoreDemand) else None
    if source is None:
        source = validated(StoreDemand, given if isinstance(given, Mapping) else {}, "demand_data")
    history = store_history(source)
    names, base = history.table.stores, history.mean.mean(axis=0)
    sites = values.get("stores", len(names))
    if not is_list(sites):
        if sites != len(names):
            raise ValueError(
                f"stores = {sites}: {history.table.name} has {len(names)}; leave it out"
            )
        sites = [
            {"demand_multiplier": m / base.mean(), "initial_on_hand": source.initial_days * m}
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
        {**own, "base_demand": m, "demand_std": s, "demand_model": "empirical"}
        for m, s in zip(
            history.mean.mean(axis=1).tolist(), history.std.mean(axis=1).tolist(), strict=True
        )
    ]
    filled = {**values, "demand_data": source, "stores": sites, "sku": skus}
    defaults = {
        "warehouse": {"initial_on_hand": np.inf},
        "store": {"excess_threshold": float(f"{10 * history.mean.mean():.3g}")},
    }
    for name, default in defaults.items():
        if isinstance(filled.get(name, {}), Mapping):
            filled[name] = {**default, **filled.get(name, {})}
    return filled


def is_list(value: Any) -> bool:
    """Return whether a value has one entry per store, or per product."""
    return isinstance(value, list | tuple)
