import re
import subprocess
import sys
from pathlib import Path

import pytest

from envs.supply_chain.sites import SCENARIOS

CHECKOUT = Path(__file__).parents[2]
SLOW = {
    *("torch", "stable_baselines3", "sb3_contrib", "gymnasium", "pettingzoo", "numba"),
    *("scipy", "pandas", "matplotlib"),
}


def run(script, *arguments):
    """Return the exit status, standard output and the names of the packages that were imported."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", CHECKOUT / f"{script}.py", *arguments],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    return (
        done.returncode,
        done.stdout,
        set(re.findall(r"^import time:.*\| +(\w+)", done.stderr, re.MULTILINE)),
    )


SCRIPTS = ["train", "evaluate", "tune", "decide", "recommend", "serve", "connect", "export"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_and_a_misspelt_option_import_nothing_slow(script):
    status, printed, imported = run(script, "--help")
    assert status == 0
    assert f"{script}.py [OPTIONS]" in printed
    assert "click" in imported
    assert not imported & SLOW
    status, _, imported = run(script, "--checkpiont")
    assert status == 2
    assert not imported & SLOW


def test_the_help_names_every_scenario():
    printed = " ".join(run("evaluate", "--help")[1].split())
    assert ", ".join(SCENARIOS) in printed


def test_rules_are_compared_and_recommended_without_torch():
    rooms = "commands.evaluate, commands.recommendation.recommend, commands.recommendation.report"
    code = f"import sys, {rooms}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT).returncode == 0
