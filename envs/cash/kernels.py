"""The memory layout of a batch of worlds, and the compiled loops that move it."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled
from demand.laws import expected_sales
from envs.cash.dynamics import act, move_price, sell, step_reward

OBSERVATION_NAMES = ("raw", "product", "raw_price", "product_price", "demand", "cash")
_TOTALS = ("return", "units_sold", "unmet_demand", "demand_total", "invalid_actions")
_LAST_STEP = ("sold", "revenue", "holding_cost", "invalid")
ROWS = (*OBSERVATION_NAMES, "before_sale", *_TOTALS, "step", "max_steps", *_LAST_STEP)
"""The state, the sums over the episode so far, the steps done and to do, and the last step's units
sold, revenue, holding cost and whether its action was invalid (0 or 1)."""

RAW, PRODUCT, RAW_PRICE, PRODUCT_PRICE, DEMAND, CASH, BEFORE_SALE = range(7)
RETURN, UNITS_SOLD, UNMET_DEMAND, DEMAND_TOTAL, INVALID_ACTIONS = range(7, 12)
STEP, MAX_STEPS, SOLD, REVENUE, HOLDING_COST, INVALID = range(12, 18)

STATE = np.dtype([(n, "i8" if n == "step" else "f8") for n in ROWS[: STEP + 1]])
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
"""What a world reports of its last step."""


def make_rows(num_worlds: int) -> NDArray[np.float64]:
    """Return room for the rows of all worlds, shape (rows, num_worlds or a few more).

    Entries of a world that lie a multiple of 4096 bytes apart compete for the same few places of
    the processor's cache; the spare columns at the end of long rows keep them from it.
    """
    spare = (32 - num_worlds) % 512 if num_worlds >= 256 else 0
    return np.zeros((len(ROWS), num_worlds + spare))


Floats = NDArray[np.float64]


class _Constants(NamedTuple):
    """A `CONSTANTS` record in registers, where no write to a row can change it."""

    demand_mean: float
    demand_std: float
    holding_cost: float
    stockout_penalty: float
    invalid_action_penalty: float
    bankruptcy_penalty: float
    conversion_bonus: float
    raw_per_product: float
    profit: bool


@compiled
def _held(c: Any) -> _Constants:
    return _Constants(
        c.demand_mean,
        c.demand_std,
        c.holding_cost,
        c.stockout_penalty,
        c.invalid_action_penalty,
        c.bankruptcy_penalty,
        c.conversion_bonus,
        c.raw_per_product,
        c.profit,
    )


@compiled
def step_batch(
    constants: NDArray[np.void],
    rows: Floats,
    lots: Floats,
    demand: Floats,
    raw_price_change: Floats,
    product_price_change: Floats,
    actions: NDArray[np.integer[Any]],
    reward: Floats,
    terminated: NDArray[np.bool_],
    truncated: NDArray[np.bool_],
    expected: bool,
) -> int:
    """Step all worlds; return -1, or the index of the first world that cannot take its action.

    `constants` holds one `CONSTANTS` record for all worlds, or one for each; `rows` is as made by
    `make_rows`.
    """
    n = actions.size
    step, max_steps = rows[STEP][:n], rows[MAX_STEPS][:n]
    if _count_refused(step, max_steps, actions, lots.shape[1]) > 0:
        return _first_refused(step, max_steps, actions, lots.shape[1])
    buy, make = np.empty(n), np.empty(n)
    for i in range(n):
        buy[i], make[i] = lots[0, actions[i]], lots[1, actions[i]]
    rows[DEMAND][:n] = _now(demand, step, 1)
    each = n if constants.size == 1 else 1
    for i in range(constants.size):
        c, worlds = _held(constants[i]), slice(i, i + each)
        _trade(
            c,
            rows[RAW][worlds],
            rows[PRODUCT][worlds],
            rows[CASH][worlds],
            rows[RAW_PRICE][worlds],
            rows[PRODUCT_PRICE][worlds],
            rows[DEMAND][worlds],
            rows[BEFORE_SALE][worlds],
            rows[SOLD][worlds],
            rows[REVENUE][worlds],
            rows[HOLDING_COST][worlds],
            rows[INVALID][worlds],
            buy[worlds],
            make[worlds],
            reward[worlds],
            rows[RETURN][worlds],
        )
        if expected:
            _expect(c, rows[:, worlds], buy[worlds], make[worlds], reward[worlds])
    _add_up(
        rows[SOLD][:n],
        rows[DEMAND][:n],
        rows[INVALID][:n],
        rows[UNITS_SOLD],
        rows[UNMET_DEMAND],
        rows[DEMAND_TOTAL],
        rows[INVALID_ACTIONS],
    )
    _move(rows[RAW_PRICE], _now(raw_price_change, step, 0))
    _move(rows[PRODUCT_PRICE], _now(product_price_change, step, 0))
    _end(rows[CASH], step, max_steps, terminated, truncated)
    return -1


@compiled
def _count_refused(
    step: Floats, max_steps: Floats, actions: NDArray[np.integer[Any]], num_actions: int
) -> int:
    refused = 0
    for i in range(actions.size):
        refused += (step[i] >= max_steps[i]) | (actions[i] < 0) | (actions[i] >= num_actions)
    return refused


@compiled
def _first_refused(
    step: Floats, max_steps: Floats, actions: NDArray[np.integer[Any]], num_actions: int
) -> int:
    for i in range(actions.size):
        if step[i] >= max_steps[i] or actions[i] < 0 or actions[i] >= num_actions:
            return i
    return -1


@compiled
def _now(trace: Floats, step: Floats, ahead: int) -> Floats:
    """Return every world's entry of `trace`, shape (steps, worlds), at its own step."""
    apart = 0
    for i in range(step.size):
        apart += step[i] != step[0]
    if apart == 0:
        together: Floats = trace[int(step[0]) + ahead]
        return together
    out = np.empty(step.size)
    for i in range(step.size):
        out[i] = trace[int(step[i]) + ahead, i]
    return out


