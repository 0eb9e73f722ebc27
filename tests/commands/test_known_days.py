"""What is known of the days around a morning: the past ones, and those that stand for others."""

import datetime as dt
import os

import numpy as np
import pytest

import decide
from agents.config import resolve
from commands import known_days
from commands.morning import Morning, Today
from commands.stock_state import StockState, read_state
from common.errors import InputError
from demand.history import StoreDemand, store_history
from tests.recommended import write_rule_run

DAYS = np.arange("2020-01-01", "2021-07-01", dtype="datetime64[D]")
FIRST = dt.date(2020, 1, 1)
WEEK = np.array([20, 10, 15, 20, 25, 40, 10])
PROMOTED, CLOSED = np.arange(DAYS.size) % 9 == 4, np.arange(DAYS.size) % 50 == 20
EFFECT = np.where(CLOSED, 0, 1 + PROMOTED)
RULE = "newsvendor_smoothing_covariates"
D7 = ",".join(f"d{k}" for k in range(1, 8))
MORNING = dt.date(2021, 7, 5)


def usual(day):
    return 3 * WEEK[(day - FIRST).days % 7]


def effect(day):
    number = (day - FIRST).days
    return EFFECT[number] if number < DAYS.size else 1


def sales(folder, days=DAYS, *, flags=True):
    """Write sales that promotions double and closed days end, and return the file."""
    units = np.random.default_rng(0).poisson(3 * WEEK[np.arange(days.size) % 7] * EFFECT)
    columns = [days, units, PROMOTED.astype(int), CLOSED.astype(int)][: 4 if flags else 2]
    rows = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    path = folder / ("sales.csv" if flags else "plain.csv")
    path.write_text("\n".join(["date,north,promotion,closed"[: None if flags else 10], *rows]))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run that orders by a rule which knows promotions, and its parameters."""
    folder = tmp_path_factory.mktemp("known")
    flags = {"algo": "ppo", "demand": sales(folder), "split": "2021-01-01"}
    config = resolve(flags, assignments=("horizon=10",))
    write_rule_run(config, folder / "run", RULE)
    return folder / "run", config.parameters


@pytest.fixture
def state(tmp_path):
    """Return a state of the morning in which one of the last days was promoted."""

    def write(promoted=None, days=7):
        path = tmp_path / "stock.csv"
        past = [MORNING - dt.timedelta(days=k) for k in range(1, days + 1)]
        sold = [usual(x) * effect(x) * (2 if x == promoted else 1) for x in past]
        names = ",".join(f"d{k}" for k in range(1, days + 1))
        path.write_text(f"store,on_hand,{names}\nnorth,0,{','.join(map(str, sold))}")
        return path

    return write


@pytest.fixture
def calendar(tmp_path):
    def write(first, last, promoted=(), closed=()):
        days = [first + dt.timedelta(days=k) for k in range((last - first).days + 1)]
        rows = [f"{day},{int(day in promoted)},{int(day in closed)}" for day in days]
        (path := tmp_path / "calendar.csv").write_text("\n".join(["date,promotion,closed", *rows]))
        return path

    return write


def morning(parameters, state, **options):
    now = read_state(state, parameters.history)
    return Morning.of(parameters, Today.of(parameters, now, date=MORNING, **options))


def day(number):
    return dt.date(2021, 7, number)


def test_days_since_the_run_must_be_known_too(run_command, made, state, calendar):
    asked = ("--checkpoint", made[0], "--state", state(), "--allow", "--date", MORNING)
    done = run_command(decide.main, *asked)
    assert (done.status, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert (
        "closed, promotion: not known of 2021-07-01, and orders need it up to 2021-07-07; give "
        "these days, days that have passed too, in the calendar (--calendar): date, closed, promo"
    ) in done.stderr
    done = run_command(decide.main, *asked, "--calendar", calendar(day(5), day(9)))
    assert done.status == 2
    assert "not known of 2021-07-01, and orders need it up to 2021-07-04; give" in done.stderr
    done = run_command(decide.main, *asked, "--calendar", calendar(day(1), day(9)))
    assert done.status == 0, done.stderr


@pytest.mark.parametrize("days", [7, 16, 28])
def test_a_promotion_that_is_over_is_no_reason_to_expect_more(made, state, calendar, days):
    known = calendar(day(1), day(12), promoted=[day(3)])
    expected = morning(made[1], state(day(3), days), calendar=known).expected(7)[:, 0]
    coming = [usual(day(5 + k)) for k in range(7)]
    np.testing.assert_allclose(expected, coming, rtol=0.12)


def test_of_a_week_that_stands_for_those_before_only_its_own_days_count(made, state, calendar):
    late = dt.date(2021, 8, 2)  # 28 days after the morning of the state
    now, parameters = read_state(state(), made[1].history), made[1]
    path = calendar(late - dt.timedelta(days=7), late + dt.timedelta(days=5))
    assert Today.of(parameters, now, date=late, calendar=path).given == 7
    now = read_state(state(days=28), made[1].history)
    with pytest.raises(InputError, match="not known of 2021-07-05, and orders need it up"):
        Today.of(parameters, now, date=late, calendar=path)


def test_a_history_without_flags_says_nothing_of_its_days(made, state, calendar, tmp_path):
    parameters, now = made[1], StockState(np.zeros((1, 2), np.intp), np.zeros(1), ())
    units = np.append(3 * WEEK[np.arange(DAYS.size) % 7], usual(day(1)))
    rows = [f"{x},{n}" for x, n in zip([*DAYS, day(1)], units, strict=True)]
    (more := tmp_path / "more.csv").write_text("\n".join(["date,north", *rows]))
    coming = calendar(day(2), day(6))
    with pytest.raises(InputError, match="not known of 2021-07-01, and orders need it up to 2021-"):
        Today.of(parameters, now, history=more, calendar=coming)
    rows = [f"{row},0,0" for row in rows]
    more.write_text("\n".join(["date,north,promotion,closed", *rows]))
    assert Today.of(parameters, now, history=more, calendar=coming).day == day(2)


@pytest.mark.parametrize(
    ("date", "told"),
    [
        ("01/02/2021", "01/02/2021 may be %d/%m/%Y or %m/%d/%Y; write dates as 2021-03-31"),
        ("soon", "row 2: date = 'soon' is not a date; write dates as 2021-03-31"),
    ],
)
def test_no_option_is_offered_that_only_making_a_run_has(made, state, tmp_path, date, told):
    now = read_state(state(), made[1].history)
    (path := tmp_path / "days.csv").write_text(f"date,promotion\n{date},0\n")
    for option in ("calendar", "history"):
        with pytest.raises(InputError) as refused:
            Today.of(made[1], now, date=MORNING, **{option: path})
        assert str(refused.value).removeprefix("days.csv").lstrip(": ") == told


def test_what_files_leave_out_is_as_usual(tmp_path):
    def write(name, days):
        number = (days - DAYS[0]).astype(int)
        prices = np.where(number % 6 == 0, "", np.where(number % 9 == 4, "3", "4"))
        rows = [f"{d},{40 + 20 * (p == '3')},{p}" for d, p in zip(days, prices, strict=True)]
        (path := tmp_path / name).write_text("\n".join(["date,north,price", *rows]))
        return path

    every = np.arange("2020-01-01", "2021-07-20", dtype="datetime64[D]")
    run = resolve({"algo": "ppo", "demand": write("sales.csv", DAYS), "split": "2021-01-01"})
    assert run.parameters.history.levels is not None
    now = StockState(np.zeros((1, 2), np.intp), np.zeros(1), ())
    path = tmp_path / "calendar.csv"
    for history, first in ((None, day(1)), (write("more.csv", every), day(20))):
        coming = [first + dt.timedelta(days=k) for k in range(5)]
        path.write_text("\n".join(["date,price", *(f"{x},4" for x in coming)]))
        assert Today.of(run.parameters, now, history=history, calendar=path).day == first


def test_where_a_week_had_no_demand_the_usual_one_was_not_promoted(made, state, calendar):
    path, week = state(), [MORNING - dt.timedelta(days=k) for k in range(1, 8)]
    path.write_text(f"store,on_hand,{D7}\nnorth,0{',0' * 7}")
    expected = {
        promoted: morning(made[1], path, calendar=calendar(week[-1], day(12), known)).expected(7)
        for promoted, known in {False: (), True: week}.items()
    }
    # three usual weeks and one without demand, on days that would have had twice as much
    np.testing.assert_allclose(expected[True], expected[False] * 4 / 5, rtol=0.05)


def test_public_holidays_are_known_of_past_days(tmp_path):
    pytest.importorskip("holidays")
    plain = sales(tmp_path, flags=False)
    options = {"algo": "ppo", "demand": plain, "split": "2021-01-01", "holidays": "DE"}
    parameters = resolve(options).parameters
    assert parameters.history.levels is not None
    recent = np.full((1, 28), 60.0)
    now = StockState(np.zeros((1, 2), np.intp), np.zeros(1), (), recent)
    late = dt.date(2022, 6, 20)
    assert Today.of(parameters, now, date=late).known_ahead.names == ("public_holiday",)


def test_the_chance_to_run_out_is_that_of_what_is_known(made, state, calendar):
    gaps, chances, stocks = np.ones(1, np.int64), {}, {}
    for name, flags in {
        "plain": {},
        "promoted": {"promoted": [day(5), day(6), day(7)]},
        "closed": {"closed": [day(5), day(6), day(7)]},
    }.items():
        found = morning(made[1], state(), calendar=calendar(day(1), day(9), **flags))
        found.now.on_hand[:] = 1.3 * sum(usual(day(5 + k)) for k in range(2))
        chances[name] = found.stockout_chances(np.zeros(1), gaps)[0, 0]
        stocks[name] = np.median(found.projected_stock(0, 0.0, 3)[0])
        if name == "promoted":
            coming = [usual(MORNING + dt.timedelta(k)) * (2 if k < 3 else 1) for k in range(28)]
            np.testing.assert_allclose(found.expected(28)[:, 0], coming, rtol=0.12)
    assert chances["plain"] < 0.1
    assert chances["promoted"] > 0.9
    assert chances["closed"] == 0
    assert stocks["promoted"] < stocks["plain"] < stocks["closed"] == pytest.approx(1.3 * 120, 0.5)


@pytest.mark.parametrize("flag", ["7", "2", "-1", "0.5"])
def test_a_flag_that_is_none_is_refused(run_command, made, state, calendar, flag):
    path = calendar(day(1), day(9), promoted=[day(6)])
    path.write_text(path.read_text().replace("2021-07-06,1", f"2021-07-06,{flag}"))
    asked = ("--checkpoint", made[0], "--state", state(), "--date", MORNING, "--calendar", path)
    done = run_command(decide.main, *asked)
    assert (done.status, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    line = f"promotion = {flag} on 2021-07-06: must be 0 or 1, as in sales.csv"
    assert f"--calendar calendar.csv: {line}" in done.stderr


def test_a_state_of_another_day_without_a_date_is_refused(made, state):
    parameters, path = made[1], state()
    old = dt.datetime.now() - dt.timedelta(days=10)
    os.utime(path, (old.timestamp(), old.timestamp()))
    now = read_state(path, parameters.history)
    line = f"the state is of {old.date()}, when its file was written, and today is .* say --date"
    with pytest.raises(InputError, match=line):
        Today.of(parameters, now)
    with pytest.raises(InputError, match="closed, promotion: not known"):  # the date is all right
        Today.of(parameters, now, date=MORNING)


WEEKS = [dt.date(2020, 1, 6) + dt.timedelta(weeks=k) for k in range(60)]


def steady(days):
    return "\n".join(["date,north", *(f"{x},{k % 5 + 9}" for k, x in enumerate(days))])


@pytest.fixture(scope="module")
def by_period(tmp_path_factory):
    """Histories by day, by week and by month, by what their periods are."""
    folder, found = tmp_path_factory.mktemp("periods"), {}
    months = [dt.date(2016 + k // 12, k % 12 + 1, 1) for k in range(60)]
    for name, days in {"day": DAYS[:100], "week": WEEKS, "month": months}.items():
        path = folder / f"{name}.csv"
        path.write_text(steady(days))
        found[name] = store_history(StoreDemand(file=path))
    return found


@pytest.mark.parametrize(
    ("own", "days", "line"),
    [
        ("day", WEEKS, "--history more.csv: is by week, and the run's day.csv by day; sum demand"),
        ("week", DAYS, "is by day, and the run's week.csv by week; sum demand up by week"),
        (
            "week",
            [x + dt.timedelta(days=2) for x in WEEKS],
            "a week that begins on Wednesday, 2020-01-08, .* week.csv begin on a Monday; sum",
        ),
        (
            "month",
            [dt.date(2020, k, 15) for k in range(1, 13)],
            "a month that begins on Wednesday, 2020-01-15, .* month.csv begin on day 1; sum",
        ),
    ],
)
def test_a_history_by_other_periods_is_refused(by_period, tmp_path, own, days, line):
    (path := tmp_path / "more.csv").write_text(steady(days))
    with pytest.raises(InputError, match=line):
        known_days.read_later(by_period[own], path)


def test_a_history_by_week_is_counted_from_where_the_run_begins(tmp_path):
    def write(name, weeks):
        rows = [f"{x},{9 + 9 * (k % 5 == 0)},{int(k % 5 == 0)}" for k, x in enumerate(weeks)]
        path = tmp_path / name
        path.write_text("\n".join(["date,north,promotion", *rows]))
        return path

    weeks = [WEEKS[0] + dt.timedelta(weeks=k) for k in range(120)]
    run = resolve({"algo": "ppo", "demand": write("weeks.csv", weeks[:100])}).parameters
    later = write("later.csv", weeks[70:])  # whose first week is promoted, as it is here
    now = StockState(np.zeros((1, 2), np.intp), np.zeros(1), ())
    known = Today.of(run, now, history=later, date=weeks[110]).known_ahead
    flags = known.columns[0].values[:, 0, 0]
    np.testing.assert_array_equal(flags, np.arange(120) % 5 == 0)


def test_a_history_may_have_other_products_in_another_order(tmp_path):
    def write(name, skus, days, **promoted):
        rows = [
            f"{day},{sku},{5 + k % 3},{int(k % 7 == promoted.get(sku, 6))}"
            for k, day in enumerate(days)
            for sku in skus
        ]
        path = tmp_path / name
        path.write_text("\n".join(["date,sku,demand,promotion", *rows]))
        return path

    run = resolve({"algo": "ppo", "demand": write("own.csv", "abc", DAYS[:400])}).parameters
    later = write("later.csv", "dca", DAYS[:430], d=1, c=2, a=3)
    now = StockState(np.array([[0, 0], [2, 0]]), np.zeros(2), ())
    day = FIRST + dt.timedelta(days=430)
    (path := tmp_path / "coming.csv").write_text(f"date,promotion\n{day},0\n2021-03-20,0")
    known = Today.of(run, now, history=later, date=day, calendar=path).known_ahead
    flags = known.columns[0].values[393:399, :, 0]  # of the run's own file b has the last word
    for sku, promoted in enumerate((3, 6, 2)):
        np.testing.assert_array_equal(flags[:, sku] == 1, np.arange(393, 399) % 7 == promoted)


def test_days_without_sales_just_before_the_morning_are_filled_as_the_others(tmp_path, capsys):
    days = [k for k in range(194) if k % 7 < 5]  # the last is the day before two that are closed
    rows = "\n".join(f"{DAYS[k]},{5 + k % 3},{int(k % 9 == 1)}" for k in days)
    (path := tmp_path / "sales.csv").write_text(f"date,north,promotion\n{rows}")
    asked = {"algo": "ppo", "demand": path}
    run = resolve(asked, assignments=("demand_data.fill=zero",)).parameters
    (coming := tmp_path / "coming.csv").write_text("date,promotion\n2020-07-15,0\n2020-07-20,0")

    def today(**of):
        now = StockState(np.zeros((1, 2), np.intp), np.zeros(1), (), **of)
        return Today.of(run, now, calendar=coming)

    assert today(day=dt.date(2020, 7, 15)).recent[0, -3:].tolist() == [5 + 193 % 3, 0, 0]
    said = "sales.csv has no rows of 2020-07-13, 2020-07-14: filled with 0, as on these weekdays"
    assert said in capsys.readouterr().err
    with pytest.raises(InputError, match=r"up to 2020-07-12; give .* a 0 on a day on which all"):
        today(day=dt.date(2020, 7, 16))
    assert not capsys.readouterr().err
    coming.write_text("date,promotion\n2020-07-13,0\n2020-07-20,0")
    for written, said in (((2020, 7, 13), False), ((2020, 8, 9), True)):
        assert today(written=dt.date(*written)).day == dt.date(2020, 7, 13)
        assert ("no date: taken for that of 2020-07-13" in capsys.readouterr().err) is said


@pytest.mark.parametrize("missing", ["", "south"])
def test_a_store_without_rows_of_yesterday_is_named_where_gaps_are_filled(
    missing, tmp_path, capsys
):
    rows = [
        f"{DAYS[k]},{store},{sku},{(5 + k % 3) * (k % 7 < 6)}"
        for k in range(194)
        for store in ("north", "south")
        for sku in "ab"
        if k < 193 or store != missing
    ]
    (path := tmp_path / "sales.csv").write_text("\n".join(["date,store,sku,demand", *rows]))
    asked = {"algo": "ppo", "demand": path}
    run = resolve(asked, assignments=("demand_data.fill=zero",)).parameters
    said = f"sales.csv has no sale on {DAYS[193]} at south, but on all four such weekdays before"
    for stores in ([0, 1], [0]):
        places = np.array([[0, store] for store in stores])
        Today.of(run, StockState(places, np.zeros(len(places)), ()))
        assert (said in capsys.readouterr().err) is (missing == "south" and 1 in stores)
    Today.of(run, StockState(places, np.zeros(1), ()), date=DAYS[193].astype(object))
    assert not capsys.readouterr().err
