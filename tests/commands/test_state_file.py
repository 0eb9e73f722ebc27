"""A state file is read alike whoever decides: here, or a service that it is sent to."""

import datetime as dt

import numpy as np
import pytest

import decide
from commands import remote_orders
from commands.remote_orders import request_of
from commands.stock_state import read_state
from common.errors import InputError, validated
from demand.dates import Periods
from demand.history import StoreDemand, store_history
from demand.sheet import read_sheet
from service.requests import DecisionRequest

WEEK = ",".join(f"d{day}" for day in range(1, 8))
AMBIGUOUS = "store;on_hand\nnorth;1.234\n"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("known") / "sales.csv"
    days = np.arange("2018-07-01", "2019-05-01", dtype="datetime64[D]")
    rows = [f"{day},{10 + n % 7},{20 + n % 5}" for n, day in enumerate(days)]
    path.write_text("\n".join(["date,north,south", *rows]))
    return StoreDemand(file=path)


@pytest.fixture
def here(source, tmp_path):
    """Return the state of a file, as decide.py sees it."""

    def read(text, decimal=None):
        (path := tmp_path / "stock.csv").write_text(text)
        return read_state(path, store_history(source.model_copy(update={"decimal": decimal})))

    return read


@pytest.fixture
def sent(source, tmp_path):
    """Return the state of a file, as a service sees it."""

    def read(text, decimal=None):
        (path := tmp_path / "stock.csv").write_text(text)
        body = request_of(read_sheet(path), decimal=decimal)
        return validated(DecisionRequest, body).state(store_history(source))

    return read


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("store,on_hand\n", "stock.csv: holds a header and no stores; put in a row for each"),
        ("store,on_hand,shelf\nnorth,1,1\n", "unknown column in stock.csv 'shelf'"),
        ("store,price\nnorth,1\n", "unknown column in stock.csv 'on_hand'"),
        ("store,on_hand,due_0\nnorth,1,5\n", "stock.csv: due_0: due_1 arrives tomorrow; count"),
        ("store,on_hand,expires_0\nnorth,1,1\n", "expires_0: expires_1 is lost this evening"),
        (
            f"store,on_hand,d0,{WEEK}\nnorth,1,9{',1' * 7}\n",
            "d0: d1 is yesterday's demand; leave today's out",
        ),
        (f"store,on_hand,{WEEK}\nnorth,1,,{',1' * 6}\n", "stock.csv row 2"),
        (f"store,on_hand,{WEEK[3:]}\nnorth,1{',1' * 6}\n", "needs all of d1 to d7, .* check d1"),
        ("store,on_hand,due_1,due_01\nnorth,1,2,3\n", "due_1 and due_01 are the same; remove one"),
        (
            "store,on_hand,date\nnorth,1,2019-05-01\nsouth,1,2019-05-02\n",
            "stock.csv: date has 2 days; give the state of one morning",
        ),
        ("store,on_hand,date\nnorth,1,soon\n", "stock.csv: date = 'soon': must be a date such as"),
        (
            "store,on_hand,date\nnorth,1,05/01/2019\n",
            "stock.csv: date = '05/01/2019': must be a date such as 2024-01-31",
        ),
        (
            "store,on_hand\nnorth,1\n\nsouth,-1\n",
            "row 4: on_hand = '-1': must be a number of 0 or more$",
        ),
        ("store,on_hand,price\nnorth,1,2\nsouth,1,\n", "stock.csv row 3: price = ''"),
        (
            AMBIGUOUS,
            r"row 2: on_hand = '1.234' may be 1.234 or 1234; write thousands without a mark, such",
        ),
        (
            "store;on_hand;price\nnorth;1,5;2,5\nsouth;7;3.5\n",
            r"row 3: price = '3.5': must be a number of 0 or more, with the decimal mark ','",
        ),
    ],
)
def test_what_is_refused_here_is_not_sent(here, sent, text, line):
    told = []
    for read in (here, sent):
        with pytest.raises(InputError, match=line) as refused:
            read(text)
        told.append(str(refused.value))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("text", "on_hand", "price"),
    [
        ('store,on_hand,price\nnorth,"1,234.5",1.25\n', 1234.5, 1.25),
        ("store;on_hand;price\nnorth;1.234,5;1,25\n", 1234.5, 1.25),
        ("store;on_hand;price\nnorth;1.234;1,25\n", 1234, 1.25),  # one mark in all columns
        ("store;on_hand;price\nnorth;1'234;1.25\n", 1234, 1.25),
    ],
)
def test_numbers_mean_the_same_here_and_there(here, sent, text, on_hand, price):
    for state in (here(text), sent(text)):
        assert state.on_hand.tolist() == [on_hand]
        assert state.price.tolist() == [price]


