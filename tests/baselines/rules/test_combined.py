"""The mean of two rules."""

import numpy as np
import pytest

from baselines.multi_agent import TeamPolicy
from baselines.registry import baselines_of, make_baselines
from baselines.rollout import Observer, rollout, run_episodes
from baselines.rules.combined import CombinedRule, combined_family
from baselines.rules.forecast import RollingBaseStock
from baselines.rules.reference import reference_team
from baselines.rules.rolling_newsvendor import RollingNewsvendor
from baselines.tuned_rules import tune_rule
from common.errors import validated
from envs.problems import PROBLEMS
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters

STORES = PROBLEMS["stores"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Two stores of a file, which may order any even quantity."""
    days = np.arange("2020-01-01", "2021-07-01", dtype="datetime64[D]")
    sales = np.random.default_rng(0).poisson(30, (days.size, 2))
    path = tmp_path_factory.mktemp("shop") / "sales.csv"
    rows = [f"{day},{a},{b}" for day, (a, b) in zip(days, sales, strict=True)]
    path.write_text("\n".join(["date,north,south", *rows]))
    given = {"demand_data": {"file": path, "split": "2021-01-01"}, "objective": "cost"}
    grid = {"order_units": list(range(0, 400, 2)), "lead_time": 2}
    return validated(SupplyChainParameters, {**given, "store": grid, "horizon": 14})


class Wanted(Observer):
    """Writes down what rules want in the states that another one comes to."""

    def __init__(self, *rules):
        self.rules, self.days = rules, []

    def start(self, batch):
        self.chain = batch
        for rule in self.rules:
            rule.bind(batch)

    def before_step(self, observation, actions):
        del observation, actions
        self.days.append([rule.wanted(self.chain) for rule in self.rules])


def test_it_orders_what_its_rules_order_on_average(shop):
    newsvendor = RollingNewsvendor("average")
    base_stock = RollingBaseStock("smoothing", 1.5, 2.0)
    mean = CombinedRule(newsvendor, base_stock)
    batch, seen = (
        SupplyChainBatch(shop, 20, split="evaluation"),
        Wanted(newsvendor, base_stock, mean),
    )
    policy = reference_team(store=mean)
    policy.bind(batch)
    run_episodes(batch, policy, STORES.traces(shop, "evaluation", 0, 20), observer=seen)
    one, other, both = np.array(seen.days).swapaxes(0, 1)
    assert np.abs(one - other).min() > 1.0
    np.testing.assert_allclose(both, (one + other) / 2)
    assert "RollingNewsvendor('average')" in repr(mean)


def test_of_two_rules_that_are_the_same_it_is_either(shop):
    trace = STORES.traces(shop, "evaluation", 0, 30)
    rules = [RollingNewsvendor("smoothing") for _ in range(3)]
    played = [
        rollout(STORES, shop, reference_team(store=rule), trace)["return"]
        for rule in (rules[0], CombinedRule(*rules[1:]))
    ]
    np.testing.assert_array_equal(*played)


def test_its_base_stock_is_tuned_by_itself(shop):
    known = baselines_of("stores", shop)
    tuned = [
        tune_rule(STORES, shop, name, known[name])
        for name in ("tuned_smoothing", "combined_smoothing")
    ]
    assert tuned[0].values == tuned[1].values
    assert isinstance(tuned[1].policy, TeamPolicy)
    assert isinstance(tuned[1].policy.players["store"], CombinedRule)


def test_it_is_no_rule_of_a_comparison_unless_it_is_asked_for(shop):
    asked = dict.fromkeys(baselines_of("stores", shop))
    tuner = lambda *_: type("Tuned", (), {"policy": None})  # noqa: E731
    usual = make_baselines("stores", shop, ["default", "tuned"], tuner=tuner)
    assert {name for name in asked if name.startswith("combined")} == {
        *("combined_smoothing", "combined_smoothing_free"),
        *("combined_boosting", "combined_boosting_free"),
    }
    assert not [name for name in usual if name.startswith("combined")]
    assert [*make_baselines("stores", shop, ["combined_smoothing"], tuner=tuner)]


def test_values_of_its_family_are_those_of_a_base_stock():
    family = combined_family("smoothing", "smoothing")
    assert family.admits({"cover": 1.05, "safety_factor": 0.75})
    assert not family.admits({"cover": -1.0, "safety_factor": 0.75})
