"""The command lines of README, CONTRIBUTING and docs are ones that the scripts take."""

import re
import shlex
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

import connect
import decide
import evaluate
import export
import recommend
import serve
import train
import tune
from agents import hyperparameters
from agents.settings import RunSettings
from commands.options import InputFile, OutputFile
from envs.problems import PROBLEMS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SCRIPTS = {"train": train, "evaluate": evaluate, "tune": tune, "decide": decide}
SCRIPTS |= {"serve": serve, "recommend": recommend, "connect": connect, "export": export}
NAME = re.compile(r"--set\s+['\"]?([a-z][a-z_.]*)=")


def command_lines():
    """Return page, script and arguments of every line in a block or between backquotes."""
    for page in PAGES:
        text = page.read_text("utf-8").replace("\\\n", " ")
        inline = re.findall(r"(?<!`)`(python \w+\.py[^`]*)`(?!`)", text)
        for line in [*inline, *re.findall(r"^ *(?:\$ )?(python \w+\.py.*)$", text, re.MULTILINE)]:
            if (found := re.match(r"python (\w+)\.py(.*)", line, re.DOTALL))[1] in SCRIPTS:
                yield page.name, found[1], " ".join(found[2].split())


@pytest.mark.parametrize(("page", "name", "arguments"), sorted(set(command_lines())))
def test_a_command_line_parses(page, name, arguments, monkeypatch):
    del page
    for kind in (InputFile, OutputFile):  # sales.csv is the reader's own
        monkeypatch.setattr(kind, "convert", lambda _, value, *__: Path(value))
    words = shlex.split(arguments, comments=True)
    SCRIPTS[name].main.make_context(name, words)


def test_the_settings_that_are_named_exist():
    models = [RunSettings, *(problem.parameters for problem in PROBLEMS.values())]
    models += [m for m in vars(hyperparameters).values() if hasattr(m, "model_fields")]
    named = {name for page in PAGES for name in NAME.findall(page.read_text("utf-8"))}
    assert len(named) > 20
    assert {name for name in named if not is_setting(name.split("."), models)} == set()


def test_every_name_on_the_page_of_the_write_ups_is_a_setting():
    text = (ROOT / "docs" / "from_the_write_ups.md").read_text("utf-8")
    models = [RunSettings, *(problem.parameters for problem in PROBLEMS.values())]
    models += [m for m in vars(hyperparameters).values() if hasattr(m, "model_fields")]
    rows = [line.split("|")[2] for line in text.splitlines() if line.startswith("| ")]
    named = [n for cell in rows for n in re.findall(r"`([a-z]+(?:_[a-z]+)*(?:\.[a-z_]+)*)`", cell)]
    assert len(named) > 60
    assert [name for name in named if not is_setting(name.split("."), models)] == []


def is_setting(path, models):
    """Whether one of the models has the field, and the model in it the next one."""
    first, *rest = path
    if first == "parameters":
        return is_setting(rest, models)
    for field in (m.model_fields[first] for m in models if first in m.model_fields):
        kinds = get_args(field.annotation) or (field.annotation,)
        within = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
        if not rest or not within or is_setting(rest, within):
            return True
    return False
