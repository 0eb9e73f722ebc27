"""Trees over all series together: what they learn, and that they know no day they are asked of."""

import sys

import numpy as np
import pytest

from common.errors import InputError
from demand.forecasts import boosting as module
from demand.forecasts.boosting import FOLDS, Boosting, boosting, features, part_of
from demand.forecasts.errors import forecast_errors
from demand.forecasts.forecast import BoundedForecast
from demand.forecasts.smoothing import smoothing
from demand.forecasts.trees import Trees
from demand.known_demand import KNOWN_DAYS
from tests.demand.forecasts.test_forecast import history

lightgbm = pytest.importorskip("lightgbm", reason="lightgbm is not installed")

DAYS = np.arange(900)
PROMOTION = DAYS % 9 == 4
WEEKEND = DAYS % 7 >= 5
SIZES = np.array([20.0, 50, 100, 200])


def demand_of(factor, seed=0):
    return np.random.default_rng(seed).poisson(factor[:, None] * SIZES) * 1.0


@pytest.fixture(scope="module")
def weekends():
    """Promotions that sell more on weekends alone, which no factors of days tell."""
    return history(demand_of(np.where(PROMOTION & WEEKEND, 3.0, 1.0)), promotion=PROMOTION)


def later_errors(past, forecast):
    """Return forecasts of the days after training less what came, over the stores' sizes."""
    first = len(past.training)
    days = np.arange(first, len(DAYS) - 1)
    rows = days + np.arange(-KNOWN_DAYS, 2)[:, None]
    demand = past.table.demand[rows, 0]
    known = past.known_demand(demand, days + past.table.first_day.toordinal(), days * 0, 2)
    found = forecast(known, 0, np.full(days.size, 1), days * 0)
    return (found - demand[KNOWN_DAYS]) / SIZES


def test_it_learns_what_factors_of_days_do_not_tell(weekends):
    usual = later_errors(weekends, smoothing(weekends, 1, informed=True))
    better = later_errors(weekends, boosting(weekends, 1, informed=True))
    assert np.square(better).mean() < 0.5 * np.square(usual).mean()


def test_errors_of_training_days_are_no_smaller_than_chance_makes_them():
    """Trees that knew the days would have smaller ones: too little stock would be held."""
    past = history(demand_of(np.ones(DAYS.size)))
    found = boosting(past, 1)
    knowing = Boosting(found.base, [found._trees[FOLDS]] * (FOLDS + 1), 0, 1)
    chance = np.sqrt((1 / SIZES).mean())

    def spread(forecast):
        bounded = BoundedForecast(forecast, past.training.max(axis=0), past.new)
        return np.nanstd(forecast_errors(past, 0, 1, bounded)[0])

    assert spread(knowing) < chance < spread(found) < 1.05 * chance


class SameError:
    """Trees that find the same error, over its scale, whatever they are shown."""

    def __init__(self, error):
        self.error = error

    def predict(self, rows):
        return np.full(len(rows), self.error)


@pytest.fixture(scope="module")
def mornings():
    """What is known on the second mornings of four episodes, and the days that each asks for."""
    weekly = demand_of(np.ones(DAYS.size))
    weekly[WEEKEND, 0] *= 3
    past = history(weekly)
    start = np.array([198, 199, 798, 799])
    rows = start + np.arange(-KNOWN_DAYS, 5)[:, None]
    first = past.table.first_day.toordinal()
    known = past.known_demand(weekly[rows], start + first, start * 0, 4)
    return smoothing(past, 3), first, (known, 1, np.array([1, 2, 3, 3]), start * 0)


def test_a_day_is_corrected_by_the_trees_of_its_part(mornings):
    """Of four parts of 200 days; the last morning comes after all of them."""
    base, first, morning = mornings
    trees = [*map(SameError, (0.01, 0.02, 0.03, 0.04)), None]
    scale = morning[0].demand[1 : 1 + KNOWN_DAYS].mean(axis=0)
    error = np.array([1 * 0.01, 2 * 0.02, 3 * 0.04, 0.0])
    found = Boosting(base, trees, first, 800)(*morning)
    np.testing.assert_allclose(found, base(*morning) + error[:, None] * scale)


def test_no_correction_makes_a_forecast_negative(mornings):
    base, first, morning = mornings
    assert not Boosting(base, [SameError(-50.0)] * (FOLDS + 1), first, 800)(*morning).any()


def test_a_series_as_if_new_is_forecast_as_smoothing_does_then(mornings):
    base, first, morning = mornings
    new = Boosting(base, [None] * (FOLDS + 1), first, 800).as_if_new()(*morning)
    np.testing.assert_allclose(new, base.as_if_new()(*morning))
    assert np.abs(new / base(*morning) - 1)[:, 0].max() > 0.2  # it has no weekends of its own


def test_a_morning_looks_the_same_whichever_day_of_an_episode_it_is(weekends):
    start = np.arange(100, 107)
    first, base = weekends.table.first_day.toordinal(), smoothing(weekends, 2, informed=True)
    seen = []
    for day in (0, 3):
        rows = start - day + np.arange(-KNOWN_DAYS, day + 3)[:, None]
        demand, begun = weekends.table.demand[rows, 0], start - day + first
        known = weekends.known_demand(demand, begun, start * 0, day + 3)
        seen.append(features(base, known, day, 2, start * 0))
    for own, later in zip(*seen, strict=True):
        np.testing.assert_allclose(later, own, rtol=1e-5)


def test_days_belong_to_parts_of_training():
    assert part_of(np.array([-1, 0, 24, 25, 99, 100]), 100).tolist() == [4, 0, 0, 1, 3, 4]


def test_the_same_days_give_the_same_trees_and_few_days_none(weekends):
    base = smoothing(weekends, 1)
    assert module._fit(weekends, base, 1) == module._fit(weekends, base, 1)
    short = history(demand_of(np.ones(120)))
    assert module._fit(short, smoothing(short, 1), 1) == [""] * (FOLDS + 1)


def test_without_the_package_it_is_said_what_to_install(weekends, monkeypatch):
    boosting.cache_clear()
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(InputError, match=r"needs lightgbm; pip install -e '\.\[boosting\]'"):
        boosting(weekends, 1)


def test_where_its_library_cannot_be_loaded_it_is_said_what_is_missing(weekends, monkeypatch):
    """As in images of Debian without OpenMP."""
    boosting.cache_clear()
    missing = "libgomp.so.1: cannot open shared object file"

    class Broken:
        def find_spec(self, name, *_):
            if name == "lightgbm":
                raise OSError(missing)

    monkeypatch.delitem(sys.modules, "lightgbm")
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(InputError, match=f"lightgbm cannot be loaded: {missing}; apt-get install"):
        boosting(weekends, 1)


@pytest.mark.parametrize("least", [20, 10_000], ids=["splits", "no split"])
def test_compiled_trees_predict_what_the_library_does_bit_for_bit(least):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3_000, 4)).astype(np.float32).round(1)  # many lie at a threshold
    rows[:, 2] = 0.0  # never split on
    came = np.sin(rows[:, 0]) * rows[:, 1] + rng.normal(size=len(rows))
    how = {**module.TREES, "min_data_in_leaf": least}
    fitted = lightgbm.train(how, lightgbm.Dataset(rows, came, params=how), 20)
    for seen in (rows, 100.0 * rows):
        assert (Trees.of(fitted).predict(seen) == fitted.predict(seen)).all()
