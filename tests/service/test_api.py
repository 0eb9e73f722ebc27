import copy
import datetime as dt
import json
import re
from unittest.mock import Mock

import pytest

pytest.importorskip("fastapi", reason="no fastapi: pip install -e '.[serve]'")

from sqlalchemy.exc import OperationalError

from common.errors import InputError, NumericalError
from service.decisions import compute
from service.guards import Guards
from service.policies import load
from service.serve import add_token
from service.store import audit_log
from service.store.retention import remove_before
from tests.service.app import STATE, service, state
from tests.service.conftest import TODAY


@pytest.fixture(scope="module")
def served(runs, tmp_path_factory):
    address = tmp_path_factory.mktemp("api") / "service.db"
    with service(runs, str(address)) as made:
        yield made


@pytest.fixture
def fresh(runs, tmp_path):
    with service(runs, str(tmp_path / "service.db")) as made:
        yield made


def test_the_state_goes_in_and_orders_come_out(fresh):
    made, callers = fresh
    done = callers["planner"].decide()
    assert done.status_code == 200, done.text
    answer = done.json()
    assert (answer["date"], answer["run"], answer["policy"]) == ("2021-07-01", "first", "champion")
    south, north = answer["orders"]
    assert (south["store"], north["store"]) == ("south", "north")
    assert (north["on_hand"], north["on_order"], south["on_order"]) == (3, 5, 20)
    for order in answer["orders"]:
        assert order["status"] == "proposed"
        assert order["arrives"] == "2021-07-03"
        assert order["level"] == order["on_hand"] + order["on_order"] + order["quantity"]
        assert order["source"] in ("policy", "rule")
        assert bool(order["held_back"]) == (order["source"] == "rule")
    assert "stockout" in north["exceptions"]
    listed = callers["planner"].get("/v1/orders").json()
    assert [o["id"] for o in listed["orders"]] == [o["id"] for o in answer["orders"]]
    assert audit_log.verify(made.base)[1] is None


def test_a_repeat_gets_the_first_answer_and_is_marked(fresh):
    _, callers = fresh
    planner = callers["planner"]
    first = planner.decide(idempotency_key="one")
    assert first.headers["idempotency-replayed"] == "false"
    for again in (planner.decide(idempotency_key="one"), planner.decide()):
        assert again.headers["idempotency-replayed"] == "true"
        assert again.content == first.content
    other = planner.decide(state(north=9), idempotency_key="one")
    assert other.status_code == 422
    assert "came with other contents before" in other.json()["detail"]
    changed = planner.decide(state(north=9))
    assert changed.headers["idempotency-replayed"] == "false"
    ids = {order["id"] for answer in (first, changed) for order in answer.json()["orders"]}
    assert len(ids) == 2
    assert changed.json()["orders"][1]["version"] == 2


def test_what_is_placed_stays_as_it_was(fresh):
    made, callers = fresh
    order = callers["planner"].decide().json()["orders"][1]
    path = f"/v1/orders/{order['id']}"
    done = callers["planner"].post(f"{path}/override", {"quantity": 77, "reason": "fair"})
    assert done.json()["order"]["quantity"] == 77
    assert callers["approver"].post(f"{path}/approve", {"version": 1}).status_code == 409
    assert callers["approver"].post(f"{path}/approve", {"version": 2}).json()["changed"]
    assert not callers["approver"].post(f"{path}/approve").json()["changed"]
    assert callers["approver"].post(f"{path}/place", {"reason": "by phone"}).status_code == 200
    kept = callers["planner"].decide(state(north=50)).json()["orders"][1]
    assert (kept["kept"], kept["status"], kept["quantity"], kept["on_hand"]) == (
        *(True, "placed", 77),
        3,
    )
    done = callers["approver"].post(f"{path}/approve")
    assert (done.status_code, done.json()["detail"]) == (
        409,
        f"order {order['id']} is placed; only an order that is proposed can be: approve",
    )
    assert callers["approver"].post(f"{path}/receive").json()["order"]["status"] == "received"
    assert callers["approver"].post("/v1/orders/9999/cancel").status_code == 404
    assert audit_log.verify(made.base) == (10, None)


def test_why_shows_the_numbers(served):
    _, callers = served
    planner = callers["planner"]
    order = planner.decide(state(date="2021-06-28", due=[5])).json()["orders"][1]
    why = planner.get(f"/v1/items/north/{order['sku']}/why").json()
    assert why["order"] == order["id"]
    assert planner.get(f"/v1/orders/{order['id']}/why").json() == why
    assert why["position"] == 8
    assert why["protection_days"] == why["lead_time"] + why["review_days"] == 3
    assert why["needed"] == pytest.approx(sum(why["forecast"]))
    assert len(why["forecast"]) == 3
    assert why["level"] == 8 + why["quantity"]
    assert len(why["projected"]) == 14
    for day in why["projected"]:
        assert 0 <= day["low"] <= day["median"] <= day["high"]
    days = {"store": "north", "sku": order["sku"], "days": 5}
    forecast = planner.get("/v1/forecast", params=days).json()
    assert forecast["forecast"][:3] == why["forecast"]
    assert planner.get("/v1/items/north/none/why").status_code == 404


