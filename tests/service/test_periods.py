"""Files by week and by month: deadlines, cover and projections count the file's periods."""

import datetime as dt

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="no fastapi: pip install -e '.[serve]'")

from agents.config import resolve
from tests.recommended import write_rule_run
from tests.service.app import service

RULE = "newsvendor_average"
PERIODS = {
    "week": [dt.date(2020, 1, 6) + dt.timedelta(weeks=k) for k in range(130)],
    "month": [dt.date(2013 + k // 12, k % 12 + 1, 1) for k in range(130)],
}


@pytest.fixture(scope="module", params=PERIODS)
def periodic(request, tmp_path_factory):
    """A run on a file by week or month that orders by a rule, its period and its dates."""
    folder, days = tmp_path_factory.mktemp(request.param), PERIODS[request.param]
    units = np.random.default_rng(0).poisson(20, (100, 2))
    rows = [f"{day},{a},{b}" for day, (a, b) in zip(days, units, strict=False)]
    (folder / "sales.csv").write_text("\n".join(["date,north,south", *rows]) + "\n")
    run = resolve({"algo": "ppo", "demand": folder / "sales.csv"})
    write_rule_run(run, folder / "first", RULE)
    return folder, request.param, days


def served(periodic, address, later=0):
    """Yield a service on the day on which so many periods have passed since the last one."""
    folder, _, days = periodic
    return service(folder, str(address), rule=None, today=days[100 + later])


STATE = {"items": [{"store": "north", "on_hand": 100, "due": [0, 7]}]}


def test_an_order_arrives_after_its_lead_time_in_periods(periodic, tmp_path):
    _, period, days = periodic
    with served(periodic, tmp_path / "service.db") as (_, callers):
        answer = callers["planner"].decide(STATE)
        assert answer.status_code == 200, answer.text
        (order,) = answer.json()["orders"]
        why = callers["planner"].get("/v1/items/north/all/why").json()
        due = {"items": [{"store": "north", "on_hand": 1, "due": {str(days[102]): 7}}]}
        assert callers["planner"].decide(due).json()["orders"][0]["on_order"] == 7
    assert order["date"] == str(days[100])
    assert order["arrives"] == str(days[102])
    assert order["forecast"] == pytest.approx(20, rel=0.3)
    assert 4 < order["days_of_cover"] < 8  # periods
    assert "stale" not in order["exceptions"]
    assert why["period"] == period
    assert [one["date"] for one in why["projected"]] == [str(day) for day in days[100:114]]
    assert why["protection_days"] == len(why["forecast"]) == 3


@pytest.mark.parametrize(("later", "stale"), [(2, False), (3, True)])
def test_a_state_is_as_old_as_the_periods_that_have_passed(periodic, tmp_path, later, stale):
    _, period, _ = periodic
    with served(periodic, tmp_path / "service.db", later) as (_, callers):
        (order,) = callers["planner"].decide(STATE).json()["orders"]
    assert ("stale" in order["exceptions"]) == stale
    assert (f"the state is 3 {period}s old, 2 are allowed" in order["held_back"]) == stale


def test_pages_speak_of_the_period(periodic, tmp_path):
    _, period, _ = periodic
    with served(periodic, tmp_path / "service.db") as (made, callers):
        callers["planner"].decide(STATE)
        http = callers["admin"].http
        token = made.access.issue("visitor", "admin", "test")
        http.post("/login", data={"token": token})
        pages = [http.get(path).text for path in ("/", "/orders/1", "/decide", "/policies")]
    overview, order, ask, policies = pages
    assert f"{period.capitalize()}s of cover" in overview
    assert f"Forecast a {period}" in overview
    assert f"Forecast for 3 {period}s" in order
    assert f"Stock at the end of each {period}" in order
    assert f"what arrives next {period}" in ask
    assert f"{period}s</td>" in policies
