"""Models as policies: what several threads ask of one."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sb3_contrib.common.maskable.distributions import MaskableCategoricalDistribution
from stable_baselines3.common.distributions import CategoricalDistribution

from agents.config import resolve
from agents.sb3_policy import AgentPolicy
from training.learners.build import build_learners


@pytest.mark.parametrize(
    ("algo", "law"),
    [("ppo", CategoricalDistribution), ("maskable_ppo", MaskableCategoricalDistribution)],
)
def test_threads_that_ask_one_model_at_once_get_their_own_answers(algo, law, monkeypatch):
    run = resolve({"algo": algo}, assignments=("n_envs=8", "initial_order=none"))
    (learner,) = build_learners(run).learners
    with torch.no_grad():
        learner.model.policy.action_net.weight.normal_()  # so that actions differ
    policy = AgentPolicy(learner.model, learner.env, masks=algo == "maskable_ppo")
    batch = run.problem.make_batch(run.parameters, 64, observe_step=run.settings.observation.step)
    rows = np.random.default_rng(0).uniform(0, 1, (2, 64, batch.observation_size)) * 1000
    rows = rows.astype(np.float32)

    def ask(seen):
        own = copy.copy(policy)
        own.bind(batch)
        return own.predict(seen, None, None)[0]

    wanted = [ask(seen) for seen in rows]
    assert (wanted[0] != wanted[1]).any()
    mode, together = law.mode, threading.Barrier(2, timeout=60)

    def after_both(self):
        together.wait()  # both threads have told the model their observations by now
        return mode(self)

    monkeypatch.setattr(law, "mode", after_both)
    with ThreadPoolExecutor(2) as pool:
        np.testing.assert_array_equal(list(pool.map(ask, rows)), wanted)
