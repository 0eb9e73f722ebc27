"""No file is ever unpickled: bombs in every member of every file, read by every command."""

import os
import re
import shutil

import numpy as np
import pytest

import decide
import evaluate
import export
import train
import tune
from agents.config import resolve
from baselines.tuning import Search
from common.console import HELD_BACK
from tests.agents.bombs import bombs, poisonings, put
from training.trainer import train as train_run

SMALL = ("evaluation.every=80", "evaluation.episodes=2", "net_arch=[4]", "n_envs=4")
CASH = (
    *("timesteps=80", "max_steps=5", "n_steps=5", "batch_size=20", "checkpoint.every=40"),
    *("demand_std=0", "observation.normalize=running", "reward.normalize=running", *SMALL),
)
CHAIN = ("timesteps=80", "horizon=4", "n_steps=4", "batch_size=16", "evaluation.pictures=0", *SMALL)
EVALUATE = ("--episodes", 2, "--baselines", "none")


def again(assignments):
    return [part for text in assignments for part in ("--set", text)]


READERS = {
    "evaluate": lambda run, _: (evaluate.main, "--checkpoint", run, *EVALUATE),
    "evaluate the last": lambda run, _: (
        *(evaluate.main, "--checkpoint", run / "model.zip"),
        *EVALUATE,
    ),
    "from": lambda run, new: (
        *(train.main, "--from", run, "--config", run / "config.yaml"),
        *("--quiet", "--run-dir", new),
    ),
    "resume": lambda run, _: (train.main, "--resume", run, "--timesteps", 120, "--quiet"),
    "tune": lambda run, _: (tune.main, "--checkpoint", run, "--baseline", "base_stock"),
    "decide": lambda run, new: (
        *(decide.main, "--checkpoint", run, "--state", new.with_name("stock.csv")),
        *("--baseline", "newsvendor_weekday"),
    ),
    "export": lambda run, new: (
        *(export.main, "--checkpoint", run, "--onnx", new, "--states", 10),
        *("--baseline", "newsvendor_weekday"),
    ),
}
"""Every command that reads a run folder: its arguments, given the folder and one to write to."""

EVERY = os.environ.get("POISON") == "every"
"""Every file by every reader, which takes minutes; else those that the reader has to do with."""

NOT_READ = {"evaluate": "checkpoints|start|tfevents|csv|lock", "resume": r"^(best_)?(model|norm)"}
NOT_READ |= {"from": NOT_READ["evaluate"], "evaluate the last": NOT_READ["evaluate"]}
NOT_READ |= {"decide": NOT_READ["evaluate"] + "|^model|^norm|tuned"}
NOT_READ |= {"export": NOT_READ["decide"]}
NOT_READ |= {"tune": "checkpoints|start|tfevents|csv|lock|normalizer"}


ON_FILES = "decide", "export"
PAIRS = [(run, reader) for run in ("cash", "chain") for reader in READERS if reader not in ON_FILES]
PAIRS += [("shops", reader) for reader in ON_FILES]
DAYS = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of the cash problem, one of the supply chain with a frozen player, one on a file."""
    home = tmp_path_factory.mktemp("runs")
    sales = "".join(f"{day},{n % 7 + 1},{n % 5 + 2}\n" for n, day in enumerate(DAYS))
    (home / "sales.csv").write_text(f"date,north,south\n{sales}")
    shops = {"algo": "ppo", "demand": home / "sales.csv", "split": "2024-02-20"}
    train_run(resolve(shops, assignments=CHAIN), home / "shops")
    train_run(resolve({"algo": "ppo"}, assignments=CASH), home / "cash")
    stores = {"algo": "ppo", "stores": 2}
    train_run(resolve(stores, assignments=CHAIN), home / "stores")
    hub = resolve({**stores, "learn": "warehouse"}, assignments=CHAIN)
    train_run(hub, home / "chain", start=home / "stores")
    with pytest.MonkeyPatch.context() as little:
        little.setattr("baselines.tuned_rules.TunedRule.search", lambda *_: Search(8, 0, 1000))
        for run in ("cash", "chain"):
            tune.main(["--checkpoint", str(home / run)], standalone_mode=False)
        yield home


@pytest.mark.parametrize(("run", "reader"), PAIRS)
def test_no_bomb_explodes(run, reader, runs, run_command, tmp_path):
    mark, copy = tmp_path / "exploded", tmp_path / "run"
    (tmp_path / "stock.csv").write_text("store,on_hand,due_1\nnorth,5,0\nsouth,2,1\n")
    tried = 0
    for name, path, content in poisonings(runs / run, mark, 1000 if EVERY else 3):
        if not EVERY and re.search(NOT_READ[reader], name):
            continue
        if copy.exists():
            shutil.rmtree(copy)
        shutil.copytree(runs / run, copy)
        put(copy / path.relative_to(runs / run), content)
        before = sorted(tmp_path.rglob("*"))
        done = run_command(*READERS[reader](copy, tmp_path / "new"))
        assert not mark.exists(), f"{name} exploded"
        assert done.status in (0, 2, *((HELD_BACK,) if reader == "decide" else ())), name
        if done.status == 2:
            assert done.stderr.startswith("error: "), (name, done.stderr)
            assert done.stderr.count("\n") == 1, (name, done.stderr)
            left = {p for p in tmp_path.rglob("*") if p.name != ".lock"} - set(before)
            assert not left, name
        shutil.rmtree(tmp_path / "new", ignore_errors=True)
        tried += 1
    assert tried > 15


def test_the_bombs_are_live(tmp_path):
    """Each of them explodes in the hands of whoever unpickles it."""
    import pickle

    import numpy as np
    import torch

    for name, load in {
        "pickle": lambda path: pickle.loads(path.read_bytes()),
        "torch": lambda path: torch.load(path, weights_only=False),
        "npy": lambda path: np.load(path, allow_pickle=True),
    }.items():
        mark, path = tmp_path / f"{name}.mark", tmp_path / name
        path.write_bytes(bombs(mark)[name])
        load(path)
        assert mark.exists()
