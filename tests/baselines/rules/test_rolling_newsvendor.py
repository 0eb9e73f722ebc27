"""The newsvendor with more or less of its safety stock."""

import numpy as np
import pytest

from baselines.registry import baselines_of, count_tuned, make_baselines
from baselines.rollout import Observer, run_episodes
from baselines.rules.forecast import rolling_family
from baselines.rules.reference import reference_team
from baselines.rules.rolling_newsvendor import RollingNewsvendor, newsvendor_family
from baselines.tuned_rules import tune_rule
from baselines.tuning import Search, tune
from common.errors import validated
from demand.known_demand import KnownDemand
from envs.problems import PROBLEMS
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters

STORES = PROBLEMS["stores"]
NAME = "tuned_newsvendor_smoothing"
NUM_STORES = 6


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Return six stores of a file, which order in threes; by what a store is like."""
    days = np.arange("2019-01-01", "2021-07-01", dtype="datetime64[D]")
    sales = np.random.default_rng(0).negative_binomial(4, 0.12, (days.size, NUM_STORES))
    path = tmp_path_factory.mktemp("shop") / "sales.csv"
    names = ",".join(f"s{k}" for k in range(NUM_STORES))
    rows = [f"{day},{','.join(map(str, row))}" for day, row in zip(days, sales, strict=True)]
    path.write_text("\n".join([f"date,{names}", *rows]))

    def make(file=path, **store):
        given = {"demand_data": {"file": file, "split": "2021-01-01"}, "objective": "cost"}
        own = {"order_units": list(range(0, 600, 3)), "lead_time": 2, **store}
        return validated(SupplyChainParameters, {**given, "store": own, "horizon": 28})

    return make


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


@pytest.mark.parametrize("shelf_life", [None, 1, 3])
def test_its_safety_stock_is_multiplied(shop, shelf_life):
    p = shop(shelf_life=shelf_life)
    multipliers = (1.0, 0.0, 0.5, np.linspace(0.0, 2.0, 20))
    plain = RollingNewsvendor("smoothing")
    seen = Wanted(plain, *(plain.with_values(safety_multiplier=m) for m in multipliers))
    batch = SupplyChainBatch(p, 20, split="evaluation")
    policy = reference_team(store=plain)
    policy.bind(batch)
    run_episodes(batch, policy, STORES.traces(p, "evaluation", 0, 20), observer=seen)
    plain_one, one, none, half, by_world = np.array(seen.days).swapaxes(0, 1)
    np.testing.assert_array_equal(plain_one, one)
    assert np.abs(one - none).min() > 1.0
    np.testing.assert_allclose(half, (one + none) / 2)
    share = multipliers[-1][:, None]
    np.testing.assert_allclose(by_world, share * one + (1.0 - share) * none, atol=1e-9)


def tuned(parameters):
    return tune_rule(STORES, parameters, NAME, baselines_of("stores", parameters)[NAME])


def test_it_holds_less_where_demand_is_lost_and_orders_take_long(shop):
    lost, waiting = (
        [
            tuned(shop(lead_time=days, unmet_demand=unmet)).values["safety_multiplier"]
            for days in (2, 14)
        ]
        for unmet in ("lost", "backlog")
    )
    assert lost[1] < 0.7 < 0.8 < min(lost[0], *waiting)


def test_copies_of_a_trace_that_are_forecast_once_are_tuned_to_the_same(shop, monkeypatch):
    p, seen = shop(), []
    once = tune(STORES, p, newsvendor_family("smoothing"), Search(20, 1, 100_000))

    def forget(known, number):
        del known
        seen.append(number)

    monkeypatch.setattr(KnownDemand, "tell_apart", forget)
    each = tune(STORES, p, newsvendor_family("smoothing"), Search(20, 1, 100_000))
    assert (once.values, once.score, once.se) == (each.values, each.score, each.se)
    assert all(np.unique(number).size <= 20 < number.size for number in seen)


def test_it_is_a_tuned_rule_of_the_default_group(shop):
    p = shop()
    tuner = lambda *_: type("Tuned", (), {"policy": None})  # noqa: E731
    for names in (["default"], ["tuned"], [NAME]):
        assert NAME in make_baselines("stores", p, names, tuner=tuner)


def test_values_of_its_family_are_those_of_its_grid():
    family = newsvendor_family("smoothing")
    assert family.admits({"safety_multiplier": 0.7})
    assert family.admits({"safety_multiplier": 1.5})
    assert not family.admits({"safety_multiplier": 2.0})


def test_what_is_tuned_of_it_does_not_count_as_of_a_base_stock():
    assert count_tuned(newsvendor_family("smoothing").grid) == 0
    assert count_tuned(rolling_family("smoothing").grid) == 2


def test_trees_whose_errors_are_of_days_held_out_get_no_more_safety_stock():
    family = newsvendor_family("boosting")
    assert family.admits({"safety_multiplier": 0.4})
    assert family.admits({"safety_multiplier": 1.0})
    assert not family.admits({"safety_multiplier": 1.05})


def test_other_costs_are_by_the_errors_of_the_file_at_hand(shop, tmp_path):
    """A family's rule is shared by all that a process plays: not what it learned of a file."""
    days = np.arange("2019-01-01", "2021-07-01", dtype="datetime64[D]")
    sales = np.random.default_rng(1).integers(29, 32, (days.size, NUM_STORES))
    rows = [f"{day},{','.join(map(str, row))}" for day, row in zip(days, sales, strict=True)]
    names = ",".join(f"s{k}" for k in range(NUM_STORES))
    (tmp_path / "calm.csv").write_text("\n".join([f"date,{names}", *rows]))

    def wanted(rule, p):
        own = rule.with_stockout_cost(np.full((1, 1), 50.0))
        batch = SupplyChainBatch(p, 1, split="evaluation")
        batch.reset(STORES.traces(p, "evaluation", 0, 1))
        own.bind(batch)
        return own.wanted(batch)

    shared = newsvendor_family("smoothing").make(safety_multiplier=1.0).players["store"]
    for p in (shop(), shop(tmp_path / "calm.csv")):
        np.testing.assert_array_equal(wanted(shared, p), wanted(RollingNewsvendor("smoothing"), p))
