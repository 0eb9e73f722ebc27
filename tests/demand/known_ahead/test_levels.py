"""What is known ahead: columns of a file, calendars, public holidays, and their levels."""

import datetime as dt

import numpy as np
import pytest

from common.errors import InputError
from demand.dates import Periods
from demand.forecasts.errors import forecast_errors
from demand.forecasts.forecast import make_forecast
from demand.history import StoreDemand, store_history
from demand.known_ahead.calendars import falls_on, public_holidays, read_calendar
from demand.known_ahead.covariates import Covariate, Covariates
from demand.known_ahead.levels import learn_levels
from demand.known_demand import KNOWN_DAYS, KnownDemand

FIRST = dt.date(2022, 1, 3)
DAYS = 900
WEEK = np.array([40, 20, 20, 30, 30, 60, 20])
SPLIT = FIRST + dt.timedelta(days=700)
MONTHS = dt.date(2019, 12, 1), dt.date(2019, 4, 1)


def known(**columns):
    """Return covariates that are the same for all stores and SKUs."""
    parts = (Covariate(n, np.float32(x)[:, None, None]) for n, x in columns.items())
    return Covariates(FIRST, tuple(parts))


def series(multiplier, stores=3, seed=0):
    usual = 3 * WEEK[np.arange(DAYS) % 7][:, None, None] * multiplier
    return np.random.default_rng(seed).poisson(np.broadcast_to(usual, (DAYS, 1, stores))) * 1.0


def flags(share, seed=1):
    return np.random.default_rng(seed).random(DAYS) < share


def test_the_level_of_a_flag_is_learned():
    promotion, event = flags(0.1), flags(0.05, seed=2)
    demand = series((1.0 + 0.5 * promotion - 0.3 * event)[:, None, None])
    levels = learn_levels(demand, known(promotion=promotion, event=event))
    effects = levels.multipliers(known(promotion=promotion, event=event))
    only = promotion & ~event
    np.testing.assert_allclose(effects[only], 1.5, rtol=0.06)
    np.testing.assert_allclose(effects[event & ~promotion], 0.7, rtol=0.06)
    assert (effects[~promotion & ~event] == 1).all()


