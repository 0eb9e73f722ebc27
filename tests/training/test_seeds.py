"""Several seeds of one recipe, a run each, over one process or two."""

import os
import shutil
import signal

import pytest

import evaluate
import train
from agents import run_files, run_folder
from agents.config import resolve
from common.errors import InputError
from tests.agents.small_run import SMALL
from training import callbacks, seeds
from training.phases import resolve_phases
from training.seeds import parse_seeds, resume_seeds, train_seeds

OPTIONS = [part for setting in SMALL for part in ("--set", setting)]


def weights(root):
    return {
        folder.name: run_folder.read_versions(folder)["weights"]
        for folder in run_files.seed_folders(root)
    }


@pytest.fixture(scope="module")
def by_one_process(tmp_path_factory):
    root = tmp_path_factory.mktemp("seeds") / "one"
    train_seeds((0, 1, 2), [resolve({"algo": "ppo"}, assignments=SMALL)], root)
    return root


def test_two_processes_and_single_runs_learn_the_same(by_one_process, tmp_path, run_command):
    done = run_command(
        train.main,
        *("--algo", "ppo", "--seeds", "0-2", "--workers", 2, "--quiet"),
        *("--run-dir", tmp_path / "two", *OPTIONS),
    )
    assert done.status == 0, done.stderr
    assert "interquartile mean of 3 seeds" in done.stdout
    assert weights(tmp_path / "two") == weights(by_one_process)
    alone = run_command(
        train.main,
        *("--algo", "ppo", "--seed", 1, "--quiet", "--run-dir", tmp_path / "run", *OPTIONS),
    )
    assert alone.status == 0, alone.stderr
    assert (
        run_folder.read_versions(tmp_path / "run")["weights"] == weights(by_one_process)["seed_1"]
    )


@pytest.mark.parametrize("more", [("--seeds", "0-1"), ("--stores", 2, "--phases", "1-2")])
def test_runs_that_would_end_before_they_learn_are_refused_before_the_first(
    run_command, tmp_path, more
):
    short = ("--algo", "dqn", "--set", "learning_starts=90", "--timesteps", 90)
    done = run_command(train.main, *short, *more, "--run-dir", tmp_path / "run", "--quiet")
    assert done.status == 2
    assert done.stderr.startswith("error: learning_starts = 90: nothing is learned up to that step")
    assert not (tmp_path / "run").exists()


def test_what_is_missing_is_trained_and_nothing_else(by_one_process, tmp_path, run_command):
    root = tmp_path / "again"
    shutil.copytree(by_one_process, root)
    shutil.rmtree(root / "seed_1")
    kept = (root / "seed_0" / run_files.FINAL).stat().st_mtime_ns
    done = run_command(train.main, "--resume", root)
    assert done.status == 0, done.stderr
    assert weights(root) == weights(by_one_process)
    assert (root / "seed_0" / run_files.FINAL).stat().st_mtime_ns == kept


def test_the_folder_is_evaluated_whole_and_one_seed_by_its_name(by_one_process, run_command):
    done = run_command(evaluate.main, "--checkpoint", by_one_process, "--episodes", 50)
    assert done.status == 0, done.stderr
    assert "interquartile mean of 3 seeds" in done.stdout
    assert run_files.evaluation_file(by_one_process, None).is_file()
    one = run_command(evaluate.main, "--checkpoint", by_one_process / "seed_2", "--episodes", 50)
    assert one.status == 0, one.stderr
    with pytest.raises(InputError, match=r"several seeds; name one, such as .*seed_0"):
        run_folder.find(str(by_one_process))


def test_a_failed_seed_costs_itself_alone(tmp_path, run_command, monkeypatch):
    from training import trainer

    learned = trainer.TrainingSession.learn

    def fail_for_seed_1(session):
        if session._config.settings.seed == 1:
            raise trainer.NumericalError("a loss is NaN")
        learned(session)

    monkeypatch.setattr(trainer.TrainingSession, "learn", fail_for_seed_1)
    root = tmp_path / "run"
    run = ("--algo", "ppo", "--seeds", "0,1", "--run-dir", root, "--quiet", *OPTIONS)
    done = run_command(train.main, *run)
    assert done.status == 3
    assert "failed: a loss is NaN" in " ".join(done.stderr.split())
    assert "weights" in run_folder.read_versions(root / "seed_0")
    assert "without the failed" in " ".join(done.stdout.split()) or "seed_1" in done.stdout


