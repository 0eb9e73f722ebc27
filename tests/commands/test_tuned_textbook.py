"""Tuning by simulation finds what the exact solvers say of textbook instances."""

import pytest

from baselines.average_cost import average_cost, solved_rules
from baselines.rollout import rollout
from baselines.rules import families
from baselines.rules.stock_rule import StockLevels
from baselines.tuning import Search, tune
from commands import textbook
from commands.tuning.textbook import compare_tuned, kind_of
from envs.supply_chain.parameters import SupplyChainParameters


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(families, "WORK", 300_000)


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
    tuned = tune(run.problem, run.parameters, family, Search(20, 3, 1_000_000))
    assert tuned.values["quantity_days"] > 0.4  # orders are worth saving
    trace = run.problem.traces(run.parameters, "evaluation", 1, 100)
    cost = -rollout(run.problem, run.parameters, tuned.policy, trace)["return"].mean() / 1000
    assert best - 0.03 < cost < (1.0 + more) * best
