"""The optimum of the cash problem by dynamic programming.

With ``H_k(raw, product, prices)`` the value, right after the action of step k, of the sale of that
step and of all that follows (Powell 2011, Approximate Dynamic Programming, section 4.6,
post-decision states),

``V_k(raw, product, prices) = max over actions a of A(a) + H_k(act(raw, product, a), prices)``
``H_k(raw, product, prices) = E[market reward] + E[V_(k+1)(raw, left, prices after the move)]``

where A is the part of the reward that the action itself earns. The functions of
`inventory.cash_law` say what an action does and what a step is worth.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from baselines.optimum.cash_grid import CashGrid, Floats, Resolution, make_grid, start_law
from baselines.optimum.reference import Reference
from baselines.policy import Actions
from inventory.batch import Batch
from inventory.cash import CashBatch, CashParameters, draw_trace
from inventory.cash_law import MIN_PRICE, act, step_reward
from inventory.demand import NormalDemand, expected_sales
from inventory.errors import InputError

MAX_BYTES = 900_000_000
"""Memory of the largest problem that is solved."""
MAX_WORK = 5e10
"""Multiplications of the largest problem that is solved, well under a minute."""
CHECKED_EPISODES = 2000
_NO_STOP = -np.inf


@dataclass(frozen=True)
class CashOptimum:
    """The solved problem.

    Attributes
    ----------
    parameters : CashParameters
        What was solved.
    reference : Reference
        Expected return of an episode under the best policy.
    grid : CashGrid
        Where values are known.
    values : ndarray
        H, shape (T, raw, product, product price, raw price), float32.
    """

    parameters: CashParameters
    reference: Reference
    grid: CashGrid
    values: NDArray[np.float32]

    def policy(self) -> "OptimalCashPolicy":
        """Return the best policy."""
        return OptimalCashPolicy(self.parameters, self.grid, self.values)


class OptimalCashPolicy:
    """Take the action with the best immediate reward plus interpolated value of what follows.

    Parameters
    ----------
    parameters : CashParameters
        Parameters of the episodes it will act in; only `initial_cash` may differ.
    grid, values
        As in `CashOptimum`.

    Attributes
    ----------
    refused : ndarray
        Worlds of the bound batch in which cash has ever ruled out the action wanted.
    reached : ndarray
        Largest raw and product stock right after an action, since `bind`.
    """

    def __init__(
        self, parameters: CashParameters, grid: CashGrid, values: NDArray[np.float32]
    ) -> None:
        self._parameters, self._grid, self._values = parameters, grid, values
        self._lots = np.stack(parameters.lots())

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on.

        Raises
        ------
        InputError
            If the batch runs another problem than the one solved.
        """
        if not isinstance(batch, CashBatch):
            raise InputError(
                f"the optimum of the cash problem cannot act on {type(batch).__name__}"
            )
        mine, its = self._parameters, batch.parameters
        for name in CashParameters.model_fields:
            if name != "initial_cash" and getattr(mine, name) != getattr(its, name):
                raise InputError(
                    f"the optimum was solved for {name} = {getattr(mine, name)!r}, the batch has "
                    f"{getattr(its, name)!r}; solve it for these parameters"
                )
        self._batch = batch
        self.refused = np.zeros(batch.num_worlds, np.bool_)
        self.reached = np.zeros(2)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Actions, None]:
        """Return the best valid action of every world; the observation is not needed."""
        actions = np.zeros(self._batch.num_worlds, np.int64)
        grid = self._grid
        _choose(
            self._parameters.constants(),
            self._batch.state,
            self._lots,
            self._values,
            grid.raw_unit,
            grid.product_unit,
            grid.product_price,
            grid.raw_price,
            actions,
            self.refused,
            self.reached,
        )
        return actions, None


def solve_cash(
    parameters: CashParameters,
    *,
    resolution: Resolution | None = None,
    caps: tuple[float, float] | None = None,
    checked_episodes: int = CHECKED_EPISODES,
) -> CashOptimum:
    """Solve the cash problem for its normal demand law.

    The cash constraint and bankruptcy are left out, and the stocks are capped. Both are then
    checked by simulation of the policy found: where it never lacks cash and never comes within a
    lot of a cap, it is the best policy with the constraint too.

    Parameters
    ----------
    parameters : CashParameters
        The problem.
    resolution : Resolution, optional
        How fine the grids are; by default `Resolution()`, coarser where that would be too large.
    caps : tuple of float, optional
        Least caps of raw and product [units]; by default as small as the check allows.
    checked_episodes : int
        Number of simulated episodes of the check.

    Raises
    ------
    InputError
        If demand comes from a file, or the grid would be too large.
    """
    p = parameters
    if p.demand_data is not None:
        raise InputError(
            "the optimum needs the normal law of demand; for demand_data use the hindsight bound"
        )
    wanted = resolution if resolution is not None else Resolution()
    room = _search_caps(p, wanted.coarse(), min(200, checked_episodes))
    if caps is not None:
        room = max(room[0], caps[0]), max(room[1], caps[1])
    while True:
        grid = _affordable_grid(p, wanted, room, may_coarsen=resolution is None)
        solved = _solve(p, grid)
        hindered, reached = _simulate(solved, checked_episodes)
        grown = _grown_caps(p, grid.caps, reached)
        if grown == grid.caps:
            return replace(solved, reference=_judge(solved, hindered))
        room = grown


