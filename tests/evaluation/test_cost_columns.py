"""Where the objective is cost, tables say what is spent per store and day, and on what."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from baselines.rules.reference import reference_team
from baselines.rules.store import Newsvendor
from envs.problems import PROBLEMS
from evaluation.comparison import compare
from evaluation.table import comparison_table
from tests.supply_chain_worlds import make

COSTS = {"holding_cost": 0.2, "stockout_cost": 5.0, "fixed_cost": 30.0}


def compared(objective, **store):
    p = make(stores=1, horizon=10, objective=objective, warmup_days=2, store={**COSTS, **store})
    policies = {"newsvendor": reference_team(store=Newsvendor())}
    return compare(PROBLEMS["stores"], p, policies, None, episodes=20, seed=1)


def shown(comparison, width=200):
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(comparison_table(comparison, width))
    return " ".join(capture.get().split())


def test_parts_of_the_cost_add_up_to_it():
    comparison = compared("cost", unmet_demand="backlog")
    metrics = comparison.policies["newsvendor"].metrics
    parts = [metrics[f"{name}_per_day"] for name in ("holding_cost", "stockout_cost")]
    parts.append(metrics["ordering_cost_per_day"])
    assert sum(parts) == pytest.approx(metrics["cost_per_day"])
    assert min(parts) > 0
    assert metrics["ordering_cost"] == pytest.approx(8 * parts[2])
    returns = comparison.policies["newsvendor"].returns
    assert np.mean(returns) == pytest.approx(-8 * metrics["cost_per_day"])


def test_the_table_has_a_heading_for_each():
    table = shown(compared("cost", unmet_demand="backlog"))
    assert "cost holding stockout ordering units" in table
    assert "/day /day /day /day owed" in table
    assert "Costs /day: money per store, SKU and day, all of it and its parts." in table


def test_fixed_costs_that_do_not_count_are_shown_for_the_episode():
    table = shown(compared("reconciliation"))
    assert "ordering warehouse" in table
    assert "/day" not in table


def test_a_narrow_table_keeps_the_cost():
    table = shown(compared("cost", unmet_demand="backlog"), width=60)
    assert "fill cost" in table
    assert "…" not in table


def test_an_exact_cost_that_only_some_have_is_a_column_with_its_meaning():
    comparison = compared("cost", unmet_demand="backlog")
    own = comparison.policies["newsvendor"]
    own = replace(own, metrics={**own.metrics, "exact_cost_per_day": 12.34567})
    table = shown(replace(comparison, policies={**comparison.policies, "newsvendor": own}))
    assert "12.3457" in table
    assert "Exact /day: the average cost in the long run" in table
    assert "Exact /day" not in shown(comparison)
