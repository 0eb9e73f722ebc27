"""Compiled parts of the stock rules: inventory positions, and the order on offer nearest to one."""

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@numba.njit(cache=True)
def nearest_action(orders: Floats, wanted: Floats) -> NDArray[np.int64]:
    """Return the action whose quantity is nearest to what is wanted, ties to the larger quantity.

    Parameters
    ----------
    orders : ndarray
        Quantity of each action, shape (rows, N, actions) [units].
    wanted : ndarray
        Shape (rows, N) [units]; below 0 as 0.

    Returns
    -------
    ndarray
        Shape (rows, N); of actions with equal quantities the first.
    """
    chosen = np.zeros(wanted.shape, np.int64)
    for w in range(wanted.shape[0]):
        for i in range(wanted.shape[1]):
            target = max(wanted[w, i], 0.0)
            best = orders[w, i, 0]
            for a in range(1, orders.shape[2]):
                order = orders[w, i, a]
                nearer, near = abs(order - target), abs(best - target)
                if nearer < near or (nearer == near and order > best):
                    chosen[w, i], best = a, order
    return chosen
