import io
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from rich.table import Table
from rich.text import Text

from common.console import PlainConsole, plain, spreadsheet_cell
from common.errors import InputError

ROOT = Path(__file__).parents[2]
ODD = "a[/b] m[red]x :smile: \x1b]0;title\x9c \u202egnp"
SHOWN = r"a[/b] m[red]x :smile: \x1b]0;title\x9c \u202egnp"


def shown(printed, **options):
    file = io.StringIO()
    PlainConsole(file=file, width=200, force_terminal=True, **options).print(printed)
    return file.getvalue()


def table():
    cells = Table(title=ODD)
    cells.add_column(ODD)
    cells.add_row(ODD)
    return cells


@pytest.mark.parametrize("printed", [ODD, Text(ODD), table()], ids=["line", "text", "table"])
def test_names_are_shown_and_never_interpreted(printed):
    text = shown(printed)
    assert SHOWN in text
    assert "\x1b]" not in text
    assert "\u202e" not in text


def test_lines_and_letters_stay_as_they_are():
    assert plain("Käse\t1\n日本 €\u00a0🙂") == "Käse\t1\n日本 €\u00a0🙂"


@pytest.mark.parametrize("sign", "=+-@\t\r")
def test_no_cell_is_a_formula(sign):
    assert spreadsheet_cell(f"{sign}cmd|' /C calc'!A0").startswith("'")


def leave(code, *, redirect="", **environment):
    """Run a command of a few lines in a process of its own, in a shell."""
    script = f"import click\nfrom common import console\n{code}\n"
    script += "console.run(click.Command('x', callback=main))"
    return subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" {redirect}', sys.executable, script],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        timeout=60,
        check=False,
    )


PRINTS = "def main(): print('caf\\xe9 \\u65e5')"


def test_an_ascii_locale_is_no_error():
    done = leave(PRINTS, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"caf\\xe9 \\u65e5\n", b"")
    left = leave("def main(): raise click.UsageError('caf\\xe9')", PYTHONIOENCODING="ascii")
    assert (left.returncode, left.stderr) == (2, b"error: caf\\xe9\n")


@pytest.mark.parametrize("redirect", [">&-", ">/dev/full"])
def test_a_result_that_cannot_be_printed_is_an_error(redirect):
    done = leave(PRINTS, redirect=redirect)
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: ")
    assert done.stderr.count(b"\n") == 1


def test_messages_are_one_line_without_control_characters(run_command):
    @click.command()
    def command():
        raise InputError("store '\x1b[31m\nx'")

    assert run_command(command).stderr == "error: store '\\x1b[31m x'\n"
