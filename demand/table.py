"""Demand of a file by period, made from dated values: duplicates, gaps."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from common.errors import InputError, short
from demand.dates import PeriodName, Periods
from demand.known_ahead.covariates import Covariate, Covariates
from demand.quality.quantities import NEGATIVE
from demand.sheet import MAX_DEMAND, Floats, Sheet

Whole = NDArray[np.intp]
Fill = Literal["zero", "interpolate"] | None
_TEXTS = "name", "kind", "stores", "skus", "columns", "filled", "period"
MAX_CELLS = 100_000_000
"""Limit on days times stores times SKUs, of 8 bytes each, held twice for a while."""

_FILL = "fill", "let --fill zero or --fill interpolate fill it"
_FILL_REST = "fill", "let --fill zero take what is missing as 0"


@dataclass(frozen=True, eq=False)
class DemandTable:
    """Demand by day, week or month without gaps; "days" below are these periods.

    Attributes
    ----------
    name, kind : str
        Name of the file, and how it was read.
    first_day : date
        Its first day.
    stores, skus : tuple of str
        Names, in the order of the file.
    demand : ndarray
        Shape (days, SKUs, stores) [units/day]; not to be written to.
    columns, filled : str
        Notes on the columns used and left out, and on what `DemandSource.fill` put in, or "".
    covariates : Covariates or None
        The columns of the file that are known ahead.
    period : {"day", "week", "month"}
        The period of a row.
    cut_off : ndarray or None
        Where sales are censored: goods ran out, so that demand was at least sales; as `demand`.
    begins : ndarray or None
        The row with which each series begins, 0 before that, shape (SKUs, stores); None if all
        begin with the first.
    """

    name: str
    kind: str
    first_day: dt.date
    stores: tuple[str, ...]
    skus: tuple[str, ...]
    demand: Floats
    columns: str
    filled: str = ""
    covariates: Covariates | None = None
    period: PeriodName = "day"
    cut_off: NDArray[np.bool_] | None = None
    begins: Whole | None = None

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the whole table as arrays of numbers."""
        about = {name: getattr(self, name) for name in _TEXTS}
        about |= {"first_day": self.first_day.isoformat(), "known_ahead": None}
        small = self.demand.astype(np.float32)
        arrays: dict[str, NDArray[np.generic]] = {
            "demand": small if (small == self.demand).all() else self.demand
        }
        masks = {"cut_off": self.cut_off, "begins": self.begins}
        arrays |= {name: mask for name, mask in masks.items() if mask is not None}
        if self.covariates is not None:
            columns = self.covariates.columns
            nothing = [None if np.isnan(one.nothing) else one.nothing for one in columns]
            about["known_ahead"] = {
                "first_day": self.covariates.first_day.isoformat(),
                "daily": self.covariates.periods is None,
                "columns": [
                    [one.name, one.labels, usual]
                    for one, usual in zip(columns, nothing, strict=True)
                ],
            }
            arrays |= {f"column_{k}": one.values for k, one in enumerate(columns)}
        return {**arrays, "about": np.frombuffer(json.dumps(about).encode(), np.uint8)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "DemandTable":
        """Return the table from the arrays of `to_arrays`."""
        about = json.loads(arrays["about"].tobytes())
        known, covariates = about.pop("known_ahead"), None
        if known is not None:
            columns = tuple(
                Covariate(
                    name, arrays[f"column_{k}"], tuple(labels), np.nan if usual is None else usual
                )
                for k, (name, labels, usual) in enumerate(known["columns"])
            )
            first = dt.date.fromisoformat(known["first_day"])
            begins = dt.date.fromisoformat(about["first_day"])
            periods = None if known["daily"] else Periods(about["period"], begins)
            covariates = Covariates(first, columns, periods)
        demand = arrays["demand"].astype(np.float64)
        demand.flags.writeable = False
        about |= {"stores": tuple(about["stores"]), "skus": tuple(about["skus"])}
        return cls(
            **about | {"first_day": dt.date.fromisoformat(about["first_day"])},
            demand=demand,
            covariates=covariates,
            cut_off=arrays.get("cut_off"),
            begins=arrays.get("begins"),
        )

    @property
    def days(self) -> int:
        """Number of days, or of other periods."""
        return len(self.demand)

    @property
    def periods(self) -> Periods:
        """The periods of the file."""
        return Periods(self.period, self.first_day)

    def date(self, row: int) -> dt.date:
        """Return the date on which a period begins."""
        return self.periods.date(row)

    @property
    def last_day(self) -> dt.date:
        """The last day, or the first of the last period."""
        return self.date(self.days - 1)

    def span(self, rows: range | None = None) -> str:
        """Return what to call the time of rows, by default of all."""
        first, last = (0, -1) if rows is None else (rows[0], rows[-1])
        return self.periods.span(self.date(first), self.date(last % self.days))

    def series(self, place: int) -> str:
        """Return of which store and SKU a series is, nothing if there is one only."""
        sku, store = divmod(place, len(self.stores))
        names = [self.stores[store]] if len(self.stores) > 1 else []
        names += [self.skus[sku]] if len(self.skus) > 1 else []
        return " ".join(name[:20] for name in names)


@dataclass(frozen=True, eq=False)
class DemandSeries:
    """Demand of every store and SKU as it is in a file.

    Attributes
    ----------
    sheet : Sheet
        The file, with the rows that are used.
    columns : tuple of str
        Columns that hold demand: one per store in a wide file, one in a long file.
    days : ndarray
        Ordinal of each row's period, shape (rows,); see `demand.dates.Periods`.
    units : ndarray
        Shape (rows, columns), below 0 or NaN for anything but a quantity.
    places : ndarray
        SKU times number of stores plus store, shape of `units`.
    stores, skus : tuple of str
        Names.
    left_out : tuple of str
        Columns that are not used.
    begins : ndarray or None
        With which period each series begins, counted from the first, shape (SKUs, stores); None if
        all begin with the first.
    """

    sheet: Sheet
    columns: tuple[str, ...]
    days: Whole
    units: Floats
    places: Whole
    stores: tuple[str, ...]
    skus: tuple[str, ...]
    periods: Periods
    left_out: tuple[str, ...] = ()
    begins: Whole | None = None

    def since_begun(self) -> "DemandSeries":
        """Return these from the first period with an entry on, and with which each series begins.

        A series without any entry has to begin with the first.
        """
        found = self._entered(np.minimum, np.iinfo(np.intp).max)
        first = int(found.min())
        kept = self.days >= first
        if not kept.any():
            return self
        begins = np.where(found > self.days.max(), 0, found - first)
        begins = begins.reshape(len(self.skus), len(self.stores))
        sheet = self.sheet if kept.all() else replace(self.sheet, cells=self.sheet.cells[kept])
        rows = {name: getattr(self, name)[kept] for name in ("days", "units", "places")}
        return replace(self, sheet=sheet, begins=begins if begins.any() else None, **rows)

    def _entered(self, extreme: np.ufunc, otherwise: int) -> Whole:
        """Return the first or last period of each series with an entry that is not empty."""
        found = np.full(len(self.stores) * len(self.skus), otherwise, np.intp)
        for k, column in enumerate(self.columns):
            entered = (self.sheet.cells[column] != "").to_numpy()
            extreme.at(found, self.places[entered, k], self.days[entered])
        return found

    def _begun(self) -> NDArray[np.bool_]:
        """Return in which periods a series has begun, shape (days, SKUs, stores)."""
        days = np.arange(int(self.days.max()) - int(self.days.min()) + 1)[:, None, None]
        begins = np.zeros((len(self.skus), len(self.stores)), np.intp)
        return np.asarray(days >= (begins if self.begins is None else self.begins))

    def name(self, place: int) -> str:
        """Return the store and SKU of a series for messages, empty if there is only one."""
        sku, store = divmod(place, len(self.stores))
        parts = [self.stores[store]] if len(self.stores) > 1 else []
        parts += [self.skus[sku]] if len(self.skus) > 1 else []
        return f" of {', '.join(short(part) for part in parts)}" if parts else ""

    def added_up(self) -> "DemandSeries":
        """Return these with one row of every period and series: the sum of all, less returns."""
        keys = self.days * len(self.stores) * len(self.skus) + self.places[:, 0]
        of, _ = pd.factorize(keys)
        first = np.unique(of, return_index=True)[1]
        units = np.zeros((first.size, len(self.columns)))
        np.add.at(units, of, self.units)
        cells = self.sheet.cells.take(first)
        for k, column in enumerate(self.columns):
            texts = np.array([f"{total:.12g}" for total in units[:, k]], object)
            wrong = np.isnan(self.units[:, k])
            texts[of[wrong]] = self.sheet.cells[column][wrong]
            cells[column] = pd.Categorical(texts)
        sheet = replace(self.sheet, cells=cells)
        return replace(
            self, sheet=sheet, days=self.days[first], units=units, places=self.places[first]
        )

    def daily(self, fill: Fill) -> tuple[Floats, str]:
        """Return demand of shape (days, SKUs, stores), and a note on what `fill` put in.

        The demand is not to be written to.

        Raises
        ------
        InputError
            If it is too large, has duplicates, or (unless filled) lacks a period or quantity.
        """
        first, last = int(self.days.min()), int(self.days.max())
        days, series = last - first + 1, len(self.stores) * len(self.skus)
        if days * series > MAX_CELLS:
            periods = f"{days:,} {self.periods.name}s"
            raise InputError(
                f"{self.sheet.name}: {periods} of {series:,} stores and SKUs are too many, at "
                f"most {MAX_CELLS:,} in all; leave some out"
            )
        cells = ((self.days - first)[:, None] * series + self.places).reshape(-1)
        self._check_duplicates(cells)
        self._check_days(fill)
        if fill is None:
            self._check_quantities()
        before = ~self._begun().reshape(-1)
        demand, known = np.full(days * series, np.nan), before.copy()
        demand[cells] = np.where(self.units >= 0, self.units, np.nan).reshape(-1)
        known[cells] = True
        if fill is None and not known.all():
            day, place = divmod(int(known.argmin()), series)
            raise self._missing(first + day, place)
        table, missing = demand.reshape(days, series), np.isnan(demand) & ~before
        if missing.any():
            table = np.nan_to_num(table) if fill == "zero" else self._interpolated(table)
        table[before.reshape(table.shape)] = 0.0
        absent, unusable = int((~known).sum()), int((missing & known).sum())
        filled = _filled(absent, unusable, fill, self.periods.name)
        table.flags.writeable = False
        return table.reshape(days, len(self.skus), len(self.stores)), filled

    def _date(self, ordinal: int) -> dt.date:
        return self.periods.of_ordinal(int(ordinal))

    def flags(self, wrong: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Return flags of a long file's rows by day, SKU and store, None if there is none."""
        first, last = int(self.days.min()), int(self.days.max())
        shape = last - first + 1, len(self.skus), len(self.stores)
        found = np.zeros(shape, np.bool_)
        found.reshape(shape[0], -1)[(self.days - first)[wrong], self.places[wrong, 0]] = True
        found &= self._begun()
        return found if found.any() else None

    def _check_duplicates(self, cells: Whole) -> None:
        there = np.zeros(int(cells.max()) + 1, np.bool_)
        there[cells] = True
        if np.count_nonzero(there) < cells.size:
            twice = pd.Series(cells).duplicated().to_numpy()
            later = int(twice.argmax())
            row, column = divmod(later, len(self.columns))
            former = int((cells == cells[later]).argmax()) // len(self.columns)
            raise InputError(
                f"{self.sheet.row(row)}: {self._date(self.days[row])}"
                f"{self.name(int(self.places[row, column]))} is a duplicate of row "
                f"{self.sheet.cells.index[former]}; {self._of_two(row, former)}"
            )

    def _of_two(self, row: int, former: int) -> str:
        """Return advice on two rows for one place, naming the first unused column that differs."""
        role = "sku" if len(self.skus) == 1 else "store" if len(self.stores) == 1 else ""
        two = self.sheet.cells[list(self.left_out)].iloc[[former, row]]
        unlike = (column for column in self.left_out if two[column].nunique() > 1)
        apart = next(filter(self._comes_again, unlike), None) if role else None
        what = "remove one, or add them up"
        if apart is not None:
            how = f"name the column that tells them apart: --columns {role}={apart}"
            what = self.sheet.remedy(what, role, how)
        return self.sheet.remedy(what, "repeated", "say --set demand_data.repeated=sum")

    def _comes_again(self, column: str) -> bool:
        """Whether the texts of a column are found on other days too, unlike numbers of receipts."""
        codes = self.sheet.codes(column)
        pairs = np.unique(np.stack([codes, self.days]), axis=1)
        return bool(pairs.shape[1] >= 2 * np.unique(codes).size)

    def _check_days(self, fill: Fill) -> None:
        gaps: Whole = np.asarray(np.diff(np.unique(self.days)), np.intp)
        least = int(gaps.min()) if gaps.size else 1
        if least > 1 and fill is None:
            name = self.periods.name
            raise InputError(
                f"{self.sheet.name}: its {name}s are {least} or more apart; "
                f"{self.sheet.remedy(f'add a row for every {name}', *_FILL)}"
            )

    def _check_quantities(self) -> None:
        wrong = ~(self.units >= 0)
        if self.begins is not None:
            wrong &= (self.days - self.days.min())[:, None] >= self.begins.reshape(-1)[self.places]
        if not wrong.any():
            return
        row, column = divmod(int(wrong.argmax()), len(self.columns))
        text = str(self.sheet.cells[self.columns[column]].iloc[row])
        where = f"{self.sheet.row(row)}{self.name(int(self.places[row, column]))}"
        one = len(self.columns) == 1  # else the place determines the column
        what = f"{self.columns[column]} = {short(text)}" if one else short(text)
        place = int(self.places[row, column])
        if not text and self._entered(np.maximum, -1)[place] < self.days[row]:
            named = self.columns[column] if one else "the demand"
            raise InputError(f"{where}: {named} is empty up to the end{self._ended()}")
        if not text:
            named = self.columns[column] if one else "the demand"
            raise InputError(f"{where}: {named} is empty; {self.sheet.remedy('add it', *_FILL)}")
        if NEGATIVE.fullmatch(text):
            apart = self.sheet.remedy("keep returns apart from demand", *_FILL)
            raise InputError(f"{where}: {what} is negative; {apart}")
        correct = self.sheet.remedy("correct it", *_FILL)
        raise InputError(f"{where}: {what} is not a number from 0 to {MAX_DEMAND:g}; {correct}")

    def _missing(self, day: int, place: int) -> InputError:
        """Return the error for a missing day, with the row before which it should be."""
        rows = np.flatnonzero((self.places == place).any(axis=1))
        missing = f"{self._date(day)}{self.name(place)} is missing"
        later = rows[self.days[rows] > day]
        if later.size:
            row = later[self.days[later].argmin()]
            add = self.sheet.remedy("add it", *_FILL)
            return InputError(f"{self.sheet.row(row)}: {missing} before this row; {add}")
        if rows.size:
            row = rows[self.days[rows].argmax()]
            last = f"row {self.sheet.cells.index[row]} is its last one{self._ended()}"
            return InputError(f"{self.sheet.name}: {missing}, {last}")
        never = self.sheet.remedy("add rows of 0 if it is never sold there", *_FILL_REST)
        none = f"it has no {self.periods.name} at all"
        return InputError(f"{self.sheet.name}: {missing}, {none}; {never}")

    def _ended(self) -> str:
        """Return how many series end before the file does, where several do, and what to do."""
        last = self._entered(np.maximum, -1)
        others = int(((last >= 0) & (last < self.days.max())).sum()) - 1
        also = f", and {others:,} more end early" if others > 0 else ""
        leave_out = "leave out what is no longer sold, and add the rest of what is"
        return f"{also}; {self.sheet.remedy(leave_out, *_FILL_REST)}"

    def _interpolated(self, table: Floats) -> Floats:
        """Return the table with missing demand interpolated linearly."""
        empty = np.isnan(table).all(axis=0)
        if empty.any():
            name = self.name(int(empty.argmax()))
            raise InputError(f"{self.sheet.name}: no demand{name} to interpolate; leave it out")
        return pd.DataFrame(table).interpolate(limit_direction="both").to_numpy(np.float64, True)


def _filled(absent: int, unusable: int, fill: Fill, period: str) -> str:
    """Return a line on what was filled in, nothing if nothing was."""
    parts = [f"{absent:,} missing {period}s"] if absent else []
    parts += [f"{unusable:,} values that are no quantity"] if unusable else []
    how = "with 0" if fill == "zero" else "on the line between their neighbours"
    return f"filled {how}: {' and '.join(parts)}" if parts else ""
