"""Bad inputs for the command lines, and an attempt with each of them in this process.

An attempt stops where learning or judging would begin: what was read and checked by then is what is
tried here.
"""

import contextlib
import io
import shutil
import sys
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import click
import numpy as np
import yaml
from hypothesis import strategies as st

import decide
import evaluate
import train
import tune
from agents.algorithms import ALGORITHMS
from agents.config import CONFIGS, resolve
from agents.memory import check_memory
from agents.settings import RunSettings
from common import console
from envs.problems import PROBLEMS
from training.learners.build import build_learners

FILES = {path.name: path.read_bytes() for path in CONFIGS.glob("*.yaml")}
NAMES = sorted(
    {
        *RunSettings.model_fields,
        *(name for p in PROBLEMS.values() for name in p.parameters.model_fields),
        *(name for a in ALGORITHMS.values() for name in a.settings.model_fields),
        *("parameters", "hyperparameters", "recipes", "default", "dqn", "start", "scale", "<<", ""),
        *(
            "observation.normalize",
            "reward.scale",
            "curriculum.stages",
            "demand_data.file",
            "tiers",
        ),
    }
)
ODD = [
    *("", "-1", "0", "1e400", "-1e400", ".nan", ".inf", "9" * 400, "0x" + "f" * 400, "1:2:3", "~"),
    *(
        "yes",
        "[",
        "{",
        "&a [*a]",
        "*a",
        "!!int ''",
        "!!python/name:os.system",
        "\x00",
        "\ud800",
        "\t",
    ),
    *(
        "2020-01-01",
        "9999-99-99",
        "auto",
        "é",
        "\u202e",
        "'",
        '"',
        "|",
        "- - -",
        "1e5",
        "1_000",
        "nan",
    ),
]
words = st.sampled_from(NAMES) | st.text(max_size=8)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-3, 12)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(ODD)
)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(words | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


def _dumped(tree):
    return yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass")


@st.composite
def spoilt(draw, content):
    """Return bytes cut, overwritten, doubled or with something put in."""
    made = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(made)))
        kind = draw(st.sampled_from(["cut", "put", "overwrite", "double"]))
        if kind == "cut":
            del made[at : at + draw(st.integers(1, 400))]
        elif kind == "put":
            made[at:at] = draw(st.binary(max_size=6) | st.sampled_from(ODD).map(_bytes))
        elif kind == "overwrite":
            new = draw(st.binary(min_size=1, max_size=6))
            made[at : at + len(new)] = new
        else:
            made[at:at] = made[at : at + 80]
    return bytes(made)


def passed(text):
    """Return what a system can pass of a text in an argument: no NUL, no lone surrogate."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode()


def _bytes(text):
    return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class Attempt:
    """A command with its arguments; `{home}` in them is an empty folder with `files` in it."""

    command: str
    arguments: tuple[str, ...]
    files: dict[str, bytes] = field(default_factory=dict)


commands = st.sampled_from(["train", "evaluate", "tune"])
texts = st.sampled_from(ODD) | st.text(max_size=12) | trees.map(lambda t: _dumped(t).decode())
keys = st.lists(words, min_size=1, max_size=4).map(".".join)
settings = st.builds("{}={}".format, keys, texts) | st.text(max_size=12) | st.sampled_from(ODD)
configs = (
    st.dictionaries(words, trees, max_size=6).map(_dumped)
    | trees.map(_dumped)
    | st.binary(max_size=80)
    | st.sampled_from(sorted(FILES)).flatmap(lambda name: spoilt(FILES[name]))
)
flags = st.sampled_from(["--algo", "--problem", "--recipe", "--seed", "--stores", "--config"])
decide_flags = st.sampled_from(["--state", "--history", "--date", "--baseline", "--checkpoint"])
plain = texts.map(passed)


def _with_settings(command, pairs):
    return Attempt(command, tuple(part for pair in pairs for part in ("--set", pair)))


with_flags = st.builds(lambda c, f, v: Attempt(c, (f, v)), commands, flags, plain)
with_settings = st.builds(
    _with_settings,
    commands,
    st.lists(settings.map(passed), min_size=1, max_size=2),
)
with_config = st.builds(
    lambda c, content: Attempt(c, ("--config", "{home}/bad.yaml"), {"bad.yaml": content}),
    commands,
    configs,
)

DAYS = "".join(f"2020-01-{day:02},{day}\n" for day in range(1, 31))
DEMAND = b"""parameters:
  max_steps: 3
  demand_data: {file: days.csv, column: shop, split: 2020-01-20}
