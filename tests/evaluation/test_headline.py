"""The result in a sentence: who, against whom, by how much, and how sure."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from evaluation.headline import headline
from evaluation.savings import Business, Saving, Savings
from evaluation.statistics import Estimate

PAID = Savings(
    agents=("agent",),
    cost=9.0,
    fill_rate=0.95,
    savings={
        "rule": Saving(10.0, 0.1, (0.05, 0.15), 0.9),
        "past_orders": Saving(12.0, 0.25, (0.2, 0.3), 0.8),
    },
    past_orders="past_orders",
    business=Business(stores=1, skus=1),
)


def comparison(mean=0.3, se=0.01, **changes):
    """Return an agent beside a rule; with 100 degrees of freedom t is 1.984."""
    agent = SimpleNamespace(paired={"rule": Estimate(mean, se, 100)}, estimate=Estimate(5, 1, 100))
    rule = SimpleNamespace(paired={"agent": Estimate(-mean, se, 100)}, estimate=Estimate(5, 2, 100))
    given = {"rival": "rule", "agents": ("agent",), "savings": None, **changes}
    return SimpleNamespace(policies={"agent": agent, "rule": rule}, **given)


@pytest.mark.parametrize(
    ("mean", "se", "told"),
    [
        (0.3, 0.01, "beats rule, the best rule: it earns 0.300 more ({} 0.280 to 0.320)."),
        (-30.0, 1.0, "loses to rule, the best rule: it earns 30.0 less ({} -32.0 to -28.0)."),
        (1.0, 10.0, "cannot be told from rule, the best rule: it earns 1 more ({} -19 to 21)."),
    ],
)
def test_an_agent_beside_the_best_rule(mean, se, told):
    told = told.format("95% interval of the difference")
    assert headline(comparison(mean, se)) == f"The agent {told}"


@pytest.mark.parametrize(
    ("failed", "ci95", "who", "interval"),
    [
        ([1], (1.0, 3.5), "The recipe, over 3 seeds (1 failed),", "1.0 to 3.5"),
        ([], None, "The recipe, over 3 seeds,", "2.0 to 2.0"),
    ],
)
def test_a_recipe_is_judged_over_its_seeds(failed, ci95, who, interval):
    over = SimpleNamespace(difference=SimpleNamespace(value=2.0, ci95=ci95))
    seeds = SimpleNamespace(seeds=(0, 1, 2), failed=failed, rivals={"rule": over})
    assert headline(comparison(), seeds) == (
        f"{who} beats rule, the best rule: it earns 2.0 more (95% interval of the difference "
        f"{interval})."
    )


def test_money_is_told_against_the_rule_and_the_past_orders():
    told = headline(comparison(savings=PAID))
    assert told.startswith("The agent beats rule, the best rule: it costs 10.0% less")
    assert " It beats past_orders, the stores' own past orders: it costs 25.0% less" in told
    alone = headline(comparison(savings=replace(PAID, past_orders=None)))
    assert "past orders" not in alone
    none = replace(PAID, savings={})  # where the rule costs nothing
    assert "earns 0.300 more" in headline(comparison(savings=none))


@pytest.mark.parametrize("missing", [{"rival": None}, {"agents": ()}])
def test_without_an_agent_or_a_rule_there_is_nothing_to_say(missing):
    assert headline(comparison(**missing)) is None
