"""Deep controlled learning of offsets to a rule: labels on redrawn days, evidence, the network."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import evaluate
import train
from agents.config import resolve
from agents.dcl.offset_fit import (
    OffsetFitSettings,
    evidence,
    fit_offsets,
    folds_of,
    follow_rule,
    follows_rule,
)
from agents.dcl.offset_rollouts import OffsetLabeller, OffsetLabels, OffsetSearch
from agents.players import learning_batch
from envs.batch import Futures
from training.learners.build import build_learners

OFFSETS = (-1.2, -0.9, -0.6, -0.3, 0.0, 0.3, 0.6, 0.9, 1.2)
SETTINGS = OffsetFitSettings(steps=60, batch_size=64, learning_rate=1e-2)
BAKERY = Path(__file__).parents[3] / "data" / "bakery_3stores.csv"
SETS = ("offset.rule=newsvendor_smoothing", "n_states=60", "paths=[2]", "fit_steps=20")
SETS += ("evaluation.episodes=10", "evaluation.every=60", "evaluation.pictures=0", "horizon=10")


def run_of(*more):
    flags = {"algo": "dcl", "demand": BAKERY, "split": "2017-01-01"}
    return resolve(flags, assignments=(*SETS, *more))


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    return learning_batch(run_of(), "store", None, 12, rng=rng, expected_reward=True)


def artificial(rows: int, worth: float, seed: int = 0) -> OffsetLabels:
    """Return labels whose best offset is -0.6 or 0.6 by the first entry, or 0, under noise."""
    rng = np.random.default_rng(seed)
    seen = rng.normal(size=(rows, 3)).astype(np.float32)
    best = np.where(seen[:, 0] > 0, 0.6, -0.6)
    costs = worth * (np.abs(np.array(OFFSETS) - best[:, None]) - 0.6)
    costs += (1.0 if worth == 0 else 0.0) * np.abs(np.array(OFFSETS))
    costs += rng.normal(size=(rows, 1)) * np.array(OFFSETS)
    blocks = np.sort(rng.integers(0, 20, rows))
    return OffsetLabels(seen, costs, np.zeros(rows), blocks, (2,), 0)


def test_copies_meet_days_drawn_anew_after_the_same_past(batch):
    batch.reset()
    for _ in range(3):
        batch.step(np.full(batch.num_worlds, 4))
    rows = np.array([0, 0, 0, 3])
    futures = Futures(np.random.default_rng(1), np.array([0, 0, 1, 2]))
    copies = batch.fork(rows, futures).batch.chain
    known = copies._known
    np.testing.assert_array_equal(known[: 28 + 3, 0], batch.chain._known[: 28 + 3, 0])
    np.testing.assert_array_equal(known[:, 0], known[:, 1])
    assert (known[28 + 3 :, 0] != known[28 + 3 :, 2]).any()
    np.testing.assert_array_equal(known[28 + 3 :, 0], copies._demand[3:, 0])
    assert batch.memoryless
    with pytest.raises(ValueError, match="of the same day"):
        batch.fork(np.array([0, 3]), Futures(np.random.default_rng(1), np.array([0, 0])))


def test_labels_are_the_same_for_any_number_of_threads_and_zero_for_the_rule(batch):
    found = [
        OffsetLabeller(batch, OffsetSearch(60, 2, 0.3, workers), lambda seen: seen).label(None, 5)
        for workers in (1, 2)
    ]
    np.testing.assert_array_equal(found[0].costs, found[1].costs)
    assert (found[0].costs[:, OFFSETS.index(0.0)] == 0.0).all()
    assert found[0].costs.shape == (len(found[0].blocks), len(OFFSETS))
    assert (found[0].costs != 0.0).any()


def test_real_days_are_those_of_the_file(batch):
    found = OffsetLabeller(batch, OffsetSearch(60, 2, 0.3, 1), lambda seen: seen).on_real_days()
    first, again = (found.label(None, 5) for _ in range(2))
    np.testing.assert_array_equal(first.costs, again.costs)
    chain = found._batch.chain
    assert not chain.memoryless
    chain.reset()
    history = chain.parameters.history
    day = int(chain._start[0]) - history.table.first_day.toordinal()
    np.testing.assert_array_equal(chain._demand[:, 0], history.training[day : day + 10, 0])


def test_stores_behind_a_short_warehouse_are_tried_one_by_one():
    rows = learning_batch(
        run_of("warehouse.initial_on_hand=2000"), "store", None, 6, expected_reward=True
    )
    labels = OffsetLabeller(rows, OffsetSearch(30, 1, 0.3, 1), lambda seen: seen).label(None, 5)
    assert len(labels.costs) == 30
    assert (labels.costs[:, OFFSETS.index(0.0)] == 0.0).all()


def test_evidence_tells_savings_from_noise():
    parts = artificial(800, 2.0), artificial(400, 2.0, 1)
    clear = evidence(*parts, OFFSETS, 8, SETTINGS, 0, 2.0)
    assert clear.used
    assert clear.saved > 0.2
    noise = evidence(artificial(800, 2.0), artificial(400, 0.0), OFFSETS, 8, SETTINGS, 0, 2.0)
    assert not noise.used
    assert noise.sentence.endswith("the policy is exactly the rule")


@pytest.mark.parametrize("blocks", [1, 2])
def test_a_history_of_few_blocks_gives_no_evidence(blocks):
    labels = artificial(80, 2.0)
    short = replace(labels, blocks=np.arange(80) % blocks)
    assert not evidence(short, short, OFFSETS, 8, SETTINGS, 0, 2.0).used


def test_what_is_held_out_are_whole_blocks_of_the_calendar():
    blocks = np.repeat(np.arange(13), 7)
    folds = folds_of(blocks, 0)
    assert all(len(set(folds[blocks == block])) == 1 for block in range(13))
    assert set(folds) == set(range(5))


def test_the_network_that_is_fitted_is_the_actor_that_is_saved():
    learner = build_learners(run_of()).learners[0]
    policy = learner.model.policy
    size = policy.observation_space.shape[0]
    labels = artificial(600, 2.0)
    rng = np.random.default_rng(0)
    more = rng.normal(size=(600, size - 3)).astype(np.float32)
    labels = replace(labels, observations=np.hstack([labels.observations, more]))
    net = fit_offsets(labels, OFFSETS, 16, SETTINGS, 0, folds_of(labels.blocks, 0) == 0)
    net.write_to(policy)
    actions, _ = policy.predict(labels.observations, deterministic=True)
    assert len(set(actions)) > 3
    assert (actions == net.chosen(labels.observations)).mean() > 0.995  # but for rounding
    assert not follows_rule(policy)
    follow_rule(policy, OFFSETS)
    assert follows_rule(policy)
    actions, _ = policy.predict(labels.observations, deterministic=True)
    assert set(actions) == {OFFSETS.index(0.0)}
    assert torch.isfinite(policy.action_net.bias).all()


@pytest.mark.parametrize(("least", "used"), [(1000, False), (-1000, None)])
def test_dcl_on_a_file_says_whether_it_uses_offsets(run_command, least, used):
    sets = [part for one in (*SETS, f"least_evidence={least}") for part in ("--set", one)]
    done = run_command(
        *(train.main, "--algo", "dcl", "--demand", BAKERY, "--split", "2017-01-01"),
        *("--timesteps", 180, "--run-dir", "run", "--quiet", *sets),
    )
    assert done.status == 0, done.stderr
    facts = json.loads(Path("run/versions.json").read_text())
    if used is None:
        used = facts["offsets"]["saved"] > 0
    assert facts["offsets"]["used"] is used
    said = "the policy is exactly the rule"
    assert (said in done.stderr + done.stdout) is not used
    options = ("--episodes", 20, "--json", "--baselines", "newsvendor_smoothing")
    evaluated = run_command(evaluate.main, "--checkpoint", "run", *options)
    assert evaluated.status == 0, evaluated.stderr
    if used:
        return
    assert "exactly the rule" in evaluated.stderr
    policies = json.loads(evaluated.stdout)["policies"]
    own, rule = (policies[name]["return_mean"] for name in ("agent", "newsvendor_smoothing"))
    assert own == rule
