"""A command line, as a rule of training, in a process of its own, which needs no time to start."""

import contextlib
import json
import os
import sys
from pathlib import Path

import click

import train
from common import console


def in_child(*arguments: object, log: Path, command: click.Command = train.main) -> int:
    """Run a command with arguments; return the process's number. What it says goes to `log`."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        with log.open("w") as file, contextlib.redirect_stderr(file):
            status = carry_out(*arguments, command=command)
    finally:
        os._exit(status)


def carry_out(*arguments: object, command: click.Command = train.main) -> int:
    """Run a command in this process; return its exit status."""
    sys.argv = [f"{command.callback.__module__}.py", *map(str, arguments)]
    try:
        console.run(command)
    except SystemExit as leaving:
        return int(leaving.code or 0)


def weights(folder: Path) -> dict[str, object]:
    """Return the digests of a run's weights, by the phases that are finished; "" without any."""
    found = {}
    for path in (folder, *sorted(folder.glob("phase_[1-4]"))):
        try:
            facts = json.loads((path / "versions.json").read_text())
        except FileNotFoundError:
            continue
        if facts.get("finished"):
            found["" if path == folder else path.name] = facts["weights"]
    return found
