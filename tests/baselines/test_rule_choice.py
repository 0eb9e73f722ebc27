"""The rule that offsets are to."""

import numpy as np
import pytest

from baselines import rule_choice
from baselines.registry import HISTORY_BASELINES
from baselines.rule_choice import ChosenRule, best_rule
from common.errors import validated
from envs.problems import PROBLEMS
from envs.supply_chain.parameters import SupplyChainParameters

NAMES = ("newsvendor_smoothing", "tuned_smoothing")


@pytest.fixture
def shop(tmp_path):
    days = np.arange("2020-01-01", "2021-07-01", dtype="datetime64[D]")
    sales = np.random.default_rng(0).poisson(30, days.size)
    path = tmp_path / "sales.csv"
    path.write_text(
        "\n".join(["date,shop", *(f"{d},{x}" for d, x in zip(days, sales, strict=True))])
    )
    given = {"demand_data": {"file": path, "split": "2021-01-01"}, "objective": "cost"}
    return validated(SupplyChainParameters, {**given, "horizon": 14})


@pytest.fixture
def chosen(shop, monkeypatch):
    """Return what is chosen if the tuned rule costs so much less, in the mean and by chance."""
    found = {NAMES[0]: ChosenRule(NAMES[0]), NAMES[1]: ChosenRule(NAMES[1], {"cover": 1.0})}

    def choose(saved, noise):
        def rollout(problem, parameters, policy, trace):
            del problem, parameters
            start = trace["start"].reshape(-1)
            by_chance = noise * np.sin(start // 28)
            return {"return": -100.0 + (policy == NAMES[1]) * (saved + by_chance)}

        known = {name: HISTORY_BASELINES[name] for name in NAMES}
        monkeypatch.setattr(rule_choice, "offset_rules", lambda *_: known)
        monkeypatch.setattr(rule_choice, "_tuned", lambda *given: found[given[-1]])
        monkeypatch.setattr(rule_choice, "named_rule", lambda *given: given[2])
        monkeypatch.setattr(rule_choice, "reference_team", lambda store: store)
        monkeypatch.setattr(rule_choice, "rollout", rollout)
        rule_choice._best_rule.cache_clear()
        return best_rule(PROBLEMS["stores"], shop).name

    yield choose
    rule_choice._best_rule.cache_clear()


def test_a_tuned_rule_is_taken_if_it_is_surely_cheaper(chosen):
    assert chosen(saved=5.0, noise=1.0) == "tuned_smoothing"


def test_one_that_may_be_cheaper_by_chance_is_not(chosen):
    assert chosen(saved=5.0, noise=100.0) == "newsvendor_smoothing"


def test_nor_one_that_is_dearer(chosen):
    assert chosen(saved=-5.0, noise=1.0) == "newsvendor_smoothing"
