"""Hyperparameters searched by trials, through kills, and the recipe that comes of it."""

import csv
import json
import signal
from dataclasses import replace

import numpy as np
import pytest

import tune
from agents.config import read_yaml, resolve
from agents.tuned_file import TunedFile
from commands.tuning import hyperparameters
from commands.tuning.hyperparameters import best_so_far, importances, write_results
from commands.tuning.rules import select_rules, tune_rules
from common import console
from common.errors import InputError
from common.shards import HERE, Workers
from tests.agents.small_run import SMALL
from tests.training.test_stopping import signal_once
from training import callbacks
from training.search import study as studies
from training.search.space import read_space
from training.search.study import StudyPlan, is_ended, open_study, work

pytest.importorskip("optuna")

SPACE = """
spaces:
  ppo:
    learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}
    n_epochs: {low: 1, high: 3}
"""
OPTIONS = [part for setting in SMALL for part in ("--set", setting)]


@pytest.fixture(scope="module")
def space_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("space") / "space.yaml"
    path.write_text(SPACE)
    return path


def plan(folder, space_file, trials=4):
    folder.mkdir(exist_ok=True)
    return StudyPlan(
        folder=str(folder),
        flags={"algo": "ppo"},
        config=None,
        assignments=SMALL,
        space=read_space("ppo", space_file),
        storage=None,
        sampler="tpe",
        pruner="none",
        trials=trials,
        seed=0,
    )


def trials_of(study):
    return [(one.number, one.params, one.value, one.state) for one in study.get_trials()]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, space_file):
    one = plan(tmp_path_factory.mktemp("studies") / "whole", space_file)
    for place in range(4):
        assert work(one, place, lambda _share: None) == place
    assert work(one, 4, lambda _share: None) is None  # none is left
    return trials_of(open_study(one))


def test_a_killed_trial_is_done_again_and_counted_once(
    undisturbed, tmp_path, space_file, monkeypatch
):
    one = plan(tmp_path / "killed", space_file)
    train = studies.train
    deaths = iter([True, False, True, True, False, False, False])

    def die_sometimes(*arguments, **options):
        if next(deaths):
            raise KeyboardInterrupt
        return train(*arguments, **options)

    monkeypatch.setattr(studies, "train", die_sometimes)
    study = open_study(one)
    for _ in range(10):
        if sum(map(is_ended, study.get_trials())) == 4:
            break
        try:
            work(one, 0, lambda _share: None)
        except KeyboardInterrupt:
            continue
    assert trials_of(open_study(one)) == undisturbed


def test_a_trial_that_another_process_does_is_left_to_it(tmp_path, space_file):
    one = plan(tmp_path / "shared", space_file, trials=2)
    study = open_study(one)
    with studies._owned(tmp_path / "shared") as owner:
        assert studies._take(study, one, owner).number == 0
        with studies._owned(tmp_path / "shared") as other:
            assert studies._take(study, one, other).number == 1
            assert studies._take(study, one, other) is None


def test_the_pruner_stops_a_trial(tmp_path, space_file, monkeypatch):
    from optuna.trial import Trial, TrialState

    monkeypatch.setattr(Trial, "should_prune", lambda _: True)
    one = plan(tmp_path / "pruned", space_file, trials=1)
    work(one, 0, lambda _share: None)
    (trial,) = open_study(one).get_trials()
    assert trial.state == TrialState.PRUNED
    assert list(trial.intermediate_values) == [40]  # the first evaluation of two


def test_the_command_writes_a_recipe_goes_on_and_compares(tmp_path, space_file, run_command):
    folder = tmp_path / "study"
    search = (
        *("--algo", "ppo", "--space", space_file, "--run-dir", folder, "--quiet", *OPTIONS),
        *("--pruner", "none"),
    )
    first = run_command(tune.main, *search, "--trials", 2, "--confirm", 0)
    assert first.status == 0, first.stderr
    more = run_command(tune.main, *search, "--trials", 3, "--confirm", 2)
    assert more.status == 0, more.stderr
    assert "3 complete, 0 pruned, 0 fail" in more.stdout
    assert "2 fresh seeds" in more.stdout
    recipe = read_yaml(folder / "recipe.yaml")
    best = max(
        json.loads(line)["values"][0]
        for line in (folder / "study.jsonl").read_text().splitlines()
        if "values" in json.loads(line) and json.loads(line)["values"]
    )
    assert f"{best:,.3f} on tuning traces" in more.stdout
    assert resolve({}, config=folder / "recipe.yaml").to_dict() == recipe
    again = run_command(tune.main, *search, "--trials", 3, "--confirm", 2)
    assert again.stdout == more.stdout
    other = run_command(tune.main, *search, "--trials", 3, "--set", "gamma=0.5")
    assert other.status == 2
    assert "holds a study of other settings" in other.stderr


