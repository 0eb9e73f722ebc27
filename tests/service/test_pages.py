import copy
import html
import re

import markupsafe
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="no fastapi: pip install -e '.[serve]'")

from demand.known_demand import KNOWN_DAYS
from service.drift import Drift
from service.policies import load
from tests.service.app import STATE, service

PAGE = {"accept": "text/html"}


@pytest.fixture(scope="module")
def site(runs, tmp_path_factory):
    address = tmp_path_factory.mktemp("pages") / "service.db"
    with service(runs, str(address)) as (made, callers):
        yield made, callers


def browser(site, role):
    """Return the page's client, logged in, and the CSRF token of its session."""
    _, callers = site
    http = callers[role].http
    http.cookies.clear()
    token = callers[role].headers["authorization"].split()[1]
    done = http.post("/login", data={"token": token}, follow_redirects=False)
    assert done.status_code == 303
    cookie = done.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    page = http.get("/", headers=PAGE)
    return http, re.search(r'name="csrf" value="([^"]+)"', page.text)[1]


def test_nobody_sees_anything_without_a_token(site):
    http = site[1]["admin"].http
    http.cookies.clear()
    for path in ("/", "/orders/1", "/policies", "/export.csv"):
        done = http.get(path, headers=PAGE, follow_redirects=False)
        assert (done.status_code, done.headers["location"]) == (303, "/login")
    done = http.post("/login", data={"token": "guess"}, headers=PAGE)
    assert done.status_code == 403
    assert "nobody has this token" in done.text


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ("store,on_hand,due_0\nnorth,1,5\n", "state: due_0: due_1 arrives tomorrow"),
        ("store;on_hand\nnorth;5\nsouth;1.234\n", "state row 3: on_hand = '1.234' may be 1.234"),
        ("store,on_hand,date\nnorth,1,2021-07-01\nsouth,1,2021-07-02\n", "date has 2 days"),
    ],
)
def test_a_pasted_state_is_read_as_a_file_is(site, state, line):
    http, csrf = browser(site, "planner")
    done = http.post("/decide", data={"csrf": csrf, "state": state}, headers=PAGE)
    assert done.status_code == 422
    assert line in html.unescape(done.text)


def test_a_planner_overrides_and_an_approver_places(site):
    _, callers = site
    orders = callers["planner"].decide().json()["orders"]
    number = orders[1]["id"]
    http, csrf = browser(site, "planner")
    page = http.get("/", headers=PAGE).text
    assert page.index("Exceptions") < page.index("north")
    assert "runs out" in page
    seen = re.findall('name="order" value="([^"]+)"', page)
    form = {"csrf": csrf, "quantity": "77", "reason": "<b>fair</b>", "version": "1"}
    page = http.post(f"/orders/{number}/override", data=form, headers=PAGE).text
    assert "&lt;b&gt;fair&lt;/b&gt;" in page
    assert "<b>fair</b>" not in page
    assert "<svg" in page
    assert '<th scope="row">Level</th><td class="n">85</td>' in page
    refused = {"csrf": csrf, "what": "approve", "version": "1"}
    done = http.post(f"/orders/{number}/change", data=refused, headers=PAGE)
    assert done.status_code == 403
    assert http.get(f"/orders/{number:011}", headers=PAGE).status_code == 404
    http, csrf = browser(site, "approver")
    done = http.post(f"/orders/{number}/change", data=refused | {"csrf": csrf}, headers=PAGE)
    line = f"order {number} was changed since it was looked at, to 77 units (version 2, not 1)"
    assert (done.status_code, line in done.text) == (409, True)
    form = {"csrf": csrf, "what": "approve", "order": seen}
    assert line in http.post("/orders/changes", data=form, headers=PAGE).text
    page = http.get("/", headers=PAGE).text
    for what, status in (("approve", "approved"), ("place", "placed")):
        form |= {"what": what, "order": re.findall('name="order" value="([^"]+)"', page)}
        page = http.post("/orders/changes", data=form, headers=PAGE).text
        assert f'<p class="said" role="status">{status}</p>' in page
    done = http.post("/orders/changes", data=form | {"what": "approve"}, headers=PAGE)
    assert done.status_code == 409
    table = http.get("/export.csv").content.decode("utf-8-sig").splitlines()
    assert http.get("/export.csv").content.startswith(b"\xef\xbb\xbfdate,")  # as Excel wants it
    assert table[0].startswith("date,store,sku,status,quantity")
    assert "placed,77.0" in table[2]


