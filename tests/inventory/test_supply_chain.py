import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.batch import random_actions, random_stream
from inventory.errors import InputError, validated
from inventory.supply_chain import SupplyChainBatch, check_trace, draw_trace
from inventory.supply_chain_parameters import SupplyChainParameters

AGENTS = 5


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


@pytest.mark.parametrize("lead_time", [0, 1, 2, 5])
def test_an_order_of_a_store_arrives_after_its_lead_time(lead_time):
    batch = one_world(store={"lead_time": lead_time, "order_units": [0, 10]})
    batch.step(np.array([[1, 0, 0]]))
    for morning in range(1, 8):
        arrived = 10.0 if morning >= lead_time else 0.0
        assert batch.sites["on_hand"][0, 0] == arrived
        assert batch.pipelines.sum() == 10.0 - arrived
        batch.step(np.array([[0, 0, 0]]))


@pytest.mark.parametrize(
    ("decision", "works", "shipped", "late"),
    [(0, True, 100, 0), (1, True, 80, 0), (2, True, 100, 1), (0, False, 0, 0), (2, False, 0, 1)],
)
@pytest.mark.parametrize("lead_time", [2, 4, 7])
def test_an_order_of_the_warehouse(lead_time, decision, works, shipped, late):
    """Placed on day 0, decided on day 1 by the supplier's luck of day 0."""
    luck = np.ones(20, bool)
    luck[0] = works
    batch = one_world(
        works=luck,
        supplier={"lead_time": lead_time},
        warehouse={"initial_on_hand": 0, "order_units": [0, 100]},
    )
    batch.step(np.array([[0, 1, 1 - works]]))  # nothing is on the desk to decide about
    assert batch.reports()["supplier"]["fulfillment_rate"].item() == 1.0
    batch.step(np.array([[0, 0, decision]]))
    report = batch.reports()["supplier"]
    assert report["fulfillment_rate"].item() == shipped / 100
    assert report["delay_penalty"].item() == late
    assert batch.rewards[0, -1] == 2 * shipped / 100 - late
    for morning in range(2, 12):
        arrived = shipped if morning >= lead_time + late else 0.0
        assert batch.hubs["on_hand"][0] == arrived
        batch.step(np.array([[0, 0, 0]]))


def test_a_supplier_ships_no_more_than_its_capacity():
    batch = one_world(
        supplier={"lead_time": 2, "production_capacity": 85.0},
        warehouse={"initial_on_hand": 0, "order_units": [0, 100]},
    )
    for decision in (0, 0, 1):
        batch.step(np.array([[0, 1, decision]]))
    assert batch.hubs["on_hand"][0] + batch.inbound.sum() == 85.0 + 80.0


def test_a_short_warehouse_cuts_all_claims_by_the_same_fraction():
    batch = one_world(
        stores=2,
        store={"lead_time": 1, "order_units": [0, 40, 80]},
        warehouse={"initial_on_hand": 60, "order_units": [0, 30]},
        supplier={"lead_time": 2},
    )
    start = batch.sites["on_hand"][0].copy()
    batch.step(np.array([[1, 2, 1, 0]]))
    assert (batch.sites["on_hand"][0] - start).tolist() == [20, 40]
    assert batch.sites["backorders"][0].tolist() == [20, 40]
    batch.step(np.array([[0, 0, 0, 0]]))
    assert batch.hubs["on_hand"][0] == 30
    batch.step(np.array([[2, 0, 0, 0]]))  # claims are now 20 + 80 and 40
    assert batch.sites["backorders"][0] == pytest.approx(
        [100 * (1 - 30 / 140), 40 * (1 - 30 / 140)]
    )
    assert batch.hubs["on_hand"][0] == 0


def test_forecast_of_the_last_days():
    demand = np.arange(1.0, 13.0)[:, None] ** 2
    batch = one_world(demand, horizon=12, forecast_window=3)
    assert batch.sites["forecast"][0, 0] == 50.0
    assert batch.sites["forecast_std"][0, 0] == 10.0
    for day in range(12):
        batch.step(np.zeros((1, 3), np.int64))
        seen = demand[max(0, day - 2) : day + 1, 0]
        assert batch.sites["forecast"][0, 0] == pytest.approx(seen.mean())
        deviation = seen.std() if len(seen) > 1 else 10.0
        assert batch.sites["forecast_std"][0, 0] == pytest.approx(deviation)