def test_the_recipe_that_was_found_last_is_the_one_compared(tmp_path, space_file, monkeypatch):
    """A study that went on kept the runs of the recipe before, and compared those."""
    monkeypatch.setattr(hyperparameters, "EPISODES", 20)
    one = plan(tmp_path / "going_on", space_file)
    for rate, seeds in ((1e-3, 1), (5e-3, 2)):
        best = one.run({"learning_rate": rate})
        _, found = hyperparameters.confirm(one, best, seeds, HERE, quiet=True)[0]
        runs = sorted((tmp_path / "going_on" / "found").glob("seed_*"))
        configs = [read_yaml(run / "config.yaml") for run in runs]
        assert [own["hyperparameters"]["learning_rate"] for own in configs] == [rate] * seeds
        assert found.returns.size == seeds


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--trials", 3), "--trials: goes with --algo"),
        (("--algo", "ppo", "--trials", 0), "--trials 0: must be at least 1"),
        (("--algo", "ppo", "--confirm", -1), "--confirm -1: must be from 0 to 10,000 fresh seeds"),
        (("--algo", "trpo"), "has no search space for it"),
        (("--algo", "ppo", "--sampler", "tpa"), "unknown sampler 'tpa'; did you mean 'tpe'?"),
        (("--algo", "ppo", "--baseline", "all"), "--algo goes with neither"),
    ],
)
def test_options_that_do_not_fit_are_one_line(options, message, run_command, tmp_path):
    folder = ("--run-dir", tmp_path / "new") if "--algo" in options else ()
    done = run_command(tune.main, *options, *folder)
    assert done.status == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "text",
    [
        "spaces: {ppo: {gamma: {low: 1}}}",
        "spaces: {ppo: {gamma: {low: 2, high: 1}}}",
        "spaces: {ppo: {gamma: {low: 0, high: 1, log: true}}}",
        "spaces: {ppo: {gamma: {low: 0, high: 1, choices: [1]}}}",
        "spaces: {ppo: {}}",
        "spaces: []",
    ],
)
def test_spaces_that_are_none_are_refused(text, tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(InputError):
        read_space("ppo", path)


def test_a_rule_is_tuned_the_same_by_another_process():
    run = resolve({"problem": "cash"}, assignments=("max_steps=5",))
    rules = select_rules(run, ("cycle",))
    found = [
        [one.tuned.values for one in tune_rules(run, rules, TunedFile(None), workers)]
        for workers in (HERE, Workers(2))
    ]
    assert found[0] == found[1]


IMPOSSIBLE = """
spaces:
  ppo:
    gamma: {low: 2.0, high: 3.0}
"""


@pytest.fixture
def impossible(tmp_path):
    path = tmp_path / "impossible.yaml"
    path.write_text(IMPOSSIBLE)
    return path


def searching(folder, space, *more):
    return (
        *("--algo", "ppo", "--space", space, "--run-dir", folder, "--quiet", *OPTIONS),
        *("--pruner", "none", "--confirm", 0, *more),
    )


def test_settings_that_are_refused_fail_a_trial_and_the_search_says_why(
    run_command, impossible, tmp_path
):
    folder = tmp_path / "study"
    done = run_command(tune.main, *searching(folder, impossible, "--trials", 2))
    assert (done.status, done.stderr.count("\n")) == (2, 1)
    assert f"{folder}: no trial was judged; hyperparameters.gamma = " in done.stderr
    assert "input should be less than or equal to 1" in done.stderr
    states = [one.state.name for one in open_study(plan(folder, impossible)).get_trials()]
    assert states == ["FAIL", "FAIL"]


def test_a_trial_that_breaks_is_told_and_the_search_can_go_on(
    run_command, space_file, tmp_path, monkeypatch
):
    def broken(*_, **__):
        raise RuntimeError("a mistake")

    search = searching(tmp_path / "study", space_file, "--trials", 1)
    with monkeypatch.context() as patch:
        patch.setattr(studies, "train", broken)
        done = run_command(tune.main, *search)
    assert done.status == 2
    assert "a trial broke: RuntimeError: a mistake\n" in done.stderr
    assert "no trial was judged; go on" in done.stderr
    again = run_command(tune.main, *search)
    assert again.status == 0, again.stderr
    assert "1 complete, 0 pruned, 0 fail" in again.stdout


def test_ctrl_c_in_a_trial_leaves_it_to_the_next_command(
    run_command, space_file, tmp_path, monkeypatch
):
    interrupted = signal_once(callbacks.BestModel.evaluate, signal.SIGINT)
    monkeypatch.setattr(callbacks.BestModel, "evaluate", interrupted)
    search = searching(tmp_path / "study", space_file, "--trials", 1)
    done = run_command(tune.main, *search)
    assert done.status == 130
    assert "keeps what was tried; go on with the same command and --run-dir" in done.stderr
    again = run_command(tune.main, *search)
    assert again.status == 0, again.stderr
    assert "1 complete, 0 pruned, 0 fail" in again.stdout


def test_a_trial_killed_before_it_said_whose_it_was_is_done_again(impossible, tmp_path):
    one = plan(tmp_path / "killed", impossible, trials=2)
    assert open_study(one).ask().number == 0
    (tmp_path / "killed" / "trial_0").mkdir()
    (tmp_path / "killed" / "trial_0" / "half_written").touch()
    assert work(one, 0, lambda _share: None) == 0
    assert not (tmp_path / "killed" / "trial_0").exists()
    elsewhere = open_study(one).ask()
    elsewhere.set_user_attr(studies.OWNER, "a process of another machine")
    assert work(one, 0, lambda _share: None) is None


def test_trials_in_processes_of_their_own_say_nothing(impossible, tmp_path, monkeypatch):
    monkeypatch.setattr(console.screen, "quiet", False)
    one = plan(tmp_path / "silent", impossible, trials=1)
    assert work(replace(one, silent=True), 0, lambda _share: None) == 0
    assert console.screen.quiet


def test_a_storage_that_cannot_be_opened_is_one_line(run_command, space_file, tmp_path):
    storage = f"sqlite:///{tmp_path}/absent/trials.db"
    search = searching(tmp_path / "study", space_file, "--storage", storage)
    done = run_command(tune.main, *search)
    assert (done.status, done.stderr.count("\n")) == (2, 1)
    assert f"error: --storage {storage}: cannot be opened: " in done.stderr


def test_a_folder_of_something_else_is_left_alone(run_command, space_file, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    done = run_command(tune.main, *searching(tmp_path / "other", space_file))
    assert done.status == 2
    assert "exists and holds no study; choose another folder" in done.stderr
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["thesis.txt"]


def test_the_setting_that_matters_is_the_most_important(space_file, tmp_path):
    from optuna.distributions import FloatDistribution, IntDistribution
    from optuna.trial import create_trial

    one = plan(tmp_path / "judged", space_file)
    study, rng = open_study(one), np.random.default_rng(0)
    space = {
        "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "n_epochs": IntDistribution(1, 3),
    }
    rates = np.geomspace(1e-4, 1e-2, 12).tolist()
    for rate in rates[:3]:
        study.add_trial(
            create_trial(
                params={"learning_rate": rate, "n_epochs": 2}, distributions=space, value=rate
            )
        )
    assert importances(study) == {}
    for rate in rates[3:]:
        params = {"learning_rate": rate, "n_epochs": int(rng.integers(1, 4))}
        study.add_trial(create_trial(params=params, distributions=space, value=rate))
    best = write_results(study, one)
    assert best.to_dict() == one.run(study.best_trial.params).to_dict()
    found = importances(study)
    assert list(found) == ["learning_rate", "n_epochs"]
    assert sum(found.values()) == pytest.approx(1.0)
    assert (tmp_path / "judged" / "importance.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "judged" / "trials.csv").read_text().splitlines()) == 13


def test_the_best_is_a_trial_that_was_judged_not_the_last_score_of_a_pruned_one(
    space_file, tmp_path
):
    from optuna.trial import TrialState, create_trial

    one = plan(tmp_path / "pruned", space_file)
    study = open_study(one)
    for _ in range(4):
        study.add_trial(create_trial(state=TrialState.PRUNED, value=-0.01))
    assert (best_so_far(study), importances(study)) == ("", {})
    with pytest.raises(InputError, match="no trial was judged; go on"):
        write_results(study, one)
    study.add_trial(create_trial(value=-1948.0))
    assert best_so_far(study) == ", best -1,948.00"
    write_results(study, one)
    with (tmp_path / "pruned" / "trials.csv").open() as table:
        assert [row["value"] for row in csv.DictReader(table)] == [*[""] * 4, "-1948.0"]
