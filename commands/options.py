"""Options that several commands have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]

NEWEST = "newest"
"""What ``--checkpoint`` alone means."""

FILE_OPTIONS = "demand", "prices", "split", "validation", "fill", "augment"
"""Names of what `file_options` adds."""


def file_options(command: Command) -> Command:
    """Add the options about a file of days to a command."""
    for option in reversed(
        (
            click.option(
                "--demand",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="The stores of a file of daily demand: CSV or Parquet, a column per store, or "
                "long.",
            ),
            click.option(
                "--prices",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="The cash problem on days of a file: columns date, raw_price, product_price, "
                "demand.",
            ),
            click.option(
                "--split",
                metavar="DATE",
                help="First day of the file that evaluation alone sees.",
            ),
            click.option(
                "--validation", metavar="DATE", help="First day that selects the best model."
            ),
            click.option(
                "--fill",
                help="Put in missing days and values: zero or interpolate [refuse them].",
            ),
            click.option(
                "--augment",
                help="Training days made anew: none, bootstrap, parametric [bootstrap].",
            ),
        )
    ):
        command = option(command)
    return command
