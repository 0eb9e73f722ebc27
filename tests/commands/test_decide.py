import datetime as dt
import json
import os
import shutil

import numpy as np
import pytest

import decide
import evaluate
from agents import run_files
from agents.config import resolve
from commands import decide as todays_orders
from commands import orders as order_rows
from commands.order_checks import OrderLimits
from common.errors import InputError
from tests.test_contributing import paste
from training.trainer import train

DAYS = np.arange("2020-01-01", "2021-07-01", dtype="datetime64[D]")
WEEK = np.array([20, 10, 15, 20, 25, 40, 10])
RULE = ("--baseline", "newsvendor_weekday", "--allow")
ALLOW = OrderLimits(allow=True)
STATE = "store,on_hand,due_1\nsouth,150,20\nnorth,30,0\n"


def orders(run, state, **options):
    """Decide whatever the run is worth: it was trained for a second."""
    return todays_orders.decide(run, state, limits=ALLOW, **options)


def demand(factor=1):
    week = WEEK[np.arange(DAYS.size) % 7]
    units = np.random.default_rng(0).poisson(week[:, None] * np.array([1, 3])) * factor
    rows = [f"{day},{a},{b}" for day, (a, b) in zip(DAYS, units, strict=True)]
    return "\n".join(["date,north,south", *rows])


def train_shop(folder):
    """Return the folder of a run that has learned for a second."""
    (folder / "sales.csv").write_text(demand())
    settings = ("horizon=10", "n_steps=10", "batch_size=40", "evaluation.episodes=10")
    settings += ("evaluation.pictures=0",)
    flags = {"algo": "ppo", "demand": folder / "sales.csv", "timesteps": 800, "n_envs": 8}
    config = resolve({**flags, "split": "2021-01-01"}, assignments=settings)
    return train(config, folder / "run").folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train_shop(tmp_path_factory.mktemp("decide"))


@pytest.fixture
def state(tmp_path):
    path = tmp_path / "stock.csv"
    path.write_text(STATE)
    return path


def test_every_store_gets_an_order_a_chance_and_a_rival(run_command, run, state):
    done = run_command(decide.main, "--checkpoint", run, "--state", state, *RULE)
    assert done.status == 0, done.stderr
    header, *rows = done.stdout.splitlines()
    assert header == (
        "date,store,sku,quantity,days_of_cover,stockout_before,stockout_after,rule,"
        "rule_quantity,unusual,held_back"
    )
    assert [row.split(",")[:2] for row in rows] == [["2021-07-01", x] for x in ("south", "north")]
    again = run_command(decide.main, "--checkpoint", run, "--state", state, "--json", *RULE)
    report = json.loads(again.stdout)
    for row in report:
        for quantity in (row["quantity"], row["rule_quantity"]):
            assert quantity >= 0
            assert quantity == int(quantity)  # as the file has no fractions
        assert 0 <= row["stockout_before"] <= 1
        assert 0 <= row["stockout_after"] <= 1
        assert row["rule"] == "newsvendor_weekday"
    cover = (170 + report[0]["quantity"]) / 60  # the mean of a day in the south
    assert report[0]["days_of_cover"] == pytest.approx(cover, rel=0.15)


def test_cover_is_counted_in_mean_days_of_a_whole_week(run, tmp_path):
    path, days = tmp_path / "stock.csv", range(1, 8)
    week = ",".join(str(3 * WEEK[(DAYS.size - k) % 7]) for k in days)
    path.write_text(f"store,on_hand,{','.join(f'd{k}' for k in days)}\nsouth,600,{week}\n")
    (row,) = orders(str(run), path, baseline="newsvendor_weekday", date=dt.date(2021, 7, 1))
    assert row["days_of_cover"] == pytest.approx((600 + row["quantity"]) / 60, rel=0.02)


def test_a_rule_is_tuned_once(run_command, run, state):
    asked = ("--checkpoint", run, "--state", state, "--baseline", "tuned_weekday", "--allow")
    first = run_command(decide.main, *asked)
    assert first.status == 0, first.stderr
    kept = (run / "tuned.json").read_bytes()
    assert json.loads(kept)["rules"][0]["rule"] == "tuned_weekday"
    assert run_command(decide.main, *asked).stdout == first.stdout
    assert (run / "tuned.json").read_bytes() == kept


def test_rules_play_beside_a_run_once(run, state, tmp_path, monkeypatch):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    first = orders(str(copy), state, baseline=RULE[1])
    with monkeypatch.context() as patch:
        patch.setattr(todays_orders, "rollout", None)  # from here on nothing is played
        assert orders(str(copy), state, baseline=RULE[1]) == first
    played, rollout = [], todays_orders.rollout

    def counted(*arguments, **options):
        played.append(arguments)
        return rollout(*arguments, **options)

    monkeypatch.setattr(todays_orders, "rollout", counted)
    facts = json.loads((copy / "versions.json").read_text())
    run_files.write(copy / run_files.VERSIONS, json.dumps({**facts, "steps": 1}).encode())
    orders(str(copy), state, baseline=RULE[1])
    assert len(played) == 2  # as the run is another now


