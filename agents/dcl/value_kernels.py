"""Values of a policy by state, as control variates that reduce the variance of roll-outs.

Let ``V`` approximate the future cost of a policy. A roll-out that sums

``r(s) = cost(s) + E[V(next s)] - V(s)``

in place of the costs, and begins with ``E[V]`` after its first order, has the same mean for any
``V``, as all other terms cancel in expectation. The closer ``V`` is to the truth, the closer is r
to the policy's average cost in every state, and the less the paths differ: V is a control variate.
It is computed by value iteration on the states that the policy visits; for others it is a quadratic
function of their stock and orders under way, fitted to these.

References
----------
Henderson and Glynn (2002), Approximating martingales for variance reduction in Markov process
simulation, Mathematics of Operations Research 27(2).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.dcl.kernels import Actor, Floats, Singles, Store, Whole, day_cost, following, order_of
from common.compiled import compiled

ROUNDS = 3
"""Rounds of value iteration; the function for other states is fitted after each."""
SWEEPS = 100
"""Most sweeps of value iteration in a round."""
CLOSE = 1e-3
"""A round ends when no value changes by more, apart from the common change of all [money]."""
WORK = 100_000_000
"""Most work of value iteration in a round: sweeps times states times demands."""

KNOWN_ZERO = 1e-30
"""Stands for a known value of 0."""


class Values(NamedTuple):
    """Relative values of an actor's future costs.

    Attributes
    ----------
    value : ndarray
        Value by state, less that of one state; 0 if not computed yet, shape (states,) [money].
    residual : ndarray
        The residual r by state; 0 if not computed yet, shape (states,) [money].
    chances : ndarray
        Probabilities of demand 0, 1, 2, ... as it is drawn.
    quadratic : ndarray
        Coefficients of the value of a state that is not visited: of 1, of the numbers of the state,
        and of their products.
    """

    value: Singles
    residual: Singles
    chances: Floats
    quadratic: Floats


@compiled
def terms_of(store: Store, state: int) -> Floats:
    """Return 1, the numbers of a state, and their products."""
    n = store.ahead + 1
    terms = np.ones(1 + n + n * (n + 1) // 2)
    terms[1] = state & ((1 << store.on_hand_bits) - 1)
    rest = state >> store.on_hand_bits
    for i in range(1, n):
        terms[1 + i] = rest & ((1 << store.order_bits) - 1)
        rest >>= store.order_bits
    at = 1 + n
    for i in range(n):
        for j in range(i + 1):
            terms[at] = terms[1 + i] * terms[1 + j]
            at += 1
    return terms


@compiled
def value_of(store: Store, values: Values, state: int) -> float:
    """Return the value of a state, from its table if it is known."""
    if values.value[state] == 0.0:  # if several threads do, all write the same
        values.value[state] = (values.quadratic * terms_of(store, state)).sum()
    return float(values.value[state])


@compiled
def on_hand(store: Store, state: int) -> int:
    """Return the units on hand of all ages."""
    if not store.left.size:
        return state & ((1 << store.on_hand_bits) - 1)
    stock, units = state & ((1 << store.stock_bits) - 1), 0
    while stock:
        units += stock & ((1 << store.order_bits) - 1)
        stock >>= store.order_bits
    return units


@compiled
def value_after(store: Store, values: Values, state: int, order: int) -> float:
    """Return the expected value of the next morning; demand beyond the stock leaves nothing."""
    total, rest = 0.0, 1.0
    last = min(on_hand(store, state), values.chances.size - 1)
    for demand in range(last):
        chance = values.chances[demand]
        if chance > 0.0:
            total += chance * value_of(store, values, following(store, state, order, demand))
            rest -= chance
    return total + rest * value_of(store, values, following(store, state, order, last))


@compiled
def iterate_values(
    store: Store, actor: Actor, values: Values, states: Whole, usual: int, sweeps: int
) -> None:
    """Fill in the values of states by value iteration; that of ``states[usual]`` stays 0."""
    found = np.empty(states.size)
    for _ in range(sweeps):
        for i in range(states.size):
            order = order_of(store, actor, states[i])
            found[i] = day_cost(store, states[i], order)
            found[i] += value_after(store, values, states[i], order)
        mean, apart = found[usual], 0.0
        for i in range(states.size):
            new = found[i] - mean
            apart = max(apart, abs(new - values.value[states[i]]))
            values.value[states[i]] = new if new != 0.0 else KNOWN_ZERO
        if apart <= CLOSE:
            break


@compiled(inline="always")
def residual_of(store: Store, actor: Actor, values: Values, state: int) -> float:
    """Return the residual r of a state, from its table if it is known."""
    if values.residual[state] == 0.0:  # if several threads do, all write the same
        order = order_of(store, actor, state)
        found = day_cost(store, state, order) + value_after(store, values, state, order)
        values.residual[state] = found - value_of(store, values, state)
    return float(values.residual[state])


def find_values(
    store: Store, actor: Actor, states: NDArray[np.int64], visits: NDArray[np.float64]
) -> Values:
    """Return the values of an actor.

    Parameters
    ----------
    store, actor : Store, Actor
        The problem, and the policy that orders.
    states : ndarray
        The visited states, shape (n,).
    visits : ndarray
        Their numbers of visits, shape (n,).
    """
    chances = np.bincount(store.demand_at) / store.demand_at.size
    terms = np.stack([terms_of(store, int(state)) for state in states])
    work = states.size * int(np.count_nonzero(chances))
    sweeps = max(1, min(SWEEPS, WORK // work))
    known = np.zeros(states.size, np.float32)
    quadratic = np.zeros(terms.shape[1])
    usual = int(np.argmax(visits))
    for _ in range(ROUNDS):
        empty = np.zeros((2, actor.table.size), np.float32)
        values = Values(empty[0], empty[1], chances, quadratic)
        values.value[states] = known
        iterate_values(store, actor, values, states, usual, sweeps)
        known = values.value[states]
        quadratic = np.asarray(np.linalg.lstsq(terms, known, rcond=None)[0], np.float64)
    return values
