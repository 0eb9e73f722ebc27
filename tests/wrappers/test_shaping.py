"""Advice of a rule in the rewards of training."""

from pathlib import Path

import numpy as np
import pytest
import yaml

import train
from agents.config import resolve
from agents.run_folder import read_versions
from baselines.multi_agent import TeamPolicy
from baselines.rules.perishable import CountingWaste
from baselines.rules.reference import reference_rules
from baselines.rules.stock_rule import StockLevels
from commands import textbook
from common.errors import InputError
from envs.supply_chain.batch import SupplyChainBatch
from wrappers.shaping import RuleShaping
from wrappers.single_agent import ControlledAgents
from wrappers.vec_env import BatchVecEnv

BREAD = textbook.path_of("perishable_m2_exp2")
GAMMA, WEIGHT = 0.9, 2.0
RULE = CountingWaste(StockLevels(9))


def stores(stores=1, horizon=6, worlds=3, **options):
    sites = [{"demand_multiplier": 1, "initial_on_hand": 2 * i} for i in range(stores)]
    sets = [f"stores={sites}", f"horizon={horizon}", "warmup_days=0"]
    p = resolve({}, config=BREAD, assignments=tuple(sets)).parameters
    chain = SupplyChainBatch(p, worlds)
    return BatchVecEnv(ControlledAgents(chain, "store", TeamPolicy(reference_rules()), **options))


def played(env, choose, steps):
    """Return rewards, shape (steps, rows), of actions that `choose` gives of a day's number."""
    env.seed(3)
    env.reset()
    return np.array([env.step(choose(day))[1] for day in range(steps)])


@pytest.mark.parametrize("count", [1, 3])
def test_advice_adds_up_to_the_last_potential_alone(count):
    plain = stores(count)
    shaped = RuleShaping(stores(count), RULE, WEIGHT, GAMMA)
    rows = plain.num_envs
    actions = np.random.default_rng(0).integers(0, 11, (5, rows))
    given = played(shaped, lambda day: actions[day], 5) - played(plain, lambda day: actions[day], 5)
    discounts = GAMMA ** np.arange(5.0)[:, None]
    total = (discounts * given).sum(axis=0)
    np.testing.assert_allclose(total, GAMMA**4 * shaped.potential, atol=1e-4)
    assert (shaped.potential < 0.0).any()


def test_nothing_is_said_to_who_orders_as_the_rule_does():
    shaped, plain = RuleShaping(stores(2), RULE, WEIGHT, GAMMA), stores(2)
    both = []
    for env in (shaped, plain):
        rule = CountingWaste(StockLevels(9))
        rule.bind(env.batch.chain)
        both.append(played(env, lambda _, rule=rule: rule.actions(), 14))  # over two ends
    np.testing.assert_array_equal(*both)


def test_an_order_costs_what_it_is_away_from_the_rules():
    env, plain = RuleShaping(stores(), StockLevels(7), WEIGHT, GAMMA), stores()
    fives = np.full(3, 5)  # the rule orders 7 into an empty store
    given = played(env, lambda _: fives, 1) - played(plain, lambda _: fives, 1)
    np.testing.assert_allclose(given, -WEIGHT * 2.0, atol=1e-5)


def test_the_potential_ends_with_the_episode():
    env = RuleShaping(stores(horizon=2), RULE, WEIGHT, GAMMA)
    played(env, lambda _: np.full(3, 10), 2)
    np.testing.assert_array_equal(env.potential, np.zeros(3))


def test_rows_that_decide_for_several_stores_are_refused():
    with pytest.raises(InputError, match="--policy shared"):
        RuleShaping(stores(2, layout="joint"), RULE, WEIGHT, GAMMA)


SETS = (
    *("horizon=30", "warmup_days=0", "evaluation.pictures=0", "evaluation.episodes=5"),
    *("evaluation.every=400", "curriculum.stages=[]", "reward.shaping.rule=tuned_level"),
    *("reward.shift=0", "reward.scale=1", "n_steps=20", "batch_size=80", "net_arch=[8]"),
    *("learning_rate_final=2e-3", "ent_coef_final=0.02"),  # the same, however long a run is
)


def learn(run_command, folder, steps, *more):
    sets = [part for one in (*SETS, *more) for part in ("--set", one)]
    return run_command(
        *(train.main, "--config", BREAD, "--run-dir", folder, "--timesteps", steps),
        *("--algo", "ppo", "--n-envs", 8, "--quiet", *sets),
    )


def test_a_run_keeps_its_rule_and_goes_on_to_the_same_weights(run_command):
    done = learn(run_command, "whole", 800)
    assert done.status == 0, done.stderr
    shaping = yaml.safe_load(Path("whole/config.yaml").read_text())["reward"]["shaping"]
    assert shaping["rule"] == "tuned_level"
    assert 4.0 <= shaping["values"]["level"] <= 15.0
    level = f"reward.shaping.values={{level: {shaping['values']['level']}}}"
    assert learn(run_command, "parts", 400, level).status == 0
    longer = run_command(train.main, "--resume", "parts", "--timesteps", 800, "--quiet")
    assert longer.status == 0, longer.stderr
    plain = learn(run_command, "plain", 800, "reward.shaping.rule=none")
    assert plain.status == 0, plain.stderr
    weights = [read_versions(Path(name))["weights"] for name in ("whole", "parts", "plain")]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("reward.shaping.rule=tuned_lefel", "tuned_level"),
        ("reward.shaping.values={level: -3}", "no tuning of tuned_level"),
        ("reward.shaping.weight=0", "weight"),
        ("gamma=0", "gamma must be above 0"),
        ("team.learn=warehouse", "is for stores"),
    ],
)
def test_what_cannot_advise_is_refused_in_one_line(run_command, more, message):
    done = learn(run_command, "run", 800, more)
    assert done.status == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not Path("run").exists()


def test_deep_controlled_learning_takes_no_advice():
    with pytest.raises(InputError, match="learns from roll-outs"):
        resolve({"algo": "dcl"}, config=BREAD, assignments=("reward.shaping.rule=tuned_level",))
