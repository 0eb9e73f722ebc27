import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.env_checker import check_env as check_env_for_sb3

from benchmarks.plain_python import PlainCashEnv
from common.errors import InputError
from envs.cash.env import CashInventoryEnv, CashInventoryVectorEnv
from envs.problems import PROBLEMS
from wrappers.vec_env import BatchVecEnv

FACES = [{}, {"observe_step": True}, {"buy_lots": [1, 5, 20], "convert_lots": [1, 5, 10]}]


def replay_gymnasium(env, case):
    observation, _ = env.reset(options={"trace": case["trace"]})
    yield observation, 0.0, False, False
    for action in case["actions"]:
        observation, reward, terminated, truncated, _ = env.step(action)
        yield observation, reward, terminated, truncated


def replay_vector(case, mode):
    env = gymnasium.make_vec(
        "CashInventory-v0",
        num_envs=2,
        vectorization_mode="vector_entry_point",
        autoreset_mode=mode,
        **case["params"],
    )
    twice = {k: np.stack([v, v]) for k, v in case["trace"].items()}
    observation, _ = env.reset(options={"trace": twice})
    yield observation[1], 0.0, False, False
    for action in case["actions"]:
        observation, reward, terminated, truncated, infos = env.step(np.array([0, action]))
        ended = (terminated | truncated)[1]
        if mode is AutoresetMode.SAME_STEP and ended:
            observation = {1: infos["final_obs"][1]}
        yield observation[1], reward[1], terminated[1], truncated[1]


def replay_sb3(case):
    problem = PROBLEMS["cash"]
    env = BatchVecEnv(problem.make_batch(problem.parameters(**case["params"]), 2))
    env.set_options({"trace": {k: np.stack([v, v]) for k, v in case["trace"].items()}})
    yield env.reset()[1], 0.0, False, False
    for action in case["actions"]:
        observation, reward, done, infos = env.step(np.array([0, action]))
        truncated = infos[1].get("TimeLimit.truncated", False)
        last = infos[1]["terminal_observation"] if done[1] else observation[1]
        yield last, reward[1], done[1] and not truncated, truncated


REPLAYS = {
    "gymnasium": lambda case: replay_gymnasium(CashInventoryEnv(**case["params"]), case),
    "vector, next step": lambda case: replay_vector(case, AutoresetMode.NEXT_STEP),
    "vector, same step": lambda case: replay_vector(case, AutoresetMode.SAME_STEP),
    "sb3": replay_sb3,
}


@pytest.mark.parametrize("face", REPLAYS)
def test_golden_trajectory_through_every_face(face, cash_case):
    seen = list(REPLAYS[face](cash_case))
    observations, rewards, terminated, truncated = (list(part) for part in zip(*seen, strict=True))
    np.testing.assert_allclose(observations, cash_case["observations"], rtol=1e-6, atol=1e-5)
    exact = 1e-6 if face == "sb3" else 1e-9  # SB3 wants float32 rewards
    np.testing.assert_allclose(rewards[1:], cash_case["rewards"], rtol=exact, atol=exact)
    assert terminated[1:] == cash_case["terminated"]
    assert truncated[1:] == [
        t and not (face == "sb3" and e)
        for t, e in zip(cash_case["truncated"], cash_case["terminated"], strict=True)
    ]


def test_the_peer_of_the_benchmark_plays_the_same_game(cash_case):
    if "objective" in cash_case["params"]:
        pytest.skip("the peer knows single lots and shaped rewards only")
    seen = list(replay_gymnasium(PlainCashEnv(**cash_case["params"]), cash_case))
    np.testing.assert_allclose([s[1] for s in seen[1:]], cash_case["rewards"], rtol=1e-9)


@pytest.mark.parametrize("parameters", FACES)
def test_the_ecosystems_checkers_have_nothing_to_say(parameters):
    with warnings.catch_warnings():
        # the specification prescribes observations without an upper bound
        warnings.filterwarnings("ignore", message=".*maximum value is infinity")
        check_env(gymnasium.make("CashInventory-v0", **parameters).unwrapped)
    check_env_for_sb3(CashInventoryEnv(**parameters))


def test_five_lines_of_text():
    env = CashInventoryEnv(render_mode="ansi", price_std=0, demand_std=0, max_steps=3)
    env.reset(seed=0)
    for action in (1, 1, 2):
        env.step(action)
    assert env.render() == (
        "Step: 3\n"
        "Raw Inventory: 0.0\n"
        "Product Inventory Before Sale: 1.0, After Sale: 0.0\n"
        "Raw Price: 5.00, Product Price: 20.00\n"
        "Demand: 10.00, Cash: 1010.00"
    )


def test_human_mode_prints_every_step(capsys):
    env = CashInventoryEnv(render_mode="human")
    env.reset(seed=0)
    env.step(0)
    assert capsys.readouterr().out.count("Step: ") == 2


def test_masks_say_what_is_valid():
    env = CashInventoryEnv(buy_lots=[1, 500], price_std=0)
    env.reset(seed=0)
    assert env.action_masks().tolist() == [True, True, False, False]
    env.step(1)
    env.step(1)
    assert env.action_masks().tolist() == [True, True, False, True]
    *_, info = env.step(2)
    assert info["invalid_action"] is True


