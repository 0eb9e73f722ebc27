"""Training in the supply chain: policies of the stores, tiers, phases."""

import csv

import numpy as np
import pytest
from stable_baselines3.common.vec_env import unwrap_vec_normalize
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents import run_folder
from agents.config import resolve
from baselines.rollout import run_episodes
from baselines.rules import families
from baselines.rules.store import SeasonalBaseStock
from common.errors import InputError
from training.learners.load import load_agent
from training.phases import parse_phases, resolve_phases, train_phases
from training.session import TrainingSession
from training.trainer import train
from wrappers.vec_env import batch_of

QUICK = (
    "timesteps=600",
    "n_envs=12",
    "horizon=8",
    "evaluation.every=300",
    "evaluation.episodes=20",
    "evaluation.pictures=0",
    "parameters.observation=full",
)
ON_POLICY = ("n_steps=8", "batch_size=64", "n_epochs=2", "net_arch=[16]", "team.turns=2")


def quick_run(*more, algo="ppo", **flags):
    own = ("learning_starts=50",) if algo == "dqn" else ON_POLICY
    return resolve({"algo": algo, "stores": 3, **flags}, assignments=(*QUICK, *own, *more))


def returns(folder, name="best_model.zip", measure="return"):
    config, policy = load_agent(folder, name)
    step = config.settings.observation.step
    batch = config.problem.make_batch(config.parameters, 30, observe_step=step)
    policy.bind(batch)
    trace = config.problem.traces(config.parameters, "evaluation", 1, 30)
    return run_episodes(batch, policy, trace)[measure]


def test_the_three_policies_of_the_stores_give_different_trajectories(trained_once):
    found = {}
    for policy in ("shared", "joint", "independent"):
        folder = trained_once(quick_run(policy=policy)).folder
        found[policy] = returns(folder)
        assert np.isfinite(found[policy]).all()
    assert (found["shared"] != found["joint"]).any()
    assert (found["shared"] != found["independent"]).any()
    assert (found["joint"] != found["independent"]).any()
    models = sorted((folder / "players").glob("*/model.zip"))
    assert [path.parent.name for path in models] == ["store_1", "store_2", "store_3"]
    hashes = run_folder.read_versions(folder)["weights"]
    assert len(set(hashes.values())) == 3


def test_a_tier_may_learn_what_is_best_for_all_beside_rules_that_are(tmp_path, monkeypatch):
    monkeypatch.setattr(families, "WORK", 20_000)
    run = quick_run("team.goal=system", learn="warehouse")
    assert run.measure == "system_return"
    result = train(run, tmp_path / "run")
    config, policy = load_agent(result.folder, "best_model.zip")
    assert config.settings.team.goal == "system"
    assert isinstance(policy.players["store"], SeasonalBaseStock)
    scored = returns(result.folder, measure="system_return")
    assert np.isfinite(scored).all()
    selfish = quick_run(learn="warehouse")
    assert selfish.measure == "warehouse_return"


def test_learners_that_take_turns_go_on_from_what_they_saw_last(tmp_path, monkeypatch):
    learn, seen = TrainingSession._learn_part, []

    def learn_and_compare(session, part, callbacks):
        learn(session, part, callbacks)
        now, layer = batch_of(part.learner.env).observation(), unwrap_vec_normalize(part.learner.env)
        seen.append((part.learner.model._last_obs, layer.normalize_obs(now) if layer else now))

    monkeypatch.setattr(TrainingSession, "_learn_part", learn_and_compare)
    rollout = 8 * 12
    assert train(quick_run(policy="independent"), tmp_path / "run").steps % rollout == 0
    assert len(seen) == 3 * 2
    for last, now in seen:
        np.testing.assert_array_equal(last, now)


@pytest.mark.parametrize("policy", ["shared", "joint"])
def test_dqn_learns_the_stores(policy, tmp_path):
    result = train(quick_run(algo="dqn", policy=policy), tmp_path / "run")
    assert np.isfinite(returns(result.folder)).all()


