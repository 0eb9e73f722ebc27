import datetime as dt
import warnings

import numpy as np
import pytest
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test
from pettingzoo.utils import parallel_to_aec

from common.errors import InputError
from envs.supply_chain.env import SupplyChainEnv
from envs.supply_chain.render import MOST_LINES, MOST_ROWS
from envs.supply_chain.reward import STORE_REPORT, SUPPLIER_REPORT, WAREHOUSE_REPORT

TWO_SKUS = {"sku": [{}, {"base_demand": 20.0, "supplier": {"lead_time": 3}}]}
UNLIMITED = {"warehouse": {"initial_on_hand": float("inf")}}
FACES = [{}, {"observation": "full"}, TWO_SKUS, {"stores": 1, "observe_step": True}, UNLIMITED]


def hold(env, **actions):
    """Return action 0 for every agent but those named."""
    return dict.fromkeys(env.possible_agents, 0) | actions


def random_episode(env, seed=0):
    """Play random actions to the end; return all that every step gave."""
    rng, seen = np.random.default_rng(seed), [env.reset(seed=seed)]
    while env.agents:
        actions = {a: int(rng.integers(env.action_space(a).n)) for a in env.agents}
        seen.append(env.step(actions))
    return seen


def test_golden_trajectory(chain_case):
    env = SupplyChainEnv(**chain_case["params"])
    observations, infos = env.reset(options={"trace": chain_case["trace"]})
    assert infos == {agent: {} for agent in env.agents}
    days = zip(
        chain_case["actions"], chain_case["rewards"], chain_case["observations"][1:], strict=True
    )
    for agent, expected in chain_case["observations"][0].items():
        np.testing.assert_allclose(observations[agent], expected, rtol=1e-6, atol=1e-6)
    for actions, rewards, expected in days:
        assert env.agents == env.possible_agents
        observations, got, terminated, truncated, _ = env.step(actions)
        assert got == pytest.approx(rewards, rel=1e-9, abs=1e-9)
        for agent in expected:
            assert observations[agent].dtype == np.float32
            np.testing.assert_allclose(observations[agent], expected[agent], rtol=1e-6, atol=1e-6)
        assert not any(terminated.values())
    assert all(truncated.values())
    assert env.agents == []


