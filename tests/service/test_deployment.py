import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("fastapi", reason="no fastapi: pip install -e '.[serve]'")

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_the_steps_of_compose_are_carried_out(runs, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    state = tmp_path / "stock.csv"
    state.write_text("store,on_hand,due_1,date\nsouth,150,20,2021-07-01\nnorth,3,0,2021-07-01\n")
    values = {"RUN": str(runs / "first"), "DATABASE": str(tmp_path / "service.db")}
    values |= {"STATE": str(state), "PORT": str(port), "PYTHON": sys.executable}
    values |= {"BASELINE": "newsvendor_weekday", "PYTHONPATH": str(DEPLOY.parent)}
    command = ["sh", str(DEPLOY / "steps.sh")]
    done = subprocess.run(
        command,
        env={**os.environ, **values},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    header, *rows, verified = done.stdout.splitlines()
    assert header.startswith("date,store,sku,quantity")
    assert [row.split(",")[1] for row in rows] == ["south", "north"]
    assert re.fullmatch(r"service.db: \d entries, none altered or missing", verified)


def test_compose_runs_what_the_steps_run():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    service = compose["services"]["service"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["ports"] == ["127.0.0.1:8000:8000"]
    assert set(service["secrets"]) <= set(compose["secrets"])
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert "USER 10001" in dockerfile
    copied = set(re.findall(r"^COPY (\w+) \1$", dockerfile, re.MULTILINE))
    rooms = {path.parent.name for path in DEPLOY.parent.glob("*/__init__.py")}
    assert copied - {"configs"} == rooms - {"benchmarks", "studies"}
