"""Labels of any batch: episodes that end early, days of a file, and what cannot be labelled."""

import numpy as np
import pytest

from agents.dcl.halving import Halving
from agents.dcl.rollouts import BatchLabeller, RowPolicy, Search
from baselines.rules.cash import BuyBuyConvert
from baselines.rules.reference import reference_team
from common.errors import InputError, validated
from envs.cash.batch import CashBatch
from envs.cash.kernels import CASH
from envs.cash.parameters import CashParameters
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters
from wrappers.single_agent import ControlledAgents


def labeller(batch, paths, keep, moved=0.0):
    halving = Halving(paths, keep, 3.0)
    search = Search(40, moved, 1, None, halving, days=4, gamma=1.0, workers=1)
    return BatchLabeller(batch, search, lambda seen: seen)


def test_nothing_is_earned_or_lost_after_bankruptcy():
    own = {"initial_cash": 10.0, "price_std": 0.0, "holding_cost": 0.0, "objective": "profit"}
    batch = CashBatch(CashParameters(max_steps=8, **own), 4)
    labels, chosen = labeller(batch, (2,), (2,), moved=0.5).label(None, BuyBuyConvert(), 1)
    cash = labels.observations[:, CASH]
    assert set(np.unique(cash)) == {5.0, 10.0}  # the second unit costs the last of it
    assert (chosen == 1).all()
    np.testing.assert_array_equal(labels.values, -cash)


def test_on_days_of_a_file_one_path_tells_all(bakery):
    parameters = validated(CashParameters, {"demand_data": bakery, "max_steps": 5})
    found = []
    for paths, keep in (((8, 16), (3, 2)), ((1,), (1,))):
        batch = CashBatch(parameters, 2, rng=np.random.default_rng(0))
        found.append(labeller(batch, paths, keep).label(None, BuyBuyConvert(), 1)[0])
    many, one = found
    np.testing.assert_array_equal(many.losses, one.losses)
    days_left = np.repeat([4, 4, 3, 2, 1], 8)
    assert many.steps == one.steps == days_left.sum() * parameters.num_actions


def test_a_row_of_several_decisions_cannot_be_labelled():
    batch = SupplyChainBatch(SupplyChainParameters(), 2)
    with pytest.raises(InputError, match="takes several at once; use --policy shared"):
        labeller(batch, (2,), (2,))


def test_a_rule_of_all_stores_decides_for_the_one_that_learns():
    chain = SupplyChainBatch(SupplyChainParameters(horizon=9), 5, rng=np.random.default_rng(0))
    batch = ControlledAgents(chain, "store_2", reference_team())
    batch.reset()
    everyone = reference_team()
    everyone.bind(chain)
    decider = RowPolicy(reference_team())
    decider.bind(batch)
    taken = []
    for _ in range(9):
        actions = decider.actions(batch)
        np.testing.assert_array_equal(actions, everyone.predict(None)[0][:, 1])
        taken.append(actions)
        batch.step(actions)
    assert len(np.unique(taken)) > 1
