"""Series that begin later than their file: they are named, and held against another file."""

import datetime as dt
from collections.abc import Iterator

import numpy as np

from common.errors import InputError, and_more
from demand.table import DemandTable

MOST_NAMED = 3


def describe_begins(table: DemandTable) -> Iterator[str]:
    """Yield a line on the series that begin later than the file, where some do."""
    if table.begins is None:
        return
    begins = table.begins.reshape(-1)
    places = np.flatnonzero(begins).tolist()
    named = "; ".join(
        f"{table.series(k)} ({table.date(int(begins[k]))})" for k in places[:MOST_NAMED]
    )
    yield (
        f"{len(places):,} of {begins.size:,} series begin later, and count as not yet sold before: "
        f"{named}{and_more(len(places) - MOST_NAMED)}"
    )


def check_begun(table: DemandTable, known: DemandTable, since: dt.date, name: str) -> None:
    """Make sure that what another file knows to have begun is there from a day on, at least.

    A file that goes on where another one ends has no reason to begin later with a series of that.

    Parameters
    ----------
    table, known : DemandTable
        The file, and the other one, by the same periods.
    since : date
        From that day on, or from the day on which a series begins in `known`.
    name : str
        What to call the file in a message.

    Raises
    ------
    InputError
        Naming the series and the days that are missing.
    """
    if table.begins is None:
        return
    skus = {name: place for place, name in enumerate(known.skus)}
    stores = {name: place for place, name in enumerate(known.stores)}
    for sku, store in np.argwhere(table.begins > table.periods.number(since)).tolist():
        own = skus.get(table.skus[sku]), stores.get(table.stores[store])
        if None in own:
            continue
        begun = since if known.begins is None else max(since, known.date(int(known.begins[own])))
        row, series = int(table.begins[sku, store]), table.series(sku * len(table.stores) + store)
        if begun < table.date(row):
            raise InputError(
                f"{name}: {begun} to {table.date(row - 1)} of {series} are missing, and "
                f"{known.name} has it before; add them"
            )
