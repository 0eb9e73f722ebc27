"""The compiled loops of the cash problem's dynamic programme.

See `baselines.solvers.cash.dynamic_program`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.solvers.cash.grid import Floats
from common.compiled import compiled
from demand.laws import expected_sales
from envs.cash.dynamics import act, step_reward


@compiled
def backward(
    constants: Any,
    lots: Floats,
    raw_unit: float,
    unit: float,
    product_price: Floats,
    raw_price: Floats,
    product_price_law: Floats,
    raw_price_law: Floats,
    weights: Floats,
    empty: Floats,
    stop: float,
    values: NDArray[np.float32],
) -> Floats:
    """Fill `values` with H, up to a constant, from the last step to the first; return V."""
    c = constants[0]
    shape = values.shape[1:]
    value, moved, after = np.zeros(shape), np.zeros(shape), np.empty(shape)
    market = _market_reward(c, raw_unit, unit, shape, product_price)
    for k in range(values.shape[0] - 1, -1, -1):
        if k < values.shape[0] - 1:
            _expect_prices(np.maximum(value, stop), product_price_law, raw_price_law, moved)
        _expect_demand(market, moved, weights, empty, after)
        values[k] = after - after[0, 0, 0, 0]
        _best_action(c, lots, raw_unit, unit, raw_price, after, value)
    return value


@compiled
def _market_reward(
    c: Any, raw_unit: float, unit: float, shape: tuple[int, int, int, int], product_price: Floats
) -> Floats:
    """Return the expected reward of a step without its action, shape (raw, product, price)."""
    reward = np.empty(shape[:3])
    demand = expected_sales(np.inf, c.demand_mean, c.demand_std)
    for i in range(shape[1]):
        sold = expected_sales(i * unit, c.demand_mean, c.demand_std)
        for r in range(shape[0]):
            stock = r * raw_unit + i * unit - sold
            for p in range(shape[2]):
                reward[r, i, p] = step_reward(
                    c, 0.0, False, 0.0, sold, demand, stock, product_price[p]
                )
    return reward


@compiled
def _expect_prices(value: Floats, product_law: Floats, raw_law: Floats, out: Floats) -> None:
    """Take the expectation over both price moves."""
    half = np.empty(value[0, 0].shape)
    raw_to, raw_from = np.nonzero(raw_law)
    product_to, product_from = np.nonzero(product_law)
    for r in range(value.shape[0]):
        for i in range(value.shape[1]):
            half[:], out[r, i] = 0.0, 0.0
            for p in range(half.shape[0]):
                for to, at in zip(raw_to, raw_from):  # noqa: B905  (numba knows no `strict`)
                    half[p, to] += raw_law[to, at] * value[r, i, p, at]
            for to, at in zip(product_to, product_from):  # noqa: B905
                for c in range(half.shape[1]):
                    out[r, i, to, c] += product_law[to, at] * half[at, c]


@compiled
def _expect_demand(
    market: Floats, moved: Floats, weights: Floats, empty: Floats, out: Floats
) -> None:
    """Add the market's reward to the expected value of the stock after the sale."""
    used = np.flatnonzero(weights)
    for r in range(out.shape[0]):
        for i in range(out.shape[1]):
            for p in range(out.shape[2]):
                for c in range(out.shape[3]):
                    out[r, i, p, c] = market[r, i, p] + empty[i] * moved[r, 0, p, c]
            for m in used:
                if m < i:
                    for p in range(out.shape[2]):
                        for c in range(out.shape[3]):
                            out[r, i, p, c] += weights[m] * moved[r, i - m, p, c]


