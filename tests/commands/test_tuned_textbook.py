"""Tuning by simulation finds what the exact solvers say of textbook instances."""

import json
import shutil

import pytest

import tune as tune_command
from baselines.average_cost import average_cost, solved_rules
from baselines.rollout import rollout
from baselines.rules import families
from baselines.rules.stock_rule import StockLevels
from baselines.tuning import Search, tune
from commands import textbook
from commands.tuning.textbook import Compared, compare_tuned, kind_of, tuned_table
from common.console import PlainConsole
from envs.supply_chain.parameters import SupplyChainParameters


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(families, "WORK", 100_000)


@pytest.mark.parametrize("name", ["lost_sales_p4_L2", "lost_sales_p19_L1", "reorder_point"])
def test_tuning_finds_the_best_rule_of_its_kind(name):
    found = compare_tuned(name)
    assert len(found) == 2
    for one in found:
        assert one.tuned_cost >= one.best_cost - 1e-6
        assert one.tuned_cost <= 1.01 * one.best_cost, one


@pytest.mark.parametrize("name", ["lost_sales_p4_L2", "lost_sales_fixed_cost", "reorder_point"])
def test_the_cost_of_a_rule_is_that_of_its_solver(name):
    parameters = textbook.load(name)[0].parameters
    rules = [s for s in solved_rules(parameters) if isinstance(s.rule, StockLevels)]
    assert len({kind_of(s.rule) for s in rules}) == len(rules) > 1
    for solved in rules:
        assert average_cost(parameters, solved.rule) == pytest.approx(solved.cost, rel=1e-5)


def test_costs_that_are_not_known_are_not_made_up():
    assert average_cost(SupplyChainParameters(), StockLevels(10.0)) is None


@pytest.mark.parametrize(
    ("name", "more"), [("reorder_point", 0.03), ("lost_sales_fixed_cost", 0.05)]
)
def test_batches_of_a_tuned_size_come_near_the_optimum_where_an_order_costs(name, more):
    run = textbook.load(name)[0]
    best = solved_rules(run.parameters)[0].cost
    family = families.reorder_quantity_family(run.parameters)
    tuned = tune(run.problem, run.parameters, family, Search(20, 3, 300_000))
    assert tuned.values["quantity_days"] > 0.4  # orders are worth saving
    trace = run.problem.traces(run.parameters, "evaluation", 1, 100)
    cost = -rollout(run.problem, run.parameters, tuned.policy, trace)["return"].mean() / 1000
    assert best - 0.03 < cost < (1.0 + more) * best


def test_the_command_says_of_every_rule_whether_it_agrees(run_command, tmp_path, monkeypatch):
    monkeypatch.setattr(families, "WORK", 3_000)
    shutil.copy(textbook.FOLDER / "reorder_point.yaml", tmp_path)
    monkeypatch.setattr(textbook, "FOLDER", tmp_path)  # the others take long to read
    done = run_command(tune_command.main, "--textbook", "--json")
    found = {one["baseline"]: one for one in json.loads(done.stdout)}
    assert set(found) == {"tuned_reorder_level", "tuned_level"}
    assert found["tuned_reorder_level"]["best"] == {"S": 10, "s": 4}
    assert set(found["tuned_level"]["tuned"]) == {"S"}
    for one in found.values():
        assert one["instance"] == "reorder_point"
        assert one["agrees"] == (one["tuned_cost"] <= 1.002 * one["best_cost"])
    assert done.status == (0 if all(one["agrees"] for one in found.values()) else 1)


def test_a_rule_that_costs_more_is_named_in_the_table():
    best, worse = StockLevels(10.0, cap=4.0), StockLevels(12.0, cap=5.0)
    found = [
        Compared("one", "tuned_capped_level", best, 5.0, best, 5.009),
        Compared("two", "tuned_capped_level", best, 5.0, worse, 5.25),
    ]
    console = PlainConsole(width=200)
    with console.capture() as shown:
        console.print(tuned_table(found))
    lines = [" ".join(line.split()) for line in shown.get().splitlines()]
    assert lines[1:5] == [
        "one",
        "tuned_capped_level S=10 r=4 5.0090 S=10 r=4 5.0000 yes",
        "two",
        "tuned_capped_level S=12 r=5 5.2500 S=10 r=4 5.0000 NO, +5.00%",
    ]


def test_costs_of_rules_that_wait_are_known_without_lead_time_or_cap_alone():
    p = textbook.load("reorder_point")[0].parameters
    assert average_cost(p, StockLevels(10.0, 4.0)) == pytest.approx(8.03411, abs=1e-5)
    assert average_cost(p, StockLevels(10.0, 4.0, cap=6.0)) is None
    store = p.store.model_copy(update={"lead_time": 1})
    later = SupplyChainParameters.model_validate({**p.model_dump(), "store": store})
    assert average_cost(later, StockLevels(10.0, 4.0)) is None
