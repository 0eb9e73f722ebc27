"""The algorithm: as users of SB3 and of this project expect it."""

import csv

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from agents.config import resolve
from agents.dcl.algorithm import DCL, _delay
from agents.dcl.starting_rule import best_starting_rule, candidates
from agents.players import learning_batch
from agents.run_folder import read_config, read_versions
from agents.weights import weights_hash
from baselines.rules.cash import BuyBuyConvert
from baselines.rules.reference import reference_team
from commands import textbook
from common.errors import InputError
from envs.cash.batch import CashBatch
from envs.cash.parameters import CashParameters
from envs.problems import PROBLEMS
from training.evaluator import Evaluator
from training.learners.load import load_agent
from training.resume import resume
from training.trainer import train
from wrappers.vec_env import BatchVecEnv

SMALL = {"n_states": 60, "paths": (4, 8), "keep": (3, 2), "fit_steps": 40, "batch_size": 32}
FAST = (
    *("n_states=60", "timesteps=180", "fit_steps=40", "batch_size=32", "net_arch=[8,8]"),
    *("paths=[4,8]", "keep=[3,2]", "evaluation.every=60", "evaluation.episodes=5"),
)


def cash_env(**changes):
    parameters = CashParameters(max_steps=10)
    return BatchVecEnv(CashBatch(parameters, 4, expected_reward=True, observe_step=True), **changes)


def small(env=None, **changes):
    own = {**SMALL, "seed": 1, "device": "cpu", **changes}
    return DCL("MlpPolicy", env or cash_env(), **own)


def stores_run(*more, **flags):
    own = ("horizon=6", "n_envs=4", "evaluation.pictures=0")
    return resolve({"algo": "dcl", "problem": "stores", **flags}, assignments=(*FAST, *own, *more))


class Counted(BaseCallback):
    def __init__(self, most=100):
        super().__init__()
        self.most, self.seen = most, []

    def _on_step(self):
        self.seen.append((self.num_timesteps, len(self.locals["rollout_buffer"].rewards)))
        return len(self.seen) < self.most


def test_learning_calls_back_once_a_generation_and_stops_when_told_to():
    counted = Counted(2)
    model = small(rule=BuyBuyConvert).learn(600, callback=counted)
    assert counted.seen == [(60, 60), (120, 60)]
    assert model.num_timesteps == 120


def test_what_is_saved_opens_as_ppo_and_as_dcl(tmp_path):
    model = small(rule=BuyBuyConvert).learn(120)
    model.save(tmp_path / "model.zip")
    seen = cash_env().reset()
    wanted = model.predict(seen, deterministic=True)[0]
    for kind in (PPO, DCL):
        again = kind.load(tmp_path / "model.zip", device="cpu")
        np.testing.assert_array_equal(again.predict(seen, deterministic=True)[0], wanted)
        assert weights_hash(again) == weights_hash(model)


def test_generation_0_does_what_the_rule_does():
    rule = BuyBuyConvert(stop_before_end=2)
    model = small(rule=lambda: rule, n_states=600, fit_steps=600).learn(600)
    batch = cash_env().batch
    batch.reset()
    rule.bind(batch)
    same = []
    for _ in range(10):
        wanted = rule.actions()
        same.append(model.predict(batch.observation(), deterministic=True)[0] == wanted)
        batch.step(wanted)
    assert np.mean(same) > 0.99


def test_the_network_as_it_is_may_be_where_learning_begins():
    model = small().learn(120)
    assert model.num_timesteps == 120


@pytest.mark.parametrize("rule", [None, BuyBuyConvert])
def test_the_same_seed_gives_the_same_weights_with_any_number_of_threads(rule):
    hashes = [weights_hash(small(rule=rule, workers=n).learn(180)) for n in (1, 1, 2)]
    assert len(set(hashes)) == 1
    assert weights_hash(small(rule=rule, seed=2).learn(180)) != hashes[0]


def changed_minds(least_gain):
    """Return in how many states labels of a chain's stores differ from what the rule does."""
    run = stores_run("hyperparameters.rollout_horizon=2", "parameters.sku.demand_std=40")
    batch = learning_batch(run, "store", None, 4, expected_reward=True)
    model = DCL(
        "MlpPolicy", BatchVecEnv(batch), n_states=60, paths=(16,), keep=(2,), least_gain=least_gain
    )
    labels, own = model._make_labeller().label(model.policy, reference_team(), 3)
    return int((labels.best != own).sum())


def test_small_gains_change_a_label_only_where_labels_are_taken_as_they_are():
    assert changed_minds(None) > changed_minds(0.02)


