"""A run that orders by a rule, and a state of it that is decided in several shards."""

import numpy as np

from agents.config import resolve
from commands import orders
from commands.decide import decide
from common.shards import HERE
from tests.recommended import write_rule_run

SKUS, STORES, DAYS = 7, 2, 420
RULE = "newsvendor_average"


def write_run(folder):
    """Write demand, a state whose rows are in no order, and the run; return the last two."""
    rng = np.random.default_rng(0)
    first = np.datetime64("2020-01-01")
    places = [(f"shop_{n}", f"sku_{k}") for k in range(SKUS) for n in range(STORES)]
    units = rng.poisson(np.linspace(2, 30, len(places)), (DAYS, len(places)))
    rows = [
        f"{first + day},{store},{sku},{x}"
        for day in range(DAYS)
        for (store, sku), x in zip(places, units[day], strict=True)
    ]
    (folder / "sales.csv").write_text("\n".join(["date,store,sku,demand", *rows]))
    config = resolve({"algo": "ppo", "demand": folder / "sales.csv"})
    write_rule_run(config, folder / "run", RULE)
    mixed = rng.permutation(len(places))[:-1]  # a store of one SKU is left out
    lines = [f"{places[k][0]},{places[k][1]},{rng.integers(60)},{rng.integers(9)}" for k in mixed]
    (folder / "stock.csv").write_text("\n".join(["store,sku,on_hand,due_1", *lines]))
    return folder / "run", folder / "stock.csv"


def decided(folder, workers=HERE, stores=4):
    """Return the orders, decided in shards of so many stores."""
    before, orders.SHARD_STORES = orders.SHARD_STORES, stores
    try:
        return decide(str(folder / "run"), folder / "stock.csv", workers=workers)
    finally:
        orders.SHARD_STORES = before
