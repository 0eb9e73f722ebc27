"""The grid on which the cash problem is solved, and the two expectations on it.

Stocks and prices lie on grids with linear interpolation between the nodes. Both expectations of a
step are then linear in the values at the nodes: one matrix over price moves, one over demand.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled
from demand.laws import expected_sales
from envs.cash.dynamics import MIN_PRICE, move_price
from envs.cash.parameters import CashParameters

Floats = NDArray[np.float64]

SPREAD = 4.0
"""Half-width of price grids in standard deviations of the price at the end of the episode."""
_FLOOR_ZONE = 4.0
"""Distance above the floor within which a price may reach it, in standard deviations of a move."""
_NEGLIGIBLE = 1e-13


@dataclass(frozen=True)
class Resolution:
    """The resolution of the grids.

    Attributes
    ----------
    product_nodes : float
        Nodes of the product grid per standard deviation of demand.
    price_nodes : int
        Nodes of the product price's grid.
    raw_price_nodes : int
        Nodes of each price's grid if the raw price counts too (``objective="profit"``).
    lot_nodes : int
        Most nodes of the product grid per greatest common divisor of the conversion lots.
    """

    product_nodes: float = 6.0
    price_nodes: int = 33
    raw_price_nodes: int = 25
    lot_nodes: int = 50

    def coarse(self) -> "Resolution":
        """Return the resolution at which the caps of the stocks are searched."""
        return Resolution(min(2.0, self.product_nodes), 5, 5, min(5, self.lot_nodes))

    def coarser(self) -> list["Resolution"]:
        """Return this resolution and coarser ones; prices matter more than product."""
        shares = ((1.0, 1.0), (0.5, 1.0), (0.5, 0.7), (1 / 3, 0.5), (1 / 3, 0.35))
        return [
            Resolution(
                self.product_nodes * product,
                math.ceil(self.price_nodes * price),
                math.ceil(self.raw_price_nodes * price),
                math.ceil(self.lot_nodes * product),
            )
            for product, price in shares
        ]


@dataclass(frozen=True)
class CashGrid:
    """Nodes of the state and the expectations on them.

    Attributes
    ----------
    raw_unit, product_unit : float
        Distance of the nodes of the two stocks [units].
    raw_nodes, product_nodes : int
        Their numbers; the first node is 0, the last the cap.
    product_price, raw_price : ndarray
        Price nodes [money/unit]; a single one if the price is constant or does not count.
    product_price_law, raw_price_law : ndarray
        Shape (nodes, nodes): row i holds the weights of the nodes after a move from node i.
    demand_weights : ndarray
        Entry m is the weight of the node m below the stock before the sale.
    empty_weights : ndarray
        Weight of node 0 after the sale, by the stock before it.
    """

    raw_unit: float
    product_unit: float
    raw_nodes: int
    product_nodes: int
    product_price: Floats
    raw_price: Floats
    product_price_law: Floats
    raw_price_law: Floats
    demand_weights: Floats
    empty_weights: Floats

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Number of nodes of raw, product, product price and raw price."""
        return self.raw_nodes, self.product_nodes, self.product_price.size, self.raw_price.size

    @property
    def caps(self) -> tuple[float, float]:
        """Largest raw and product stock on the grid [units]."""
        return (
            (self.raw_nodes - 1) * self.raw_unit,
            (self.product_nodes - 1) * self.product_unit,
        )


def make_grid(
    parameters: CashParameters, resolution: Resolution, caps: tuple[float, float]
) -> CashGrid:
    """Return the grid with stocks up to `caps` (raw, product), rounded up to a node."""
    p = parameters
    raw_unit = float(math.gcd(*p.buy_lots, *(p.raw_per_product * lot for lot in p.convert_lots)))
    unit = _product_unit(p, resolution)
    nodes = math.ceil(caps[1] / unit - 1e-9) + 1
    profit = p.objective == "profit"
    count = resolution.raw_price_nodes if profit else resolution.price_nodes
    product_price = price_nodes(p.product_price_mean, p.price_std, p.max_steps, count)
    raw_price = np.array([p.raw_price_mean])
    if profit:  # else the cost of raw material is not part of the reward
        raw_price = price_nodes(p.raw_price_mean, p.price_std, p.max_steps, count)
    weights, empty = sale_weights(p.demand_mean, p.demand_std, unit, nodes)
    return CashGrid(
        raw_unit=raw_unit,
        product_unit=unit,
        raw_nodes=math.ceil(caps[0] / raw_unit) + 1,
        product_nodes=nodes,
        product_price=product_price,
        raw_price=raw_price,
        product_price_law=price_law(product_price, p.price_std),
        raw_price_law=price_law(raw_price, p.price_std if profit else 0.0),
        demand_weights=weights,
        empty_weights=empty,
    )


def _product_unit(parameters: CashParameters, resolution: Resolution) -> float:
    """Return the distance of product nodes, a divisor of every lot that is converted.

    If demand is constant, all possible stocks are multiples of the greatest common divisor of lots
    and demand, and those are the nodes.
    """
    lot = math.gcd(*parameters.convert_lots)
    if parameters.demand_std > 0.0:
        nodes = math.ceil(lot * resolution.product_nodes / parameters.demand_std)
        return lot / min(nodes, resolution.lot_nodes)
    demand = Fraction(parameters.demand_mean).limit_denominator(1000)
    parts = math.gcd(lot * demand.denominator, demand.numerator)
    return max(parts / demand.denominator, lot / resolution.lot_nodes)


