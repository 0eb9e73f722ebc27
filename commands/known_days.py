"""What is known of the days around a morning: those that orders are for, and those before it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from commands.stock_state import Places, StockState
from common.errors import InputError, and_more, choose
from demand.calendar import weekday_of
from demand.dates import Periods
from demand.forecasts.smoothing import LEAST_EFFECT
from demand.history import StoreHistory
from demand.known_ahead.calendars import check_flags, read_calendar
from demand.known_ahead.covariates import Covariates
from demand.known_demand import KNOWN_DAYS, WEEK, WEEKS, KnownDemand, source_days
from demand.quality.beginnings import check_begun
from demand.quality.censored import with_estimates
from demand.quality.silence import no_longer_sold
from demand.reader import read_demand
from demand.sheet import Sheet
from demand.table import DemandTable
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters

Floats = NDArray[np.float64]
MOST_NAMED, MOST_AT_ONCE = 3, 10_000


def history_of(p: SupplyChainParameters) -> StoreHistory:
    """Return the demand of the file that a run was trained on."""
    if p.history is None:
        raise TypeError("parameters without demand of a file")
    return p.history


def read_later(known: StoreHistory, file: Path) -> DemandTable:
    """Return the demand of a file that goes on from the run's, estimated where it was cut off.

    Raises
    ------
    InputError
        If it is by other periods, its periods begin on other days, or the first days of a store or
        SKU are missing that the run's file has.
    """
    table = read_demand(known.source.model_copy(update={"file": file}), settable=False)
    own = known.table.periods
    if table.period != own.name:
        raise InputError(
            f"--history {table.name}: is by {table.period}, and the run's {known.table.name} by "
            f"{own.name}; sum demand up by {own.name}"
        )
    for day in (table.first_day, table.last_day):
        if own.date(own.number(day)) != day:
            begin = f"a {own.first:%A}" if own.name == "week" else f"day {own.first.day}"
            raise InputError(
                f"--history {table.name}: has a {own.name} that begins on {day:%A}, {day}, and "
                f"those of the run's {known.table.name} begin on {begin}; sum demand up so"
            )
    if known.source.fill != "zero":
        check_begun(table, known.table, table.first_day, f"--history {table.name}")
    return with_estimates(table, table.days)


def until_morning(
    table: DemandTable, morning: dt.date | None, fill: str | None
) -> tuple[DemandTable, str]:
    """Return a table to the day before a morning, if only closed days are missing, and a note.

    A file whose gaps are filled with 0 has no rows of days on which all are closed, the last ones
    neither: weekdays without a sale in `KNOWN_DAYS` days are taken for such.
    """
    if fill != "zero" or morning is None or table.period != "day" or table.days < KNOWN_DAYS:
        return table, ""
    missing = table.periods.number(morning) - table.days
    weekdays = table.demand[-KNOWN_DAYS:].reshape(WEEKS, -1, *table.demand.shape[1:])
    if not 0 < missing < weekdays.shape[1] or weekdays[:, :missing].any():
        return table, ""
    days = ", ".join(str(table.date(table.days + k)) for k in range(missing))
    note = f"{table.name} has no rows of {days}: filled with 0, as on these weekdays before"
    demand = np.pad(table.demand, ((0, missing), (0, 0), (0, 0)))
    return replace(table, demand=demand, cut_off=None), note  # whose estimates are in the demand


def silent_stores(known: StoreHistory, table: DemandTable, day: dt.date, stores: set[int]) -> str:
    """Return a note on stores that sold nothing the day before, and else do on that weekday.

    Where gaps are filled with 0, such a store may have been open, and its rows be missing.

    Parameters
    ----------
    known, table : StoreHistory, DemandTable
        The run's demand, and the file whose last days count.
    day : date
        The morning.
    stores : set of int
        Those that are decided on, by their place among the run's.
    """
    end, ours = table.periods.number(day), {known.table.stores[store] for store in stores}
    if known.source.fill != "zero" or table.period != "day" or not KNOWN_DAYS < end == table.days:
        return ""
    last = table.demand[end - 1 - KNOWN_DAYS : end : WEEK]
    silent = last[:-1].any(axis=1).all(axis=0) & ~last[-1].any(axis=0)
    names = [name for name, one in zip(table.stores, silent, strict=True) if one and name in ours]
    if not names:
        return ""
    named = f"{', '.join(names[:MOST_NAMED])}{and_more(len(names) - MOST_NAMED)}"
    return (
        f"{table.name} has no sale on {day - dt.timedelta(1)} at {named}, but "
        "on all four such weekdays before: rows that are missing are taken for 0; add them"
    )


def recent_days(
    now: StockState,
    known: StoreHistory,
    later: DemandTable | None,
    date: dt.date | None,
    today: dt.date,
) -> tuple[Floats, dt.date, str]:
    """Return the demand known, shape (rows, `KNOWN_DAYS`), the day decided on, and a note."""
    if now.recent is not None and later is None:
        return now.recent, date or now.day or _written_today(now, known.table.periods, today), ""
    table, note = known.table if later is None else later, ""
    day = date or table.date(table.days)
    if date is None and (
        now.day not in (None, day) or (now.written is not None and now.written < table.last_day)
    ):
        ends_early = now.day is not None and now.day > day
        zero = ", with a 0 on a day on which all were closed" if known.source.fill == "zero" else ""
        until = f"the demand until then (--history{zero}), " if ends_early else ""
        raise InputError(
            f"the state is of {now.day or now.written}, and {table.name} has demand up to "
            f"{table.last_day}; give {until}the state of the morning after, or say --date"
        )
    end = table.periods.number(day)
    if not KNOWN_DAYS <= end <= table.days:
        raise InputError(
            f"{table.name}: {KNOWN_DAYS} {table.period}s before {day} are needed, and it has "
            f"{table.span()}; give them (--history), or in a file of "
            "the state recent demand, d1 to d7"
        )
    last = table.demand[end - KNOWN_DAYS : end]
    skus, stores = now.places.T
    at_stores = _columns(f"store in {table.name}", stores, known.table.stores, table.stores)
    at_skus = _columns(f"SKU in {table.name}", skus, known.table.skus, table.skus)
    if date is None and now.day is None and now.written is not None and now.written > day:
        note = f"the state has no date: taken for that of {day}, after the last in {table.name}"
    return np.ascontiguousarray(last[:, at_skus, at_stores].T), day, note


def _written_today(now: StockState, periods: Periods, today: dt.date) -> dt.date:
    """Return today, of which a state without a date must be: `d1` is the demand just before."""
    written = now.written
    if written is not None and periods.number(written) < periods.number(today):
        raise InputError(
            f"the state is of {written}, when its file was written, and today is {today}; give "
            "the state of this morning, or say --date, the morning that it is of"
        )
    return today


def _columns(
    name: str, rows: NDArray[np.intp], ours: Sequence[str], theirs: Sequence[str]
) -> NDArray[np.intp]:
    """Return where a demand file has what each row is about, by its place among our names."""
    places = {word: place for place, word in enumerate(theirs)}
    at = np.array([places.get(word, -1) for word in ours], np.intp)[rows]
    for row in np.flatnonzero(at < 0)[:1].tolist():
        choose(name, ours[rows[row]], theirs)
    return at


def last_sales(
    known: StoreHistory,
    now: StockState,
    day: dt.date,
    quiet: NDArray[np.bool_],
    given: int,
    later: DemandTable | None,
    ahead: Covariates | None,
) -> dict[int, dt.date]:
    """Return the last sale of each row that sells no more, as far as can be told.

    Nothing is said of what was never sold, or was closed as had been known ahead.

    Parameters
    ----------
    known, now, day : StoreHistory, StockState, date
        The run's demand, the state, and its morning.
    quiet, given : ndarray, int
        Which rows had no demand in so many days before, shape (rows,).
    later, ahead
        As of `known_days`, and what it returns.
    """
    rows = np.flatnonzero(quiet)
    found: dict[int, dt.date] = {}
    for part in np.array_split(rows, 1 + rows.size // MOST_AT_ONCE):  # each has all days in memory
        found |= _last_sales(known, now.places[part], part, day, given, later, ahead)
    return found


def _last_sales(
    known: StoreHistory,
    places: NDArray[np.intp],
    rows: NDArray[np.intp],
    day: dt.date,
    given: int,
    later: DemandTable | None,
    ahead: Covariates | None,
) -> dict[int, dt.date]:
    """Return the last sales of some quiet rows that sell no more; see `last_sales`."""
    (sku, store), periods = places.T, known.table.periods
    end = periods.number(day) - given
    silent, last, sought = np.full(rows.size, given), np.zeros_like(sku), np.ones(rows.size, bool)
    for table in filter(None, (later, known.table)):
        first = periods.number(table.first_day)
        at = _indices(known.table.skus, table.skus)[sku], _indices(known.table.stores, table.stores)
        sold = table.demand[: max(0, end - first), at[0], at[1][store]] > 0
        latest = np.where(sold, np.arange(len(sold))[:, None], -1).max(axis=0, initial=-1)
        silent += np.where(sought, len(sold) - 1 - latest, 0)
        last = np.where(sought, first + latest, last)
        sought &= ~sold.any(axis=0)
        end = min(end, first)
    before = known.table.demand[: max(0, periods.number(day)), sku, store]
    gone = no_longer_sold(silent, before, known.selling[sku, store], WEEKS * periods.cycle)
    gone &= ~sought
    if gone.any() and ahead is not None and known.levels is not None:
        start = dt.date.fromordinal(periods.ordinal(day) - KNOWN_DAYS)
        effects = known.levels.multipliers(ahead.since(start))[:KNOWN_DAYS, sku, store]
        gone &= effects.mean(axis=0) >= LEAST_EFFECT
    pairs = zip(rows[gone].tolist(), last[gone].tolist(), strict=True)
    return {row: periods.date(number) for row, number in pairs}


def left_out(known: StoreHistory, places: Places, day: dt.date) -> str:
    """Return a note on what sells and has no row in the state, so that none is ordered.

    Parameters
    ----------
    known, day
        As of `last_sales`.
    places : ndarray
        SKU and store of every row, shape (rows, 2).
    """
    table = known.table
    absent: NDArray[np.bool_] = np.asarray(table.demand.any(axis=0))
    absent[tuple(places.T)] = False
    quiet = np.argwhere(absent & ~table.demand[-KNOWN_DAYS:].any(axis=0))
    rows = StockState(quiet, np.zeros(len(quiet)), ())
    gone = last_sales(known, rows, day, np.ones(len(quiet), np.bool_), 0, None, None)
    absent[tuple(quiet[list(gone)].T)] = False
    sku, store = np.nonzero(absent.T)[::-1]
    if not sku.size:
        return ""
    pairs = zip(store[:MOST_NAMED], sku[:MOST_NAMED], strict=True)
    named = ", ".join(f"{table.stores[at]} {table.skus[of]}" for at, of in pairs)
    return (
        f"no row in the state, so no order: {named}{and_more(sku.size - MOST_NAMED)}; add rows, "
        "with on_hand 0 where there is no stock"
    )


def known_days(
    p: SupplyChainParameters,
    day: dt.date,
    given: int,
    later: DemandTable | None,
    calendar: Path | Sheet | None,
) -> Covariates | None:
    """Return what is known of the days that orders of `day` are for and go by, where that counts.

    Demand of past days counts over what is known of them. Of days that only stand for others (see
    `StockState.given`) nothing need be known: they have what the days have that they repeat.

    Parameters
    ----------
    p : SupplyChainParameters
        Of the run.
    day : date
        The day that is decided on.
    given : int
        Days before it whose demand is known.
    later : DemandTable, optional
        Of ``--history``.
    calendar : Path or Sheet, optional
        What is said besides.

    Raises
    ------
    InputError
        If something that counts is not known of one of them, or a flag of a calendar is none.
    """
    history = history_of(p)
    if history.levels is None or history.covariates is None:
        if calendar is not None:
            name = calendar.name if isinstance(calendar, Sheet) else f"--calendar {calendar}"
            raise InputError(
                f"{name}: nothing was known ahead when this run was made; make it "
                "again with --calendar"
            )
        return None
    known, table, periods = history.covariates, history.table, history.table.periods
    if later is not None and later.covariates is not None:
        known = known.joined(_as_in_run(later, table))
    if calendar is not None:
        coming = read_calendar(calendar, table.stores, table.skus, history.source.date_format)
        name = calendar.name if isinstance(calendar, Sheet) else f"--calendar {calendar.name}"
        check_flags(coming, history.covariates, name, table.name)
        coming = coming.by_period(periods)
        today = dt.date.fromordinal(periods.ordinal(day))
        known = known.before(today, coming.names).joined(coming)
    weekday = weekday_of(np.array([periods.ordinal(day)]), 0)[0]
    gap = max(lane.store.review_gaps[weekday] for lane in p.lanes())
    before = _days_since(history, later, day, given)
    history.levels.check_known(known, day, p.longest_lead_time + gap, periods, before)
    return known


def _as_in_run(later: DemandTable, own: DemandTable) -> Covariates:
    """Return what a file says of its days, by the run's stores, SKUs, weeks and months."""
    if later.covariates is None:
        raise TypeError("a file that says nothing of its days")
    shift = own.periods.ordinal(later.first_day) - later.first_day.toordinal()
    first = later.covariates.first_day + dt.timedelta(days=shift)
    sku, store = _indices(own.skus, later.skus), _indices(own.stores, later.stores)
    columns = []
    for one in later.covariates.columns:
        values = one.values
        if values.shape[1:] != (1, 1):  # not the same for all
            values = values[:, sku][:, :, store]
            values[:, sku < 0], values[:, :, store < 0] = np.nan, np.nan
        columns.append(replace(one, values=values))
    return replace(later.covariates, first_day=first, columns=tuple(columns))


