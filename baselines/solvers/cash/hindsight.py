"""The clairvoyant's optimum of the cash problem: demand and prices of the whole episode known.

No policy, which sees only the past, earns more on any trace. The cash constraint is left out (a
relaxation, which raises the value); all else is exact, for whole and for fractional demand.

**States.** Let g be the greatest common divisor of all conversion lots. If the stock of product was
last zero after the sale of step s, it is ``x = g j - (demand of the steps s+1..k)`` with integer j:
a state is (step, raw, s, j). The *class* s fixes the *offset* of the stock, ``x = offset + g row``.

**States omitted without loss.** Raw stock that the remaining steps cannot convert is useless, so no
lot is bought on top of it. Stocks larger than any sequence of actions can produce, and classes that
must have run out of stock meanwhile, are never visited.

**Bankruptcy** ends an episode and saves its later costs. With ``objective="profit"`` a bankrupt
episode has lost its cash and returns less than the 0 that waiting earns. With ``"shaped"`` it might
pay. Cash never falls below 0, and reaches exactly 0 with positive probability only if raw prices
repeat or are at the floor. In episodes in which all the cash could be spent at such prices,
stopping is allowed at any time, at the cost of the penalty: still a bound, but no longer exact.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.solvers.reference import Reference
from common.compiled import compiled
from common.errors import InputError
from envs.batch import Trace
from envs.cash.dynamics import MIN_PRICE, act, move_price, sell, step_reward
from envs.cash.parameters import CashParameters
from envs.cash.trace import check_trace

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_STATES = 20_000_000
"""Most states of one step of one episode held in memory."""

MAX_STATES_AFTER = 100_000_000
"""Most states after an action, which may convert a lot larger than all stock before it."""


def hindsight_values(parameters: CashParameters, trace: Trace) -> Floats:
    """Return the optimal return, with enough cash, of a clairvoyant in each episode of `trace`.

    Parameters
    ----------
    parameters : CashParameters
        The problem, with either objective.
    trace : dict
        As drawn by `envs.cash.trace.draw_trace`; demand need not be whole.

    Returns
    -------
    ndarray
        Shape (episodes,) [reward].

    Raises
    ------
    InputError
        If an episode has too many states.

    Examples
    --------
    Two steps do not suffice to make a product, which takes two raw units and a conversion.

    >>> parameters = CashParameters(max_steps=2)
    >>> trace = {"raw_price": 5.0, "product_price": 20.0, "demand": [9.0, 7.0, 8.0],
    ...          "raw_price_change": [0.1, 0.1], "product_price_change": [0.1, 0.1]}
    >>> hindsight_values(parameters, trace).tolist()
    [-75.0]
    """
    p = parameters
    given = check_trace(trace, p.max_steps)
    unit = float(math.gcd(*p.convert_lots))
    raw_unit = float(math.gcd(*p.buy_lots, *(p.raw_per_product * lot for lot in p.convert_lots)))
    values = _all_episodes(
        p.constants(),
        np.stack(p.lots()),
        raw_unit,
        unit,
        p.initial_cash,
        given["demand"],
        given["raw_price"],
        given["product_price"],
        given["raw_price_change"],
        given["product_price_change"],
    )
    if np.isnan(values).any():
        raise InputError(
            f"the hindsight bound needs over {MAX_STATES:,} states a step, or "
            f"{MAX_STATES_AFTER:,} after an action; reduce max_steps "
            f"({p.max_steps}) or give the lots a larger common divisor"
        )
    return values


def hindsight_reference(parameters: CashParameters, trace: Trace) -> Reference:
    """Return the mean of `hindsight_values` over the episodes of `trace`."""
    values = hindsight_values(parameters, trace)
    note = (
        f"What a clairvoyant who never lacks cash earns on average over the {values.size} episodes "
        "of the trace; no policy earns more on the same trace."
    )
    return Reference("hindsight", float(values.mean()), note, values)


@compiled
def _all_episodes(
    constants: Any,
    lots: Floats,
    raw_unit: float,
    unit: float,
    initial_cash: float,
    demand: Floats,
    raw_price: Floats,
    product_price: Floats,
    raw_price_change: Floats,
    product_price_change: Floats,
) -> Floats:
    """Return the value of each episode; NaN for one that is too large."""
    c, values, steps = constants[0], np.empty(raw_price.size), demand.shape[1] - 1
    for e in range(values.size):
        buying = _price_path(raw_price[e], raw_price_change[e])
        selling = _price_path(product_price[e], product_price_change[e])
        offset, sink, child, live = _classes(lots[1].max(), unit, demand[e])
        rows = _reachable(c, lots, raw_unit, unit, demand[e])
        stop = -np.inf
        if not c.profit and _may_go_bankrupt(buying, initial_cash, lots[0].max()):
            stop = -c.bankruptcy_penalty
        widest = (rows.max() + int(lots[1].max() / unit)) * live.max()
        many = rows.max() * live.max() * rows.shape[1] > MAX_STATES
        if many or widest * rows.shape[1] > MAX_STATES_AFTER:
            values[e] = np.nan
            continue
        value, after = np.zeros((rows.shape[1], widest)), np.zeros((rows.shape[1], widest))
        for k in range(steps - 1, -1, -1):
            # `rows` and `live` after the last step are those of a terminal value of 0
            high = _rows_after_action(c, lots, raw_unit, unit, rows[k], steps - 1 - k)
            _market(
                c,
                raw_unit,
                unit,
                selling[k],
                demand[e, k + 1],
                offset[k, : live[k]],
                sink[k],
                child[k],
                high,
                rows[k + 1],
                live[k + 1],
                value,
                after,
            )
            _best_action(c, lots, raw_unit, unit, buying[k], rows[k], live[k], high, after, value)
            if k > 0:
                np.maximum(value, stop, value)
        values[e] = value[0, 0]
    return values


@compiled
def _price_path(start: float, changes: Floats) -> Floats:
    """Return the price shown before each step, shape (T,)."""
    path = np.empty(changes.size)
    path[0] = start
    for k in range(changes.size - 1):
        path[k + 1] = move_price(path[k], changes[k])
    return path


@compiled
def _may_go_bankrupt(price: Floats, cash: float, largest_lot: float) -> bool:
    """Return whether purchases might use up exactly all cash."""
    repeated = 0.0
    for k in range(price.size):
        if price[k] <= MIN_PRICE or (price == price[k]).sum() > 1:
            repeated += price[k]
    return bool(cash <= largest_lot * repeated)


@compiled
def _classes(largest: float, unit: float, demand: Floats) -> tuple[Floats, Ints, Ints, Ints]:
    """Follow the classes of product stock through the episode.

    Returns
    -------
    offset : ndarray
        Shape (T + 1, T + 1): stock in row 0 of each live class before step k, in (0, unit]; the
        last live class is the one of no stock, with offset 0.
    sink, child : ndarray
        Shape (T, T + 1): rows by which the sale of step k lowers a class, and its index among the
        live classes afterwards, -1 if it must have run out of stock.
    live : ndarray
        Shape (T + 1,): number of live classes.
    """
    steps = demand.size - 1
    offset, top = np.zeros((steps + 1, steps + 1)), np.zeros(steps + 1)
    sink, child = np.zeros((steps, steps + 1), np.int64), np.full((steps, steps + 1), -1)
    live = np.ones(steps + 1, np.int64)
    for k in range(steps):
        d, count = demand[k + 1], 0
        for j in range(live[k]):
            sink[k, j] = math.floor((d - offset[k, j]) / unit) + 1
            most = top[j] + largest - d  # if the class converts as much as it can
            if most > 0.0:
                child[k, j] = count
                offset[k + 1, count] = offset[k, j] + unit * sink[k, j] - d
                top[count] = most
                count += 1
        top[count] = 0.0
        live[k + 1] = count + 1
    return offset, sink, child, live


@compiled
def _move(
    c: Any, buy: float, make: float, raw: float, raw_price: float, steps_left: int, most: float
) -> tuple[float, float, bool]:
    """Return raw stock after an action, the money spent, and whether the action is useless."""
    if buy > 0.0 and raw >= c.raw_per_product * most * steps_left:
        return raw, 0.0, True
    money = buy * raw_price
    raw, _, left, invalid = act(raw, 0.0, money, raw_price, c.raw_per_product, buy, make)
    return raw, money - left, invalid


@compiled
def _rows_after_action(
    c: Any, lots: Floats, raw_unit: float, unit: float, rows: Ints, steps_left: int
) -> Ints:
    """Return the number of product rows by raw stock, after the action."""
    after, most = np.zeros_like(rows), lots[1].max()
    for r in range(rows.size):
        for a in range(lots.shape[1]):
            raw, _, useless = _move(c, lots[0, a], lots[1, a], r * raw_unit, 1.0, steps_left, most)
            to = int(raw / raw_unit + 0.5)
            if rows[r] > 0 and not useless:
                after[to] = max(after[to], rows[r] + int(lots[1, a] / unit + 0.5))
    return after


@compiled
def _reachable(c: Any, lots: Floats, raw_unit: float, unit: float, demand: Floats) -> Ints:
    """Return the number of product rows by step and raw stock, 0 for unreachable raw stock.

    Shape (T + 1, raw). One row more than the largest stock needs allows for the offsets.
    """
    steps, most = demand.size - 1, lots[1].max()
    highest = 0.0  # raw stock that can be bought by then, at most a lot more than is useful
    for k in range(steps):
        useful = c.raw_per_product * most * (steps - 1 - k)
        highest = max(highest, min(k * lots[0].max(), useful))
    size = int((highest + lots[0].max()) / raw_unit + 0.5) + 1
    rows, top = np.zeros((steps + 1, size), np.int64), np.full(size, -1.0)
    rows[0, 0], top[0] = 1, 0.0
    for k in range(steps):
        after = np.full(size, -1.0)
        for r in range(size):
            for a in range(lots.shape[1]):
                raw, _, useless = _move(
                    c, lots[0, a], lots[1, a], r * raw_unit, 1.0, steps - 1 - k, most
                )
                if top[r] >= 0.0 and not useless:
                    to = int(raw / raw_unit + 0.5)
                    after[to] = max(after[to], top[r] + lots[1, a])
        for r in range(size):
            top[r] = -1.0 if after[r] < 0.0 else max(0.0, after[r] - demand[k + 1])
            rows[k + 1, r] = int(top[r] / unit + 1e-9) + 1 if top[r] >= 0.0 else 0
    return rows


@compiled
def _market(
    c: Any,
    raw_unit: float,
    unit: float,
    price: float,
    demand: float,
    offset: Floats,
    sink: Ints,
    child: Ints,
    high: Ints,
    rows: Ints,
    live: int,
    value: Floats,
    after: Floats,
) -> None:
    """Write the value after the action: the sale's reward and the value of the stock left.

    Rows and classes run along the last axis of `value` (before the next step) and `after`, the
    class fastest.
    """
    width = offset.size
    reward = np.empty(high.max() * width)
    for row in range(high.max()):
        for j in range(width):
            sold, left, _ = sell(offset[j] + unit * row, 0.0, price, demand)
            reward[row * width + j] = step_reward(c, 0.0, False, 0.0, sold, demand, left, price)
    for r in range(high.size):
        raw_cost = step_reward(c, 0.0, False, 0.0, 0.0, 0.0, r * raw_unit, price)
        for row in range(high[r]):
            for j in range(width):
                at, to = row - sink[j], live - 1  # no stock left: row 0 of the last class
                if at >= 0 and child[j] >= 0:
                    to = min(at, rows[r] - 1) * live + child[j]
                f = row * width + j
                after[r, f] = reward[f] + raw_cost + value[r, to]


@compiled
def _best_action(
    c: Any,
    lots: Floats,
    raw_unit: float,
    unit: float,
    raw_price: float,
    rows: Ints,
    live: int,
    high: Ints,
    after: Floats,
    value: Floats,
) -> None:
    """Write the value before the action, the best over all actions that raw stock allows."""
    for r in range(rows.size):
        size = rows[r] * live
        best = value[r, :size]
        best[:] = -np.inf
        for a in range(lots.shape[1]):
            # `high` marks useful purchases; all others lead to no new state
            raw, spent, invalid = _move(
                c, lots[0, a], lots[1, a], r * raw_unit, raw_price, 1, np.inf
            )
            to, shift = int(raw / raw_unit + 0.5), int(lots[1, a] / unit + 0.5)
            if invalid or to >= high.size or rows[r] + shift > high[to]:
                continue
            earned = step_reward(c, lots[1, a], False, spent, 0.0, 0.0, 0.0, 0.0)
            source = after[to, shift * live : shift * live + size]
            for f in range(size):
                best[f] = max(best[f], earned + source[f])
