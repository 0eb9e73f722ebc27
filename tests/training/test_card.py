"""The card of a run, and the names in its logs that SB3's users know."""

import csv
import importlib

import pytest
import yaml

import evaluate
import train
from evaluation.comparison import SAMPLED
from tests.agents.small_run import train_small
from training.phases import resolve_phases, train_phases


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train_small(tmp_path_factory.mktemp("card") / "run")


def test_the_card_says_what_a_run_is_before_and_after_it_is_evaluated(run, run_command):
    card = (run / "README.md").read_text("utf-8")
    assert "# ppo on cash" in card
    assert "Not evaluated yet" in card
    done = run_command(evaluate.main, "--checkpoint", run, "--episodes", 20, "--hub-card")
    assert done.status == 0, done.stderr
    _, metadata, card = (run / "README.md").read_text("utf-8").split("---\n", 2)
    result = yaml.safe_load(metadata)["model-index"][0]["results"][0]
    assert result["metrics"][0]["type"] == "mean_reward"
    assert "| agent | agent | " in card
    assert f'load("runs/{run.name}")' in card


def test_the_card_and_the_table_say_that_actions_were_sampled(run, run_command):
    asked = ("--checkpoint", run, "--episodes", 20, "--baselines", "none")
    for more, said in ((("--stochastic",), True), ((), False)):
        done = run_command(evaluate.main, *asked, *more)
        for text in (done.stdout, (run / "README.md").read_text("utf-8")):
            assert (SAMPLED in " ".join(text.split())) == said


def test_logs_have_the_name_that_sb3_gives_an_evaluation(run):
    with (run / "progress.csv").open() as file:
        rows = list(csv.DictReader(file))
    scored = [row for row in rows if row["evaluation/return"]]
    assert scored
    assert all(row["eval/mean_reward"] == row["evaluation/return"] for row in scored)
    assert not {"phase", "turn"} & set(rows[0])


def test_phases_and_turns_are_in_the_logs(tmp_path):
    settings = (
        *("timesteps=24", "n_envs=6", "horizon=3", "n_steps=3", "batch_size=18", "net_arch=[4]"),
        *("evaluation.every=24", "evaluation.episodes=2", "evaluation.pictures=0", "team.turns=2"),
    )
    numbers = (2,)
    configs = resolve_phases(numbers, {"stores": 2}, assignments=settings)
    folder, _ = train_phases(numbers, configs, tmp_path / "run")
    assert "phase" in (folder / "phase_2" / "progress.csv").read_text().splitlines()[0]


def test_without_its_client_wandb_is_one_line(run_command, monkeypatch):
    found = importlib.import_module

    def missing(name, *rest):
        if name == "wandb":
            raise ImportError(name)
        return found(name, *rest)

    monkeypatch.setattr(importlib, "import_module", missing)
    done = run_command(train.main, "--wandb", "shop")
    assert done.status == 2
    assert "pip install wandb" in done.stderr
