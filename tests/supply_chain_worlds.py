"""Worlds of the supply chain for tests, and ways to play them."""

import numpy as np
from hypothesis import strategies as st

from common.errors import validated
from envs.batch import random_actions
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters

AGENTS = 5
"""Of three stores."""


def make(**parameters):
    return validated(SupplyChainParameters, parameters)


def play(batch, trace, actions):
    """Return observations and rewards of a batch on a trace; actions: (days, worlds, agents)."""
    batch.reset(trace)
    observations, rewards = [batch.observation()], []
    for action in actions:
        rewards.append(batch.step(action).reward)
        observations.append(batch.observation())
    return np.array(observations), np.array(rewards)


def some_actions(batch, seed, days):
    rng = np.random.default_rng(seed)
    return np.array([random_actions(batch, rng) for _ in range(days)])


def one_world(demand=None, works=None, **parameters):
    """Return a batch of one world with one store, on a trace without demand unless given."""
    days = parameters.setdefault("horizon", 20)
    parameters.setdefault("stores", [{"initial_on_hand": 0.0}])
    p = make(**parameters)
    batch = SupplyChainBatch(p, 1)
    demand = np.zeros((days, p.num_stores)) if demand is None else demand
    works = np.ones(days, bool) if works is None else works
    batch.reset({"demand": demand, "supplier_ok": works})
    return batch


worlds_of_any_kind = st.fixed_dictionaries(
    {
        "stores": st.integers(1, 4),
        "observation": st.sampled_from(["compact", "full"]),
        "objective": st.sampled_from(["reconciliation", "cost"]),
        "forecast_window": st.integers(1, 9),
        "store": st.fixed_dictionaries({"lead_time": st.integers(0, 4)}),
        "warehouse": st.fixed_dictionaries(
            {"initial_on_hand": st.sampled_from([0.0, 50.0, 700.0, 5000.0])}
        ),
        "supplier": st.fixed_dictionaries(
            {
                "lead_time": st.integers(2, 9),
                "production_capacity": st.sampled_from([0.0, 350.0, 1e4]),
                "reliability": st.sampled_from([0.0, 0.7, 1.0]),
            }
        ),
    }
)


def perishable_or_waiting(**store):
    """Return worlds of 1 to 3 stores with these parameters, and a warehouse of any size."""
    return st.fixed_dictionaries(
        {
            "stores": st.integers(1, 3),
            "objective": st.sampled_from(["reconciliation", "cost"]),
            "observation": st.sampled_from(["compact", "full"]),
            "store": st.fixed_dictionaries({"lead_time": st.integers(0, 3), **store}),
            "warehouse": st.fixed_dictionaries(
                {"initial_on_hand": st.sampled_from([0.0, 300.0, 5000.0, float("inf")])}
            ),
        }
    )