def test_roll_outs_wait_until_an_order_has_arrived():
    for more, wanted in (
        ((), 2),
        (("parameters.store.lead_time=5",), 5),
        (("parameters.store.review_days=[mon]",), 8),
    ):
        assert _delay(learning_batch(stores_run(*more), "store", None, 1)) == wanted
    assert _delay(learning_batch(stores_run(learn="warehouse"), "warehouse", None, 1)) == 7
    assert _delay(cash_env().batch) == 0


def test_rounds_need_as_many_numbers_to_keep():
    with pytest.raises(InputError, match="as many numbers"):
        small(paths=(4,), keep=(2, 2))


def cash_run(*more):
    own = ("n_states=600", "timesteps=1200", "max_steps=10", "evaluation.every=600")
    return resolve({"algo": "dcl"}, assignments=(*FAST, *own, *more))


def test_a_run_tells_how_the_rule_does_that_it_begins_with(tmp_path):
    folder = train(cash_run("fit_steps=1500"), tmp_path / "run").folder
    told = read_versions(folder)["starting_rule"]
    rows = list(csv.DictReader((folder / "progress.csv").read_text().splitlines()))
    by = {row["dcl/generation"]: float(row["dcl/return"]) for row in rows if row["dcl/generation"]}
    assert by[str(told["kept_generation"])] == max(by.values())
    assert {float(row["dcl/rule_return"]) for row in rows if row["dcl/return"]} == {
        told["rule_return"]
    }
    assert told["kept_minus_rule"] == pytest.approx(max(by.values()) - told["rule_return"])
    config = read_config(folder)
    rule = best_starting_rule(config.problem, config.parameters)
    assert told["rule"] == repr(rule)
    assert Evaluator(config).score(rule).value == told["rule_return"]


def test_a_network_that_is_worse_than_the_rule_says_so(tmp_path):
    trained = train(cash_run("fit_steps=1", "evaluation.episodes=50"), tmp_path / "run")
    assert not read_versions(trained.folder)["starting_rule"]["reaches_rule"]
    assert f"use it: python tune.py --checkpoint {trained.folder}" in trained.verdict


@pytest.mark.parametrize("learn", ["store", "warehouse", "supplier"])
def test_every_tier_of_the_supply_chain_learns(learn, tmp_path):
    trained = train(stores_run(learn=learn), tmp_path / "run")
    assert trained.steps == 180
    config, policy = load_agent(trained.folder, "best_model.zip")
    batch = config.problem.make_batch(config.parameters, 2, observe_step=True)
    batch.reset()
    policy.bind(batch)
    start = np.ones(2, np.bool_)
    assert policy.predict(batch.observation(), None, start)[0].shape == (2, 5)


def test_a_decision_for_all_stores_at_once_is_refused(tmp_path):
    with pytest.raises(InputError, match="use --policy shared"):
        train(stores_run(policy="joint"), tmp_path / "run")


def test_a_lost_sales_store_goes_on_to_the_same_bits(tmp_path):
    changes = (*FAST, "n_envs=1", "rollout_horizon=30", "checkpoint.every=60")
    path = textbook.path_of("lost_sales_p4_L1")
    run = resolve({"algo": "dcl", "seed": 3}, config=path, assignments=changes)
    whole = train(run, tmp_path / "whole")
    short = resolve(
        {"algo": "dcl", "seed": 3}, config=path, assignments=(*changes, "timesteps=120")
    )
    train(short, tmp_path / "parts")
    resume(tmp_path / "parts", timesteps=180)
    for name in ("model.zip", "best_model.zip"):
        one, two = (PPO.load(f / name, device="cpu") for f in (whole.folder, tmp_path / "parts"))
        assert weights_hash(one) == weights_hash(two)
    facts = [read_versions(f)["starting_rule"] for f in (whole.folder, tmp_path / "parts")]
    assert facts[0] == facts[1]


def test_learning_begins_with_the_best_of_the_tuned_rules():
    cash = CashParameters(max_steps=10)
    known = candidates(PROBLEMS["cash"], cash, "return")
    assert set(known) == {"tuned_cycle", "tuned_base_stock"}
    assert best_starting_rule(PROBLEMS["cash"], cash) is not None
    run, _ = textbook.load("lost_sales_p4_L2")
    assert set(candidates(run.problem, run.parameters, "return")) == {"tuned_capped_level"}
    run, _ = textbook.load("lost_sales_fixed_cost")
    names = set(candidates(run.problem, run.parameters, "return"))
    assert names == {"tuned_capped_level", "tuned_reorder_level"}
    supplier = candidates(PROBLEMS["stores"], stores_run().parameters, "supplier_return")
    assert supplier == {}
