"""The service killed (SIGKILL) at random under load: no order lost or doubled, the log whole.

``python -m tests.soak.kill_service 200`` kills it 200 times on a file of SQLite and 200 times on
a PostgreSQL server that it starts, while clients decide, approve and place, and repeat with the
same key what got no answer. ``python -m tests.soak.kill_service load 10000`` kills nobody: 8
clients at once make so many decisions, each of which must be there once. ``sqlite`` or
``postgresql`` after the number tries that one alone.
"""

import collections
import datetime as dt
import http.client
import json
import multiprocessing
import os
import random
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

import sqlalchemy as sql
import uvicorn

from service.access import Access
from service.decisions import compute
from service.guards import Guards
from service.policies import CHAMPION, LoadedRun, Policies, load
from service.store import audit_log
from service.store.database import Database
from service.store.tables import DECISIONS, KEYS, ORDERS
from service.web.app import create_app
from service.web.state import Service
from tests import postgres

RULE = "newsvendor_weekday"
FIRST = dt.date(1900, 1, 1)
DAYS_EACH = 5_000
STEPS = "approve", "place"


def train(folder: Path) -> Path:
    """Return a small run."""
    import numpy as np

    from agents.config import resolve
    from training.trainer import train as train_run

    days = np.arange("2020-01-01", "2021-07-01", dtype="datetime64[D]")
    units = np.random.default_rng(0).poisson([20, 60], (days.size, 2))
    rows = [f"{day},{a},{b}" for day, (a, b) in zip(days, units, strict=True)]
    (folder / "sales.csv").write_text("\n".join(["date,north,south", *rows]))
    settings = ("horizon=10", "n_steps=10", "batch_size=40", "evaluation.episodes=10")
    flags = {"algo": "ppo", "demand": folder / "sales.csv", "timesteps": 400, "n_envs": 8}
    made = resolve(
        {**flags, "split": "2021-01-01"}, assignments=(*settings, "evaluation.pictures=0")
    )
    return train_run(made, folder / "run").folder


def serve(address: str, run: LoadedRun, port: int) -> int:
    """Start the service in a child that has everything loaded; return the child's number."""
    child = os.fork()
    if child:
        return child
    base = Database(address)
    policies = Policies(base, RULE)
    policies._loaded[CHAMPION] = run
    app = create_app(Service(base, policies, Guards(), per_second=1e9))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="critical")
    os._exit(0)


class Caller:
    """A client that repeats what got no answer, under the same key."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token
        self._open: http.client.HTTPConnection | None = None

    def post(self, path: str, body: object, key: str = "") -> tuple[int, bytes]:
        """Return status and content of the first answer that comes."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        while True:
            try:
                if self._open is None:
                    self._open = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
                self._open.request("POST", path, json.dumps(body), headers)
                answer = self._open.getresponse()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException):
                self._open = None
                time.sleep(0.01)


def work(number: int, port: int, token: str, most: int, said: Path) -> None:
    """Decide day after day, approve and place; write down what was answered."""
    caller, chance = Caller(port, token), random.Random(number)  # noqa: S311
    with said.open("w") as log:
        for n in range(most):
            day = (FIRST + dt.timedelta(days=number * DAYS_EACH + n)).isoformat()
            items = [
                {"store": store, "on_hand": chance.randint(0, 90), "recent": [30.0] * 7}
                for store in ("north", "south")
            ]
            status, content = caller.post(
                "/v1/decisions", {"date": day, "items": items}, f"{number}-{n}"
            )
            assert status == 200, content
            answer = json.loads(content)
            steps = []
            for order in answer["orders"][: chance.randint(0, 2)]:
                for step in STEPS[: chance.randint(1, 2)]:
                    status, content = caller.post(f"/v1/orders/{order['id']}/{step}", {})
                    assert status == 200, content
                    steps.append((order["id"], json.loads(content)["order"]["status"]))
            line = {"key": f"{number}-{n}", "decision": answer["decision"], "steps": steps}
            line["orders"] = [order["id"] for order in answer["orders"]]
            print(json.dumps(line), file=log, flush=True)