def test_a_state_is_sent_whole(here, sent):
    text = (
        f"Shop;Stock;due_3;due_1;expires_2;{WEEK.replace(',', ';')};Date\n"
        f"south;12;1,5;4;12{';3' * 7};2019-05-01 06:00\n"
    )
    one, other = here(text), sent(text)
    assert one.day == other.day == dt.date(2019, 5, 1)
    assert one.places.tolist() == other.places.tolist() == [[0, 1]]
    assert one.given == other.given == 7
    np.testing.assert_array_equal(one.recent, other.recent)
    for state in (one, other):
        assert {o.due: o.quantity.tolist() for o in state.outstanding if o.quantity.any()} == {
            1: [4],
            3: [1.5],
        }
        assert state.expires[2].tolist() == [12]
    dated = sent("store,on_hand,due_2019-05-03\nnorth,1,4\n").outstanding
    assert [(o.due, o.quantity.tolist()) for o in dated] == [(dt.date(2019, 5, 3), [4])]


UNITS = (("north", "rye", 2), ("south", "rye", 4), ("north", "jam", 6), ("south", "jam", 8))
TODAY = dt.date(2019, 5, 6)
DAYS, WEEKS = Periods("day", dt.date(2018, 7, 1)), Periods("week", dt.date(2018, 7, 2))


@pytest.mark.parametrize(
    "names", ["On-Hand,Unit Price", "on  hand,cost", "Inventory,unit-cost", "qty_on_hand,price"]
)
def test_columns_have_the_names_that_files_give_them(here, names):
    state = here(f"branch,{names}\nsouth,3,1.5\n")
    assert (state.on_hand.tolist(), state.price.tolist()) == ([3], [1.5])


@pytest.mark.parametrize(
    ("columns", "periods", "due"),
    [
        ("due_1,due_3,due_2019-05-07", DAYS, [4 + 2, 0, 5]),  # the same morning twice
        ("due_2,due_3,due_2019-05-13", WEEKS, [2, 4, 5]),
        ("due_1,due_3,due_2019-05-09", DAYS, [4, 0, 5 + 2]),
    ],
)
def test_what_is_under_way_arrives_on_its_morning(here, columns, periods, due):
    state = here(f"store,on_hand,{columns}\nsouth,1,4,5,2\n")
    assert state.due(TODAY, 3, periods).tolist() == [due]


@pytest.mark.parametrize(
    ("column", "periods", "line"),
    [
        (
            "due_4",
            DAYS,
            r"1 to 3 days here \(store.lead_time\); give what comes later as due_3, or",
        ),
        (
            "due_2019-05-10",
            DAYS,
            "1 to 3 days here .*, 2019-05-07 to 2019-05-09; give .* as due_2019-05-09, or it is",
        ),
        ("due_2019-06-03", WEEKS, "1 to 3 weeks .*, 2019-05-13 to 2019-05-27; .* due_2019-05-27, "),
        ("due_2019-05-06", DAYS, "was due by 2019-05-06, the day that is decided on; count it in"),
    ],
)
def test_what_arrives_on_no_morning_of_an_order_is_refused(here, column, periods, line):
    state = here(f"store,on_hand,{column}\nnorth,1,4\n")
    with pytest.raises(InputError, match=f"stock.csv: {column}: .*{line}"):
        state.due(TODAY, 3, periods)


def test_rows_are_of_their_product_in_their_store(tmp_path):
    """A week without a sale says nothing of the three before: these are as training was."""
    rows = ["date,store,sku,demand"]
    for day in np.arange("2018-07-01", "2018-12-01", dtype="datetime64[D]"):
        rows += [f"{day},{store},{sku},{units}" for store, sku, units in UNITS]
    (tmp_path / "sales.csv").write_text("\n".join(rows))
    history = store_history(StoreDemand(file=tmp_path / "sales.csv"))
    week = ",0" * 7
    lines = [f"product,shop,stock,{WEEK}", f"jam,south,3{week}", f"rye,south,4{week}"]
    (tmp_path / "stock.csv").write_text("\n".join(lines))
    state = read_state(tmp_path / "stock.csv", history)
    assert [history.table.skus[sku] for sku in state.places[:, 0]] == ["jam", "rye"]
    assert [history.table.stores[store] for store in state.places[:, 1]] == ["south"] * 2
    assert state.recent.tolist() == [[8.0] * 21 + [0.0] * 7, [4.0] * 21 + [0.0] * 7]


