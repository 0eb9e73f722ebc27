"""Labels, sequential halving and the fit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy

from agents.dcl.fit import FitSettings, InputMap, fit_actor, fit_critic
from agents.dcl.halving import Race
from agents.dcl.labels import Labels, anchored, cautious, imitation, joined


def some_labels(count=400, seed=0):
    rng = np.random.default_rng(seed)
    seen = rng.normal(size=(count, 3)).astype(np.float32) * [1.0, 20.0, 0.0] + [0.0, 5.0, 3.0]
    best = (seen[:, 0] > 0).astype(int) + (seen[:, 1] > 15.0)
    losses = np.abs(np.arange(3) - best[:, None]).astype(float)
    values = seen[:, 1] * 2.0 - 30.0
    ones = np.ones(count)
    return Labels(seen.astype(np.float32), losses, ones, values, ones > 0, 10)


def network(seed=0):
    torch.manual_seed(seed)
    return ActorCriticPolicy(
        spaces.Box(-np.inf, np.inf, (3,)), spaces.Discrete(3), lambda _: 1e-3, net_arch=[32, 32]
    )


def test_targets_follow_the_losses():
    labels = some_labels()
    targets = labels.targets(0.5)
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(targets.argmax(axis=1), labels.best)
    assert labels.temperature(0.5) == 0.5


def test_only_ties_leave_a_temperature_that_can_be_divided_by():
    labels = imitation(some_labels(), np.zeros(400, np.int64))
    assert labels.temperature(0.75) == 1.0
    np.testing.assert_array_equal(labels.targets(0.75)[:, 0], 1.0)


def test_parts_are_joined_in_their_order():
    one, two = some_labels(5, 1), some_labels(7, 2)
    both = joined([one, two])
    np.testing.assert_array_equal(both.values, [*one.values, *two.values])
    assert both.steps == 20


def test_little_gain_changes_no_mind():
    losses = np.array([[0.0, 1.0], [0.1, 0.0], [9.0, 0.0], [9.0, 0.0], [10.0, 0.0]])
    ones = np.ones(5)
    labels = Labels(np.zeros((5, 1), np.float32), losses, ones, ones, ones > 0, 0)
    unsure = np.array([False, False, False, True, False])
    kept = cautious(labels, np.zeros(5, np.int64), unsure)
    np.testing.assert_array_equal(kept.best, [0, 0, 1, 0, 1])


def test_states_without_roll_outs_hold_a_network_where_it_is():
    labels = replace(some_labels(5), familiar=(np.ones((20, 3), np.float32), np.full(20, 2)))
    own = imitation(labels, np.zeros(5, np.int64))
    assert own.best.tolist() == [0] * 5 + [2] * 20
    np.testing.assert_array_equal(own.weights, 1.0)
    held = anchored(labels)
    np.testing.assert_array_equal(held.losses[:5], labels.losses)
    assert held.weights[5:].sum() < held.weights[:5].sum()
    assert held.familiar is None


def test_a_race_drops_what_is_surely_worse_and_keeps_so_many():
    rng = np.random.default_rng(0)
    race = Race(np.ones((1, 4), np.bool_), 3.0)
    means = np.array([0.0, -0.01, -0.02, -5.0])
    race.add(np.array([0]), means[:, None] + 0.1 * rng.normal(size=(1, 4, 32)), 2)
    assert not race.alive[0, 3]
    assert race.worse[0].tolist() == [False, False, False, True]
    assert race.alive.sum() == 2
    assert race.undecided[0]
    losses = race.losses()
    assert losses.min() == 0.0
    assert losses[0, 3] == pytest.approx(5.0, abs=0.2)


@pytest.mark.parametrize(("paths", "sure"), [(1, False), (2, True)])
def test_a_single_path_makes_nobody_sure(paths, sure):
    race = Race(np.ones((1, 2), np.bool_), 3.0)
    race.add(np.array([0]), np.repeat([[[0.0], [-1.0]]], paths, axis=2), 2)
    assert race.certain.tolist() == [sure]


def test_a_fitted_network_does_without_the_map_what_it_did_behind_it():
    labels, policy = some_labels(), network()
    fitted = fit_actor(policy, labels, FitSettings(400, 128, 1e-2, 0.5), 3, fresh=True)
    assert fitted.accuracy > 0.97
    chosen, _ = policy.predict(labels.observations, deterministic=True)
    assert (chosen == labels.best).mean() == pytest.approx(fitted.accuracy)
    weights = policy.mlp_extractor.policy_net[0].weight.detach().numpy()
    np.testing.assert_array_equal(weights[:, 2], 0.0)  # the third column tells nothing


def test_going_on_begins_with_the_policy_as_it_is():
    labels, policy = some_labels(), network()
    fit_actor(policy, labels, FitSettings(300, 128, 1e-2, 0.5), 3, fresh=True)
    before = policy.predict(labels.observations, deterministic=True)[0]
    fit_actor(policy, labels, FitSettings(1, 128, 1e-9, 0.5), 3, fresh=False)
    after = policy.predict(labels.observations, deterministic=True)[0]
    assert (before == after).mean() > 0.99


def test_the_value_head_learns_the_values():
    labels, policy = some_labels(), network()
    assert fit_critic(policy, labels, FitSettings(1600, 128, 1e-2, 1.0), 3) > 0.95
    with torch.no_grad():
        values = policy.predict_values(torch.as_tensor(labels.observations)).numpy()[:, 0]
    assert np.corrcoef(values, labels.values)[0, 1] > 0.97
    assert values.mean() == pytest.approx(labels.values.mean(), abs=5.0)


def test_running_sums_are_columns_of_the_map():
    seen = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    ones = np.ones(50)
    labels = Labels(seen, np.zeros((50, 2)), ones, ones, ones > 0, 0, sums=(0, 2), unseen=(1,))
    mapped = InputMap(labels)(seen)
    assert mapped.shape == (50, 4)
    np.testing.assert_allclose(mapped[:, 1], 0.0, atol=1e-6)
    total = seen[:, 0] + seen[:, 2]
    np.testing.assert_allclose(mapped[:, 3], (total - total.mean()) / total.std(), atol=1e-4)