def test_the_full_observation_by_its_names():
    """In days of mean demand: 50 and 150 units, and 200 for the warehouse."""
    batch = one_world(
        np.full((8, 2), 25.0),
        horizon=8,
        stores=[
            {"demand_multiplier": 1.0, "initial_on_hand": 100.0},
            {"demand_multiplier": 3.0, "initial_on_hand": 0.0},
        ],
        observation="full",
        store={"order_units": [0, 75.0]},
        warehouse={"initial_on_hand": 90.0, "order_units": [0, 400.0]},
        supplier={"lead_time": 3},
        sku={"seasonality_period": 4.0},
    )
    batch.step(np.array([[1, 1, 1, 0]]))  # 45 of 75 units are shipped to either
    tiers, names = batch.by_tier(batch.observation()), batch.observation_names
    one, two = (dict(zip(names["store"], row, strict=True)) for row in tiers["store"][0])
    assert one == pytest.approx(
        {
            "on_hand": 75 / 50,
            "pipeline_1": 45 / 50,
            "pipeline_2": 0,
            "backorders": 30 / 50,
            "forecast": 25 / 50,
            "demand_std observed": 10 / 50,  # of one day there is no deviation
            "demand_std": 10 / 50,
            "season sine": 1,
            "season cosine": 0,
            "warehouse on_hand": 0,
        },
        abs=1e-6,
    )
    assert two["pipeline_1"] == pytest.approx(45 / 150)
    assert two["on_hand"] == 0
    warehouse = dict(zip(names["warehouse"], tiers["warehouse"][0], strict=True))
    assert warehouse == pytest.approx(
        {
            "on_hand": 0,
            **{f"inbound_{k}": 0 for k in (1, 2, 3)},
            "order on desk": 400 / 200,
            "stores' inventory position": (75 + 45 + 30 + 0 + 45 + 30) / 200,
            "backorders": 60 / 200,
            "demand": 50 / 200,
            "forecast": 50 / 200,
            "service_level": 0.5,
            "season sine": 1,
            "season cosine": 0,
        },
        abs=1e-6,
    )
    batch.step(np.array([[0, 0, 0, 2]]))  # a day late: in the second morning from now
    tiers = batch.by_tier(batch.observation())
    warehouse = dict(zip(names["warehouse"], tiers["warehouse"][0], strict=True))
    assert [warehouse[f"inbound_{k}"] for k in (1, 2, 3)] == [0, 2, 0]
    assert tiers["supplier"][0].tolist() == pytest.approx([0, 1, 0.3, 0, 2])


def test_reports_match_rewards_and_totals():
    p = make(warmup_days=4, horizon=25, warehouse={"initial_on_hand": 400.0})
    batch = SupplyChainBatch(p, 7, rng=np.random.default_rng(0))
    batch.reset()
    sums = dict.fromkeys(["units_sold", "unmet_demand", "holding_cost", "warehouse_return"], 0.0)
    returns = np.zeros((7, AGENTS))
    for day, actions in enumerate(some_actions(batch, 3, 25)):
        rewards = batch.step(actions).reward
        returns += rewards
        reports = batch.reports()
        stores = [reports[f"store_{i + 1}"] for i in range(3)]
        if day < 4:
            assert (rewards == 0).all()
            continue
        for i, r in enumerate(stores):
            reward = 10 * r["service_level"] - 0.1 * r["holding_cost"]
            reward -= 5 * r["stockout_penalty"] + 0.05 * r["excess_inventory"]
            np.testing.assert_allclose(rewards[:, i], reward)
        sums["units_sold"] += sum(r["sales"] for r in stores)
        sums["unmet_demand"] += sum(r["lost_sales"] for r in stores)
        sums["holding_cost"] += sum(r["holding_cost"] for r in stores) / 3
        sums["warehouse_return"] += rewards[:, 3]
    totals = batch.episode_totals()
    for name, expected in sums.items():
        np.testing.assert_allclose(totals[name], expected, err_msg=name)
    np.testing.assert_allclose(totals["return"], returns[:, :3].mean(axis=1))
    np.testing.assert_allclose(totals["system_return"], returns.sum(axis=1))
    assert (totals["length"] == 25).all()


def test_cost_is_the_money_spent():
    batch = SupplyChainBatch(make(objective="cost"), 5, rng=np.random.default_rng(0))
    batch.reset()
    for actions in some_actions(batch, 0, 30):
        rewards, reports = batch.step(actions).reward, batch.reports()
        store = reports["store_2"]
        spent = store["holding_cost"] + store["stockout_penalty"]
        np.testing.assert_allclose(rewards[:, 1], -spent)
        np.testing.assert_allclose(rewards[:, 3], -reports["warehouse"]["holding_cost"])
        assert (rewards[:, 4] == 0).all()


