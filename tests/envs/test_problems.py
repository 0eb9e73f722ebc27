"""What the registry of problems promises."""

import re
from pathlib import Path

import pytest

from agents.memory import array_bytes
from common.errors import InputError
from envs.problems import PROBLEMS, known_problem

ROOT = Path(__file__).parents[2]
ROOMS = ("common", "demand", "envs", "baselines", "wrappers", "evaluation", "agents", "training")
REGISTRIES = ("envs/problems.py", "baselines/registry.py", "baselines/references.py")
NAME = r'"(cash|stores|supply_chain)"'
COMPARED = re.compile(
    rf"[=!]= *{NAME}|{NAME} *[=!]=|\b(not )?in [\[({{]+{NAME}"
    r"|isinstance\([^)]*(CashParameters|SupplyChainParameters)"
)


def test_names_of_problems_are_compared_in_the_registries_alone():
    sources = [p for room in (*ROOMS, "commands") for p in (ROOT / room).rglob("*.py")]
    assert len(sources) > 100
    found = {
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in [*sources, *ROOT.glob("*.py")]
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if COMPARED.search(line) and str(path.relative_to(ROOT)) not in REGISTRIES
    }
    assert not found


@pytest.mark.parametrize("line", ['if x == "stores":', '"cash" != name', 'p in ("cash", "x")'])
def test_the_search_finds_comparisons(line):
    assert COMPARED.search(line)


@pytest.mark.parametrize("name", ["shop:Kiosk", "CartPole-v1"])
def test_an_environment_that_nobody_named_is_one_that_env_names(name):
    with pytest.raises(InputError, match=f"--env {name}$"):
        known_problem(name)


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_says_what_its_columns_are(name):
    problem = PROBLEMS[name]
    parameters = problem.parameters()
    trace = problem.traces(parameters, "evaluation", 0, 3)
    assert problem.name == name
    assert problem.covariates(parameters, trace).shape == (3, len(problem.covariate_names))
    batch = problem.make_batch(parameters, 4)
    batch.reset()
    assert array_bytes(batch.get_state()) >= 4 / 3 * sum(v.nbytes for v in trace.values()) * 0.9
