"""A run that was killed goes on to the same bits."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer

from agents import checkpoints, run_files, run_folder
from agents import checkpoints as checkpoint_files
from agents.config import resolve
from common.errors import InputError, UnreadableError
from training.phases import parse_phases, resolve_phases, train_phases
from training.resume import resume
from training.trainer import train

OFF_POLICY = ("timesteps=1280", "learning_starts=200", "buffer_size=600", "n_envs=16")
ON_POLICY = ("timesteps=1280", "n_envs=16", "n_steps=10")
STORES_PPO = ("n_steps=8", "batch_size=64", "n_epochs=2")
FAST = ("evaluation.every=300", "evaluation.episodes=5", "max_steps=12", "net_arch=[8]")
STORES = (
    *("n_envs=12", "horizon=8", "evaluation.every=300", "evaluation.episodes=5"),
    *("evaluation.pictures=0", "parameters.observation=full", "net_arch=[8]", "team.turns=3"),
)
BAKERY = Path(__file__).parents[2] / "data" / "bakery_3stores.csv"
CLOCK = ("time/fps", "time/time_elapsed", "evaluation/seconds")
"""What a log says of the clock is never the same twice."""


class Killed(BaseException):
    """The end of a process, as far as one can have it without one."""


def cash_run(algo, *more):
    own = OFF_POLICY if "dqn" in algo else ON_POLICY
    small = ("batch_size=40",) if "ppo" in algo or algo == "trpo" else ()
    small += ("n_epochs=2",) if "ppo" in algo else ()
    return resolve({"algo": algo}, assignments=(*FAST, *own, *small, *more))


def stores_run(algo, *more, **flags):
    own = ("learning_starts=100",) if algo == "dqn" else STORES_PPO
    steps = "timesteps=1200" if algo == "dqn" else "timesteps=960"
    settings = (*STORES, *own, steps, *more)
    return resolve({"algo": algo, "stores": 3, **flags}, assignments=settings)


@pytest.fixture(autouse=True)
def event_files_in_order(monkeypatch):
    """Number event files with three digits: those of one second are read in the order of names.

    A run that goes on is another process; here all share one counter, and 98 comes after 100.
    """
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(100))


@pytest.fixture
def die_at(monkeypatch):
    """Let checkpoints be written every so many steps, and the process end after some of them."""
    write = checkpoints.write

    def arm(count):
        left = [count]

        def write_and_die(*arguments):
            write(*arguments)
            left[0] -= 1
            if left[0] == 0:
                monkeypatch.setattr(checkpoint_files, "write", write)
                raise Killed

        monkeypatch.setattr(checkpoint_files, "write", write_and_die)

    return arm


@pytest.fixture
def whole(trained_once):
    """Return what gives the folder of a run that came to its end undisturbed."""
    return lambda config: trained_once(config).folder


@pytest.fixture
def goes_on(tmp_path, die_at, whole):
    """Return what holds a run that was killed at its second checkpoint against a whole one."""

    def hold(config):
        die_at(2)
        with pytest.raises(Killed):
            train(config, tmp_path / "killed")
        resume(tmp_path / "killed")
        same(whole(config), tmp_path / "killed")

    return hold


def weights(folder):
    facts = json.loads((folder / "versions.json").read_text())
    assert facts["finished"]
    return facts["weights"]


def all_rows(folder):
    with (folder / "progress.csv").open() as file:
        return list(csv.DictReader(file))


def rows(folder):
    return [
        {name: value for name, value in row.items() if value and not name.startswith(CLOCK)}
        for row in all_rows(folder)
    ]


def points(folder):
    """Return all scalars of TensorBoard, and make sure that no step occurs twice."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    found = {}
    for tag in events.Tags()["scalars"]:
        if not tag.startswith(CLOCK):
            found[tag] = [(e.step, e.value) for e in events.Scalars(tag)]
    return found


def same(one, other):
    """Hold two finished runs against each other, all their players included."""
    assert weights(one) == weights(other)
    assert run_folder.players(one).keys() == run_folder.players(other).keys()
    homes = [(one, other)]
    for name in (path.name for path in (one / "players").glob("*")):
        homes.append((one / "players" / name, other / "players" / name))
    for a, b in homes:
        if (a / "progress.csv").exists():
            assert rows(a) == rows(b)
            assert points(a) == points(b)


@pytest.mark.parametrize(
    "algo", ["dqn", "qrdqn", "ppo", "a2c", "trpo", "maskable_ppo", "recurrent_ppo"]
)
def test_every_algorithm_goes_on_to_the_same_bits(algo, goes_on):
    config = cash_run(algo, "checkpoint.every=400")
    goes_on(config)