"""
cells = st.sampled_from(ODD) | st.text(max_size=6) | st.floats().map(str) | st.integers().map(str)
tables = (
    spoilt(("date,shop\n" + DAYS).encode())
    | st.lists(st.lists(cells, max_size=3).map(",".join), max_size=5).map(
        lambda rows: _bytes("\n".join(["date,shop", *rows]))
    )
    | st.binary(max_size=60)
)
with_demand = st.builds(
    lambda table: Attempt(
        "train",
        ("--config", "{home}/shop.yaml", "--algo", "dqn"),
        {"shop.yaml": DEMAND, "days.csv": table},
    ),
    tables,
)


STOCK = b"store,on_hand,due_1,due_2021-03-02\nnorth,10,5,\nsouth,7.5,,3\n"
states = (
    spoilt(STOCK)
    | st.lists(st.lists(cells, max_size=5).map(",".join), max_size=4).map(
        lambda rows: _bytes("\n".join(["store,on_hand,due_1,d1", *rows]))
    )
    | st.binary(max_size=60)
)


def with_state(run: Path) -> st.SearchStrategy[Attempt]:
    """Return attempts to decide by a run on a demand file, in a spoilt state or with odd options.

    The rule that needs no tuning is named, so that every one of them is quick.
    """
    usual = ("--checkpoint", str(run), "--state", "{home}/stock.csv")
    quick = ("--baseline", "newsvendor_average")
    spoilt_state = states.map(lambda state: Attempt("decide", usual + quick, {"stock.csv": state}))
    odd = st.builds(
        lambda f, v: Attempt("decide", (*usual, *quick, f, v), {"stock.csv": STOCK}),
        decide_flags,
        plain,
    )
    return spoilt_state | odd


def with_run(run: Path) -> st.SearchStrategy[Attempt]:
    """Return attempts with a run folder one file of which is spoilt."""
    files = {
        str(path.relative_to(run)): path.read_bytes()
        for path in run.rglob("*")
        if path.suffix in (".zip", ".npz", ".yaml", ".json") and "checkpoints" not in path.parts
    }
    readers = st.sampled_from([("evaluate", "--checkpoint"), ("train", "--from")])

    def build(reader, change):
        command, option = reader
        more = ("--config", str(run / "config.yaml")) if command == "train" else ()
        changed = {f"run/{name}": content for name, content in {**files, **change}.items()}
        return Attempt(command, (option, "{home}/run", *more), changed)

    change = st.sampled_from(sorted(files)).flatmap(
        lambda name: st.fixed_dictionaries({name: spoilt(files[name]) | st.binary(max_size=40)})
    )
    return st.builds(build, readers, change)


def attempts(run: Path, stores: Path) -> st.SearchStrategy[Attempt]:
    """Return all kinds of attempts, with a run of each of the two kinds there are."""
    plain_ones = with_flags | with_settings | with_config | with_demand
    return plain_ones | with_run(run) | with_state(stores)


def example_run(folder: Path) -> Path:
    """Train the small run that is spoilt again and again."""
    from training.trainer import train as train_run

    small = (
        "timesteps=40",
        "n_envs=4",
        "max_steps=5",
        "n_steps=5",
        "batch_size=20",
        "net_arch=[4]",
    )
    more = ("evaluation.every=40", "evaluation.episodes=2", "demand_std=0")
    running = ("observation.normalize=running",)
    return train_run(resolve({"algo": "ppo"}, assignments=(*small, *more, *running)), folder).folder


def example_stores(folder: Path) -> Path:
    """Train the small run on a demand file that decides; the file lies beside it."""
    from training.trainer import train as train_run

    days = np.arange("2020-01-01", "2021-03-01", dtype="datetime64[D]")
    rows = [f"{day},{3 + k % 7},{k % 5}" for k, day in enumerate(days)]
    folder.parent.mkdir(parents=True, exist_ok=True)
    (folder.parent / "sales.csv").write_text("\n".join(["date,north,south", *rows]))
    small = ("timesteps=40", "n_envs=4", "horizon=5", "n_steps=5", "batch_size=20", "net_arch=[4]")
    more = ("evaluation.every=40", "evaluation.episodes=2", "evaluation.pictures=0")
    flags = {"algo": "ppo", "demand": folder.parent / "sales.csv"}
    return train_run(resolve(flags, assignments=(*small, *more)), folder).folder


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt: exit status, standard error, a traceback, files left behind."""

    status: int
    message: str
    trace: str
    left: tuple[str, ...]

    @property
    def fine(self) -> bool:
        """Whether it was accepted without a word, or refused in one line."""
        lines = self.message.count("\n")
        refused = self.status == 2 and self.message.startswith("error: ") and lines == 1
        return not self.trace and not self.left and (self.status == 0 or refused)


def _begin(config, folder=None, *, start=None, quiet=True):
    check_memory(config)
    config.problem.make_batch(config.parameters, 2)
    if start is not None:
        build_learners(config, start)
    raise click.exceptions.Exit(0)


def _accept(*_, **__):
    raise click.exceptions.Exit(0)


def carry_out(attempt: Attempt, home: Path) -> Outcome:
    """Carry out an attempt in an empty folder, which is empty again afterwards."""
    for name, content in attempt.files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(content)
    given = {path for path in home.rglob("*") if path.is_file()}
    arguments = [part.replace("{home}", str(home)) for part in attempt.arguments]
    mains = {"train": train, "evaluate": evaluate, "tune": tune, "decide": decide}
    command = mains[attempt.command].main
    out, err, trace, status = io.StringIO(), io.StringIO(), "", -1
    with (
        mock.patch.object(sys, "argv", ["script", *arguments]),
        mock.patch("training.trainer.train", _begin),
        mock.patch("commands.evaluate.evaluate_policies", _accept),
        mock.patch("commands.tuning.rules.tune_named", _accept),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        contextlib.chdir(home),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        try:
            console.run(command)
        except SystemExit as leaving:
            status = int(leaving.code or 0)
        except BaseException:
            trace = traceback.format_exc()
    left = {path for path in home.rglob("*") if path.is_file()} - given
    for path in home.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    message = err.getvalue().encode("utf-8", "backslashreplace").decode()
    return Outcome(status, message, trace, tuple(sorted(str(path) for path in left)))
