import numpy as np

from benchmarks import speed
from benchmarks.plain_python import PlainCashEnv


def test_things_compared_take_turns_and_the_warm_up_is_dropped():
    order = []

    def run(name, seconds):
        order.append(name)
        return 10, seconds

    speeds = speed.take_turns({"a": lambda: run("a", 1.0), "b": lambda: run("b", 2.0)}, 3)
    assert order == ["a", "b"] * 4
    np.testing.assert_allclose(speeds["a"] / speeds["b"], [2, 2, 2])


def test_what_is_timed_counts_its_steps(monkeypatch):
    assert speed.single_steps(PlainCashEnv(), 2)[0] == 100
    monkeypatch.setattr(speed, "WORLDS", 8)
    assert speed.batched_steps()[0] == 500 * 8


def test_ppo_runs_on_the_null_and_on_ours_and_leaves_nothing_behind(monkeypatch, tmp_path):
    monkeypatch.setattr(speed, "TRAINING_STEPS", 8192)
    monkeypatch.setenv("SB3_LOGDIR", str(tmp_path / "left"))
    assert speed.ppo_steps(speed.NullVecEnv(256), None)[0] == 8192
    assert speed.ppo_steps(speed.our_vec_env(), speed.BatchedBootstrap())[0] == 8192
    assert not (tmp_path / "left").exists()


def test_a_whole_run_with_and_without_checkpoints():
    for every in (0, "auto", 500):
        assert speed.whole_run("ppo", 1600, every)[0] == 1600
