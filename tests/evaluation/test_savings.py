from types import SimpleNamespace

import numpy as np
import pytest

from evaluation.savings import savings_of
from evaluation.statistics import plain_mean

PAID = SimpleNamespace(objective="cost", demand_data="a file", horizon=10, warmup_days=0)
EPISODES = np.random.default_rng(0).normal(0, 1, (2, 400))


def results(**costs):
    """Return results of policies by their cost per day, or (cost, an episode's deviation)."""
    out = {}
    for name, given in costs.items():
        cost, spread = given if isinstance(given, tuple) else (given, 0.0)
        returns = -10.0 * cost + spread * EPISODES[0]
        out[name] = SimpleNamespace(
            returns=returns, estimate=plain_mean(returns), metrics={"fill_rate": 0.9}
        )
    return out


def test_savings_are_shares_of_what_the_rule_costs():
    told = savings_of(
        PAID, results(checkpoint=9.0, tuned_a=10.0, tuned_b=12.0, plain=8.0), plain_mean
    )
    assert told.cost == pytest.approx(9)
    saved = {name: one.saved for name, one in told.savings.items()}
    assert saved == pytest.approx({"tuned_a": 0.1, "tuned_b": 0.25, "plain": -0.125})
    assert told.rivals == {"tuned_a": "the best tuned rule", "plain": "the cheapest rule"}
    assert told.told("tuned_a").startswith("checkpoint is 10.0% cheaper than tuned_a, the best")
    assert "12.5% dearer than plain, the cheapest rule" in told.told("plain")


def test_what_all_share_does_not_widen_the_interval_but_seeds_do():
    one = savings_of(PAID, results(seed_0=(9, 5), tuned_a=(10, 5)), plain_mean)
    assert np.ptp(one.savings["tuned_a"].ci95) == pytest.approx(0, abs=1e-9)
    seeds = {"seed_0": (8, 5), "seed_1": (9, 5), "seed_2": (10, 5)}
    several = savings_of(PAID, results(**seeds, tuned_a=(10, 5)), plain_mean)
    saving = several.savings["tuned_a"]
    assert (several.cost, saving.saved) == (pytest.approx(9, abs=0.1), pytest.approx(0.1, abs=1e-2))
    half = 4.303 * 1 / np.sqrt(3) / -plain_mean(-10 + 0.5 * EPISODES[0]).mean
    assert np.ptp(saving.ci95) / 2 == pytest.approx(half, rel=1e-3)
    assert "A mean of 3 seeds is" in several.told("tuned_a")
    assert "so it may be chance" in several.told("tuned_a")


def test_own_orders_and_free_rules_are_no_best_rule():
    told = savings_of(
        PAID,
        results(seed_0=9, tuned_a=12, tuned_a_free=7, actual_orders=6, random=1, plain=13),
        plain_mean,
    )
    assert list(told.rivals) == ["tuned_a", "actual_orders"]
    assert "the stores' own past orders" in told.told("actual_orders")


def test_other_returns_are_not_money():
    for change in ({"objective": "reconciliation"}, {"demand_data": None}):
        parameters = SimpleNamespace(**{**vars(PAID), **change})
        assert savings_of(parameters, results(checkpoint=9, tuned_a=10), plain_mean) is None
    assert savings_of(PAID, results(tuned_a=10), plain_mean) is None
