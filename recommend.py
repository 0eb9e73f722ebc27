"""Which policy to order by, and what it saves: ``python recommend.py --demand sales.csv``."""

from pathlib import Path
from typing import Any

import click

from commands.command import heading
from commands.options import COLUMNS_HELP, ITEMS_HELP, InputFile, SettingsCommand
from common import console


@click.command(cls=SettingsCommand)
@heading("Demand file")
@click.option(
    "--demand",
    type=InputFile(),
    required=True,
    metavar="FILE",
    help="Daily demand of stores: CSV or Parquet, a column per store, or long (a row per date, "
    "store and product).",
)
@click.option("--columns", metavar="WHAT=NAME,...", help=COLUMNS_HELP)
@click.option("--fill", help="Fill in missing days and values: zero or interpolate [refuse them].")
@click.option("--split", metavar="DATE", help="First day of evaluation [that of the last quarter].")
@click.option("--until", metavar="DATE", help="First day after evaluation [the end of the file].")
@click.option(
    "--calendar",
    type=InputFile(),
    metavar="FILE",
    help="A file of what is known ahead of past and coming days: date, [store], [sku], and columns "
    "such as holiday, promotion, price, event, closed.",
)
@click.option("--holidays", metavar="REGION", help="Public holidays of a region: DE, DE-BY ...")
@click.option("--items", type=InputFile(), metavar="FILE", help=ITEMS_HELP)
@heading("Agent")
@click.option(
    "--algo",
    default="auto",
    help="An agent to train beside the rules, once per origin: dcl, ppo, dqn ... or none [dcl, if "
    "the file has at most 1,000 stores x SKUs].",
)
@click.option(
    "--origins",
    type=click.IntRange(1, 12),
    default=3,
    show_default=True,
    help="Number of periods before the split that choose among rules and agent.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Seed of the agent [0].")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="As for train.py.")
@heading("Output")
@click.option("--run-dir", type=click.Path(path_type=Path), help="Folder of the run, empty or new.")
def main(
    algo: str,
    origins: int,
    assignments: tuple[str, ...],
    run_dir: Path | None,
    **flags: Any,
) -> int:
    """Choose among rules and agents on days before the split, and play the choice after it.

    The first line names the policy to order by, what it costs per year and what it saves.
    decide.py writes its daily orders.
    """
    from agents import run_files  # here: --help and a misspelt option answer at once
    from commands.recommendation.recommend import recommend

    found = recommend(
        flags,
        algo=None if algo == "none" else algo,
        origins=origins,
        assignments=assignments,
        run_dir=run_dir,
    )
    if found.status:
        console.screen.print("stopped: no agent was trained to its end, so rules alone are judged")
    print(found.advice.sentence)
    console.screen.print(
        f"report: {found.folder / run_files.ADVICE_PAGE}, tables: "
        f"{found.folder / run_files.ADVICE}; orders: "
        f"python decide.py --checkpoint {found.folder} --state stock.csv",
        soft_wrap=True,
    )
    return found.status


if __name__ == "__main__":
    console.run(main)
