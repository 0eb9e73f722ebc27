"""Input and output common to all commands: one line per bad input, exit status 2, no traceback."""

import contextlib
import gc
import io
import os
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.segment import Segment

from common.errors import InputError, NumericalError

LINE_SECONDS = 10.0
"""Time between two lines of progress where there is no terminal [s]."""
NOT_FINITE, HELD_BACK, INTERRUPTED = 3, 4, 130
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Leading characters that make a spreadsheet read a cell as a formula."""

_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters that a terminal may obey, or that change how the text beside them reads."""


def plain(text: str) -> str:
    r"""Return a text with its control characters escaped, except line feeds and tabs.

    >>> print(plain("red \x1b[31m"))
    red \x1b[31m
    """
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def spreadsheet_cell(text: str) -> str:
    """Return a text that no spreadsheet reads as a formula: prefixed with ``'`` where one would.

    >>> spreadsheet_cell("=1+1"), spreadsheet_cell("north")
    ("'=1+1", 'north')
    """
    return f"'{plain(text)}" if text.startswith(FORMULA) else plain(text)


def spreadsheet_file(table: str) -> bytes:
    """Return CSV as UTF-8 with a byte order mark, without which Excel garbles names."""
    return table.encode("utf-8-sig")


class PlainConsole(Console):
    """A console that interprets nothing in what it prints: no markup, no control characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **options})

    def render(self, *renderable: Any, **options: Any) -> Iterator[Segment]:
        """Return the pieces of what is printed, strings, cells of tables and all."""
        for piece in super().render(*renderable, **options):
            yield piece if piece.control else piece._replace(text=plain(piece.text))


screen = PlainConsole(stderr=True)
"""Where progress and messages go; standard output is for results."""

_threads_left = threading.Event()


class _ClosedOutput(io.TextIOBase):
    """Stand-in for a closed standard output: a write fails rather than being silently lost."""

    def write(self, _: str, /) -> int:
        raise InputError("standard output is closed; give the command one, or name a file")


def run(command: click.Command) -> NoReturn:
    """Run a command and leave the process with its exit status.

    0 for success, 2 for bad input and 3 for numbers that are not finite (one line on standard
    error), 4 where orders were held back, 130 after Ctrl-C.
    """
    try:
        _prepare_streams()
        status = command.main(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        _fail(error.format_message())
    except InputError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or 'a file'}: {error.strerror or error}; fix that and try again")
    except MemoryError as error:
        _fail(f"not enough memory: {error}; reduce n_envs, evaluation.episodes or the network")
    except NumericalError as error:
        _fail(str(error), NOT_FINITE)
    except (KeyboardInterrupt, click.Abort):
        screen.print("interrupted")
        status = INTERRUPTED
    if status == INTERRUPTED and _threads_left.is_set():
        _leave_at_once(status)
    sys.exit(status if isinstance(status, int) else 0)


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Exclude what is loaded from garbage collection for good: it lives as long as the process.

    A command is thus not slowed down by collections while it loads, later on, or as it ends.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # else the next collection traverses all of it
        if enabled:
            gc.enable()


def leave_threads_behind() -> None:
    """Have the process end after Ctrl-C without waiting for threads that are still at work.

    Python would wait for them, perhaps for minutes, though nobody uses their results.
    """
    _threads_left.set()


def _leave_at_once(status: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


def _prepare_streams() -> None:
    """Allow any text to be written in any locale, and nothing to a closed output."""
    if sys.stdout is None:
        sys.stdout = _ClosedOutput()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _fail(message: str, status: int = 2) -> NoReturn:
    print("error:", plain(" ".join(message.split())), file=sys.stderr)
    sys.exit(status)
