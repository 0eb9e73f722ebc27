"""The morning that is decided on: what is known, and worlds that hold the present state."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from baselines.stock_projection import (
    StockRows,
    days_of_cover,
    projected_stock,
    stockout_chances,
)
from commands.stock_state import Places, StockState
from common.console import screen
from common.errors import InputError, choose, short
from demand.calendar import weekday_of
from demand.dates import Periods
from demand.history import StoreHistory
from demand.known_ahead.calendars import read_calendar
from demand.known_ahead.covariates import Covariates
from demand.known_demand import KNOWN_DAYS, KnownDemand
from demand.quality.censored import with_estimates
from demand.reader import read_demand
from demand.sheet import Sheet
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
        What is known of the coming days, where that counts.
    """

    now: StockState
    day: dt.date
    recent: Floats
    due: Floats
    ages: Floats | None
    known_ahead: Covariates | None

    @classmethod
    def of(
        cls,
        parameters: SupplyChainParameters,
        now: StockState,
        *,
        history: Path | None = None,
        calendar: Path | Sheet | None = None,
        date: dt.date | None = None,
    ) -> "Today":
        """Return what is known besides a state; `history` to `date` as `commands.decide` has them.

        Raises
        ------
        InputError
            If recent demand is missing or older than the state, something is due too late, stock
            by age does not add up, or something that counts is not known of the coming days.
        """
        known = _history_of(parameters)
        recent, day = _recent(now, known, history, date)
        due = now.due(day, parameters.lanes()[0].store.lead_time, known.table.periods)
        ahead = _known_ahead(parameters, day, history, calendar)
        return cls(now, day, recent, due, _ages(parameters, now), ahead)

    def part(self, rows: NDArray[np.intp]) -> "Today":
        """Return what is known of some of the rows."""
        return replace(
            self,
            now=self.now.part(rows),
            recent=self.recent[rows],
            due=self.due[rows],
            ages=None if self.ages is None else self.ages[rows],
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
            _look_ahead(batch, today)
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
        return _history_of(self.batch.parameters).table.periods

    def expected(self, days: int) -> Floats:
        """Return the demand expected from today on, shape (days, rows) [units/day]."""
        world, store = self.places.T
        daily: Floats = _past(self.batch).same_weekday(0, days)[:, world, store]
        return daily

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
        training, mean = self._history()
        expected, cycle = self.expected(days), self.periods.cycle
        return stockout_chances(expected, training, mean, self.stock, orders, gaps, cycle)

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
        training, mean = self._history(row)
        expected, stock = self.expected(days)[:, row].copy(), self.stock.row(row)
        demand = training[:, 0].copy()
        return projected_stock(expected, demand, float(mean[0]), stock, order, self.periods.cycle)

    def _history(self, row: int | None = None) -> tuple[Floats, Floats]:
        """Return demand of the training days, shape (days, rows), and its mean, shape (rows,)."""
        known = _history_of(self.batch.parameters)
        rows = slice(None) if row is None else slice(row, row + 1)
        sku, store = self.now.places[rows].T
        return np.ascontiguousarray(known.training[:, sku, store]), known.mean[sku, store]


def _ordinal(batch: SupplyChainBatch, day: dt.date) -> int:
    """Return the ordinal of the period that begins on a day, or next after it."""
    history = batch.parameters.history
    return day.toordinal() if history is None else history.table.periods.ordinal(day)


def _past(batch: SupplyChainBatch) -> KnownDemand:
    if batch.past is None:
        raise TypeError("a batch without demand of a file")
    return batch.past


def _recent(
    now: StockState, known: StoreHistory, file: Path | None, date: dt.date | None
) -> tuple[Floats, dt.date]:
    """Return the demand known, shape (rows, `KNOWN_DAYS`), and the day that is decided on."""
    if now.recent is not None and file is None:
        return now.recent, date or now.day or dt.date.today()
    table = known.table
    if file is not None:
        table = read_demand(known.source.model_copy(update={"file": file}))
        table = with_estimates(table, table.days)
    day = date or table.date(table.days)
    if date is None and (
        now.day not in (None, day) or (now.written is not None and now.written < table.last_day)
    ):
        raise InputError(
            f"the state is of {now.day or now.written}, and {table.name} has demand up to "
            f"{table.last_day}; give the state of the morning after, or say --date"
        )
    end = table.periods.number(day)
    if not KNOWN_DAYS <= end <= table.days:
        raise InputError(
            f"{table.name}: {KNOWN_DAYS} {table.period}s before {day} are needed, and it has "
            f"{table.first_day} to {table.last_day}; name a file with --history, or give d1 to d7 "
            "in the state"
        )
    last = table.demand[end - KNOWN_DAYS : end]
    skus, stores = now.places.T
    at_stores = _columns(f"store in {table.name}", stores, known.table.stores, table.stores)
    at_skus = _columns(f"SKU in {table.name}", skus, known.table.skus, table.skus)
    return np.ascontiguousarray(last[:, at_skus, at_stores].T), day


def _columns(
    name: str, rows: NDArray[np.intp], ours: Sequence[str], theirs: Sequence[str]
) -> NDArray[np.intp]:
    """Return where a demand file has what each row is about, by its place among our names."""
    places = {word: place for place, word in enumerate(theirs)}
    at = np.array([places.get(word, -1) for word in ours], np.intp)[rows]
    for row in np.flatnonzero(at < 0)[:1].tolist():
        choose(name, ours[rows[row]], theirs)
    return at


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
            "start": np.full(len(skus), _ordinal(batch, today.day)),
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


def _known_ahead(
    p: SupplyChainParameters, day: dt.date, file: Path | None, calendar: Path | Sheet | None
) -> Covariates | None:
    """Return what is known of the days that orders of `day` are for, where that counts.

    Raises
    ------
    InputError
        If something that counts is not known of one of them.
    """
    history = _history_of(p)
    if history.levels is None or history.covariates is None:
        if calendar is not None:
            name = calendar.name if isinstance(calendar, Sheet) else f"--calendar {calendar}"
            raise InputError(
                f"{name}: nothing was known ahead when this run was made; make it "
                "again with --calendar"
            )
        return None
    known, table, source = history.covariates, history.table, history.source
    if file is not None:
        later = read_demand(source.model_copy(update={"file": file})).covariates
        known = known if later is None else known.joined(later)
    if calendar is not None:
        coming = read_calendar(calendar, table.stores, table.skus, source.date_format)
        coming = coming.by_period(table.periods)
        today = dt.date.fromordinal(table.periods.ordinal(day))
        known = known.before(today, coming.names).joined(coming)
    weekday = weekday_of(np.array([table.periods.ordinal(day)]), 0)[0]
    gap = max(lane.store.review_gaps[weekday] for lane in p.lanes())
    history.levels.check_known(known, day, p.longest_lead_time + gap, table.periods)
    return known


def _look_ahead(batch: SupplyChainBatch, today: Today) -> None:
    """Put in what is known of the days that today's orders are for."""
    p = batch.parameters
    start = np.full(batch.num_worlds, _ordinal(batch, today.day))
    ahead = p.longest_lead_time + max(p.longest_review_gap, p.longest_shelf_life)
    batch.past = _history_of(p).known_demand(
        _past(batch).demand, start, batch.lane_of, ahead, today.known_ahead
    )


def _shelf_lives(p: SupplyChainParameters) -> NDArray[np.int64]:
    """Return how long each SKU's goods keep [days], 0 if they do not perish."""
    return np.array([lane.store.shelf_life or 0 for lane in p.lanes()], np.int64)


def _ages(p: SupplyChainParameters, now: StockState) -> Floats | None:
    """Return stock by age; where the state does not tell it, it is taken evenly, and we say so."""
    table, lives = _history_of(p).table, _shelf_lives(p)[now.places[:, 0]]

    def label(row: int) -> str:
        sku, store = now.places[row]
        return f"the state, store {short(table.stores[store])}, sku {short(table.skus[sku])}"

    ages = now.by_age(lives, label)
    if ages is None and lives.any():
        note = "the state has no expires_1 ...: stock is taken to be of all ages alike"
        screen.print(note, soft_wrap=True)
    return ages


def _history_of(p: SupplyChainParameters) -> StoreHistory:
    if p.history is None:
        raise TypeError("parameters without demand of a file")
    return p.history