def test_chance_and_flag_follow_the_stock(run, tmp_path):
    rows = {}
    for stock in (0, 60, 100_000):
        path = tmp_path / "stock.csv"
        path.write_text(f"store,on_hand\nnorth,{stock}\n")
        (rows[stock],) = orders(str(run), path, baseline="newsvendor_weekday")
    assert rows[0]["stockout_before"] == 1
    assert rows[0]["stockout_before"] > rows[60]["stockout_before"]
    assert rows[100_000]["stockout_before"] == rows[100_000]["stockout_after"] == 0
    assert rows[100_000]["rule_quantity"] == 0
    assert rows[60]["rule_quantity"] > 0
    assert "stock on hand higher than in training" in rows[100_000]["unusual"]
    assert "stock on hand" not in rows[60]["unusual"]


def test_orders_are_due_on_a_date_or_in_so_many_days(run, state):
    rule = {"baseline": "newsvendor_weekday"}
    usual = orders(str(run), state, **rule)
    state.write_text(STATE.replace("due_1", "due_2021-07-02"))
    assert orders(str(run), state, **rule) == usual
    state.write_text(STATE.replace("due_1", "due_2021-07-03"))
    later = orders(str(run), state, **rule)
    assert later[0]["rule_quantity"] == usual[0]["rule_quantity"]

    for date, message in (
        ("2021-07-01", "was due by 2021-07-01, the day that is decided on; count it into on_hand"),
        (
            "2021-07-04",
            r"here .*, 2021-07-02 to 2021-07-03; give what comes later as due_2021-07-03, or",
        ),
        ("2021-02-30", "due_ '2021-02-30': must be a date such as 2024-01-31"),
        ("9999-12-31", "due_ 9999-12-31: must be a date from 1900 to 2199"),
    ):
        state.write_text(STATE.replace("due_1", f"due_{date}"))
        with pytest.raises(InputError, match=message):
            orders(str(run), state, **rule)


