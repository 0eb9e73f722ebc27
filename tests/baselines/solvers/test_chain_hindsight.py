"""The stores in hindsight: enumeration, dominance on every trace, what is not solved."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.policy import RandomPolicy
from baselines.rollout import run_episodes
from baselines.rules.reference import reference_team
from baselines.rules.store import Newsvendor, ReorderPoint
from baselines.solvers.chain import hindsight as module
from baselines.solvers.chain.hindsight import chain_hindsight, hindsight_reference
from envs.problems import PROBLEMS
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters

STORES = PROBLEMS["stores"]


def played(policy, p, trace):
    batch = SupplyChainBatch(p, len(trace["demand"]))
    policy.bind(batch)
    return run_episodes(batch, policy, trace)["return"]


def best_of_all(p, trace, stores, warehouse):
    """Return the best return over all sequences of the actions given, of a single trace."""
    days = p.horizon
    orders = [np.arange(stores)] * (days * p.num_stores) + [np.arange(warehouse)] * days
    plans = np.stack(np.meshgrid(*orders, indexing="ij"), axis=-1).reshape(-1, len(orders))
    batch = SupplyChainBatch(p, len(plans))
    batch.reset({name: np.repeat(values, len(plans), axis=0) for name, values in trace.items()})
    n = p.num_stores
    for t in range(days):
        own, hub = plans[:, t * n : (t + 1) * n], plans[:, days * n + t][:, None]
        batch.step(np.concatenate([own, hub, np.zeros_like(hub)], axis=1))
    return batch.episode_totals()["return"].max()


# ---- figures and enumeration ----


@pytest.mark.parametrize(("days", "figure"), [(30, 269.1), (90, 869.1)])
def test_mean_of_the_three_default_stores(days, figure):
    p = SupplyChainParameters(horizon=days)
    found = chain_hindsight(p, STORES.traces(p, "evaluation", 1, 2000))
    assert not found.lost.any()
    assert found.mean == pytest.approx(figure, abs=0.1)


@settings(max_examples=25)
@given(st.data())
def test_with_supply_enough_it_is_the_best_of_all_sequences(data):
    days, backlog = data.draw(st.integers(1, 4)), data.draw(st.booleans())
    days = min(days, 3) if backlog else days
    number = st.integers(0, 3)
    p = SupplyChainParameters(
        stores=[{"initial_on_hand": data.draw(st.integers(0, 5))}],
        horizon=days,
        objective=data.draw(st.sampled_from(["cost", "reconciliation"])),
        store={
            "lead_time": data.draw(st.integers(0, 2)),
            "holding_cost": data.draw(st.sampled_from([0.0, 1.0, 20.0])),
            "stockout_cost": data.draw(st.sampled_from([0.0, 0.5])),
            "excess_threshold": data.draw(number),
            "unmet_demand": "backlog" if backlog else "lost",
            "order_units": list(range(4 if not backlog else 10)),
        },
        warehouse={"initial_on_hand": np.inf},
    )
    demand = np.array(data.draw(st.lists(number, min_size=days, max_size=days)), float)
    trace = {"demand": demand[None, :, None], "supplier_ok": np.ones((1, days), bool)}
    found = chain_hindsight(p, trace)
    assert found.lost.tolist() == [0.0]
    assert found.mean == pytest.approx(best_of_all(p, trace, len(p.store.grid), 1), abs=1e-9)


@pytest.mark.parametrize("lead_time", [0, 1])
@pytest.mark.parametrize(
    ("own", "first", "demand"),
    [
        (0, 2, [[3, 1], [1, 2], [2, 2]]),
        (0, 4, [[2, 2], [3, 1], [1, 1]]),
        (0, 0, [[1, 1], [1, 3], [2, 1]]),
        (6, 2, [[1, 3], [1, 1], [1, 2]]),  # more than is sold, and too much on two days
    ],
)
def test_where_the_warehouse_binds_it_is_the_best_of_all_sequences(own, first, demand, lead_time):
    """No store has stock that it might keep for a better day, which only the bound allows."""
    p = SupplyChainParameters(
        stores=[{"initial_on_hand": own}, {"initial_on_hand": 0}],
        horizon=3,
        store={
            "lead_time": lead_time,
            "stockout_cost": 0.1,
            "excess_threshold": 3.5,
            "order_units": [0, 1, 2, 3],
        },
        warehouse={"initial_on_hand": first, "order_units": [0, 2]},
        supplier={"lead_time": 2},
    )
    trace = {"demand": np.array([demand], float), "supplier_ok": np.ones((1, 3), bool)}
    found = chain_hindsight(p, trace)
    assert found.lost[0] > 0.0
    assert found.mean == pytest.approx(best_of_all(p, trace, 4, 2), abs=1e-6)


# ---- a bound, on every trace ----


def test_the_smallest_demand_beside_what_is_owed_is_met_too():
    p = SupplyChainParameters(
        stores=[{"initial_on_hand": 0}],
        horizon=2,
        store={"lead_time": 1, "unmet_demand": "backlog", "stockout_cost": 0},
    )
    trace = {"demand": [[4.0], [1e-20]], "supplier_ok": [True, True]}
    assert chain_hindsight(p, trace).values.tolist() == [10.0]


@st.composite
def chains(draw):
    """Draw small chains of every kind, most of them with a warehouse that is short."""
    n = draw(st.integers(1, 3))
    amount, cost = st.floats(0, 60), st.floats(0, 2)
    skus = [
        {
            "base_demand": draw(st.floats(1, 20)),
            "demand_std": draw(st.floats(5, 9)),
            "demand_model": draw(st.sampled_from(["normal", "poisson", "gamma"])),
        }
        for _ in range(draw(st.integers(1, 2)))
    ]
    horizon = draw(st.integers(1, 12))
    return SupplyChainParameters(
        stores=[
            {"demand_multiplier": 1 + i / 4, "initial_on_hand": draw(amount)} for i in range(n)
        ],
        horizon=horizon,
        warmup_days=draw(st.integers(0, horizon - 1)),
        objective=draw(st.sampled_from(["cost", "reconciliation"])),
        scenario=draw(st.sampled_from(["normal", "strong_seasonality", "supplier_delay"])),
        sku=skus,
        store={
            "lead_time": draw(st.integers(0, 4)),
            "holding_cost": draw(cost),
            "stockout_cost": draw(cost),
            "fixed_cost": draw(st.sampled_from([0.0, 3.0])),
            "excess_threshold": draw(amount),
            "unmet_demand": draw(st.sampled_from(["lost", "backlog"])),
        },
        warehouse={
            "initial_on_hand": draw(st.sampled_from([0.0, 30.0, 200.0, np.inf])),
            "order_units": [0.0, 10.0, draw(st.floats(0, 80))],
        },
        supplier={
            "lead_time": draw(st.integers(2, 4)),
            "production_capacity": draw(st.floats(5, 100)),
            "reliability": draw(st.sampled_from([0.5, 1.0])),
        },
    )


@settings(max_examples=80)
@given(chains(), st.integers(0, 1000))
def test_no_policy_beats_it_on_any_trace(p, seed):
    trace = STORES.traces(p, "evaluation", seed, 6)
    found = chain_hindsight(p, trace)
    assert np.isfinite(found.lost).all()
    assert (found.lost >= 0).all()
    stores = (Newsvendor(), Newsvendor().in_any_quantity(), ReorderPoint(2, 4).in_any_quantity())
    teams = (reference_team(store=store) for store in stores)
    for policy in (RandomPolicy(seed), reference_team(), *teams):
        margin = 1e-6 * (1.0 + np.abs(found.unhindered) + found.lost)
        assert (played(policy, p, trace) <= found.values + margin).all()


@settings(max_examples=30)
@given(chains(), st.integers(0, 1000), st.data())
def test_a_warehouse_with_more_earns_no_less(p, seed, data):
    trace = STORES.traces(p, "evaluation", seed, 4)
    more = p.warehouse.model_copy(
        update={"initial_on_hand": p.warehouse.initial_on_hand + data.draw(st.floats(0, 50))}
    )
    richer = p.model_copy(update={"warehouse": more})
    before, after = chain_hindsight(p, trace).values, chain_hindsight(richer, trace).values
    assert (after >= before - 1e-6 * (1 + np.abs(before))).all()


# ---- what is not solved ----

SHORT = SupplyChainParameters(
    horizon=20, warehouse={"initial_on_hand": 600, "order_units": [0, 100]}
)


def test_episodes_that_are_not_solved_are_told_from_those_that_are():
    trace = STORES.traces(SHORT, "evaluation", 1, 400)
    every = chain_hindsight(SHORT, trace)
    some = chain_hindsight(SHORT, trace, store_days=150 * 60)
    assert np.isnan(some.lost).sum() == (every.lost != 0).sum() - 150
    assert every.se == 0.0 < some.se
    assert abs(some.mean - every.mean) < 4 * some.se
    assert (some.values >= every.values).all()
    none = chain_hindsight(SHORT, trace, store_days=29 * 60)
    assert (none.values == every.unhindered).all()
    assert none.mean == every.unhindered.mean()


def test_the_reference_says_what_it_is():
    trace = STORES.traces(SHORT, "evaluation", 1, 100)
    every = chain_hindsight(SHORT, trace)
    reference = hindsight_reference(SHORT, every)
    assert (reference.kind, reference.value) == ("hindsight", every.mean)
    assert "short in 100 of 100 episodes. No policy" in reference.note
    some = hindsight_reference(SHORT, chain_hindsight(SHORT, trace, store_days=40 * 60))
    assert "40 were solved (standard error" in some.note


def test_the_standard_error_is_that_of_the_episodes_left_out():
    """Of all ways to solve 2 of 4 episodes the mean varies as the standard error says."""
    lost = np.array([1.0, 2.0, 4.0, 9.0])
    means, variances = [], []
    for solved in itertools.combinations(range(4), 2):
        partly = np.full(4, np.nan)
        partly[list(solved)] = lost[list(solved)]
        found = module.Hindsight(np.zeros(4), partly)
        means.append(found.mean)
        variances.append(found.se**2)
    assert np.mean(means) == pytest.approx(-4.0)
    assert np.mean(variances) == pytest.approx(np.var(means))
