"""Learning under all limits of a store's orders, as a user types it."""

import json

import pytest

import evaluate
import train

LIMITS = {
    "review_days": "[mon,thu]",
    "order_multiple": 12,
    "minimum_order": 24,
    "shelf_capacity": 600,
}
SMALL = ("horizon=10", "evaluation.episodes=10", "evaluation.pictures=0")
OWN = {"ppo": ("n_steps=10", "batch_size=40", "n_epochs=2"), "dqn": ("learning_starts=100",)}


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_agents_learn_and_are_held_against_rules_with_all_limits_on(run_command, algo):
    given = [f"store.{name}={value}" for name, value in LIMITS.items()]
    sets = [part for one in (*given, *SMALL, *OWN[algo]) for part in ("--set", one)]
    flags = ("--stores", 1, "--algo", algo, "--timesteps", 2000, "--n-envs", 24)
    done = run_command(train.main, *flags, *sets, "--run-dir", "run")
    assert done.status == 0, done.stderr
    evaluated = run_command(
        *(evaluate.main, "--checkpoint", "run", "--episodes", 10, "--json"),
        *("--baselines", "reference_rules,newsvendor"),
    )
    assert evaluated.status == 0, evaluated.stderr
    policies = json.loads(evaluated.stdout)["policies"]
    assert set(policies) >= {"agent", "reference_rules", "newsvendor"}


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("review_days=[mon,fry]", "check 'fry'"),
        ("review_days=[]", "must name at least one weekday"),
        ("order_multiple=-2", "order_multiple = -2: input should be greater than 0"),
        ("shelf_capacity=.nan", "shelf_capacity = nan: input should be greater than 0"),
    ],
)
def test_wrong_limits_are_one_line(run_command, limit, message):
    done = run_command(
        train.main, "--problem", "stores", "--algo", "ppo", "--set", f"store.{limit}"
    )
    assert done.status == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
