"""The command lines' common border: one line for every bad input, exit status 2, no traceback."""

import sys
from typing import NoReturn

import click
from rich.console import Console

from common.errors import InputError, NumericalError

screen = Console(stderr=True, highlight=False)
"""Where progress and messages go; standard output is for results."""

INTERRUPTED, NOT_FINITE = 130, 3


def run(command: click.Command) -> NoReturn:
    """Run a command and leave the process with its exit status.

    0 for success, 2 for bad input and 3 for numbers that are not finite (one line on standard
    error), 130 after Ctrl-C.
    """
    try:
        status = command.main(standalone_mode=False)
    except click.ClickException as error:
        _fail(error.format_message())
    except InputError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or 'a file'}: {error.strerror or error}; mend that and try again")
    except MemoryError as error:
        _fail(f"not enough memory: {error}; reduce n_envs, evaluation.episodes or the network")
    except NumericalError as error:
        _fail(str(error), NOT_FINITE)
    except (KeyboardInterrupt, click.Abort):
        screen.print("interrupted")
        sys.exit(INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str, status: int = 2) -> NoReturn:
    print("error:", " ".join(message.split()), file=sys.stderr)
    sys.exit(status)
