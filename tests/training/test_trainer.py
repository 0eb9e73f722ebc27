import base64
import io
import json
import shutil
import zipfile

import numpy as np
import pytest
import torch
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.logger import Logger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents import hyperparameters as hp
from agents import run_files
from agents.algorithms import ALGORITHMS
from agents.config import resolve
from agents.models import build_model
from benchmarks.plain_python import PlainCashEnv
from common.errors import InputError
from common.files import write_whole
from envs.cash.batch import CashBatch
from envs.cash.parameters import CashParameters
from training.callbacks import BatchedBootstrap
from training.learners.build import training_env
from training.learners.calibration import calibrate
from training.learners.load import load_agent
from training.trainer import check_learning_starts, train
from wrappers.vec_env import BatchVecEnv

SHORT = {
    "dqn": ("timesteps=1200", "learning_starts=200", "buffer_size=1000"),
    "qrdqn": ("timesteps=1200", "learning_starts=200", "buffer_size=1000"),
    "dcl": ("timesteps=800", "n_states=400", "fit_steps=50", "paths=[8]", "keep=[2]"),
    "recurrent_ppo": ("timesteps=400", "n_envs=8", "batch_size=100", "net_arch=[8]"),
}
FAST = ("evaluation.every=800", "evaluation.episodes=10", "max_steps=10")


def short_run(algo, *more, **flags):
    own = SHORT.get(algo, ("timesteps=1600", "n_envs=16"))
    return resolve({"algo": algo, **flags}, assignments=(*own, *FAST, *more))


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_every_algorithm_trains_saves_and_comes_back(algo, trained_once):
    config = short_run(algo)
    result = trained_once(config)
    assert not result.interrupted
    assert result.steps >= config.settings.timesteps
    made = {path.name for path in result.folder.iterdir()}
    assert {"config.yaml", "model.zip", "best_model.zip", "progress.csv", "versions.json"} <= made
    for name in ("model.zip", "best_model.zip"):
        again, policy = load_agent(result.folder, name)
        assert again.settings.algo == algo
        batch = config.problem.make_batch(config.parameters, 5, observe_step=True)
        batch.reset()
        policy.bind(batch)
        start = np.ones(5, np.bool_)
        first, _ = policy.predict(batch.observation(), None, start)
        assert first.shape == (5,)
        second, _ = policy.predict(batch.observation(), None, start)
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("algo", ["dqn", "ppo", "maskable_ppo"])
def test_the_same_seed_gives_the_same_weights(algo, tmp_path, trained_once):
    def weights(result):
        return json.loads((result.folder / "versions.json").read_text())["weights"]

    first = weights(trained_once(short_run(algo)))
    assert first == weights(train(short_run(algo), tmp_path / "again"))
    assert first != weights(train(short_run(algo, seed=4), tmp_path / "other"))


def test_the_reference_recipe_runs_as_written(tmp_path):
    """Shortened in time alone, so that all stages of the curriculum are met."""
    stages = "[{start: 0, parameters: {max_steps: 5}}, {start: 20, parameters: {max_steps: 9}}]"
    changes = (
        "timesteps=600",
        "learning_starts=100",
        "evaluation.every=300",
        "evaluation.episodes=5",
        f"curriculum.stages={stages}",
    )
    config = resolve({"algo": "dqn", "recipe": "reference"}, assignments=changes)
    result = train(config, tmp_path / "run")
    rows = (result.folder / "progress.csv").read_text()
    assert "curriculum/stage" in rows
    stage = scalars(result.folder)["curriculum/stage"]
    assert stage[-1] == 2


