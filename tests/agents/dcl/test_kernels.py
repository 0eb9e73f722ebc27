"""The compiled roll-outs against the simulator, the rules and SB3's network."""

import numpy as np
import pytest
import torch
from stable_baselines3.common.policies import ActorCriticPolicy

from agents.config import resolve
from agents.dcl import kernels
from agents.dcl.algorithm import DCL
from agents.dcl.halving import Halving
from agents.dcl.race_kernels import race
from agents.dcl.rollouts import NetworkPolicy
from agents.dcl.store_rollouts import (
    StoreLabeller,
    Visits,
    compiled_store,
    network_actor,
    rule_actor,
)
from agents.dcl.value_kernels import find_values, residual_of
from agents.players import learning_batch
from baselines.average_cost import lost_sales_store
from baselines.average_perishable import perishable_store
from baselines.rules.stock_rule import StockLevels
from baselines.solvers.perishable.value_iteration import best_base_stock
from baselines.solvers.store.lost_sales import best_capped_base_stock, solve_lost_sales
from commands import textbook
from wrappers.vec_env import BatchVecEnv

ROWS = ("lost_sales_p4_L1", "lost_sales_p19_L3", "lost_sales_geometric_p9_L2")
PERISHABLE = ("perishable_m2_exp1", "perishable_m2_exp6", "perishable_m3_exp7")


def worlds(name, count=3, **changes):
    run, _ = textbook.load(name)
    return learning_batch(run, "store", None, count, **changes)


def packed(store, chain):
    """Return the states of a chain's worlds as numbers."""
    stock = chain.ages[:, 0] if chain.ages.shape[2] else chain.sites["on_hand"]
    numbers = np.column_stack([stock, chain.pipelines[:, 0]]).astype(np.int64)
    state = numbers[:, 0]
    for k in range(store.ahead):
        state |= numbers[:, k + 1] << (store.on_hand_bits + k * store.order_bits)
    return state


def small_labeller(batch, store, states=60, workers=1):
    halving = Halving((16, 32), (4, 2), 3.0)
    return StoreLabeller(batch, store, Visits(states, 0.15, 2), halving, 40, workers)


@pytest.mark.parametrize("name", ROWS + PERISHABLE)
def test_the_compiled_store_moves_as_the_simulator_does(name):
    batch = worlds(name, expected_reward=False)
    store, chain = compiled_store(batch), batch.chain
    batch.reset()
    rng = np.random.default_rng(3)
    for day in range(60):
        before = packed(store, chain)
        orders = rng.integers(0, 9, 3)
        demand = chain._demand[day, :, 0].astype(np.int64)
        batch.step(orders)
        for was, order, asked, now in zip(
            before, orders, demand, packed(store, chain), strict=True
        ):
            assert kernels.following(store, int(was), int(order), int(asked)) == now


@pytest.mark.parametrize("name", ["lost_sales_p19_L3", *PERISHABLE])
def test_a_day_costs_what_the_simulator_expects(name):
    batch = worlds(name, expected_reward=True)
    store = compiled_store(batch)
    batch.chain.change_parameters(
        batch.parameters.model_copy(update={"warmup_days": 0, "horizon": 30})
    )
    batch.reset()
    for _ in range(20):
        state = packed(store, batch.chain)
        orders = np.array([4, 5, 6])
        reward = batch.step(orders).reward
        own = [kernels.day_cost(store, int(s), q) for s, q in zip(state, orders, strict=True)]
        # of a rounded law the simulator takes the means of strata, not each value
        rtol = 1e-2 if name in PERISHABLE else 1e-9
        np.testing.assert_allclose(reward, -np.array(own), rtol=rtol)


@pytest.mark.parametrize("name", ["lost_sales_p19_L3", "perishable_m3_exp7"])
def test_the_rule_orders_as_stock_levels_do(name):
    batch = worlds(name)
    store = compiled_store(batch)
    batch.reset()
    for rule in (StockLevels(30, cap=7), StockLevels(28, 20), StockLevels(25)):
        actor = rule_actor(store, rule)
        playing = StockLevels(**{k: float(v) for k, v in rule.values.items()})
        for _ in range(30):
            playing.bind(batch.chain)
            wanted = playing.actions()
            own = [kernels.order_of(store, actor, int(s)) for s in packed(store, batch.chain)]
            np.testing.assert_array_equal(own, wanted)
            batch.step(wanted)


@pytest.mark.parametrize("name", ["lost_sales_p19_L3", "perishable_m3_exp7"])
def test_the_network_orders_as_the_policy_of_sb3_does(name):
    batch = worlds(name, 50)
    store = compiled_store(batch)
    env = BatchVecEnv(batch)
    torch.manual_seed(0)
    policy = ActorCriticPolicy(
        env.observation_space,
        env.action_space,
        lambda _: 1e-3,
        net_arch=[16, 16],
        activation_fn=torch.nn.ReLU,
    )
    labeller = small_labeller(batch, store)
    with torch.no_grad():  # so that orders differ, and what is not seen does not matter
        policy.mlp_extractor.policy_net[0].weight.mul_(3.0)
        policy.action_net.weight.mul_(300.0)
        unseen = [i for i in range(batch.observation_size) if i not in labeller.columns]
        policy.mlp_extractor.policy_net[0].weight[:, unseen] = 0.0
    mean = float(batch.parameters.mean_demand()[0, 0])
    actor = network_actor(store, policy, labeller.columns, mean)
    deciding = NetworkPolicy(policy, lambda seen: seen)
    batch.reset()
    found, rng = set(), np.random.default_rng(3)
    for _ in range(30):
        wanted = deciding.actions(batch)
        own = [kernels.order_of(store, actor, int(s)) for s in packed(store, batch.chain)]
        np.testing.assert_array_equal(own, wanted)
        found |= set(own)
        batch.step(rng.integers(0, 5, 50))  # within the bits of a state
    assert len(found) > 1


