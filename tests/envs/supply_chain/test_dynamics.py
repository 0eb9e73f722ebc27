import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InputError
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.trace import check_trace, draw_trace
from tests.restored import check_same_future
from tests.supply_chain_worlds import AGENTS, make, play, some_actions, worlds_of_any_kind


def test_golden_trajectory_in_the_middle_of_a_batch(chain_case):
    """Neighbours with other traces and actions change nothing."""
    p = make(**chain_case["params"])
    case, agents = check_trace(chain_case["trace"], p), SupplyChainBatch(p, 1).agents
    others = draw_trace(p, np.random.default_rng(0), 2)
    trace = {k: np.concatenate([others[k][:1], case[k], others[k][1:]]) for k in case}
    batch = SupplyChainBatch(p, 3)
    actions = some_actions(batch, 1, p.horizon)
    actions[:, 1] = [[day[agent] for agent in agents] for day in chain_case["actions"]]
    observations, rewards = play(batch, trace, actions)
    expected = [[day[agent] for agent in agents] for day in chain_case["rewards"]]
    np.testing.assert_allclose(rewards[:, 1], expected, rtol=1e-9, atol=1e-9)
    for seen, day in zip(observations[:, 1], chain_case["observations"], strict=True):
        expected = np.concatenate([day[agent] for agent in agents])
        np.testing.assert_allclose(seen, expected, rtol=1e-6, atol=1e-6)


@given(parameters=worlds_of_any_kind, seed=st.integers(0, 2**32 - 1))
def test_units_are_conserved(parameters, seed):
    """Every unit comes from somewhere and is somewhere; nothing is ever negative."""
    p = make(**parameters)
    batch = SupplyChainBatch(p, 3, rng=np.random.default_rng(seed))
    batch.reset()
    asked = np.zeros((3, p.num_stores))
    sold, start = asked.copy(), batch.sites["on_hand"].copy()
    for actions in some_actions(batch, seed, p.horizon):
        before, desk = units_in(batch), batch.hubs["on_desk"].copy()
        stock = batch.sites["on_hand"] + batch.pipelines[:, :, 0]
        asked += np.take_along_axis(batch.store_orders(), actions[:, :-2, None], 2)[:, :, 0]
        batch.step(actions)
        sites, hubs = batch.sites, batch.hubs
        sold += sites["sales"]
        shipped = hubs["fulfillment"] * desk
        assert (shipped <= p.supplier.production_capacity + 1e-9).all()
        assert units_in(batch) == pytest.approx(before + shipped - sites["sales"].sum(axis=1))
        here = sites["on_hand"] + batch.pipelines.sum(axis=2)
        assert here + sites["backorders"] == pytest.approx(start + asked - sold)
        least = [sites[name].min() for name in ("on_hand", "backorders", "sales", "left")]
        assert min(*least, hubs["on_hand"].min(), batch.inbound.min()) >= 0
        assert (sites["sales"] <= sites["demand"]).all()
        if p.store.lead_time > 1:
            assert (sites["sales"] <= stock + 1e-9).all()


def units_in(batch):
    """Return the units in the whole of every world."""
    stores = batch.sites["on_hand"].sum(axis=1) + batch.pipelines.sum(axis=(1, 2))
    return stores + batch.hubs["on_hand"] + batch.inbound.sum(axis=1)


@given(parameters=worlds_of_any_kind, seed=st.integers(0, 2**32 - 1), worlds=st.integers(1, 4))
def test_a_batch_of_n_equals_n_batches_of_one(parameters, seed, worlds):
    p = make(**parameters, horizon=15)
    trace = draw_trace(p, np.random.default_rng(seed), worlds)
    batch = SupplyChainBatch(p, worlds)
    actions = some_actions(batch, seed, p.horizon)
    together = play(batch, trace, actions)
    for i in range(worlds):
        mine = {name: values[i : i + 1] for name, values in trace.items()}
        alone = play(SupplyChainBatch(p, 1), mine, actions[:, [i]])
        for one, all_ in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[:, 0], all_[:, i])