ROUTES = [
    ("post", "/v1/decisions", "planner"),
    ("get", "/v1/orders", "planner"),
    ("get", "/v1/items/north/x/why", "planner"),
    ("get", "/v1/orders/1/why", "planner"),
    ("get", "/v1/forecast?store=north", "planner"),
    ("get", "/v1/policies", "planner"),
    ("get", "/v1/policies/curve", "planner"),
    ("get", "/metrics", "planner"),
    ("post", "/v1/orders/1/override", "planner"),
    ("post", "/v1/orders/1/approve", "approver"),
    ("post", "/v1/orders/1/place", "approver"),
    ("post", "/v1/orders/1/receive", "approver"),
    ("post", "/v1/orders/1/cancel", "approver"),
    ("post", "/v1/policies/candidate", "admin"),
    ("post", "/v1/policies/promote", "admin"),
    ("post", "/v1/policies/roll-back", "admin"),
    ("post", "/v1/tokens", "admin"),
    ("post", "/v1/tokens/revoke", "admin"),
]


@pytest.mark.parametrize(("method", "path", "role"), ROUTES)
def test_a_route_lets_in_its_role_and_those_above(served, method, path, role):
    _, callers = served
    assert getattr(callers["planner"].http, method)(path).status_code == 401
    wrong = {"authorization": "Bearer ir_guess"}
    assert getattr(callers["planner"].http, method)(path, headers=wrong).status_code == 401
    roles = list(callers)
    for other in roles:
        done = getattr(callers[other], method)(path)
        allowed = roles.index(other) >= roles.index(role)
        assert (done.status_code != 403) == allowed, (other, done.text)


def test_every_route_has_a_role_test(served):
    _, callers = served
    document = callers["planner"].http.get("/openapi.json").json()
    tested = {re.sub(r"/\d+/", "/{number}/", path.split("?")[0]) for _, path, _ in ROUTES}
    tested = {path.replace("/north/x/", "/{store}/{sku}/") for path in tested}
    assert set(document["paths"]) - tested == {"/health", "/ready"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"items": []}, "items: list should have at least 1 item"),
        ({"items": [{"store": "nort", "on_hand": 1}]}, "unknown store in items[0], 'nort'; did"),
        ({"items": [{"on_hand": 1}]}, "items[0]: store is missing"),
        ({"items": [{"store": "north", "on_hand": -1}]}, "items.0.on_hand: input should be gr"),
        ({"items": [{"store": "north", "on_hand": True}]}, "on_hand: must not be true or false"),
        ({"items": [{"store": "north", "on_hand": 1}] * 2}, "items[1]: duplicate of items[0]"),
        ({"items": [{"store": "north", "on_hand": 1, "recent": [1]}]}, "needs all of d1 to d7"),
        ({"items": [{"store": "north", "on_hand": 1, "due": [1, 1, 1]}]}, "arrive in 1 to 2 days"),
        ({"items": [{"store": "north", "on_hand": 1, "shelf": 1}]}, "items.0.shelf: extra inputs"),
        ({"date": "0001-01-01", "items": [{"on_hand": 1}]}, "date: must be a date from 1900"),
        ("nothing", "the body must be an object in JSON"),
    ],
)
def test_a_state_that_cannot_be_used_is_one_line(served, body, message):
    _, callers = served
    done = callers["planner"].decide(body)
    assert done.status_code == 422
    assert message in done.json()["detail"]
    assert "\n" not in done.json()["detail"]


def test_dates_are_no_numbers(served):
    planner = served[1]["planner"]
    assert planner.get("/v1/orders?date=2021-07-01").status_code == 200
    for wrong in ("0.0", "0", "1625097600", "2021-07-01T00:00:00", "2021-7-1"):
        done = planner.get(f"/v1/orders?date={wrong}")
        assert done.status_code == 422, wrong
        assert "must be a date, YYYY-MM-DD" in done.text
    done = planner.decide(state(date="2022-07-01"))  # a year too late
    assert done.status_code == 422
    line = "date = 2022-07-01: must be at most 62 days after today, 2021-07-01"
    assert done.json()["detail"] == line
    for wrong in (0, 1625097600.0, "1625097600"):
        assert planner.decide(state(date=wrong)).status_code == 422
    assert planner.decide(state(due={"1625097600": 5})).status_code == 422


