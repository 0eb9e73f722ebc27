"""The programme of each store: every sequence of orders enumerated, simulation, where it holds."""

import itertools

import numpy as np
import pytest

from agents.dcl.starting_rule import best_starting_rule
from baselines.registry import baselines_of, make_baselines
from baselines.rollout import rollout
from baselines.rules import families
from baselines.solvers.chain.store_programme import chain_programmes, is_programmable
from envs.problems import PROBLEMS
from envs.supply_chain.parameters import SupplyChainParameters

STORES = PROBLEMS["stores"]
DAYS = 5


def never_short(**changes):
    store = {"lead_time": 2, **changes.pop("store", {})}
    return SupplyChainParameters(
        **{
            "horizon": DAYS,
            "stores": [{"demand_multiplier": 1.0, "initial_on_hand": 75.0}],
            "warehouse": {"initial_on_hand": np.inf},
            "store": store,
            "sku": {"demand_std": 0.0, "seasonality_amplitude": 0.0},
            **changes,
        }
    )


def best_of_all_sequences(parameters):
    """Return the most that any sequence of orders earns, demand being certain."""
    actions = len(parameters.lanes()[0].store.grid)
    sequences = np.array(list(itertools.product(range(actions), repeat=DAYS)))
    batch = STORES.make_batch(parameters, len(sequences), split="evaluation")
    batch.reset(STORES.traces(parameters, "evaluation", 0, len(sequences)))
    others = np.zeros((len(sequences), 2), np.int64)
    for day in range(DAYS):
        batch.step(np.hstack([sequences[:, day : day + 1], others]))
    return batch.episode_totals()["return"].max()


@pytest.mark.parametrize("lead_time", [0, 1, 2])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"warmup_days": 2},
        {"objective": "cost", "store": {"fixed_cost": 30.0, "stockout_cost": 2.0}},
    ],
    ids=["rewards", "warm-up", "money"],
)
def test_where_demand_is_certain_no_sequence_of_orders_earns_more(lead_time, changes):
    store = {"lead_time": lead_time, **changes.get("store", {})}
    p = never_short(**{**changes, "store": store})
    rule = make_baselines("stores", p, ["store_programme"])["store_programme"]
    played = rollout(STORES, p, rule, STORES.traces(p, "evaluation", 0, 2))["return"][0]
    assert played == pytest.approx(best_of_all_sequences(p))
    assert chain_programmes(p)[0, 0].value == pytest.approx(played)


def test_its_value_is_what_the_rule_earns_in_simulation():
    p = never_short(horizon=10, sku={"demand_std": 10.0})
    rule = make_baselines("stores", p, ["store_programme"])["store_programme"]
    returns = rollout(STORES, p, rule, STORES.traces(p, "evaluation", 3, 4000))["return"]
    error = returns.std() / np.sqrt(returns.size)
    assert abs(chain_programmes(p)[0, 0].value - returns.mean()) < 3 * error + 0.1


def test_what_the_warehouse_owes_counts_as_ordered():
    p = never_short(horizon=10, warehouse={"initial_on_hand": 0.0}, sku={"demand_std": 10.0})
    batch = STORES.make_batch(p, 2, split="evaluation")
    rule = make_baselines("stores", p, ["store_programme"])["store_programme"]
    rule.bind(batch)
    batch.reset(STORES.traces(p, "evaluation", 0, 2))
    batch.sites["on_hand"], batch.sites["forecast"] = 0.0, 50.0
    batch.sites["backorders"][:, 0] = 0.0, 500.0
    asked = rule.predict(None)[0][:, 0]
    assert asked[0] > 0
    assert asked[1] == 0


def test_several_products_and_stores_follow_programmes_of_their_own():
    p = SupplyChainParameters(
        horizon=6, stores=2, sku=[{"base_demand": 20.0}, {"base_demand": 60.0}]
    )
    found = chain_programmes(p)
    assert set(found) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    alike = SupplyChainParameters(
        horizon=6, stores=[{"demand_multiplier": 1.0, "initial_on_hand": 200.0}] * 2
    )
    assert chain_programmes(alike)[0, 0] is chain_programmes(alike)[0, 1]
    rule = make_baselines("stores", p, ["store_programme"])["store_programme"]
    trace = STORES.traces(p, "evaluation", 1, 400)
    random = make_baselines("stores", p, ["random"])["random"]
    ours, theirs = (rollout(STORES, p, one, trace)["return"] for one in (rule, random))
    for sku in (0, 1):
        assert ours[trace["sku"] == sku].mean() > theirs[trace["sku"] == sku].mean()


@pytest.mark.parametrize(
    "changes",
    [
        {"store": {"lead_time": 3}},
        {"store": {"unmet_demand": "backlog"}},
        {"store": {"order_units": [0, 10, 20]}},
        {"store": {"shelf_life": 3}},
        {"store": {"minimum_order": 20}},
        {"horizon": 2000},
    ],
)
def test_it_is_offered_only_where_it_holds(changes):
    p = never_short(**changes)
    assert not is_programmable(p)
    assert "store_programme" not in baselines_of("stores", p)


def test_learning_begins_with_it_where_no_tuned_rule_is_surely_better(monkeypatch):
    monkeypatch.setattr(families, "WORK", 100_000)
    p = never_short(horizon=8, sku={"demand_std": 10.0})
    assert repr(best_starting_rule(STORES, p)) == "ProgrammedOrders"