@pytest.mark.parametrize("name", ["price", "Verkaufspreis", "prix_vente"])
def test_a_price_is_high_or_low_for_the_series_alone(name):
    cut = np.random.default_rng(1).choice([0.9, 0.8, 0.7, *9 * [1.0]], (DAYS, 1, 3))
    demand, price = series(cut**-2.0), np.float32(cut * [1.0, 6.0, 40.0])
    columns = (Covariate(name, price),)
    price[:, :, 2][DAYS // 2 :] = np.nan
    levels = learn_levels(demand[: DAYS // 2], Covariates(FIRST, columns))
    np.testing.assert_allclose(levels.levels, -2.0, atol=0.1)
    effects = levels.multipliers(Covariates(FIRST, columns))
    np.testing.assert_allclose(effects[..., :2], cut[..., :2] ** -2.0, rtol=0.05)
    assert (effects[DAYS // 2 :, :, 2] == 1.0).all()


def test_a_promotion_has_its_level_at_a_price_that_is_new():
    cut = np.where(flags(0.15), 0.8, 1.0)
    price = np.where(np.arange(DAYS) < 700, 2.0, 2.4) * cut
    levels = learn_levels(series((cut**-2.0)[:, None, None])[:700], known(price=price))
    effects = levels.multipliers(known(price=price))[700:]
    ratio = effects[cut[700:] < 1].mean() / effects[cut[700:] == 1].mean()
    assert ratio == pytest.approx(0.8**-2.0, rel=0.05)


def test_levels_are_the_same_whatever_units_are_counted_in():
    promotion, shut = flags(0.1), flags(0.02, seed=2)
    demand = series((1.0 + 0.5 * promotion)[:, None, None] * ~shut[:, None, None])
    own, tonnes = (learn_levels(x, known(p=promotion, shut=shut)) for x in (demand, demand / 1e4))
    assert np.isneginf(own.levels[..., 1]).all()
    np.testing.assert_allclose(tonnes.levels, own.levels, rtol=0.01)


def test_weeks_with_two_holidays_are_not_all_like_christmas():
    weeks = Periods("week", dt.date(2016, 1, 4))
    begins = [weeks.date(k) for k in range(110)]
    christmas = np.array([(d.month, d.day) > (12, 18) and d.day <= 25 for d in begins])
    holidays = 1.0 * (np.random.default_rng(4).random(110) < 0.15)
    holidays[christmas] = 2  # no other week has two until the last one
    multiplier = np.where(christmas, 0.6, 1.15**holidays)
    demand = np.random.default_rng(5).poisson(300 * multiplier[:, None, None], (110, 1, 4)) * 1.0
    columns = (Covariate("is_holiday", np.float32(holidays)[:, None, None]),)
    seen = Covariates(weeks.first, columns, weeks)
    levels = learn_levels(demand[:100], seen)
    coming = np.zeros(110, np.float32)
    coming[105], coming[106] = 1, 2
    columns = (Covariate("is_holiday", coming[:, None, None]),)
    effects = levels.multipliers(Covariates(weeks.first, columns, weeks))
    np.testing.assert_allclose(effects[105], 1.15, rtol=0.05)
    np.testing.assert_allclose(effects[106], 1.15**2, rtol=0.08)
    assert (levels.multipliers(seen)[np.flatnonzero(christmas)[0]] < 0.7).all()


@pytest.mark.parametrize(
    ("name", "christmas", "easter"),
    [("week", dt.date(2019, 12, 24), dt.date(2019, 4, 16)), ("month", *MONTHS)],
)
def test_holidays_fall_in_the_periods_that_hold_their_day(name, christmas, easter):
    periods = Periods(name, dt.date(2019, 1, 1))  # a Tuesday
    count = periods.number(dt.date(2020, 1, 1))
    column = Covariate("x", np.zeros((count, 1, 1), np.float32))
    known = Covariates(periods.first, (column,), periods)
    for holiday, begin in (("25.12.", christmas), ("Easter+0", easter)):
        held = np.flatnonzero(falls_on(known, holiday)).tolist()
        assert [periods.date(k) for k in held] == [begin]


def test_the_level_of_a_price_is_an_elasticity():
    price = np.exp(np.random.default_rng(3).normal(np.log(2), 0.2, DAYS))
    demand = series(((price / 2) ** -1.5)[:, None, None])
    levels = learn_levels(demand, known(price=price))
    effects = levels.multipliers(known(price=np.array([1.0, 2.0, 4.0])))
    np.testing.assert_allclose(effects[:, 0, 0], [2**1.5, 1, 2**-1.5], rtol=0.1)


def test_levels_that_are_chance_are_shrunk_and_real_differences_are_kept():
    flag = flags(0.02)
    alike = learn_levels(series(np.ones((DAYS, 1, 1)), stores=8), known(promotion=flag))
    assert np.abs(alike.levels).max() < 0.05
    differ = np.where(np.arange(8) % 2, 1.4, 0.7)
    demand = series(np.where(flag[:, None, None], differ, 1.0), stores=8)
    found = np.exp(learn_levels(demand, known(promotion=flag)).levels[0, :, 0])
    np.testing.assert_allclose(found, differ, rtol=0.12)


def test_a_store_that_never_sells_on_a_holiday_is_closed_on_it():
    day = [FIRST + dt.timedelta(days=k) for k in range(DAYS)]
    christmas = np.array([(d.month, d.day) == (12, 25) for d in day])
    labour = np.array([(d.month, d.day) == (5, 1) for d in day])
    multiplier = np.ones((DAYS, 1, 2))
    multiplier[christmas, 0, 0] = 0  # the second store opens even then
    levels = learn_levels(series(multiplier, stores=2), known(holiday=christmas | labour))
    effects = levels.multipliers(known(holiday=christmas | labour))
    assert (effects[christmas, 0, 0] == 0).all()
    assert (effects[christmas, 0, 1] > 0.5).all()
    assert (effects[labour] > 0.5).all()


def test_days_that_are_not_of_training_teach_nothing():
    promotion = flags(0.1)
    demand = series((1.0 + promotion)[:, None, None])
    own = learn_levels(demand[:700], known(promotion=promotion))
    other = promotion.copy()
    other[700:] = ~other[700:]
    again = learn_levels(demand[:700], known(promotion=other, surprise=np.arange(DAYS) > 800))
    assert own.terms == again.terms
    assert (own.levels == again.levels).all()


@pytest.fixture
def file(tmp_path):
    def write(sold, promotion, name="sales.csv"):
        days = [FIRST + dt.timedelta(days=k) for k in range(len(sold))]
        rows = [f"{d},a,{x:.0f},{int(p)}" for d, x, p in zip(days, sold, promotion, strict=True)]
        path = tmp_path / name
        path.write_text("\n".join(["date,store,demand,promotion", *rows]) + "\n")
        return path

    return write


def history(path, **options):
    return store_history(StoreDemand(file=path, split=SPLIT, **options))


@pytest.mark.parametrize("name", ["average", "weekday", "smoothing"])
def test_forecasts_follow_what_is_known(file, name):
    promotion = flags(0.15)
    sold = series((1.0 + promotion)[:, None, None], stores=1)[:, 0, 0]
    past = history(file(sold, promotion))
    assert past.table.covariates.names == ("promotion",)
    blind, informed = (
        np.square(forecast_errors(past, 0, 2, make_forecast(n, past, 2))[0]).mean()
        for n in (name, f"{name}_covariates")
    )
    assert informed < 0.6 * blind


def test_a_closed_month_does_not_make_the_days_after_it_empty(file):
    closed = np.zeros(DAYS, bool)
    closed[300:340] = closed[640:680] = True
    sold = series(np.where(closed, 0.0, 1.0)[:, None, None], stores=1)[:, 0, 0]
    past = history(file(sold, closed))
    days, sku = np.array([7]), np.array([0])
    at = FIRST.toordinal() + np.array([340])
    demand = sold[340 - KNOWN_DAYS : 341][:, None, None]
    seen = past.known_demand(demand, at, sku, 10)
    assert isinstance(seen, KnownDemand)
    for name in ("average_covariates", "weekday_covariates", "smoothing_covariates"):
        week = make_forecast(name, past, 7)(seen, 0, days, sku)
        assert week[0, 0] == pytest.approx(3 * WEEK.sum(), rel=0.25)


def test_resampled_days_keep_what_is_known_of_them(file):
    promotion = flags(0.15)
    sold = series((1.0 + promotion)[:, None, None], stores=1)[:, 0, 0]
    past = history(file(sold, promotion), augment="bootstrap")
    days = np.arange(100, 500)[None]
    made = past.resampled.bootstrap(np.random.default_rng(0), days.repeat(50, 0), np.zeros(50, int))
    ratio = made[..., 0].mean(axis=0) / (3 * WEEK[days[0] % 7])
    assert ratio[promotion[100:500]].mean() == pytest.approx(2.0, rel=0.06)
    assert ratio[~promotion[100:500]].mean() == pytest.approx(1.0, rel=0.06)


STORES, SKUS = ("a", "b"), ("x", "y")


@pytest.fixture
def calendar(tmp_path):
    def read(text, **options):
        path = tmp_path / "calendar.csv"
        path.write_text(text)
        return read_calendar(path, STORES, SKUS, **options).completed()

    return read


def test_a_calendar_is_complete_from_its_first_to_its_last_date(calendar):
    found = calendar("date,event,closed\n2024-03-01,fair,\n2024-03-04,,1\n")
    event, closed = found.columns
    assert (event.labels, event.values[:, 0, 0].tolist()) == (("", "fair"), [1, 0, 0, 0])
    assert closed.values[:, 0, 0].tolist() == [0, 0, 0, 1]
    assert found.unknown(dt.date(2024, 3, 4), 2) == {
        "event": dt.date(2024, 3, 5),
        "closed": dt.date(2024, 3, 5),
    }


def test_rows_of_a_store_win_over_rows_of_all(calendar):
    found = calendar(
        "date,store,sku,closed,price\n2024-03-01,,,1,\n2024-03-01,a,,0,\n2024-03-01,a,y,,2.5\n"
    )
    closed, price = found.columns
    assert closed.values[0].tolist() == [[0, 1], [0, 1]]
    assert price.values[0, 1, 0] == 2.5
    assert np.isnan(price.values[0]).sum() == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date,event\n", "a header and no days"),
        ("date,store\n2024-03-01,a\n", "nothing that is known of them; add a column"),
        ("day of it,event\nsoon,fair\n", "no column of dates.*add one, called date"),
        ("date,event\n2024-03-01,fair\nlater,fair\n", "row 3: date = 'later' is not a date"),
        ("date,store,event\n2024-03-01,c,fair\n", "unknown store in calendar.csv 'c'"),
        ("date,event\n2024-03-01,fair\n2024-03-01,\n", "row 3: is a duplicate of row 2"),
    ],
)
def test_a_calendar_that_is_wrong_is_refused(calendar, text, message):
    with pytest.raises(InputError, match=message):
        calendar(text)


def test_a_calendar_joins_what_the_file_says(file, tmp_path):
    promotion = flags(0.1)
    sold = series((1.0 + promotion)[:, None, None], stores=1)[:, 0, 0]
    path = tmp_path / "calendar.csv"
    after = FIRST + dt.timedelta(days=DAYS)
    path.write_text(f"date,promotion,event\n{FIRST},,fair\n{after},1,\n")
    past = history(file(sold, promotion), calendar=path)
    names = {one.name: one for one in past.covariates.columns}
    assert list(names) == ["promotion", "event"]
    assert names["promotion"].values[-1, 0, 0] == 1
    assert past.effects.shape == (DAYS + 1, 1, 1)
    assert past.effects[-1, 0, 0] == pytest.approx(2.0, rel=0.1)
    path.write_text(f"date,promotion\n{FIRST},maybe\n{after},certainly\n")
    with pytest.raises(InputError, match="texts in one file and numbers in the other"):
        history(file(sold, promotion), calendar=path)


def test_public_holidays_are_those_of_the_region():
    pytest.importorskip("holidays")
    of = {
        region: public_holidays(region, dt.date(2024, 1, 1), dt.date(2024, 12, 31))
        for region in ("DE", "DE-BY")
    }
    epiphany = (dt.date(2024, 1, 6) - dt.date(2024, 1, 1)).days
    assert [found.columns[0].values[epiphany, 0, 0] for found in of.values()] == [0, 1]
    with pytest.raises(InputError, match="unknown country of --holidays 'XX'"):
        public_holidays("XX", FIRST, FIRST)
    with pytest.raises(InputError, match="unknown part of DE for --holidays 'TX'"):
        public_holidays("DE-TX", FIRST, FIRST)