def test_recent_demand_comes_from_the_state_or_a_file(run, state, tmp_path):
    rule = {"baseline": "newsvendor_weekday"}
    usual = orders(str(run), state, **rule)
    week = ",".join(f"d{i}" for i in range(1, 8))
    doubled = ",".join(str(x) for x in 2 * WEEK)
    state.write_text(f"store,on_hand,{week}\nsouth,150,{doubled}\nnorth,30,{doubled}\n")
    (_, north) = orders(str(run), state, **rule)
    assert north["rule_quantity"] > usual[1]["rule_quantity"]
    state.write_text(STATE)
    more = tmp_path / "more.csv"
    more.write_text(demand(2))
    recent = orders(str(run), state, history=more, **rule)
    assert recent[0]["days_of_cover"] < usual[0]["days_of_cover"]
    with pytest.raises(InputError, match=r"28 days before 2020-01-05 are needed.*--history"):
        orders(str(run), state, history=more, date=DAYS[4].astype(object), **rule)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as a CSV file"),
        ("store,on_hand\n", "holds a header and no stores"),
        ("store,shelf\nnorth,1\n", "unknown column in stock.csv 'shelf'"),
        ("store,stock,On Hand\nnorth,1,1\n", "two columns are on_hand, one is 'On Hand'"),
        ("store,on_hand,date\nnorth,1,0001-01-01\n", "date = 0001-01-01: must be a date from 1900"),
        ("store,on_hand,date\nnorth,1,2021-07-01\nsouth,1,2021-07-02\n", "date has 2 days"),
        (
            "store,on_hand,date\nnorth,1,2021-06-30\n",
            "is of 2021-06-30, and sales.csv has demand up",
        ),
        ("store,due_1\nnorth,1\n", "unknown column in stock.csv 'on_hand'"),
        ("on_hand\n1\n", "has no column store; add one"),
        ("store,on_hand\nnort,1\n", "unknown store in stock.csv row 2, 'nort'; did you mean"),
        ("store,on_hand\nnorth,1\nnorth,2\n", "stock.csv row 3: is a duplicate of row 2"),
        ("store,on_hand\nnorth,-1\n", "row 2: on_hand = '-1': must be a number of 0 or more"),
        ("store,on_hand\nnorth,\n", "row 2: on_hand = '': must be a number"),
        ("store,on_hand,due_9\nnorth,1,1\n", "due_9: orders arrive in 1 to 2 days here"),
        (
            "store,on_hand,d1,d3\nnorth,1,1,1\n",
            "needs all of d1 to d7, or more up to d28; check d2",
        ),
    ],
)
def test_a_state_that_cannot_be_used_is_told_in_one_line(run_command, run, state, text, message):
    state.write_text(text)
    done = run_command(decide.main, "--checkpoint", run, "--state", state, *RULE)
    assert (done.status, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr


def test_wrong_options_are_refused(run_command, run, state, tmp_path):
    wrong = [
        (("--checkpoint", run, "--state", tmp_path / "none.csv"), "no such file"),
        (("--checkpoint", run, "--state", ""), "--state: is empty; name a file"),
        (("--checkpoint", run, "--state", tmp_path), "is a folder; name a file"),
        (
            ("--checkpoint", run, "--state", state, "--date", "soon"),
            "--date 'soon': must be a date",
        ),
        (
            ("--checkpoint", run, "--state", state, "--date", "9999-12-31"),
            "--date 9999-12-31: must",
        ),
        (
            ("--checkpoint", run, "--state", state, "--date", "0001-01-01"),
            "--date 0001-01-01: must",
        ),
        (("--checkpoint", run, "--state", state, "--baseline", "best"), "unknown baseline 'best'"),
        (("--checkpoint", tmp_path, "--state", state), str(tmp_path)),
    ]
    for options, message in wrong:
        done = run_command(decide.main, *options)
        assert (done.status, done.stdout) == (2, "")
        assert message in done.stderr


def test_an_agent_is_replayed_beside_rules_and_so_are_rules_alone(run_command, run, tmp_path):
    rules = "newsvendor_weekday,newsvendor_average"
    asked = ("--replay", "--baselines", rules, "--json")
    done = run_command(evaluate.main, "--checkpoint", run, *asked)
    assert done.status == 0, done.stderr
    played = json.loads(done.stdout)
    assert (played["own"], played["first_day"], played["days"]) == ("agent", "2021-01-01", 181)
    costs = {name: one["cost_per_year"] for name, one in played["policies"].items()}
    assert list(costs) == ["agent", "newsvendor_weekday", "newsvendor_average"]
    for name, one in played["policies"].items():
        saved = one["own_saves_per_year"]
        assert saved["mean"] == pytest.approx(costs[name] - costs["agent"])
        assert saved["low"] <= saved["mean"] <= saved["high"]
    shown = run_command(evaluate.main, "--checkpoint", run, *asked[:-1]).stdout
    assert shown.startswith(played["sentence"])
    assert "it costs more" in shown
    alone = ("--demand", run.parent / "sales.csv", "--split", "2021-01-01", *asked)
    done = run_command(evaluate.main, *alone)
    assert done.status == 0, done.stderr
    again = json.loads(done.stdout)
    assert again["own"] == "newsvendor_weekday"
    for name in rules.split(","):
        assert again["policies"][name]["cost_per_year"] == costs[name]
    for wrong, message in (
        (("--problem", "cash", "--replay"), "--replay: plays the days of a demand file"),
        ((*alone[:-3], "--baselines", "newsvender"), "unknown baseline 'newsvender'; did you mean"),
        ((*alone[:-3], "--baselines", "none"), "there is nobody to play"),
    ):
        done = run_command(evaluate.main, *wrong)
        assert done.status == 2
        assert message in done.stderr


def test_columns_have_synonyms_and_any_capitals(run, state):
    usual = orders(str(run), state, baseline="newsvendor_weekday")
    state.write_text(STATE.replace("store,on_hand,due_1", "Shop, Qty on hand ,Due 1"))
    assert orders(str(run), state, baseline="newsvendor_weekday") == usual


def test_a_state_older_than_its_demand_is_refused(run, state):
    old = 1_600_000_000  # of September 2020; the demand is of June 2021
    os.utime(state, (old, old))
    with pytest.raises(InputError, match=r"the state is of 2020-09-13, and sales.csv has demand"):
        orders(str(run), state, baseline="newsvendor_weekday")
    on_that_day = dt.date(2020, 9, 13)
    assert orders(str(run), state, date=on_that_day, baseline="newsvendor_weekday")


@pytest.mark.parametrize("days", [7, 28])
def test_a_week_without_demand_leaves_something_to_order(run, state, days):
    quiet = 0 if days == 7 else 60  # before the last week
    names = [f"d{i}" for i in range(1, days + 1)]
    sold = ["0"] * 7 + [str(quiet)] * (days - 7)
    state.write_text(f"store,on_hand,{','.join(names)}\nsouth,0,{','.join(sold)}\n")
    (row,) = orders(str(run), state, baseline="newsvendor_smoothing")
    assert row["rule_quantity"] > 30  # the south sells 60 a day


def test_a_column_is_added_as_contributing_says(run, state, monkeypatch):
    paste(order_rows, monkeypatch)
    monkeypatch.setattr(todays_orders, "Decider", order_rows.Decider)
    assert [row["on_hand"] for row in orders(str(run), state)] == [150, 30]


def test_a_calendar_is_refused_where_nothing_was_known_ahead(run, state, tmp_path):
    path = tmp_path / "calendar.csv"
    path.write_text("date,promotion\n2021-07-01,1\n")
    with pytest.raises(InputError, match="nothing was known ahead when this run was made"):
        orders(run, state, calendar=path)


def test_a_history_without_a_store_of_the_state_is_refused(run, state, tmp_path):
    path = tmp_path / "more.csv"
    path.write_text(demand().replace("date,north,south", "date,north,southern", 1))
    with pytest.raises(InputError, match=r"store in more\.csv.*'south'; did you mean 'southern'"):
        orders(str(run), state, history=path, baseline="newsvendor_weekday")