def test_names_of_tokens_have_letters_of_all_languages_and_nothing_that_harms(served):
    admin = served[1]["admin"]
    for path, more in (("/v1/tokens", {"role": "planner"}), ("/v1/tokens/revoke", {})):
        done = admin.post(path, {"name": "José å.", **more})
        assert done.status_code == 200, done.text
    for wrong in ("<b>", "a/b", "a\nb", "a\u202eb", "a" * 65, ""):
        assert admin.post("/v1/tokens", {"name": wrong, "role": "planner"}).status_code == 422
        with pytest.raises(InputError, match="must be NAME:ROLE; NAME must be up to 64"):
            add_token(served[0].base, f"{wrong}:admin")
    with pytest.raises(InputError, match="ROLE planner, approver, admin"):
        add_token(served[0].base, "ann")
    again = admin.post("/v1/tokens", {"name": "José å.", "role": "planner"})
    assert again.json()["detail"] == "name 'José å.': had a token, revoked since; take another name"


def test_bodies_and_hosts_are_checked(served):
    made, callers = served
    planner = callers["planner"]
    done = planner.http.get("/health", headers={"host": "evil.example"})
    assert done.status_code == 421
    large = {**planner.headers, "content-length": str(made.max_bytes + 1)}
    assert planner.http.post("/v1/decisions", headers=large, content=b"x").status_code == 413
    parts = iter([b"[" + b" " * 1_000_000] * 40)
    assert (
        planner.http.post("/v1/decisions", headers=planner.headers, content=parts).status_code
        == 413
    )
    form = {**planner.headers, "content-type": "application/x-www-form-urlencoded"}
    done = planner.http.post("/v1/decisions", headers=form, content=json.dumps(STATE))
    assert (done.status_code, "with the header Content-Type" in done.text) == (422, True)
    deep = b"[" * 100_000
    done = planner.http.post("/v1/decisions", headers=planner.headers, content=deep)
    assert done.status_code in (400, 422)
    done = planner.http.get("/health")
    assert done.headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in done.headers["content-security-policy"]


def test_too_many_requests_are_refused(fresh):
    made, callers = fresh
    made.rate._rate, made.rate._burst = 0.0, 3.0
    codes = [callers["planner"].get("/v1/orders").status_code for _ in range(5)]
    assert codes == [200, 200, 200, 429, 429]
    assert callers["planner"].http.get("/health").status_code == 200


def test_whoever_looks_whether_it_lives_may_ask_for_the_head_alone(served):
    http = served[1]["planner"].http
    assert [http.head(path).status_code for path in ("/health", "/ready")] == [200, 200]


def test_a_revoked_token_is_nobodys(served):
    made, callers = served
    token = callers["admin"].post("/v1/tokens", {"name": "eve", "role": "planner"}).json()["token"]
    eve = {"authorization": f"Bearer {token}"}
    http = callers["admin"].http
    assert http.get("/v1/orders", headers=eve).status_code == 200
    assert callers["admin"].post("/v1/tokens", {"name": "eve", "role": "admin"}).status_code == 422
    callers["admin"].post("/v1/tokens/revoke", {"name": "eve"})
    assert http.get("/v1/orders", headers=eve).status_code == 401
    with made.base.reading() as connection:
        kept = str(connection.exec_driver_sql("SELECT * FROM tokens").all())
        kept += str(connection.exec_driver_sql("SELECT * FROM log").all())
    assert token not in kept


def test_a_decision_is_made_anew_to_the_same_bytes(fresh):
    made, callers = fresh
    answer = callers["planner"].decide().json()
    then, again = made.decisions.replay(answer["decision"])
    assert then == again
    assert [row["store"] for row in json.loads(again)["orders"]] == ["south", "north"]
    with pytest.raises(InputError, match="there is none"):
        made.decisions.replay("0" * 32)


def test_the_last_decision_of_a_day_is_the_one_written_last_whatever_the_clock_says(
    fresh, monkeypatch
):
    class SetBack(dt.datetime):
        @classmethod
        def now(cls, zone):
            return cls(2021, 1, 1, tzinfo=zone)

    planner = fresh[1]["planner"]
    first = planner.decide(state(3)).json()
    monkeypatch.setattr("service.store.database.datetime", SetBack)
    planner.decide(state(9))
    again = planner.decide(state(3))
    assert again.headers["idempotency-replayed"] == "false"
    ours, book = again.json()["orders"][1], planner.get("/v1/orders").json()["orders"]
    assert (ours["on_hand"], ours["version"]) == (3, first["orders"][1]["version"] + 2)
    assert ours["quantity"] in [order["quantity"] for order in book]


def guarded(runs, today=TODAY, body=None, **guards):
    """Return the orders of a state under guards, by store."""
    run = load(str(runs / "first"), "newsvendor_weekday")
    run.decider.faults.clear()  # it was trained for a second, and is worse than the rule
    inputs = {"state": body or STATE, "guards": Guards(**guards).to_dict(), "failure": ""}
    rows = compute(run, {**inputs, "today": today.isoformat(), "manifest": ""}).rows
    return {row["store"]: row for row in rows}


