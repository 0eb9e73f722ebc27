"""Files of daily demand: wide or long, any usual form, and one line for whatever is wrong.

A wide file has a date column and one column per store, a long one a row per date, store and, if
there are several, SKU. Nothing is mended unless `DemandSource.fill` asks for it.
"""

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from inventory.demand_cells import mend, place
from inventory.demand_layout import DEMAND_NAMES, cells_of
from inventory.demand_sheet import read_sheet
from inventory.demand_source import DemandSource
from inventory.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DemandTable:
    """Daily demand without gaps.

    Attributes
    ----------
    name, kind : str
        Name of the file, and how it was read.
    first_day : date
        Its first day.
    stores, skus : tuple of str
        Names, in the order of the file.
    demand : ndarray
        Shape (days, SKUs, stores) [units/day]; not to be written to.
    mended : tuple of str
        What was put in because `DemandSource.fill` asked for it.
    """

    name: str
    kind: str
    first_day: dt.date
    stores: tuple[str, ...]
    skus: tuple[str, ...]
    demand: Floats
    mended: tuple[str, ...] = ()

    @property
    def days(self) -> int:
        """Number of days."""
        return len(self.demand)

    @property
    def last_day(self) -> dt.date:
        """The last day."""
        return self.first_day + dt.timedelta(days=self.days - 1)


def read_demand(
    source: DemandSource,
    today: dt.date | None = None,
    quantities: tuple[str, ...] = DEMAND_NAMES,
) -> DemandTable:
    """Read a file of daily demand, once as long as it does not change.

    Parameters
    ----------
    source : DemandSource
        The file.
    today : date, optional
        Days after it are refused; by default the day it is.
    quantities : tuple of str
        What the column of quantities may be called in a long file, where `source` does not say.

    Raises
    ------
    InputError
        One line with the row and what to do about it.
    """
    fields = DemandSource.model_fields.keys() - {"split", "validation", "until"}
    reading = DemandSource.model_construct(**{name: getattr(source, name) for name in fields})
    try:
        status = source.file.stat()
    except OSError as error:
        raise InputError(f"{source.file}: cannot be read: {error.strerror}") from None
    version = status.st_mtime_ns, status.st_size
    return _read(reading, version, today or dt.date.today(), quantities)


@lru_cache(maxsize=4)
def _read(
    source: DemandSource, version: tuple[int, int], today: dt.date, quantities: tuple[str, ...]
) -> DemandTable:
    del version  # a changed file is another one
    sheet = read_sheet(source.file, source.separator, source.encoding)
    if not sheet.columns or not sheet.numbers.size:
        raise InputError(f"{sheet.name}: holds a header and no days; put in a row for every day")
    cells, kind = cells_of(sheet, source, today, quantities)
    first, last = int(cells.days.min()), int(cells.days.max())
    table, rows = place(sheet.name, cells, first, last - first + 1, filled=bool(source.fill))
    demand, mended = mend(sheet.name, cells, table, rows, first, source.fill)
    demand.flags.writeable = False
    first_day = dt.date.fromordinal(first)
    return DemandTable(sheet.name, kind, first_day, cells.stores, cells.skus, demand, mended)
