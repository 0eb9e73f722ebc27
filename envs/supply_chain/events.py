"""The events of a day of the supply chain, as equations of one agent or one store.

`envs.supply_chain.dynamics` applies them to the state of a world. Perishable stock lies in slots by
remaining shelf life: slot k holds the units that can be sold on k + 1 more days, today included, so
that slot 0 is the oldest and expires this evening unless it is sold today. With a shelf life of m
days, arriving units enter slot m - 1.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled

Floats = NDArray[np.float64]
Issuing = Literal["fifo", "lifo"]


@compiled
def supply(order: float, decision: int, capacity: float, works: bool) -> tuple[float, bool]:
    """Event 1: return the units that the supplier ships of `order` and whether a day later."""
    share = 0.8 if decision == 1 else 1.0
    return (min(share * order, capacity) if works else 0.0), decision == 2


@compiled
def allocate(on_hand: float, claims: float) -> float:
    """Event 2: return the share of every claim that the warehouse ships."""
    return 1.0 if claims <= on_hand else on_hand / claims


@compiled
def meet_demand(on_hand: float, demand: float) -> tuple[float, float]:
    """Event 4: return units sold and units left; the rest of the demand is lost.

    With a backlog, `on_hand` is the inventory level. Below 0 the units sold are that level too, so
    that ``demand - sold`` is always what was lost or what is owed now.
    """
    sales = min(on_hand, demand)
    return sales, on_hand - sales


@compiled
def receive(pipeline: Floats) -> float:
    """Event 6: return what arrives this morning and move the pipeline on by a day."""
    arriving = pipeline[0]
    for k in range(pipeline.size - 1):
        pipeline[k] = pipeline[k + 1]
    pipeline[-1] = 0.0
    return float(arriving)


@compiled
def forecast(window: Floats, observed: int, default: float, default_std: float) -> Any:
    """Return mean and standard deviation of the last `observed` days' demand.

    With no day observed the mean, and with fewer than 2 the deviation, is the default.
    """
    if observed == 0:
        return default, default_std
    mean = window[:observed].mean()
    if observed < 2:
        return mean, default_std
    return mean, np.sqrt(np.mean((window[:observed] - mean) ** 2))


@compiled
def row_of(ages: Floats | None, row: int) -> Any:
    """Return a row of stock by age, None if there is none.

    Where nothing perishes the law of motion is compiled with None, so that all code about ages, and
    the time it takes, drops out.
    """
    if ages is None:
        return None
    return ages[row]


@compiled
def issue(ages: Floats, units: float, lifo: bool) -> float:
    """Issue up to `units` from the slots, oldest first or newest first; return the shortfall.

    Parameters
    ----------
    ages : ndarray
        Stock by age, shape (slots,), oldest first [units]; changed in place.
    units : float
        Quantity asked for [units].
    lifo : bool
        Whether the newest units go first, as where customers pick for themselves.

    Examples
    --------
    >>> stock = np.array([3.0, 4.0])
    >>> issue(stock, 5.0, False), stock.tolist()
    (0.0, [0.0, 2.0])
    """
    last = ages.size - 1
    for j in range(ages.size):
        k = last - j if lifo else j
        taken = min(ages[k], units)
        ages[k] -= taken
        units -= taken
    return float(units)


@compiled
def expire(ages: Floats) -> float:
    """Return the units left in the oldest slot, which are wasted, and age the others by a day.

    Examples
    --------
    >>> stock = np.array([3.0, 4.0])
    >>> expire(stock), stock.tolist()
    (3.0, [4.0, 0.0])
    """
    wasted = ages[0]
    for k in range(ages.size - 1):
        ages[k] = ages[k + 1]
    ages[-1] = 0.0
    return float(wasted)


@compiled
def expiring(left: float, oldest: float, newer: float, lifo: bool) -> float:
    """Return how many of the units left after a day's demand expire, from three sums alone.

    Parameters
    ----------
    left : float
        Units left in all.
    oldest, newer : float
        Units before demand that expire this evening, and all others.
    lifo : bool
        As for `issue`.

    Examples
    --------
    >>> expiring(2.0, 3.0, 4.0, False), expiring(2.0, 3.0, 4.0, True)
    (0.0, 2.0)
    """
    if lifo:
        return min(oldest, left)
    return max(0.0, left - newer)


@compiled
def waste_ahead(
    ages: Floats, pipeline: Floats, demand: float, shelf_life: int, days: int, lifo: bool
) -> float:
    """Return the waste of the next `days` days if each has a demand of exactly `demand` [units].

    Outstanding orders arrive, and no new ones are placed.

    Parameters
    ----------
    ages, pipeline : ndarray
        Stock by age and what arrives on the mornings to come, next one first [units].
    demand : float
        Demand of each day, such as its mean [units/day].
    shelf_life, days : int
        Shelf life of a unit, and days to look ahead.
    lifo : bool
        As for `issue`.

    References
    ----------
    Broekmeulen and van Donselaar (2009), A heuristic to manage perishable inventory with batch
    ordering, positive lead-times, and time-varying demand, Computers & Operations Research 36(11).
    """
    stock, wasted = ages.copy(), 0.0
    for j in range(days):
        issue(stock, demand, lifo)
        wasted += expire(stock)
        if j < pipeline.size:
            stock[shelf_life - 1] += pipeline[j]
    return wasted


@compiled
def expected_waste(
    lanes: Any,
    lane_of: NDArray[np.int64],
    ages: Floats,
    pipelines: Floats,
    gaps: NDArray[np.int64],
    demand: Floats,
) -> Floats:
    """Return every store's expected waste before an order of today can be sold.

    With lead time L and r days to the next day of review these are the L + r - 1 days that begin
    today: what expires then is part of the inventory position, but serves no demand on the days
    that the order is to cover.

    Parameters
    ----------
    lanes, lane_of : ndarray
        Records `envs.supply_chain.dynamics.LANE`, a row per SKU, and each world's row,
        shape (worlds,).
    ages, pipelines : ndarray
        Shape (worlds, N, slots) [units].
    gaps : ndarray
        Days to the next day of review, shape (worlds,).
    demand : ndarray
        Mean demand of a day, shape (worlds, N) [units/day].

    Returns
    -------
    ndarray
        Shape (worlds, N) [units]; 0 for goods that do not perish.
    """
    waste = np.zeros(demand.shape)
    for w in range(demand.shape[0]):
        c = lanes[lane_of[w], 0]
        if c.shelf_life == 0:
            continue
        days = c.store_lead_time + gaps[w] - 1
        for i in range(demand.shape[1]):
            under_way = pipelines[w, i, : max(c.store_lead_time, 1)]
            waste[w, i] = waste_ahead(
                ages[w, i], under_way, demand[w, i], c.shelf_life, days, c.lifo
            )
    return waste


def shelf_entries(ages: Floats, waste: Floats, mean: Floats) -> Floats:
    """Return stock by age as stores observe it, divided by their own mean demand.

    Parameters
    ----------
    ages, waste, mean : ndarray
        Stock by age, shape (worlds, N, slots); expected waste and mean demand, shape (worlds, N).

    Returns
    -------
    ndarray
        Shape (slots + 1, worlds, N): the slots, oldest first, and the expected waste.
    """
    entries = np.stack([*np.moveaxis(ages, -1, 0), waste])
    return np.asarray(entries / np.where(mean > 0.0, mean, 1.0))


@compiled
def evenly_aged(lanes: Any, lane_of: NDArray[np.int64], on_hand: Floats, slots: int) -> Floats:
    """Return stock of unknown age, spread evenly over all ages.

    A whole number of units is spread in whole units, the remainder going to the freshest.

    Parameters
    ----------
    lanes, lane_of : ndarray
        As for `expected_waste`.
    on_hand : ndarray
        Shape (worlds, N) [units].
    slots : int
        Longest shelf life of all lanes [days].

    Returns
    -------
    ndarray
        Shape (worlds, N, slots) [units]; all 0 for goods that do not perish.
    """
    ages = np.zeros((*on_hand.shape, slots))
    for w in range(on_hand.shape[0]):
        life = lanes[lane_of[w], 0].shelf_life
        for i in range(on_hand.shape[1]):
            rest, whole = on_hand[w, i], on_hand[w, i] == np.floor(on_hand[w, i])
            for k in range(life):
                share = rest / (life - k)
                ages[w, i, k] = np.floor(share) if whole else share
                rest -= ages[w, i, k]
    return ages
