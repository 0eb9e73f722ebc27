"""A run that was killed goes on to the same bits."""

import csv
import json
import shutil

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents import checkpoint_files, lock, run_folder
from agents.config import resolve
from agents.phases import parse_phases, resolve_phases, train_phases
from agents.resume import resume
from agents.training import train
from inventory.errors import InputError

OFF_POLICY = ("timesteps=1280", "learning_starts=200", "buffer_size=600", "n_envs=16")
ON_POLICY = ("timesteps=1920", "n_envs=16", "n_steps=10")
FAST = ("evaluation.every=300", "evaluation.episodes=5", "max_steps=12", "net_arch=[8]")
STORES = (
    *("n_envs=12", "horizon=8", "evaluation.every=300", "evaluation.episodes=5"),
    *("evaluation.pictures=1", "parameters.observation=full", "net_arch=[8]", "team.turns=3"),
)
CLOCK = ("time/", "evaluation/seconds")
"""What a log says of the clock is never the same twice."""


class Killed(BaseException):
    """The end of a process, as far as one can have it without one."""


def cash_run(algo, *more):
    own = OFF_POLICY if "dqn" in algo else ON_POLICY
    small = ("batch_size=40",) if "ppo" in algo or algo == "trpo" else ()
    return resolve({"algo": algo}, assignments=(*FAST, *own, *small, *more))


def stores_run(algo, *more, **flags):
    own = ("learning_starts=100",) if algo == "dqn" else ("n_steps=8", "batch_size=64")
    steps = "timesteps=1200" if algo == "dqn" else "timesteps=960"
    settings = (*STORES, *own, steps, *more)
    return resolve({"algo": algo, "stores": 3, **flags}, assignments=settings)


@pytest.fixture
def die_at(monkeypatch):
    """Let checkpoints be written every so many steps, and the process end after some of them."""
    write = checkpoint_files.write

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


def weights(folder):
    facts = json.loads((folder / "versions.json").read_text())
    assert facts["finished"]
    return facts["weights"]


def rows(folder):
    with (folder / "progress.csv").open() as file:
        table = list(csv.DictReader(file))
    return [
        {name: value for name, value in row.items() if value and not name.startswith(CLOCK)}
        for row in table
    ]


def points(folder):
    """Return all scalars of TensorBoard, and make sure that no step stands there twice."""
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
def test_every_algorithm_goes_on_to_the_same_bits(algo, tmp_path, die_at):
    config = cash_run(algo, "checkpoint.every=400")
    train(config, tmp_path / "whole")
    die_at(2)
    with pytest.raises(Killed):
        train(config, tmp_path / "killed")
    resume(tmp_path / "killed")
    same(tmp_path / "whole", tmp_path / "killed")