def test_a_state_too_large_for_tables_is_left_to_the_batch():
    path = textbook.path_of("perishable_m5_exp8")
    for life, known in ((5, True), (6, False)):
        run = resolve({}, config=path, assignments=[f"store.shelf_life={life}"])
        store = compiled_store(learning_batch(run, "store", None, 1))
        assert (store is not None) == known


def capped_rule(batch):
    level, cap, cost = best_capped_base_stock(lost_sales_store(batch.parameters))
    return StockLevels(level, cap=cap), cost


def base_stock(batch):
    level, cost = best_base_stock(perishable_store(batch.parameters))
    return StockLevels(level), cost


@pytest.mark.parametrize(
    ("name", "best"), [("lost_sales_p4_L1", capped_rule), ("perishable_m2_exp6", base_stock)]
)
def test_values_of_a_rule_tell_its_exact_average_cost(name, best):
    batch = worlds(name)
    store = compiled_store(batch)
    rule, cost = best(batch)
    actor = rule_actor(store, rule)
    states, visits = small_labeller(batch, store).visited(actor, 5)
    values = find_values(store, actor, states, visits)
    residuals = np.array([residual_of(store, actor, values, int(state)) for state in states])
    assert residuals @ visits / visits.sum() == pytest.approx(cost.value, rel=1e-3)
    usual = residuals[visits > visits.sum() / 1000]
    assert usual == pytest.approx(np.full(usual.size, cost.value), rel=0.02)


@pytest.mark.parametrize("name", ["lost_sales_p19_L3", "perishable_m2_exp6"])
def test_values_make_paths_differ_less_and_move_no_mean(name):
    batch = worlds(name)
    store = compiled_store(batch)
    rule = StockLevels(30, cap=8) if name.startswith("lost") else StockLevels(10)
    actor = rule_actor(store, rule)
    states, visits = small_labeller(batch, store).visited(actor, 5)
    found = find_values(store, actor, states, visits)
    nothing = found._replace(  # as good as 0 everywhere
        value=np.full_like(found.value, 1e-30), residual=np.zeros_like(found.residual)
    )
    usual = np.repeat(states[np.argsort(-visits)[:20]], 16)
    seeds = np.arange(1, usual.size + 1, dtype=np.uint64)
    rounds = np.array([32]), np.array([store.num_orders]), 1e9
    apart = {}
    for key, values in (("with", found), ("without", nothing)):
        losses = np.empty((usual.size, store.num_orders))
        certain = np.empty(usual.size, np.bool_)
        race(store, actor, values, usual, seeds, 8, 60, *rounds, losses, certain)
        apart[key] = (losses[:, 1] - losses[:, 0]).reshape(20, 16)  # one unit less none
    spread = {key: float(np.sqrt(each.var(axis=1).mean())) for key, each in apart.items()}
    assert spread["with"] < 0.5 * spread["without"]
    moved = apart["without"].mean() - apart["with"].mean()
    assert abs(moved) < 4.0 * spread["without"] / np.sqrt(usual.size)


def test_labels_of_the_best_rule_lead_to_the_best_orders():
    batch = worlds("lost_sales_p4_L1")
    store = compiled_store(batch)
    solved = solve_lost_sales(lost_sales_store(batch.parameters))
    labeller = StoreLabeller(
        batch, store, Visits(60, 0.15, 2), Halving((512, 2048), (4, 2), 3.0), 100, 1
    )
    labels, own = labeller.label(None, StockLevels(12, cap=6), 1)
    on_hand = np.rint(labels.observations[:, labeller.columns[0]] * 5).astype(np.int64)
    best = solved.order(on_hand, np.zeros((on_hand.size, 0), np.int64))
    sure = labels.certain
    assert sure.mean() > 0.5
    assert np.abs(labels.best - best)[sure].max() <= 1
    assert (labels.best == best)[sure].mean() > 0.8
    assert (own == np.clip(12 - on_hand, 0, 6)).all()


def test_labels_do_not_depend_on_the_number_of_threads():
    batch = worlds("lost_sales_p19_L3")
    store, rule = compiled_store(batch), StockLevels(30, cap=8)
    one, _ = small_labeller(batch, store, 300).label(None, rule, 4)
    two, _ = small_labeller(batch, store, 300, workers=2).label(None, rule, 4)
    np.testing.assert_array_equal(one.losses, two.losses)
    np.testing.assert_array_equal(one.values, two.values)
    assert one.steps == two.steps


def test_other_stores_are_not_compiled():
    for changes in (
        ("parameters.observation=compact",),
        ("parameters.store.lead_time=0",),
        ("parameters.store.unmet_demand=backlog",),
        ("parameters.store.order_units=[0,2,4]",),
        ("parameters.sku.demand_model=normal",),
    ):
        run = resolve({}, config=textbook.path_of("lost_sales_p4_L2"), assignments=changes)
        assert compiled_store(learning_batch(run, "store", None, 1)) is None


def test_a_deep_network_takes_the_way_of_every_batch():
    batch = worlds("lost_sales_p4_L1")
    deep = DCL("MlpPolicy", BatchVecEnv(batch), policy_kwargs={"net_arch": [4, 4, 4]})
    assert type(deep._make_labeller()).__name__ == "BatchLabeller"
