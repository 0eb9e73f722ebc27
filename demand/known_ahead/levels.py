r"""Effects on demand of what is known ahead: levels, learned from training days only.

Demand of a series on day t is ``D_t = b_t exp(z_t' beta)`` with ``b_t`` the level and weekday of
`demand.bootstrap` and ``z_t`` what is known of the day: an indicator for every value of a flag or
event but the commonest, the logarithm of a price over its median in the series. ``beta`` is the
posterior mode of a quasi-Poisson model in two stages: levels common to all series, shrunk towards
no effect, and each series' own, shrunk towards those depending on how far series differ.

A flag of public holidays also gives terms for the days before and after them, and every single
holiday has a level of its own (Christmas is not Whit Monday), by its date or its distance from
Easter. For weeks and months the number of days on which something held is a number, as two holidays
are more than one; those with Christmas, New Year, Easter, Ascension or Whitsun have an additional
level. If a series sold nothing whenever a value held, though sales were due, it is closed then.

References
----------
McCullagh and Nelder (1989), Generalized Linear Models, 2nd ed., chapters 6 and 9; DerSimonian and
Laird (1986), Meta-analysis in clinical trials, Controlled Clinical Trials 7(3).
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from demand.bootstrap import usual_days, usual_sale
from demand.dates import Periods
from demand.known_ahead.calendars import falls_on, holiday_names
from demand.known_ahead.column_names import says_holiday, says_price
from demand.known_ahead.covariates import Covariate, Covariates
from demand.known_demand import WEEK

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

MOST_VALUES = 30
"""Most values of a flag or event with a level of their own, the commonest ones."""

FLAG_VALUES = 8
"""A number with at most so many values is a flag, except a price: a new price may come."""

PRIOR_DEVIATION = 0.5
"""Prior deviation of a common level from no effect, and the largest of a series' level from the
common one (logarithms)."""

TOGETHER = 0.3
"""Correlation of the deviations of series on a day."""

ROUNDS, STEPS = 3, 4
MOST_EFFECT = 3.0
MARGIN = 0.5
"""How far the sum of a day's terms may go beyond those of training days (logarithms)."""
SURELY_CLOSED = 10.0
"""Units, or usual sales, due while nothing was sold, for a series to count as closed."""

BATCH_VALUES = 4_000_000
HOLIDAYS_OF_PERIODS = ("01.01.", "Easter+0", "Easter+39", "Easter+49", "25.12.")
"""Holidays whose weeks and months have a level of their own."""
DAYS_OF_PERIODS = {"week": 7, "month": 31}


@dataclass(frozen=True)
class Term:
    """One column of z.

    Attributes
    ----------
    covariate : str
        The column of the file or calendar that it comes from.
    value : float or None
        The value that it indicates; None for a number, and for any value above 0 of a holiday.
    scale : tuple or None
        For a number: each series' median, shape (SKUs or 1, stores or 1), and 0 for ``log(x /
        median)``, else the deviation by which ``x - median`` is divided.
    shift : int
        For days around a holiday: 1 is the day before it, -1 the day after.
    holiday : str
        Name of the holiday, empty for all of them.
    """

    covariate: str
    value: float | None = None
    scale: tuple[Floats, float] | None = None
    shift: int = 0
    holiday: str = ""

    def of(self, column: Covariate, when: Callable[[str], NDArray[np.bool_]]) -> Floats:
        """Return the term on every day of the column, 0 where nothing is known.

        `when` returns the days on which a holiday falls.
        """
        x = column.values.astype(np.float64)
        if self.value is None and not self.holiday:
            middle, deviation = self.scale or (np.ones((1, 1)), 1.0)
            with np.errstate(invalid="ignore", divide="ignore"):
                z = np.log(x / middle) if deviation == 0 else (x - middle) / deviation
            known: Floats = np.where(np.isfinite(z), z, 0.0)
            return known
        active = x > 0 if self.value is None else x == self.value
        if self.shift:
            near = np.zeros_like(active)
            if self.shift > 0:
                near[: -self.shift] = active[self.shift :]
            else:
                near[-self.shift :] = active[: self.shift]
            active = near & ~active
        if self.holiday:
            active = active & when(self.holiday)[:, None, None]
        indicator: Floats = active.astype(np.float64)
        return indicator


