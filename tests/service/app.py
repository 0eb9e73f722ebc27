"""A service in this process, for tests."""

import copy
import datetime as dt
from contextlib import contextmanager

from starlette.testclient import TestClient

from service.guards import Guards
from service.policies import Policies
from service.store.database import Database
from service.web.app import create_app
from service.web.state import Service
from tests.service.conftest import RULE, TODAY

STATE = {
    "date": "2021-07-01",
    "items": [
        {"store": "south", "on_hand": 150, "due": [20, 0]},
        {"store": "north", "on_hand": 3, "due": {"2021-07-02": 5}},
    ],
}


def state(north=3.0, date="2021-07-01", **more):
    changed = copy.deepcopy(STATE)
    changed["date"] = date
    changed["items"][1] |= {"on_hand": north, **more}
    return changed


class Client:
    """A caller with a token."""

    def __init__(self, http, token):
        self.http, self.headers = http, {"authorization": f"Bearer {token}"}

    def get(self, path, **more):
        return self.http.get(path, headers=self.headers, **more)

    def post(self, path, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(path, json=body, headers={**self.headers, **named})

    def decide(self, state=None, **headers):
        return self.post("/v1/decisions", state or STATE, **headers)


@contextmanager
def service(runs, address, *, champion="first", today=TODAY, rule=RULE, **guards):
    """Yield the service, and a caller of each role."""
    base = Database(address)
    policies = Policies(base, rule)
    policies.start(None if champion is None else str(runs / champion))
    made = Service(base, policies, Guards(**guards), today=lambda: today)
    app = create_app(made)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as http:
        callers = {}
        for role in ("planner", "approver", "admin"):
            name = f"{role}{dt.datetime.now().timestamp()}"
            callers[role] = Client(http, made.access.issue(name, role, "test"))
        yield made, callers
    base.engine.dispose()
