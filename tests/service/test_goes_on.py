"""What is gone or full beside the champion does not end the service."""

import shutil
from unittest.mock import Mock

import pytest

pytest.importorskip("fastapi", reason="no fastapi: pip install -e '.[serve]'")

from sqlalchemy.exc import OperationalError

from tests.service.app import service


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
