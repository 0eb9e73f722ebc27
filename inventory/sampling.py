"""Normal variates for traces, two to three times as fast as numpy's, from numpy's own generators.

Drawing three normals per step is most of what a simulated step costs, so they are drawn by a
ziggurat compiled together with the scaling and the floor that a trace needs. All randomness comes
from the `numpy.random.Generator` that is passed in: its state is the whole state.
"""

import math

import numba
import numpy as np
from numpy.typing import NDArray

LAYERS = 128
TAIL = 3.442619855899
"""Where the tail begins, for 128 layers of equal area."""
_AREA = 9.91256303526217e-3


def _layer_edges() -> NDArray[np.float64]:
    """Return the right edges of the layers, from the base strip to 0, shape (LAYERS + 1,)."""
    edges = np.zeros(LAYERS + 1)
    height = math.exp(-0.5 * TAIL * TAIL)
    edges[0], edges[1] = _AREA / height, TAIL
    for i in range(2, LAYERS):
        edges[i] = math.sqrt(-2.0 * math.log(_AREA / edges[i - 1] + height))
        height = math.exp(-0.5 * edges[i] ** 2)
    return edges


_EDGES = _layer_edges()
_RATIOS = _EDGES[1:] / _EDGES[:-1]


@numba.njit(cache=True)
def _standard_normal(rng: np.random.Generator) -> float:
    """Draw one N(0, 1) variate.

    References
    ----------
    Marsaglia and Tsang (2000), The ziggurat method for generating random variables; Doornik
    (2005), An improved ziggurat method to generate normal random samples (ZIGNOR).
    """
    while True:
        scaled = rng.random() * LAYERS
        i = int(scaled)  # the layer; what is left of the uniform is independent of it
        u = 2.0 * (scaled - i) - 1.0
        if abs(u) < _RATIOS[i]:
            return float(u * _EDGES[i])
        if i == 0:
            return _tail(rng, u)
        x = u * _EDGES[i]
        below = math.exp(-0.5 * (_EDGES[i] ** 2 - x * x))
        above = math.exp(-0.5 * (_EDGES[i + 1] ** 2 - x * x))
        if above + rng.random() * (below - above) < 1.0:
            return float(x)


@numba.njit(cache=True)
def _tail(rng: np.random.Generator, sign: float) -> float:
    """Draw from beyond `TAIL` (Marsaglia 1964)."""
    while True:
        x = -math.log(1.0 - rng.random()) / TAIL
        y = -math.log(1.0 - rng.random())
        if y + y >= x * x:
            return math.copysign(TAIL + x, sign)


@numba.njit(cache=True)
def _fill(
    rng: np.random.Generator, out: NDArray[np.float64], mean: float, std: float, low: float
) -> None:
    for i in range(out.size):
        out[i] = max(low, mean + std * _standard_normal(rng))


def normal(
    rng: np.random.Generator,
    mean: float,
    std: float,
    shape: tuple[int, ...],
    low: float = -np.inf,
) -> NDArray[np.float64]:
    """Return ``max(low, N(mean, std))`` variates.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the randomness comes from.
    mean, std : float
        Of the normal law before the floor.
    shape : tuple of int
        Shape of the result, filled in C order.
    low : float
        Floor.
    """
    out = np.empty(shape)
    _fill(rng, out.reshape(-1), mean, std, low)
    return out
