import gymnasium
import numpy as np
import pytest
from stable_baselines3.common.env_checker import check_env

import envs  # registers the environments
from common.errors import InputError
from envs.problems import PROBLEMS
from wrappers.gymnasium_env import ScaleObservation, ScaleReward, StepNumber
from wrappers.make_vec_env import make_vec_env

assert envs


def make(**options):
    return gymnasium.make("CashInventory-v0", max_steps=4, **options)


def test_the_step_is_what_the_environment_itself_would_append():
    ours, own = StepNumber(make()), make(observe_step=True)
    a, _ = ours.reset(seed=1)
    b, _ = own.reset(seed=1)
    np.testing.assert_array_equal(a, b)
    for _ in range(4):
        a, b = ours.step(1)[0], own.step(1)[0]
        np.testing.assert_array_equal(a, b)
    assert a[-1] == 1
    assert ours.reset()[0][-1] == 0


@pytest.mark.parametrize("order", ["step last", "step first"])
def test_the_fixed_scale_is_that_of_the_recipes(order):
    raw, _ = make().reset(seed=1)
    first = order == "step first"
    env = ScaleObservation(StepNumber(make())) if first else StepNumber(ScaleObservation(make()))
    seen, _ = env.reset(seed=1)
    expected = raw / np.array(PROBLEMS["cash"].observation_scale, np.float32)
    np.testing.assert_allclose(seen, [*expected, 0], rtol=1e-6)


def test_rewards_are_shifted_then_scaled():
    plain, ours = make(), ScaleReward(make(), shift=45, scale=0.04)
    plain.reset(seed=1)
    ours.reset(seed=1)
    assert ours.step(0)[1] == pytest.approx((plain.step(0)[1] + 45) * 0.04)


def test_sb3_finds_nothing_wrong_with_the_wrapped_environment():
    check_env(ScaleReward(StepNumber(ScaleObservation(make())), 45, 0.04))


def test_gymnasium_makes_the_wrapped_environment_anew():
    env = ScaleReward(StepNumber(ScaleObservation(make(), [1, 2, 3, 4, 5, 6]), 8), 45, scale=0.04)
    twin = gymnasium.make(env.spec)
    for one, other in zip(env.reset(seed=1), twin.reset(seed=1), strict=True):
        np.testing.assert_array_equal(one, other)
    ours, theirs = env.step(0), twin.step(0)
    np.testing.assert_array_equal(ours[0], theirs[0])
    assert ours[1] == theirs[1]


@pytest.mark.parametrize(
    ("wrap", "message"),
    [
        (lambda: ScaleObservation(make(), [1, 2]), "has 2 entries, the observation has 6"),
        (lambda: ScaleObservation(make(), [1, 2, 3, 4, 0, 6]), "every entry must be positive"),
        (
            lambda: StepNumber(gymnasium.make("FrozenLake-v1")),
            "takes observations that are a vector",
        ),
        (lambda: make_vec_env("cash", 0), "num_worlds = 0: must be at least 1"),
        (lambda: make_vec_env("cash", 1, learn="store"), "has no meaning for cash"),
        (lambda: make_vec_env("stores", 1, learn="shop"), "unknown learn 'shop'"),
        (lambda: make_vec_env("stores", 1, layout="both"), "unknown layout 'both'; allowed: flat"),
        (
            lambda: make_vec_env("stores", 1, store={"action": "offset"}),
            "an environment takes quantities",
        ),
        (lambda: make_vec_env("cash", 1, max_steps=0), "max_steps"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(wrap, message):
    with pytest.raises(InputError, match=message) as error:
        wrap()
    assert "\n" not in str(error.value)


def test_a_batch_of_stores_is_an_environment_per_store():
    env = make_vec_env("stores", 2, stores=3, observation="full")
    assert (env.num_envs, env.reset().shape[0]) == (6, 6)
    assert make_vec_env("stores", 2, learn="warehouse").num_envs == 2
    env.seed(3)
    again = make_vec_env("stores", 2, stores=3, observation="full")
    again.seed(3)
    np.testing.assert_array_equal(env.reset(), again.reset())
