import os
import re
import shutil
import subprocess
import sys

import pytest

from common.compiled import CHECKOUT, COMPILED_ROOMS

LAW = """from common.compiled import compiled
@compiled
def move(stock):
    return stock + 1
"""
SOLVER = """from common.compiled import compiled
from envs.law import move
@compiled
def solve(stock):
    return move(stock)
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout with a law of motion, and a solver in another room that calls it."""
    for name in ("common/__init__.py", "common/compiled.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(CHECKOUT / name, tmp_path / name)
    for name, text in (("envs/law.py", LAW), ("baselines/solver.py", SOLVER)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    return tmp_path


def solve(checkout, **environment):
    """Return what a new process prints on standard output and standard error.

    Python's own bytecode is not kept: it takes an edit of equal length in the same second for none.
    """
    kept = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    kept["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", "from baselines.solver import solve; print(solve(1))"],
        cwd=checkout,
        env={**kept, "PYTHONPATH": str(checkout), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("chosen", [False, True], ids=["checkout", "NUMBA_CACHE_DIR"])
def test_an_edited_law_is_compiled_anew_in_the_solvers_that_call_it(checkout, tmp_path, chosen):
    cache = tmp_path / ("kept" if chosen else "common/__pycache__")
    environment = {"NUMBA_CACHE_DIR": str(cache)} if chosen else {}
    assert solve(checkout, **environment) == ("2\n", "")
    assert list(cache.glob("numba-*/**/*.nbi"))
    (checkout / "envs" / "law.py").write_text(LAW.replace("+ 1", "+ 2"))
    assert solve(checkout, **environment) == ("3\n", "")


def test_a_checkout_and_a_home_that_cannot_be_written_cost_speed_alone(checkout):
    (checkout / "common" / "__pycache__").write_text("a file, so that no folder can be made")
    nowhere = str(checkout / "envs" / "law.py" / "home")
    printed, message = solve(checkout, HOME=nowhere, XDG_CACHE_HOME="")
    assert printed == "2\n"
    assert message.count("\n") == 1
    assert "not writable" in message
    assert "set NUMBA_CACHE_DIR" in message


def test_a_home_that_can_be_written_keeps_the_cache_of_a_read_only_checkout(checkout):
    (checkout / "common" / "__pycache__").write_text("a file, so that no folder can be made")
    assert solve(checkout, XDG_CACHE_HOME=str(checkout / "home")) == ("2\n", "")
    assert list(checkout.glob("home/inventory-rl/numba-*/**/*.nbi"))


def test_no_other_room_compiles():
    rooms = [room for room in CHECKOUT.glob("[!.]*") if room.is_dir() and room.name != "tests"]
    elsewhere = [
        path
        for path in (path for room in rooms for path in room.rglob("*.py"))
        if re.search(r"^(from|import) (common\.compiled|numba)", path.read_text(), re.MULTILINE)
        and not path.relative_to(CHECKOUT).as_posix().startswith(COMPILED_ROOMS)
    ]
    assert elsewhere == []