@dataclass(frozen=True, eq=False)
class CovariateLevels:
    """Levels of what is known ahead.

    Attributes
    ----------
    terms : tuple of Term
        The terms with a level.
    levels : ndarray
        Logarithms, shape (SKUs, stores, terms); minus infinity where the series is closed.
    reach : tuple of float
        The least and the largest sum of a day's terms (logarithms).
    """

    terms: tuple[Term, ...]
    levels: Floats
    reach: tuple[float, float] = (-MOST_EFFECT, MOST_EFFECT)

    def check_known(
        self,
        covariates: Covariates,
        day: dt.date,
        days: int,
        periods: Periods,
        before: Mapping[str, int] | None = None,
    ) -> None:
        """Make sure that columns with a level are known for `days` periods from that of `day` on.

        `before` gives, by column name, how many earlier periods must be known too.

        Raises
        ------
        InputError
            Naming the unknown column and the days.
        """
        missing: dict[str, int] = {}
        today, coming = periods.ordinal(day), False
        for name in sorted({term.covariate for term in self.terms}):
            past = (before or {}).get(name, 0)
            for first, count in ((today - past, past), (today, days)):
                unknown = covariates.unknown(dt.date.fromordinal(first), count)
                if name in unknown:
                    missing.setdefault(name, unknown[name].toordinal())
                    coming |= first == today
        if missing:
            first, last = min(missing.values()), today + days - 1 if coming else today - 1
            passed = f", {periods.name}s that have passed too," if first < today else ""
            raise InputError(
                f"{', '.join(missing)}: not known of {periods.of_ordinal(first)}, and orders need "
                f"it up to {periods.of_ordinal(last)}; give these {periods.name}s{passed} in the "
                f"calendar (--calendar): date, {', '.join(missing)}"
            )

    def multipliers(self, covariates: Covariates) -> Floats:
        """Return the factor on each day's demand, shape (days, SKUs, stores)."""
        total, closed = self._total(covariates)
        return np.where(closed, 0.0, np.exp(np.clip(total, *self.reach)))

    def within_reach(self, covariates: Covariates) -> "CovariateLevels":
        """Return the same levels, their sums limited to little more than on these days.

        Unseen combinations, or unseen prices, could otherwise give implausible factors.
        """
        total, closed = self._total(covariates)
        sold = total[~closed]
        if not sold.size:
            return self
        low, high = float(sold.min()) - MARGIN, float(sold.max()) + MARGIN
        return replace(self, reach=(max(low, -MOST_EFFECT), min(high, MOST_EFFECT)))

    def _total(self, covariates: Covariates) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the sum of logarithms on every day, and whether the series is closed."""
        shape = (covariates.days, *self.levels.shape[:2])
        total, closed = np.zeros(shape), np.zeros(shape, np.bool_)
        for k, z in enumerate(_design(covariates, self.terms)):
            own = self.levels[..., k]
            shut = np.isneginf(own)
            total += z * np.where(shut, 0.0, own)
            if shut.any():
                closed |= (z > 0) & shut
        return total, closed


def learn_levels(demand: Floats, covariates: Covariates) -> CovariateLevels | None:
    """Learn levels from training days; None if no covariate varies on them.

    Parameters
    ----------
    demand : ndarray
        Demand of the training days, shape (days, SKUs, stores).
    covariates : Covariates
        Covariates of at least these days, with the same first day; later days are ignored.
    """
    seen = _first_days(covariates, len(demand))
    terms = tuple(term for column in seen.columns for term in _terms(column, seen))
    if not terms:
        return None
    z = list(_design(seen, terms))
    levels, common = np.zeros((*demand.shape[1:], len(terms))), np.zeros(len(terms))
    effects, cycle = np.ones_like(demand), WEEK if covariates.periods is None else 1
    for _ in range(ROUNDS):
        base = usual_days(demand, effects, cycle) / np.where(effects > 0, effects, 1.0)
        common, levels = _fit(demand, base, z, common, levels)
        closed = _closed(demand, base, z)
        found = CovariateLevels(terms, np.where(closed, -np.inf, levels))
        effects = found.multipliers(seen)
    return found.within_reach(seen)


def _first_days(covariates: Covariates, days: int) -> Covariates:
    """Return only the first days, so that later ones can have no influence."""
    columns = [Covariate(c.name, c.values[:days], c.labels) for c in covariates.columns]
    return replace(covariates, columns=tuple(columns))


def _terms(column: Covariate, seen: Covariates) -> Iterator[Term]:
    known = column.values[~np.isnan(column.values)]
    values, counts = np.unique(known, return_counts=True)
    if values.size < 2:
        return
    positive = bool((values > 0).all())
    is_price = positive and says_price(column.name)
    if not column.labels and (is_price or values.size > FLAG_VALUES):
        whole = np.isnan(column.values).all(axis=0)  # no usual value is known for these
        x = np.where(whole, np.median(known), column.values.astype(np.float64))
        usual = np.nanmedian(x, axis=0)  # per series: a price of 10 is low for some goods
        yield Term(column.name, scale=(usual, 0.0 if positive else float(np.nanstd(x - usual))))
        return
    if seen.periods is not None and _is_holiday(column):
        active = (column.values > 0).any(axis=(1, 2))
        for name in HOLIDAYS_OF_PERIODS:
            if (active & falls_on(seen, name)).any():
                yield Term(column.name, holiday=name)
    if seen.periods is not None and _counts_days(column, values, seen.periods):
        yield Term(column.name, scale=(np.zeros((1, 1)), float(values[-1])))
        return
    order = np.argsort(-counts, kind="stable")[1 : MOST_VALUES + 1]
    for value in values[np.sort(order)].tolist():
        yield Term(column.name, value)
        if seen.periods is not None or not _is_holiday(column):
            continue
        yield Term(column.name, value, shift=1)
        yield Term(column.name, value, shift=-1)
        active = (column.values == value).any(axis=(1, 2))
        for name in sorted(set(holiday_names(seen.first_day, len(active))[active])):
            yield Term(column.name, value, holiday=str(name))


def _counts_days(column: Covariate, values: Singles, periods: Periods) -> bool:
    """Return whether a column counts the days of each week or month on which something held."""
    whole = bool((values == np.round(values)).all())
    few = values[0] == 0 and 1 < values[-1] <= DAYS_OF_PERIODS[periods.name]
    return whole and bool(few) and not column.labels


def _is_holiday(column: Covariate) -> bool:
    """Return whether a column is a flag of public holidays."""
    return not column.labels and says_holiday(column.name)


def _design(covariates: Covariates, terms: tuple[Term, ...]) -> Iterator[Floats]:
    """Return z, term by term, each of shape (days, SKUs or 1, stores or 1)."""
    columns = {column.name: column for column in covariates.columns}
    for term in terms:
        yield term.of(columns[term.covariate], partial(falls_on, covariates))


def _closed(demand: Floats, base: Floats, z: list[Floats]) -> NDArray[np.bool_]:
    """Return which series sold nothing whenever a term held, shape (SKUs, stores, terms)."""
    closed = np.zeros((*demand.shape[1:], len(z)), np.bool_)
    for k, active in enumerate(z):
        if not np.isin(active, (0.0, 1.0)).all():
            continue
        sold, due = (demand * active).sum(axis=0), (base * active).sum(axis=0)
        closed[..., k] = (sold == 0) & (due >= SURELY_CLOSED * usual_sale(demand))
    return closed


def _fit(
    demand: Floats, base: Floats, z: list[Floats], common: Floats, levels: Floats
) -> tuple[Floats, Floats]:
    """Return common and own levels, from those of the previous iteration."""
    series, terms = demand[0].size, len(z)
    dispersion = _dispersion(demand, base, z, levels)
    for _ in range(STEPS):
        slope, curve = np.zeros(terms), np.zeros((terms, terms))
        for part, design in _batches(demand, base, z):
            mean = design.base * np.exp(np.clip(design.z @ common, -MOST_EFFECT, MOST_EFFECT))
            weight = 1.0 / dispersion[part]
            slope += np.einsum("st,stc,s->c", design.demand - mean, design.z, weight)
            curve += _curvature(design.z, mean * weight[:, None]).sum(axis=0)
        less = 1.0 + TOGETHER * (series - 1)
        whole = curve / less + np.eye(terms) / PRIOR_DEVIATION**2
        common = common + _step(whole, slope / less - common / PRIOR_DEVIATION**2)
    flat = levels.reshape(series, terms).copy()
    between = np.full(terms, PRIOR_DEVIATION**2 / 4)
    for last in (False, True):
        spread = np.empty((series, terms))
        for part, design in _batches(demand, base, z):
            for _ in range(STEPS):
                own = flat[part]
                power = np.clip(np.einsum("stc,sc->st", design.z, own), -MOST_EFFECT, MOST_EFFECT)
                mean, weight = design.base * np.exp(power), 1.0 / dispersion[part]
                curves = _curvature(design.z, mean * weight[:, None])
                spread[part] = np.diagonal(curves, axis1=1, axis2=2)
                slope = np.einsum("st,stc->sc", design.demand - mean, design.z) * weight[:, None]
                slope -= (own - common) / between
                flat[part] = own + _step(curves + np.diag(1.0 / between), slope)
        if not last:
            between = _between(flat - common, spread, between)
    return common, flat.reshape(levels.shape)


def _between(away: Floats, information: Floats, prior: Floats) -> Floats:
    """Return the variance between series beyond chance, from estimates shrunk with `prior`."""
    kept = information * prior / (1.0 + information * prior)  # left by shrinkage
    some = information > 1e-9
    whole = np.where(some, away / np.maximum(kept, 1e-9), 0.0)
    chance = np.where(some, 1.0 / np.maximum(information, 1e-9), 0.0)
    weight = np.where(some, kept**2, 0.0)
    total = np.maximum(weight.sum(axis=0), 1e-9)
    variance = (weight * (whole**2 - chance)).sum(axis=0) / total
    found: Floats = np.clip(variance, 0.02**2, PRIOR_DEVIATION**2)
    return found


def _step(curve: Floats, slope: Floats) -> Floats:
    """Return a step of Newton's method, of at most 1 in every level."""
    step: Floats = np.clip(np.linalg.solve(curve, slope[..., None])[..., 0], -1.0, 1.0)
    return step