def _search_caps(
    parameters: CashParameters, resolution: Resolution, episodes: int
) -> tuple[float, float]:
    """Return caps that the policy of a coarse grid leaves a lot and a half of room below."""
    buy, make = max(parameters.buy_lots), max(parameters.convert_lots)
    caps = float(max(buy, parameters.raw_per_product * make) + buy), 2.0 * make
    while True:
        grid = _affordable_grid(parameters, resolution, caps)
        _, reached = _simulate(_solve(parameters, grid), episodes)
        grown = _grown_caps(parameters, grid.caps, reached)
        if grown == grid.caps:
            return min(reached[0] + 1.5 * buy, grown[0]), min(reached[1] + 1.5 * make, grown[1])
        caps = grown


def _grown_caps(
    parameters: CashParameters, caps: tuple[float, float], reached: Floats
) -> tuple[float, float]:
    """Return `caps`, doubled where `reached` comes within one lot of them."""
    grown = list(caps)
    for i, lots in enumerate((parameters.buy_lots, parameters.convert_lots)):
        limit = parameters.max_steps * max(lots)  # more cannot be had
        if reached[i] + max(lots) > caps[i] and caps[i] < limit:
            grown[i] = min(2.0 * caps[i], limit)
    return grown[0], grown[1]


def _affordable_grid(
    parameters: CashParameters,
    resolution: Resolution,
    caps: tuple[float, float],
    *,
    may_coarsen: bool = False,
) -> CashGrid:
    """Return the finest grid allowed that memory and time can bear."""
    steps, cause = parameters.max_steps, ""
    for tried in resolution.coarser() if may_coarsen else [resolution]:
        grid = make_grid(parameters, tried, caps)
        size = math.prod(grid.shape)
        memory = (4 * steps + 32) * size  # what is kept, and room to work
        terms = np.count_nonzero(grid.demand_weights) + parameters.num_actions + 6
        if memory <= MAX_BYTES and steps * size * terms <= MAX_WORK:
            return grid
        cause = f"{steps} steps of {' x '.join(map(str, grid.shape))} values"
    raise InputError(
        f"the exact optimum is too large to solve: {cause}; reduce max_steps, the lots, the "
        "resolution or price_std"
    )


def _solve(parameters: CashParameters, grid: CashGrid, stop: float = _NO_STOP) -> CashOptimum:
    """Solve on one grid without the cash constraint; `stop` is what an early end is worth."""
    p = parameters
    values = np.empty((p.max_steps, *grid.shape), np.float32)
    start = _backward(
        p.constants(),
        np.stack(p.lots()),
        grid.raw_unit,
        grid.product_unit,
        grid.product_price,
        grid.raw_price,
        grid.product_price_law,
        grid.raw_price_law,
        grid.demand_weights,
        grid.empty_weights,
        stop,
        values,
    )
    std = p.price_std
    expected = start_law(grid.product_price, p.product_price_mean, std) @ start[0, 0]
    value = float(expected @ start_law(grid.raw_price, p.raw_price_mean, std))
    return CashOptimum(p, Reference("upper_bound", value, "not checked"), grid, values)


def _stop_value(parameters: CashParameters) -> float:
    """Return what an early end by bankruptcy is worth, or -inf where it has no chance.

    Cash never falls below 0, since no purchase exceeds it. It can meet 0 exactly only where all
    purchases were made at a price that has a probability of its own: the mean of prices that do
    not move, or the floor. An early end spares all later costs, so that leaving bankruptcy out
    might give too low a value.
    """
    p = parameters
    spread = p.price_std * math.sqrt(p.max_steps + 1.0)
    price = p.raw_price_mean if p.price_std == 0.0 else MIN_PRICE
    met = p.price_std == 0.0 or p.raw_price_mean - 6.0 * spread < MIN_PRICE
    if met and p.initial_cash <= p.max_steps * max(p.buy_lots) * price:
        return 0.0 if p.objective == "profit" else -p.bankruptcy_penalty
    return _NO_STOP


