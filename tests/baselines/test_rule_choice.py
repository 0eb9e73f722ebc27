"""The rule that offsets are to."""

import datetime as dt

import numpy as np
import pytest

from baselines import rule_choice
from baselines.registry import HISTORY_BASELINES
from baselines.rule_choice import ChosenRule, Difference, best_rule, named_rule, tuned_values
from common.errors import InputError, validated
from envs.problems import PROBLEMS
from envs.supply_chain.parameters import SupplyChainParameters

STORES = PROBLEMS["stores"]
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
def played():
    """The first days of the episodes that rules are compared on, period by period."""
    return []


@pytest.fixture
def chosen(shop, played, monkeypatch):
    """Return what is chosen if the second rule costs so much less, in the mean and by chance."""

    def choose(saved, noise, tuned=True):
        values = {"cover": 1.0} if tuned else {}
        found = {NAMES[0]: ChosenRule(NAMES[0]), NAMES[1]: ChosenRule(NAMES[1], values)}

        def rollout(problem, parameters, policy, trace):
            del problem, parameters
            start = trace["start"].reshape(-1)
            played.append(start)
            by_chance = noise * np.sin(start // 28)
            return {"return": -100.0 + (policy == NAMES[1]) * (saved + by_chance)}

        known = {name: HISTORY_BASELINES[name] for name in NAMES}
        monkeypatch.setattr(rule_choice, "offset_rules", lambda *_: known)
        monkeypatch.setattr(rule_choice, "_tuned", lambda *given: found[given[-1]])
        monkeypatch.setattr(rule_choice, "named_rule", lambda *given: given[2])
        monkeypatch.setattr(rule_choice, "reference_team", lambda store: store)
        monkeypatch.setattr(rule_choice, "rollout", rollout)
        rule_choice._best_rule.cache_clear()
        return best_rule(STORES, shop).name

    yield choose
    rule_choice._best_rule.cache_clear()


def test_a_tuned_rule_is_taken_if_it_is_surely_cheaper(chosen):
    assert chosen(saved=5.0, noise=1.0) == "tuned_smoothing"


def test_one_that_may_be_cheaper_by_chance_is_not(chosen):
    assert chosen(saved=5.0, noise=100.0) == "newsvendor_smoothing"


def test_nor_one_that_is_dearer(chosen):
    assert chosen(saved=-5.0, noise=1.0) == "newsvendor_smoothing"


def test_of_rules_that_are_tuned_alike_the_cheapest_is_taken(chosen):
    assert chosen(saved=5.0, noise=100.0, tuned=False) == "tuned_smoothing"


def test_no_day_of_evaluation_has_a_say(chosen, played):
    """Of 283 days of training that have 28 before them, and 55 of selection."""
    chosen(saved=5.0, noise=1.0)
    training, selection = played[:2]
    first, split = (dt.date(2020 + k, 1, 1).toordinal() for k in (0, 1))
    assert first + 28 <= training.min()
    assert training.max() < first + 311 <= selection.min()
    assert selection.max() + 14 <= split
    assert (training.size, selection.size) == (837, 163)


def test_the_standard_error_weighs_blocks_by_their_days():
    """Sums of 3 in two days and 1 in one: 4/3 a day, which they miss by 1/3 and -1/3."""
    found = Difference.of(np.array([3.0, 1.0]), np.array([2, 1]))
    assert found.mean == pytest.approx(4 / 3)
    assert found.standard_error == pytest.approx(np.sqrt(2 * (1 / 9 + 1 / 9)) / 3)
    assert Difference.of(np.array([3.0]), np.array([10])) == Difference(0.3, 0.0)


@pytest.mark.parametrize(("mean", "is_chance"), [(-3.0, True), (1.99, True), (2.01, False)])
def test_a_difference_of_up_to_its_standard_error_may_be_chance(mean, is_chance):
    assert Difference(mean, 2.0).is_chance == is_chance


def test_a_rule_by_name_is_that_rule(shop):
    found = best_rule(STORES, shop, "newsvendor_average")
    assert (found.name, found.values) == ("newsvendor_average", {})
    assert tuned_values(STORES, shop, "newsvendor_average", "offset") == {}
    with pytest.raises(InputError, match=r"offset\.rule 'tuned_base_stock_free'"):  # not on offer
        best_rule(STORES, shop, "tuned_base_stock_free")
    with pytest.raises(InputError, match="newsvendor_average has no parameters; leave them out"):
        named_rule(STORES, shop, "newsvendor_average", {"cover": 1.0})


def test_without_a_file_there_is_no_level_to_begin_with():
    stores = validated(SupplyChainParameters, {})
    with pytest.raises(InputError, match="is to the level of a rule for demand of a file"):
        best_rule(STORES, stores)
    with pytest.raises(InputError, match=r"rule = reference_rules: has no order-up-to level"):
        named_rule(STORES, stores, "reference_rules", {})