def test_a_seed_that_failed_would_fail_again_and_is_not_begun(by_one_process, tmp_path):
    root = shutil.copytree(by_one_process, tmp_path / "run")
    run_folder.write_versions(root / "seed_1", finished=False, failed="a loss is NaN")
    results, status = resume_seeds(root)
    assert status == 0
    assert {one.seed: one.failed for one in results} == {0: "", 1: "a loss is NaN", 2: ""}
    assert not any(one.trained for one in results)


def test_a_seed_learns_phase_after_phase_by_its_own_plans(tmp_path):
    settings = (
        *("timesteps=24", "n_envs=6", "horizon=3", "n_steps=3", "batch_size=18", "net_arch=[4]"),
        *("evaluation.every=24", "evaluation.episodes=2", "evaluation.pictures=0"),
    )
    configs = resolve_phases((1, 2), {"algo": "ppo", "stores": 2}, assignments=settings)
    root, (result,), status = train_seeds((5,), configs, tmp_path / "run", phases=(1, 2))
    assert status == 0
    folders = [trained.folder for trained in result.trained]
    assert folders == [root / "seed_5" / f"phase_{phase}" for phase in (1, 2)]
    learned = [run_folder.read_config(folder).settings for folder in folders]
    assert [(own.seed, own.team.learn) for own in learned] == [(5, "store"), (5, "warehouse")]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_between_two_seeds_ends_the_run(number, status, tmp_path, monkeypatch):
    begun = []

    def train_one(config, *arguments, **options):
        if begun:
            os.kill(os.getpid(), number)
        begun.append(config.settings.seed)
        return train_run(config, *arguments, **options)

    train_run = seeds.train
    former = signal.getsignal(number)
    configs = [resolve({"algo": "ppo"}, assignments=SMALL)]
    with monkeypatch.context() as patch:
        patch.setattr(seeds, "train", train_one)
        root, done, ended = train_seeds((0, 1), configs, tmp_path / "run")
    assert ended == status
    assert signal.getsignal(number) == former
    assert begun == [0]
    assert [one.seed for one in done] == [0]
    assert not (root / "seed_1").exists()
    missing, ended = resume_seeds(root)
    assert ended == 0
    assert [len(one.trained) for one in missing] == [0, 1]


def test_a_signal_while_a_seed_learns_saves_it_and_begins_no_other(tmp_path, monkeypatch):
    evaluate = callbacks.BestModel.evaluate

    def stop(best):
        os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(best)

    configs = [resolve({"algo": "ppo"}, assignments=SMALL)]
    with monkeypatch.context() as patch:
        patch.setattr(callbacks.BestModel, "evaluate", stop)
        root, (stopped,), status = train_seeds((0, 1), configs, tmp_path / "run")
    assert status == 143
    assert stopped.trained[0].interrupted
    assert not (root / "seed_1").exists()


@pytest.mark.parametrize("text", ["", "a", "3-1", "1,1", "-1", "0-10000", "4294967296", "0-2,,3"])
def test_seeds_that_are_none_are_refused(text):
    with pytest.raises(InputError, match="--seeds"):
        parse_seeds(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--workers", 2), "--workers: shares out the seeds of --seeds and the labels of"),
        (("--seeds", "0-1", "--set", "seed=1"), "--seed: --seeds names the seeds; leave one"),
        (("--seeds", "0-1", "--workers", 0), "--workers 0: must be from 1"),
        (("--seeds", "0-1", "--seed", 3), "leave one of the two out"),
        (("--set", "seeds=[0,1]"), "are trained with --seeds"),
    ],
)
def test_options_that_do_not_fit_are_one_line(options, message, run_command, tmp_path):
    done = run_command(train.main, *options, "--run-dir", tmp_path / "run")
    assert done.status == 2
    assert message in done.stderr
    assert not (tmp_path / "run").exists()
