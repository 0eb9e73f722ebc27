import numpy as np
import pytest

from baselines.rules.reference import reference_team
from common.errors import InputError
from common.random_streams import random_stream
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters
from wrappers.single_agent import ControlledAgents
from wrappers.vec_env import BatchVecEnv

PARAMETERS = SupplyChainParameters(horizon=5)


def controlled(player="store", layout="shared", worlds=4, parameters=PARAMETERS, **options):
    chain = SupplyChainBatch(parameters, worlds, rng=random_stream(3, "training"), **options)
    return ControlledAgents(chain, player, reference_team(), layout)


def test_shared_makes_every_store_of_every_world_a_row_that_ends_and_counts_on_its_own():
    env = BatchVecEnv(controlled())
    observation = env.reset()
    assert observation.shape == (12, 7)
    for day in range(5):
        _, rewards, dones, infos = env.step(np.full(12, 2))
        assert rewards.shape == (12,)
        assert dones.all() == (day == 4)
    assert all(info["TimeLimit.truncated"] and info["episode"]["l"] == 5 for info in infos)
    returns = env.finished["return"].reshape(4, 3)
    assert len({info["episode"]["r"] for info in infos}) == returns.size  # each store its own


def test_rows_of_a_shared_policy_are_the_chains_own_stores():
    batch = controlled()
    batch.reset()
    chain = SupplyChainBatch(PARAMETERS, 4, rng=random_stream(3, "training"))
    chain.reset()
    team = reference_team()
    team.bind(chain)
    for _ in range(5):
        orders = np.random.default_rng(chain.day).integers(0, 4, (4, 3))
        actions, _ = team.predict(chain.observation())
        actions[:, :3] = orders
        wanted = chain.step(actions)
        got = batch.step(orders.reshape(-1))
        np.testing.assert_array_equal(got.reward, wanted.reward[:, :3].reshape(-1))
        stores = chain.by_tier(chain.observation())["store"]
        np.testing.assert_array_equal(batch.observation(), stores.reshape(12, 7))


@pytest.mark.parametrize(("player", "rows"), [("store", 3), ("warehouse", 1)])
def test_rows_may_be_paid_what_all_agents_are_together(player, rows):
    own = controlled(player)
    chain = SupplyChainBatch(PARAMETERS, 4, rng=random_stream(3, "training"))
    batch = ControlledAgents(chain, player, reference_team(), system=True)
    for one in (own, batch):
        one.reset()
    total = np.zeros(4)
    for _ in range(5):
        reward = batch.step(np.full(4 * rows, 1)).reward
        own.step(np.full(4 * rows, 1))
        total += reward.reshape(4, rows)[:, 0]
        assert (reward.reshape(4, rows) == reward.reshape(4, rows)[:, :1]).all()
    earned = own.chain.episode_totals()["system_return"]
    np.testing.assert_allclose(total, earned)
    np.testing.assert_allclose(batch.episode_totals()["return"].reshape(4, rows)[:, 0], earned)


def test_joint_and_flat_are_the_same_decisions_in_other_words():
    joint, flat = controlled(layout="joint"), controlled(layout="flat")
    joint.reset()
    flat.reset()
    assert joint.num_actions == (4, 4, 4)
    assert flat.num_actions == 64
    for _ in range(5):
        assert joint.observation().shape == (4, 21)
        orders = np.random.default_rng(joint.chain.day).integers(0, 4, (4, 3))
        numbers = np.ravel_multi_index(tuple(orders.T), (4, 4, 4))
        a, b = joint.step(orders), flat.step(numbers)
        np.testing.assert_array_equal(a.reward, b.reward)
        np.testing.assert_array_equal(joint.observation(), flat.observation())


def test_joint_reward_is_the_mean_of_its_stores():
    joint, shared = controlled(layout="joint"), controlled()
    joint.reset()
    shared.reset()
    orders = np.full((4, 3), 1)
    each = shared.step(orders.reshape(-1)).reward.reshape(4, 3)
    np.testing.assert_allclose(joint.step(orders).reward, each.mean(axis=1))


def test_flat_joint_is_refused_where_combinations_are_too_many():
    with pytest.raises(InputError, match=r"7 agents with 4 actions each make 16,384 combinations"):
        controlled(layout="flat", parameters=SupplyChainParameters(stores=7))


@pytest.mark.parametrize(("player", "size"), [("warehouse", 6), ("supplier", 3), ("store_2", 7)])
def test_any_agent_may_learn_while_the_others_follow_their_rules(player, size):
    batch = controlled(player)
    env = BatchVecEnv(batch)
    assert env.reset().shape == (4, size)
    for _ in range(6):
        env.step(np.zeros(4, np.int64))
    assert batch.finished_metrics["supplier/fulfillment_rate"] <= 1.0


def test_seeds_give_the_same_episodes_again_and_others_other_ones():
    def first_rewards(seed):
        env = BatchVecEnv(controlled())
        env.seed(seed)
        env.reset()
        return np.stack([env.step(np.full(12, 1))[1] for _ in range(5)])

    np.testing.assert_array_equal(first_rewards(1), first_rewards(1))
    assert (first_rewards(1) != first_rewards(2)).any()


def test_state_goes_on_where_it_was_read_out():
    one, other = controlled(), controlled()
    one.reset()
    one.step(np.full(12, 3))
    other.set_state(one.get_state())
    for _ in range(4):
        a, b = one.step(np.full(12, 2)), other.step(np.full(12, 2))
        np.testing.assert_array_equal(a.reward, b.reward)
    one.restart(np.arange(12))
    other.restart(np.arange(12))
    np.testing.assert_array_equal(one.chain._demand, other.chain._demand)


def test_stage_of_a_curriculum_begins_with_the_next_episode():
    batch = controlled()
    batch.reset()
    batch.change_parameters(SupplyChainParameters(horizon=7, scenario="high_variability"))
    for _ in range(5):
        outcome = batch.step(np.full(12, 2))
    assert outcome.truncated.all()
    batch.restart(np.arange(12))
    assert batch.parameters.horizon == 7
    for _ in range(7):
        outcome = batch.step(np.full(12, 2))
    assert outcome.truncated.all()
    with pytest.raises(InputError, match="number of stores cannot change"):
        batch.change_parameters(SupplyChainParameters(stores=2))
