"""Today's orders of a trained policy: ``python decide.py --checkpoint runs/<run> --state FILE``."""

from pathlib import Path
from typing import Any

import click

from commands.command import PluginCommand, heading, plugin_option
from commands.options import NEWEST, InputFile, Limit, OutputFile, worker_options
from common import console


@click.command(cls=PluginCommand)
@heading("Policy")
@click.option(
    "--checkpoint",
    default=NEWEST,
    is_flag=False,
    flag_value=NEWEST,
    metavar="[RUN]",
    help="A run folder [the newest].",
)
@click.option("--baseline", help="The rule beside the policy [the best before the split].")
@plugin_option
@click.option(
    "--server",
    metavar="URL",
    help="Let a service (serve.py) at this address decide, with the token in SERVICE_TOKEN; the "
    "orders are proposed there.",
)
@heading("Present state")
@click.option(
    "--state",
    type=InputFile(),
    help="CSV with store, [sku], on_hand, due_1 (arrives tomorrow), due_2 ... or due_2024-01-31 "
    "..., d1 (yesterday's demand) ... d7; for perishable goods expires_1 (this evening), "
    "expires_2 ...",
)
@click.option(
    "--database",
    metavar="URL",
    help="Instead of --state: an SQLite file, or postgresql://user@host/name, with tables stock "
    "(store, sku, on_hand), outstanding (store, sku, due_date, quantity) and demand (date, store, "
    "sku, demand). The day's rows in its table orders are replaced.",
)
@click.option(
    "--history",
    type=InputFile(),
    help="A demand file with the last 28 days, instead of d1 ... or the table demand [the run's "
    "own file].",
)
@click.option(
    "--calendar",
    type=InputFile(),
    help="A file of what is known of the coming days (holiday, promotion, price ...), and of those "
    "since the end of the run's file, if the run uses such columns.",
)
@click.option("--date", metavar="DATE", help="The day to decide on [the one after the last known].")
@heading("Limits")
@click.option("--max-order", type=Limit(), help="Hold back orders of more units.")
@click.option("--max-value", type=Limit(), help="Hold back orders worth more (column price).")
@click.option(
    "--max-multiple",
    type=Limit(),
    default=5.0,
    show_default=True,
    help="Hold back orders of more than this many times the rule's order.",
)
@click.option(
    "--allow",
    is_flag=True,
    help="Hold nothing back, not even the orders of a run that is unfinished or worse than a rule.",
)
@heading("Run")
@worker_options
@click.option("--output", type=OutputFile(), help="File to write [standard output].")
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of CSV.")
def main(
    checkpoint: str,
    state: Path | None,
    database: str | None,
    server: str | None,
    history: Path | None,
    calendar: Path | None,
    date: str | None,
    baseline: str | None,
    as_json: bool,
    output: Path | None,
    workers: int,
    cluster: str | None,
    **limits: Any,
) -> int:
    """Write what to order this morning, a row per store and product.

    Exit status 4 if orders were held back.
    """
    if (state is None) == (database is None):
        raise click.UsageError("the present state is needed: --state FILE or --database URL")
    if server is not None:
        if workers != 1 or cluster is not None:
            raise click.UsageError("--server decides by itself; leave --workers and --cluster out")
        return _decide_remotely(server, state, date, calendar, output, as_json=as_json)
    with console.collector_paused():
        from agents import run_folder  # here: --help and a misspelt option answer at once
        from commands.database.database import Database
        from commands.decide import decide
        from commands.order_checks import OrderLimits
        from commands.order_output import report_held_back, write_orders
        from common.shards import Workers
        from demand.dates import parse_day

    day = None if date is None else parse_day(date, "--date")
    tables = None if database is None else Database(database)
    rows = decide(
        checkpoint,
        tables or state or Path(),
        history=history,
        calendar=calendar,
        date=day,
        baseline=baseline,
        limits=OrderLimits(**limits),
        workers=Workers(workers, cluster),
    )
    run = str(run_folder.find(checkpoint)[0])
    write_orders(rows, output, as_json=as_json, tables=tables, run=run)
    return console.HELD_BACK if report_held_back(rows) else 0


def _decide_remotely(
    server: str,
    state: Path | None,
    date: str | None,
    calendar: Path | None,
    output: Path | None,
    *,
    as_json: bool,
) -> int:
    """Write the orders that a service proposes; its own limits hold orders back."""
    if state is None:
        raise click.UsageError("--server needs --state FILE")
    from commands.order_output import write_orders
    from commands.remote_orders import decide_remotely

    with console.screen.status("asking the service"):
        rows = decide_remotely(server, state, date, calendar)
    write_orders(rows, output, as_json=as_json, tables=None, run=server)
    return 0


if __name__ == "__main__":
    console.run(main)
