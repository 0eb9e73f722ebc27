"""The law of motion of the cash problem, written once, for one world and for a batch.

`act` is what the maker does, `sell` what the market does, `step_reward` what it is worth. The batch
(`envs.cash.batch`), its faces and the exact solvers all call these functions.
"""

from typing import Any

import numpy as np

from common.compiled import compiled

MIN_PRICE = 0.1

_COSTS = (
    "demand_mean",
    "demand_std",
    "holding_cost",
    "stockout_penalty",
    "invalid_action_penalty",
    "bankruptcy_penalty",
    "conversion_bonus",
    "raw_per_product",
)
CONSTANTS = np.dtype(
    [(n, "f8") for n in _COSTS] + [("max_steps", "i8"), ("profit", "?")], align=True
)
"""A world's own constants: worlds of different parameters may share a batch."""


@compiled
def act(
    raw: float,
    product: float,
    cash: float,
    raw_price: float,
    raw_per_product: float,
    buy: float,
    make: float,
) -> tuple[float, float, float, bool]:
    """Event 1 of a step, the action: return raw, product, cash and whether it was invalid.

    An action buys `buy` units and makes `make` (at most one of them positive; none to wait). One
    that cash or raw stock does not cover changes nothing. The factor replaces a branch that the
    processor would mispredict half of the time while an agent explores.
    """
    cost, needed = buy * raw_price, make * raw_per_product
    invalid = cash < cost or raw < needed
    done = 0.0 if invalid else 1.0
    return raw + done * (buy - needed), product + done * make, cash - done * cost, invalid


@compiled
def sell(
    product: float, cash: float, product_price: float, demand: float
) -> tuple[float, float, float]:
    """Event 2, the sale: return units sold, product left and cash."""
    sold = min(product, demand)
    return sold, product - sold, cash + sold * product_price


@compiled
def step_reward(
    c: Any,
    made: float,
    invalid: bool,
    spent: float,
    sold: float,
    demand: float,
    stock: float,
    product_price: float,
) -> float:
    """Return the reward of a step, without the penalty of bankruptcy.

    It is linear in `sold`, `demand` and `stock` (raw + product left), so their expectations give
    the expected reward. `c` is a `CONSTANTS` record; `spent` is the money paid for raw material.
    """
    revenue = sold * product_price
    holding = c.holding_cost * stock
    if c.profit:
        return float(revenue - spent - holding)
    bonus = c.conversion_bonus * made - (c.invalid_action_penalty if invalid else 0.0)
    return float(bonus + revenue - c.stockout_penalty * (demand - sold) - holding)


@compiled
def move_price(price: float, change: float) -> float:
    """Event 5, a price moves and stays at or above 0.1."""
    return max(MIN_PRICE, price + change)
