from types import SimpleNamespace

import numpy as np
import pytest

from baselines.policy import AGENT, PolicyKind
from baselines.rollout import rollout
from baselines.rules.reference import RandomTier, reference_team
from baselines.rules.store import Newsvendor
from envs.problems import PROBLEMS
from envs.supply_chain.parameters import SupplyChainParameters
from evaluation.comparison import compare
from evaluation.savings import Business, business_of, savings_of
from evaluation.statistics import plain_mean

PAID = SimpleNamespace(
    objective="cost",
    demand_data="a file",
    horizon=10,
    warmup_days=0,
    num_stores=2,
    sku=("flour", "salt", "milk"),
)
EPISODES = np.random.default_rng(0).normal(0, 1, (2, 400))


def results(**costs):
    """Return results by their cost per day, or (cost, an episode's deviation); all that are no
    ``rule`` or ``orders`` are agents."""
    out, roles = {}, {"rule": "rule", "orders": "past_orders"}
    for name, given in costs.items():
        cost, spread = given if isinstance(given, tuple) else (given, 0.0)
        returns = -10.0 * cost + spread * EPISODES[0]
        role = next((role for part, role in roles.items() if part in name), "agent")
        out[name] = SimpleNamespace(
            kind=PolicyKind(role),
            returns=returns,
            estimate=plain_mean(returns),
            metrics={"fill_rate": 0.9},
        )
    return out


def test_savings_are_shares_of_what_the_rule_costs():
    found = savings_of(PAID, results(agent=9.0, rule_a=10.0, rule_b=12.0, rule_c=8.0), plain_mean)
    assert found.cost == pytest.approx(9)
    saved = {name: one.saved for name, one in found.savings.items()}
    assert saved == pytest.approx({"rule_a": 0.1, "rule_b": 0.25, "rule_c": -0.125})
    assert found.sentence("rule_a", "It").startswith(
        "It beats rule_a, the best rule: it costs 10.0% less (95% interval of the saving +10.0% to"
    )
    assert "It loses to rule_c, the best rule: it costs 12.5% more" in found.sentence(
        "rule_c", "It"
    )


def test_money_is_that_of_the_business_of_a_store_and_of_a_sku():
    savings = savings_of(PAID, results(agent=9.0, rule=10.0), plain_mean)
    assert savings.business == Business(stores=2, skus=3)
    assert savings.business.costs(9.0) == {
        "business_per_day": 54.0,
        "business_per_year": 365 * 54.0,
        "store_per_day": 27.0,
        "sku_per_day": 18.0,
    }
    sentence = savings.sentence("rule", "It")
    assert "The whole business costs 54.00 against 60.00 a day, 19,710 against 21,900 a year" in (
        sentence
    )
    told = savings.to_json()
    assert told["rivals"]["rule"]["store_per_day"] == pytest.approx(30.0)
    assert (told["store_per_day"], told["fill_rate"]) == (pytest.approx(27.0), 0.9)


def test_what_all_share_does_not_widen_the_interval_but_seeds_do():
    one = savings_of(PAID, results(seed_0=(9, 5), rule_a=(10, 5)), plain_mean)
    assert np.ptp(one.savings["rule_a"].ci95) == pytest.approx(0, abs=1e-9)
    seeds = {"seed_0": (8, 5), "seed_1": (9, 5), "seed_2": (10, 5)}
    several = savings_of(PAID, results(**seeds, rule_a=(10, 5)), plain_mean)
    saving = several.savings["rule_a"]
    assert (several.cost, saving.saved) == (pytest.approx(9, abs=0.1), pytest.approx(0.1, abs=1e-2))
    half = 4.303 * 1 / np.sqrt(3) / -plain_mean(-10 + 0.5 * EPISODES[0]).mean
    assert np.ptp(saving.ci95) / 2 == pytest.approx(half, rel=1e-3)
    assert "cannot be told from rule_a" in several.sentence("rule_a", "It")
    assert several.fill_rate == pytest.approx(0.9)


