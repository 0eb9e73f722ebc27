import pytest

from agents import run_folder
from agents.config import resolve
from common.errors import InputError
from studies.experiment import Experiment, experiment, train_once


def test_when_a_curve_reaches_a_gap_and_stays():
    curve = [(1, 0.1, 0.5), (2, 0.2, 0.01), (3, 0.3, 0.2), (4, 0.4, 0.005)]
    run = Experiment(4, 0.4, 0.005, 0.005, curve)
    assert run.reached(0.01) == (2, 0.2)
    assert run.stays(0.01) == (4, 0.4)
    assert run.reached(0.001) is None
    assert run.stays(0.001) is None
    assert run.stays(1.0) == (1, 0.1)


def test_a_run_stops_at_a_gap_or_a_step():
    """MaskablePPO is within 50% of the optimum long before its first 9,600 steps are over."""
    short = ("evaluation.every=400", "evaluation.episodes=50")
    at_gap = experiment({"algo": "maskable_ppo"}, *short, "stop.gap=0.5")
    assert at_gap.steps < 9_600
    assert at_gap.curve[-1][2] <= 0.5 or at_gap.curve[-2][2] <= 0.5
    at_step = experiment({"algo": "maskable_ppo"}, *short, "stop.step=700")
    assert 700 <= at_step.steps < 800


def test_a_run_that_is_kept_is_trained_once(tmp_path):
    def run(seed):
        return resolve(
            {"algo": "maskable_ppo", "seed": seed},
            assignments=("timesteps=800", "evaluation.every=400", "evaluation.episodes=20"),
        )

    assert train_once(run(3), tmp_path / "kept")
    first = run_folder.read_versions(tmp_path / "kept")
    assert train_once(run(3), tmp_path / "kept")
    assert run_folder.read_versions(tmp_path / "kept") == first
    assert first["processor_seconds"] > 0.0
    with pytest.raises(InputError, match="another configuration"):
        train_once(run(4), tmp_path / "kept")
