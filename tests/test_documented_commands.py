"""Every command and every block of Python on the pages runs, shortened, as its reader types it.

`tests.documented.ELSEWHERE` says which commands other tests run. Of the pages and studies most are
marked slow (`make test-slow`); CONTRIBUTING's commands stand for them in the suite.
"""

import importlib.util
import json
import re
import shlex
import sys

import pytest

import train
from agents.algorithms import ALGORITHMS
from baselines import registry
from baselines.registry import BASELINES
from baselines.tuned_rules import TunedRule
from baselines.tuning import Search
from commands.recommendation import selection
from envs.problems import PROBLEMS
from tests.documented import (
    ELSEWHERE,
    PAGES,
    ROOT,
    Reader,
    blocks,
    commands,
    shortened,
    typed_as,
)

EVERY = [command for page in PAGES for command in commands(page)]
HERE = [one for one in EVERY if one.elsewhere is None and one.study is None]
STUDIES = {shlex.join(typed_as(one)): one for one in EVERY if one.study is not None}

TRAINED = {
    "docs/demand.md": ("--algo", "ppo", "--demand", "sales.csv"),
    **dict.fromkeys(
        ("docs/stores.md", "docs/scale.md", "docs/perishables.md", "docs/dcl.md"),
        ("--algo", "ppo", "--stores", "3"),
    ),
}
"""By page, what its reader has trained before; elsewhere the cash problem."""

FEW_RULES = "newsvendor_weekday", "tuned_base_stock"
"""Those that a recommendation chooses from."""

HAVE_THEIR_OWN = {
    "docs/from_python.md": "tests/test_from_python.py",
    "CONTRIBUTING.md": "tests/test_contributing.py",
}
"""Pages whose Python is run by a test of its own."""


@pytest.fixture
def reader(request, tmp_path, monkeypatch, capsys):
    """Return a page, and who types its commands; whatever is tuned is hardly tuned."""
    page = request.param

    def train_one(folder, seed=0, demand=None):
        own = ("--algo", "ppo", "--demand", demand) if demand else ("--algo", "ppo")
        words = shortened("train", [*(own if demand else TRAINED.get(page, own))])
        words += ["--seed", str(seed), "--run-dir", str(folder)]
        train.main.main(words, standalone_mode=False)
        capsys.readouterr()

    every = registry.rules_in_units
    monkeypatch.setattr(selection, "rules_in_units", lambda p: {n: every(p)[n] for n in FEW_RULES})
    few = Search(episodes=8, rounds=0, work=2000)
    monkeypatch.setattr(TunedRule, "search", lambda *_: few)
    for module in {path.stem for path in (ROOT / "studies").glob("*.py")} - {"__init__"}:
        studied = importlib.import_module(f"studies.{module}")
        if hasattr(studied, "EPISODES"):
            monkeypatch.setattr(studied, "EPISODES", 8)
    registries = PROBLEMS, ALGORITHMS, BASELINES, BASELINES["cash"]
    before = [dict(names) for names in registries]
    yield page, Reader(tmp_path, monkeypatch, capsys, train_one)
    for names, known in zip(registries, before, strict=True):  # what examples brought along
        names.clear()
        names.update(known)
    for name in [name for name in sys.modules if name.startswith("examples.")]:
        del sys.modules[name]


@pytest.mark.parametrize("reader", sorted({one.page for one in HERE}), indirect=True)
def test_the_commands_of_a_page_run(reader):
    page, types = reader
    failed = [types.type(command) for command in HERE if command.page == page]
    assert not any(failed), "\n----\n".join(filter(None, failed))


@pytest.mark.parametrize("reader", ["studies"], indirect=True)
@pytest.mark.parametrize("command", STUDIES.values(), ids=STUDIES.keys())
def test_a_study_runs(reader, command):
    failed = reader[1].type(command)
    assert not failed, failed


PYTHON = {
    page: found
    for page in PAGES
    if (name := page.relative_to(ROOT).as_posix()) not in HAVE_THEIR_OWN
    and (found := blocks(page, "python"))
}


@pytest.mark.parametrize("page", PYTHON, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for block in PYTHON[page]:
        exec(compile(block, str(page), "exec"), names)  # noqa: S102


def test_other_blocks_are_what_they_say():
    texts = [text for page in PAGES for text in blocks(page, "json")]
    assert texts
    for text in texts:
        assert isinstance(json.loads(text), dict)
    known = {"", "python", "{ .python }", "json", "diff", "yaml", "sql", "text"}
    named = {language.strip() for page in PAGES for language in re.findall(
        r"^ *```([^\n`]+)$", page.read_text("utf-8"), re.MULTILINE)}  # fmt: skip
    assert named - known == set()


def test_commands_that_are_run_elsewhere_exist():
    text = " ".join(one.text for one in EVERY)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?<!\S)make ([a-z-]+)", text)) <= targets
    for module in re.findall(r"python -m ((?:tests|benchmarks|studies)\.[\w.]+)", text):
        assert importlib.util.find_spec(module), module
    assert all(any(re.match(start, one.text) for one in EVERY) for start in ELSEWHERE)
    for file in re.findall(r"tests/[\w/]+(?:\.py)?", " ".join(map(str, ELSEWHERE.values()))):
        assert (ROOT / file).exists(), file
    assert len(HERE) > 60
    assert len(STUDIES) >= 10
