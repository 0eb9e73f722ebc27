"""The commands as a user types them."""

import datetime as dt
import io
import json
import re
import signal
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

import evaluate
import train
import tune
from agents import checkpoints, run_files
from common import console
from tests.commands.test_resume_command import start
from training.trainer import Trained

ROOT = Path(__file__).parents[2]
BAKERY = ROOT / "configs" / "bakery.yaml"
QUICK = ("--set", "evaluation.every=1000", "--set", "evaluation.episodes=20")
TRAIN = ("--algo", "ppo", "--timesteps", 1600, "--quiet", *QUICK)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run trained by the command, in a folder of its own."""
    folder = tmp_path_factory.mktemp("work")
    words = ("train.py", "--algo", "dqn", "--timesteps", "2000", *QUICK)
    printed, said = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(said):
        patch.chdir(folder)
        patch.setattr(sys, "argv", list(words))
        with pytest.raises(SystemExit) as leaving:
            console.run(train.main)
    out, err = printed.getvalue(), said.getvalue()
    assert leaving.value.code == 0, err
    assert "reward of 5 episodes" in out  # what it is worth follows training unasked
    assert "optimum (solved)" in out
    (run,) = (folder / "runs").iterdir()
    assert re.fullmatch(r"cash__dqn__0__\d{8}-\d{6}", run.name)
    assert f"next: python evaluate.py --checkpoint runs/{run.name}" in err
    return folder, run


def test_the_newest_run_is_evaluated_and_prints_one_json_object(trained, run_command, monkeypatch):
    folder, run = trained
    monkeypatch.chdir(folder)
    done = run_command(evaluate.main, "--checkpoint", "--json", "--episodes", 200)
    assert done.status == 0, done.stderr
    result = json.loads(done.stdout)
    assert {"problem", "episodes", "seed", "reference", "policies"} <= set(result)
    assert (result["problem"], result["episodes"], result["seed"]) == ("cash", 200, 1)
    assert result["reference"]["kind"] == "optimum"
    assert result["reference"]["value"] == pytest.approx(-1944.9, abs=0.1)
    policies = result["policies"]
    assert {"agent", "random", "buy_buy_convert", "optimum"} <= set(policies)
    random = policies["random"]["return_mean"]
    for policy in policies.values():
        span = result["reference"]["value"] - random
        gap = (result["reference"]["value"] - policy["return_mean"]) / span
        assert policy["gap"] == pytest.approx(gap, abs=1e-9)
        low, high = policy["return_ci95"]
        assert low < policy["return_mean"] < high
    assert set(policies["agent"]["paired"]) == set(policies) - {"agent"}
    assert json.loads((run / "evaluation.json").read_text()) == result


def test_the_table_names_every_policy(trained, run_command):
    _, run = trained
    done = run_command(evaluate.main, "--checkpoint", run, "--episodes", 100)
    assert done.status == 0
    for name in ("agent", "random", "buy_buy_convert", "optimum"):
        assert name in done.stdout


def test_the_file_of_a_model_is_a_checkpoint_too(trained, run_command):
    _, run = trained
    done = run_command(
        evaluate.main, "--checkpoint", run / "model.zip", "--episodes", 50, "--json", "--stochastic"
    )
    assert done.status == 0
    result = json.loads(done.stdout)
    assert "agent" in result["policies"]
    assert "--stochastic changes nothing: dqn has no chances" in result["notes"][-1]


def test_rules_have_no_actions_to_sample(run_command):
    done = run_command(evaluate.main, "--stochastic")
    assert done.status == 2
    assert "--stochastic: samples an agent's actions; name its run with" in done.stderr


def test_baselines_alone(run_command):
    done = run_command(evaluate.main, "--problem", "cash", "--episodes", 500, "--json")
    policies = json.loads(done.stdout)["policies"]
    assert policies["random"]["gap"] == pytest.approx(1)
    assert abs(policies["optimum"]["gap"]) < 0.001
    assert policies["buy_buy_convert"]["gap"] == pytest.approx(0.0009, abs=0.0005)


def test_real_demand_is_judged_in_hindsight(run_command):
    options = ("--episodes", 100, "--json", "--baselines", "random,buy_buy_convert")
    done = run_command(evaluate.main, "--config", BAKERY, *options)
    assert done.status == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["reference"]["kind"] == "hindsight"
    assert all(p["gap"] > 0 for p in result["policies"].values())


def test_the_supply_chain_is_held_against_tuned_rules(run_command):
    options = ("--set", "horizon=10", "--set", "store.lead_time=4", "--episodes", 200, "--json")
    done = run_command(evaluate.main, "--stores", 2, *options)
    assert done.status == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["problem"], result["measure"]) == ("stores", "return")
    policies = result["policies"]
    assert {"random", "reference_rules", "tuned_reorder_point", "tuned_seasonal"} < set(policies)
    bound = result["reference"]["value"]
    assert all(p["return_mean"] < bound for p in policies.values())
    assert any("SeasonalBaseStock" in note for note in result["notes"])


def test_a_scenario_brings_the_days_that_it_needs(run_command):
    options = ("--episodes", 20, "--json", "--baselines", "newsvendor", "--stores", 1)
    for given, days in [((), 90), (("--set", "horizon=40"), 90), (("--set", "horizon=95"), 95)]:
        done = run_command(evaluate.main, "--scenario", "spike", *given, *options)
        assert done.status == 0, done.stderr
        result = json.loads(done.stdout)
        assert result["policies"]["newsvendor"]["length"] == days
        assert f"Scenario spike, {days} days." in result["notes"]


@pytest.mark.parametrize("tier", ["warehouse", "supplier", "all"])
def test_the_other_tiers_of_the_supply_chain_have_a_table_too(tier, run_command):
    options = ("--set", "horizon=5", "--episodes", 20, "--set", f"team.learn={tier}")
    done = run_command(evaluate.main, "--problem", "stores", *options)
    assert done.status == 0, done.stderr
    assert "gap" not in done.stdout
    assert f"Return: sum of the {'rewards of all agents' if tier == 'all' else tier}" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_of_the_supply_chain_fits(width, run_command, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    options = ("--set", "horizon=5", "--episodes", 20, "--baselines", "newsvendor,reference_rules")
    done = run_command(evaluate.main, "--problem", "stores", *options)
    assert done.status == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= width
    assert any(line.startswith("upper bound") and line.rstrip().endswith("0.00") for line in lines)
    assert "fill" in done.stdout
    assert ("supplier" in done.stdout) == (width == 120)


def test_training_on_real_demand(run_command, tmp_path):
    options = ("--algo", "dqn", "--config", BAKERY, "--timesteps", 1500, "--quiet", *QUICK)
    small = ("--set", "learning_starts=500", "--set", "buffer_size=1000")
    done = run_command(train.main, *options, *small, "--run-dir", tmp_path / "bakery")
    assert done.status == 0, done.stderr
    done = run_command(
        evaluate.main,
        "--checkpoint",
        tmp_path / "bakery",
        "--episodes",
        50,
        "--json",
        "--baselines",
        "none",
    )
    assert done.status == 0, done.stderr
    assert "agent" in json.loads(done.stdout)["policies"]


def test_rules_alone_on_a_file_of_ones_own(run_command):
    days = ("--demand", ROOT / "data" / "bakery_3stores.csv", "--split", "2018-07-01")
    rules = ("--baselines", "newsvendor_weekday", "--episodes", 20)
    done = run_command(evaluate.main, *days, *rules)
    assert done.status == 0, done.stderr
    assert "evaluation 2018-07-01" in done.stderr
    assert "hindsight bound" in done.stdout
    done = run_command(evaluate.main, "--checkpoint", "runs/any", *days)
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr == "error: --demand changes nothing about a checkpoint; leave it out\n"


def test_training_on_real_prices(run_command, tmp_path):
    start = dt.date(2020, 1, 1)
    rows = [f"{start + dt.timedelta(days=i)},{5 + i % 3},{20 - i % 5},{i % 9}" for i in range(300)]
    file = tmp_path / "prices.csv"
    file.write_text("\n".join(["date,raw_price,product_price,demand", *rows]))
    options = ("--algo", "ppo", "--prices", file, "--timesteps", 2000, *QUICK)
    done = run_command(train.main, *options, "--run-dir", tmp_path / "run")
    assert done.status == 0, done.stderr
    assert "3 columns, 300 days" in done.stderr
    options = ("--episodes", 20, "--json", "--baselines", "none")
    done = run_command(evaluate.main, "--checkpoint", tmp_path / "run", *options)
    assert done.status == 0, done.stderr
    found = json.loads(done.stdout)
    best = found["reference"]["value"]
    assert found["reference"]["kind"] == "hindsight"
    assert all(policy["return_mean"] <= best for policy in found["policies"].values())


def test_ctrl_c_saves_what_was_learned_and_no_other_process_trains_meanwhile(tmp_path, run_command):
    words = (ROOT / "train.py", "--algo", "ppo", "--timesteps", 10**9, "--quiet", *QUICK)
    process = start(*words, cwd=tmp_path)
    deadline = time.monotonic() + 90
    while not list(tmp_path.glob("runs/*/best_model.zip")) and time.monotonic() < deadline:
        time.sleep(0.2)
    refused = run_command(train.main, "--resume", *tmp_path.glob("runs/*"))
    process.send_signal(signal.SIGINT)
    try:
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()  # one that does not hear would train on, beside all other tests
    assert process.returncode == 130, err
    assert "interrupted after" in err
    (run,) = tmp_path.glob("runs/*")
    assert f"saved in runs/{run.name}" in err
    assert (run / "model.zip").is_file()
    assert not list(run.glob(".*tmp"))
    assert refused.status == 2
    assert "another process is training in it" in refused.stderr
    assert refused.stderr.count("\n") == 1
    facts = json.loads((run / "versions.json").read_text())
    assert checkpoints.found(run)[-1] == facts["steps"]
    assert not facts["finished"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "no such file or folder"),
        (lambda path: path.mkdir(), "not a run folder"),
        (lambda path: path.write_text("hello"), "must be a run folder"),
        (lambda path: (path.mkdir(), (path / "config.yaml").touch()), "holds no model"),
        (
            lambda path: (
                path.mkdir(),
                run_files.begin(path),
                run_files.write(path / "config.yaml", b"problem: shops\n"),
                run_files.write(path / "model.zip", b""),
            ),
            "unknown problem 'shops'",
        ),
        (
            lambda path: (
                path.mkdir(),
                run_files.begin(path),
                run_files.write(path / "config.yaml", b"algo: ppo\n"),
                run_files.write(path / "model.zip", b"x"),
            ),
            "File is not a zip file",
        ),
    ],
    ids=["absent", "empty", "a text", "no model", "other problem", "damaged"],
)
def test_evaluation_refuses_what_is_no_checkpoint(make, message, run_command, tmp_path):
    make(tmp_path / "run")
    before = sorted(tmp_path.rglob("*"))
    done = run_command(evaluate.main, "--checkpoint", tmp_path / "run")
    assert done.status == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_an_unwritable_place_is_one_line(run_command, tmp_path):
    (tmp_path / "runs").write_text("a file, not a folder")
    done = run_command(train.main, *TRAIN)
    assert done.status == 2
    assert "cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1


def test_help_lists_every_option(run_command):
    done = run_command(train.main, "--help")
    assert done.status == 0
    options = "algo problem recipe seed timesteps n-envs config set run-dir device quiet"
    for option in options.split():
        assert f"--{option}" in done.stdout


ONE_LINE = [
    ((train, "--algo", "dpn"), "unknown algorithm 'dpn'; did you mean 'dqn'?"),
    ((train, "--problem", "cahs"), "unknown problem 'cahs'"),
    ((train, "dqn"), "'dqn': an option is missing before it; say --algo dqn"),
    ((train, "--algo", "ppo", "cash"), "'cash': an option is missing before it, such as --prob"),
    ((train, "--recipe", "refrence"), "unknown recipe 'refrence'; did you mean 'reference'?"),
    ((train, "--sed", "1"), "--seed"),
    ((train, "--timesteps", "many"), "'many': must be a whole number"),
    ((train, "--timesteps", "0"), "timesteps = 0"),
    ((train, "--set", "holding_cots=1"), "did you mean 'holding_cost'?"),
    ((train, "--set", "holding_cost=-1"), "parameters.holding_cost = -1"),
    ((train, "--set", "buy_lots=[0]"), "parameters.buy_lots"),
    ((train, "--set", "observation.scale=[1, 2]"), "observation.scale has 2 entries"),
    ((train, "--n-envs", "65536", "--set", "max_steps=100000"), "GiB of memory"),
    ((train, "--device", "cuda:7"), "device = 'cuda:7': torch finds none here"),
    ((train, "--config", "absent.yaml"), "absent.yaml: no such file"),
    ((train, "--problem", "stores", "--config", BAKERY), "about the cash problem, not stores"),
    ((train, "--config", BAKERY, "--algo", "dqn", "--set", "demand_data.column=shop"), "'shop'"),
    (
        (train, "--config", BAKERY, "--algo", "dqn", "--set", "demand_data.split=2030-01-01"),
        "split",
    ),
    (
        (train, "--config", BAKERY, "--algo", "dqn", "--set", "reward.expected=true"),
        "needs the law",
    ),
    ((evaluate, "--checkpoint"), "no run under runs/"),
    ((evaluate, "--problem", "chain"), "unknown problem 'chain'"),
    ((evaluate, "--baselines", ""), "unknown baseline ''"),
    ((evaluate, "--baselines", "randm"), "did you mean 'random'?"),
    ((evaluate, "--episodes", "1"), "--episodes"),
    ((evaluate, "--scenario", "spik"), "unknown scenario 'spik'; did you mean 'spike'?"),
    ((evaluate, "--problem", "cash", "--scenario", "spike"), "--scenario has no meaning for cash"),
    ((evaluate, "--problem", "cash", "--stores", "2"), "--stores belongs to --problem stores"),
    ((evaluate, "--stores", "0"), "parameters.stores = 0"),
    ((evaluate, "--checkpoint", "--stores", "2"), "changes nothing about a checkpoint"),
    ((evaluate, "--problem", "stores", "--set", "store.lead_tim=4"), "did you mean 'lead_time'?"),
    ((evaluate, "--problem", "stores", "--baselines", "tuned_cycle"), "unknown baseline"),
    ((train, "--device", "tpu"), "device = 'tpu': must be cpu, cuda, cuda:1"),
    ((train, "--from", "/nonexistent"), "--from /nonexistent: no such file"),
    ((train, "--algo", "PPO"), "unknown algorithm 'PPO'; did you mean 'ppo'?"),
    ((train, "--eval-freq", "9"), "--eval-freq; say --set evaluation.every=VALUE"),
    ((train, "--learning-rate", "1"), "--learning-rate; say --set learning_rate=VALUE"),
    ((train, "--stores", "3", "--scenario", "scarce"), "--scenario; say --set scenario=VALUE"),
    ((train, "--timesteps", "1.5"), "--timesteps '1.5': must be a whole number"),
    ((train, "--n-envs", "nan"), "--n-envs 'nan': must be a whole number"),
    ((train, "--config", ""), "--config: is empty; name a file"),
    ((train, "--demand", "."), "--demand .: is a folder; name a file"),
    ((train, "--set", "buy_lots=[]"), "buy_lots = []: must have at least 1 of them"),
    ((train, "--set", "seed=true"), "seed = True: must not be true or false"),
    ((train, "--set", "net_arch=[true]"), "net_arch = [True]: must not be true or"),
    ((train, "--set", "seed=no"), "seed = 'no': input should be a valid integer"),
    ((train, "--set", "timesteps=1:30:00"), "timesteps = '1:30:00': input should be"),
    (
        (tune, "--baseline", "randm"),
        "unknown baseline 'randm'; allowed: all, base_stock, cycle, free",
    ),
    ((tune, "--baseline", "buy_buy_convert"), "buy_buy_convert: has no parameters to tune"),
    ((tune, "--baseline", ""), "--baseline: is empty; name rules, all or free"),
    ((evaluate, "--csv", "."), "--csv .: is a folder; name a file"),
    ((evaluate, "--csv", ""), "--csv: is empty; name a file"),
    ((evaluate, "--csv", "/dev/null"), "--csv /dev/null: is no regular file"),
]


@pytest.mark.parametrize(("command", "message"), ONE_LINE)
def test_what_is_wrong_is_one_line(run_command, tmp_path, command, message):
    script, *options = command
    done = run_command(script.main, *options)
    assert (done.status, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["1e5", "100000", "1_00_000"])
def test_steps_are_written_as_people_write_them(text):
    option = next(p for p in train.main.params if p.name == "timesteps")
    assert option.type.convert(text, option, None) == 100_000


def test_a_folder_may_be_called_anything(run_command, tmp_path):
    folder = tmp_path / "m[red]x [b]"
    short = ("--timesteps", "16", "--set", "learning_starts=8", "--set", "evaluation.episodes=2")
    done = run_command(train.main, *short, "--run-dir", folder, "--quiet")
    assert done.status == 0, done.stderr
    assert f"saved in {folder}\n" in done.stderr
    assert f"next: python evaluate.py --checkpoint {folder}\n" in done.stderr


def test_a_run_that_was_stopped_says_how_to_go_on(tmp_path, capsys):
    stopped = Trained(tmp_path / "run", None, 8, 1.0, 130)
    assert train._finish(tmp_path / "run", [stopped], quiet=True) == 130
    assert f"next: python train.py --resume {tmp_path}/run\n" in capsys.readouterr().err


def test_a_model_worse_than_random_play_gets_no_percentage():
    assert train.gap_in_words(0.0011) == ", 0.11% short of the reference"
    assert train.gap_in_words(1.78) == ", no better than random play"
    assert train.gap_in_words(None) == ""