def test_what_sells_and_has_no_row_in_the_state_is_named(runs, tmp_path):
    line = "o row in the state, so no order: {} all; add rows, with on_hand 0 where"
    with service(runs, str(tmp_path / "service.db")) as site:
        planner = site[1]["planner"]
        south, north = ({**STATE, "items": [item]} for item in STATE["items"])
        (note,) = planner.decide(north).json()["notes"]
        assert line.format("south") in note
        http, _ = browser(site, "planner")
        assert line.format("south") in http.get("/", headers=PAGE).text
        (note,) = planner.decide(south).json()["notes"]  # of the rest of the day
        assert line.format("north") in note
        assert "o row in the state" not in http.get("/", headers=PAGE).text
        assert planner.decide(STATE).json()["notes"] == []


def test_a_form_of_another_site_is_refused(site):
    _, callers = site
    number = callers["planner"].decide().json()["orders"][0]["id"]
    for role in ("planner", "admin"):
        http, csrf = browser(site, role)
        for path in (f"/orders/{number}/override", f"/orders/{number}/change", "/orders/changes"):
            for wrong in ("", csrf[:-1], "é"):
                assert http.post(path, data={"csrf": wrong}).status_code == 403
        assert http.post("/policies/promote", data={"csrf": "x"}).status_code == 403
        assert http.post("/logout", data={"csrf": "x"}).status_code == 403
    http.post("/logout", data={"csrf": csrf})
    done = http.get("/", follow_redirects=False)
    assert done.headers["location"] == "/login"


@pytest.mark.parametrize(
    "path", ["/static/../pages.py", "/static/..%2fpages.py", "/orders/1e3", "/orders/99999999999"]
)
def test_no_path_leads_out(site, path):
    http, _ = browser(site, "planner")
    assert http.get(path).status_code == 404


def test_all_that_is_typed_is_escaped(site):
    site[1]["planner"].decide()
    http, _ = browser(site, "planner")
    evil = "\"><script>alert(1)</script>' OR 1=1 --"
    page = http.get("/", params={"find": evil, "said": evil}, headers=PAGE).text
    assert "<script>alert" not in page
    assert str(markupsafe.escape(evil)) in page
    done = http.get("/", params={"date": evil}, headers=PAGE)
    assert done.status_code == 422
    assert "<script>alert" not in done.text


def test_the_api_is_described(site):
    http, _ = browser(site, "planner")
    page = http.get("/docs", headers=PAGE).text
    assert "POST /v1/decisions" in page


def test_demand_that_left_what_training_saw_is_told(runs, site):
    run = load(str(runs / "first"), "newsvendor_weekday")
    known = run.decider.known
    usual = known.training[-KNOWN_DAYS:, 0, :].T.copy()
    places = np.array([(0, 0), (0, 1)])
    drift = Drift(known)
    assert drift.of(usual, places) == ["", ""]
    assert "higher than in training" in drift.of(usual * np.array([[2.0], [1.0]]), places)[0]
    shuffled = usual.copy()
    shuffled[1, ::2] *= 2.0
    shuffled[1, 1::2] = 0.0
    assert "forecast errors larger" in drift.of(shuffled, places)[1]
    state = copy.deepcopy(STATE)
    state["date"] = "2021-06-29"
    for item in state["items"]:
        item |= {"recent": [300.0] * 28, "due": []}
    orders = site[1]["planner"].decide(state).json()["orders"]
    assert all("drift" in order["exceptions"] for order in orders)


def test_the_value_of_a_day_leaves_out_what_was_cancelled(runs, tmp_path):
    body = copy.deepcopy(STATE)
    for item in body["items"]:
        item["price"] = 2.0
    with service(runs, str(tmp_path / "service.db")) as site:
        decided = site[1]["planner"].decide(body).json()["orders"]
        first, second = (order["cost"] for order in decided)
        http, _ = browser(site, "planner")
        assert f"<b>{first + second:,.0f}</b> value" in http.get("/", headers=PAGE).text
        number = decided[1]["id"]
        assert site[1]["approver"].post(f"/v1/orders/{number}/cancel").status_code == 200
        assert second > 0
        assert f"<b>{first:,.0f}</b> value" in http.get("/", headers=PAGE).text
