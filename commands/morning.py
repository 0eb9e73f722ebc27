"""The morning that is decided on: what is known, and worlds that hold the present state."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from baselines.stock_projection import (
    PastDemand,
    StockRows,
    days_of_cover,
    projected_stock,
    stockout_chances,
)
from commands.known_days import (
    history_of,
    known_days,
    last_sales,
    look_ahead,
    read_later,
    recent_days,
    silent_stores,
    until_morning,
)
from commands.stock_state import Places, StockState
from common.console import screen
from common.errors import short
from demand.dates import Periods
from demand.forecasts.smoothing import Smoothing, undiscounted
from demand.known_ahead.covariates import Covariates
from demand.known_demand import KNOWN_DAYS, KnownDemand
from demand.likely_demand import level_of
from demand.sheet import Sheet
from demand.table import DemandTable
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters

Floats = NDArray[np.float64]
QUIET_WEEK = 0.5
"""What is on offer is a multiple of at least this share of the mean of `KNOWN_DAYS` days."""


@dataclass(frozen=True)
class Today:
    """What is known on the day that is decided on.

    Attributes
    ----------
    now : StockState
        The state.
    day : date
        The day.
    recent : ndarray
        Demand of the days before, the latest last, shape (rows, `KNOWN_DAYS`) [units/day].
    due : ndarray
        What arrives in 1, 2 ... mornings, shape (rows, lead time) [units].
    ages : ndarray or None
        Stock by age, oldest first, shape (rows, longest shelf life); None if that is not known.
    known_ahead : Covariates or None
        What is known of the coming days, where that counts, and of those of `recent`.
    given : int
        Days of `recent` that are known: the last week stands for those before.
    last_sales : mapping
        The last sale of each row that sells no more, as far as can be told.
    """

    now: StockState
    day: dt.date
    recent: Floats
    due: Floats
    ages: Floats | None
    known_ahead: Covariates | None
    given: int = KNOWN_DAYS
    last_sales: Mapping[int, dt.date] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        parameters: SupplyChainParameters,
        now: StockState,
        *,
        history: Path | DemandTable | None = None,
        calendar: Path | Sheet | None = None,
        date: dt.date | None = None,
        today: dt.date | None = None,
    ) -> "Today":
        """Return what is known besides a state; `history` to `date` as `commands.decide` has them.

        `history` may also be the demand itself, of the same periods.
        `today` is the present day, of which a state without a date is; by default the clock's.

        Raises
        ------
        InputError
            If recent demand is missing or older than the state, or by other periods than the run's,
            something is due too late, stock by age does not add up, or something that counts is not
            known of the coming days, or of the recent ones.
        """
        known = history_of(parameters)
        later = read_later(known, history) if isinstance(history, Path) else history
        filled = ""
        if later is not None or now.recent is None:
            end = date or now.day
            table, filled = until_morning(later or known.table, end, known.source.fill)
            later = table if filled else later
        recent, day, note = recent_days(now, known, later, date, today or dt.date.today())
        given = now.given if later is None and now.recent is not None else KNOWN_DAYS
        due = now.due(day, parameters.lanes()[0].store.lead_time, known.table.periods)
        ahead = known_days(parameters, day, given, later, calendar)
        ages = _ages(parameters, now)
        notes = [filled or note]
        if later is not None or now.recent is None:
            stores = set(now.places[:, 1].tolist())
            notes.append(silent_stores(known, later or known.table, day, stores))
        for note in filter(None, notes):
            screen.print(note, soft_wrap=True)
        quiet = np.logical_not(recent[:, KNOWN_DAYS - given :].any(axis=1))
        last = last_sales(known, now, day, quiet, given, later, ahead)
        return cls(now, day, recent, due, ages, ahead, given, last)

    def part(self, rows: NDArray[np.intp]) -> "Today":
        """Return what is known of some of the rows."""
        return replace(
            self,
            now=self.now.part(rows),
            recent=self.recent[rows],
            due=self.due[rows],
            ages=None if self.ages is None else self.ages[rows],
            last_sales={
                place: self.last_sales[row]
                for place, row in enumerate(rows.tolist())
                if row in self.last_sales
            },
        )


@dataclass(frozen=True)
class Morning:
    """What is known today, and the worlds that hold the state.

    Attributes
    ----------
    today : Today
        What is known.
    batch : SupplyChainBatch
        Worlds in this state, one per SKU.
    places : ndarray
        World and store of every row of the state, shape (rows, 2).
    """

    today: Today
    batch: SupplyChainBatch
    places: Places

    @classmethod
    def of(
        cls, parameters: SupplyChainParameters, today: Today, *, observe_step: bool = False
    ) -> "Morning":
        """Return the morning of what is known."""
        skus, world = np.unique(today.now.places[:, 0], return_inverse=True)
        batch = SupplyChainBatch(
            parameters, len(skus), split="evaluation", observe_step=observe_step
        )
        places = np.stack([world.reshape(-1), today.now.places[:, 1]], axis=1)
        _fill(batch, skus, today, places)
        if today.known_ahead is not None:
            batch.past = look_ahead(
                batch, today.day, today.known_ahead, today.recent, today.given, places
            )
        return cls(today, batch, places)

    @property
    def now(self) -> StockState:
        """The state."""
        return self.today.now

    @property
    def day(self) -> dt.date:
        """The day that is decided on."""
        return self.today.day

    @property
    def recent(self) -> Floats:
        """Demand of the days before, shape (rows, `KNOWN_DAYS`) [units/day]."""
        return self.today.recent

    @property
    def due(self) -> Floats:
        """What arrives in 1, 2 ... mornings, shape (rows, lead time) [units]."""
        return self.today.due

    @property
    def periods(self) -> Periods:
        """The periods of the demand file: what is said of days is of these."""
        return history_of(self.batch.parameters).table.periods

    def expected(self, days: int) -> Floats:
        """Return the demand expected from today on, shape (days, rows) [units/day].

        What is known ahead counts, as for orders; days of which nothing is known are as usual.
        """
        (sku, store), world = self.now.places.T, self.places[:, 0]
        skus = np.unique(sku)
        fitted = self._usual.fit(_past(self.batch), 0, skus)
        sums = [fitted.coming(np.full(skus.size, n))[world, store] for n in range(days + 1)]
        base = fitted.base[world, store]
        sale, every = (values[sku, store] for values in history_of(self.batch.parameters).sales)
        level = level_of(fitted.level[world, store] * base, base, sale, every)
        return np.asarray(level * np.diff(sums, axis=0))

    @cached_property
    def stock(self) -> StockRows:
        """What every row of the state has, by age where goods perish."""
        world, store = self.places.T
        own = [lane.store for lane in self.batch.parameters.lanes()]
        lifo = np.array([one.issuing == "lifo" for one in own])
        return StockRows(
            np.ascontiguousarray(self.now.on_hand, np.float64),
            np.ascontiguousarray(self.batch.ages[world, store]),
            _shelf_lives(self.batch.parameters)[self.now.places[:, 0]],
            lifo[self.now.places[:, 0]],
            self.due,
        )

    def stockout_chances(self, orders: Floats, gaps: NDArray[np.int64]) -> Floats:
        """Return each row's chances to run out, shape (rows, 2).

        Parameters
        ----------
        orders : ndarray
            Today's, shape (rows,) [units].
        gaps : ndarray
            Days to the next day of review, shape (rows,).
        """
        days = self.due.shape[1] + int(gaps.max())
        return stockout_chances(self.expected(days), self._history(), self.stock, orders, gaps)

    @property
    def _usual(self) -> Smoothing:
        """The weekdays of the series, and their level."""
        informed = _past(self.batch).effects is not None
        return undiscounted(history_of(self.batch.parameters), informed=informed)

    def days_of_cover(self, orders: Floats, daily: Floats) -> list[float | None]:
        """Return how many days each row's stock and orders last, less what expires before.

        Parameters
        ----------
        orders, daily : ndarray
            Today's orders [units] and mean demand [units/day], shape (rows,).
        """
        found = days_of_cover(self.stock, orders, daily)
        return [None if days is None else round(days, 1) for days in found]

    def projected_stock(self, row: int, order: float, days: int) -> Floats:
        """Return the stock of a row after each of the coming days in likely futures.

        Parameters
        ----------
        row : int
            Of the state.
        order : float
            Today's, and the last [units].
        days : int
            At most `KNOWN_DAYS`.

        Returns
        -------
        ndarray
            Shape (days, futures) [units].
        """
        expected = self.expected(days)[:, row].copy()
        return projected_stock(expected, self._history(row), self.stock.row(row), order)

    def _history(self, row: int | None = None) -> PastDemand:
        """Return demand of the training days of all rows, or of one."""
        known = history_of(self.batch.parameters)
        rows = slice(None) if row is None else slice(row, row + 1)
        sku, store = self.now.places[rows].T
        training, effects = np.ascontiguousarray(known.training[:, sku, store]), known.effects
        if effects is None:
            own = np.ones((len(training), 1))
        else:
            own = np.ascontiguousarray(effects[: len(training), sku, store])
        weekdays = np.ascontiguousarray(self._usual.factors[sku, :, store].T)
        sale, every = (values[sku, store] for values in known.sales)
        return PastDemand(training, own, weekdays, sale, every, known.table.first_day.toordinal())


def _past(batch: SupplyChainBatch) -> KnownDemand:
    if batch.past is None:
        raise TypeError("a batch without demand of a file")
    return batch.past


def _fill(batch: SupplyChainBatch, skus: NDArray[np.intp], today: Today, places: Places) -> None:
    """Put worlds into the present state, one per SKU.

    Stores that the state leaves out have an empty shop and their mean demand.
    """
    p, (world, store) = batch.parameters, places.T
    shape = (len(skus), KNOWN_DAYS, p.num_stores)
    before = np.broadcast_to(p.mean_demand()[skus][:, None], shape).copy()
    before[world, :, store] = today.recent
    batch.reset(
        {
            "demand": np.zeros((len(skus), p.horizon, p.num_stores)),
            "supplier_ok": np.ones((len(skus), p.horizon), np.bool_),
            "sku": skus,
            "past": before,
            "start": np.full(len(skus), history_of(p).table.periods.ordinal(today.day)),
        }
    )
    offered = batch.sites["forecast"]
    batch.sites["forecast"] = np.maximum(offered, QUIET_WEEK * _past(batch).level)
    batch.sites["on_hand"] = 0.0
    batch.sites["on_hand"][world, store] = today.now.on_hand
    batch.pipelines[world, store, : today.due.shape[1]] = today.due
    batch.age_evenly()
    if today.ages is not None:
        batch.ages[world, store, : today.ages.shape[1]] = today.ages


def _shelf_lives(p: SupplyChainParameters) -> NDArray[np.int64]:
    """Return how long each SKU's goods keep [days], 0 if they do not perish."""
    return np.array([lane.store.shelf_life or 0 for lane in p.lanes()], np.int64)


def _ages(p: SupplyChainParameters, now: StockState) -> Floats | None:
    """Return stock by age; where the state does not tell it, it is taken evenly, and we say so."""
    table, lives = history_of(p).table, _shelf_lives(p)[now.places[:, 0]]

    def label(row: int) -> str:
        sku, store = now.places[row]
        return f"the state, store {short(table.stores[store])}, sku {short(table.skus[sku])}"

    ages = now.by_age(lives, label)
    if ages is None and lives.any():
        note = "the state has no expires_1 ...: stock is taken to be of all ages alike"
        screen.print(note, soft_wrap=True)
    return ages