def test_a_date_is_read_in_the_format_of_the_demand_file(tmp_path):
    days = np.arange("2018-07-01", "2018-12-01", dtype="datetime64[D]").tolist()
    rows = ["date,north", *(f"{day:%d/%m/%Y},5" for day in days)]
    (tmp_path / "sales.csv").write_text("\n".join(rows))
    source = StoreDemand(file=tmp_path / "sales.csv", date_format="%d/%m/%Y")
    (tmp_path / "stock.csv").write_text("store,on_hand,date\nnorth,1,05/12/2018\n")
    state = read_state(tmp_path / "stock.csv", store_history(source))
    assert state.day == dt.date(2018, 12, 5)


@pytest.mark.parametrize(("decimal", "on_hand"), [(",", 1234), (".", 1.234)])
def test_a_run_s_own_decimal_mark_settles_what_may_be_either(here, sent, decimal, on_hand):
    assert here(AMBIGUOUS, decimal).on_hand.tolist() == [on_hand]
    assert sent(AMBIGUOUS, decimal).on_hand.tolist() == [on_hand]
    written_with_points = AMBIGUOUS + "south;0.5\n"  # as programs do, whatever the demand file has
    assert here(written_with_points, decimal).on_hand.tolist() == [1.234, 0.5]


def test_a_state_that_is_refused_does_not_leave_the_house(run_command, tmp_path):
    (path := tmp_path / "stock.csv").write_text(AMBIGUOUS)
    asked = ("--server", "http://127.0.0.1:1", "--state", path)
    done = run_command(decide.main, *asked)
    assert (done.status, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "stock.csv row 2: on_hand = '1.234' may be 1.234 or 1234" in done.stderr
    assert "--set" not in done.stderr
    path.write_text("store,on_hand\nnorth,1\n")
    done = run_command(decide.main, *asked, "--date", "soon")
    assert done.status == 2
    assert "--date 'soon': must be a date such as 2024-01-31" in done.stderr


@pytest.mark.parametrize(
    ("server", "token", "line"),
    [
        (
            "http://127.0.0.1:1",
            "ir_secret\rx",
            "SERVICE_TOKEN: holds a character that no token has",
        ),
        ("http://[::1", "ir_secret", "--server 'http://[::1': Invalid IPv6 URL"),
        ("http://127.0.0.1:1", "ir_secret\r\n", "refused"),
    ],
)
def test_a_server_or_token_that_is_none_is_one_line_without_the_token(
    run_command, tmp_path, monkeypatch, server, token, line
):
    (path := tmp_path / "stock.csv").write_text("store,on_hand\nnorth,1\n")
    monkeypatch.setenv("SERVICE_TOKEN", token)
    done = run_command(decide.main, "--server", server, "--state", path)
    assert (done.status, done.stderr.count("\n")) == (2, 1)
    assert line in done.stderr
    assert "ir_secret" not in done.stderr


@pytest.mark.parametrize("more", [{"notes": ["no row in the state"]}, {"notes": []}, {}])
def test_what_a_service_says_besides_its_orders_is_shown(tmp_path, monkeypatch, capsys, more):
    (path := tmp_path / "stock.csv").write_text("store,on_hand\nnorth,1\n")
    monkeypatch.setenv("SERVICE_TOKEN", "ir_secret")
    order = dict.fromkeys(remote_orders.COLUMNS, "")
    monkeypatch.setattr(remote_orders, "_post", lambda *_: {"orders": [order], **more})
    assert remote_orders.decide_remotely("http://service", path, None) == [order]
    assert capsys.readouterr().err.splitlines() == more.get("notes", [])


def test_the_day_asked_for_counts_and_every_row_needs_a_store(tmp_path):
    (path := tmp_path / "stock.csv").write_text("store,on_hand,date\nnorth,1,2019-05-01\n")
    assert request_of(read_sheet(path), "2019-05-02 06:00")["date"] == "2019-05-02"
    path.write_text("store,on_hand\n,1\n")
    with pytest.raises(InputError, match=r"stock\.csv row 2: store is empty; add it"):
        request_of(read_sheet(path))


@pytest.mark.parametrize("text", ["13.05.2019", "13/05/2019 06:00", "05/13/2019", "13. Mai 2019"])
def test_a_date_may_be_written_as_in_the_demand_file(here, sent, text):
    state = f"Filiale;Bestand;Datum\nnorth;1;{text}\n"
    assert here(state).day == sent(state).day == dt.date(2019, 5, 13)
