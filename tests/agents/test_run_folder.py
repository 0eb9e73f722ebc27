"""Which folder and which file of a run are meant, and what is read of a run."""

import importlib.metadata
import os
import shutil

import pytest

from agents import checkpoints, run_files, run_folder
from agents.config import resolve
from agents.run_files import BEST, CONFIG, FINAL, LOCK, RECOMMENDATION, VERSIONS
from common.errors import InputError
from tests.agents.small_run import SMALL


def config(problem="cash", *more):
    small = SMALL if problem == "cash" else ()
    return resolve({"algo": "ppo", "problem": problem}, assignments=(*small, *more))


@pytest.fixture
def folder(tmp_path):
    """Return a function that writes files into a run's folder, each with its own name as content,
    and a configuration."""

    def make(name, *files, of=None):
        path = tmp_path / name
        new = not path.exists()
        path.mkdir(parents=True, exist_ok=True)
        if new and run_files.run_of(path) == path:
            run_files.begin(path)
        run_files.write(path / CONFIG, (of or config()).to_yaml().encode())
        for file in files:
            run_files.write(path / file, file.encode())
        return path

    return make


def test_a_checkpoint_is_the_best_model_unless_it_is_named(folder):
    run = folder("run", BEST, FINAL)
    assert run_folder.find(str(run)) == (run, BEST)
    assert run_folder.find(str(run / FINAL)) == (run, FINAL)
    assert run_folder.find(str(run / BEST)) == (run, BEST)
    last = folder("last", FINAL)  # where no best was kept
    assert run_folder.find(str(last)) == (last, FINAL)
    recommended = folder("recommended", RECOMMENDATION)
    assert run_folder.find(str(recommended))[0] == recommended


