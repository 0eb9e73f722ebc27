"""Read stock from an ERP, write approved orders to it: ``python connect.py --system erpnext``."""

from pathlib import Path

import click

from commands.command import GroupedCommand
from commands.options import OutputFile
from common import console
from common.errors import InputError


@click.command(cls=GroupedCommand)
@click.option(
    "--system",
    type=click.Choice(["erpnext", "frepple", "odoo"]),
    required=True,
    help="The ERP; its address and credentials come from the environment, and a missing one is "
    "named.",
)
@click.option("--pull", type=OutputFile(), help="Write the stock on hand as a state file.")
@click.option("--push", is_flag=True, help="Show which approved orders would be created there.")
@click.option("--apply", is_flag=True, help="With --push: create them, and record them as placed.")
@click.option(
    "--database",
    default="service.db",
    show_default=True,
    metavar="URL",
    help="The service's database, whose approved orders are pushed.",
)
def main(system: str, pull: Path | None, push: bool, apply: bool, database: str) -> None:
    """Exchange stock and orders with an ERP: nothing is written there without --apply."""
    if push == (pull is not None):
        raise click.UsageError("say --pull FILE or --push")
    try:
        from service.connectors import run  # here: --help answers at once
        from service.store.database import Database
    except ModuleNotFoundError as error:
        raise InputError(f"connecting needs {error.name}; pip install -e '.[serve]'") from None
    name: run.System = system  # type: ignore[assignment]  # click has checked it
    send, settings = run.transport(name)
    if pull is not None:
        print(f"{pull}: {run.pull(name, pull, send)} rows")
        return
    base = Database(database, make=False)
    for number, what in run.push(name, base, send, settings, apply=apply):
        print(f"order {number}: {what}")
    if not apply:
        print("nothing was written; --apply makes them")


if __name__ == "__main__":
    console.run(main)
