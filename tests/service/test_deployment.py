import configparser
import os
import re
import shutil
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


EXTRAS = "serve", "onnx", "boosting"


def test_the_image_holds_what_the_project_asks_for():
    setup = configparser.ConfigParser()
    setup.read(DEPLOY.parent / "setup.cfg")
    asked = setup["options"]["install_requires"]
    asked += "".join(setup["options.extras_require"][extra] for extra in EXTRAS)
    known = {re.split(r"[ >=<]", line)[0] for line in asked.split("\n") if line.strip()}
    lines = (DEPLOY / "requirements.txt").read_text().splitlines()
    wanted = {line for line in lines if not line.startswith("#")}
    assert wanted <= known
    without = {"torch", "stable-baselines3", "sb3-contrib", "pettingzoo", "tensorboard"}
    assert known - wanted == without | {"matplotlib", "onnx"}


def test_compose_takes_the_file():
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("no docker-compose: apt-get install docker-compose")
    command = [program, "-f", str(DEPLOY / "compose.yaml"), "config", "--quiet"]
    done = subprocess.run(command, env={**os.environ, "RUN": "x"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    without = {name: value for name, value in os.environ.items() if name != "RUN"}
    refused = subprocess.run(command, env=without, capture_output=True, text=True)
    assert "name a folder under runs/" in refused.stderr


def test_secrets_are_made_once(tmp_path):
    command = ["sh", str(DEPLOY / "secrets.sh"), str(tmp_path / "secrets")]
    subprocess.run(command, check=True, capture_output=True)
    password = (tmp_path / "secrets" / "database_password").read_text()
    assert re.fullmatch(r"[0-9a-f]{48}", password)
    kept = tmp_path / "secrets" / "pgpass"
    assert kept.read_text() == f"database:5432:service:service:{password}\n"
    assert kept.stat().st_mode & 0o077 == 0
    again = subprocess.run(command, capture_output=True, text=True)
    assert (again.returncode, "there already" in again.stderr) == (2, True)