def test_info_of_a_step():
    env = CashInventoryEnv(price_std=0, demand_std=0)
    env.reset(seed=0)
    for action in (1, 1, 2):
        *_, info = env.step(action)
    assert info == {
        "sold_units": 1.0,
        "unmet_demand": 9.0,
        "revenue": 20.0,
        "holding_cost": 0.0,
        "invalid_action": False,
        "product_inventory_before_sale": 1.0,
        "product_inventory_after_sale": 0.0,
    }


def test_a_seed_gives_the_same_episode_again():
    env, other = CashInventoryEnv(), CashInventoryEnv()
    first = env.reset(seed=5)[0]
    np.testing.assert_array_equal(first, other.reset(seed=5)[0])
    assert not np.array_equal(first, env.reset()[0])


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_worlds_of_a_vector_start_anew_on_their_own(mode):
    """One world goes bankrupt early; the others are not disturbed."""
    env = CashInventoryVectorEnv(3, autoreset_mode=mode, initial_cash=12, max_steps=10)
    env.reset(seed=1)
    lengths, running = [], np.zeros(3, int)
    for _ in range(40):
        fresh = running == -1
        actions = np.where(np.arange(3) == 0, 1, 0)  # the first world buys until it is broke
        before = env.batch.state["step"].copy()
        _, reward, terminated, truncated, _ = env.step(actions)
        if mode is AutoresetMode.NEXT_STEP:
            assert (reward[fresh] == 0).all()
            assert (env.batch.state["step"][fresh] == 0).all()
        running = np.where(fresh, 0, before + 1)
        ended = terminated | truncated
        lengths += [(i, int(running[i])) for i in np.flatnonzero(ended)]
        running[ended] = -1 if mode is AutoresetMode.NEXT_STEP else 0
    assert {length for i, length in lengths if i > 0} == {10}
    assert {length for i, length in lengths if i == 0} <= {2, 3, 10}


def test_a_vector_steps_like_single_environments_do():
    """Gymnasium's own vector of single environments is the reference."""
    trace_of = CashInventoryVectorEnv(2).reset(seed=3)[1]
    ours = CashInventoryVectorEnv(1, max_steps=5)
    theirs = gymnasium.vector.SyncVectorEnv([lambda: CashInventoryEnv(max_steps=5)])
    ours.reset(seed=9)
    theirs.reset(seed=9)
    for action in np.random.default_rng(0).integers(0, 3, (17, 1)):
        one, two = ours.step(action), theirs.step(action)
        for a, b in zip(one[:4], two[:4], strict=True):
            np.testing.assert_array_equal(a, b)
        for name in trace_of:
            if not name.startswith("_"):
                np.testing.assert_array_equal(one[4][name], two[4][name])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CashInventoryEnv(holding_cost=-1), "holding_cost = -1"),
        (lambda: CashInventoryEnv(holding_cots=1), "did you mean 'holding_cost'"),
        (lambda: CashInventoryEnv(render_mode="rgb"), "unknown render_mode 'rgb'"),
        (lambda: CashInventoryEnv().reset(options={"tarce": 1}), "did you mean 'trace'"),
        (lambda: CashInventoryEnv().reset(options={"trace": {}}), "trace must have exactly"),
        (lambda: CashInventoryVectorEnv(0), "num_envs = 0"),
        (lambda: CashInventoryVectorEnv(2, autoreset_mode="Never"), "unknown autoreset_mode"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_picture_shows_the_episode_so_far():
    env = CashInventoryEnv(render_mode="rgb_array", max_steps=3)
    before = env.render()
    env.reset(seed=1)
    first = env.render()
    assert (before.shape, (before != first).any()) == (first.shape, True)
    assert (first.shape, first.dtype) == ((480, 640, 3), np.uint8)
    env.step(1)
    assert (env.render() != first).any()
    env.reset(seed=1)
    np.testing.assert_array_equal(env.render(), first)


def test_a_vector_shows_every_world_and_what_is_valid_there():
    env = CashInventoryVectorEnv(2, render_mode="ansi", price_std=0, max_steps=3)
    env.reset(seed=0)
    env.step(np.array([1, 0]))
    first, second = env.render()
    assert first.splitlines()[:2] == ["Step: 1", "Raw Inventory: 1.0"]
    assert second.splitlines()[:2] == ["Step: 1", "Raw Inventory: 0.0"]
    env.step(np.array([1, 1]))
    assert env.action_masks().tolist() == [[True, True, True], [True, True, False]]
    assert CashInventoryVectorEnv(2).render() is None


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.zeros(3, np.int64), r"actions have shape \(3,\), not \(2,\)"),
        (np.array([1.0, 0.5]), "actions are float64: must be whole numbers"),
        ([1, None], "actions are object: must be whole numbers"),
    ],
)
def test_a_vector_wants_a_whole_number_per_world(actions, message):
    env = CashInventoryVectorEnv(2)
    env.reset(seed=0)
    with pytest.raises(InputError, match=message):
        env.step(actions)
    assert env.batch.state["step"].tolist() == [0, 0]


def test_an_action_is_a_whole_number_also_in_an_array():
    env = CashInventoryEnv()
    env.reset(seed=0)
    assert env.step(np.array([1], np.int32))[0][0] == 1
    with pytest.raises(InputError, match="actions are float64: must be whole numbers"):
        env.step(1.5)
