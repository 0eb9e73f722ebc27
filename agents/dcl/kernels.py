"""Compiled roll-outs of a store with lost sales, with the network evaluated inside.

A state is one integer: units on hand in its lowest bits, then the orders under way, the next to
arrive first. Demand is met by `envs.supply_chain.events.meet_demand`, the project's law of motion;
the costs of a day are a table (`LostSales.day_costs`); the orders under way advance by a shift of
bits. The costs of a day are expected ones given the stock, so that drawn demand affects only the
stock left.

For perishable goods a state holds the stock by age in place of the units on hand, oldest first,
with as many bits for each age as for an order under way: overnight all of them age by one slot, and
the order that arrives is the freshest. The stock left after demand and waste is a table
(`baselines.solvers.perishable.kernels.left_by_age`).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled
from envs.supply_chain.events import meet_demand

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Whole = NDArray[np.int64]

DRAW_BITS = 16
"""Demand is drawn as one of 2^16 equally likely quantiles of its law."""
DRAWS = 1 << DRAW_BITS
UNKNOWN = -1
"""Mark of an entry of a table of orders that is not computed yet."""


class Store(NamedTuple):
    """A store with lost sales, as the compiled loops read it.

    Attributes
    ----------
    on_hand_bits, order_bits : int
        Bits of a state for the units on hand, or the oldest of them, and for each number after it.
    ahead : int
        Numbers after the first: newer stock, if perishable, and orders under way (L - 1).
    stock_bits : int
        Bits of a state for all that is on hand.
    num_orders : int
        Orders to choose from: 0, 1, ..., num_orders - 1 units.
    fixed_cost, unit_cost : float
        Costs per order [money], and per unit ordered [money/unit].
    day_costs : ndarray
        Expected cost of a day by the stock, shape (2^stock_bits,) [money].
    demand_at : ndarray
        Quantiles of demand, shape (`DRAWS`,) [units].
    left : ndarray
        For perishable goods, the stock of the next morning, before arrivals, by stock and demand,
        shape (2^stock_bits, demands); otherwise empty.
    """

    on_hand_bits: int
    order_bits: int
    ahead: int
    stock_bits: int
    num_orders: int
    fixed_cost: float
    unit_cost: float
    day_costs: Floats
    demand_at: NDArray[np.int16]
    left: NDArray[np.int32]


class Actor(NamedTuple):
    """The policy that orders: a rule of stock levels, or a network with two hidden ReLU layers.

    Attributes
    ----------
    table : ndarray
        Order by state, `UNKNOWN` if not computed yet, shape (states,).
    ruled : bool
        Whether the rule orders rather than the network.
    level, reorder_point, cap : int
        As in `baselines.rules.stock_rule.StockLevels` [units].
    weights_1, biases_1, weights_2, biases_2, weights_3, biases_3 : ndarray
        Parameters of the network, whose inputs are the units on hand and the orders under way;
        weights have shape (inputs, outputs).
    """

    table: NDArray[np.int16]
    ruled: bool
    level: int
    reorder_point: int
    cap: int
    weights_1: Singles
    biases_1: Singles
    weights_2: Singles
    biases_2: Singles
    weights_3: Singles
    biases_3: Singles


@compiled(inline="always")
def draw_bits(seed: Any) -> Any:
    """Return 16 random bits; advance `seed`, shape (1,), of unsigned 64 bits and not 0.

    References
    ----------
    Vigna (2016), An experimental exploration of Marsaglia's xorshift generators, scrambled, ACM
    Transactions on Mathematical Software 42(4): xorshift64*.
    """
    x = seed[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    seed[0] = x
    return np.int64((x * np.uint64(2685821657736338717)) >> np.uint64(64 - DRAW_BITS))


@compiled(inline="always")
def following(store: Store, state: int, order: int, demand: int) -> int:
    """Return the state of the next morning."""
    if store.left.size:
        under_way = (state >> store.stock_bits) << (store.stock_bits - store.order_bits)
        stock = int(store.left[state & ((1 << store.stock_bits) - 1), demand])
        return stock | under_way | (order << (store.order_bits * store.ahead))
    most = (1 << store.on_hand_bits) - 1
    under_way = (state >> store.on_hand_bits) | (order << (store.order_bits * store.ahead))
    left = int(meet_demand(state & most, demand)[1])
    on_hand = min(left + (under_way & ((1 << store.order_bits) - 1)), most)
    return on_hand | ((under_way >> store.order_bits) << store.on_hand_bits)


@compiled
def rule_order(store: Store, actor: Actor, state: int) -> int:
    """Return the order of the rule of stock levels."""
    position = state & ((1 << store.on_hand_bits) - 1)
    under_way = state >> store.on_hand_bits
    for _ in range(store.ahead):
        position += under_way & ((1 << store.order_bits) - 1)
        under_way >>= store.order_bits
    if position > actor.reorder_point:
        return 0
    return max(0, min(actor.level - position, actor.cap, store.num_orders - 1))


@compiled
def _add_input(hidden: Singles, weights: Singles, value: Any) -> None:
    for j in range(hidden.size):
        hidden[j] += value * weights[j]


@compiled
def network_order(store: Store, actor: Actor, state: int) -> int:
    """Return the order that the network finds best."""
    first, second = actor.biases_1.copy(), actor.biases_2.copy()
    _add_input(first, actor.weights_1[0], np.float32(state & ((1 << store.on_hand_bits) - 1)))
    under_way = state >> store.on_hand_bits
    for i in range(store.ahead):
        units = under_way & ((1 << store.order_bits) - 1)
        _add_input(first, actor.weights_1[1 + i], np.float32(units))
        under_way >>= store.order_bits
    for i in range(first.size):
        if first[i] > 0.0:
            _add_input(second, actor.weights_2[i], first[i])
    scores = actor.biases_3.copy()
    for i in range(second.size):
        if second[i] > 0.0:
            _add_input(scores, actor.weights_3[i], second[i])
    return int(np.argmax(scores))


@compiled(inline="always")
def order_of(store: Store, actor: Actor, state: int) -> int:
    """Return an actor's order, from its table if computed before."""
    order = int(actor.table[state])
    if order == UNKNOWN:
        if actor.ruled:
            order = rule_order(store, actor, state)
        else:
            order = network_order(store, actor, state)
        actor.table[state] = order  # if several threads do, all write the same
    return order


@compiled
def order_cost(store: Store, order: int) -> float:
    """Return the cost of an order."""
    return store.fixed_cost + store.unit_cost * order if order > 0 else 0.0


@compiled
def day_cost(store: Store, state: int, order: int) -> float:
    """Return the expected cost of a day."""
    stock = state & ((1 << store.stock_bits) - 1)
    return float(store.day_costs[stock] + order_cost(store, order))


@compiled
def visit(
    store: Store,
    actor: Actor,
    days: int,
    warmup: int,
    moved_share: float,
    moved_by: int,
    seed: int,
    visits: NDArray[np.int32],
) -> None:
    """Count in `visits`, shape (states,), how often each state is visited.

    A share of the orders is perturbed, by up to `moved_by` units, so that states around the
    policy's own are visited too.
    """
    random = np.full(1, seed, np.uint64)
    moved = int(moved_share * DRAWS)
    state = 0
    for day in range(days + warmup):
        if day >= warmup:
            visits[state] += 1
        order = order_of(store, actor, state)
        if draw_bits(random) < moved:
            order += draw_bits(random) % (2 * moved_by + 1) - moved_by
            order = max(0, min(store.num_orders - 1, order))
        state = following(store, state, order, int(store.demand_at[draw_bits(random)]))