@pytest.mark.parametrize(
    ("algo", "policy"),
    [("dqn", "joint"), ("dqn", "shared"), ("maskable_ppo", "joint")],
)
def test_the_stores_go_on_to_the_same_bits(algo, policy, goes_on):
    config = stores_run(algo, "checkpoint.every=350", policy=policy)
    goes_on(config)


@pytest.mark.parametrize("augment", ["bootstrap", "parametric"])
def test_stores_of_a_file_go_on_to_the_same_bits(augment, goes_on):
    flags = {"algo": "ppo", "demand": BAKERY, "augment": augment}
    settings = (*STORES, *STORES_PPO, "timesteps=960", "checkpoint.every=350")
    config = resolve(flags, assignments=settings)
    assert config.settings.reward.expected == (augment == "bootstrap")
    goes_on(config)


def test_learners_in_turns_go_on_where_one_of_them_was(tmp_path, die_at, whole):
    config = stores_run("ppo", "checkpoint.every=150", policy="independent")
    for count in (1, 4):
        killed = tmp_path / f"killed_{count}"
        die_at(count)
        with pytest.raises(Killed):
            train(config, killed)
        resume(killed)
        same(whole(config), killed)


def test_phases_go_on_within_one_and_between_two(tmp_path, die_at):
    """The store's, the warehouse's and the supplier's phase, then all in turns."""
    numbers = parse_phases("1-4")
    settings = (*STORES, *STORES_PPO, "timesteps=480", "checkpoint.every=200")
    flags = {"algo": "ppo", "stores": 2, "policy": "shared"}
    configs = resolve_phases(numbers, flags, assignments=settings)
    train_phases(numbers, configs, tmp_path / "whole")
    killed = tmp_path / "killed"
    die_at(2)  # in the midst of the first
    with pytest.raises(Killed):
        train_phases(numbers, configs, killed)
    die_at(1 + 3 + 1)
    with pytest.raises(Killed):  # in the second or third
        resume(killed)
    shutil.rmtree(killed / "phase_3", ignore_errors=True)
    (killed / "phase_3").mkdir()  # begun, but not complete
    with pytest.raises(InputError, match=r"is not finished; --resume .* without it first"):
        resume(killed, timesteps=960)
    _, done = resume(killed)
    assert [trained.folder.name for trained in done][-1] == "phase_4"
    for phase in numbers:
        same(tmp_path / "whole" / f"phase_{phase}", killed / f"phase_{phase}")
    assert resume(killed) == (killed, [])
    for folder in (killed, tmp_path / "whole"):
        _, (longer,) = resume(folder, timesteps=960)
        assert longer.folder.name == "phase_4"
        assert longer.steps >= 960
    same(tmp_path / "whole" / "phase_4", killed / "phase_4")
    with pytest.raises(InputError, match="can only be longer"):
        resume(killed, timesteps=480)


