"""The law of motion of the cash problem, written once, for one world and for a batch.

`act` is what the maker does, `sell` what the market does, `step_reward` what it is worth. The batch
(`inventory.cash`), its faces and the exact solvers all call these functions.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from inventory.demand import expected_sales

MIN_PRICE = 0.1
OBSERVATION_NAMES = ("raw", "product", "raw_price", "product_price", "demand", "cash")

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

_STOCKS = (*OBSERVATION_NAMES, "before_sale")
_TOTALS = ("return", "units_sold", "unmet_demand", "demand_total", "invalid_actions")
STATE = np.dtype([(n, "f8") for n in (*_STOCKS, *_TOTALS)] + [("step", "i8")])
"""State of a world and the sums over its episode so far; `step` counts from 0."""

REPORT_NAMES = (
    "sold_units",
    "unmet_demand",
    "revenue",
    "holding_cost",
    "invalid_action",
    "product_inventory_before_sale",
    "product_inventory_after_sale",
)
REPORT = np.dtype([(n, "?" if n == "invalid_action" else "f8") for n in REPORT_NAMES], align=True)
"""What a world tells of its last step."""


@numba.njit(cache=True)
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
    that cash or raw stock does not cover changes nothing. The factor stands in place of a branch,
    which an exploring agent would have the processor guess wrong half of the time.
    """
    cost, needed = buy * raw_price, make * raw_per_product
    invalid = cash < cost or raw < needed
    done = 0.0 if invalid else 1.0
    return raw + done * (buy - needed), product + done * make, cash - done * cost, invalid


@numba.njit(cache=True)
def sell(
    product: float, cash: float, product_price: float, demand: float
) -> tuple[float, float, float]:
    """Event 2, the sale: return units sold, product left and cash."""
    sold = min(product, demand)
    return sold, product - sold, cash + sold * product_price


@numba.njit(cache=True)
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


@numba.njit(cache=True)
def move_price(price: float, change: float) -> float:
    """Event 5, a price moves and stays at or above 0.1."""
    return max(MIN_PRICE, price + change)


@numba.njit(cache=True)
def _step_world(
    c: Any,
    s: Any,
    report: Any,
    buy: float,
    make: float,
    demand: float,
    raw_price_change: float,
    product_price_change: float,
    expected: bool,
) -> tuple[float, bool, bool]:
    """Move one world by one step in place; return reward, terminated, truncated."""
    price, paid_before = s.product_price, s.cash
    raw, product, cash, invalid = act(
        s.raw, s.product, s.cash, s.raw_price, c.raw_per_product, buy, make
    )
    made = 0.0 if invalid else make
    spent = paid_before - cash
    sold, left, cash = sell(product, cash, price, demand)
    reward = step_reward(c, made, invalid, spent, sold, demand, raw + left, price)
    penalty = c.bankruptcy_penalty if cash <= 0.0 and not c.profit else 0.0

    report.sold_units = sold
    report.unmet_demand = demand - sold
    report.revenue = sold * price
    report.holding_cost = c.holding_cost * (raw + left)
    report.invalid_action = invalid
    report.product_inventory_before_sale = product
    report.product_inventory_after_sale = left

    s.raw, s.product, s.cash, s.demand, s.before_sale = raw, left, cash, demand, product
    s.raw_price = move_price(s.raw_price, raw_price_change)
    s.product_price = move_price(price, product_price_change)
    s.step += 1
    s["return"] += reward - penalty
    s.units_sold += sold
    s.unmet_demand += demand - sold
    s.demand_total += demand
    s.invalid_actions += invalid
    if expected:  # the law of demand in place of the demand that came
        mean_demand = expected_sales(np.inf, c.demand_mean, c.demand_std)
        sold = expected_sales(product, c.demand_mean, c.demand_std)
        stock = raw + product - sold
        reward = step_reward(c, made, invalid, spent, sold, mean_demand, stock, price)
    return reward - penalty, cash <= 0.0, s.step >= c.max_steps


@numba.njit(cache=True)
def _observe(s: Any, c: Any, row: NDArray[np.float32]) -> None:
    row[0], row[1], row[2] = s.raw, s.product, s.raw_price
    row[3], row[4], row[5] = s.product_price, s.demand, s.cash
    if row.size > 6:
        row[6] = s.step / c.max_steps


@numba.njit(cache=True)
def observe_batch(
    state: NDArray[np.void], constants: NDArray[np.void], out: NDArray[np.float32]
) -> None:
    """Write the observation of every world into `out`, shape (worlds, 6 or 7)."""
    for i in range(state.size):
        _observe(state[i], constants[i], out[i])


@numba.njit(cache=True)
def step_batch(
    constants: NDArray[np.void],
    state: NDArray[np.void],
    report: NDArray[np.void],
    lots: NDArray[np.float64],
    demand: NDArray[np.float64],
    raw_price_change: NDArray[np.float64],
    product_price_change: NDArray[np.float64],
    actions: NDArray[np.integer[Any]],
    reward: NDArray[np.float64],
    terminated: NDArray[np.bool_],
    truncated: NDArray[np.bool_],
    expected: bool,
) -> int:
    """Step all worlds; return -1, or the index of the first world that cannot take its action."""
    for i in range(actions.size):
        over = state[i].step >= constants[i].max_steps
        if over or actions[i] < 0 or actions[i] >= lots.shape[1]:
            return i
    for i in range(actions.size):
        k, a = state[i].step, actions[i]
        reward[i], terminated[i], truncated[i] = _step_world(
            constants[i],
            state[i],
            report[i],
            lots[0, a],
            lots[1, a],
            demand[k + 1, i],
            raw_price_change[k, i],
            product_price_change[k, i],
            expected,
        )
    return -1


@numba.njit(cache=True)
def valid_actions(
    constants: NDArray[np.void],
    state: NDArray[np.void],
    lots: NDArray[np.float64],
    out: NDArray[np.bool_],
) -> None:
    """Write into `out`, shape (worlds, actions), which actions would not be invalid."""
    for i in range(state.size):
        s = state[i]
        for a in range(lots.shape[1]):
            out[i, a] = not act(
                s.raw,
                s.product,
                s.cash,
                s.raw_price,
                constants[i].raw_per_product,
                lots[0, a],
                lots[1, a],
            )[3]
