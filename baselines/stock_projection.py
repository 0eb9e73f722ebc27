"""Stock of the coming days in likely futures, if nothing is ordered after today.

Demand is that of `demand.likely_demand`; stock follows the events of the law of motion
(`envs.supply_chain.events`), by age if goods are perishable. Unmet demand is lost.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled
from demand.likely_demand import likely_demand
from envs.supply_chain.events import expire, issue, meet_demand, waste_ahead

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StockRows:
    """Stock of this morning in rows, each a store and SKU.

    Attributes
    ----------
    on_hand : ndarray
        Stock on hand, shape (rows,) [units].
    ages : ndarray
        Its perishable part by age, oldest first, shape (rows, longest shelf life) [units].
    lives : ndarray
        Shelf life, 0 for non-perishable goods, shape (rows,) [days].
    lifo : ndarray
        Whether the newest units are sold first, shape (rows,).
    due : ndarray
        Arrivals in 1, 2 ... mornings, shape (rows, lead time) [units].
    """

    on_hand: Floats
    ages: Floats
    lives: NDArray[np.int64]
    lifo: NDArray[np.bool_]
    due: Floats

    def row(self, row: int) -> "StockRows":
        """Return the same of one row."""
        one = slice(row, row + 1)
        return StockRows(
            self.on_hand[one], self.ages[one], self.lives[one], self.lifo[one], self.due[one]
        )


class PastDemand(NamedTuple):
    """Demand of training days, from which futures are made (`demand.likely_demand`).

    Attributes
    ----------
    training : ndarray
        Shape (T, rows) [units/day].
    effects : ndarray
        Factors on it by what is known ahead, shape (T, rows), or (T, 1) if the same for all.
    weekdays : ndarray
        Factors of the weekdays, Monday first, shape (7, rows).
    sale, every : ndarray
        A usual sale [units], and the usual time until the next [days], shape (rows,).
    first : int
        Ordinal of the first training day.
    """

    training: Floats
    effects: Floats
    weekdays: Floats
    sale: Floats
    every: Floats
    first: int


@compiled
def stock_after_days(
    ages: Floats, lifo: bool, arriving: Floats, demand: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the stock after each day, unmet demand being lost.

    Parameters
    ----------
    ages : ndarray
        Stock by age, a slot for every day of shelf life, no slot for non-perishable goods [units].
    lifo : bool
        As for `envs.supply_chain.events.issue`.
    arriving : ndarray
        Fresh arrivals on the morning of each day, shape (days,); for non-perishable goods the first
        one includes the stock on hand [units].
    demand : ndarray
        Shape (days, futures) [units/day].

    Returns
    -------
    left : ndarray
        Shape (days, futures) [units].
    short : ndarray
        Whether demand was not met in full.
    """
    count, futures = demand.shape
    left, short = np.empty((count, futures)), np.zeros((count, futures), np.bool_)
    for f in range(futures):
        stock, shelf = 0.0, ages.copy()
        for j in range(count):
            if ages.size:
                shelf[-1] += arriving[j]
                short[j, f] = issue(shelf, demand[j, f], lifo) > 0.0
                expire(shelf)
                left[j, f] = shelf.sum()
                continue
            sold, stock = meet_demand(stock + arriving[j], demand[j, f])
            short[j, f] = sold < demand[j, f]
            left[j, f] = stock
    return left, short


@compiled
def _likely_demand(expected: Floats, past: PastDemand, row: int) -> Floats:
    found: Floats = likely_demand(
        expected,
        past.training[:, row].copy(),
        past.effects[:, row if past.effects.shape[1] > 1 else 0].copy(),
        past.weekdays[:, row].copy(),
        past.first,
        past.sale[row],
        past.every[row],
    )
    return found