def test_state_put_back_gives_the_same_future():
    batch = SupplyChainBatch(make(horizon=9), 4, rng=np.random.default_rng(3))
    batch.reset()
    actions = some_actions(batch, 4, 20)

    def future():
        seen = []
        for action in actions:
            outcome = batch.step(action)
            if outcome.truncated.all():
                batch.restart(np.arange(4))
            seen.append((outcome.reward, batch.observation()))
        return seen

    for action in actions[:5]:
        batch.step(action)
    batch.change_parameters(make(horizon=6))
    state = batch.get_state()
    first = future()
    batch.set_state(state)
    for one, other in zip(first, future(), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize("model", ["normal", "poisson", "negative_binomial", "gamma"])
def test_a_seed_gives_the_same_trace_whatever_is_done(model):
    p = make(sku={"demand_model": model}, horizon=10)
    one, two = draw_trace(p, random_stream(5, "training"), 4), SupplyChainBatch(p, 4)
    two.rng = random_stream(5, "training")
    two.reset()
    other = draw_trace(p, random_stream(6, "training"), 4)
    assert (one["demand"] != other["demand"]).any()
    shown = [step_all(two, 3) for _ in range(10)]
    np.testing.assert_array_equal(np.stack(shown, axis=1), one["demand"])
    state = two.rng.bit_generator.state["state"]
    idle = SupplyChainBatch(p, 4, rng=random_stream(5, "training"))
    idle.reset()
    for _ in range(10):
        step_all(idle, 0)
    np.testing.assert_array_equal(state["state"], idle.rng.bit_generator.state["state"]["state"])


def step_all(batch, action):
    """Let every agent take the same action as far as it can; return the demand of the day."""
    batch.step(np.minimum(action, np.array(batch.num_actions) - 1) + np.zeros((4, 1), np.int64))
    return batch.sites["demand"].copy()


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
    ("change", "message"),
    [
        ({"demand": np.zeros((29, 3))}, r"'demand' has shape \(29, 3\), not \(30, 3\)"),
        ({"demand": 3.0}, r"'demand' has shape \(\), not"),
        ({"demand": None}, r"'demand' has shape \(\), not"),
        ({"demand": [[1.0], [1.0, 2.0]]}, "must hold arrays of numbers"),
        ({"demand": np.full((30, 3), -1.0)}, "'demand' must be finite and at least 0.0"),
        ({"demand": np.full((30, 3), np.nan)}, "'demand' must be finite and at least 0.0"),
        ({"supplier_ok": np.ones(31)}, r"'supplier_ok' has shape \(31,\), not \(30,\)"),
        ({"supplier_ok": np.full(30, 0.5)}, "'supplier_ok' must hold true and false"),
        ({"supplier_ok": ["yes"] * 30}, "'supplier_ok' must hold true and false"),
        ({"sku": 1}, "'sku' must hold indices from 0 to 0"),
        ({"weather": 1.0}, "check 'weather'"),
    ],
)
def test_a_trace_that_does_not_fit_is_refused(change, message):
    trace = {"demand": np.ones((30, 3)), "supplier_ok": np.ones(30, bool), **change}
    with pytest.raises(InputError, match=message) as refused:
        SupplyChainBatch(make(), 1).reset(trace)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("trace", [None, [], {}])
def test_a_trace_is_a_mapping_of_its_parts(trace):
    with pytest.raises(InputError, match=r"^trace must "):
        check_trace(trace, make())


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.full((2, AGENTS), -1), "world 0 cannot take actions"),
        (np.array([[0, 0, 0, 0, 2], [0, 0, 0, 0, 3]]), "world 1 cannot take actions"),
        (np.zeros((2, AGENTS - 1), int), r"actions have shape \(2, 4\), not \(2, 5\)"),
        (np.zeros((3, AGENTS), int), r"actions have shape \(3, 5\), not \(2, 5\)"),
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


def test_a_given_trace_is_never_written_to():
    p = make(horizon=3)
    trace = draw_trace(p, np.random.default_rng(0), 4)
    kept = {name: values.copy() for name, values in trace.items()}
    batch = SupplyChainBatch(p, 4)
    batch.reset(trace)
    batch.restart(np.arange(4))
    for name, values in trace.items():
        np.testing.assert_array_equal(values, kept[name])


def test_more_than_memory_holds_is_refused():
    with pytest.raises(InputError, match="too many to hold at once"):
        draw_trace(make(horizon=100_000), np.random.default_rng(0), 1000)


def test_a_state_with_arrays_of_another_shape_is_refused():
    batch = SupplyChainBatch(SupplyChainParameters(horizon=5), 4)
    state = batch.get_state()
    for name, values in (("inbound", np.zeros((4, 2))), ("lane_of", np.full(4, 9))):
        with pytest.raises(ValueError, match=name):
            batch.set_state({**state, name: values})
