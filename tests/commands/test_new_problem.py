"""A problem that only its registry entry, a YAML and a rule make known goes all the way."""

import json

import pytest

import evaluate
import train
from agents import config
from baselines.registry import BASELINES, RANDOM_PLAY, FixedRule
from envs.problems import PROBLEMS
from tests.toy_newsvendor import NEWSVENDOR, OrderMean

RECIPE = """
problem: newsvendor
algo: ppo
recipes:
  default:
    ppo:
      timesteps: 2000
      n_envs: 8
      observation: {normalize: running, step: true}
      evaluation: {every: 1000, episodes: 20}
      hyperparameters: {n_steps: 25, batch_size: 100, n_epochs: 2, learning_rate: 3e-3}
"""


@pytest.fixture
def newsvendor(monkeypatch, tmp_path):
    """Register the newsvendor: an entry, a YAML, a rule."""
    monkeypatch.setitem(PROBLEMS, "newsvendor", NEWSVENDOR)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "newsvendor.yaml").write_text(RECIPE)
    monkeypatch.setattr(config, "CONFIGS", tmp_path / "configs")
    rules = {"random": RANDOM_PLAY, "order_mean": FixedRule(lambda *_: OrderMean())}
    monkeypatch.setitem(BASELINES, "newsvendor", rules)
    return tmp_path


def test_a_new_problem_trains_evaluates_reports_and_resumes(newsvendor, run_command):
    run = newsvendor / "run"
    done = run_command(train.main, "--problem", "newsvendor", "--quiet", "--run-dir", run)
    assert done.status == 0, done.stderr
    options = ("--checkpoint", run, "--episodes", 50)
    done = run_command(evaluate.main, *options, "--report")
    assert done.status == 0, done.stderr
    result = json.loads((run / "evaluation.json").read_text())
    assert result["reference"] is None
    assert {name: one["gap"] for name, one in result["policies"].items()} == dict.fromkeys(
        ("agent", "random", "order_mean")
    )
    page = (run / "report.html").read_text("utf-8")
    pictures = {"returns.png", "learning.png", "training.png", "episode.png"}
    assert pictures | {"training.csv", "episodes.csv", "policies.csv"} == {
        path.name for path in (run / "report").iterdir()
    }
    assert "order mean" in page
    done = run_command(train.main, "--resume", run, "--timesteps", 3000, "--quiet")
    assert done.status == 0, done.stderr
    assert json.loads((run / "versions.json").read_text())["steps"] >= 3000


def test_a_new_problem_without_a_rule_has_random_play(newsvendor, run_command, monkeypatch):
    monkeypatch.delitem(BASELINES, "newsvendor")
    done = run_command(evaluate.main, "--problem", "newsvendor", "--episodes", 20, "--json")
    assert list(json.loads(done.stdout)["policies"]) == ["random"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--stores", 2), "--stores belongs to --problem stores, not newsvendor"),
        (("--set", "team.learn=warehouse"), "no meaning for newsvendor"),
        (("--set", "max_steps=10000000", "--n-envs", 65536), "GiB of memory"),
    ],
)
def test_what_a_new_problem_has_not_is_refused(newsvendor, run_command, options, message):
    done = run_command(train.main, "--problem", "newsvendor", *options)
    assert done.status == 2
    assert message in done.stderr
