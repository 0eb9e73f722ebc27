"""The service on an exported run: no torch, the same orders."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="no fastapi: pip install -e '.[serve]'")
pytest.importorskip("onnxruntime", reason="no onnxruntime: pip install -e '.[onnx]'")

from agents import run_files
from agents.run_folder import read_config
from common.errors import InputError
from demand.history import StoreDemand
from service.exported_run import DATA_FILES
from service.onnx_export import export
from service.policies import load
from service.serve import replay
from service.store.database import Database
from tests.recommended import write_rule_run
from tests.service.app import STATE, service
from tests.service.conftest import RULE

WITHOUT_TORCH = """
import json
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "stable_baselines3", "sb3_contrib"):
            raise ModuleNotFoundError(name, name=name.split(".")[0])

sys.meta_path.insert(0, Refused())
import serve
from common import console

for words in json.loads(sys.argv[1]):
    sys.argv = ["serve.py", *words]
    try:
        console.run(serve.main)
    except SystemExit as leaving:
        print("status", leaving.code, flush=True)
"""


@pytest.fixture(scope="module")
def exported(runs):
    folder = runs / "exported"
    if not folder.exists():
        export(str(runs / "first"), folder, states=500, baseline=RULE)
    return folder


@pytest.fixture(scope="module")
def exported_rule(runs):
    """A run that recommends a rule, `advised`, and what is exported of it."""
    config = read_config(runs / "first")
    write_rule_run(config, runs / "advised", "newsvendor_smoothing")
    assert export(str(runs / "advised"), runs / "exported_rule", baseline=RULE) == {}
    return runs / "exported_rule"


@pytest.mark.parametrize(("run", "fixture"), [("first", "exported"), ("advised", "exported_rule")])
def test_it_orders_as_the_run_does(runs, run, fixture, request, tmp_path):
    answers = []
    for champion in (run, request.getfixturevalue(fixture).name):
        address = str(tmp_path / f"{champion}.db")
        with service(runs, address, champion=champion) as (_, callers):
            answers.append(callers["planner"].decide(STATE).json()["orders"])
    unlike = ("decision", "created", "updated")
    first, second = ([{**o, **dict.fromkeys(unlike)} for o in orders] for orders in answers)
    assert first == second
    assert {order["source"] for order in first} <= {"policy", "rule"}


def test_without_torch_decisions_are_replayed_and_a_run_not_exported_is_refused_in_a_line(
    runs, exported, exported_rule, tmp_path, capsys
):
    commands, printed = [], ""
    for champion in (exported.name, exported_rule.name):
        address = str(tmp_path / f"{champion}.db")
        with service(runs, address, champion=champion) as (_, callers):
            decision = callers["planner"].decide(STATE).json()["decision"]
        commands.append(["--database", address, "--replay", decision])
        capsys.readouterr()
        replay(Database(address), decision)
        printed += capsys.readouterr().out + "status 0\n"
    address = str(tmp_path / "service.db")
    commands.append(["--database", address, "--checkpoint", str(runs / "first"), "--port", "1"])
    command = [sys.executable, "-c", WITHOUT_TORCH, json.dumps(commands)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False
    )
    assert done.stdout.startswith(printed), done.stderr
    assert done.stdout.endswith("status 2\n")
    assert "export.py --checkpoint RUN --onnx FOLDER makes a folder that needs none" in done.stderr


@pytest.mark.parametrize("name", ["store.onnx", "exported.json", "file.csv"])
def test_what_was_altered_is_refused(exported, tmp_path, name):
    copy = tmp_path / "copy"
    shutil.copytree(exported, copy)
    assert load(str(copy), RULE).is_unaltered()
    (copy / name).write_bytes((copy / name).read_bytes() + b" ")
    with pytest.raises(InputError, match="was altered"):
        load(str(copy), RULE)


def test_another_rule_and_a_damaged_graph_are_refused(exported, tmp_path):
    with pytest.raises(InputError, match="export the run again with --baseline tuned_weekday"):
        load(str(exported), "tuned_weekday")
    copy = tmp_path / "copy"
    shutil.copytree(exported, copy)
    run_files.write(copy / "store.onnx", b"no graph")
    with pytest.raises(InputError, match=r"store\.onnx: damaged; export the run again"):
        load(str(copy), RULE)


def test_a_run_is_not_exported_into_itself(runs):
    with pytest.raises(InputError, match="is a run itself"):
        export(str(runs / "first"), runs / "second", states=10)


def test_every_file_of_demand_is_exported():
    paths = {
        name for name, one in StoreDemand.model_fields.items() if "Path" in str(one.annotation)
    }
    assert paths == set(DATA_FILES)