def test_a_state_without_a_date_is_of_the_day_on_which_it_came(fresh):
    made, callers = fresh
    items = [{"store": "north", "on_hand": 3, "recent": [20] * 7}]
    done = callers["planner"].decide({"items": items, "written": "2021-07-01"})
    assert done.json()["date"] == str(TODAY) == "2021-07-01"  # whatever day it is here
    then, again = made.decisions.replay(done.json()["decision"])
    assert then == again
    done = callers["planner"].decide({"items": items, "written": "2021-06-30"})
    assert done.status_code == 422
    assert "the state is of 2021-06-30, when its file was written" in done.json()["detail"]


def test_guards_let_the_rule_order_in_place_of_the_policy(runs):
    free = guarded(runs, max_multiple=1e9)
    assert {row["source"] for row in free.values()} == {"policy"}
    assert all(row["quantity"] == row["asked"] for row in free.values())
    old = guarded(runs, today=TODAY + dt.timedelta(days=9))
    assert all(row["quantity"] == row["rule_quantity"] for row in old.values())
    assert "9 days old, 2 are allowed" in old["north"]["held_back"]
    assert old["north"]["exceptions"].split(",")[-1] == "stale"
    small = guarded(runs, today=TODAY + dt.timedelta(days=9), max_order=1.0)
    assert small["south"]["quantity"] == 0
    assert "the rule's order too is" in small["south"]["held_back"]
    priced = copy.deepcopy(STATE)
    for item in priced["items"]:
        item["price"] = 2.5
    rich = guarded(runs, max_multiple=1e9, max_day_value=-1.0, body=priced)
    assert "the day's orders are worth" in rich["north"]["held_back"]
    assert [row["quantity"] for row in rich.values()] == [0.0, 0.0]
    assert rich["north"]["held_back"].endswith("held back: nothing is ordered")
    assert "no prices" in guarded(runs, max_day_value=1.0)["north"]["held_back"]


def test_a_policy_that_fails_its_check_is_replaced_by_the_rule(fresh, monkeypatch):
    made, callers = fresh
    champion = made.policies.champion

    def broken(*_):
        raise NumericalError("the model's outputs are not finite; train it again")

    monkeypatch.setattr(champion.decider.policy, "predict", broken)
    orders = callers["planner"].decide().json()["orders"]
    assert all(order["source"] == "rule" for order in orders)
    assert all("not finite" in order["held_back"] for order in orders)
    monkeypatch.undo()
    monkeypatch.setattr(type(champion), "is_unaltered", lambda _: False)
    orders = callers["planner"].decide(state(7)).json()["orders"]
    assert all("files were altered" in order["held_back"] for order in orders)


def test_retention_removes_what_ended_and_the_log_still_holds(fresh):
    made, callers = fresh
    for order in callers["planner"].decide().json()["orders"][:1]:
        callers["approver"].post(f"/v1/orders/{order['id']}/cancel")
    callers["planner"].decide(state(date="2021-06-30"))
    removed = remove_before(made.base, dt.date(2022, 1, 1), "test")
    assert removed == {"orders": 1, "decisions": 0, "keys": 0}
    assert audit_log.verify(made.base)[1] is None


def test_a_key_whose_decision_is_not_kept_can_be_used_again(fresh):
    made, callers = fresh
    for order in callers["planner"].decide(idempotency_key="one").json()["orders"]:
        callers["approver"].post(f"/v1/orders/{order['id']}/cancel")
    removed = remove_before(made.base, dt.date(2022, 1, 1), "test")  # the key is of today
    assert removed == {"orders": 2, "decisions": 1, "keys": 1}
    again = callers["planner"].decide(idempotency_key="one")
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "false")


def test_metrics_are_prometheus_text(served):
    _, callers = served
    callers["planner"].get("/v1/orders")
    text = callers["planner"].get("/metrics").text
    assert 'inventory_requests_total{method="GET",route="/v1/orders",status="200"}' in text


def test_a_full_database_is_told_in_the_answer_and_in_the_log(runs, tmp_path, monkeypatch, caplog):
    full = OperationalError("UPDATE", {"reason": "secret"}, Exception("database or disk is full"))
    with service(runs, str(tmp_path / "service.db")) as (made, callers):
        monkeypatch.setattr(made.base, "writing", Mock(side_effect=full))
        done = callers["approver"].post("/v1/orders/1/approve")
        monkeypatch.undo()
    number = done.headers["x-request-id"]
    assert done.status_code == 503
    assert f"the database cannot do this now; the log has it under request {number}" in done.text
    (line,) = (record.fields for record in caplog.records if record.message == "database")
    assert line == {"request": number, "error": "'database or disk is full'"}
