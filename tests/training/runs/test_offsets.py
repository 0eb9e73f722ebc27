"""Stores that choose offsets to the level of a rule, from the command lines."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

import decide
import evaluate
import train
from agents.config import resolve
from baselines.rollout import run_episodes
from baselines.rules.reference import reference_team
from common.errors import InputError
from envs.supply_chain.env import SupplyChainEnv
from training import load
from training.learners.build import build_learners
from wrappers.vec_env import batch_of

DAYS = np.arange("2020-01-01", "2021-04-01", dtype="datetime64[D]")
SPLIT = "2021-01-01"
SETS = ("store.action=offset", "offset.rule=newsvendor_smoothing", "horizon=10")
SETS += ("evaluation.episodes=10", "evaluation.every=800", "evaluation.pictures=0")
OWN = {"ppo": ("n_steps=10", "batch_size=40"), "dqn": ("learning_starts=100",)}


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    week = np.array([20, 10, 15, 20, 25, 40, 10])[np.arange(DAYS.size) % 7]
    demand = np.random.default_rng(0).poisson(week[:, None] * np.array([1, 3]))
    rows = [f"{day},{a},{b}" for day, (a, b) in zip(DAYS, demand, strict=True)]
    path = tmp_path_factory.mktemp("data") / "sales.csv"
    path.write_text("\n".join(["date,north,south", *rows]))
    return path


def trained(run_command, sales, algo, *more, steps=800):
    sets = [part for one in (*SETS, *OWN[algo], *more) for part in ("--set", one)]
    return run_command(
        *(train.main, "--algo", algo, "--demand", sales, "--split", SPLIT, "--run-dir", "run"),
        *("--timesteps", steps, "--n-envs", 8, "--quiet", *sets),
    )


@pytest.mark.parametrize("algo", ["ppo", "dqn"])
def test_agents_learn_offsets_and_keep_their_rule(run_command, sales, algo):
    done = trained(run_command, sales, algo)
    assert done.status == 0, done.stderr
    config = yaml.safe_load(Path("run/config.yaml").read_text())
    assert config["offset"] == {"rule": "newsvendor_smoothing", "values": {}, "in_units": False}
    options = ("--episodes", 10, "--json", "--baselines", "newsvendor_smoothing")
    evaluated = run_command(evaluate.main, "--checkpoint", "run", *options)
    assert evaluated.status == 0, evaluated.stderr
    assert set(json.loads(evaluated.stdout)["policies"]) >= {"agent", "newsvendor_smoothing"}
    Path("stock.csv").write_text("store,on_hand,due_1\nnorth,40,0\nsouth,90,5\n")
    options = ("--state", "stock.csv", "--baseline", "newsvendor_smoothing", "--allow")
    decided = run_command(decide.main, "--checkpoint", "run", *options, "--json")
    assert decided.status == 0, decided.stderr
    assert len(json.loads(decided.stdout)) == 2
    longer = run_command(train.main, "--resume", "run", "--timesteps", 960, "--quiet")
    assert longer.status == 0, longer.stderr


@pytest.mark.parametrize("policy", ["shared", "joint", "independent"])
@pytest.mark.parametrize(
    "limits",
    [
        (),
        ("store.review_days=[mon,thu]", "store.order_multiple=12", "store.shelf_capacity=300"),
        ("offset.in_units=true",),
    ],
)
def test_an_offset_of_zero_is_the_rule_itself(sales, policy, limits):
    if "offset.in_units=true" in limits and policy != "shared":
        pytest.skip("one policy for all stores")
    flags = {"algo": "ppo", "demand": sales, "split": SPLIT, "policy": policy}
    run = resolve(flags, assignments=(*SETS, *OWN["ppo"], *limits))
    learners = build_learners(run)
    for learner in learners.learners:
        actions = learner.model.policy.action_net
        actions.weight.data.zero_()
        actions.bias.data.copy_(
            actions.bias.new_tensor([-9, -9, -9, -9, 9, -9, -9, -9, -9] * (len(actions.bias) // 9))
        )
    trace = run.problem.traces(run.parameters, "evaluation", 0, 12)
    earned = []
    rule = learners.learners[0].policy.rule
    for who in (learners.policy, reference_team(store=rule)):
        batch = run.problem.make_batch(run.parameters, 12, split="evaluation")
        who.bind(batch)
        earned.append(run_episodes(batch, who, trace)["return"])
    assert np.array_equal(*earned)


def rows_of(sales, settings):
    """Return the worlds that a run of these settings learns in, on their first day."""
    run = resolve({"algo": "ppo", "demand": sales, "split": SPLIT}, assignments=settings)
    rows = batch_of(build_learners(run).learners[0].env)
    rows.reset()
    return rows


def test_offsets_move_what_is_ordered_by_days_of_recent_demand(sales):
    rows = rows_of(sales, SETS)
    asked = [rows.offsets.actions(np.full(rows.chain.sites.shape, k)) for k in range(9)]
    grid = rows.chain.store_orders()
    orders = [np.take_along_axis(grid, a[..., None], axis=2)[..., 0] for a in asked]
    assert (np.diff(orders, axis=0) >= 0).all()
    assert np.mean(orders[-1] - orders[0]) > 0.5 * rows.chain.past.recent(0, 28)[0].mean()


def test_offsets_in_units_order_what_they_want_in_whole_units(sales):
    rows = rows_of(sales, (*SETS, "offset.in_units=true"))
    wanted = rows.offsets.rule.wanted(rows.chain)
    rows.step(np.full(rows.num_worlds, 4))  # no offset
    np.testing.assert_array_equal(rows.chain.sites["order"], np.maximum(np.floor(wanted + 0.5), 0))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("offset.rule=newsvendor_smoothin", "did you mean 'newsvendor_smoothing'?"),
        ("store.offsets=[-1,1]", "0 (the rule itself) must be among them"),
        ("store.offsets=[1,0]", "must rise"),
        ("reward.calibration=newsvendor", "the stores choose offsets; take random"),
        ("offset.values={cover: 2}", "newsvendor_smoothing has no parameters"),
        ("offset.in_units=maybe", "offset.in_units"),
    ],
)
def test_what_is_wrong_is_one_line(run_command, sales, setting, message):
    done = trained(run_command, sales, "ppo", setting)
    assert (done.status, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr
    assert not Path("run").exists()


def test_offsets_need_a_file_and_environments_take_quantities(run_command):
    options = ("--algo", "ppo", "--problem", "stores", "--set", "store.action=offset")
    done = run_command(train.main, *options)
    assert (done.status, done.stderr.count("\n")) == (2, 1)
    assert "demand of a file; name one with --demand" in done.stderr
    with pytest.raises(InputError, match="an environment takes quantities"):
        SupplyChainEnv(store={"action": "offset"})


def test_gamma_follows_the_lead_time_where_a_recipe_says_so(sales):
    for algo in ("ppo", "dqn"):
        gammas = [
            resolve(
                {"algo": algo, "demand": sales, "split": SPLIT},
                assignments=(f"store.lead_time={days}", *more),
            ).hyperparameters.gamma
            for days, more in ((0, ()), (2, ()), (7, ()), (7, ("gamma=0.5",)))
        ]
        assert gammas == [0.8, 0.8, 0.97, 0.5]
    with pytest.raises(InputError, match="is for the stores"):
        resolve({"algo": "ppo"}, assignments=("gamma=by_lead_time",))


def test_a_loaded_policy_needs_the_worlds_that_its_rule_reads(run_command, sales):
    assert trained(run_command, sales, "ppo").status == 0
    policy = load("run")
    assert policy.config.parameters.store.action == "offset"
    env = SupplyChainEnv(**policy.env_kwargs)
    seen, _ = env.reset(seed=0)
    stores = {name: row for name, row in seen.items() if name.startswith("store")}
    with pytest.raises(InputError, match=r"call bind\(env\)"):
        policy.predict(stores)
    policy.bind(env)
    actions, _ = policy.predict(seen)
    assert all(env.action_space(name).contains(action) for name, action in actions.items())