def _curvature(z: Floats, weight: Floats) -> Floats:
    """Return ``sum_t w_t z_t z_t'`` of every series."""
    curve: Floats = np.swapaxes(z * weight[..., None], 1, 2) @ z
    return curve


def _dispersion(demand: Floats, base: Floats, z: list[Floats], levels: Floats) -> Floats:
    """Return ``sum (D - mu)^2 / sum mu`` of every series, at least 1/10 of a usual sale."""
    power = np.zeros_like(demand)
    for k, part in enumerate(z):
        power += part * levels[..., k]
    mean = base * np.exp(np.clip(power, -MOST_EFFECT, MOST_EFFECT))
    over = ((demand - mean) ** 2).sum(axis=0) / np.maximum(mean.sum(axis=0), 1e-9)
    dispersion: Floats = np.maximum(over, 0.1 * usual_sale(demand)).reshape(-1)
    return dispersion


@dataclass(frozen=True)
class _Batch:
    """A batch of series: demand and base, shape (series, days), z, shape (series, days, terms)."""

    demand: Floats
    base: Floats
    z: Floats


def _batches(demand: Floats, base: Floats, z: list[Floats]) -> Iterator[tuple[slice, _Batch]]:
    """Yield the series in batches, so that memory stays bounded."""
    days, series = len(demand), demand[0].size
    room = max(1, BATCH_VALUES // (days * len(z)))
    for first in range(0, series, room):
        part = slice(first, min(first + room, series))
        units, usual = (
            np.ascontiguousarray(x.reshape(days, series)[:, part].T) for x in (demand, base)
        )
        terms = [_of_series(x, demand.shape, part) for x in z]
        yield part, _Batch(units, usual, np.stack(terms, axis=-1))


def _of_series(z: Floats, shape: tuple[int, ...], part: slice) -> Floats:
    """Return a term of a batch of series, shape (series, days)."""
    if z[0].size == 1:
        return np.broadcast_to(z.reshape(1, -1), (part.stop - part.start, len(z)))
    whole: Floats = np.broadcast_to(z, shape).reshape(len(z), -1)[:, part].T
    return whole
