"""What is known of coming days reaches the service: over the API, from decide.py, at the page."""

import csv
import time

import pytest

pytest.importorskip("fastapi", reason="no fastapi: pip install -e '.[serve]'")

from commands.remote_orders import calendar_of
from demand.sheet import parse_csv
from service.connectors.inbox import Inbox
from service.decisions import Decisions
from service.guards import Guards
from service.policies import Policies
from service.store.database import Database
from tests.service.app import STATE, service
from tests.service.test_pages import PAGE, browser

RULE = "newsvendor_smoothing_covariates"
DAYS = "date,promotion\n2021-07-01,0\n2021-07-02,{0}\n2021-07-03,{0}\n"


@pytest.fixture(scope="module")
def served(informed_run, tmp_path_factory):
    address = tmp_path_factory.mktemp("ahead") / "service.db"
    with service(informed_run.parent, str(address), champion="run", rule=RULE) as made:
        yield made, str(address)


def calendar(flag):
    return calendar_of(parse_csv("calendar", DAYS.format(flag)))


def test_the_orders_count_on_a_promotion_and_say_so(served):
    (_, callers), address = served
    planner = callers["planner"]
    refused = planner.decide()
    assert refused.status_code == 422
    assert "promotion: not known of 2021-07-01" in refused.json()["detail"]
    by_rule = {}
    for flag in (0, 1):
        done = planner.decide({**STATE, "calendar": calendar(flag)})
        assert done.status_code == 200, done.text
        by_rule[flag] = [order["rule_quantity"] for order in done.json()["orders"]]
    assert all(a < b for a, b in zip(by_rule[0], by_rule[1], strict=True))
    why = planner.get("/v1/items/north/all/why").json()
    assert why["known_ahead"] == [
        {"date": "2021-07-01", "said": {"promotion": "0"}},
        {"date": "2021-07-02", "said": {"promotion": "1"}},
        {"date": "2021-07-03", "said": {"promotion": "1"}},
    ]
    base = Database(address)
    decisions = Decisions(base, Policies(base), Guards())
    then, again = decisions.replay(done.json()["decision"])
    assert then == again


@pytest.mark.parametrize(
    ("day", "line"),
    [
        (
            {"date": "2021-07-04", "values": {"promotion": 2}},
            "promotion = 2 on 2021-07-04: must be 0 or 1, as in sales.csv",
        ),
        ({"date": "2021-07-02", "values": {"promo": 1}}, "did you mean 'promotion'"),
        ({"date": "2199-07-02", "values": {"promotion": 1}}, "must be from 2020-01-01 to 2031-07-"),
        ({"date": "2021-07-02", "store": "east", "values": {"promotion": 1}}, "'east'"),
        ({"date": "2021-07-02", "values": {}}, "at least 1"),
    ],
)
def test_a_calendar_that_cannot_be_used_is_refused_in_a_line(served, day, line):
    (_, callers), _ = served
    done = callers["planner"].decide({**STATE, "calendar": [*calendar(1), day]})
    assert done.status_code == 422
    assert line in done.json()["detail"]


def test_recent_days_have_to_be_known_as_well(served):
    (_, callers), _ = served
    items = [{"store": "north", "on_hand": 3, "recent": [20, 20, 20, 40, 20, 20, 20]}]
    late = {"date": "2021-07-05", "items": items}
    days = [f"2021-07-{day:02}" for day in range(1, 9)]
    known = [{"date": day, "values": {"promotion": day == "2021-07-01"}} for day in days]
    done = callers["planner"].decide({**late, "calendar": known[4:]})
    assert done.status_code == 422
    assert "promotion: not known of 2021-07-01" in done.json()["detail"]
    done = callers["planner"].decide({**late, "calendar": known})
    assert done.status_code == 200, done.text
    why = callers["planner"].get("/v1/items/north/all/why").json()
    assert max(why["forecast"]) < 30


def test_a_calendar_is_refused_where_nothing_was_known_ahead(runs, tmp_path):
    with service(runs, str(tmp_path / "service.db")) as (_, callers):
        done = callers["planner"].decide({**STATE, "calendar": calendar(1)})
    assert done.status_code == 422
    assert "nothing was known ahead when this run was made" in done.json()["detail"]


def test_the_inbox_counts_on_the_calendar_beside_the_states(served, tmp_path):
    inbox = Inbox(tmp_path, served[0][0].decisions)
    state = "store,on_hand,date\nsouth,150,2021-07-01\nnorth,31,2021-07-01\n"
    (tmp_path / "first.csv").write_text(state)
    assert [inbox.look(), inbox.look()] == [[], ["first.csv"]]
    line = "give these days in the calendar (calendar.csv in the inbox): date, promotion"
    assert line in (tmp_path / "refused" / "first.error.txt").read_text()
    by_rule = {}
    for flag in ("0", "1"):
        (tmp_path / "calendar.csv").write_text(DAYS.format(flag))
        (tmp_path / f"{flag}.csv").write_text(state)
        assert [inbox.look(), inbox.look()] == [[], [f"{flag}.csv"]]
        orders = (tmp_path / "done" / f"{flag}.orders.csv").read_text("utf-8-sig").splitlines()
        by_rule[flag] = [float(row["rule_quantity"]) for row in csv.DictReader(orders)]
    assert all(a < b for a, b in zip(by_rule["0"], by_rule["1"], strict=True))
    assert (tmp_path / "calendar.csv").is_file()


def test_a_morning_is_decided_at_the_page(served):
    site, _ = served
    http, csrf = browser(site, "planner")
    page = http.get("/decide", headers=PAGE).text
    assert "counts on promotion, and knows them up to 2021-06-30" in page
    state = "store,on_hand,due_1,date\nsouth,150,20,2021-07-01\nnorth,31,0,2021-07-01\n"
    form = {"csrf": csrf, "state": state, "calendar": ""}
    refused = http.post("/decide", data=form, headers=PAGE)
    assert refused.status_code == 422
    assert "not known of 2021-07-01" in refused.text
    assert "south,150,20" in refused.text
    done = http.post("/decide", data={**form, "calendar": DAYS.format(1)}, headers=PAGE)
    assert done.url.path == "/"
    assert "31" in done.text
    forged = {**form, "csrf": "guess"}
    assert http.post("/decide", data=forged, headers=PAGE).status_code == 403


def test_better_service_costs_more(served):
    (_, callers), _ = served
    until = time.monotonic() + 120
    while (done := callers["planner"].get("/v1/policies/curve")).status_code == 202:
        assert time.monotonic() < until
        time.sleep(0.1)
    curve = done.json()
    assert [point["days"] for point in curve["policy"]] == [
        point["days"] for point in curve["by_rule"]
    ]
    rates = [point["fill_rate"] for point in curve["by_rule"]]
    stock = [point["on_hand"] for point in curve["by_rule"]]
    assert rates == sorted(rates)
    assert stock == sorted(stock)
    assert rates[0] < rates[-1]
    now = [p for p in curve["by_rule"] if p["days"] == 0]
    assert min(p["cost_per_year"] for p in curve["by_rule"]) > 0.5 * now[0]["cost_per_year"]
    http, _ = browser(served[0], "planner")
    page = http.get("/curve", headers=PAGE).text
    assert page.count("<circle") == 2 * len(rates) + 2
