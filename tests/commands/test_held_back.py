"""Orders that are held back: large ones, of odd states, and of runs worth too little."""

import datetime as dt
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import decide
import serve
from agents import run_files
from agents.config import resolve
from baselines.registry import make_baselines
from baselines.rules.reference import reference_team
from baselines.rules.rolling_reorder_point import RollingReorderPoint
from commands import decide as todays_orders
from commands.order_checks import OrderLimits, unusual_entries
from commands.order_output import report_held_back
from commands.orders import Decider
from commands.stock_state import Outstanding, StockState
from tests.commands.test_decide import RULE, STATE, train_shop

FIRST = dt.date(2020, 1, 1)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train_shop(tmp_path_factory.mktemp("held_back"))


@pytest.fixture
def state(tmp_path):
    path = tmp_path / "stock.csv"
    path.write_text(STATE)
    return path


WEEK_OF = "store,on_hand,d1,d2,d3,d4,d5,d6,d7\nsouth,0,{0},60,60,60,60,60,60\n"


@pytest.fixture
def good_run(monkeypatch):
    """Let the agent do what the rule does."""
    load = todays_orders._load

    def loaded(checkpoint):
        home, config, _ = load(checkpoint)
        rules = make_baselines("stores", config.parameters, ["newsvendor_weekday"])
        return home, config, rules["newsvendor_weekday"]

    monkeypatch.setattr(todays_orders, "_load", loaded)
    # how the run's own agent did is kept beside it, and is another's
    monkeypatch.setattr(todays_orders.TunedFile, "recall_beside", lambda *_: None)
    monkeypatch.setattr(todays_orders.TunedFile, "record_beside", lambda *_: None)


def decided(run_command, run, state, *options):
    asked = ("--checkpoint", run, "--state", state, "--baseline", "newsvendor_weekday", "--json")
    done = run_command(decide.main, *asked, *options)
    return done, json.loads(done.stdout)


@pytest.mark.usefixtures("good_run")
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--max-order", "1"), "units, --max-order is 1"),
        (("--max-value", "5"), "--max-value is 5"),
        (("--max-multiple", "0.01"), "units; the rule orders"),
    ],
)
def test_large_orders_are_held_back(run_command, run, state, options, reason):
    state.write_text("store,on_hand,price\nsouth,0,3\n")
    done, (row,) = decided(run_command, run, state, *options)
    assert done.status == 4
    assert row["quantity"] is None
    assert reason in row["held_back"]
    assert f"held back: south all: {row['held_back']}" in done.stderr
    assert "1 of 1 orders held back; --allow writes them" in done.stderr
    done, (row,) = decided(run_command, run, state, *options, "--allow")
    assert (done.status, row["held_back"]) == (0, "")
    assert row["quantity"] > 0


def test_limits_hold_back_what_is_above_them_and_nothing_at_them():
    """At a price of 3, with a rule that orders 8, and a largest demand in training of 9."""

    def faults(order, demand=0.0, gone=()):
        given = {"rule": 8.0, "usual": 6.0, "price": 3.0, "demand": demand, "most": 9.0}
        arrays = {name: np.array([value]) for name, value in given.items()}
        limits = OrderLimits(max_order=40.0, max_value=120.0)
        return limits.faults(np.array([order]), **arrays, last_sales=dict.fromkeys(gone, FIRST))[0]

    assert faults(40.0, demand=90.0) == []
    assert faults(41.0) == [
        "41 units, --max-order is 40",
        "worth 123, --max-value is 120",
        "41 units; the rule orders 8, 6 are usual",
    ]
    assert faults(0.0, demand=91.0) == ["a demand of 91 a day, 9 at most in training"]
    assert faults(0.0, gone=[0]) == []
    assert faults(1.0, gone=[0])[0].startswith(f"sold nothing since {FIRST}, over twice as long")


def test_what_is_unusual_of_a_state_is_named_in_the_order_of_its_entries():
    names = ["weekday sine", "on_hand", "pipeline_1", "pipeline_2"]
    seen = np.array([[9.0, -1.0, 0.5, 2.0], [9.0, 0.0, 1.0, 1.0], [0.5, 0.5, 0.5, -1.0]])
    assert unusual_entries(names, seen, (np.zeros(4), np.ones(4))) == [
        "stock on hand lower than in training, what is under way higher than in training",
        "",
        "what is under way lower than in training",
    ]
    both = np.array([[0.0, 2.0, -1.0, 2.0]])
    assert unusual_entries(names, both, (np.zeros(4), np.ones(4))) == [
        "stock on hand higher than in training, what is under way lower than in training, "
        "what is under way higher than in training"
    ]