@compiled
def _best_action(
    c: Any,
    lots: Floats,
    raw_unit: float,
    unit: float,
    raw_price: Floats,
    after: Floats,
    out: Floats,
) -> None:
    """Maximise over the actions that the raw stock allows; above the caps values are constant."""
    out[:] = -np.inf
    earned = np.empty(raw_price.size)
    for r in range(out.shape[0]):
        for a in range(lots.shape[1]):
            made, invalid, raw = 0.0, False, 0.0
            for j in range(raw_price.size):  # given enough cash for the purchase
                money = lots[0, a] * raw_price[j]
                raw, made, left, invalid = act(
                    r * raw_unit,
                    0.0,
                    money,
                    raw_price[j],
                    c.raw_per_product,
                    lots[0, a],
                    lots[1, a],
                )
                earned[j] = step_reward(c, made, invalid, money - left, 0.0, 0.0, 0.0, 0.0)
            if invalid:
                continue
            to = min(int(raw / raw_unit + 0.5), out.shape[0] - 1)
            shift = int(made / unit + 0.5)
            for i in range(out.shape[1]):
                at = min(i + shift, out.shape[1] - 1)
                for p in range(out.shape[2]):
                    for j in range(raw_price.size):
                        gain = earned[j] + after[to, at, p, j]
                        out[r, i, p, j] = max(out[r, i, p, j], gain)


@compiled
def _place(nodes: Floats, x: float) -> tuple[int, float]:
    """Return the index of the node at or below x and the fraction of the way to the next."""
    if nodes.size == 1:
        return 0, 0.0
    j = min(max(int(np.searchsorted(nodes, x, side="right")) - 1, 0), nodes.size - 2)
    return j, min(max((x - nodes[j]) / (nodes[j + 1] - nodes[j]), 0.0), 1.0)


@compiled
def _price_mean(table: NDArray[np.float32], p: int, c: int, u: float, v: float) -> float:
    """Interpolate between the prices."""
    p_next, c_next = min(p + 1, table.shape[0] - 1), min(c + 1, table.shape[1] - 1)
    low = (1.0 - u) * table[p, c] + u * table[p_next, c]
    high = (1.0 - u) * table[p, c_next] + u * table[p_next, c_next]
    return float((1.0 - v) * low + v * high)


@compiled
def choose_actions(
    constants: Any,
    state: Any,
    lots: Floats,
    values: NDArray[np.float32],
    raw_unit: float,
    unit: float,
    product_price: Floats,
    raw_price: Floats,
    actions: NDArray[np.int64],
    refused: NDArray[np.bool_],
    reached: Floats,
) -> None:
    """Write the best valid action of every world; note where cash ruled out a better one."""
    c = constants[0]
    for w in range(actions.size):
        s = state[w]
        if s.step >= values.shape[0]:
            continue
        p, u = _place(product_price, s.product_price)
        q, v = _place(raw_price, s.raw_price)
        best, wanted = -np.inf, -np.inf
        for a in range(lots.shape[1]):
            money = max(s.cash, lots[0, a] * s.raw_price)
            raw, product, left, invalid = act(
                s.raw, s.product, money, s.raw_price, c.raw_per_product, lots[0, a], lots[1, a]
            )
            if invalid:
                continue
            earned = step_reward(c, lots[1, a], False, money - left, 0.0, 0.0, 0.0, 0.0)
            r = min(int(raw / raw_unit + 0.5), values.shape[1] - 1)
            x = min(product / unit, values.shape[2] - 1.0)
            i = min(int(x), values.shape[2] - 2)
            low = _price_mean(values[s.step, r, i], p, q, u, v)
            high = _price_mean(values[s.step, r, i + 1], p, q, u, v)
            gain = earned + low + (x - i) * (high - low)
            wanted = max(wanted, gain)
            if money == s.cash and gain > best:
                best, actions[w] = gain, a
        refused[w] = refused[w] or best < wanted
        a = actions[w]
        raw, product, _, _ = act(
            s.raw, s.product, s.cash, s.raw_price, c.raw_per_product, lots[0, a], lots[1, a]
        )
        reached[0], reached[1] = max(reached[0], raw), max(reached[1], product)
