"""The examples of CONTRIBUTING.md, pasted and run."""

import json
import re
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

import evaluate
from agents import config
from agents.algorithms import ALGORITHMS
from baselines.registry import BASELINES
from envs.cash.parameters import CashParameters
from envs.problems import PROBLEMS
from envs.supply_chain import metrics
from evaluation import table
from training.trainer import train

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
REGISTRIES = ALGORITHMS, BASELINES["cash"], PROBLEMS, table.HEADINGS


def examples(language, containing):
    """Return the blocks of a language that contain a text."""
    blocks = re.findall(rf"^ *```{language}\n(.*?)^ *```$", TEXT, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for block in blocks if containing in block]


def pasted(file):
    """Return the source of a file with the lines that examples add to it."""
    source = (ROOT / file).read_text("utf-8")
    blocks = examples("diff", f" {file}\n")
    assert blocks
    for block in blocks:
        lines = [line for line in block.splitlines() if line.strip() != file]
        (beside,) = (line[1:] for line in lines if line.startswith(" "))
        assert source.count(f"\n{beside}\n") == 1, f"{file}: {beside}"
        source = source.replace(f"{beside}\n", "".join(f"{line[1:]}\n" for line in lines))
    return source


def execute(source, names):
    """Run a source that is part of the project."""
    exec(source, names)  # noqa: S102
    return names


def paste(module, monkeypatch):
    """Run the source of a module, with the lines added, in its place."""
    before = vars(module).copy()
    source = pasted(Path(module.__file__).relative_to(ROOT).as_posix())
    execute(compile(source, module.__file__, "exec"), vars(module))
    after = vars(module).copy()
    vars(module).update(before)
    for name, value in after.items():
        if value is not before.get(name):
            monkeypatch.setattr(module, name, value, raising=False)


@pytest.fixture
def run_example(monkeypatch):
    """Run the one block of Python that contains a text; what it registers is forgotten."""
    for registry in REGISTRIES:
        for name, value in registry.items():
            monkeypatch.setitem(registry, name, value)
    before = [set(registry) for registry in REGISTRIES]

    def run(containing):
        (block,) = examples("python", containing)
        return execute(block, {"__name__": "example"})

    yield run
    for registry, known in zip(REGISTRIES, before, strict=True):
        for name in set(registry) - known:
            del registry[name]


def policies(run_command, *options):
    done = run_command(evaluate.main, "--episodes", 20, "--json", *options)
    assert done.status == 0, done.stderr
    return json.loads(done.stdout)["policies"]


def test_a_rule(run_example, run_command):
    run_example("AlwaysWait")
    played = policies(run_command, "--problem", "cash", "--baselines", "always_wait")
    assert played["always_wait"]["units_sold"] == 0


def test_a_problem(run_example, run_command, monkeypatch, tmp_path):
    run_example("PROBLEMS[")
    monkeypatch.setattr(config, "CONFIGS", tmp_path)
    (tmp_path / "newsvendor.yaml").write_text("problem: newsvendor\nrecipes: {default: {dqn: {}}}")
    assert "random" in policies(run_command, "--problem", "newsvendor")


def test_a_demand_model(run_example, run_command, monkeypatch):
    law = run_example("PoissonDemand")["PoissonDemand"]
    monkeypatch.setattr(CashParameters, "demand_law", lambda self, *_: law(self.demand_mean))
    assert "random" in policies(run_command, "--problem", "cash", "--baselines", "random")


def test_an_algorithm(run_example, tmp_path):
    run_example("patient_dqn")
    (recipe,) = examples("yaml", "patient_dqn")
    (tmp_path / "patient.yaml").write_text(f"problem: cash\n{recipe}")
    quick = ("evaluation.every=100", "evaluation.episodes=5", "learning_starts=50")
    flags = {"algo": "patient_dqn", "timesteps": 100}
    resolved = config.resolve(flags, config=tmp_path / "patient.yaml", assignments=quick)
    run = train(resolved, tmp_path / "run").folder
    assert json.loads((run / "versions.json").read_text())["steps"] >= 100


def test_a_metric_in_the_table(run_example, run_command, monkeypatch):
    paste(metrics, monkeypatch)
    shown = execute(pasted("evaluation/table.py"), {})
    assert shown["HEADINGS"]["orders"] == "orders"
    small = ("--stores", 2, "--set", "horizon=5", "--baselines", "reference_rules")
    (name,) = {*(played := policies(run_command, *small))} - {"random"}
    assert played[name]["orders"] > 0


def test_a_term_of_the_stores_reward():
    plain = "from common.compiled import compiled"
    source = pasted("envs/supply_chain/reward.py").replace(plain, "compiled = lambda f: f")
    names = execute(source, {"__name__": "reward"})
    weights = names["StoreWeights"](all_served=2.0).model_dump()
    costs = {"holding_cost": 1.0, "stockout_cost": 1.0, "excess_threshold": 9.0, "cost": False}
    w = SimpleNamespace(**{f"store_{name}": value for name, value in weights.items()}, **costs)
    served = names["store_reward"](w, 0.0, 5.0, 5.0)
    assert served == pytest.approx(w.store_service_level + 2.0)
    assert names["store_reward"](w, 0.0, 5.0, 6.0) < served - 2.0
    assert ("store_all_served", "f8") in names["WEIGHTS"]
