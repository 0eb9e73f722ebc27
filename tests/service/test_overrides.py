"""Orders that a planner gives another quantity: what they show is of the new one."""

import pytest

pytest.importorskip("fastapi", reason="no fastapi: pip install -e '.[serve]'")

from agents.config import resolve
from service.store.tables import DECISIONS, ORDERS
from tests.recommended import write_rule_run
from tests.service.app import service
from tests.service.conftest import RULE
from tests.service.test_pages import PAGE, browser


@pytest.fixture
def fresh(runs, tmp_path):
    with service(runs, str(tmp_path / "service.db")) as made:
        yield made


def figures(order):
    return {name: order[name] for name in ("level", "days_of_cover", "stockout_after")}


def test_an_overridden_order_shows_what_the_new_quantity_leads_to(fresh):
    _, callers = fresh
    planner = callers["planner"]
    order = planner.decide().json()["orders"][0]

    def overridden(quantity):
        path = f"/v1/orders/{order['id']}/override"
        done = planner.post(path, {"quantity": quantity, "reason": "no truck"})
        assert done.status_code == 200, done.text
        assert done.json()["notes"] == []
        listed = planner.get("/v1/orders").json()["orders"][0]
        why = planner.get(f"/v1/items/south/{order['sku']}/why").json()
        assert done.json()["order"] == listed
        assert why["stockout_after"] == listed["stockout_after"]
        assert why["level"] == listed["level"]
        return listed

    none, much = overridden(0), overridden(9_000)
    assert none["level"] == 170
    assert none["days_of_cover"] == pytest.approx(170 / order["forecast"], abs=0.06)
    assert none["stockout_after"] > 0.5
    assert "stockout" in none["exceptions"]
    assert much["level"] == 9170
    assert much["days_of_cover"] == pytest.approx(9170 / order["forecast"], abs=0.06)
    assert much["stockout_after"] == 0
    assert "overstock" in much["exceptions"]
    again = overridden(order["quantity"])
    assert figures(again) == figures(order)
    assert again["exceptions"] == order["exceptions"]


def test_what_a_new_quantity_leads_to_is_not_told_where_it_is_not_known(fresh):
    made, callers = fresh
    planner = callers["planner"]
    order = planner.decide().json()["orders"][0]
    with made.base.writing() as connection:
        connection.execute(DECISIONS.delete())
    asked = {"quantity": 9_000, "reason": "fair"}
    done = planner.post(f"/v1/orders/{order['id']}/override", asked).json()
    assert figures(done["order"]) == {"level": 9170, "days_of_cover": None, "stockout_after": None}
    assert "overstock" not in done["order"]["exceptions"]
    assert "what 9,000 units lead to is not known: decision" in done["notes"][0]


def test_limits_of_the_store_that_a_new_quantity_does_not_keep_are_told(runs, tmp_path):
    settings = ("store.order_multiple=6", "store.minimum_order=12", "store.shelf_capacity=300")
    config = resolve({"algo": "ppo", "demand": runs / "sales.csv"}, assignments=settings)
    write_rule_run(config, tmp_path / "packs", RULE)
    told = {0: [], 18: [], 20: ["pack, 6"], 6: ["least order, 12"], 180: ["to 350, and the shelf"]}
    told |= {1_234_567: ["1,234,567 units are no multiple", "to 1,234,737, and"]}
    with service(tmp_path, str(tmp_path / "service.db"), champion="packs") as (_, callers):
        planner = callers["planner"]
        order = planner.decide().json()["orders"][0]
        for quantity, parts in told.items():
            asked = {"quantity": quantity, "reason": "fair"}
            done = planner.post(f"/v1/orders/{order['id']}/override", asked).json()
            assert done["order"]["quantity"] == quantity
            assert len(done["notes"]) == len(parts)
            assert all(part in note for part, note in zip(parts, done["notes"], strict=True))
            why = planner.get(f"/v1/items/south/{order['sku']}/why").json()
            assert why["notes"] == done["notes"]
        http, _ = browser((None, callers), "planner")
        page = http.get(f"/orders/{order['id']}", headers=PAGE).text
        assert "the shelf holds 300" in page
        assert 'value="1234567"' in page


def test_an_order_of_which_less_is_known_has_its_page(fresh):
    made, callers = fresh
    number = callers["planner"].decide().json()["orders"][0]["id"]
    with made.base.writing() as connection:
        connection.execute(ORDERS.update().values(days_of_cover=None, stockout_after=None))
    http, _ = browser(fresh, "planner")
    page = http.get(f"/orders/{number}", headers=PAGE).text
    assert '<th scope="row">Runs out after that</th><td class="n">\u2013</td>' in page
