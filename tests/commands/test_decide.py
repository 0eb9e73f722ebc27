import json

import numpy as np
import pytest

import decide
from agents.config import resolve
from commands.orders import decide as orders
from common.errors import InputError
from training.trainer import train

DAYS = np.arange("2020-01-01", "2021-07-01", dtype="datetime64[D]")
WEEK = np.array([20, 10, 15, 20, 25, 40, 10])
RULE = ("--baseline", "newsvendor_weekday")
STATE = "store,on_hand,due_1\nsouth,150,20\nnorth,30,0\n"


def demand(factor=1):
    week = WEEK[np.arange(DAYS.size) % 7]
    units = np.random.default_rng(0).poisson(week[:, None] * np.array([1, 3])) * factor
    rows = [f"{day},{a},{b}" for day, (a, b) in zip(DAYS, units, strict=True)]
    return "\n".join(["date,north,south", *rows])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decide")
    (folder / "sales.csv").write_text(demand())
    settings = ("horizon=10", "n_steps=10", "batch_size=40", "evaluation.episodes=10")
    flags = {"algo": "ppo", "demand": folder / "sales.csv", "timesteps": 800, "n_envs": 8}
    config = resolve({**flags, "split": "2021-01-01"}, assignments=settings)
    return train(config, folder / "run").folder


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
        "date,store,sku,quantity,days_of_cover,stockout_chance,baseline,baseline_quantity,unusual"
    )
    assert [row.split(",")[:2] for row in rows] == [["2021-07-01", x] for x in ("south", "north")]
    again = run_command(decide.main, "--checkpoint", run, "--state", state, "--json", *RULE)
    told = json.loads(again.stdout)
    for row in told:
        assert row["quantity"] >= 0
        assert row["baseline_quantity"] >= 0
        assert 0 <= row["stockout_chance"] <= 1
        assert row["baseline"] == "newsvendor_weekday"
    cover = (170 + told[0]["quantity"]) / 60  # the mean of a day in the south
    assert told[0]["days_of_cover"] == pytest.approx(cover, rel=0.15)


def test_a_rule_is_tuned_once(run_command, run, state):
    asked = ("--checkpoint", run, "--state", state, "--baseline", "tuned_weekday")
    first = run_command(decide.main, *asked)
    assert first.status == 0, first.stderr
    kept = (run / "tuned.json").read_bytes()
    assert json.loads(kept)["rules"][0]["rule"] == "tuned_weekday"
    assert run_command(decide.main, *asked).stdout == first.stdout
    assert (run / "tuned.json").read_bytes() == kept


def test_chance_and_flag_follow_the_stock(run, tmp_path):
    told = {}
    for stock in (0, 60, 100_000):
        path = tmp_path / "stock.csv"
        path.write_text(f"store,on_hand\nnorth,{stock}\n")
        (told[stock],) = orders(str(run), path, baseline="newsvendor_weekday")
    assert told[0]["stockout_chance"] == 1
    assert told[0]["stockout_chance"] > told[60]["stockout_chance"]
    assert told[100_000]["stockout_chance"] == 0
    assert told[100_000]["baseline_quantity"] == 0
    assert told[60]["baseline_quantity"] > 0
    assert "on_hand" in told[100_000]["unusual"]
    assert "on_hand" not in told[60]["unusual"]


def test_orders_are_due_on_a_date_or_in_so_many_days(run, state):
    rule = {"baseline": "newsvendor_weekday"}
    usual = orders(str(run), state, **rule)
    state.write_text(STATE.replace("due_1", "due_2021-07-02"))
    assert orders(str(run), state, **rule) == usual
    state.write_text(STATE.replace("due_1", "due_2021-07-03"))
    later = orders(str(run), state, **rule)
    assert later[0]["baseline_quantity"] == usual[0]["baseline_quantity"]

    for date, message in (
        ("2021-07-01", "was due by 2021-07-01, the day that is decided on; count it into on_hand"),
        ("2021-07-04", r"arrive in 1 to 2 days here .*, 2021-07-02 to 2021-07-03"),
        ("2021-02-30", "unknown column in stock.csv 'due_2021-02-30'"),
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
    assert north["baseline_quantity"] > usual[1]["baseline_quantity"]
    state.write_text(STATE)
    more = tmp_path / "more.csv"
    more.write_text(demand(2))
    told = orders(str(run), state, history=more, **rule)
    assert told[0]["days_of_cover"] < usual[0]["days_of_cover"]
    with pytest.raises(InputError, match=r"28 days before 2020-01-05 are needed.*--history"):
        orders(str(run), state, history=more, date=DAYS[4].astype(object), **rule)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as a CSV file"),
        ("store,on_hand\n", "holds a header and no stores"),
        ("store,stock\nnorth,1\n", "unknown column in stock.csv 'stock'"),
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


def test_wrong_options_are_told(run_command, run, state, tmp_path):
    wrong = [
        (("--checkpoint", run, "--state", tmp_path / "none.csv"), "no such file"),
        (("--checkpoint", run, "--state", state, "--date", "soon"), "--date soon: must be a date"),
        (("--checkpoint", run, "--state", state, "--baseline", "best"), "unknown baseline 'best'"),
        (("--checkpoint", tmp_path, "--state", state), str(tmp_path)),
    ]
    for options, message in wrong:
        done = run_command(decide.main, *options)
        assert (done.status, done.stdout) == (2, "")
        assert message in done.stderr
