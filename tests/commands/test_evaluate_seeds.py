"""Several seeds of one recipe, and the files that evaluate.py writes, as a user types it."""

import csv
import json
import re
import shutil

import pytest

import evaluate
import train
from agents import run_files, run_folder

RECIPE = (
    *("--algo", "ppo", "--timesteps", 800, "--set", "max_steps=12"),
    *("--set", "evaluation.every=400", "--set", "evaluation.episodes=20", "--quiet"),
)
FEW = ("--episodes", 50, "--baselines", "buy_buy_convert")


def trained(folder, *more):
    words = [*RECIPE, *more, "--run-dir", folder]
    train.main.main([str(word) for word in words], standalone_mode=False)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three seeds of a recipe."""
    root = tmp_path_factory.mktemp("seeds")
    return [trained(root / f"s{seed}", "--seed", seed) for seed in range(3)]


def checkpoints(*folders):
    return [word for folder in folders for word in ("--checkpoint", folder)]


def test_every_seed_has_a_row_in_every_form(runs, run_command, tmp_path):
    table = tmp_path / "table.csv"
    options = (*checkpoints(*runs), *FEW, "--csv", table)
    done = run_command(evaluate.main, *options, "--json")
    assert done.status == 0, done.stderr
    report = json.loads(done.stdout)
    assert [run["seed"] for run in report["seeds"]["runs"]] == [0, 1, 2]
    rows = {row["policy"]: row for row in csv.DictReader(table.read_text().splitlines())}
    for name in ("seed_0", "seed_1", "seed_2"):
        assert float(rows[name]["return_mean"]) == report["policies"][name]["return_mean"]
    assert float(rows["interquartile_mean"]["return_mean"]) == report["seeds"]["iqm"]["value"]
    shown = run_command(evaluate.main, *options).stdout
    assert all(f"\n{name} " in shown for name in report["policies"])
    assert "interquartile mean of 3 seeds" in shown
    assert not (runs[0] / "evaluation.json").exists()  # that of the run alone


def test_a_run_that_never_reached_its_rule_is_named(runs, run_command, tmp_path):
    copy = tmp_path / "worse"
    shutil.copytree(runs[1], copy)
    kept = json.loads((copy / "versions.json").read_text())
    about = {"rule": "R(x=3)", "reaches_rule": False, "kept_minus_rule": -2.5}
    facts = json.dumps({**kept, "starting_rule": about}).encode()
    run_files.write(copy / run_files.VERSIONS, facts)
    done = run_command(evaluate.main, *checkpoints(runs[0], copy), *FEW, "--json")
    wanted = "seed_1: no generation reached the rule it began with, R(x=3), and earns 2.5 less"
    named = [note for note in json.loads(done.stdout)["notes"] if "the rule it began" in note]
    assert [note[: len(wanted)] for note in named] == [wanted]


def test_a_failed_seed_is_shown(runs, run_command, tmp_path):
    empty, damaged = tmp_path / "empty", tmp_path / "damaged"
    shutil.copytree(runs[1], empty)
    shutil.copytree(runs[2], damaged)
    for name in ("model.zip", "best_model.zip"):
        (empty / name).unlink()
        (damaged / name).write_bytes(b"x")
    done = run_command(evaluate.main, *checkpoints(runs[0], empty, damaged), *FEW)
    assert done.status == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert "seed_1 failed" in words
    assert "best_model.zip:nosuchfile" in "".join(words.split())
    assert "seed_2 failed" in words
    assert "interquartile mean of 3 seeds, 2 failed" in words
    assert "without the failed" in words
    done = run_command(evaluate.main, *checkpoints(empty, damaged), *FEW)
    assert done.status == 2
    assert "none of the 2 seeds has a policy" in done.stderr


def test_a_seed_whose_training_broke_off_has_failed(runs, run_command, tmp_path):
    folder = tmp_path / "nan"
    shutil.copytree(runs[1], folder)
    facts = {"finished": False, "failed": "training stopped at step 400: loss is nan"}
    run_folder.write_versions(folder, **facts)
    done = run_command(evaluate.main, *checkpoints(runs[0], folder), *FEW, "--json")
    failed = json.loads(done.stdout)["seeds"]["runs"][1]
    assert failed["failed"] == "training stopped at step 400: loss is nan"
    run_folder.write_versions(folder, finished=False)
    done = run_command(evaluate.main, *checkpoints(runs[0], folder), *FEW, "--json")
    failed = json.loads(done.stdout)["seeds"]["runs"][1]
    assert "training broke off" in failed["failed"]
    with run_files.hold_lock(folder):
        done = run_command(evaluate.main, *checkpoints(runs[0], folder), *FEW, "--json")
    failed = json.loads(done.stdout)["seeds"]["runs"][1]
    assert failed["failed"] == f"{folder} is still being trained; wait for its end"


def test_training_that_meets_nan_says_so_in_its_folder(run_command, tmp_path):
    folder = tmp_path / "run"
    wild = ("learning_rate=1e6", "max_grad_norm=1e6", "reward.scale=1e9")
    words = [*RECIPE, *(word for setting in wild for word in ("--set", setting))]
    done = run_command(train.main, *words, "--run-dir", folder)
    assert done.status == 3, done.stderr
    facts = json.loads((folder / "versions.json").read_text())
    assert facts["finished"] is False
    assert "stopped at step" in facts["failed"]


def test_what_is_not_one_recipe_is_refused_in_one_line(runs, run_command, tmp_path, capsys):
    other = trained(tmp_path / "other", "--seed", 7, "--set", "gamma=0.5")
    capsys.readouterr()
    cases = [
        ((runs[0], other), "are not seeds of one recipe: hyperparameters.gamma = "),
        ((runs[0], runs[0]), "have the same seed, 0"),
        ((runs[0], tmp_path / "absent"), "no such file or folder"),
        ((runs[0], tmp_path), "not a run folder"),
    ]
    for folders, message in cases:
        done = run_command(evaluate.main, *checkpoints(*folders), *FEW)
        assert done.status == 2
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
    done = run_command(evaluate.main, "--checkpoint", runs[0], "--checkpoint", *FEW)
    assert "name every run where there are several" in done.stderr


def test_the_report_of_seeds_lies_in_the_first_run(runs, run_command, tmp_path):
    first = tmp_path / "first"
    shutil.copytree(runs[0], first)
    broken = tmp_path / "broken"
    shutil.copytree(runs[2], broken)
    (broken / "config.yaml").write_text("algo: [")
    words = (*checkpoints(first, runs[1], broken), *FEW, "--report")
    done = run_command(evaluate.main, *words)
    assert done.status == 0, done.stderr
    assert f"report: {first / 'report_seeds.html'}" in " ".join(done.stderr.split())
    text = (first / "report_seeds.html").read_text("utf-8")
    assert "run_3" in text
    assert "failed: " in text
    assert "counts as random play" in text
    shown = re.findall(r'<section id="([a-z]+)">', text)
    assert shown[:4] == ["headline", "manager", "table", "seeds"]
    assert "profiles" in shown
    files = {path.name: path.read_text().splitlines() for path in first.glob("report_seeds/*.csv")}
    assert files["seeds.csv"][1].startswith("median,")
    assert {line.split(",")[0] for line in files["training.csv"][1:]} == {
        "seed_0",
        "seed_1",
        "run_3",
    }
    rows = {tuple(row[:2]): row[2] for row in csv.reader(files["improvement.csv"])}
    # a failed seed plays as random does: a tie, beside two seeds that are better
    assert float(rows["random", "seeds"]) == pytest.approx(5 / 6)


def test_the_table_in_latex(runs, run_command, tmp_path):
    file, table = tmp_path / "t.tex", tmp_path / "t.csv"
    done = run_command(evaluate.main, *checkpoints(*runs), *FEW, "--latex", file, "--csv", table)
    assert done.status == 0, done.stderr
    text = file.read_text()
    body = text.split("\\midrule\n")[1].split("\\bottomrule")[0].splitlines()
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [line.split(" & ")[0].replace(" ", "_") for line in body[:-1]] == [
        row["policy"] for row in rows[:-1]
    ]
    assert len({line.count("&") for line in body}) == 1  # every row has every column
    assert all(line.endswith(r"\\") for line in body)
    assert float(body[0].split("$")[1]) == pytest.approx(float(rows[0]["return_mean"]), abs=0.05)
    assert not re.search(r"(?<!\\)[%_#]", text.split("\n", 1)[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "max_steps=3"), "--set: changes the problem of one --checkpoint; name a single"),
        (("--problem", "stores"), "is about the cash problem, not stores"),
        (("--stores", 2), "--stores changes nothing about a checkpoint; leave it out"),
    ],
)
def test_seeds_keep_their_problem(runs, run_command, options, message):
    done = run_command(evaluate.main, *checkpoints(*runs), *FEW, *options)
    assert (done.status, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--problem", "cash", "--report"), "--report is written into a run folder"),
        (("--problem", "cash", "--csv", "absent/table.csv"), "absent"),
    ],
)
def test_files_that_cannot_be_written_are_refused(arguments, message, run_command):
    done = run_command(evaluate.main, *arguments, *FEW, "--set", "max_steps=12")
    assert done.status == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