@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "-1", "many"])
@pytest.mark.parametrize(
    ("command", "option"),
    [
        *((decide, name) for name in ("--max-order", "--max-value", "--max-multiple")),
        *((serve, name) for name in ("--max-order", "--max-value", "--max-multiple")),
        (serve, "--max-day-value"),
    ],
)
def test_what_would_limit_nothing_is_no_limit(run_command, command, option, value):
    done = run_command(command.main, option, value)
    assert (done.status, done.stdout) == (2, "")
    assert f"{option} '{value}': must be a finite number from 0 on" in done.stderr


@pytest.mark.usefixtures("good_run")
def test_usual_orders_are_not_held_back(run_command, run, state):
    done, rows = decided(run_command, run, state)
    assert done.status == 0, done.stderr
    assert all(row["quantity"] >= 0 and not row["held_back"] for row in rows)


@pytest.mark.usefixtures("good_run")
def test_demand_like_none_before_is_held_back(run_command, run, state):
    state.write_text(WEEK_OF.format("1e9"))
    done, (row,) = decided(run_command, run, state)
    assert (done.status, row["quantity"]) == (4, None)
    assert "a demand of 1,000,000,000 a day" in row["held_back"]


def test_a_limit_of_money_needs_prices(run_command, run, state):
    done = run_command(
        *(decide.main, "--checkpoint", run, "--state", state, "--max-value", "9", *RULE)
    )
    assert (done.status, done.stdout) == (2, "")
    assert "the state has no prices; add a column price" in done.stderr


def test_a_run_worse_than_a_rule_says_what_the_rule_orders(run_command, run, state):
    state.write_text("store,on_hand\nsouth,150\nnorth,0\n")
    done, rows = decided(run_command, run, state)
    assert done.status == 4
    for row in rows:
        assert row["quantity"] is None
        assert "on the selection period, newsvendor_weekday" in row["held_back"]
    assert rows[1]["rule_quantity"] > 0


@pytest.mark.usefixtures("good_run")
def test_a_run_that_is_worse_by_chance_is_not_held_back(run, monkeypatch):
    """A difference counts once its interval leaves 0 out, windows counted that share no day."""
    rollout, rng = todays_orders.rollout, np.random.default_rng(0)

    def worse_by(mean):
        players = []

        def noisy(*arguments, **options):
            played = rollout(*arguments, **options)
            players.append(arguments[2])
            noise = rng.normal(0, 50, played["return"].size)
            less = noise - noise.mean() - mean if len(players) == 2 else 0.0
            return {**played, "return": played["return"] + less}

        monkeypatch.setattr(todays_orders, "rollout", noisy)
        return "".join(todays_orders.load_decider(str(run), "newsvendor_weekday").faults)

    assert worse_by(1.0) == ""
    assert "(95% interval of the difference -" in worse_by(200.0)


@pytest.mark.usefixtures("good_run")
@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"finished": False, "steps": 400}, "training broke off at step 400; train.py --resume"),
        ({"finished": False, "failed": "loss is not finite"}, "loss is not finite"),
        (
            {"starting_rule": {"rule": "R(x=3)", "reaches_rule": False, "kept_minus_rule": -2.5}},
            "reached the rule it began with, R(x=3), and earns 2.5 less on validation traces",
        ),
    ],
)
def test_an_unfinished_failed_or_worse_run_decides_only_when_allowed(
    run_command, run, state, tmp_path, facts, reason
):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    kept = json.loads((copy / "versions.json").read_text())
    run_files.write(copy / run_files.VERSIONS, json.dumps({**kept, **facts}).encode())
    done, rows = decided(run_command, copy, state)
    assert done.status == 4
    assert all(reason in row["held_back"] and row["quantity"] is None for row in rows)
    done, rows = decided(run_command, copy, state, "--allow")
    assert done.status == 0
    assert all(row["quantity"] is not None for row in rows)
    assert all(row["rule_quantity"] is not None for row in rows)


