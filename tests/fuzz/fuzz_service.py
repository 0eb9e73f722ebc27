"""Requests made from the service's own OpenAPI document: no 5xx, and every answer as it says.

``python -m tests.fuzz.fuzz_service 10000`` sends so many (schemathesis, of the extra `test`), half
of them as the document allows and half not; ``... 2500 3`` as many others. The suite sends a few.
"""

import copy
import datetime as dt
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.service.app import service
from tests.soak.kill_service import train

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
BATCH = 25
"""Requests of one kind that are made from one seed."""

STORES = ["north", "south"]
NAMES, UNUSED = {"data": "content"}, ("verify", "cookies")
"""What requests has under another name than httpx, and what is not needed."""


def documents(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the document, and one whose requests name what there is: random names reach little."""
    yield document
    known = copy.deepcopy(document)
    parts = known["components"]["schemas"]
    parts["Item"]["properties"]["store"] = {"enum": STORES}
    parts["Item"]["properties"]["sku"] = {"enum": ["all"]}
    parts["Candidate"]["properties"]["run"] = {"enum": ["run"]}
    for path, methods in known["paths"].items():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "store":
                    parameter["schema"] = {"enum": STORES}
                elif parameter["name"] == "sku":
                    parameter["schema"] = {"enum": ["all"]}
                elif parameter["name"] == "number":
                    assert "/orders/" in path
                    parameter["schema"] = {"type": "integer", "minimum": 1, "maximum": 20}
    yield known


def attack(caller: Any, number: int, part: int = 0) -> tuple[Counter[str], list[str]]:
    """Send so many requests; return how many had which status, and what was wrong, each once.

    Parameters
    ----------
    caller : Client
        An admin, who may do everything.
    number : int
        Of requests, at least; every kind of request gets as many of them as any other.
    part : int
        Another one makes other requests.
    """
    document = caller.get("/openapi.json").json()
    kinds = [
        (made.ok(), mode)
        for one in documents(document)
        for made in schemathesis.openapi.from_dict(one).get_all_operations()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    ]
    outcomes: Counter[str] = Counter()
    wrong: dict[str, str] = {}
    batch, rounds = min(BATCH, max(number // len(kinds), 1)), 1000 * part
    while outcomes.total() < number:
        before = outcomes.total()
        for operation, mode in kinds:
            _send(caller, operation, mode, (rounds, batch), outcomes, wrong)
        assert outcomes.total() > before
        rounds += 1
    return outcomes, [f"{what}\n    {how}" for what, how in wrong.items()]


def _send(
    caller: Any,
    operation: Any,
    mode: GenerationMode,
    which: tuple[int, int],
    outcomes: Counter[str],
    wrong: dict[str, str],
) -> None:
    """Send a batch of requests of one kind."""
    if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query):
        return  # nothing about it can be wrong

    @seed(which[0])
    @settings(
        max_examples=which[1],
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        case.headers = {**(case.headers or {}), **caller.headers}
        sent = case.as_transport_kwargs(base_url="http://127.0.0.1")
        sent = {NAMES.get(name, name): value for name, value in sent.items() if name not in UNUSED}
        answer = caller.http.request(**sent)
        outcomes[str(answer.status_code)] += 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except (FailureGroup, Failure) as failure:
            for one in getattr(failure, "exceptions", [failure]):
                what = f"{operation.label}: {type(one).__name__} {answer.status_code}"
                wrong.setdefault(what, f"{one}\n    {sent}\n    {answer.text[:300]}")

    send()


def main(number: int, part: int = 0) -> int:
    """Attack a service of its own."""
    with tempfile.TemporaryDirectory() as name:
        train(Path(name))
        address = str(Path(name, "service.db"))
        with service(Path(name), address, champion="run", today=dt.date(2021, 7, 1)) as (
            _,
            by_role,
        ):
            outcomes, wrong = attack(by_role["admin"], number, part)
    print(f"{outcomes.total():,} requests: ", end="")
    print(", ".join(f"{count:,} times {status}" for status, count in sorted(outcomes.items())))
    print("\n".join(wrong) or "every answer was as the document says")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
