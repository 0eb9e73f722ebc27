"""Training and evaluation on a file of demand, from the command lines."""

import json
from pathlib import Path

import numpy as np
import pytest

import evaluate
import train
from agents.config import resolve
from agents.memory import needed_bytes
from baselines.rules import families as supply_chain_families

DAYS = np.arange("2020-01-01", "2021-07-01", dtype="datetime64[D]")
SMALL = ("--timesteps", "1200", "--n-envs", "8", "--set", "evaluation.episodes=10", "--set")
SMALL += ("evaluation.every=400", "--set", "evaluation.pictures=0", "--set", "horizon=10")
SMALL += ("--set", "n_steps=10", "--set", "batch_size=40", "--split", "2021-01-01", "--quiet")


def write(path: Path, after: int) -> Path:
    week = np.array([20, 10, 15, 20, 25, 40, 10])[np.arange(DAYS.size) % 7]
    demand = np.random.default_rng(0).poisson(week[:, None] * np.array([1, 3]))
    demand[np.datetime64("2021-01-01") <= DAYS] += after
    rows = [f"{day},{a},{b}" for day, (a, b) in zip(DAYS, demand, strict=True)]
    path.write_text("\n".join(["date,north,south", *rows]))
    return path


@pytest.mark.parametrize("augment", ["none", "bootstrap"])
def test_the_evaluation_period_changes_no_weight(run_command, tmp_path, augment):
    hashes = []
    for after in (0, 500):
        file = write(tmp_path / f"sales_{after}.csv", after)
        run = tmp_path / f"run_{after}_{augment}"
        options = ("--demand", file, "--run-dir", run, "--augment", augment)
        done = run_command(train.main, "--algo", "ppo", *options, *SMALL)
        assert done.status == 0, done.stderr
        hashes.append(json.loads((run / "versions.json").read_text())["weights"])
    assert hashes[0] == hashes[1]


def test_a_run_on_a_file_is_held_against_rivals_on_later_days(run_command, tmp_path, monkeypatch):
    monkeypatch.setattr(supply_chain_families, "WORK", 20_000)
    monkeypatch.setattr(supply_chain_families, "EPISODES", (5, 10))
    file = write(tmp_path / "sales.csv", 0)
    run = tmp_path / "run"
    small = [option for option in SMALL if option != "--quiet"]
    done = run_command(train.main, "--algo", "ppo", "--demand", file, "--run-dir", run, *small)
    assert done.status == 0, done.stderr
    assert "sales.csv: 2 stores, 1 SKU, 547 days from 2020-01-01 to 2021-06-30" in done.stderr
    assert "evaluation 2021-01-01 to 2021-06-30, 181 days" in done.stderr
    assert "stores" in (run / "config.yaml").read_text()
    report = json.loads((run / "evaluation.json").read_text())
    assert {"agent", "tuned_weekday", "tuned_base_stock"} <= set(report["policies"])
    own = report["policies"]["agent"]
    assert own["cost_per_day"] == pytest.approx(-own["return_mean"] / 7)  # 3 days of start-up
    assert report["savings"]["cost_per_day"] == pytest.approx(own["cost_per_day"])
    assert report["savings"]["business_per_day"] == pytest.approx(2 * own["cost_per_day"])
    rules = {n: p for n, p in report["policies"].items() if p["kind"] in ("rule", "tuned_rule")}
    best = max(rules, key=lambda n: rules[n]["return_mean"])
    assert report["rival"] == best
    assert f"{best}, the best rule: it costs" in report["headline"]
    assert any("The first 3 days of each are not counted" in note for note in report["notes"])
    assert report["episodes"] == 172  # all windows of 10 days, fewer than 2,000
    assert any("room for no more than 18 that share no day" in note for note in report["notes"])
    done = run_command(evaluate.main, "--checkpoint", run, "--episodes", 20, "--json")
    assert done.status == 0, done.stderr
    assert json.loads(done.stdout)["episodes"] == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--split", "2021-01-01"), "--split: is about a file of days; name one with --demand"),
        (("--demand", "sales.csv", "--stores", "3"), "--stores: the demand file says which"),
        (("--demand", "sales.csv", "--problem", "cash"), "--demand belongs to --problem stores"),
        (("--demand", "none.csv"), "no such file"),
        (("--demand", "sales.csv", "--fill", "much"), "fill = 'much'"),
        (("--demand", "sales.csv", "--split", "soon"), "split = 'soon'"),
        (("--demand", "sales.csv", "--split", "2031-01-01"), "must lie after 2020-01-01"),
        (
            ("--demand", "sales.csv", "--augment", "none", "--set", "reward.expected=true"),
            "set reward.expected=false",
        ),
        (("--demand", "gap.csv"), "gap.csv row 3: 2020-01-02 of 'north' is missing"),
    ],
)
def test_what_is_wrong_is_one_line(run_command, tmp_path, options, message):
    text = write(tmp_path / "sales.csv", 0).read_text().splitlines()
    (tmp_path / "gap.csv").write_text("\n".join([*text[:2], *text[3:]]))
    done = run_command(train.main, "--algo", "ppo", "--quiet", *options)
    assert (done.status, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr
    assert not (tmp_path / "runs").exists()


def test_the_memory_of_a_run_on_a_file_grows_with_its_days_not_with_the_horizon(tmp_path):
    file = write(tmp_path / "sales.csv", 0)
    needs = []
    for horizon in (10, 100):
        flags = {"algo": "ppo", "demand": file, "split": "2021-01-01"}
        run = resolve(
            flags, assignments=(f"horizon={horizon}", "demand_data.validation=2020-09-01")
        )
        assert run.settings.reward.expected
        needs.append(needed_bytes(run, run.parameters))
    own = "training days taken apart (the demand file)"
    assert needs[0][own] == needs[1][own] == 8 * 8 * 244 * 2  # days until September, two stores
    assert not any("expected rewards" in name for name in needs[0])
