"""What tuning may choose from in the cash problem."""

from collections.abc import Iterable

import numpy as np

from baselines.cash_rules import BaseStock, BuyBuyConvert
from baselines.tuning import Family
from inventory.cash_parameters import CashParameters


def cycle_family(parameters: CashParameters) -> Family:
    """Return the buy-buy-convert rules of all lots and numbers of last steps without purchase."""
    stops = [m for m in (*range(16), 20, 25, 30, 40) if m <= parameters.max_steps]
    return Family(
        BuyBuyConvert,
        {
            "buy_lot": tuple(dict.fromkeys(parameters.buy_lots)),
            "convert_lot": tuple(dict.fromkeys(parameters.convert_lots)),
            "stop_before_end": tuple(stops),
        },
    )


def base_stock_family(parameters: CashParameters) -> Family:
    """Return the base-stock rules with levels from a part of a step's demand to no limit."""
    p = parameters
    law = p.demand_law("tuning")
    demand = float(law.draw(np.random.default_rng(0), 100, p.max_steps + 1).mean())
    cover = np.array([0.01, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, np.inf])  # steps of demand
    product = [demand * c if demand else 0.0 for c in cover]
    product += [min(p.convert_lots), max(p.convert_lots)]
    raw = [p.raw_per_product * level for level in product]
    rate = [np.inf, *(share * demand for share in (1.2, 1.0, 0.9, 0.8, 0.6))]
    return Family(
        BaseStock,
        {
            "product_level": _levels(product),
            "raw_level": _levels(raw),
            "stop_before_end": tuple(m for m in (0.0, 1.0, 2.0, 4.0) if m <= p.max_steps),
            "run_out_rate": tuple(float(f"{x:.3g}") for x in rate),
        },
        refined=("product_level", "raw_level", "stop_before_end", "run_out_rate"),
        integer=("stop_before_end",),
    )


def _levels(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(sorted({float(f"{value:.3g}") for value in values}))
