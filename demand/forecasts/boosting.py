r"""Gradient boosting over all series together: corrections of smoothing, from training days.

``F_t = sum_j max(0, s_(t+j) + c_t g(x_(t+j)))`` with s the forecast of `demand.forecasts.smoothing`
for a day, c_t the scale of errors and g an ensemble of trees (LightGBM, an extra) that is fitted to
``(D_(t+j) - s_(t+j)) / c_t`` over the days, stores and SKUs of training. Its features are recent
demand, demand on the same weekday, the weekday, the season, the number of days ahead, the store's
size, and what is known of the day ahead; amounts are over c_t, so that small series learn from
large ones.

In-sample forecast errors are too small, and so would be the safety stock. Therefore the training
days are cut into `FOLDS` parts, and a day is forecast by trees fitted to the other parts
(cross-fitting); days after training are forecast by trees fitted to all of them.

References
----------
Ke et al. (2017), LightGBM: A Highly Efficient Gradient Boosting Decision Tree, NIPS 30;
Makridakis, Spiliotis and Assimakopoulos (2022), M5 accuracy competition, International Journal of
Forecasting 38(4) (trees over all series together); Chernozhukov et al. (2018), Double/debiased
machine learning, The Econometrics Journal 21(1) (cross-fitting).
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.array_cache import made_once
from common.errors import InputError
from demand.forecasts.errors import Floats, Whole, error_scale, training_windows
from demand.forecasts.smoothing import Smoothing, known_effects, smoothing
from demand.forecasts.trees import Trees
from demand.history import StoreHistory
from demand.known_demand import KNOWN_DAYS, WEEK, WEEKS, KnownDemand, mean_of_open, weekday_means

FOLDS = 4
"""Parts of the training days; each is forecast by trees fitted to the others."""

MOST_ROWS = 300_000
"""Most series-days that trees are fitted to; if there are more, every k-th day is taken."""

LEAST_ROWS = 1_000
"""With fewer, nothing is learned."""

ROUNDS = 100
TREES = {
    "objective": "regression",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 200,
    "lambda_l2": 10.0,
    "max_bin": 63,
    "feature_fraction": 0.8,
    "seed": 0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
"""LightGBM's parameters; with these the same days give the same trees, bit for bit."""


class Boosting:
    """Smoothing, and trees that correct its errors.

    Parameters
    ----------
    base : Smoothing
        The forecast that is corrected.
    trees : list of Trees or None
        One for each part of the training days, fitted to the others, and one fitted to all; None
        where there was too little data to fit them.
    first : int
        Ordinal of the first training day.
    days : int
        Number of training days.
    """

    def __init__(self, base: Smoothing, trees: list[Trees | None], first: int, days: int) -> None:
        self.base, self._trees, self._first, self._days = base, trees, first, days

    def as_if_new(self) -> "Boosting":
        """Return the same trees on top of smoothing that treats all series as new."""
        return Boosting(self.base.as_if_new(), self._trees, self._first, self._days)

    def __call__(self, past: KnownDemand, day: int, days: Whole, sku: Whole) -> Floats:
        """Return F_t."""
        ahead = int(days.max())
        usual, seen, scale = features(self.base, past, day, ahead, sku)
        of_world = part_of(past.start + day - self._first, self._days)
        wrong = np.zeros(usual.shape)
        for part in np.unique(of_world).tolist():
            worlds = np.flatnonzero(of_world == part)
            rows = seen[:, worlds].reshape(-1, seen.shape[-1])
            if (trees := self._trees[part]) is not None:
                wrong[:, worlds] = trees.predict(rows).reshape(ahead, worlds.size, -1)
        daily = np.maximum(usual + scale * wrong, 0.0)
        total: Floats = (daily * (np.arange(ahead)[:, None] < days)[..., None]).sum(axis=0)
        return total


def part_of(number: Whole, days: int) -> Whole:
    """Return the part of the training days that each day number is in; `FOLDS` if in none."""
    part = number * FOLDS // max(days, 1)
    return np.where((number >= 0) & (number < days), part, FOLDS)


