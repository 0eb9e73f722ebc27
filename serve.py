"""Decisions as a service: ``python serve.py --checkpoint runs/<run>``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from commands.command import GroupedCommand, heading
from commands.options import Limit, OutputFile
from common import console
from common.errors import InputError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command(cls=GroupedCommand)
@heading("Policy")
@click.option("--checkpoint", metavar="RUN", help="A run folder [the champion of the last start].")
@click.option("--baseline", help="The rule beside the policy [the best before the split].")
@heading("Service")
@click.option(
    "--database",
    default="service.db",
    show_default=True,
    metavar="URL",
    help="An SQLite file, made at the first start or by --token, or postgresql://user@host/name.",
)
@click.option(
    "--inbox",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Decide on every state file (CSV) put in this folder, by what its calendar.csv says of "
    "coming days.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Port."
)
@click.option(
    "--open-to-network", is_flag=True, help="Allow a --host that other machines can reach."
)
@click.option(
    "--host-name", multiple=True, help="A further name that clients reach it by, besides --host."
)
@heading("Limits")
@click.option("--max-order", type=Limit(), help="Largest order [units].")
@click.option("--max-value", type=Limit(), help="Largest value of an order [money].")
@click.option("--max-day-value", type=Limit(), help="Largest value of all orders of a state.")
@click.option(
    "--max-multiple",
    type=Limit(),
    default=5.0,
    show_default=True,
    help="The rule's order replaces orders of more than this many times its size.",
)
@click.option(
    "--max-age",
    type=click.IntRange(0),
    default=2,
    show_default=True,
    help="Largest age of a state in days (in weeks or months if the demand file is in these); "
    "beyond it the rule orders.",
)
@heading("Tasks")
@click.option("--token", metavar="NAME:ROLE", help="Print a new token, and exit.")
@click.option("--verify", is_flag=True, help="Check the log, and exit.")
@click.option("--replay", metavar="ID", help="Reproduce a decision byte by byte, and exit.")
@click.option("--backup", type=OutputFile(), help="Write a copy of the database, and exit.")
@click.option(
    "--retain",
    type=click.IntRange(1, 100_000),  # more are before the first day of dates
    metavar="DAYS",
    help="Remove closed orders and their decisions that are older than this, and exit.",
)
def main(
    checkpoint: str | None,
    database: str,
    baseline: str | None,
    host: str,
    port: int,
    open_to_network: bool,
    host_name: tuple[str, ...],
    inbox: Path | None,
    **more: Any,
) -> None:
    """Propose orders, have them approved and placed, and keep a log that proves it."""
    if host not in LOOPBACK and not open_to_network:
        raise InputError(
            f"--host {host}: other machines could reach it, unencrypted; put a proxy with TLS "
            "before it and add --open-to-network"
        )
    limits = {name: value for name, value in more.items() if name.startswith("max_")}

    def start(opening: Any) -> None:
        serve, base = tools(database, make=checkpoint is not None)
        serve.start(
            *(opening, base, checkpoint),
            host=host,
            port=port,
            guards=serve.Guards(**limits),
            baseline=baseline,
            names=host_name,
            inbox=inbox,
        )

    if any(value not in (None, False) for name, value in more.items() if name not in limits):
        once(*tools(database, make=more["token"] is not None), more)
    else:
        with extras_named():
            from service.opening import listen  # here: --help answers at once
        listen(host, port, start)


@contextmanager
def extras_named() -> Iterator[None]:
    """Say what to install if a package is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(f"the service needs {error.name}; pip install -e '.[serve]'") from None


def tools(database: str, *, make: bool = True) -> tuple[Any, Any]:
    """Return the service's functions and its database; `make` is as for `Database`."""
    with extras_named():
        from service import serve  # here: these take seconds
        from service.store.database import Database
    return serve, Database(database, make=make)


def once(serve: Any, base: Any, asked: dict[str, Any]) -> None:
    """Do the tasks that need no server."""
    backup: Path | None = asked["backup"]
    if asked["token"] is not None:
        print(serve.add_token(base, asked["token"]))
    elif asked["verify"]:
        serve.verify(base)
    elif asked["replay"] is not None:
        serve.replay(base, asked["replay"])
    elif backup is not None:
        serve.backup(base, backup)
    else:
        serve.retain(base, asked["retain"])


if __name__ == "__main__":
    console.run(main)
