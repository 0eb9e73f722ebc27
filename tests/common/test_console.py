import gc
import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import click
import pytest
from rich.table import Table
from rich.text import Text

from common import console
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


def test_a_result_is_not_lost_where_there_is_no_output(run_command, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)  # as of pythonw, or a closed one at the start
    done = run_command(click.Command("x", callback=lambda: print("orders")))
    assert done.status == 2
    assert done.stderr == (
        "error: standard output is closed; give the command one, or name a file\n"
    )


def test_too_little_memory_says_what_to_reduce(run_command):
    @click.command()
    def command():
        raise MemoryError("8 TiB for the buffer")

    done = run_command(command)
    assert (done.status, done.stderr.count("\n")) == (2, 1)
    assert "not enough memory: 8 TiB for the buffer; reduce n_envs" in done.stderr


def test_after_ctrl_c_the_process_does_not_wait_for_threads_left_behind(run_command, monkeypatch):
    left = []

    def leave(status):
        left.append(status)
        raise SystemExit(status)

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(console, "_threads_left", threading.Event())

    @click.command()
    def command():
        raise KeyboardInterrupt

    assert run_command(command).status == 130
    assert left == []  # nothing is left behind: Python ends as usual
    console.leave_threads_behind()
    assert run_command(command).stderr.strip() == "interrupted"
    assert left == [130]


def test_what_is_loaded_is_kept_from_the_garbage_collector_which_then_goes_on():
    before = gc.get_freeze_count()
    try:
        with console.collector_paused():
            assert not gc.isenabled()
            loaded = [[] for _ in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(loaded)
        with pytest.raises(InputError), console.collector_paused():
            raise InputError("nothing to load")
        assert gc.isenabled()
        gc.disable()
        with console.collector_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
