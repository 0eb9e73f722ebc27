"""A few requests made from the OpenAPI document; `tests.fuzz.fuzz_service` makes thousands."""

import pytest

pytest.importorskip("fastapi", reason="no fastapi: pip install -e '.[serve]'")

from tests.service.app import service


@pytest.fixture(scope="module")
def fuzz_service():
    """What makes requests; it takes more than a second to import."""
    pytest.importorskip("schemathesis", reason="no schemathesis: pip install -e '.[test]'")
    from tests.fuzz import fuzz_service

    return fuzz_service


def test_every_answer_is_as_the_document_says(runs, tmp_path, fuzz_service):
    with service(runs, str(tmp_path / "service.db")) as (_, callers):
        outcomes, wrong = fuzz_service.attack(callers["admin"], 60)
    assert not wrong, "\n".join(wrong)
    assert {"200", "404", "422"} <= outcomes.keys()


def test_an_answer_that_the_document_does_not_know_is_found(
    runs, tmp_path, monkeypatch, fuzz_service
):
    with service(runs, str(tmp_path / "service.db")) as (made, callers):
        monkeypatch.setattr(made.policies, "is_ready", lambda: 1 / 0)
        monkeypatch.setattr(fuzz_service, "documents", lambda document: [only(document, "/ready")])
        _, wrong = fuzz_service.attack(callers["admin"], 2)
    assert any("GET /ready: ServerError 500" in text for text in wrong)


def only(document, path):
    return {**document, "paths": {path: document["paths"][path]}}
