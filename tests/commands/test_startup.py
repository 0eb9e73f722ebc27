import importlib
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


@pytest.mark.parametrize("script", ["train", "evaluate", "tune", "decide", "recommend", "serve"])
def test_the_help_page_has_a_few_options_under_each_heading(script):
    command = importlib.import_module(script).main
    with command.make_context(f"{script}.py", [], resilient_parsing=True) as context:
        page = command.get_help(context)
    titles = re.findall(r"^(\S.*):$", page, re.MULTILINE)
    assert len(titles) == len(set(titles)) >= 3
    sections = re.split(r"^\S.*:$", page, flags=re.MULTILINE)[1:]
    counts = [len(re.findall(r"^  -", section, re.MULTILINE)) for section in sections]
    assert max(counts) <= 12
    options = [each for each in command.params if each.param_type_name == "option"]
    assert sum(counts) == len(options) + 1  # --help


def test_rules_are_compared_and_recommended_without_torch():
    rooms = "commands.evaluate, commands.recommendation.recommend, commands.recommendation.report"
    code = f"import sys, {rooms}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT).returncode == 0
