import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecNormalize

from baselines.rules.cash import BuyBuyConvert
from common.errors import InputError
from envs.cash.batch import CashBatch
from envs.cash.parameters import CashParameters
from envs.problems import PROBLEMS
from wrappers.curriculum import CurriculumCallback, Stage
from wrappers.normalize import (
    FixedNormalization,
    FixedRewardScale,
    encode,
    load_running_statistics,
    running_statistics,
)
from wrappers.replay_buffer import StandardizedReplayBuffer
from wrappers.vec_env import BatchVecEnv

SCALE = PROBLEMS["cash"].observation_scale


def vec_env(n=4, **parameters):
    return BatchVecEnv(CashBatch(CashParameters(**parameters), n))


def test_ended_worlds_report_and_start_anew():
    env = vec_env(3, max_steps=2)
    env.seed(7)
    env.reset()
    env.step(np.zeros(3, int))
    observation, reward, done, infos = env.step(np.zeros(3, int))
    assert reward.dtype == np.float32
    assert done.all()
    assert (observation[:, 5] == 1000).all()
    for i, info in enumerate(infos):
        assert info["TimeLimit.truncated"] is True
        assert info["episode"]["l"] == 2
        assert info["episode"]["r"] == pytest.approx(env.finished["return"][i])
        assert info["terminal_observation"][4] != observation[i, 4]


def test_bankruptcy_is_no_time_limit():
    env = vec_env(1, initial_cash=10, price_std=0, max_steps=2)
    env.reset()
    env.step(np.array([1]))
    *_, done, infos = env.step(np.array([1]))  # the last step, and the last money
    assert done.all()
    assert infos[0]["TimeLimit.truncated"] is False


def test_an_agent_that_observes_the_step_is_not_told_of_a_time_limit():
    batch = CashBatch(CashParameters(max_steps=1), 2, observe_step=True)
    env = BatchVecEnv(batch, bootstrap_time_limit=False)
    env.reset()
    *_, infos = env.step(np.zeros(2, int))
    assert not infos[0]["TimeLimit.truncated"]
    assert infos[0]["terminal_observation"][6] == 1


def test_seeds_repeat_and_differ():
    env = vec_env(2)
    env.seed(1)
    first = env.reset()
    env.seed(1)
    np.testing.assert_array_equal(first, env.reset())
    env.seed(2)
    assert not np.array_equal(first, env.reset())


def test_sb3s_evaluate_policy_plays_a_baseline():
    env = vec_env(4)
    env.seed(0)
    rule = BuyBuyConvert()
    rule.bind(env.batch)
    returns, lengths = evaluate_policy(rule, env, 40, return_episode_rewards=True)
    assert set(lengths) == {50}
    assert np.mean(returns) == pytest.approx(-1945, abs=70)


def test_a_frozen_encoding_equals_what_training_saw():
    """`encode` repeats every layer, for observations of the present and of ended episodes."""
    env = FixedNormalization(vec_env(3, max_steps=2), SCALE)
    env = VecNormalize(FixedRewardScale(env, 40, 0.05), norm_reward=False)
    seen = env.reset()
    raw = env.unwrapped.batch.observation()
    np.testing.assert_allclose(encode(env, raw), seen, rtol=1e-6)
    env.step(np.zeros(3, int))
    env.training = False
    batch = env.unwrapped.batch
    last = {}
    original = batch.restart
    batch.restart = lambda worlds: (last.update(raw=batch.observation()), original(worlds))
    *_, infos = env.step(np.zeros(3, int))
    expected = encode(env, last["raw"])
    for i in range(3):
        np.testing.assert_allclose(infos[i]["terminal_observation"], expected[i], rtol=1e-6)


def test_rewards_are_shifted_and_scaled_but_not_the_totals():
    plain, scaled = vec_env(1, max_steps=1), FixedRewardScale(vec_env(1, max_steps=1), 40, 0.05)
    for env in (plain, scaled):
        env.seed(0)
        env.reset()
    one, two = plain.step(np.array([0])), scaled.step(np.array([0]))
    assert two[1][0] == pytest.approx((one[1][0] + 40) * 0.05)
    assert two[3][0]["episode"]["r"] == one[3][0]["episode"]["r"]


def test_running_statistics_travel():
    env = VecNormalize(vec_env(8))
    env.reset()
    for _ in range(60):
        env.step(np.zeros(8, int))
    other = VecNormalize(vec_env(1))
    load_running_statistics(other, running_statistics(env), "file")
    raw = env.unwrapped.batch.observation()
    np.testing.assert_array_equal(encode(env, raw), encode(other, raw))
    frozen = other.obs_rms.mean.copy()
    other.reset()
    other.step(np.array([0]))
    np.testing.assert_array_equal(other.obs_rms.mean, frozen)


def test_a_scale_of_the_wrong_length_is_refused():
    with pytest.raises(InputError, match=r"observation\.scale has 2 entries"):
        FixedNormalization(vec_env(1), (1.0, 2.0))


def test_rewards_are_standardised_within_each_minibatch():
    env = vec_env(1)
    buffer = StandardizedReplayBuffer(100, env.observation_space, env.action_space)
    observation = env.reset()
    for k in range(100):
        buffer.add(observation, observation, np.array([0]), np.array([k]), np.array([False]), [{}])
    sample = buffer.sample(64)
    assert sample.rewards.mean().item() == pytest.approx(0, abs=1e-6)
    assert sample.rewards.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert buffer.rewards.max() == 99


class Lengths(BaseCallback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def _on_step(self):
        self.seen += self.training_env.unwrapped.finished.get("length", np.empty(0)).tolist()
        return True


@pytest.mark.parametrize(("unit", "start"), [("episodes", 6), ("steps", 12)])
def test_stages_come_by_episodes_or_steps(unit, start):
    stages = [Stage(0, CashParameters(max_steps=2)), Stage(start, CashParameters(max_steps=4))]
    curriculum, lengths = CurriculumCallback(stages, unit), Lengths()
    model = PPO(
        "MlpPolicy", vec_env(2, max_steps=2), n_steps=10, batch_size=20, n_epochs=1, device="cpu"
    )
    logger = Logger(None, [])
    model.set_logger(logger)
    model.learn(60, callback=[curriculum, lengths])
    assert lengths.seen[:6] == [2.0] * 6
    assert set(lengths.seen[6:]) == {4.0}
    assert curriculum.stage == 1
    assert curriculum.episodes == len(lengths.seen)
