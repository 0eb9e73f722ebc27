"""The examples run as their own words say: an environment, rules and an algorithm of one's own."""

import json
import sys
from pathlib import Path

import pytest

import evaluate
import train
from agents import run_folder
from agents.algorithms import ALGORITHMS
from baselines.registry import BASELINES
from envs.external.batch import ExternalBatch
from envs.external.registration import register_environment
from envs.problems import PROBLEMS
from training import load

KIOSK = "examples.kiosk:Kiosk"
OWN = ("--env", KIOSK, "--plugin", "examples.kiosk_rule")
SMALL = (
    *("--set", "n_envs=4", "--set", "n_steps=14", "--set", "batch_size=28", "--quiet"),
    *("--set", "evaluation.every=112", "--set", "evaluation.episodes=5"),
)


@pytest.fixture(autouse=True)
def forget():
    """Let every test begin, and end, with what the project itself knows."""
    known = [PROBLEMS, BASELINES, ALGORITHMS, BASELINES["cash"]]
    before = [dict(names) for names in known]
    yield
    for names, own in zip(known, before, strict=True):
        names.clear()
        names.update(own)
    for name in [name for name in sys.modules if name.startswith("examples.")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("kiosk")


@pytest.fixture
def run(home, run_command):
    """A run on the kiosk, trained once."""
    folder = home / "run"
    if not folder.exists():
        done = run_command(train.main, *OWN, *SMALL, "--timesteps", 224, "--run-dir", folder)
        assert done.status == 0, done.stderr
        assert done.stderr.rstrip().endswith(f"--plugin examples.kiosk_rule --env {KIOSK}")
    return folder


def test_an_environment_of_ones_own_is_evaluated_against_ones_own_rule(run, run_command):
    options = ("--checkpoint", run, "--episodes", 6, "--report", "--render", 1)
    done = run_command(evaluate.main, *OWN, *options)
    assert done.status == 0, done.stderr
    assert done.stdout.count("Observation: ") == 7
    found = json.loads((run / "evaluation.json").read_text())
    assert set(found["policies"]) == {"agent", "random", "order_mean"}
    assert found["problem"] == KIOSK
    assert "order mean" in (run / "report.html").read_text("utf-8")


def test_its_code_runs_only_if_it_is_named(run, run_command):
    done = run_command(evaluate.main, "--checkpoint", run)
    assert done.status == 2
    assert f"--env {KIOSK}" in done.stderr


def test_it_is_loaded_in_python(run):
    problem = register_environment(KIOSK)
    policy = load(run)
    env = problem.make_batch(problem.parameters(), 1).envs[0]
    observation, _ = env.reset(seed=1)
    action, _ = policy.predict(observation)
    assert env.action_space.contains(int(action))


def test_a_killed_run_goes_on_to_the_same_weights(run, run_command, tmp_path):
    short, whole = tmp_path / "short", run_folder.read_versions(run)["weights"]
    done = run_command(train.main, *OWN, *SMALL, "--timesteps", 112, "--run-dir", short)
    assert done.status == 0, done.stderr
    more = ("--resume", short, "--timesteps", 224, "--env", KIOSK, "--quiet")
    done = run_command(train.main, *more)
    assert done.status == 0, done.stderr
    assert run_folder.read_versions(short)["weights"] == whole


def test_a_world_is_put_back_where_it_was():
    problem = register_environment(KIOSK)
    parameters = problem.parameters(mean_demand=4.0)
    one, other = (problem.make_batch(parameters, 3) for _ in range(2))
    one.reset()
    for action in (1, 5, 9):
        one.step([action] * 3)
    other.set_state(one.get_state())
    assert (one.observation() == other.observation()).all()
    assert (one.step([2] * 3).reward == other.step([2] * 3).reward).all()
    fork = one.fork([2, 2]).batch
    assert (fork.observation() == one.observation()[2]).all()


def test_an_algorithm_of_ones_own(run_command, tmp_path):
    file = Path(__file__).parents[2] / "examples" / "patient_dqn.yaml"
    options = ("--plugin", "examples.patient_dqn", "--config", file, "--timesteps", 200, "--quiet")
    small = ("--set", "learning_starts=100", "--set", "evaluation.episodes=5")
    small += ("--set", "batch_size=16", "--set", "buffer_size=500", "--set", "max_steps=5")
    done = run_command(train.main, *options, *small, "--run-dir", tmp_path / "run")
    assert done.status == 0, done.stderr


def test_a_registered_environment_brings_its_length_and_keywords():
    problem = register_environment("CartPole-v1")
    parameters = problem.parameters()
    assert parameters.max_steps == 500
    batch = problem.make_batch(parameters, 2, observe_step=True)
    assert isinstance(batch, ExternalBatch)
    batch.reset()
    assert batch.observation().shape == (2, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--env", "nothing.here:Env"), "--env nothing.here: cannot be imported"),
        (("--env", "examples.kiosk:Shop"), "examples.kiosk has no gymnasium.Env Shop"),
        (("--env", "subprocess:Popen"), "subprocess has no gymnasium.Env Popen"),
        (("--env", "Nothing-v0"), "Gymnasium knows no such; name one as module:Class, or as CartP"),
        (
            ("--env", "CartPol-v1"),
            "--env CartPol-v1: Gymnasium knows no such; did you mean 'CartPo",
        ),
        (("--env", "Pendulum-v1"), "agents here choose among those numbered from 0"),
        (("--env", KIOSK, "--set", "prize=3"), "unknown key 'prize'; did you mean 'price'"),
        (("--env", KIOSK, "--set", "price=dear"), "price"),
        (("--env", KIOSK, "--problem", "cash"), "--problem and --env: leave one out"),
        (("--env", KIOSK, "--set", "reward.expected=true"), "reward.expected needs the law"),
        (("--plugin", "examples.nothing"), "--plugin examples.nothing: cannot be imported"),
        (("--env", KIOSK, "--workers", 2), "known to one process alone"),
        (("--problem", KIOSK), f"name it: --env {KIOSK}"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(run_command, options, message):
    done = run_command(train.main, *options, "--quiet")
    assert done.status == 2, done.stderr
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