def test_what_is_no_checkpoint_is_refused_with_the_reason(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    seeds = folder("seeds")
    for number in (10, 2):
        folder(f"seeds/seed_{number}", BEST)
    for path, line in (
        (tmp_path / "none", "no such file or folder"),
        (tmp_path / "empty", "not a run folder, it holds no config.yaml"),
        (folder("begun"), "holds no model; did its training finish"),
        (folder("run", BEST) / CONFIG, "must be a run folder, best_model.zip or model.zip"),
        (seeds, r"runs of several seeds; name one, such as \S*seed_2$"),
        (folder("only_best", BEST) / FINAL, "no such file or folder"),
    ):
        with pytest.raises(InputError, match=line):
            run_folder.find(str(path))
    assert run_folder.runs_of(str(seeds)) == (
        seeds,
        (str(seeds / "seed_2"), str(seeds / "seed_10")),
    )
    assert run_folder.runs_of(str(seeds / "seed_2" / BEST))[0] is None
    assert not run_folder.holds_seeds(seeds / "seed_2")
    assert run_folder.holds_seeds(folder("more", of=config("cash", "seeds=[4,5]")))


def test_the_newest_run_is_the_one_begun_last(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no run under runs/; train one"):
        run_folder.find("newest")
    for name, begun in (("runs/a", 200), ("runs/b", 300), ("runs/c", 100)):
        os.utime(folder(name, BEST) / CONFIG, (begun, begun))
    (tmp_path / "runs" / "later").mkdir()
    (tmp_path / "runs" / "a" / "evaluation.json").write_text("{}")  # and touched since
    assert run_folder.find("newest")[0].name == "b"


def test_the_last_phase_that_has_a_model_stands_for_its_run(folder):
    run = folder("run")
    for number in (1, 2, 3):
        folder(f"run/phase_{number}", BEST)
    folder("run/phase_4")
    assert run_folder.phases(run) == [run / f"phase_{number}" for number in (1, 2, 3)]
    third, _ = run_folder.find(str(run))
    assert third == run_folder.last_phase(run) == run / "phase_3"
    assert run_folder.root_of(third, str(run)) == run
    assert run_folder.root_of(third, "newest") == run
    assert run_folder.root_of(third, str(third)) == third
    run_files.write(run / "phase_4" / FINAL, b"")
    assert run_folder.find(str(run)) == (run / "phase_4", FINAL)


def test_players_are_those_of_the_last_phase_by_their_names(folder):
    run = folder("run")
    for name in ("phase_1", "phase_2"):
        folder(f"run/{name}")
        for player in ("store", "warehouse"):
            folder(f"run/{name}/players/{player}", BEST, of=config("stores"))
    folder("run/phase_2/players/supplier")  # without a model
    home = run / "phase_2" / "players"
    both = {name: home / name for name in ("store", "warehouse")}
    assert run_folder.players(run) == both
    assert run_folder.find(str(run)) == (run / "phase_2", BEST)
    starts = {f"start/players/{name}": path for name, path in both.items()}
    assert run_folder.start_models(run) == starts
    alone = folder("alone", BEST, of=config("stores", "team.learn=warehouse"))
    assert run_folder.players(alone) == {"warehouse": alone}
    assert run_folder.players(folder("cash", BEST)) == {"": alone.parent / "cash"}
    assert run_folder.start_models(alone.parent / "cash") == {"start": alone.parent / "cash"}
    assert run_folder.start_models(None) == {}


@pytest.mark.parametrize("place", ["phase_1", "players", "players/store"])
def test_no_link_stands_for_a_part_of_a_run(place, folder):
    run, other = folder("run"), folder("others/store", BEST)
    (run / place).parent.mkdir(exist_ok=True)
    (run / place).symlink_to(other.parent if place == "players" else other)
    with pytest.raises(InputError, match=f"{place}: is a symbolic link; put a copy"):
        run_folder.players(run)


def test_a_copy_begins_with_the_best_model(folder):
    run, target = folder("run", BEST, FINAL), folder("target")
    run_folder.write_start(config(), target, {"start": run, "players/store": folder("last", FINAL)})
    assert run_folder.start_of(target) == target / "start"
    assert run_folder.start_of(run) is None
    assert run_files.read(target / "start" / BEST, 100) == BEST.encode()
    assert run_files.read(target / "players" / "store" / BEST, 100) == FINAL.encode()
    assert run_folder.read_versions(target)["numpy"] == importlib.metadata.version("numpy")
    assert (target / "start" / CONFIG).read_bytes() == (run / CONFIG).read_bytes()
    names = [run_folder.model_of(one, FINAL) for one in (run, target / "start")]
    assert names == [FINAL, BEST]


def test_a_run_that_was_trained_with_other_versions_says_which(folder, monkeypatch):
    run = folder("run", BEST)
    assert run_folder.read_versions(run) == {}
    assert not run_folder.is_finished(run)
    run_folder.write_versions(run)
    assert run_folder.other_versions(run) == []
    assert not run_folder.is_finished(run)
    own = importlib.metadata.version("numpy")
    run_folder.write_versions(run, numpy="1.0", weights="a digest", more=1)
    assert run_folder.other_versions(run) == [f"numpy 1.0, now {own}"]
    assert run_folder.is_finished(run)
    run_files.write(run / VERSIONS, b'{"numpy": "1.0"}')  # before others counted
    assert run_folder.other_versions(run) == [f"numpy 1.0, now {own}"]
    run_folder.write_versions(run, weights="a digest", finished=False)
    assert not run_folder.is_finished(run)
    run_files.write(run / VERSIONS, b"[]")
    with pytest.raises(InputError, match="damaged; restore the run from a copy"):
        run_folder.read_versions(run)


def test_runs_that_begin_within_a_second_have_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_folder.time, "strftime", lambda _: "20240131-120000")
    names = []
    for run in (config(), config(), config("cash", "seeds=[4,5]")):
        with run_folder.claim(run, None) as made:
            names.append(made.as_posix())
    assert names == [
        "runs/cash__ppo__0__20240131-120000",
        "runs/cash__ppo__0__20240131-120000-2",
        "runs/cash__ppo__2-seeds__20240131-120000",
    ]


def test_a_folder_that_is_empty_is_taken_and_a_file_is_not(tmp_path):
    (tmp_path / "empty").mkdir()
    with run_folder.claim(config(), tmp_path / "empty") as made:
        assert made == tmp_path / "empty"
    (tmp_path / "file").write_text("")
    for name in ("file", "file/run"):
        with (
            pytest.raises(InputError, match=r"is not an empty folder|cannot be written"),
            run_folder.claim(config(), tmp_path / name),
        ):
            pass


def test_remains_are_cleared_and_a_link_among_them_is_not_followed(tmp_path):
    precious, run = tmp_path / "precious", tmp_path / "run"
    for path in (precious, run):
        path.mkdir()
    (precious / "file").write_text("")
    (run / LOCK).write_text("")
    (run / "start").symlink_to(precious)
    with run_folder.claim(config(), run):
        assert {path.name for path in run.iterdir()} >= {LOCK, "manifest.json"}
        assert not (run / "start").exists()
    assert (precious / "file").exists()


def test_a_disk_that_fails_leaves_a_line_on_how_to_go_on(folder):
    run = folder("run", BEST)
    phase = folder("run/phase_1", BEST)
    begun = folder("begun")
    (begun / CONFIG).unlink()
    gone = folder("gone")
    shutil.rmtree(gone)
    checkpoints.write(run, 5, {"a": 1}, {})
    onward = f"mend that, then: python train.py --resume {run}$"
    for path, line in (
        (run, f"its last checkpoint is whole, so {onward}"),
        (phase, f": No space; {onward}"),
        (begun, "No space; mend that, then train again with the same command"),
        (gone, "No space; the folder is gone, so train anew"),
    ):
        with pytest.raises(InputError, match=line), run_folder.report_write_errors(path):
            raise OSError(28, "No space")
