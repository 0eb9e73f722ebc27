import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="no onnxruntime: pip install -e '.[onnx]'")

import export
from agents.config import resolve
from service import onnx_graph
from training.trainer import train

SMALL = ("timesteps=80", "evaluation.every=80", "evaluation.episodes=2", "net_arch=[8]", "n_envs=4")
ROLLOUT = ("n_steps=5", "batch_size=20")
CASES = {
    "ppo": ({}, ROLLOUT),
    "maskable_ppo": ({}, (*ROLLOUT, "observation.normalize=running")),
    "dqn": ({}, ("learning_starts=20",)),
    "qrdqn": ({}, ("learning_starts=20",)),
    "stores": ({"algo": "ppo", "stores": 2}, ("horizon=4", "n_steps=4", "batch_size=16")),
}


@pytest.mark.parametrize("case", CASES)
def test_every_action_is_that_of_torch(case, run_command, tmp_path):
    flags, more = CASES[case]
    flags = {"algo": case, **flags}
    train(resolve(flags, assignments=(*SMALL, *more)), tmp_path / "run")
    ask = ("--checkpoint", tmp_path / "run", "--onnx", tmp_path / "graphs")
    done = run_command(export.main, *ask, "--states", 2000)
    assert done.status == 0, done.stderr
    name = "store" if case == "stores" else "policy"
    assert f"{name}.onnx: as torch on 2,000 states, every action" in done.stdout
    assert (tmp_path / "graphs" / f"{name}.onnx").stat().st_size > 500


def test_a_graph_that_differs_is_not_written(run_command, tmp_path, monkeypatch):
    train(resolve({"algo": "ppo"}, assignments=(*SMALL, *ROLLOUT)), tmp_path / "run")
    scaled = onnx_graph._scaled

    def wrong(graph, env, name):
        return graph.add("Mul", scaled(graph, env, name), graph.constant(np.float32(-3)))

    monkeypatch.setattr(onnx_graph, "_scaled", wrong)
    ask = ("--checkpoint", tmp_path / "run", "--onnx", tmp_path / "graphs")
    done = run_command(export.main, *ask, "--states", 500)
    assert done.status == 2
    assert "actions differ from torch's" in done.stderr
    assert not (tmp_path / "graphs").exists()