def check(address: str, folder: Path) -> tuple[int, int]:
    """Hold the tables against what the clients were told; return decisions and orders."""
    base = Database(address)
    entries, fault = audit_log.verify(base)
    assert fault is None, fault
    with base.reading() as connection:
        orders = {row.id: row for row in connection.execute(sql.select(ORDERS))}
        keys = {row.key: row.decision for row in connection.execute(sql.select(KEYS))}
        made = [row.id for row in connection.execute(sql.select(DECISIONS.c.id))]
    assert orders
    places = collections.Counter((o.policy, o.date, o.store, o.sku) for o in orders.values())
    assert max(places.values()) == 1
    assert sorted(keys.values()) == sorted(made)  # a decision for every key, and no other
    assert len(orders) == 2 * len(made)
    told = 0
    for path in folder.glob("said*"):
        for text in path.read_text().splitlines():
            line = json.loads(text)
            told += 1
            assert keys[line["key"]] == line["decision"]
            assert all(number in orders for number in line["orders"])
            for number, status in dict(line["steps"]).items():
                assert orders[number].status == status
    assert told <= len(made) <= told + 8, (told, len(made))
    print(f"{len(made):,} decisions, {len(orders):,} orders, {entries:,} entries", flush=True)
    return len(made), len(orders)


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait(port: int) -> None:
    """Wait until the service answers."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return


def run_clients(
    address: str, run: LoadedRun, *, clients: int, each: int, kills: int
) -> tuple[int, int]:
    """Let clients work while the service is killed; return decisions and orders."""
    base = Database(address)
    token = Access(base).issue("client", "admin", "soak")
    base.engine.dispose()
    port, chance = free_port(), random.Random(0)  # noqa: S311
    with tempfile.TemporaryDirectory() as name:
        server = serve(address, run, port)
        wait(port)
        context = multiprocessing.get_context("fork")
        workers = [
            context.Process(target=work, args=(n, port, token, each, Path(name, f"said{n}")))
            for n in range(clients)
        ]
        for one in workers:
            one.start()
        begun = time.monotonic()
        for number in range(kills):
            time.sleep(chance.uniform(0.0, 2.0))
            os.kill(server, signal.SIGKILL)
            os.waitpid(server, 0)
            server = serve(address, run, port)
            wait(port)
            if (number + 1) % 50 == 0:
                print(f"{number + 1} kills", flush=True)
        if kills:
            for one in workers:
                one.kill()
        for one in workers:
            one.join()
            assert kills or one.exitcode == 0
        print(f"{time.monotonic() - begun:.0f} s", flush=True)
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
        return check(address, Path(name))


def main(arguments: list[str]) -> None:
    """Kill, or load."""
    loads = arguments[0] == "load"
    number, *only = arguments[loads:]
    number = int(number)
    kinds = {"clients": 8, "each": number // 8, "kills": 0}
    if not loads:
        kinds = {"clients": 4, "each": DAYS_EACH, "kills": number}
    with tempfile.TemporaryDirectory() as name, postgres.server() as url:
        run = load(str(train(Path(name))), RULE)
        morning = {"items": [{"store": "north", "on_hand": 1}, {"store": "south", "on_hand": 1}]}
        day = {"guards": Guards().to_dict(), "failure": "", "today": "2024-01-01"}
        compute(run, {**day, "state": morning})  # compiled code is loaded before any child is made
        for address in (str(Path(name, "service.db")), url):
            database = "SQLite" if address != url else "PostgreSQL"
            if only and database.lower() not in only:
                continue
            print(database, flush=True)
            made, _ = run_clients(address, run, **kinds)
            assert not loads or made == 8 * (number // 8)


if __name__ == "__main__":
    main(sys.argv[1:])