def price_nodes(mean: float, std: float, steps: int, count: int) -> Floats:
    """Return about `count` nodes for a price that moves by N(0, std) for `steps` steps.

    They are spaced evenly around the mean, at least sqrt(3) std apart. If the price may fall to its
    floor, the nodes next to the floor are half a standard deviation apart.
    """
    if std <= 0.0:
        return np.array([mean])
    reach = SPREAD * std * math.sqrt(steps + 1.0)
    space = max(math.sqrt(3.0) * std, 2.0 * reach / (count - 1))
    half = math.ceil(reach / space)
    nodes: Floats = mean + space * np.arange(-half, half + 1, dtype=np.float64)
    if nodes[0] > MIN_PRICE:
        return nodes
    near = MIN_PRICE + 0.5 * std * np.arange(4 * _FLOOR_ZONE + 1, dtype=np.float64)
    return np.unique(np.concatenate([near, nodes[nodes > near[-1]], [mean]]))


def price_law(nodes: Floats, std: float) -> Floats:
    """Return the weights of the nodes after one move, shape (nodes, nodes).

    Away from the floor a move goes to the nearest nodes at a distances a below and b above of at
    least sqrt(3) std, with weights ``std^2 / (a (a + b))`` and ``std^2 / (b (a + b))``: mean and
    variance are exact for any spacing. With an even spacing of sqrt(3) std this is the
    Gauss-Hermite rule with three nodes. Next to the floor the move is summed over its quantiles,
    narrowed by the variance ``u^2 / 6`` that interpolation between nodes u apart adds.
    """
    law = np.zeros((nodes.size, nodes.size))
    least = math.sqrt(3.0) * std * (1.0 - 1e-9)
    quantiles = std * math.sqrt(1.0 - 0.25 / 6.0) * _normal_quantiles(400)
    for i, price in enumerate(nodes):
        below, above = (
            np.flatnonzero(price - nodes >= least),
            np.flatnonzero(nodes - price >= least),
        )
        if std > 0.0 and nodes[0] == MIN_PRICE and price < MIN_PRICE + _FLOOR_ZONE * std:
            spread_move(nodes, price, quantiles, np.full(400, 1.0 / 400), law[i])
        elif std > 0.0 and below.size and above.size:
            a, b = price - nodes[below[-1]], nodes[above[0]] - price
            down, up = std**2 / (a * (a + b)), std**2 / (b * (a + b))
            chances = np.array([down, 1.0 - down - up, up])
            spread_move(nodes, price, np.array([-a, 0.0, b]), chances, law[i])
        else:  # the ends of the grid, rarely reached
            law[i, i] = 1.0
    return law


def start_law(nodes: Floats, mean: float, std: float) -> Floats:
    """Return the weights of the nodes at the start, ``max(0.1, N(mean, std))``."""
    weights = np.zeros(nodes.size)
    if nodes.size == 1:
        weights[0] = 1.0
    elif nodes[0] > MIN_PRICE:  # the mean is a node, and the start is like a move from it
        weights[:] = price_law(nodes, std)[nodes.size // 2]
    else:
        spread_move(nodes, mean, std * _normal_quantiles(400), np.full(400, 1.0 / 400), weights)
    return weights


def _normal_quantiles(count: int) -> Floats:
    """Return the mid-quantiles of the standard normal law, scaled to variance one."""
    from scipy.special import ndtri

    z = np.asarray(ndtri((np.arange(count) + 0.5) / count), dtype=np.float64)
    return np.asarray(z / z.std(), dtype=np.float64)


@compiled
def spread_move(
    nodes: Floats, price: float, changes: Floats, chances: Floats, weights: Floats
) -> None:
    """Distribute the probability of each price after a move to the two nodes around it."""
    last = nodes.size - 1
    for change, chance in zip(changes, chances):  # noqa: B905  (numba knows no `strict`)
        moved = move_price(price, change)
        j = min(max(int(np.searchsorted(nodes, moved, side="right")) - 1, 0), last - 1)
        share = min(max((moved - nodes[j]) / (nodes[j + 1] - nodes[j]), 0.0), 1.0)
        weights[j] += chance * (1.0 - share)
        weights[j + 1] += chance * share


def sale_weights(mean: float, std: float, unit: float, nodes: int) -> tuple[Floats, Floats]:
    r"""Return the weights of the product nodes after the sale, exact for linear interpolation.

    The stock left above a level y is what a stock of x - y would have left, so that
    ``E[(left - y)+] = rho(x - y)`` with ``rho(z) = z - E[min(z, D)]`` for z > 0, else 0. The hat
    function of an inner node is a second difference of such ramps, and so is its expectation:
    ``E[hat_j(left)] = (rho(x - y_j + u) - 2 rho(x - y_j) + rho(x - y_j - u)) / u``.

    Returns
    -------
    weights : ndarray
        Shape (m,), entry m for the node m places below the stock before the sale, except node 0.
    empty : ndarray
        Shape (nodes,), weight of node 0 by the stock before the sale.
    """
    # rho at -u, 0, u, ..., nodes * u
    rho = np.array(
        [0.0] + [i * unit - expected_sales(i * unit, mean, std) for i in range(nodes + 1)]
    )
    rho = np.maximum(rho, 0.0)
    weights = np.maximum((rho[2:] - 2.0 * rho[1:-1] + rho[:-2]) / unit, 0.0)
    empty = 1.0 - np.diff(rho)[:-1] / unit
    weights[weights < _NEGLIGIBLE] = 0.0
    return weights, np.clip(empty, 0.0, 1.0)
