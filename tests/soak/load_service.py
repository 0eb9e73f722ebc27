"""How fast the service answers, and whether it grows.

``python -m tests.soak.load_service 60`` times a small state and sends 100 requests a second for so
long, ``... 60 100000`` so many more, as fast as they are answered, with the memory meanwhile;
``... 0 RUN STATE`` times a state of its own (JSON, as ``POST /v1/decisions`` takes it).
"""

import json
import math
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from service.access import Access
from service.decisions import compute
from service.guards import Guards
from service.policies import load
from service.store.database import Database
from tests.soak.kill_service import RULE, Caller, free_port, serve, train, wait

RATE, CLIENTS = 100, 10


def memory(process: int) -> float:
    """Return what a process holds [MB]."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def processor_time(process: int) -> float:
    """Return what a process has had of a processor [s]."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def time_state(caller: Caller, server: int, body: dict[str, Any], times: int) -> None:
    """Print the median time of a state, changed a little each time, and the processor's."""
    took, before = [], processor_time(server)
    for n in range(times):
        body["items"][0]["on_hand"] = n
        begun = time.perf_counter()
        status, content = caller.post("/v1/decisions", body)
        took.append(1000 * (time.perf_counter() - begun))
        assert status == 200, content
    count = len(body["items"])
    processor = 1000 * (processor_time(server) - before) / times
    print(
        f"{count:,} items: median {statistics.median(took):.0f} ms, least {min(took):.0f} ms, "
        f"{processor:.0f} ms of processor time",
        flush=True,
    )


def send(port: int, token: str, server: int, requests: int, rate: float) -> None:
    """Send requests from several clients: every tenth decides, others override.

    Parameters
    ----------
    port, token, server : int, str, int
        The service, whose process is `server`.
    requests : int
        How many in all.
    rate : float
        How many a second at most.
    """
    failed: list[int] = []
    done: list[int] = []

    def work(number: int) -> None:
        caller = Caller(port, token)
        begun = time.monotonic()
        for n in range(requests // CLIENTS):
            time.sleep(max(0.0, begun + n * CLIENTS / rate - time.monotonic()))
            if n % 10 == 0:
                items = [{"store": "north", "on_hand": n}, {"store": "south", "on_hand": number}]
                status, _ = caller.post("/v1/decisions", {"date": "2021-07-01", "items": items})
            else:
                status, _ = caller.post("/v1/orders/1/override", {"quantity": n, "reason": "x"})
            (done if status == 200 else failed).append(status)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(CLIENTS)]
    begun, shown = time.monotonic(), 0
    for one in threads:
        one.start()
    while any(one.is_alive() for one in threads):
        if len(done) >= shown:
            shown += max(requests // 10, 1)
            passed = time.monotonic() - begun
            print(f"{passed:4.0f} s  {len(done):,} answers  {memory(server):.0f} MB", flush=True)
        time.sleep(0.2)
    took = time.monotonic() - begun
    print(f"{len(done):,} answers, {len(failed)} failures, {len(done) / took:.0f} a second")
    print(f"{memory(server):.0f} MB at the end", flush=True)


def main(arguments: list[str]) -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as name:
        own = len(arguments) > 2
        run = load(arguments[1] if own else str(train(Path(name))), RULE)
        two = {"date": "2021-07-01", "items": [{"store": "north", "on_hand": 1}]}
        state = json.loads(Path(arguments[2]).read_text()) if own else two
        day = {"guards": Guards().to_dict(), "failure": "", "today": "2024-01-01"}
        compute(run, {**day, "state": state})
        address, port = str(Path(name, "service.db")), free_port()
        base = Database(address)
        token = Access(base).issue("client", "admin", "soak")
        base.engine.dispose()
        server = serve(address, run, port)
        wait(port)
        try:
            time_state(Caller(port, token), server, state, 5 if len(state["items"]) > 1000 else 30)
            if not own:
                seconds, *more = map(int, arguments)
                send(port, token, server, seconds * RATE, RATE)
                for requests in more:
                    send(port, token, server, requests, math.inf)
        finally:
            os.kill(server, signal.SIGKILL)
            os.waitpid(server, 0)


if __name__ == "__main__":
    main(sys.argv[1:])
