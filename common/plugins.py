"""Users' own code: modules named on the command line, or registered by a package.

Only what a user names, or has installed, is imported: no input file can name code to run.
"""

import importlib
import importlib.metadata
import sys
from pathlib import Path
from types import ModuleType

from common.errors import InputError

GROUP = "inventory_rl.plugins"
"""The group of entry points whose modules are imported when a command starts."""


def import_module(option: str, name: str) -> ModuleType:
    """Return a module that a user has named, found on Python's path or in the current folder.

    Parameters
    ----------
    option : str
        The option that names it, for messages.
    name : str
        Its dotted name.

    Raises
    ------
    InputError
        If there is no such module, or it cannot be imported.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last: a file beside the data must not shadow a package
    try:
        return importlib.import_module(name)
    except Exception as error:  # a user's module may raise anything
        what = f"{type(error).__name__}: {error}"
        raise InputError(
            f"{option} {name}: cannot be imported: {what[:200]}; name a module as Python does, "
            "such as examples.kiosk_rule"
        ) from error


def load_installed() -> None:
    """Import the modules that installed packages have registered.

    Raises
    ------
    InputError
        If one of them cannot be imported.
    """
    for entry in importlib.metadata.entry_points(group=GROUP):
        import_module(f"the entry point {entry.name}", entry.value.partition(":")[0])