@pytest.mark.parametrize("observation", ["compact", "full"])
def test_skus_in_one_batch_equal_batches_of_their_own(observation):
    shared = {"observation": observation, "store": {"holding_cost": 0.3}, "stores": 2}
    skus = [
        {"base_demand": 20.0, "demand_std": 8.0, "seasonality_period": 7.0},
        {"demand_model": "gamma", "warehouse": {"initial_on_hand": 90.0, "capacity": 900.0}},
        {"supplier": {"production_capacity": 400.0}, "store": {"excess_threshold": 9.0}},
    ]
    p, worlds = make(sku=skus, **shared), 6
    trace = draw_trace(p, np.random.default_rng(0), worlds)
    assert trace["sku"].tolist() == [0, 1, 2, 0, 1, 2]
    batch = SupplyChainBatch(p, worlds)
    actions = some_actions(batch, 1, p.horizon)
    together = play(batch, trace, actions)
    for k, sku in enumerate(skus):
        rows = slice(k, None, len(skus))
        mine = {name: trace[name][rows] for name in ("demand", "supplier_ok")}
        alone = play(SupplyChainBatch(make(sku=sku, **shared), 2), mine, actions[:, rows])
        for one, all_ in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one, all_[:, rows])


def test_skus_may_have_lead_times_of_their_own():
    skus = [{"store": {"lead_time": 0}}, {"store": {"lead_time": 5}, "supplier": {"lead_time": 12}}]
    p = make(sku=skus)
    trace = draw_trace(p, np.random.default_rng(0), 2)
    batch = SupplyChainBatch(p, 2)
    actions = some_actions(batch, 1, p.horizon)
    _, together = play(batch, trace, actions)
    for k, sku in enumerate(skus):
        mine = {name: trace[name][k] for name in ("demand", "supplier_ok")}
        _, alone = play(SupplyChainBatch(make(sku=sku), 1), mine, actions[:, [k]])
        np.testing.assert_array_equal(alone[:, 0], together[:, k])


def test_a_restored_state_gives_the_same_future():
    batch = SupplyChainBatch(make(horizon=9), 4, rng=np.random.default_rng(3))
    batch.reset()
    actions = some_actions(batch, 4, 20)
    for action in actions[:5]:
        batch.step(action)
    batch.change_parameters(make(horizon=6))
    check_same_future(batch, actions)


def test_parameters_change_with_the_next_episode():
    batch = SupplyChainBatch(make(horizon=3), 2)
    batch.reset()
    harder = make(horizon=5, warehouse={"initial_on_hand": 77.0}, store={"holding_cost": 9.0})
    batch.change_parameters(harder)
    actions = np.zeros((2, AGENTS), np.int64)
    ends = [batch.step(actions).truncated.all() for _ in range(3)]
    assert ends == [False, False, True]
    assert batch.hubs["on_hand"].tolist() == [5000, 5000]
    assert batch.reports()["store_1"]["holding_cost"].max() < 500 * 0.1
    batch.restart(np.arange(2))
    assert batch.hubs["on_hand"].tolist() == [77, 77]
    ends = [batch.step(actions).truncated.all() for _ in range(5)]
    assert ends == [False, False, False, False, True]
    for change in ({"stores": 4}, {"store": {"lead_time": 3}}, {"observation": "full"}):
        with pytest.raises(InputError, match="cannot change between the stages"):
            batch.change_parameters(make(**change))


def test_worlds_share_a_calendar():
    batch = SupplyChainBatch(make(horizon=1), 3)
    with pytest.raises(ValueError, match="all 3 worlds start together, not 2"):
        batch.restart(np.array([0, 2]))
    batch.reset()
    batch.step(np.zeros((3, AGENTS), np.int64))
    with pytest.raises(ValueError, match="the horizon of 1 days is over"):
        batch.step(np.zeros((3, AGENTS), np.int64))


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.full((2, AGENTS), -1), "world 0 cannot take actions"),
        (np.array([[0, 0, 0, 0, 2], [0, 0, 0, 0, 3]]), "world 1 cannot take actions"),
        (np.zeros((2, AGENTS - 1), int), r"actions have shape \(2, 4\), not \(2, 5\)"),
        (np.zeros((3, AGENTS), int), r"actions have shape \(3, 5\), not \(2, 5\)"),
        (np.full((2, AGENTS), 1.5), "actions are float64: must be whole numbers"),
    ],
)
def test_actions_that_cannot_be_taken_change_nothing(actions, message):
    batch = SupplyChainBatch(make(), 2)
    batch.reset()
    before = batch.get_state()
    with pytest.raises(ValueError, match=message):
        batch.step(actions)
    after = batch.get_state()
    for name in ("sites", "hubs", "inbound", "rewards"):
        np.testing.assert_array_equal(after[name], before[name])
    assert batch.day == 0


def test_a_state_with_arrays_of_another_shape_is_refused():
    batch = SupplyChainBatch(SupplyChainParameters(horizon=5), 4)
    state = batch.get_state()
    for name, values in (("inbound", np.zeros((4, 2))), ("lane_of", np.full(4, 9))):
        with pytest.raises(ValueError, match=name):
            batch.set_state({**state, name: values})