def _simulate(solved: CashOptimum, episodes: int) -> tuple[NDArray[np.bool_], Floats]:
    """Run the policy; return where cash hindered it, and the largest stocks it had."""
    p, policy = solved.parameters, solved.policy()
    rng = np.random.default_rng(20_110_829)
    batch = CashBatch(p, episodes, rng=rng)
    batch.reset(draw_trace(p, NormalDemand(p.demand_mean, p.demand_std), rng, episodes))
    policy.bind(batch)
    bankrupt = np.zeros(episodes, np.bool_)
    for _ in range(p.max_steps):
        bankrupt |= batch.step(policy.predict(None)[0]).terminated
    return policy.refused | bankrupt, policy.reached


def _judge(solved: CashOptimum, hindered: NDArray[np.bool_]) -> Reference:
    """Return the reference with its kind and its note."""
    grid, value, hits = solved.grid, solved.reference.value, int(hindered.sum())
    (raw, product), stop = grid.caps, _stop_value(solved.parameters)
    note = (
        f"Dynamic programming, linear between nodes: raw to {raw:g} by {grid.raw_unit:g}, product "
        f"to {product:g} by {grid.product_unit:g}, {grid.product_price.size} product prices, "
        f"{grid.raw_price.size} raw prices; "
    )
    if stop > _NO_STOP:  # allow the early end at any time: a bound, and exact where it is not used
        bound = _solve(solved.parameters, grid, stop).reference.value
        if bound > value + 1e-6 * max(1.0, abs(value)):
            note += "the cash constraint is ignored, and stopping at the price of bankruptcy free."
            return Reference("upper_bound", bound, note)
    if hits:
        note += (
            f"the cash constraint is ignored; it would bind in {hits} of {hindered.size} episodes."
        )
        return Reference("upper_bound", value, note)
    note += f"cash never refused a purchase in {hindered.size} simulated episodes."
    return Reference("optimum", value, note)


@numba.njit(cache=True)
def _backward(
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
    """Fill `values` with H from the last step to the first; return V at the start."""
    c = constants[0]
    shape = values.shape[1:]
    value, moved, after = np.zeros(shape), np.zeros(shape), np.empty(shape)
    market = _market_reward(c, raw_unit, unit, shape, product_price)
    for k in range(values.shape[0] - 1, -1, -1):
        if k < values.shape[0] - 1:
            _expect_prices(np.maximum(value, stop), product_price_law, raw_price_law, moved)
        _expect_demand(market, moved, weights, empty, after)
        values[k] = after
        _best_action(c, lots, raw_unit, unit, raw_price, after, value)
    return value


@numba.njit(cache=True)
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


@numba.njit(cache=True)
def _expect_prices(value: Floats, product_law: Floats, raw_law: Floats, out: Floats) -> None:
    """Take the expectation over both price moves."""
    half = np.empty(value[0, 0].shape)
    for r in range(value.shape[0]):
        for i in range(value.shape[1]):
            half[:], out[r, i] = 0.0, 0.0
            for to, at in zip(*np.nonzero(raw_law)):  # noqa: B905  (numba knows no `strict`)
                half[:, to] += raw_law[to, at] * value[r, i, :, at]
            for to, at in zip(*np.nonzero(product_law)):  # noqa: B905
                out[r, i, to] += product_law[to, at] * half[at]


@numba.njit(cache=True)
def _expect_demand(
    market: Floats, moved: Floats, weights: Floats, empty: Floats, out: Floats
) -> None:
    """Add the market's reward to the expected value of what the sale leaves."""
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


@numba.njit(cache=True)
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
            for j in range(raw_price.size):  # with the money in hand that the purchase needs
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


@numba.njit(cache=True)
def _place(nodes: Floats, x: float) -> tuple[int, float]:
    """Return the node at or below x and the share of the way to the next."""
    if nodes.size == 1:
        return 0, 0.0
    j = min(max(int(np.searchsorted(nodes, x, side="right")) - 1, 0), nodes.size - 2)
    return j, min(max((x - nodes[j]) / (nodes[j + 1] - nodes[j]), 0.0), 1.0)


@numba.njit(cache=True)
def _price_mean(table: NDArray[np.float32], p: int, c: int, u: float, v: float) -> float:
    """Interpolate between the prices."""
    p_next, c_next = min(p + 1, table.shape[0] - 1), min(c + 1, table.shape[1] - 1)
    low = (1.0 - u) * table[p, c] + u * table[p_next, c]
    high = (1.0 - u) * table[p, c_next] + u * table[p_next, c_next]
    return float((1.0 - v) * low + v * high)


@numba.njit(cache=True)
def _choose(
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