@compiled
def _trade(
    c: _Constants,
    raw: Floats,
    product: Floats,
    cash: Floats,
    raw_price: Floats,
    product_price: Floats,
    demand: Floats,
    before_sale: Floats,
    sold: Floats,
    revenue: Floats,
    holding_cost: Floats,
    invalid: Floats,
    spent: Floats,
    made: Floats,
    reward: Floats,
    total: Floats,
) -> None:
    """Do the action and the sale; `spent` and `made` come as units to buy and to make."""
    for i in range(raw.size):
        paid_before, price = cash[i], product_price[i]
        raw[i], before, money, refused = act(
            raw[i], product[i], paid_before, raw_price[i], c.raw_per_product, spent[i], made[i]
        )
        done = 0.0 if refused else made[i]
        paid = paid_before - money
        units, left, money = sell(before, money, price, demand[i])
        stock = raw[i] + left
        worth = step_reward(c, done, refused, paid, units, demand[i], stock, price)
        worth -= _penalty(c, money)
        product[i], cash[i], before_sale[i] = left, money, before
        sold[i], revenue[i], holding_cost[i] = units, units * price, c.holding_cost * stock
        invalid[i] = 1.0 if refused else 0.0
        spent[i], made[i] = paid, done
        reward[i] = worth
        total[i] += worth


@compiled
def _penalty(c: _Constants, cash: float) -> float:
    """Return the penalty of bankruptcy."""
    return c.bankruptcy_penalty if cash <= 0.0 and not c.profit else 0.0


@compiled
def _expect(c: _Constants, rows: Floats, spent: Floats, made: Floats, reward: Floats) -> None:
    """Replace rewards by their expectation over the law of demand, right after `_trade`."""
    demand = expected_sales(np.inf, c.demand_mean, c.demand_std)
    for i in range(reward.size):
        product, price = rows[BEFORE_SALE, i], rows[PRODUCT_PRICE, i]
        sold = expected_sales(product, c.demand_mean, c.demand_std)
        stock = rows[RAW, i] + product - sold
        refused = rows[INVALID, i] > 0.0
        worth = step_reward(c, made[i], refused, spent[i], sold, demand, stock, price)
        reward[i] = worth - _penalty(c, rows[CASH, i])


@compiled
def _add_up(
    sold: Floats,
    demand: Floats,
    invalid: Floats,
    units_sold: Floats,
    unmet_demand: Floats,
    demand_total: Floats,
    invalid_actions: Floats,
) -> None:
    """Add the step to the totals."""
    for i in range(sold.size):
        units_sold[i] += sold[i]
        unmet_demand[i] += demand[i] - sold[i]
        demand_total[i] += demand[i]
        invalid_actions[i] += invalid[i]


@compiled
def _move(price: Floats, change: Floats) -> None:
    """Move a price in every world."""
    for i in range(change.size):
        price[i] = move_price(price[i], change[i])


@compiled
def _end(
    cash: Floats,
    step: Floats,
    max_steps: Floats,
    terminated: NDArray[np.bool_],
    truncated: NDArray[np.bool_],
) -> None:
    """Advance the step and return which worlds it ended."""
    for i in range(step.size):
        step[i] += 1.0
        terminated[i] = cash[i] <= 0.0
        truncated[i] = step[i] >= max_steps[i]


@compiled
def observe_batch(rows: Floats, out: NDArray[np.float32]) -> None:
    """Write the observation of every world into `out`, shape (worlds, 6 or 7)."""
    raw, product, cash, demand = rows[RAW], rows[PRODUCT], rows[CASH], rows[DEMAND]
    raw_price, product_price = rows[RAW_PRICE], rows[PRODUCT_PRICE]
    for i in range(out.shape[0]):
        out[i, 0], out[i, 1], out[i, 2] = raw[i], product[i], raw_price[i]
        out[i, 3], out[i, 4], out[i, 5] = product_price[i], demand[i], cash[i]
    if out.shape[1] > 6:
        for i in range(out.shape[0]):
            out[i, 6] = rows[STEP, i] / rows[MAX_STEPS, i]


@compiled
def report_batch(rows: Floats, out: NDArray[np.void]) -> None:
    """Write every world's report of its last step into `out`, shape (worlds,); 0 before it."""
    for i in range(out.size):
        report = out[i]
        report.sold_units = rows[SOLD, i]
        report.unmet_demand = rows[DEMAND, i] - rows[SOLD, i] if rows[STEP, i] > 0.0 else 0.0
        report.revenue = rows[REVENUE, i]
        report.holding_cost = rows[HOLDING_COST, i]
        report.invalid_action = rows[INVALID, i] > 0.0
        report.product_inventory_before_sale = rows[BEFORE_SALE, i]
        report.product_inventory_after_sale = rows[PRODUCT, i]


@compiled
def valid_actions(
    constants: NDArray[np.void], rows: Floats, lots: Floats, out: NDArray[np.bool_]
) -> None:
    """Write into `out`, shape (worlds, actions), which actions would not be invalid."""
    for i in range(out.shape[0]):
        c = constants[i if constants.size > 1 else 0]
        for a in range(lots.shape[1]):
            out[i, a] = not act(
                rows[RAW, i],
                rows[PRODUCT, i],
                rows[CASH, i],
                rows[RAW_PRICE, i],
                c.raw_per_product,
                lots[0, a],
                lots[1, a],
            )[3]