def test_what_is_told_of_a_rule_is_the_rule_s():
    """Two seeds at 80 and 100 an episode: 90 on average, 127.06 to either side (t of 12.706)."""
    given = results(seed_0=8.0, seed_1=10.0, rule=12.0, rule_for_nothing=0.0)
    given["seed_1"].metrics["fill_rate"], given["rule"].metrics["fill_rate"] = 1.0, 0.8
    savings = savings_of(PAID, given, plain_mean)
    told = savings.to_json()
    assert (told["cost_per_day"], told["fill_rate"]) == pytest.approx((9.0, 0.95))
    assert list(told["rivals"]) == ["rule"]  # there is no share of nothing
    rule = told["rivals"]["rule"]
    assert (rule["cost_per_day"], rule["business_per_day"]) == pytest.approx((12.0, 72.0))
    assert (rule["saved"], rule["fill_rate"]) == pytest.approx((0.25, 0.8))
    assert rule["saved_ci95"] == pytest.approx([0.25 - 127.06 / 120, 0.25 + 127.06 / 120], rel=1e-4)
    assert savings.sentence("rule", "It").endswith("at a fill rate of 95.0% against 80.0%.")


def test_chance_of_episodes_and_of_seeds_add_up_as_variances_do():
    """90.0 and 90.1 an episode: 12.706 * 0.05; 400 episodes: 1.966 * 5 s / 20."""
    savings = savings_of(PAID, results(seed_0=(9, 5), seed_1=(9.01, 5), rule=10), plain_mean)
    of_episodes = 1.96593 * 5 * EPISODES[0].std(ddof=1) / 20
    half = np.hypot(of_episodes, 12.7062 * 0.05) / 100
    assert np.ptp(savings.savings["rule"].ci95) / 2 == pytest.approx(half, rel=1e-4)


def test_a_business_by_month_has_twelve_of_them_a_year():
    table = SimpleNamespace(period="month")
    monthly = SimpleNamespace(**vars(PAID), history=SimpleNamespace(table=table))
    assert business_of(monthly) == Business(stores=2, skus=3, period="month")
    sentence = savings_of(monthly, results(agent=9.0, rule=10.0), plain_mean).sentence("rule", "It")
    assert "costs 54.00 against 60.00 a month, 648 against 720 a year" in sentence


def test_own_orders_are_named_as_such():
    savings = savings_of(PAID, results(seed_0=9, rule=12, past_orders=6), plain_mean)
    assert savings.past_orders == "past_orders"
    assert "the stores' own past orders" in savings.sentence("past_orders", "It")


def test_other_returns_are_not_money():
    for change in ({"objective": "reconciliation"}, {"demand_data": None}):
        parameters = SimpleNamespace(**{**vars(PAID), **change})
        assert savings_of(parameters, results(agent=9, rule=10), plain_mean) is None
    assert savings_of(PAID, results(rule=10), plain_mean) is None


@pytest.fixture
def real(demand_file):
    given = {name: demand_file[name] for name in ("file", "split")}
    return SupplyChainParameters(demand_data=given, objective="cost", horizon=10, warmup_days=2)


def compared(parameters, **more):
    policies = {"agent": reference_team(store=Newsvendor()), "reference_rules": reference_team()}
    given = {"episodes": 200, "seed": 1, "kinds": {"agent": AGENT}, **more}
    return compare(PROBLEMS["stores"], parameters, policies, None, **given)


def test_savings_have_the_interval_of_windows_that_share_days(real):
    found = compared(real)
    agent, rule = (found.policies[name] for name in ("agent", "reference_rules"))
    saving = found.savings.savings["reference_rules"]
    low, high = (-bound * rule.estimate.mean for bound in saving.ci95)
    assert (low, high) == pytest.approx(agent.paired["reference_rules"].ci95)
    assert high - low > 1.5 * 2 * plain_mean(agent.returns - rule.returns).half_width


def test_returns_of_another_tier_are_no_costs_of_the_stores(real):
    found = compared(real, episodes=20, measure="warehouse_return")
    assert (found.business, found.savings) == (None, None)


def test_random_play_is_of_the_tier_that_is_judged():
    """All others keep to their rules."""
    stores = SupplyChainParameters(stores=2, horizon=10)
    found = compared(stores, episodes=20, measure="warehouse_return")
    trace = PROBLEMS["stores"].traces(stores, "evaluation", 1, 20)
    team = reference_team(warehouse=RandomTier("warehouse", 1))
    totals = rollout(PROBLEMS["stores"], stores, team, trace)
    np.testing.assert_array_equal(found.policies["random"].returns, totals["warehouse_return"])