def test_dqn_is_refused_where_joint_actions_are_too_many(tmp_path):
    config = quick_run(algo="dqn", policy="joint", stores=7)
    with pytest.raises(InputError, match=r"16,384 combinations"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("policy", ["shared", "joint", "independent"])
def test_the_same_seed_gives_the_same_weights(policy, tmp_path, trained_once):
    first = trained_once(quick_run(policy=policy))
    again = train(quick_run(policy=policy), tmp_path / "again")
    other = train(quick_run(policy=policy, seed=4), tmp_path / "other")
    weights = [run_folder.read_versions(run.folder)["weights"] for run in (first, again, other)]
    assert weights[0] == weights[1] != weights[2]


def test_a_tier_learns_while_a_frozen_checkpoint_plays_the_stores(tmp_path, trained_once):
    stores = trained_once(quick_run())
    result = train(quick_run(learn="warehouse"), tmp_path / "warehouse", start=stores.folder)
    players = run_folder.players(result.folder)
    assert set(players) == {"store", "warehouse"}
    copied = (players["store"] / "best_model.zip").read_bytes()
    assert copied == (stores.folder / "best_model.zip").read_bytes()
    assert np.isfinite(returns(result.folder, measure="warehouse_return")).all()


def test_a_checkpoint_that_observes_otherwise_is_refused_with_the_remedy(tmp_path):
    stores = train(quick_run("parameters.observation=compact"), tmp_path / "stores")
    config = quick_run(learn="warehouse")
    with pytest.raises(InputError, match=r"--set parameters\.observation=compact"):
        train(config, tmp_path / "warehouse", start=stores.folder)


def test_phases_build_upon_one_another(tmp_path):
    phases = parse_phases("1-4")
    flags = {"algo": "ppo", "stores": 2}
    configs = resolve_phases(phases, flags, assignments=(*QUICK, *ON_POLICY))
    assert configs[3].hyperparameters.learning_rate == 1e-4
    folder, done = train_phases(phases, configs, tmp_path / "run")
    assert [trained.folder.name for trained in done] == [f"phase_{k}" for k in phases]
    assert set(run_folder.players(folder / "phase_2")) == {"store", "warehouse"}
    everyone = run_folder.players(folder)
    assert set(everyone) == {"store", "warehouse", "supplier"}
    assert everyone["store"].parent.parent.name == "phase_4"
    assert np.isfinite(returns(folder / "phase_4", measure="system_return")).all()
    rows = (everyone["warehouse"] / "progress.csv").read_text()
    assert "0.0001" in rows


def test_what_is_logged_per_tier(tmp_path):
    result = train(quick_run("evaluation.pictures=2"), tmp_path / "run")
    events = EventAccumulator(str(result.folder))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    stores = (
        *("reward", "service_level", "fill_rate", "holding_cost", "stockout_penalty"),
        *("excess_inventory", "lost_sales", "on_hand", "order_rate", "bullwhip"),
    )
    assert {f"store/{name}" for name in stores} <= tags
    assert {"warehouse/bullwhip", "warehouse/holding_cost", "supplier/fulfillment_rate"} <= tags
    assert "evaluation/episode" in events.Tags()["images"]
    with (result.folder / "progress.csv").open() as table:
        assert all(row["time/total_timesteps"] for row in csv.DictReader(table))


def test_curriculum_over_scenarios_and_horizons(tmp_path):
    stages = (
        "[{start: 0, parameters: {horizon: 5}}, "
        "{start: 48, parameters: {horizon: 8, scenario: high_variability}}]"
    )
    result = train(quick_run(f"curriculum.stages={stages}"), tmp_path / "run")
    assert "curriculum/stage" in (result.folder / "progress.csv").read_text()
    events = EventAccumulator(str(result.folder))
    events.Reload()
    assert events.Scalars("curriculum/stage")[-1].value == 2


@pytest.mark.parametrize(
    "more",
    [
        ("stores=1",),
        ("stores=50",),
        ("stores=2", "sku=[{}, {base_demand: 5, demand_std: 1}]"),
        ("store.lead_time=0",),
        ("sku.base_demand=0", "sku.demand_std=0"),
        ("warehouse.initial_on_hand=0", "warehouse.order_units=[0]"),
        ("warehouse.initial_on_hand=.inf",),
    ],
)
def test_training_meets_no_nan_at_the_edges(more, tmp_path):
    result = train(quick_run(*more), tmp_path / "run")
    assert np.isfinite(returns(result.folder)).all()
    assert result.best is not None
    assert np.isfinite(result.best.value)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"problem": "cash", "stores": 3}, "--stores belongs to --problem stores"),
        ({"problem": "cash", "learn": "warehouse"}, "--learn belongs to --problem stores"),
        ({"stores": 0}, r"stores = 0: must be"),
        ({"stores": 3, "learn": "shop"}, r"team\.learn = 'shop'"),
        ({"stores": 3, "learn": "all"}, "name a run that has them with --from"),
    ],
)
def test_bad_flags_are_one_line(flags, message, tmp_path):
    with pytest.raises(InputError, match=message) as caught:
        train(resolve({"algo": "ppo", **flags}), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["", "0", "5", "4-1", "1-9", "one"])
def test_bad_phases_are_one_line(text):
    with pytest.raises(InputError, match="must be a phase from 1 to 4"):
        parse_phases(text)
