"""Today's orders of a trained policy: ``python decide.py --checkpoint runs/<run> --state FILE``."""

import csv
import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import click

from commands.options import NEWEST
from common import console
from common.files import write_whole


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--checkpoint",
    default=NEWEST,
    is_flag=False,
    flag_value=NEWEST,
    metavar="[RUN]",
    help="A run folder [the newest].",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="CSV with store, [sku], on_hand, due_1 (arrives tomorrow), due_2 ... or due_2024-01-31 "
    "..., d1 (yesterday's demand) ... d7.",
)
@click.option(
    "--database",
    metavar="URL",
    help="In place of --state: a file of SQLite, or postgresql://user@host/name, with tables stock "
    "(store, sku, on_hand), outstanding (store, sku, due_date, quantity) and demand (date, store, "
    "sku, demand). The day's rows in its table orders are replaced.",
)
@click.option(
    "--history",
    type=click.Path(path_type=Path),
    help="A demand file with the last 28 days, in place of d1 ... or the table demand [the run's "
    "own].",
)
@click.option("--date", metavar="DATE", help="The day that is decided on [after the last known].")
@click.option("--baseline", help="The rule to name besides [the best before the split].")
@click.option("--json", "as_json", is_flag=True, help="Write JSON in place of CSV.")
@click.option("--output", type=click.Path(path_type=Path), help="A file [standard output].")
def main(
    checkpoint: str,
    state: Path | None,
    database: str | None,
    date: str | None,
    as_json: bool,
    output: Path | None,
    **options: Any,
) -> None:
    """Write what to order this morning, a row per store."""
    try:
        day = None if date is None else dt.date.fromisoformat(date)
    except ValueError:
        raise click.BadParameter(f"--date {date}: must be a date such as 2024-01-31") from None
    if (state is None) == (database is None):
        raise click.UsageError("the present state is needed: --state FILE or --database URL")
    from agents import run_folder  # here: --help and a misspelt option answer at once
    from commands.orders import decide
    from commands.stock_database import Database

    tables = None if database is None else Database(database)
    with console.screen.status("loading the policy, tuning rules"):
        rows = decide(checkpoint, tables or state or Path(), date=day, **options)
    if tables is not None:
        tables.write_orders(rows, str(run_folder.find(checkpoint)[0]))
    text = json.dumps(rows, indent=2, allow_nan=False) + "\n" if as_json else _as_csv(rows)
    if output is None:
        print(text, end="")
    else:
        write_whole(output, text.encode())


def _as_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


if __name__ == "__main__":
    console.run(main)
