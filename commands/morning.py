"""The morning that is decided on: worlds that hold the present state, and what led to it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
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
from commands.stock_state import StockState
from common.console import screen
from common.errors import InputError, choose, short
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
class Morning:
    """A state, and the worlds that hold it.

    Attributes
    ----------
    now : StockState
        The state.
    due : ndarray
        What arrives in 1, 2 ... mornings, shape (rows, lead time) [units].
    recent : ndarray
        Demand of the days before, the latest last, shape (rows, `KNOWN_DAYS`) [units/day].
    day : date
        The day that is decided on.
    batch : SupplyChainBatch
        Worlds in this state, one per SKU.
    places : list of tuple
        World and store of every row of the state.
    known_ahead : Covariates or None
        What is known of the coming days, where that counts.
    """

    now: StockState
    due: Floats
    recent: Floats
    day: dt.date
    batch: SupplyChainBatch
    places: list[tuple[int, int]]
    known_ahead: Covariates | None = None

    @classmethod
    def of(
        cls,
        parameters: SupplyChainParameters,
        now: StockState,
        *,
        observe_step: bool = False,
        history: Path | None = None,
        calendar: Path | Sheet | None = None,
        date: dt.date | None = None,
    ) -> "Morning":
        """Return the morning of a state; `history` to `date` are as `commands.decide` has them.

        Raises
        ------
        InputError
            If recent demand is missing or older than the state, something is due too late, or
            something that counts is not known of the coming days.
        """
        if parameters.history is None:
            raise TypeError("parameters without demand of a file")
        recent, day = _recent(now, parameters.history, history, date)
        periods = parameters.history.table.periods
        due = now.due(day, parameters.lanes()[0].store.lead_time, periods)
        skus = sorted({sku for sku, _ in now.places})
        batch = SupplyChainBatch(
            parameters, len(skus), split="evaluation", observe_step=observe_step
        )
        rows = _fill(batch, skus, now, due, (recent, day))
        known_ahead = _look_ahead(batch, day, history, calendar)
        places = [(rows[row], store) for row, (_, store) in enumerate(now.places)]
        return cls(now, due, recent, day, batch, places, known_ahead)

    def expected(self, days: int) -> Floats:
        """Return the demand expected from today on, shape (days, rows) [units/day]."""
        world, store = np.array(self.places).T
        daily: Floats = _past(self.batch).same_weekday(0, days)[:, world, store]
        return daily

    @cached_property
    def stock(self) -> StockRows:
        """What every row of the state has, by age where goods perish."""
        lanes, (world, store) = self.batch.parameters.lanes(), np.array(self.places).T
        own = [lanes[sku].store for sku, _ in self.now.places]
        return StockRows(
            np.ascontiguousarray(self.now.on_hand, np.float64),
            np.ascontiguousarray(self.batch.ages[world, store]),
            np.array([one.shelf_life or 0 for one in own], np.int64),
            np.array([one.issuing == "lifo" for one in own]),
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
        return stockout_chances(self.expected(days), training, mean, self.stock, orders, gaps)

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
        return projected_stock(expected, training[:, 0].copy(), float(mean[0]), stock, order)

    def _history(self, row: int | None = None) -> tuple[Floats, Floats]:
        """Return demand of the training days, shape (days, rows), and its mean, shape (rows,)."""
        known = self.batch.parameters.history
        if known is None:
            raise TypeError("a batch without demand of a file")
        places = self.now.places if row is None else [self.now.places[row]]
        sku, store = np.array(places).T
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
    own = [known.table.stores[store] for _, store in now.places]
    what = [known.table.skus[sku] for sku, _ in now.places]
    at_stores = _places(f"store in {table.name}", own, table.stores)
    at_skus = _places(f"SKU in {table.name}", what, table.skus)
    return np.ascontiguousarray(last[:, at_skus, at_stores].T), day


def _places(name: str, wanted: list[str], known: Sequence[str]) -> list[int]:
    """Return where a demand file has each of some names."""
    places = {word: place for place, word in enumerate(known)}
    for word in wanted:
        if word not in places:
            choose(name, word, known)
    return [places[word] for word in wanted]


def _fill(
    batch: SupplyChainBatch,
    skus: list[int],
    now: StockState,
    due: Floats,
    recent: tuple[Floats, dt.date],
) -> list[int]:
    """Put worlds into the present state, one per SKU; return each row's world.

    Stores that the state leaves out have an empty shop and their mean demand.
    """
    p, (past, day) = batch.parameters, recent
    at = {sku: row for row, sku in enumerate(skus)}
    rows = [at[sku] for sku, _ in now.places]
    shape = (len(skus), KNOWN_DAYS, p.num_stores)
    before = np.broadcast_to(p.mean_demand()[skus][:, None], shape).copy()
    for row, (_, store) in enumerate(now.places):
        before[rows[row], :, store] = past[row]
    batch.reset(
        {
            "demand": np.zeros((len(skus), p.horizon, p.num_stores)),
            "supplier_ok": np.ones((len(skus), p.horizon), np.bool_),
            "sku": np.array(skus),
            "past": before,
            "start": np.full(len(skus), _ordinal(batch, day)),
        }
    )
    offered = batch.sites["forecast"]
    batch.sites["forecast"] = np.maximum(offered, QUIET_WEEK * _past(batch).level)
    batch.sites["on_hand"] = 0.0
    for row, (_, store) in enumerate(now.places):
        batch.sites["on_hand"][rows[row], store] = now.on_hand[row]
        batch.pipelines[rows[row], store, : due.shape[1]] = due[row]
    _set_ages(batch, now, rows)
    return rows


def _look_ahead(
    batch: SupplyChainBatch, day: dt.date, file: Path | None, calendar: Path | Sheet | None
) -> Covariates | None:
    """Put in what is known of the days that orders of `day` are for, and return it.

    Raises
    ------
    InputError
        If something that counts is not known of one of them.
    """
    p = batch.parameters
    if p.history is None or p.history.levels is None or p.history.covariates is None:
        if calendar is not None:
            name = calendar.name if isinstance(calendar, Sheet) else f"--calendar {calendar}"
            raise InputError(
                f"{name}: nothing was known ahead when this run was made; make it "
                "again with --calendar"
            )
        return None
    known, table, source = p.history.covariates, p.history.table, p.history.source
    if file is not None:
        later = read_demand(source.model_copy(update={"file": file})).covariates
        known = known if later is None else known.joined(later)
    if calendar is not None:
        coming = read_calendar(calendar, table.stores, table.skus, source.date_format)
        coming = coming.by_period(table.periods)
        today = dt.date.fromordinal(table.periods.ordinal(day))
        known = known.before(today, coming.names).joined(coming)
    lead_time = max(lane.store.lead_time for lane in p.lanes())
    p.history.levels.check_known(
        known, day, lead_time + int(batch.review_gap().max()), table.periods
    )
    start = np.full(batch.num_worlds, _ordinal(batch, day))
    ahead = lead_time + max(p.longest_review_gap, p.longest_shelf_life)
    demand = _past(batch).demand
    batch.past = p.history.known_demand(demand, start, batch.lane_of, ahead, known)
    return known


def _set_ages(batch: SupplyChainBatch, now: StockState, rows: list[int]) -> None:
    """Put in the stock by age; where the state does not tell it, take it evenly and say so."""
    p = batch.parameters
    lives = [p.lanes()[sku].store.shelf_life or 0 for sku, _ in now.places]
    table = p.history.table if p.history is not None else None
    labels = [
        f"the state, store {short(table.stores[store])}, sku {short(table.skus[sku])}"
        for sku, store in now.places
        if table is not None
    ]
    ages = now.by_age(lives, labels)
    batch.age_evenly()
    if ages is None:
        if any(lives):
            note = "the state has no expires_1 ...: stock is taken to be of all ages alike"
            screen.print(note, soft_wrap=True)
        return
    for row, (_, store) in enumerate(now.places):
        batch.ages[rows[row], store, : ages.shape[1]] = ages[row]
