"""Champion and candidate: who decides, is promoted, and is gone."""

import shutil

import pytest

pytest.importorskip("fastapi", reason="no fastapi: pip install -e '.[serve]'")

from agents import run_files
from agents.config import resolve
from agents.run_folder import read_config
from common.errors import InputError
from service.policies import load
from service.service_curve import service_curve
from service.store import audit_log
from tests.recommended import write_rule_run
from tests.service.app import service, state
from tests.service.conftest import RULE


def test_a_server_does_not_decide_by_a_champion_that_another_one_replaced(runs, tmp_path):
    address = str(tmp_path / "service.db")
    with service(runs, address) as (_, ours), service(runs, address) as (_, theirs):
        assert theirs["admin"].post("/v1/policies/candidate", {"run": "second"}).status_code == 200
        assert theirs["admin"].post("/v1/policies/promote").status_code == 200
        done = ours["planner"].decide()
        assert (done.status_code, "second was made the champion" in done.text) == (409, True)
        assert theirs["planner"].decide().json()["run"] == "second"


def test_a_candidate_that_is_gone_does_not_keep_the_champion_from_deciding(runs, tmp_path, capsys):
    for name in ("first", "second"):
        shutil.copytree(runs / name, tmp_path / name)
    address = str(tmp_path / "service.db")
    with service(tmp_path, address) as (_, callers):
        assert callers["admin"].post("/v1/policies/candidate", {"run": "second"}).status_code == 200
    shutil.rmtree(tmp_path / "second")
    with service(tmp_path, address, champion=None) as (_, callers):
        assert callers["planner"].decide().json()["run"] == "first"
    assert f"no candidate: --checkpoint {tmp_path / 'second'}: no such" in capsys.readouterr().err


def test_the_candidate_decides_in_the_shadow_is_promoted_and_rolled_back(runs, tmp_path, capsys):
    address = str(tmp_path / "service.db")
    with service(runs, address) as (made, callers):
        admin = callers["admin"]
        assert "no candidate" in admin.post("/v1/policies/promote").json()["detail"]
        for wrong in ("..", "../first"):
            assert admin.post("/v1/policies/candidate", {"run": wrong}).status_code == 422
        for name, why in (
            ("absent", "no such folder beside the champion's"),
            ("first", "is the champion; name another run"),
        ):
            done = admin.post("/v1/policies/candidate", {"run": name})
            assert (done.status_code, done.json()["detail"]) == (422, f"run {name}: {why}")
        assert admin.post("/v1/policies/candidate", {"run": "second"}).status_code == 200
        decided = callers["planner"].decide().json()
        with made.base.reading() as connection:
            rows = connection.exec_driver_sql("SELECT order_id, quantity FROM shadow_orders").all()
        assert [row[0] for row in rows] == [order["id"] for order in decided["orders"]]
        assert admin.post("/v1/policies/promote").json()["run"] == "second"
        assert callers["planner"].decide(state(4.0)).json()["run"] == "second"
    assert capsys.readouterr().err == ""
    with service(runs, address, champion=None) as (made, callers):
        named = callers["planner"].get("/v1/policies").json()
        assert (named["champion"]["run"], named["candidate"]) == ("second", None)
        assert callers["admin"].post("/v1/policies/roll-back").json()["run"] == "first"
        assert "no other champion" in callers["admin"].post("/v1/policies/roll-back").text
        assert audit_log.verify(made.base)[1] is None
    with service(runs, address, champion="second"):
        said = capsys.readouterr().err
    assert f"champion: {runs / 'second'}, in place of {runs / 'first'}; without" in said


def test_an_altered_run_is_not_loaded(runs, tmp_path):
    shutil.copytree(runs / "first", tmp_path / "first")
    (tmp_path / "first" / run_files.BEST).write_bytes(b"forged")
    with pytest.raises(InputError, match="was altered after the run wrote it"):
        load(str(tmp_path / "first"))


def test_a_decision_by_a_recommended_rule_is_made_anew_with_the_values_recommended(runs, tmp_path):
    write_rule_run(
        read_config(runs / "first"),
        *(tmp_path / "run", "tuned_newsvendor_smoothing"),
        safety_multiplier=0.4,
    )
    address = str(tmp_path / "service.db")
    with service(tmp_path, address, champion="run", rule=None) as (made, callers):
        done = callers["planner"].decide().json()
        then, again = made.decisions.replay(done["decision"])
    assert then == again
    assert not (tmp_path / "run" / run_files.TUNED).exists()


def test_what_service_costs_with_a_rule_tuned_on_all_days_before_the_split_is_of_later_days(
    runs, tmp_path
):
    flags = {"algo": "ppo", "demand": runs / "sales.csv", "split": "2021-01-01"}
    config = resolve({**flags, "validation": "2020-12-31"}, assignments=("horizon=10",))
    write_rule_run(config, tmp_path / "run", RULE)
    curve = service_curve(load(str(tmp_path / "run")).decider, episodes=5)
    assert (str(curve.first_day), str(curve.last_day)) == ("2021-01-01", "2021-06-30")
    assert curve.policy == curve.by_rule
    trained = service_curve(load(str(runs / "first"), RULE).decider, episodes=5)
    assert str(trained.last_day) == "2020-12-31"
