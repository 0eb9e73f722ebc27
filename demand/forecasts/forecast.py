r"""Forecasts of a file's demand from the days before, for the L + r days that an order must cover.

* ``"average"``: L + r times the mean of the last 7 days;
* ``"weekday"``: for each day the mean of the last four same weekdays (a seasonal average);
* ``"smoothing"``: each weekday's factor c times a discounted level, ``F_t = a_t sum_j c_(t+j)``
  with ``a_t = sum_k w^k D_(t-k) / sum_k w^k c_(t-k)`` over the last 28 days.

* ``"tsb"``: L + r times the probability of demand times its size (`demand.forecasts.intermittent`).

Factors and the discount w are learned from training days. For a series that has just begun to
sell, or has reopened, only the days since then count (`demand.known_demand`), and no day's forecast
exceeds `MOST_TIMES` the largest demand seen.

Each has a variant, ``"smoothing_covariates"`` and so on, that uses what is known ahead: it
multiplies demand of day t by m_t (`demand.known_ahead.levels`), so that levels are means of demand
over means of m, and every coming day's forecast is multiplied by its m; c m takes the place of c.

References
----------
Hyndman and Athanasopoulos (2021), Forecasting: Principles and Practice, 3rd ed., sections 5.2 and
8.1; for the smoothing see `demand.forecasts.smoothing`.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from common.array_cache import made_once
from common.compiled import compiled
from common.errors import InputError
from demand.forecasts.boosting import Boosting, boosting
from demand.forecasts.errors import LEAST_SCALE, Floats, Forecast, Whole, error_scale
from demand.forecasts.intermittent import Intermittent, intermittent
from demand.forecasts.opening import opening_growth
from demand.forecasts.smoothing import LEAST_EFFECT, Smoothing, known_effects, smoothing
from demand.history import StoreHistory
from demand.known_demand import KNOWN_DAYS, WEEK, WEEKS, KnownDemand, mean_of_open, weekday_means

ForecastName = Literal[
    "average",
    "weekday",
    "smoothing",
    "tsb",
    "boosting",
    "boosting_covariates",
    "average_covariates",
    "weekday_covariates",
    "smoothing_covariates",
]
COVARIATES = "_covariates"

MOST_TIMES = 3.0
"""A day's forecast is at most this multiple of the largest demand seen."""


def learns_of_training(name: ForecastName) -> bool:
    """Whether a forecast has parameters learned from training days, which are in-sample for it."""
    return name.endswith(COVARIATES) or name not in ("average", "weekday")


def is_cross_fitted(name: ForecastName) -> bool:
    """Whether every training day is forecast by a model fitted to other days."""
    return name.removesuffix(COVARIATES) == "boosting"


@dataclass(frozen=True, eq=False)
class BoundedForecast:
    """A forecast capped to plausible values, whatever its levels and factors give on odd days.

    Attributes
    ----------
    forecast : Forecast
        The forecast that is capped.
    largest : ndarray
        The largest demand of a training day, shape (SKUs, N) [units/day].
    new : ndarray
        Which series are new, shape (SKUs, N).
    growth : ndarray, optional
        Factor on new series' scale of errors, by the number of days since they opened, shape
        (`KNOWN_DAYS` + 1,) (`demand.forecasts.opening`).
    """

    forecast: Forecast
    largest: Floats
    new: NDArray[np.bool_]
    growth: Floats | None = None

    def __call__(self, past: KnownDemand, day: int, days: Whole, sku: Whole) -> Floats:
        """Return F_t."""
        seen = np.maximum(self.largest[sku], largest_known(past.demand, KNOWN_DAYS + day))
        forecast = self.forecast(past, day, days, sku)
        bounded: Floats = np.minimum(forecast, MOST_TIMES * days[:, None] * seen)
        return bounded

    def scale(self, past: KnownDemand, day: int, sku: Whole, daily: Floats) -> Floats:
        """Return the divisor of errors, shape (worlds, N) [units].

        For smoothing and trees it is the geometric mean of `error_scale` and the forecast of a day,
        `daily`: errors are larger before a holiday that sells more, but not in proportion. The
        forecasts by means of a few days are too uncertain for that.
        """
        if isinstance(self.forecast, Intermittent):
            return self.forecast.scale(past, day, sku)
        scale: Floats = error_scale(past, day)
        if isinstance(self.forecast, Smoothing | Boosting):
            scale = np.sqrt(scale * np.maximum(daily, LEAST_SCALE * past.usual))
        if self.growth is not None:
            scale = scale * np.where(self.new[sku], self.growth[past.open_days(day)], 1.0)
        return scale

    def as_if_new(self) -> "BoundedForecast":
        """Return this forecast as if all series were new, without knowledge of training days."""
        if isinstance(self.forecast, Smoothing | Boosting):
            forecast: Forecast = self.forecast.as_if_new()
        else:
            forecast = self.forecast
        return BoundedForecast(forecast, np.zeros_like(self.largest), self.new)


