"""What the pages tell their reader to type, and a reader who types it in a folder of his own."""

import importlib
import re
import shlex
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pytest

from common import console

ROOT = Path(__file__).parents[1]
PAGES = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
)
SCRIPTS = frozenset(path.stem for path in ROOT.glob("*.py") if path.stem != "build_backend")
_BLOCK = re.compile(r"^ *```([^\n`]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_WORDS = "python|make|pip|git|docker|tensorboard|[A-Z_]+=\\S+ python"
_LINE = re.compile(rf"^ *(?:\$ )?((?:{_WORDS}) .*)$", re.MULTILINE)
_INLINE = re.compile(rf"(?<!`)`((?:{_WORDS})\s[^`]*)`(?!`)")

ELSEWHERE = {
    r"make ": "the targets are those of the Makefile, and .ci/run runs setup, lint and test",
    r"pip install|git clone": "an installation: tests/test_install.py",
    r"docker compose": "its steps are carried out by tests/service/test_deployment.py",
    r"tensorboard ": "serves until it is stopped; its values: tests/training/test_trainer.py",
    r"python -m (rl_zoo3|examples\.)|python cleanrl/": "tests/test_frameworks.py, if installed",
    r"python -m tests\.": "trials of minutes to hours, by hand; each has tests of its parts",
    r"python -m benchmarks": "tests/benchmarks",
    r"python train.py --wandb": "needs an account; tests/training/test_card.py",
    r"python (serve|connect|export)\.py|.*--server": "tests/service, with a server",
    r"python (evaluate|tune|train)\.py$": "names the script, as a word",
}
"""Commands that no reader types here, by how they begin, and what runs them."""


@dataclass(frozen=True)
class Command:
    """A command as a page has it, on one line and without its comment."""

    page: str
    text: str

    @property
    def study(self) -> str | None:
        """The study that it runs, if it runs one."""
        found = re.match(r"python -m studies\.(\w+)", self.text)
        return found[1] if found else None

    @property
    def elsewhere(self) -> str | None:
        """Why it is not typed here, None where it is."""
        return next((why for start, why in ELSEWHERE.items() if re.match(start, self.text)), None)


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of a page that are in a language."""
    return [body for name, body in _BLOCK.findall(page.read_text("utf-8")) if name == language]


def commands(page: Path) -> list[Command]:
    """Return the commands of a page, in blocks and in sentences, in their order, each once."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    found: list[tuple[int, str]] = []
    for block in _BLOCK.finditer(text):
        if not block[1]:
            at = block.start(2)
            found += [(at + line.start(), line[1]) for line in _LINE.finditer(block[2])]
    sentences = _BLOCK.sub(lambda block: " " * len(block[0]), text)
    found += [(inline.start(), inline[1]) for inline in _INLINE.finditer(sentences)]
    texts = (re.sub(r"\s+#.*", "", line) for _, line in sorted(found))
    name = page.relative_to(ROOT).as_posix()
    return [Command(name, " ".join(one.split())) for one in dict.fromkeys(texts)]


FEW = {
    "train": (
        *("--timesteps", "240", "--quiet", "--set", "evaluation.every=120"),
        *("--set", "evaluation.episodes=3", "--set", "evaluation.pictures=0"),
    ),
    "evaluate": ("--episodes", "12"),
    "decide": ("--allow",),
    "recommend": (
        *("--origins", "1", "--set", "timesteps=200", "--set", "evaluation.every=100"),
        *("--set", "evaluation.episodes=3"),
    ),
    "tune": (),
}
"""What is appended, by script, so that it takes a moment."""

SHORT = {
    "ppo": ("--set", "n_envs=6", "--set", "n_steps=20", "--set", "batch_size=60"),
    "dcl": ("--set", "n_states=60", "--set", "n_envs=4", "--set", "fit_steps=20"),
    "dqn": ("--set", "learning_starts=100"),
    "--seeds": ("--seeds", "0-1"),
    "--trials": ("--trials", "2", "--timesteps", "400", "--confirm", "1"),
}
STUDIES = {
    "algorithms": ("--seeds", "1", "--no-picture", "--algo", "dqn", "--set", "timesteps=1200"),
    "bakery": ("--seeds", "1", "--algo", "ppo", "--set", "timesteps=300"),
    "stores": (
        *("--seeds", "1", "--no-rules", "--set", "timesteps=300"),
        *("--set", "parameters.horizon=6", "--set", "evaluation.episodes=3"),
    ),
    "recipes": ("--seeds", "1", "--budget", "400"),
    "exploration": ("--seeds", "1", "--timesteps", "1200"),
    "store_history": ("--seeds", "1", "--split", "2018-01-01", "--set", "timesteps=300"),
    "lost_sales": ("--seeds", "1", "--row", "lost_sales_p4_L1", "--set", "timesteps=200"),
    "frontier": ("--no-picture", "--row", "*p4_L2", "--algo", "ppo", "--set", "timesteps=300"),
    "perishables": (
        *("--row", "*m2_exp1", "--agent", "dqn", "--no-rules"),
        *("--set", "timesteps=300", "--set", "learning_starts=100"),
    ),
    "recommend": ("--lead-time", "1", "--split", "2018-09-01"),
    "slow_movers": ("--series", "2", "--lead-time", "1"),
}
"""What takes the place of a study's own seeds, rows and steps."""


class Reader:
    """Types commands in a folder, in this process, and sees what becomes of them.

    Parameters
    ----------
    folder : Path
        His folder: his files, and the project's as he finds them.
    monkeypatch, capsys
        Those of the test.
    train_one : callable
        Trains a run into a folder, for commands that need one before the page has trained any.
    """

    def __init__(
        self,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        train_one: Callable[..., None],
    ) -> None:
        self._folder, self._patch, self._capsys = folder, monkeypatch, capsys
        self._train_one = train_one
        monkeypatch.chdir(folder)
        write_files(folder)
        for name in ("data", "configs", "examples"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "runs").mkdir()

    def type(self, command: Command) -> str:
        """Run a command, shortened; return what went wrong, or nothing."""
        module, arguments = _module(shlex.split(self._with_names(command.text)))
        main: click.Command = importlib.import_module(module).main
        arguments = shortened(module, arguments)
        self._patch.setattr(sys, "argv", [module, *arguments])
        try:
            status = self._status(main, arguments, prog_name=module)
        except Exception:  # the page's other commands are typed too
            status = traceback.format_exc(limit=-4)
        printed = self._capsys.readouterr()
        if status in (0, None):
            return ""
        return f"{command.text}\nas {' '.join(arguments)}\n{status}\n{printed.err[-900:]}"

    def _status(self, main: click.Command, arguments: list[str], prog_name: str) -> Any:
        try:
            if prog_name.startswith("studies."):
                main.main(arguments, prog_name=prog_name)
            else:
                console.run(main)
        except SystemExit as leaving:
            return leaving.code
        return "came back without an exit status"

    def _with_names(self, text: str) -> str:
        """Return a command with names of his own for what the page leaves open."""
        runs = self._folder / "runs"
        if re.search(r"<run>|<the run>|--checkpoint|--from ", text) and not self._trained():
            self._train_one(runs / "mine")
        if "runs/a " in text:
            for seed, name in enumerate("abc"):
                self._train_one(runs / name, seed)
        if re.search(r"--checkpoint .* (stock|orders)\.csv", text) and not self._is_own():
            if not (runs / "own").exists():
                self._train_one(runs / "own", demand="sales.csv")
            text = text.replace("--checkpoint", "--checkpoint runs/own")
        if (newest := self._trained()) is not None:
            text = re.sub(r"<(the )?run>", newest.name, text)
        own = "data/bakery_promotions.csv"
        if "studies." not in text:
            own = "sales.csv"
            if "FILE" in text:  # whose days are others than those of the page's file
                text = re.sub(r"--split \S+", "--split 2024-01-01", text)
        return text.replace("FILE", own).replace("FOLDER", "kept")

    def _is_own(self) -> bool:
        """Return whether the newest run has learned his own sales."""
        newest = self._trained()
        return newest is not None and "sales.csv" in (newest / "config.yaml").read_text("utf-8")

    def _trained(self) -> Path | None:
        """Return the newest run."""
        found = list((self._folder / "runs").glob("*/config.yaml"))
        return max(found, key=lambda path: path.stat().st_mtime_ns).parent if found else None


def typed_as(command: Command) -> list[str]:
    """Return module and arguments of a command as it is run."""
    module, arguments = _module(shlex.split(command.text))
    return [module, *shortened(module, arguments)]


def _module(words: list[str]) -> tuple[str, list[str]]:
    assert words[0] == "python", words
    if words[1] == "-m":
        return words[2], words[3:]
    return words[1].removesuffix(".py"), words[2:]


def shortened(module: str, arguments: list[str]) -> list[str]:
    """Return the arguments of a command with what makes it short."""
    if module.startswith("studies."):
        extra = STUDIES[module.removeprefix("studies.")]
        if module == "studies.recommend":
            named = "--stores" in arguments and arguments[arguments.index("--stores") + 1]
            extra = (*extra, "--stores", (named or "2").split(",")[0])
        return [*_without(arguments, extra), *extra]
    if "--textbook" in arguments:
        instance = "lost_sales_p4_L1" if module == "tune" else "newsvendor"  # with rules to tune
        return [*arguments, instance, *FEW.get(module, ())]
    more = list(FEW[module])
    if module == "train" and "--resume" in arguments:
        return [*arguments, "--quiet"]
    more += _small_problem(arguments)
    for option in ("--seeds", "--trials"):
        if option in arguments:
            more += SHORT[option]
    if module in ("train", "recommend"):
        named = {word.removeprefix("examples.patient_") for word in arguments}
        named |= set() if module == "train" or "--algo" in arguments else {"dcl"}
        more += next((SHORT[algo] for algo in ("dcl", "ppo", "dqn") if algo in named), ())
    return [*arguments, *more]


def _small_problem(arguments: list[str]) -> tuple[str, ...]:
    """Return what makes episodes short, where neither a file nor a run says how long they are."""
    elsewhere = {"--demand", "--prices", "--config", "--env", "--checkpoint", "--state"}
    if elsewhere & set(arguments):
        return ()
    stores = {"--stores", "stores"} & set(arguments)
    return ("--set", "horizon=8") if stores else ("--set", "max_steps=8")


def _without(arguments: list[str], extra: tuple[str, ...]) -> list[str]:
    """Return the arguments without the options that take others in their places."""
    replaced = {word for word in extra if word.startswith("--")} - {"--set"}
    kept: list[str] = []
    words: Iterator[str] = iter(arguments)
    for word in words:
        if word in replaced:
            if not word.startswith("--no-"):
                next(words, None)
        elif not (word.startswith("timesteps=") and kept[-1:] == ["--set"] and kept.pop()):
            kept.append(word)
    return kept


DAYS = np.arange("2022-06-01", "2024-06-01", dtype="datetime64[D]")


def write_files(folder: Path) -> None:
    """Write the files that the pages take for the reader's own."""
    rng = np.random.default_rng(0)
    week = np.array([20, 10, 15, 20, 25, 40, 10])[np.arange(DAYS.size) % 7]
    units = rng.poisson(week[:, None] * np.array([1.0, 3.0]))
    _csv(folder / "sales.csv", "date,north,south", DAYS, *units.T)
    _csv(folder / "orders.csv", "date,north,south", DAYS, *np.roll(units, 1, axis=0).T)
    ahead = np.arange(DAYS[0], DAYS[-1] + 60, dtype="datetime64[D]")
    _csv(folder / "calendar.csv", "date,promotion", ahead, np.arange(ahead.size) % 9 == 4)
    prices = [5 + rng.normal(0, 0.2, DAYS.size), 20 + rng.normal(0, 0.2, DAYS.size)]
    columns = "date,raw_price,product_price,demand"
    _csv(folder / "prices.csv", columns, DAYS, *np.round(prices, 2), units[:, 0])
    (folder / "stock.csv").write_text("store,on_hand\nsouth,150\nnorth,30\n")
    shutil.copy(folder / "sales.csv", folder / "big.csv")
    stock = pd.DataFrame({"store": ["south", "north"], "on_hand": [150, 30]})
    stock.to_parquet(folder / "stock.parquet")
    (folder / "items.csv").write_text("store,order_multiple,stockout_cost\nsouth,6,4\nnorth,2,5\n")


def _csv(path: Path, header: str, *columns: Any) -> None:
    rows = (",".join(str(x * 1 if x.dtype == bool else x) for x in row)
            for row in zip(*columns, strict=True))  # fmt: skip
    path.write_text("\n".join([header, *rows]) + "\n")