def features(
    base: Smoothing, past: KnownDemand, day: int, ahead: int, sku: Whole
) -> tuple[Floats, NDArray[np.float32], Floats]:
    """Return the forecast of smoothing, the trees' features, and the scale of errors.

    Returns
    -------
    usual : ndarray
        Shape (ahead, worlds, N) [units/day].
    seen : ndarray
        Shape (ahead, worlds, N, features).
    scale : ndarray
        c_t, shape (worlds, N) [units].
    """
    scale, today = error_scale(past, day), KNOWN_DAYS + day
    fitted = base.fit(past, day, sku)
    coming = [fitted.coming(np.full(past.start.size, j)) for j in range(ahead + 1)]
    usual: Floats = fitted.level * np.diff(np.stack(coming), axis=0)
    of_today = [*past.recent(day, WEEK), *past.recent(day, KNOWN_DAYS), past.demand[today - 1]]
    of_day = [usual, past.same_weekday(day, ahead), past.last_week(day, ahead)]
    parts = [x / scale for x in (*of_today, past.usual * np.ones(scale.shape), *of_day)]
    calendar = np.stack([past.calendar(day + j) for j in range(ahead)], axis=1)
    parts += [np.log1p(past.usual), *calendar[..., None], np.arange(ahead)[:, None, None]]
    if base.informed:
        effects, opened = known_effects(past), past.open_days(day)
        before = weekday_means(effects, opened, today, ahead, WEEKS, past.cycle)
        month = mean_of_open(effects, opened, today, KNOWN_DAYS)
        parts += [effects[today : today + ahead], before, month]
    every = [np.broadcast_to(part, usual.shape) for part in parts]
    return usual, np.stack(every, axis=-1).astype(np.float32), scale


@lru_cache(maxsize=8)
def boosting(history: StoreHistory, days: int, *, informed: bool = False) -> Boosting:
    """Return smoothing with trees fitted to training days, computed once.

    `days` is the usual number of days to forecast, `informed` whether it uses what is known ahead.

    Raises
    ------
    InputError
        If LightGBM, or a library that it needs, is not installed.
    """
    try:
        import lightgbm  # here: an extra
    except ModuleNotFoundError:
        raise InputError("gradient boosting needs lightgbm; pip install -e '.[boosting]'") from None
    except OSError as error:  # small images of Debian lack OpenMP's library
        raise InputError(f"lightgbm cannot be loaded: {error}; apt-get install libgomp1") from None

    base = smoothing(history, days, informed=informed)

    def fitted() -> dict[str, NDArray[Any]]:
        return {
            f"trees_{part}": np.frombuffer(trees.encode(), np.uint8)
            for part, trees in enumerate(_fit(history, base, days))
        }

    key = history.key_of("boosting", days, informed, lightgbm.__version__)
    made = made_once(key, fitted)
    texts = [made[f"trees_{part}"].tobytes().decode() for part in range(FOLDS + 1)]
    trees = [Trees.of(lightgbm.Booster(model_str=text)) if text else None for text in texts]
    first = history.table.first_day.toordinal()
    return Boosting(base, trees, first, len(history.training))


def _fit(history: StoreHistory, base: Smoothing, days: int) -> list[str]:
    """Return trees in LightGBM's text format, for each part and for all training days.

    Those of a part are fitted to no day whose forecast begins in it or reaches into it. Days are
    weighted by their scale, as a small series varies more in proportion.
    """
    import lightgbm  # here: an extra

    first, count = history.table.first_day.toordinal(), len(history.training)
    every = max(1, -(-history.mean.size * count * days // MOST_ROWS))
    seen, wrong, weight, number = [], [], [], []
    for sku in range(len(history.mean)):
        windows = training_windows(history, sku, days, every)
        of_sku = np.full(windows.start.size, sku)
        usual, of_day, scale = features(base, windows.known, 0, days, of_sku)
        taken = np.broadcast_to(windows.begun, usual.shape)
        came = windows.known.demand[KNOWN_DAYS:]
        seen.append(of_day[taken])
        wrong.append(((came - usual) / scale)[taken])
        weight.append(np.broadcast_to(scale, taken.shape)[taken])
        today = np.broadcast_to((windows.start - first)[:, None], taken.shape)
        number.append(today[taken])
    rows, targets = np.concatenate(seen), np.concatenate(wrong)
    weights, today = np.concatenate(weight), np.concatenate(number)
    found = []
    for part in range(FOLDS + 1):
        begin, end = part * count / FOLDS, (part + 1) * count / FOLDS  # the last one: after all
        fit = (today < begin - days) | (today >= end + days)
        if fit.sum() < LEAST_ROWS:
            found.append("")
            continue
        data = lightgbm.Dataset(rows[fit], targets[fit], weight=weights[fit], params=TREES)
        found.append(lightgbm.train(TREES, data, ROUNDS).model_to_string())
    return found
