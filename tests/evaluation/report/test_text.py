"""Sentences, tiles and rows of a report where returns are money of a demand file."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from baselines.policy import AGENT
from baselines.rules.reference import reference_team
from baselines.rules.store import Newsvendor
from envs.problems import PROBLEMS
from envs.supply_chain.parameters import SupplyChainParameters
from evaluation.comparison import compare
from evaluation.report.text import ReportText, _against_the_mean


@pytest.fixture(scope="module")
def comparison(demand_file):
    p = SupplyChainParameters(
        demand_data={name: demand_file[name] for name in ("file", "split")},
        **{"objective": "cost", "horizon": 10, "warmup_days": 2},
    )
    policies = {"agent": reference_team(store=Newsvendor()), "reference_rules": reference_team()}
    kinds = {"agent": AGENT}
    return compare(PROBLEMS["stores"], p, policies, None, episodes=20, seed=1, kinds=kinds)


def text_of(comparison):
    results = SimpleNamespace(seeds=None, first="agent")
    about = {"agent": "agent", "rival": comparison.rival}
    about["view"] = SimpleNamespace(map_caption=lambda _: "the order")
    return ReportText(SimpleNamespace(comparison=comparison, results=results, **about))


def test_the_first_tile_is_what_the_business_costs(comparison):
    name, value, remark = text_of(comparison).tiles[0]
    cost = comparison.policies["agent"].metrics["cost_per_day"]  # of one store with one SKU
    assert name == "cost of the business a day"
    assert float(value.replace(",", "")) == pytest.approx(cost, abs=0.006)
    assert remark == (
        f"{365 * cost:,.0f} a year; {cost:,.2f} per store and day, {cost:,.2f} per SKU and day"
    )


def test_a_headline_in_money_does_not_repeat_the_return(comparison):
    headline = text_of(comparison).headline
    assert headline.startswith("The agent ")
    assert "reference_rules, the best rule: it costs " in headline
    assert "per episode" not in headline
    without = text_of(replace(comparison, savings=None))
    assert " per episode (95% interval " in without.headline
    assert without.tiles[0][0] == "mean return"


def test_a_metric_that_only_some_have_leaves_the_others_empty(comparison):
    own = comparison.policies["agent"]
    own = replace(own, metrics={**own.metrics, "exact_cost_per_day": 12.34567})
    text = text_of(replace(comparison, policies={**comparison.policies, "agent": own}))
    column = text.columns.index("exact /day") - 1
    cells = {row["name"]: row["cells"][column] for row in text.rows}
    assert cells == {
        "agent": ("12.3457", 12.34567),
        "reference_rules": ("", None),
        "random": ("", None),
    }


@pytest.mark.parametrize(
    ("mean", "better", "words"),
    [
        (0.6, 0.03, "; in these it earns more by far than it loses in the others"),
        (-0.6, 0.97, "; in the others it loses more by far than it earns in these"),
        (0.6, 0.97, ""),
        (-0.6, 0.03, ""),
        (0.0, 0.5, ""),
    ],
)
def test_a_mean_that_contradicts_the_share_of_episodes_is_explained(mean, better, words):
    assert _against_the_mean(mean, better) == words


def test_parts_add_up_to_no_mean_on_control_variates(comparison):
    assert "add up to it. Random" in text_of(comparison).caption("parts")
    adjusted = text_of(replace(comparison, control_variates=("total demand",))).caption("parts")
    assert "add up to it, unlike the mean of the table, a regression on control" in adjusted
