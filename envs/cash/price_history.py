"""Days of a file for the cash problem: demand of one store, and prices if the file has them."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from common.errors import InputError
from common.random_streams import Split
from demand.calendar import period_days
from demand.reader import DemandSource, read_demand
from demand.table import DemandTable
from envs.batch import Trace
from envs.cash.dynamics import MIN_PRICE

Floats = NDArray[np.float64]
PRICES = "raw_price", "product_price"


class DemandFile(DemandSource):
    """Dated demand of one store in a file; see `demand.reader.DemandSource`.

    Episodes are windows of consecutive days. Training draws its windows before `validation`,
    the best model is selected between `validation` and `split`, and evaluation sees the days
    from `split` on; no day is in two periods. If the file has prices too, in the columns
    `raw_price` and `product_price`, each day comes with its own.
    """

    column: str = Field(description="the store: a column of a wide file")
    raw_price: str | None = Field(None, description="column of the price of a raw unit")
    product_price: str | None = Field(None, description="column of the price of a product")

    @model_validator(mode="after")
    def _both_prices(self) -> "DemandFile":
        if (self.raw_price is None) != (self.product_price is None):
            raise ValueError("raw_price and product_price need one another; name both columns")
        if self.has_prices and self.repeated:
            raise ValueError("repeated = sum: prices are not added up; give one row a day")
        return self

    @property
    def has_prices(self) -> bool:
        """Whether prices come from the file."""
        return self.raw_price is not None

    @property
    def columns_are(self) -> str:
        """What messages call a column of the file."""
        return "column"

    def reading(self) -> DemandSource:
        """Return the source restricted to the columns that are needed."""
        columns = tuple(x for x in (self.column, self.raw_price, self.product_price) if x)
        wide = {"layout": "wide"} if self.has_prices else {}  # a price may be called "product"
        return self.model_copy(update={"stores": columns, **wide})


@dataclass(frozen=True)
class HistoricalDemand:
    """Windows of consecutive days, each start day equally likely.

    Attributes
    ----------
    first_day : date
        The first day.
    demand : ndarray
        Shape (days,) [units/day].
    prices : ndarray or None
        Prices of a raw unit and of a product, shape (days, 2) [money/unit].
    """

    first_day: dt.date
    demand: Floats
    prices: Floats | None = None

    def draw(
        self, rng: np.random.Generator, episodes: int, days: int, out: Floats | None = None
    ) -> Floats:
        """Return demand of shape (episodes, days), in `out` if given."""
        drawn = self.windows(days)[self._starts(rng, episodes, days)]
        if out is None:
            return drawn
        out[:] = drawn
        return out

    def draw_trace(self, rng: np.random.Generator, episodes: int, steps: int) -> Trace:
        """Return windows of demand and prices as a trace of the cash problem.

        Returns
        -------
        dict
            As of `envs.cash.trace.draw_trace`.
        """
        return self._trace(self._starts(rng, episodes, steps + 1), steps)

    def every_trace(self, steps: int) -> Trace:
        """Return every window of demand and prices once, in order of its start."""
        return self._trace(np.arange(len(self.windows(steps + 1))), steps)

    def _trace(self, starts: NDArray[np.int64], steps: int) -> Trace:
        """Return windows; a step observes the last day's demand and the prices that it sells at."""
        if self.prices is None:
            raise ValueError("the file has no prices")
        today = starts[:, None] + np.arange(1, steps + 1)
        prices = self.prices[today]
        changes = np.zeros((2, starts.size, steps))  # after the last day nothing is sold
        changes[:, :, :-1] = np.moveaxis(np.diff(prices, axis=1), 2, 0)
        return {
            "demand": self.windows(steps + 1)[starts],
            **{name: prices[:, 0, i].copy() for i, name in enumerate(PRICES)},
            **{f"{name}_change": changes[i] for i, name in enumerate(PRICES)},
        }

    def windows(self, days: int) -> Floats:
        """Return every window, shape (number of start days, days), in order of its start."""
        if self.demand.size < days:
            raise InputError(
                f"the period from {self.first_day} has {self.demand.size} days, an episode needs "
                f"{days}; shorten max_steps or move the split dates"
            )
        return np.lib.stride_tricks.sliding_window_view(self.demand, days)

    def _starts(self, rng: np.random.Generator, episodes: int, days: int) -> NDArray[np.int64]:
        return rng.integers(0, len(self.windows(days)), episodes)


def demand_period(source: DemandFile, split: Split) -> HistoricalDemand:
    """Return the days of `source` that may be used for `split` (tuning uses training days).

    Raises
    ------
    InputError
        If the file holds several SKUs, or a price below the least.
    """
    table = read_demand(source.reading())
    if len(table.skus) > 1:
        raise InputError(f"{table.name}: holds {len(table.skus):,} SKUs; keep the rows of one")
    if table.period != "day":
        raise InputError(
            f"{table.name}: its dates are {table.period}s apart, and the cash problem is by day; "
            "export it by day"
        )
    prices = _prices(table) if source.has_prices else None
    days = period_days(table, source, split)
    first_day = table.first_day + dt.timedelta(days=days.start)
    period = slice(days.start, days.stop)
    of_period = None if prices is None else prices[period]
    return HistoricalDemand(first_day, table.demand[period, 0, 0], of_period)


def _prices(table: DemandTable) -> Floats:
    prices = table.demand[:, 0, 1:]
    low = np.argwhere(prices < MIN_PRICE)
    if low.size:
        day, which = low[0]
        date = table.first_day + dt.timedelta(days=int(day))
        raise InputError(
            f"{table.name}: {table.stores[1 + which]} is {prices[day, which]:g} on {date}; prices "
            f"must be at least {MIN_PRICE}; correct it, or leave it empty with --fill interpolate"
        )
    return prices


def market_defaults(source: DemandFile, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return defaults for prices from a file, set by its training days; nothing for other sources.

    Lots for half a day's, a day's and two days' mean demand, cash for ten days of raw material,
    episodes of four weeks, and profit in money.
    """
    history = demand_period(source, "training")
    if history.prices is None:
        return {}
    per_product = given.get("raw_per_product", 2)
    if not isinstance(per_product, int) or not 1 <= per_product <= 1000:
        return {}  # validation refuses it in a moment
    mean = float(history.demand.mean())
    lot = max(1, round(float(f"{mean / 2:.1g}")))
    makes = [lot, 2 * lot, 4 * lot]
    cash = 10.0 * per_product * mean * float(history.prices[:, 0].mean())
    return {
        "objective": "profit",
        "max_steps": 28,
        "convert_lots": makes,
        "buy_lots": [per_product * make for make in makes],
        "initial_cash": max(float(f"{cash:.2g}"), 1.0),
    }