@pytest.mark.usefixtures("good_run")
def test_a_run_that_is_being_trained_is_not_said_to_have_broken_off(
    run_command, run, state, tmp_path
):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    facts = json.loads((copy / run_files.VERSIONS).read_text()) | {"finished": False}
    run_files.write(copy / run_files.VERSIONS, json.dumps(facts).encode())
    with run_files.hold_lock(copy):
        done, rows = decided(run_command, copy, state)
    assert done.status == 4
    for row in rows:
        assert row["held_back"] == f"{copy} is still being trained; wait for its end"
        assert row["quantity"] is None


@pytest.mark.parametrize(("fixed_cost", "held_back"), [(0.0, True), (2000.0, False)])
def test_a_lot_is_usual_where_the_rule_waits_for_another_day(demand_file, fixed_cost, held_back):
    flags = {"algo": "ppo", "demand": demand_file["file"], "split": demand_file["split"]}
    p = resolve(flags, assignments=(f"store.fixed_cost={fixed_cost}",)).parameters
    orders, waits = (
        reference_team(store=RollingReorderPoint(*days).in_any_quantity())
        for days in ((3.0, 10.0), (0.0, 0.0))
    )
    decider = Decider(Path(), p, orders, ("waits", waits), observe_step=False, faults=())
    empty = StockState(np.zeros((1, 2), np.intp), np.zeros(1), ())
    (row,) = decider.orders(decider.today(empty), OrderLimits())
    assert row["rule_quantity"] == 0
    assert bool(row["held_back"]) is held_back
    assert (row["quantity"] is None) is held_back


def test_a_product_that_was_new_is_not_held_back_for_selling(tmp_path):
    days = np.arange("2020-01-01", "2021-03-06", dtype="datetime64[D]")
    rows = [f"{day},{40 + k % 9},{0 if k < 395 else 30},3" for k, day in enumerate(days[:-1])]
    (path := tmp_path / "sales.csv").write_text("\n".join(["date,old,new,slow", *rows]))
    flags = {"algo": "ppo", "demand": path, "split": "2021-01-20"}
    p = resolve(flags, assignments=("horizon=10",)).parameters
    rule = make_baselines("stores", p, ["newsvendor_weekday"])["newsvendor_weekday"]
    decider = Decider(tmp_path, p, rule, ("", rule), observe_step=False, faults=())
    places = np.stack([np.zeros(3, np.intp), np.arange(3)], axis=1)
    recent = np.tile([[40.0], [300.0], [31.0]], 28)
    now = StockState(places, np.zeros(3), (), recent)
    advice = decider.advise(decider.morning(decider.today(now, date=days[-1].item())))
    reason = "a demand of 31 a day, 3 at most in training"
    assert decider.doubts(advice, OrderLimits()) == [[], [], [reason]]


def test_stock_far_beyond_use_is_unusual_where_a_rule_decides(demand_file):
    flags = {"algo": "ppo", "demand": demand_file["file"], "split": demand_file["split"]}
    p = resolve(flags, assignments=("store.lead_time=2",)).parameters
    rule = make_baselines("stores", p, ["newsvendor_weekday"])["newsvendor_weekday"]
    decider = Decider(Path(), p, rule, ("", rule), observe_step=False, faults=())
    most = 10 * 3 * p.history.training[:, 0, 0].max()

    def unusual(on_hand, due):
        due_1 = Outstanding("due_1", 1, np.array([due]))
        now = StockState(np.zeros((1, 2), np.intp), np.array([on_hand]), (due_1,))
        return decider.advise(decider.morning(decider.today(now))).unusual

    over = "over 10 times the largest demand of the days that an order is for"
    assert unusual(most, 0.0) == [""]
    assert unusual(most + 1, 0.0) == [f"stock on hand {over}"]
    assert unusual(0.0, most + 1) == [f"what is under way {over}"]


def test_a_few_reasons_are_told_however_many_there_are(capsys):
    rows = [{"store": f"s{k}", "sku": "all", "held_back": f"why {k // 2}"} for k in range(30)]
    assert report_held_back([*rows, {**rows[0], "held_back": ""}]) == 30
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "held back: s0 all, s1 all: why 0"
    assert told[-2:] == [
        "held back: 10 more, whose reasons are in held_back",
        "30 of 31 orders held back; --allow writes them",
    ]
    assert len(told) == 12
