"""What sells no more, as of a store that has closed, and what only seems so."""

import csv
import datetime as dt
import io

import numpy as np
import pytest

import decide
from agents.config import resolve
from commands.decide import load_decider
from commands.morning import Today
from commands.stock_state import StockState, read_state
from demand.known_demand import WEEKS
from service.guards import Guards, guard
from tests.recommended import write_rule_run

FIRST, DAYS, CLOSED = dt.date(2020, 1, 1), 600, 450
END, LAST_SALE = FIRST + dt.timedelta(days=DAYS), FIRST + dt.timedelta(days=CLOSED - 1)
NUMBER = np.arange(DAYS)
SERIES = {
    "steady": 5 + NUMBER % 3,
    "gone": np.where(NUMBER < CLOSED, 5 + NUMBER % 3, 0),
    "slow": 2 * (NUMBER % 70 == 20),  # the last sale is 49 days ago
    "season": 6 * (NUMBER % 310 < 150),
    "renovated": 5 * (NUMBER < CLOSED) * ((NUMBER < 200) | (NUMBER > 280)),
    "paused": 7 * (NUMBER < DAYS - 20),
    "never": 0 * NUMBER,
}
GONE = 1
PLACES = np.stack([np.zeros(len(SERIES), np.intp), np.arange(len(SERIES))], axis=1)


def write_sales(path, first=0, flags=None):
    flagged = [] if flags is None else [flags]
    opened = np.ones(DAYS, int) if flags is None else 1 - flags
    rows = zip(*(units * opened for units in SERIES.values()), *flagged, strict=True)
    days = [FIRST + dt.timedelta(days=k) for k in range(DAYS)]
    lines = [",".join(map(str, (day, *map(int, row)))) for day, row in zip(days, rows, strict=True)]
    header = ["date", *SERIES, *(["closed"] if flagged else [])]
    path.write_text("\n".join([",".join(header), *lines[first:]]))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sold")
    flags = {"algo": "ppo", "demand": write_sales(folder / "sales.csv"), "split": "2021-04-01"}
    config = resolve(flags, assignments=("horizon=10",))
    write_rule_run(config, folder / "run", "newsvendor_weekday")
    return folder / "run", config.parameters


@pytest.fixture
def state(tmp_path):
    def write(**recent):
        week = {store: recent.get(store, units[-7:][::-1]) for store, units in SERIES.items()}
        rows = [f"{store},0,{','.join(str(int(n)) for n in d)}" for store, d in week.items()]
        header = ",".join(["store,on_hand", *(f"d{k}" for k in range(1, 8))])
        (path := tmp_path / "stock.csv").write_text("\n".join([header, *rows]))
        return path

    return write


def test_only_a_closed_store_is_taken_for_one(run, state, tmp_path):
    _, parameters = run
    bare, weeks = StockState(PLACES, np.zeros(len(SERIES)), ()), 7 * WEEKS
    later = write_sales(tmp_path / "later.csv", first=DAYS - weeks - 1)
    for now, of in (
        (bare, {}),
        (bare, {"history": later}),
        (read_state(state(), parameters.history), {"date": END}),
        (read_state(state(), parameters.history), {"date": END + dt.timedelta(days=2)}),
    ):
        today = Today.of(parameters, now, **of)
        assert today.last_sales == {GONE: LAST_SALE}
        assert today.part(np.array([2, GONE])).last_sales == {1: LAST_SALE}
    sells = read_state(state(gone=[0, 0, 1, 0, 0, 0, 0]), parameters.history)
    assert not Today.of(parameters, sells, date=END).last_sales
    first = Today.of(parameters, bare, date=LAST_SALE + dt.timedelta(days=weeks))
    assert not first.last_sales
    assert Today.of(parameters, bare, date=first.day + dt.timedelta(days=1)).last_sales


def test_a_store_that_was_closed_as_known_ahead_may_open_again(tmp_path):
    spells = ((NUMBER >= CLOSED) | (NUMBER % 45 == 40)).astype(int)
    sales = write_sales(tmp_path / "sales.csv", flags=spells)
    parameters = resolve({"algo": "ppo", "demand": sales}).parameters
    (coming := tmp_path / "coming.csv").write_text(f"date,closed\n{END},0\n2021-09-20,0")
    now = StockState(PLACES[1:2], np.zeros(1), ())
    assert parameters.history.levels is not None
    assert Today.of(parameters, now, calendar=coming).last_sales == {}


def test_no_order_of_what_sells_no_more_leaves_unseen(run_command, run, state):
    asked = ("--checkpoint", run[0], "--state", state(), "--date", END)
    done = run_command(decide.main, *asked)
    why = "over twice as long as ever: closed, delisted or out of stock?"
    reason = f"sold nothing since {LAST_SALE}, {why}"
    assert done.status == 4
    assert f"held back: gone all: {reason}\n" in done.stderr
    rows = {row["store"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert {name for name, row in rows.items() if row["held_back"]} == {"gone"}
    assert (rows["gone"]["quantity"], rows["gone"]["held_back"]) == ("", reason)
    allowed = run_command(decide.main, *asked, "--allow")
    rows = {row["store"]: row for row in csv.DictReader(io.StringIO(allowed.stdout))}
    assert allowed.status == 0
    assert float(rows["gone"]["quantity"]) > 0

    decider = load_decider(str(run[0]))
    today = decider.today(read_state(state(), decider.known), date=END)
    advice = decider.advise(decider.morning(today))
    guarded = guard(decider, advice, Guards(), today=END)
    proposed = dict(zip(SERIES, zip(*vars(guarded).values(), strict=True), strict=True))
    assert proposed["gone"] == (0.0, "rule", reason, True)
    assert proposed["steady"][0] > 0
    assert not any(held for name, (_, _, held, _) in proposed.items() if name != "gone")


def test_what_sells_and_has_no_row_in_the_state_is_named(run_command, run, state):
    path = state()
    asked = ("--checkpoint", run[0], "--state", path, "--date", END, "--allow")
    assert "no row" not in run_command(decide.main, *asked).stderr
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, rows[0]]))
    line = "no row in the state, so no order: slow all, season all, renovated all and 1 more; add"
    done = run_command(decide.main, *asked)  # not what is gone, nor what was never sold
    assert (done.status, done.stderr.count(line), done.stdout.count("\n")) == (0, 1, 2)
    path.write_text("\n".join([header, rows[GONE]]))
    assert (
        "steady all, slow all, season all and 2 more; add"
        in run_command(decide.main, *asked).stderr
    )