def test_a_run_that_would_end_before_it_learns_is_refused(tmp_path):
    short = short_run("dqn", "learning_starts=1200")
    with pytest.raises(
        InputError, match=r"learning_starts = 1200: nothing is .* timesteps = 1200;"
    ):
        train(short, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    stores = {"algo": "dqn", "stores": 4, "policy": "independent"}
    config = resolve(stores, assignments=("timesteps=80", "learning_starts=20", "horizon=5"))
    with pytest.raises(
        InputError, match=r"timesteps = 80, 20 for each of 4 learners; .* below 20,"
    ):
        check_learning_starts(config, config.hyperparameters)


def scalars(folder):
    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [e.value for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_what_is_logged_to_tensorboard(trained_once):
    result = trained_once(short_run("dqn"))
    logged = set(scalars(result.folder))
    assert {
        "episode/return",
        "episode/final_cash",
        "episode/units_sold",
        "episode/unmet_demand",
        "episode/fill_rate",
        "episode/invalid_actions",
        "evaluation/return",
        "evaluation/gap",
        "rollout/exploration_rate",
        "train/loss",
    } <= logged
    events = EventAccumulator(str(result.folder))
    events.Reload()
    assert "configuration/text_summary" in events.Tags()["tensors"]
    assert "_hparams_/session_start_info" in events.summary_metadata


def test_running_normalisation_comes_back_with_the_model(tmp_path):
    changes = ("observation.normalize=running", "reward.normalize=running")
    config = short_run("ppo", *changes)
    result = train(config, tmp_path / "run")
    _, policy = load_agent(result.folder, "model.zip")
    batch = config.problem.make_batch(config.parameters, 3, observe_step=True)
    batch.reset()
    policy.bind(batch)
    policy.predict(batch.observation())
    model = result.folder / "model.zip"
    with zipfile.ZipFile(model) as archive:
        assert run_files.STATISTICS in archive.namelist()
    assert isinstance(PPO.load(model, device="cpu"), PPO)  # a normal file of SB3 all the same
    bare = io.BytesIO()
    with zipfile.ZipFile(model) as old, zipfile.ZipFile(bare, "w") as new:
        for name in set(old.namelist()) - {run_files.STATISTICS}:
            new.writestr(name, old.read(name))
    run_files.write(model, bare.getvalue())
    with pytest.raises(InputError, match=f"holds no {run_files.STATISTICS}"):
        load_agent(result.folder, "model.zip")


def test_expected_rewards_are_for_training_alone(tmp_path):
    """What the logs call the return is what was earned."""
    config = short_run("ppo", "reward.expected=true", "timesteps=160")
    env = training_env(calibrate(config))
    env.reset()
    assert env.unwrapped.batch.expected_reward
    for _ in range(10):
        env.step(np.zeros(16, int))
    returns = env.unwrapped.finished["return"]
    assert returns.std() > 10  # the expectation of a wait would be the same in every world


def test_auto_scales_rewards_by_random_play():
    config = resolve({"algo": "ppo"}, assignments=("reward.expected=false",))
    reward = calibrate(config).settings.reward
    env, rng = PlainCashEnv(), np.random.default_rng(0)
    rewards = []
    for _ in range(200):
        env.reset(seed=int(rng.integers(1000)))
        rewards += [env.step(int(rng.integers(3)))[1] for _ in range(50)]
    assert reward.shift == pytest.approx(-np.mean(rewards), rel=0.05)
    assert reward.scale == pytest.approx(1 / np.std(rewards), rel=0.05)
    constant = ("demand_std=0", "demand_mean=0", "price_std=0", "holding_cost=0")
    free = ("conversion_bonus=0", "invalid_action_penalty=0")
    still = calibrate(resolve({"algo": "ppo"}, assignments=(*constant, *free)))
    assert still.settings.reward.scale == 1.0


def test_bootstrapping_in_one_pass_changes_nothing():
    """SB3's loop over the worlds and one pass for all give the same weights."""

    def weights(callback):
        env = BatchVecEnv(CashBatch(CashParameters(max_steps=7), 4))
        env.seed(0)
        model = PPO("MlpPolicy", env, n_steps=20, batch_size=80, seed=0, device="cpu")
        model.set_logger(Logger(None, []))
        model.learn(400, callback=callback)
        return torch.cat([p.flatten() for p in model.policy.parameters()])

    torch.testing.assert_close(weights(BatchedBootstrap()), weights(None), rtol=1e-4, atol=1e-5)


def test_every_world_flips_its_own_coin():
    env = BatchVecEnv(CashBatch(CashParameters(), 1000))
    model = build_model("dqn", hp.DQN(target_update_interval=2000), env, seed=0)
    observation = env.reset()
    greedy, _ = model.predict(observation, deterministic=True)
    model.exploration_rate = 0.3
    explored, _ = model.predict(observation)
    assert (explored != greedy).mean() == pytest.approx(0.3 * 2 / 3, abs=0.05)


def test_model_zip_is_a_normal_sb3_file(trained_once):
    result = trained_once(short_run("dqn"))
    assert isinstance(DQN.load(result.folder / "model.zip", device="cpu"), DQN)


def test_an_occupied_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="exists and is not an empty folder"):
        train(short_run("ppo"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def poison(path, bomb):
    """Put `bomb` in place of everything in an SB3 file that is a pickle."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    data = json.loads(members["data"])
    for value in data.values():
        if isinstance(value, dict) and ":serialized:" in value:
            value[":serialized:"] = base64.b64encode(bomb).decode()
    members["data"] = json.dumps(data).encode()
    put(path, members)


def put(path, members):
    """Write an SB3 file, and its digest into the manifest: an attacker can do sums."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    run_files.write(path, made.getvalue())


class Bomb:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


@pytest.fixture
def run(trained_once, tmp_path):
    return shutil.copytree(trained_once(short_run("ppo")).folder, tmp_path / "run")


def test_a_poisoned_model_does_nothing(run, tmp_path):
    import pickle

    mark = tmp_path / "exploded"
    poison(run / "model.zip", pickle.dumps(Bomb(mark)))
    load_agent(run, "model.zip")
    buffer = io.BytesIO()
    torch.save({"policy": Bomb(mark)}, buffer)
    with zipfile.ZipFile(run / "model.zip") as archive:
        statistics = archive.read(run_files.STATISTICS)
    held = {"policy.pth": buffer.getvalue(), run_files.STATISTICS: statistics}
    put(run / "model.zip", held)
    with pytest.raises(InputError, match="not a model of this run"):
        load_agent(run, "model.zip")
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip"])
def test_a_damaged_model_is_refused(run, content):
    run_files.write(run / "model.zip", content)
    with pytest.raises(InputError, match="damaged: 'File is not a zip file'") as refused:
        load_agent(run, "model.zip")
    assert "\n" not in str(refused.value)


def test_a_model_of_another_shape_is_refused(run, tmp_path):
    small = train(short_run("ppo", "timesteps=160", "net_arch=[8]"), tmp_path / "small")
    run_files.write(small.folder / "model.zip", (run / "model.zip").read_bytes())
    with pytest.raises(InputError, match="not a model of this run"):
        load_agent(small.folder, "model.zip")


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_whole(path, b"old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
