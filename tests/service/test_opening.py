"""The port is open before anything large is imported."""

import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the service is an extra: pip install -e '.[serve]'")

from common.errors import InputError
from service.access import Access
from service.guards import Guards
from service.opening import Opening, listen
from service.serve import start
from service.store.database import Database
from tests.soak.kill_service import free_port

ROOT = Path(__file__).parents[2]


def get(port, path, since=60.0):
    """Return the status of an answer, asked for until there is one."""
    begun = time.monotonic()
    while True:
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            asked.request("GET", path)
            return asked.getresponse().status
        except OSError:
            if time.monotonic() - begun > since:
                raise
            time.sleep(0.01)
        finally:
            asked.close()


async def whole(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_it_lives_first_and_is_the_whole_application_later():
    port, make, failed = free_port(), threading.Event(), []

    def start(opening):
        make.wait(60)
        opening.whole = whole
        while get(port, "/health") != 204:
            time.sleep(0.01)
        raise InputError("so much for that")

    def serve():
        try:
            listen("127.0.0.1", port, start)
        except InputError as error:
            failed.append(str(error))

    thread = threading.Thread(target=serve)
    thread.start()
    assert get(port, "/health") == 200
    assert get(port, "/ready") == get(port, "/v1/orders") == 503
    make.set()
    thread.join(60)
    assert failed == ["so much for that"]


def test_what_answers_first_needs_nothing_large():
    large = "torch", "pandas", "numba", "numpy", "sqlalchemy", "fastapi"
    code = f"import serve, service.opening, sys; print([m for m in {large} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_start_that_fails_ends_the_service(tmp_path):
    asked = ("--checkpoint", "nowhere", "--database", tmp_path / "s.db", "--port", free_port())
    done = subprocess.run(
        [sys.executable, "serve.py", *map(str, asked)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert done.returncode == 2
    assert "error: --checkpoint nowhere: no such file or folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_token_is_made_where_nothing_can_be_served(tmp_path, capsys):
    base = Database(str(tmp_path / "s.db"))
    where = {"host": "127.0.0.1", "port": 1, "guards": Guards()}
    with pytest.raises(InputError, match="no policy was named yet; say --checkpoint RUN"):
        start(Opening(), base, None, **where)
    with pytest.raises(InputError, match="nowhere"):
        start(Opening(), base, "run", **where, inbox=tmp_path / "nowhere")
    assert Access(base).is_empty()
    assert "token" not in capsys.readouterr().err


def test_a_port_that_is_taken_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"--port {port}: .*address already in use$"):
            listen("127.0.0.1", port, lambda _: None)