def test_a_run_from_another_needs_that_other_no_more(tmp_path, die_at):
    stores = train(stores_run("ppo", "timesteps=200"), tmp_path / "stores")
    pictures = ("evaluation.pictures=1", "evaluation.every=480")
    config = stores_run("ppo", "checkpoint.every=300", *pictures, learn="warehouse")
    train(config, tmp_path / "whole", start=stores.folder)
    die_at(1)
    with pytest.raises(Killed):
        train(config, tmp_path / "killed", start=stores.folder)
    shutil.rmtree(tmp_path / "stores")
    resume(tmp_path / "killed")
    same(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("algo", ["dqn", "ppo"])
def test_a_run_killed_before_its_first_checkpoint_begins_anew(algo, tmp_path, monkeypatch, whole):
    config = cash_run(algo)

    def die(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("training.session.save_model", die)  # at the first evaluation
        with pytest.raises(Killed):
            train(config, tmp_path / "killed")
    assert checkpoints.found(tmp_path / "killed") == []
    resume(tmp_path / "killed")
    same(whole(config), tmp_path / "killed")


def spoil(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["arrays.npz", "sha256.json"])
def test_the_one_before_a_damaged_checkpoint_is_taken(name, tmp_path, die_at, capsys, whole):
    config = cash_run("ppo", "checkpoint.every=400")
    die_at(3)
    with pytest.raises(Killed):
        train(config, tmp_path / "killed")
    before, newest = checkpoints.found(tmp_path / "killed")
    spoil(tmp_path / "killed" / "checkpoints" / str(newest) / name)
    resume(tmp_path / "killed")
    said = " ".join(capsys.readouterr().err.split())
    assert "damaged" in said
    assert f"going on from {before}" in said
    same(whole(config), tmp_path / "killed")


def test_a_checkpoint_is_never_unpickled(tmp_path, die_at):
    die_at(1)
    with pytest.raises(Killed):
        train(cash_run("dqn", "checkpoint.every=400"), tmp_path / "run")
    (checkpoint,) = (tmp_path / "run" / "checkpoints").iterdir()
    names = {path.name for path in checkpoint.iterdir()}
    assert names == {"arrays.npz", "state.json", "sha256.json", "0_progress.csv"} | (
        names & {"0_best_model.zip"}
    )
    assert b"\x80\x04" not in (checkpoint / "state.json").read_bytes()


def test_what_cannot_be_a_part_of_a_checkpoint_is_refused():
    from agents.serialization import serialize

    with pytest.raises(TypeError, match="cannot hold a object"):
        serialize({"a": object()}, {})


def test_a_finished_run_says_so_and_can_be_made_longer(tmp_path, whole):
    shutil.copytree(whole(cash_run("ppo")), tmp_path / "run")
    assert resume(tmp_path / "run") == (tmp_path / "run", [])
    assert resume(tmp_path / "run", timesteps=1280)[1] == []
    with pytest.raises(InputError, match="it can only be longer"):
        resume(tmp_path / "run", timesteps=100)
    _, (longer,) = resume(tmp_path / "run", timesteps=2560)
    assert longer.steps == 2560
    assert run_folder.read_config(tmp_path / "run").settings.timesteps == 2560
    longest = whole(cash_run("ppo", "timesteps=2560"))
    assert weights(tmp_path / "run") == weights(longest)  # no schedule in it
    steps = [int(row["time/total_timesteps"]) for row in all_rows(tmp_path / "run")]
    assert steps == sorted(steps)


def test_a_card_that_the_disk_refused_is_written_when_a_finished_run_is_resumed(tmp_path, whole):
    shutil.copytree(whole(cash_run("ppo")), tmp_path / "run")
    card = tmp_path / "run" / run_files.CARD
    text = card.read_text()
    left = card.with_name(f".{card.name}.{16 * 'a'}.tmp")
    card.rename(left)
    assert resume(tmp_path / "run") == (tmp_path / "run", [])
    assert card.read_text() == text
    assert not left.exists()


def test_one_process_at_a_time(tmp_path):
    train(cash_run("ppo", "timesteps=160"), tmp_path / "run")
    with run_files.hold_lock(tmp_path / "run"):
        with pytest.raises(InputError, match="is training in it") as refused:
            resume(tmp_path / "run")
        assert "\n" not in str(refused.value)
        (tmp_path / "run" / run_files.LOCK).unlink()  # the folder itself is locked too
        with pytest.raises(InputError, match="another process is training in it"):
            resume(tmp_path / "run")
    resume(tmp_path / "run")


@pytest.mark.parametrize("where", ["state.json", "arrays.npz", "sha256.json", ""])
def test_a_checkpoint_that_cannot_be_read_is_kept(where, tmp_path, monkeypatch, whole):
    """It may be whole: no permission and a failing disk say nothing of what is in it."""
    run = tmp_path / "run"
    shutil.copytree(whole(cash_run("ppo", "checkpoint.every=400")), run)
    latest = run / run_files.CHECKPOINTS / str(checkpoints.found(run)[-1])
    before = sorted(run.rglob("*"))
    real = Path.open

    def fail(path, *arguments, **options):
        if path == latest / where or (not where and path.parent == latest):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", fail)
        with pytest.raises(UnreadableError, match="cannot be read: Permission denied"):
            resume(run, timesteps=2400)
    assert sorted(run.rglob("*")) == before
    resume(run, timesteps=2400)


@pytest.mark.parametrize("make", [lambda _: None, lambda path: path.mkdir()])
def test_what_is_no_run_cannot_go_on(make, tmp_path):
    make(tmp_path / "run")
    with pytest.raises(InputError, match="--resume"):
        resume(tmp_path / "run")


def test_the_disk_fills_up(tmp_path, monkeypatch, whole):
    config = cash_run("ppo", "checkpoint.every=400")
    fill = checkpoints._put
    written = []

    def put(path, content):
        written.append(path)
        if len(written) > 5:
            raise OSError(28, "No space left on device")
        fill(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_files, "_put", put)
        with pytest.raises(InputError, match=r"No space left on device.*--resume"):
            train(config, tmp_path / "full")
    assert len(checkpoints.found(tmp_path / "full")) == 1
    assert not list((tmp_path / "full" / "checkpoints").glob(".*"))
    resume(tmp_path / "full")
    same(whole(config), tmp_path / "full")


def test_the_folder_goes_away_under_way(tmp_path, monkeypatch, capfd, whole):
    write = checkpoints.write

    def write_and_move(*arguments):
        write(*arguments)
        (tmp_path / "run").rename(tmp_path / "moved")

    config = cash_run("ppo", "checkpoint.every=400")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_files, "write", write_and_move)
        with pytest.raises(InputError, match=r"cannot be written: No such file"):
            train(config, tmp_path / "run")
    assert capfd.readouterr().err == ""
    resume(tmp_path / "moved")
    same(whole(config), tmp_path / "moved")
