"""Copies of worlds: they go on as their originals, or meet a future of their own."""

from pathlib import Path

import numpy as np
import pytest

from baselines.multi_agent import TeamPolicy
from baselines.policy import Rule
from baselines.rules.reference import reference_rules
from common.errors import InputError, validated
from envs.batch import Futures, random_actions
from envs.cash.batch import CashBatch
from envs.cash.parameters import CashParameters
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters
from wrappers.single_agent import ControlledAgents

BAKERY = Path(__file__).parents[3] / "data" / "bakery_3stores.csv"


def cash():
    return CashBatch(CashParameters(max_steps=12), 4, expected_reward=True, observe_step=True)


def chain(**parameters):
    given = {"horizon": 12, "stores": 2, "observation": "full", **parameters}
    return SupplyChainBatch(validated(SupplyChainParameters, given), 4)


def rows_of_stores():
    return ControlledAgents(chain(), "store", TeamPolicy(reference_rules()))


def two_products():
    return chain(sku=[{"base_demand": 50}, {"base_demand": 200}])


MAKERS = [cash, chain, two_products, rows_of_stores]


def midway(make):
    batch, rng = make(), np.random.default_rng(1)
    batch.reset()
    for _ in range(5):
        batch.step(random_actions(batch, rng))
    return batch, rng


@pytest.mark.parametrize("make", MAKERS)
def test_copies_go_on_as_their_worlds_and_leave_them_alone(make):
    batch, rng = midway(make)
    everyone = np.arange(batch.num_worlds)
    before = batch.observation()
    per_world = getattr(batch, "rows_per_world", 1)
    copy, rows = batch.fork(everyone[::per_world])
    np.testing.assert_array_equal(copy.observation(), before)
    actions = random_actions(batch, rng)
    there = copy.step(actions)
    np.testing.assert_array_equal(batch.observation(), before)
    here = batch.step(actions)
    np.testing.assert_array_equal(there.reward, here.reward)
    np.testing.assert_array_equal(copy.observation(), batch.observation())
    np.testing.assert_array_equal(rows, everyone[::per_world])


@pytest.mark.parametrize("make", MAKERS)
def test_copies_of_the_same_number_meet_the_same_future(make):
    batch, _ = midway(make)
    world = np.full(3, batch.num_worlds - 1)
    copy, rows = batch.fork(world, Futures(np.random.default_rng(0), np.array([0, 1, 0])))
    seen = batch.observation()[world]
    np.testing.assert_array_equal(copy.observation()[rows], seen)
    while True:
        shape = (copy.num_worlds,) if isinstance(copy.num_actions, int) else None
        actions = np.zeros(shape or (copy.num_worlds, len(copy.num_actions)), np.int64)
        outcome = copy.step(actions)
        if (outcome.truncated | outcome.terminated).all():
            break
    first, other, again = (copy.observation()[rows[i]] for i in range(3))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_copied_row_sits_at_its_own_place_among_the_stores():
    batch, _ = midway(rows_of_stores)
    wanted = np.array([5, 0, 3])
    copy, rows = batch.fork(wanted)
    assert copy.num_worlds == 6
    np.testing.assert_array_equal(copy.observation()[rows], batch.observation()[wanted])


def test_days_of_a_file_cannot_be_drawn_anew():
    given = {"demand_data": {"file": str(BAKERY), "split": "2018-07-01"}, "horizon": 8}
    batch = SupplyChainBatch(validated(SupplyChainParameters, given), 2)
    batch.reset()
    assert not batch.memoryless
    copy, _ = batch.fork(np.zeros(3, np.intp))
    assert copy.num_worlds == 3
    with pytest.raises(InputError, match="futures=None"):
        batch.fork(np.zeros(3, np.intp), Futures(np.random.default_rng(0), np.arange(3)))


class _Memory(Rule):
    blind = True

    def predict(self, *_):
        worlds = self._batch.num_worlds
        return np.zeros(worlds, np.int64), np.zeros(worlds)

    def actions(self):
        raise NotImplementedError


def test_worlds_with_a_recurrent_player_are_refused():
    others = TeamPolicy({**reference_rules(), "warehouse": _Memory()})
    batch = ControlledAgents(chain(), "store", others)
    batch.reset()
    batch.step(random_actions(batch, np.random.default_rng(0)))
    with pytest.raises(InputError, match="recurrent"):
        batch.fork(np.zeros(1, np.intp))
