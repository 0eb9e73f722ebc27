"""Our environments under other frameworks: rl-baselines3-zoo, where it is installed."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import gymnasium
import pytest

import envs
from agents.config import read_yaml

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "configs" / "rl_zoo3").glob("*.yml"))


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_the_zoo_s_wrappers_can_be_made(file):
    envs.register_environments()
    for name, settings in read_yaml(file).items():
        env = gymnasium.make(name)
        for one in settings["env_wrapper"]:
            path, options = next(iter(one.items())) if isinstance(one, dict) else (one, {})
            module, _, kind = path.rpartition(".")
            env = getattr(importlib.import_module(module), kind)(env, **options)
        observation, _ = env.reset(seed=0)
        assert env.observation_space.contains(observation)
        assert abs(env.step(0)[1]) < 5  # rewards near one, where they were near -45


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_the_zoo_trains_on_them(file, tmp_path):
    pytest.importorskip("rl_zoo3", reason="no rl_zoo3: pip install rl_zoo3")
    command = [
        *(sys.executable, "-m", "rl_zoo3.train", "--algo", file.stem, "--env", "CashInventory-v0"),
        *("--gym-packages", "envs", "--conf-file", file, "-n", "2000", "-f", tmp_path / "logs"),
        *("--eval-freq", "-1"),
    ]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert list((tmp_path / "logs").rglob("CashInventory-v0.zip"))


def test_rllib_trains_on_them():
    pytest.importorskip("ray.rllib", reason="no RLlib: pip install -e '.[rllib]'")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "RAY_USAGE_STATS_ENABLED": "0"}
    environment["RAY_AUTH_MODE"] = "disabled"  # else it leaves a token in the home folder
    environment["RAY_raylet_start_wait_time_s"] = "300"  # where other tests take all cores
    command = [sys.executable, "-W", "ignore", "-m", "examples.rllib_ppo", "1"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert re.search(r"iteration 1: mean return -?\d+\.\d\d", done.stdout)


def test_an_id_with_our_module_in_front_registers_them():
    code = "import gymnasium; print(gymnasium.make('envs:CashInventory-v0').reset(seed=0)[0].size)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.stdout.strip().isdigit(), done.stderr[-2000:]