@compiled
def largest_known(demand: Floats, row: int) -> Floats:
    """Return the largest demand of the `KNOWN_DAYS` days before `row`, shape (worlds, N)."""
    shape = demand.shape[1:]
    largest = np.zeros(shape)
    for t in range(row - KNOWN_DAYS, row):
        for w in range(shape[0]):
            for i in range(shape[1]):
                largest[w, i] = max(largest[w, i], demand[t, w, i])
    return largest


def make_forecast(name: ForecastName, history: StoreHistory, days: int) -> BoundedForecast:
    """Return a forecast; `days` is the usual number of days to forecast.

    Raises
    ------
    InputError
        If it uses what is known ahead, and nothing is known.
    """
    forecast = _bounded(name, history, days)
    return replace(forecast, growth=_growth(name, history, days))


def _bounded(name: ForecastName, history: StoreHistory, days: int) -> BoundedForecast:
    informed = name.endswith(COVARIATES)
    if informed and history.effects is None:
        raise InputError(
            f"{history.table.name}: nothing is known ahead that changed in the training period; "
            f"take {name.removesuffix(COVARIATES)}, or give a --calendar"
        )
    base = name.removesuffix(COVARIATES)
    forecast: Forecast
    if base == "smoothing":
        forecast = smoothing(history, days, informed=informed)
    elif base == "boosting":
        forecast = boosting(history, days, informed=informed)
    elif base == "tsb":
        forecast = intermittent(history, days)
    elif informed:
        forecast = {"average": _informed_average, "weekday": _informed_weekday}[base]
    else:
        forecast = {"average": _average, "weekday": _weekday}[base]
    return BoundedForecast(forecast, history.training.max(axis=0), history.new)


@lru_cache(maxsize=16)
def _growth(name: ForecastName, history: StoreHistory, days: int) -> Floats | None:
    """Return `opening_growth` of a forecast, computed once."""
    if name == "tsb" or history.new.all() or not history.new.any():
        return None  # TSB scales errors by each series' own variation
    usual = _bounded(name, history, days)

    def growth() -> dict[str, Floats]:
        return {"growth": opening_growth(history, days, usual, usual.as_if_new())}

    return made_once(history.key_of("opening", name, days), growth)["growth"]


def _average(past: KnownDemand, day: int, days: Whole, sku: Whole) -> Floats:
    del sku
    return days[:, None] * past.recent(day, WEEK)[0]


def _weekday(past: KnownDemand, day: int, days: Whole, sku: Whole) -> Floats:
    del sku
    ahead = np.arange(days.max())[:, None] < days
    total: Floats = (past.same_weekday(day, len(ahead)) * ahead[..., None]).sum(axis=0)
    return total


def _informed_average(past: KnownDemand, day: int, days: Whole, sku: Whole) -> Floats:
    del sku
    effects = known_effects(past)
    coming = _coming_days(effects, day, days)
    total: Floats = _level(past, effects, day, WEEK) * coming.sum(axis=0)
    return total


def _informed_weekday(past: KnownDemand, day: int, days: Whole, sku: Whole) -> Floats:
    del sku
    ahead = np.arange(days.max())[:, None] < days
    total: Floats = (_informed_weekdays(past, day, len(ahead)) * ahead[..., None]).sum(axis=0)
    return total


def _informed_weekdays(past: KnownDemand, day: int, ahead: int) -> Floats:
    """Return the mean of the last same weekdays for each of `ahead` days from `day`.

    Past days are divided by their known effects, coming ones multiplied. Shape (ahead, worlds, N).
    """
    effects, opened, row = known_effects(past), past.open_days(day), KNOWN_DAYS + day
    usual = weekday_means(effects, opened, row, ahead, WEEKS, past.cycle)
    level = past.same_weekday(day, ahead) / np.maximum(usual, LEAST_EFFECT)
    level = np.where(usual >= LEAST_EFFECT, level, _level(past, effects, day, KNOWN_DAYS))
    expected: Floats = level * effects[row : row + ahead]
    return expected


def _coming_days(effects: Floats, day: int, days: Whole) -> Floats:
    """Return the effects of the coming days, 0 from day `days` on, shape (ahead, worlds, N)."""
    row, ahead = KNOWN_DAYS + day, np.arange(days.max())[:, None] < days
    return effects[row : row + len(ahead)] * ahead[..., None]


def _level(past: KnownDemand, effects: Floats, day: int, days: int) -> Floats:
    """Return demand of the last `days` days over their effects, or the usual mean."""
    opened, row = past.open_days(day), KNOWN_DAYS + day
    known, base = (mean_of_open(x, opened, row, days) for x in (past.demand, effects))
    level: Floats = known / np.maximum(base, LEAST_EFFECT)
    return np.where(base >= LEAST_EFFECT, level, past.usual)