def test_golden_trajectory_as_the_second_of_two_skus(chain_case):
    """The neighbour has other demand and other actions; nothing of it is seen."""
    env = SupplyChainEnv(**chain_case["params"], sku=[{"base_demand": 80.0}, {}])
    trace = {name: np.array(values) for name, values in chain_case["trace"].items()}
    both = {
        "demand": np.stack([trace["demand"] * 1.7, trace["demand"]]),
        "supplier_ok": np.stack([~trace["supplier_ok"], trace["supplier_ok"]]),
    }
    env.reset(options={"trace": both})
    for actions, rewards in zip(chain_case["actions"], chain_case["rewards"], strict=True):
        other = {f"sku_1/{agent}": action // 2 for agent, action in actions.items()}
        mine = {f"sku_2/{agent}": action for agent, action in actions.items()}
        _, got, *_ = env.step(other | mine)
        seen = {agent: got[f"sku_2/{agent}"] for agent in rewards}
        assert seen == pytest.approx(rewards, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("parameters", FACES)
def test_pettingzoos_tests_of_the_parallel_interface(parameters):
    parallel_api_test(SupplyChainEnv(**parameters))
    parallel_seed_test(lambda: SupplyChainEnv(**parameters))


@pytest.mark.parametrize("parameters", FACES)
def test_pettingzoos_test_of_the_turn_based_interface(parameters):
    with warnings.catch_warnings():
        # stores, warehouse and supplier are different by the nature of the problem, the last two
        # are single, and stocks have no upper bound
        for message in (
            "We recommend agents to be named",
            "Agents have different observation space sizes",
            "Observations are different shapes",
            "Agent's maximum observation space value is infinity",
        ):
            warnings.filterwarnings("ignore", message=message)
        api_test(parallel_to_aec(SupplyChainEnv(**parameters)))


@pytest.mark.parametrize("parameters", FACES)
def test_observations_are_in_their_spaces(parameters):
    env = SupplyChainEnv(**parameters)
    for step in random_episode(env):
        for agent, observation in step[0].items():
            assert env.observation_space(agent).contains(observation), agent
            assert np.isfinite(observation).all()


def test_agents_and_spaces():
    env = SupplyChainEnv(store={"order_multiples": [0, 1]}, warehouse={"order_units": [0, 9, 99]})
    assert env.possible_agents == ["store_1", "store_2", "store_3", "warehouse", "supplier"]
    assert [env.action_space(a).n for a in env.possible_agents] == [2, 2, 2, 3, 3]
    sizes = [env.observation_space(a).shape for a in env.possible_agents]
    assert sizes == [(7,), (7,), (7,), (6,), (3,)]
    full = SupplyChainEnv(observation="full", observe_step=True)
    sizes = [full.observation_space(a).shape[0] for a in full.possible_agents[2:]]
    assert sizes == [8 + 2 + 1, 9 + 7 + 1, 5 + 1]
    several = SupplyChainEnv(stores=1, sku=[{}, {}])
    assert several.possible_agents == [
        *("sku_1/store_1", "sku_1/warehouse", "sku_1/supplier"),
        *("sku_2/store_1", "sku_2/warehouse", "sku_2/supplier"),
    ]


def test_share_of_time_is_the_last_thing_seen():
    env = SupplyChainEnv(horizon=4, observe_step=True)
    seen = [step[0] for step in random_episode(env)]
    for agent in env.possible_agents:
        assert [day[agent][-1] for day in seen] == [0, 0.25, 0.5, 0.75, 1]


def test_infos_are_the_reports_of_the_day():
    env = SupplyChainEnv(stores=[{"initial_on_hand": 700}, {"initial_on_hand": 30}], horizon=2)
    demand, works = [[100.0, 40.0], [0.0, 0.0]], [True, True]
    env.reset(options={"trace": {"demand": demand, "supplier_ok": works}})
    _, rewards, _, _, infos = env.step(hold(env))
    on_hand = 5000 * 2 / 3
    assert infos["store_1"] == dict(
        zip(STORE_REPORT, (100, 100, 0, 600, 1, 60, 0, 100), strict=True)
    )
    assert infos["store_2"] == dict(
        zip(STORE_REPORT, (40, 30, 10, 0, 0.75, 0, 100, 0), strict=True)
    )
    warehouse = dict(zip(WAREHOUSE_REPORT, (0.875, 0.05 * on_hand, 1, on_hand), strict=True))
    assert infos["warehouse"] == pytest.approx(warehouse)
    assert infos["supplier"] == dict(zip(SUPPLIER_REPORT, (1, 0), strict=True))
    assert {type(v) for report in infos.values() for v in report.values()} == {float}
    assert {type(reward) for reward in rewards.values()} == {float}
    assert rewards["store_1"] == pytest.approx(10 - 0.1 * 60 - 0.05 * 100)
    assert rewards["store_2"] == pytest.approx(7.5 - 5 * 100)
    assert rewards["warehouse"] == pytest.approx(5 * 0.875 - 0.05 * 0.05 * on_hand - 3)
    _, _, _, _, infos = env.step(hold(env))
    assert infos["store_2"]["service_level"] == 1.0  # nothing was asked for


def test_what_was_returned_stays_as_it_was():
    env = SupplyChainEnv()
    first, _ = env.reset(seed=0)
    kept = {agent: seen.copy() for agent, seen in first.items()}
    env.step(hold(env))
    for agent, seen in first.items():
        np.testing.assert_array_equal(seen, kept[agent])


def test_a_seed_gives_the_same_episode_again():
    env, other = SupplyChainEnv(), SupplyChainEnv()
    one, two = ([step[1] for step in random_episode(e, seed=5)[1:]] for e in (env, other))
    assert one == two
    env.reset()
    assert env.step(hold(env))[1] != one[0]


def test_an_order_without_lead_time_is_sold_the_same_day():
    env = SupplyChainEnv(
        stores=[{"initial_on_hand": 0}], store={"lead_time": 0, "order_units": [0, 40]}, horizon=1
    )
    env.reset(options={"trace": {"demand": [[50.0]], "supplier_ok": [True]}})
    _, _, _, _, infos = env.step(hold(env, store_1=1))
    assert infos["store_1"]["sales"] == 40
    assert infos["store_1"]["lost_sales"] == 10


def test_no_demand_at_all():
    env = SupplyChainEnv(horizon=12)
    nothing = {"demand": np.zeros((12, 3)), "supplier_ok": np.ones(12, bool)}
    env.reset(options={"trace": nothing})
    for _ in range(12):
        observations, rewards, _, _, infos = env.step(hold(env, store_1=2))
    assert infos["store_1"]["service_level"] == 1.0
    assert infos["store_1"]["on_hand"] == 500.0 + 50.0  # the mean is the forecast on day 0 only
    assert observations["store_2"][[1, 3]].tolist() == [0.0, 0.0]  # forecast and cover
    assert rewards["store_2"] == pytest.approx(10 - 0.1 * 60 - 0.05 * 100)
    assert all(np.isfinite(seen).all() for seen in observations.values())


def test_an_empty_warehouse_owes_what_it_cannot_ship():
    env = SupplyChainEnv(warehouse={"initial_on_hand": 0, "order_units": [0, 100]}, horizon=20)
    env.reset(seed=0)
    for _ in range(3):
        _, _, _, _, infos = env.step(hold(env, store_1=2))
    assert infos["warehouse"]["on_hand"] == 0.0
    assert env.batch.pipelines.sum() == 0.0
    owed = env.batch.sites["backorders"][0].copy()
    assert owed[0] > 100
    env.step(hold(env, warehouse=1))  # 100 units arrive on the seventh morning from now
    for _ in range(8):
        observations, *_ = env.step(hold(env))
    assert env.batch.sites["backorders"][0, 0] == pytest.approx(owed[0] - 100)
    assert observations["warehouse"][1] == 0.0


def test_a_warehouse_that_is_never_short():
    env = SupplyChainEnv(**UNLIMITED)
    for step in random_episode(env)[1:]:
        observations, rewards, _, _, infos = step
        assert infos["warehouse"]["on_hand"] == float("inf")
        assert infos["warehouse"]["holding_cost"] == 0.0
        assert np.isfinite(list(rewards.values())).all()
        assert observations["store_1"][5] == observations["warehouse"][1] == 1.0
    assert env.batch.sites["backorders"].sum() == 0.0


def test_a_table_of_the_day():
    env = SupplyChainEnv(stores=2, horizon=9, render_mode="ansi")
    demand = np.tile([30.0, 700.0], (9, 1))
    env.reset(options={"trace": {"demand": demand, "supplier_ok": np.ones(9, bool)}})
    env.step(hold(env, store_1=3, warehouse=1))
    assert env.render() == "\n".join(
        [
            "Day 1 of 9",
            "",
            "                on hand   pipeline backorders      order     demand      sales       "
            "lost     reward",
            "store_1           470.0       75.0        0.0       75.0       30.0       30.0        "
            "0.0        5.3",
            "store_2             0.0        0.0        0.0        0.0      700.0      600.0      "
            "100.0   -4,991.4",
            "warehouse       3,258.3        0.0        0.0      333.3    service 0.93, stores "
            "short: 1       -6.5",
            "supplier                   shipped 100% of the order, delayed: no; now on its desk: "
            "333.3        2.0",
        ]
    )


def test_a_table_of_many_stores_and_skus():
    env = SupplyChainEnv(stores=MOST_ROWS + 7, sku=[{}, {}], render_mode="ansi")
    env.reset(seed=0)
    table = env.render()
    assert isinstance(table, str)
    assert "\nsku_2\n" in table
    assert table.count("... and 7 more") == 2
    assert len(table.splitlines()) == 2 * (MOST_ROWS + 7) + 1


@pytest.mark.parametrize(
    "parameters",
    [{"stores": 1}, {"stores": MOST_LINES + 1}, TWO_SKUS, UNLIMITED],
)
def test_a_picture_of_the_days_so_far(parameters):
    env = SupplyChainEnv(**parameters, horizon=3, render_mode="rgb_array")
    env.reset(seed=0)
    env.step(hold(env))
    picture = env.render()
    assert picture.shape == (640, 1000, 3)
    assert picture.dtype == np.uint8
    env.close()


def test_pictures_change_with_the_days_and_leave_no_figures_behind():
    from matplotlib import pyplot

    env = SupplyChainEnv(render_mode="rgb_array", horizon=3)
    env.reset(seed=0)
    first = env.render()
    for _ in range(3):
        env.step(hold(env))
    assert (env.render() != first).any()
    env.reset(seed=0)
    np.testing.assert_array_equal(env.render(), first)
    assert pyplot.get_fignums() == []


def test_nothing_is_drawn_unless_asked_for():
    env = SupplyChainEnv()
    env.reset(seed=0)
    assert env.render() is None


def reset_with(env, **trace):
    demand, works = np.ones((30, 3)), np.ones(30, bool)
    return env.reset(options={"trace": {"demand": demand, "supplier_ok": works, **trace}})


def step_with(actions):
    env = SupplyChainEnv()
    env.reset(seed=0)
    env.step(hold(env) | actions)


def step_without(agent):
    env = SupplyChainEnv()
    env.reset(seed=0)
    env.step({name: 0 for name in env.agents if name != agent})


def step_after_the_end():
    env = SupplyChainEnv(horizon=1)
    env.reset(seed=0)
    for _ in range(2):
        env.step(hold(env))


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: SupplyChainEnv(store={"lead_time": -1}), "store.lead_time = -1"),
        (lambda: SupplyChainEnv(stors=4), "did you mean 'stores'"),
        (lambda: SupplyChainEnv(render_mode="human"), "unknown render_mode 'human'"),
        (lambda: SupplyChainEnv().reset(options={"tarce": 1}), "did you mean 'trace'"),
        (lambda: SupplyChainEnv().reset(options={"trace": 1}), "trace must be a mapping"),
        (lambda: reset_with(SupplyChainEnv(), demand=np.ones((30, 2))), r"shape \(30, 2\), not"),
        (lambda: reset_with(SupplyChainEnv(**TWO_SKUS)), "trace holds 1 episodes, not 2"),
        (
            lambda: SupplyChainEnv(**TWO_SKUS).reset(options={"trace": {"sku": [1, 0]}}),
            r"trace 'sku' must be \[0, 1\]",
        ),
        (lambda: SupplyChainEnv().action_space("shop_1"), "unknown agent 'shop_1'"),
        (lambda: SupplyChainEnv().observation_space("store_4"), "unknown agent 'store_4'"),
        (lambda: step_with({"store_9": 0}), "unknown agent 'store_9'"),
        (lambda: step_with({"store_1": 4}), "store_1 = 4: must be a whole number from 0 to 3"),
        (lambda: step_with({"supplier": 0.5}), "supplier = 0.5: must be a whole number"),
        (lambda: step_with({"warehouse": None}), "warehouse = None: must be a whole number"),
        (lambda: step_without("warehouse"), "no action for agent 'warehouse'"),
        (lambda: SupplyChainEnv().step({}), "no episode is running: call reset first"),
        (step_after_the_end, "no episode is running: call reset first"),
    ],
)
def test_bad_arguments_are_named_in_one_line(act, message):
    with pytest.raises(InputError, match=message) as refused:
        act()
    assert "\n" not in str(refused.value)


def test_held_back_days_of_a_file_are_paid_in_full(tmp_path):
    rows = [f"{np.datetime64('2022-01-01') + i},{20 + i % 7}" for i in range(300)]
    (tmp_path / "sales.csv").write_text("\n".join(["date,a", *rows]) + "\n")
    source = {"file": tmp_path / "sales.csv"}
    given = {"stores": 1, "sku": [{"demand_model": "empirical"}], "demand_data": source}
    env = SupplyChainEnv(split="evaluation", objective="cost", warmup_days=0, **given)
    env.reset(seed=0)
    start = int(env.batch._start[0]) - dt.date(2022, 1, 1).toordinal()
    assert start in env.parameters.played_days("evaluation")
    _, rewards, _, _, infos = env.step(hold(env))
    assert infos["store_1"]["demand"] == 20 + start % 7
    assert rewards["store_1"] == pytest.approx(-infos["store_1"]["holding_cost"], rel=1e-9)
    with pytest.raises(InputError, match="unknown split 'test'; allowed: evaluation, training"):
        SupplyChainEnv(split="test")