def _indices(ours: tuple[str, ...], theirs: tuple[str, ...]) -> Places:
    """Return where a file has each of our names, -1 where it has it not."""
    places = {name: place for place, name in enumerate(theirs)}
    return np.array([places.get(name, -1) for name in ours], np.intp)


def _days_since(
    history: StoreHistory, later: DemandTable | None, day: dt.date, given: int
) -> dict[str, int]:
    """Return by column how many days before `day` no file has: what these leave out is as usual."""
    periods, columns = history.table.periods, history.covariates
    today = periods.ordinal(day)
    end = periods.ordinal(history.table.last_day) + 1
    ends = dict.fromkeys(columns.names if columns else (), end)
    if later is not None and later.covariates is not None:
        until = periods.ordinal(later.last_day) + 1
        ends |= dict.fromkeys(later.covariates.names, max(end, until))
    return {name: min(given, max(0, today - end)) for name, end in ends.items()}


def look_ahead(
    batch: SupplyChainBatch,
    day: dt.date,
    known: Covariates,
    recent: Floats,
    given: int,
    places: Places,
) -> KnownDemand:
    """Return the demand that worlds know, with what is known of the days around `day`.

    Days of `recent` that only repeat others multiply demand by what those do, and by nothing where
    they have the usual demand (`demand.known_demand.recent_demand`).

    Parameters
    ----------
    batch : SupplyChainBatch
        Worlds in the state of the morning.
    day, known : date, Covariates
        The morning, and what is known.
    recent, given : ndarray, int
        As of `commands.morning.Today`.
    places : ndarray
        World and store of every row of `recent`, shape (rows, 2).
    """
    p, past = batch.parameters, batch.past
    if past is None:
        raise TypeError("a batch without demand of a file")
    history = history_of(p)
    start = np.full(batch.num_worlds, history.table.periods.ordinal(day))
    ahead = p.longest_lead_time + max(p.longest_review_gap, p.longest_shelf_life)
    found = history.known_demand(past.demand, start, batch.lane_of, max(ahead, KNOWN_DAYS), known)
    if found.effects is not None and given < KNOWN_DAYS:
        found.effects[:KNOWN_DAYS] = found.effects[KNOWN_DAYS - source_days(given)]
        world, store = places[~recent[:, KNOWN_DAYS - given :].any(axis=1)].T
        found.effects[: KNOWN_DAYS - given, world, store] = 1.0
    return found