@compiled
def _stockout_chances(
    expected: Floats,
    past: PastDemand,
    stock: tuple[Floats, Floats, NDArray[np.int64], NDArray[np.bool_], Floats],
    orders: Floats,
    gaps: NDArray[np.int64],
) -> Floats:
    on_hand, ages, lives, lifo, due = stock
    rows, lead_time = due.shape
    chances = np.zeros((rows, 2))
    for r in range(rows):
        count = lead_time + gaps[r]
        demand = _likely_demand(expected[:count, r].copy(), past, r)
        arriving = np.zeros(count + 1)
        arriving[0] = 0.0 if lives[r] else on_hand[r]
        arriving[1 : lead_time + 1] = due[r]
        arriving[lead_time] += orders[r]
        short = stock_after_days(ages[r, : lives[r]].copy(), lifo[r], arriving, demand)[1]
        futures = demand.shape[1]
        for f in range(futures):
            chances[r, 0] += short[:lead_time, f].any()
            chances[r, 1] += short[lead_time:, f].any()
        chances[r] /= max(futures, 1)
    return chances


def stockout_chances(
    expected: Floats, past: PastDemand, stock: StockRows, orders: Floats, gaps: NDArray[np.int64]
) -> Floats:
    """Return the shares of likely futures in which stores run out.

    Parameters
    ----------
    expected : ndarray
        Expected demand of today and the days after it, shape (days, rows) [units/day].
    past : PastDemand
        Past demand of the rows.
    stock : StockRows
        Stock of this morning.
    orders : ndarray
        Today's orders, shape (rows,) [units].
    gaps : ndarray
        Days to the next day of review, shape (rows,).

    Returns
    -------
    ndarray
        Probability of a stockout before today's order can arrive, and from then until the next one
        can; shape (rows, 2).
    """
    parts = (stock.on_hand, stock.ages, stock.lives, stock.lifo, stock.due)
    chances: Floats = _stockout_chances(expected, past, parts, orders, gaps)
    return chances


def projected_stock(expected: Floats, past: PastDemand, stock: StockRows, order: float) -> Floats:
    """Return the stock of one row after each of the coming days in likely futures.

    Parameters
    ----------
    expected : ndarray
        Expected demand of today and the days after it, shape (days,) [units/day].
    past, stock : PastDemand, StockRows
        Past demand and stock of the one row.
    order : float
        Today's order [units].

    Returns
    -------
    ndarray
        Shape (days, futures) [units].
    """
    days, lead_time = expected.size, stock.due.shape[1]
    life = int(stock.lives[0])
    arriving = np.zeros(max(days, lead_time + 1))
    arriving[0] = 0.0 if life else stock.on_hand[0]
    arriving[1 : lead_time + 1] = stock.due[0]
    arriving[lead_time] += order
    demand = _likely_demand(expected, past, 0)
    ages = stock.ages[0, :life].copy()
    left: Floats = stock_after_days(ages, stock.lifo[0], arriving[:days], demand)[0]
    return left


def days_of_cover(stock: StockRows, orders: Floats, daily: Floats) -> list[float | None]:
    """Return how many days of mean demand stock and orders cover, if nothing more is ordered.

    Units that expire if every day has its mean demand are left out.

    Parameters
    ----------
    stock : StockRows
        Stock of this morning.
    orders, daily : ndarray
        Today's orders [units] and mean demand [units/day], shape (rows,).

    Returns
    -------
    list
        Days of cover, None where there is no demand.
    """
    lead_time, sells = stock.due.shape[1], daily > 0.0
    sold = stock.on_hand + stock.due.sum(axis=1) + orders
    for r in np.flatnonzero(sells & (stock.lives > 0)).tolist():
        life, under_way = int(stock.lives[r]), np.append(stock.due[r], 0.0)
        ages = stock.ages[r, :life].copy()
        under_way[max(lead_time - 1, 0)] += orders[r] if lead_time else 0.0
        ages[-1] += 0.0 if lead_time else orders[r]
        sold[r] -= waste_ahead(ages, under_way, daily[r], life, lead_time + life, stock.lifo[r])
    covers = (sold / np.where(sells, daily, 1.0)).tolist()
    return [cover if some else None for cover, some in zip(covers, sells.tolist(), strict=True)]
